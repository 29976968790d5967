"""A column that the model takes and the table lacks: the refusal says what may be wrong."""

import pytest

from cfsearch.assembly.taken_columns import check_taken
from cfsearch.errors import DataError


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        (("job^income",), "If another mark stands between its cells, give it with --delimiter."),
        (("Job", "income", "age"), "Is it 'Job'? Write the names in the file as the model has them."),
        (
            ("cook", "17"),
            "If its first line holds values, put a line with the names of the columns above it.",
        ),
        (("income", "age"), "Correct the file, or give --schema."),
    ],
    ids=["one column", "another case", "no header", "lacking"],
)
def test_what_may_be_wrong_is_named(known: tuple[str, ...], hint: str) -> None:
    with pytest.raises(DataError) as caught:
        check_taken("folder/t.csv", ("job", "income"), known=known)
    assert "the model takes the column 'job', which 't.csv' does not have" in str(caught.value)
    assert str(caught.value).endswith(hint)
