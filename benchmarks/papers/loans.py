"""The two tables of loans of Jung et al. 2020: UCI credit card default, and HELOC from its own csv."""

from pathlib import Path
from typing import Final, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.datasets.tables import Column, ColumnKind, Encoding, Part, Style, TableSchema, read_text_table
from cfsearch.errors import DataError

LABELS: Final = ("paid", "default")
_CREDIT_TARGET: Final = "default payment next month"
_HELOC_TARGET: Final = "RiskPerformance"
_HELOC_LEFT_OUT: Final = "ExternalRiskEstimate"
_NO_RECORD: Final = -9.0
_FREE: Final = 10.0
"""How far a free column may leave its range, in ranges."""
_TEST: Final = 0.25
"""Both of the paper's test parts are a quarter."""


class Loans(NamedTuple):
    """A table split in two; columns as plain numbers, encoded to [0, 1] by the range in training.

    In ``bounded`` they stay in that range when they are changed, in ``free`` they may leave it by
    far, as the paper lets them.
    """

    title: str
    bounded: Encoding
    free: Encoding
    train: Float[Tensor, "n d"]
    train_classes: Int[Tensor, " n"]
    test: Float[Tensor, "t d"]
    test_classes: Int[Tensor, " t"]


def read_credit(path: Path) -> Loans:
    """UCI credit card default: 23 columns, 30,000 rows (22,500 and 7,500 in the paper and here)."""
    table = read_text_table(path)
    names = [name for name in table.header if name not in ("ID", _CREDIT_TARGET)]
    x = _numbers(table.rows, [table.header.index(name) for name in names])
    y = torch.tensor([int(cell) for cell in table.column(_CREDIT_TARGET)])
    return _split("UCI credit card", names, x, y)


def read_heloc(path: Path) -> Loans:
    """HELOC as FICO gives it (``heloc_dataset_v1.csv``): Good or Bad, then 23 columns of whole numbers.

    As in the paper: applicants without any record (-9 everywhere) are left out, which leaves its
    9,871 rows; the remaining -7, -8 and -9 ("condition not met", "no usable account", "no
    record") stay as the numbers they are, since only then its table 4 holds whole numbers
    (``PercentTradesWBalance`` 0.787 is 77 of -8 to 100); the risk score of another firm,
    ``ExternalRiskEstimate``, is no input, as in its table 4.

    Raises:
        DataError: the file has no such column, or another verdict than Good and Bad.
    """
    table = read_text_table(path)
    if _HELOC_TARGET not in table.header:
        raise DataError(
            f"heloc: {path.name} has no column {_HELOC_TARGET!r}. Give the file of the FICO challenge."
        )
    verdicts = table.column(_HELOC_TARGET)
    odd = sorted(set(verdicts) - {"Good", "Bad"})
    if odd:
        raise DataError(f"heloc: {_HELOC_TARGET!r} must be Good or Bad, got {odd[0]!r}.")
    whole = [i for i, name in enumerate(table.header) if name != _HELOC_TARGET]
    known = ~(_numbers(table.rows, whole) == _NO_RECORD).all(1)
    names = [name for name in table.header if name not in (_HELOC_TARGET, _HELOC_LEFT_OUT)]
    x = _numbers(table.rows, [table.header.index(name) for name in names])
    y = torch.tensor([int(verdict == "Bad") for verdict in verdicts])
    return _split("HELOC", names, x[known], y[known])


def _numbers(rows: list[list[str]], columns: list[int]) -> Float[Tensor, "n d"]:
    return torch.tensor([[float(row[i]) for i in columns] for row in rows], dtype=torch.float64)


def _split(title: str, names: list[str], x: Float[Tensor, "n d"], y: Int[Tensor, " n"]) -> Loans:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    rest, test = order[int(_TEST * len(x)) :], order[: int(_TEST * len(x))]
    low, high = x[rest].amin(0).tolist(), x[rest].amax(0).tolist()
    target = Column(name="decision", kind=ColumnKind.CATEGORICAL, levels=LABELS)
    ends = list(zip(names, low, high, strict=True))
    parts = tuple(Part(style=Style.STANDARD, centre=a, scale=(b - a) or 1.0) for _, a, b in ends)
    bounded, free = (
        Encoding(
            TableSchema(
                columns=tuple(
                    Column(name=n, kind=ColumnKind.REAL, low=a - m * (b - a), high=b + m * (b - a))
                    for n, a, b in ends
                ),
                target=target,
            ),
            parts,
        )
        for m in (0.0, _FREE)
    )
    return Loans(title, bounded, free, x[rest], y[rest], x[test], y[test])
