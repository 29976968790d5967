"""The reader of HELOC's own csv, on a small file in that format."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from cfsearch.errors import DataError

PLACE = Path(__file__).parents[2] / "benchmarks" / "papers" / "loans.py"
pytestmark = pytest.mark.checkout

HEADER = (
    "RiskPerformance,ExternalRiskEstimate,MSinceOldestTradeOpen,MSinceMostRecentTradeOpen,AverageMInFile,"
    "NumSatisfactoryTrades,NumTrades60Ever2DerogPubRec,NumTrades90Ever2DerogPubRec,PercentTradesNeverDelq,"
    "MSinceMostRecentDelq,MaxDelq2PublicRecLast12M,MaxDelqEver,NumTotalTrades,NumTradesOpeninLast12M,"
    "PercentInstallTrades,MSinceMostRecentInqexcl7days,NumInqLast6M,NumInqLast6Mexcl7days,"
    "NetFractionRevolvingBurden,NetFractionInstallBurden,NumRevolvingTradesWBalance,"
    "NumInstallTradesWBalance,NumBank2NatlTradesWHighUtilization,PercentTradesWBalance"
)
"""The true header."""


@pytest.fixture(scope="module")
def loans() -> ModuleType:
    spec = importlib.util.spec_from_file_location("loans", PLACE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder: Path, rows: list[str]) -> Path:
    path = folder / "heloc_dataset_v1.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_heloc_in_its_own_format(loans: ModuleType, tmp_path: Path) -> None:
    # made up: month counts 100 to 107; -7, "condition not met", where nobody was ever late
    rows = [
        f"{('Good', 'Bad')[i % 2]},{60 + i},{100 + i},5,84,20,3,0,83,{-7 if i % 4 else 2},3,5,23,1,43,0,0,0,33,-8,8,1,1,69"
        for i in range(8)
    ]
    empty = "Bad" + ",-9" * 23
    no_score = "Good,-9,104,5,84,20,3,0,83,-7,3,5,23,1,43,0,0,0,33,-8,8,1,1,69"
    data = loans.read_heloc(write(tmp_path, [*rows, empty, no_score, empty]))
    # the empty rows are gone, the one that lacks but the other firm's score is not, nor is that score an input
    assert len(data.train) + len(data.test) == 9 and len(data.test) == 2
    assert data.bounded.schema.names == tuple(HEADER.split(",")[2:])
    everything = torch.cat([data.train, data.test])
    late = data.bounded.schema.names.index("MSinceMostRecentDelq")
    assert sorted(everything[:, late].tolist()) == [-7.0] * 7 + [2.0] * 2
    unused = data.bounded.schema.names.index("NetFractionInstallBurden")
    assert set(everything[:, unused].tolist()) == {-8.0}
    verdicts = torch.cat([data.train_classes, data.test_classes])
    months = everything[:, 0]
    assert all(int(v) == int(m) % 2 for v, m in zip(verdicts, months, strict=True) if m != 104.0)
    # to [0, 1] by the range of the training part, inside which `bounded` stays
    encoded = data.bounded.apply(data.train)
    assert float(encoded.min()) == 0.0 and float(encoded.max()) == 1.0
    assert torch.equal(encoded, data.free.apply(data.train))
    assert (
        data.free.schema.columns[0].high
        > data.bounded.schema.columns[0].high
        == float(data.train[:, 0].max())
    )


def test_heloc_that_is_something_else(loans: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be Good or Bad, got 'Fair'"):
        loans.read_heloc(write(tmp_path, ["Fair" + ",1" * 23]))
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no column 'RiskPerformance'"):
        loans.read_heloc(other)
