"""Schemas of tables: every refusal, links, variables, encodings, Gower's distance."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.datasets.tables import (
    Column,
    ColumnKind,
    Encoding,
    Link,
    Missing,
    Part,
    Style,
    TableSchema,
    Variables,
    check_labels,
    read_schema,
    schema_of,
)
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.testing.tables import random_rows, random_schema

PEOPLE = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18, high=90, unit="years"),
        Column(name="income", kind=ColumnKind.REAL, low=0.0, high=5000.0, step=0.01, unit="EUR"),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook")),
    ),
    target=Column(name="ok", kind=ColumnKind.CATEGORICAL, levels=("no", "yes")),
)


class TestSchemas:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            (
                {"kind": ColumnKind.REAL, "low": 2.0, "high": 1.0},
                "`range` must be two finite numbers in order",
            ),
            ({"kind": ColumnKind.REAL, "step": -1.0}, "`step` must be a finite number >= 0"),
            ({"kind": ColumnKind.REAL, "levels": ("a",)}, "levels belong to ordinal and categorical"),
            ({"kind": ColumnKind.INTEGER, "high": 1.5}, "a whole range and a whole step"),
            ({"kind": ColumnKind.ORDINAL}, "`levels` must be at least one, all different"),
            (
                {"kind": ColumnKind.ORDINAL, "levels": ("a", "a")},
                "`levels` must be at least one, all different",
            ),
            ({"kind": ColumnKind.ORDINAL, "levels": ("a ",)}, "begin and end without spaces"),
            ({"kind": ColumnKind.ORDINAL, "levels": ("a",), "step": 1.0}, "no range and no step"),
            (
                {"kind": ColumnKind.CATEGORICAL, "levels": ("a",), "monotone": 1},
                "ordinal columns can be mono",
            ),
            ({"kind": ColumnKind.CATEGORICAL, "levels": ("a",), "unknown": "b"}, "`unknown` must be one of"),
            (
                {"kind": ColumnKind.CATEGORICAL, "levels": ("a",), "missing": Missing.LEVEL},
                "besides the last",
            ),
            ({"kind": ColumnKind.REAL, "missing": Missing.FILL}, "`fill` goes with missing = 'fill'"),
            ({"kind": ColumnKind.REAL, "missing": Missing.FILL, "fill": "x"}, "`fill` must be a value"),
            ({"kind": ColumnKind.REAL, "monotone": 2}, "`monotone` must be 1"),
        ],
    )
    def test_columns_that_make_no_sense(self, settings: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            Column(name="a", **settings)  # type: ignore[arg-type]  # one of several

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[[columns]]\nname = 'a'\nkind = 'real'\nrnage = [0, 1]", "unknown setting `rnage`.*`range`"),
            ("[[columns]]\nname = 'a'\nkind = 'float'", "`kind` must be one of real, integer"),
            (
                "[[columns]]\nname = 'a'\nkind = 'real'",
                r"`range` must be two numbers, \[low, high\], got None",
            ),
            ("[[columns]]\nkind = 'real'", "`name` of a column must be a text"),
            ("[[columns]]\nname = 'a'\nkind = 'real'\nrange = [0, 1]\nimmutable = 1", "must be of type bool"),
            ("columns = 3", r"written as \[\[columns\]\]"),
            ("format = 'cfsearch-table/9'", "`format` must be 'cfsearch-table/1'"),
            ("", "there is no column"),
            ("a = = 1", "no valid TOML"),
        ],
    )
    def test_files_that_make_no_sense(self, tmp_path: Path, text: str, message: str) -> None:
        path = tmp_path / "people.toml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=message) as caught:
            read_schema(path)
        assert str(caught.value).startswith(str(path))

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            read_schema(tmp_path / "none.toml")

    def test_links_that_make_no_sense(self) -> None:
        said = PEOPLE.to_dict()
        for link, message in (
            ({"columns": ["age"], "rows": [[1]]}, "joins two columns or more"),
            ({"columns": ["age", "jib"], "rows": [[1, "cook"]]}, "no column 'jib'. Did you mean 'job'"),
            ({"columns": ["age", "job"], "rows": [[1, "cook"], [1, "cook"]]}, "given once each"),
            ({"columns": ["age", "job"], "rows": [[1, "pilot"]]}, "'pilot' is none of its 2 levels"),
            ({"columns": ["age", "job"], "rows": [[1]]}, "lists of 2 values"),
        ):
            with pytest.raises(ConfigError, match=message):
                schema_of({**said, "links": [link]})
        two = Link(("age", "job"), ((1.0, 0.0),))
        with pytest.raises(ConfigError, match="stands in two links"):
            replace(PEOPLE, links=(two, Link(("job", "income"), ((0.0, 1.0),))))

    def test_names_must_differ(self) -> None:
        with pytest.raises(ConfigError, match="column 'age' stands there twice"):
            replace(PEOPLE, ignore=("age",))

    def test_a_name_that_is_wrong_by_a_letter(self) -> None:
        with pytest.raises(ConfigError, match="no column 'incone'. Did you mean 'income'"):
            PEOPLE.ruled(immutable=["incone"])

    def test_words_speak_the_columns_units(self) -> None:
        assert PEOPLE.words([39.0, 1.5, 0.0], [45.0, 1.25, 1.0]) == (
            "age 39 -> 45 years",
            "income 1.50 -> 1.25 EUR",
            "job clerk -> cook",
        )

    def test_labels_in_another_order(self) -> None:
        check_labels(PEOPLE, ("no", "yes"))
        with pytest.raises(DataError, match="yes, no stand in another order than those of column 'ok'"):
            check_labels(PEOPLE, ("yes", "no"))
        with pytest.raises(DataError, match="approve, refuse are not those of column 'ok'"):
            check_labels(PEOPLE, ("approve", "refuse"))
        with pytest.raises(DataError, match=r'has them in the model\'s order: labels = \["yes", "no"\]$'):
            check_labels(PEOPLE, ("yes", "no"))
        with pytest.raises(DataError, match=r"Is 2 classes of 3 right\? Name another column"):
            check_labels(PEOPLE, ("a", "b", "c"))
        with pytest.raises(
            DataError, match=r'words in m.toml, in the order .* outputs: labels = \["no", "yes"\]$'
        ):
            check_labels(PEOPLE, ("approve", "refuse"), beside="m.toml")

    @pytest.mark.parametrize(
        ("model", "line"),
        [(("YES ", "No"), '["yes", "no"]'), (("no", "Yes"), '["no", "yes"]')],
    )
    def test_the_same_classes_in_other_words_get_the_line_to_write(
        self, model: tuple[str, str], line: str
    ) -> None:
        with pytest.raises(DataError) as caught:
            check_labels(PEOPLE, model, beside="m.toml")
        assert str(caught.value).endswith(f"other words: write this line in m.toml: labels = {line}")

    @pytest.mark.parametrize(
        ("known", "model"),
        [
            (("0", "1"), ("False", "True")),
            (("0.0", "1.0"), ("0", "1")),
            (("FALSE", "TRUE"), ("False", "True")),
        ],
    )
    def test_numbers_and_truth_values_are_the_same_however_written(
        self, known: tuple[str, str], model: tuple[str, str]
    ) -> None:
        goal = Column(name="ok", kind=ColumnKind.CATEGORICAL, levels=known)
        with pytest.raises(DataError) as caught:
            check_labels(replace(PEOPLE, target=goal), model)
        assert str(caught.value).endswith(f'as the model\'s labels: labels = ["{known[0]}", "{known[1]}"]')

    def test_numbered_classes_get_the_line_to_write(self) -> None:
        with pytest.raises(DataError, match=r'in rf.toml, else .* outputs: labels = \["no", "yes"\]$'):
            check_labels(PEOPLE, ("0", "1"), beside="rf.toml")
        with pytest.raises(DataError, match="or write its words in rf.toml"):
            check_labels(PEOPLE, ("approve", "refuse"), beside="rf.toml")


class TestVariables:
    def test_gower_by_hand(self) -> None:
        variables = Variables.of(PEOPLE)
        x = torch.tensor([[18.0, 0.0, 0.0], [54.0, 2500.0, 1.0]], dtype=torch.float64)
        # (36 / 72 + 2500 / 5000 + 1) / 3
        assert variables.gower(x[:1], x[1:]).tolist() == pytest.approx([2 / 3])
        far = torch.tensor([[18.0, 99_999.0, 0.0]], dtype=torch.float64)
        assert variables.gower(x[:1], far).tolist() == pytest.approx([1 / 3]), "at most 1 a column"

    @given(seed=st.integers(0, 2**32 - 1))
    def test_gower_tables_agree_with_pairs_and_are_distances(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        schema = random_schema(draw)
        variables = Variables.of(schema)
        x, y = random_rows(schema, n=3, draw=draw), random_rows(schema, n=4, draw=draw)
        table = variables.gower_table(x, y)
        pairs = variables.gower(x[:, None].expand(3, 4, -1), y[None].expand(3, 4, -1))
        assert torch.allclose(table, pairs, atol=1e-12)
        assert bool(((table >= 0) & (table <= 1)).all())
        assert (
            torch.allclose(table.T, variables.gower_table(y, x)) and float(variables.gower(x, x).max()) == 0.0
        )

    def test_linked_columns_follow_their_number(self) -> None:
        schema = replace(PEOPLE, links=(Link(("job", "age"), ((0.0, 60.0), (1.0, 20.0))),))
        [_, variable] = Variables.of(schema).all[::-1]
        assert variable.name == "job" and variable.kind is ColumnKind.ORDINAL
        assert variable.rows is not None and variable.rows.tolist() == [[1.0, 20.0], [0.0, 60.0]]

    def test_links_whose_rules_contradict_each_other(self) -> None:
        columns = tuple(Column(name=n, kind=ColumnKind.INTEGER, low=0, high=9, monotone=1) for n in "ab")
        link = Link(("a", "b"), ((1.0, 3.0), (2.0, 2.0), (3.0, 4.0)))
        with pytest.raises(ConfigError, match="its monotone columns contradict each other"):
            Variables.of(TableSchema(columns=columns, links=(link,)))

    def test_a_combination_that_does_not_occur(self) -> None:
        schema = replace(PEOPLE, links=(Link(("job", "age"), ((0.0, 60.0), (1.0, 20.0))),))
        with pytest.raises(DataError, match="a combination of 'job' and its linked columns"):
            Variables.of(schema).values(torch.tensor([[60.0, 1.0, 1.0]]))


class TestEncodings:
    def test_by_hand(self) -> None:
        x = torch.tensor([[18.0, 1000.0, 1.0], [90.0, 3000.0, 0.0]], dtype=torch.float64)
        assert Encoding.ranged(PEOPLE).apply(x).tolist() == [[0.0, 0.2, 0.0, 1.0], [1.0, 0.6, 1.0, 0.0]]
        assert Encoding.standard(PEOPLE, x).apply(x)[:, :2].tolist() == [[-1.0, -1.0], [1.0, 1.0]]
        assert Encoding.ranged(PEOPLE).slots == ((0, 1), (1, 1), (2, 2))

    def test_gradients_reach_the_numbers(self) -> None:
        x = torch.tensor([[39.0, 1000.0, 1.0]], requires_grad=True)
        Encoding.ranged(PEOPLE).apply(x).sum().backward()  # type: ignore[no-untyped-call]  # torch's
        assert x.grad is not None and (x.grad[0] != 0).tolist() == [True, True, False]

    def test_refusals(self) -> None:
        with pytest.raises(ConfigError, match="expected 3 parts, got 0"):
            Encoding(PEOPLE, ())
        with pytest.raises(ConfigError, match="column 'age': only levels can be one-hot"):
            Encoding(PEOPLE, (Part(style=Style.ONE_HOT),) * 3)
        with pytest.raises(ConfigError, match="`scale` positive"):
            Part(style=Style.STANDARD, scale=0.0)
        with pytest.raises(ShapeError, match=r"expected rows of shape \(n, 3\)"):
            Encoding.plain(PEOPLE).apply(torch.zeros(1, 4))
        with pytest.raises(ShapeError, match=r"expected shape \(n, 3\)"):
            Encoding.plain(PEOPLE).invert(torch.zeros(1, 4))
        assert Encoding.plain(PEOPLE).fingerprint != Encoding.ranged(PEOPLE).fingerprint


@pytest.mark.parametrize(("count", "shown"), [(6, "'l5'"), (7, "'l5', ...")])
def test_of_many_levels_the_first_six_are_named(count: int, shown: str) -> None:
    column = Column(name="c", kind=ColumnKind.CATEGORICAL, levels=tuple(f"l{i}" for i in range(count)))
    with pytest.raises(DataError) as caught:
        column.code("other")
    assert shown in str(caught.value)
    assert "l6" not in str(caught.value)
