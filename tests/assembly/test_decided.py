"""Rows by the model's own decision: which are searched, what stays known of the others, what is refused."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.assembly.decided import chosen_by_decision
from cfsearch.assembly.inputs import InputRecord
from cfsearch.assembly.table import TableInput
from cfsearch.contracts.modality import ROWS
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ConfigError, DataError

AGES = (20.0, 45.0, 30.0, 60.0, 41.0)
SCHEMA = TableSchema(columns=(Column(name="age", kind=ColumnKind.REAL, low=0, high=99),))


class Above40(Provider):
    """Says yes above 40; every answer has its gradient off, and holds two rows at most."""

    name, labels, scores, max_batch = "above 40", ("no", "yes", "maybe"), ScoreKind.LOGITS, 2

    def __init__(self) -> None:
        self.calls: list[int] = []

    @property
    def fingerprint(self) -> str:
        return "above 40"

    def predict(self, x: Float[Tensor, "n 1"]) -> Float[Tensor, "n 3"]:
        assert not torch.is_grad_enabled()
        self.calls.append(len(x))
        lead = x[:, 0] - 40
        return torch.stack([torch.zeros_like(lead), lead, lead - 1000], dim=1)


def table() -> TableInput:
    x = torch.tensor(AGES, dtype=torch.float64)[:, None]
    return TableInput(
        schema=SCHEMA,
        records=tuple(InputRecord(f"row {i}", one, f"{i}") for i, one in enumerate(x)),
        probes=x,
        reference=None,
        guessed=None,
        notes=("before",),
        by={"sex": ("f", "m", "f", "m", "f"), "race": ("a", "b", "c", "d", "e")},
    )


@pytest.mark.parametrize(
    ("decided", "limit", "rows"),
    [
        ("yes", None, [1, 3, 4]),
        ("no", None, [0, 2]),
        ("yes", 2, [1, 3]),
        ("yes", 3, [1, 3, 4]),
        ("yes", 9, [1, 3, 4]),
    ],
)
def test_the_rows_of_one_class_are_searched_the_first_ones(
    decided: str, limit: int | None, rows: list[int]
) -> None:
    whole, model = table(), Above40()
    found = chosen_by_decision(whole, model, decided=decided, limit=limit)
    assert [record.name for record in found.records] == [f"row {i}" for i in rows]
    assert found.x.flatten().tolist() == [AGES[i] for i in rows]
    assert found.by == {name: tuple(cells[i] for i in rows) for name, cells in whole.by.items()}
    assert found.whole is whole
    assert model.calls == [2, 2, 1], "each row once"
    first, note = found.notes
    assert first == "before"
    there = 3 if decided == "yes" else 2
    part = f"the first {len(rows)}" if len(rows) < there else f"{len(rows)}"
    assert note.startswith(f"The model puts {there} of 5 rows into '{decided}'; {part} of these are searched")


def test_a_class_that_is_none_or_has_no_row_is_refused() -> None:
    with pytest.raises(ConfigError, match="decided: unknown class 'yess'.* Did you mean 'yes'"):
        chosen_by_decision(table(), Above40(), decided="yess", limit=None)
    with pytest.raises(DataError, match="none of the 5 rows into 'maybe'"):
        chosen_by_decision(table(), Above40(), decided="maybe", limit=None)


def test_a_table_is_of_rows() -> None:
    assert TableInput.modality is ROWS
