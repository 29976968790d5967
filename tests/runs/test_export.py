"""Fronts and runs as tables."""

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import torch

from cfsearch.contracts.records import Reason
from cfsearch.errors import DamagedError, MissingExtraError, RunError
from cfsearch.fronts.frame import Cell, front_frame, front_rows
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import InstanceRow, RunDirectory
from cfsearch.runs.export import export_run, to_csv, to_jsonl, to_parquet


def front(name: str = "face.png", *, labels: tuple[str, str] = ("female", "male")) -> ParetoFront:
    """Two members: one verified that wears glasses, one that changes nothing."""
    return ParetoFront(
        name=name,
        labels=labels,
        source=0,
        target=1,
        variables=("Eyeglasses", "Bald"),
        objectives=("adversarial", "intensity"),
        units=("nat", "change"),
        z=torch.tensor([[0.5, 0.0], [0.0, 0.0]]),
        f=torch.tensor([[-2.0, 0.5], [0.0, 0.0]]),
        origin_values=torch.tensor([0.25, 0.0]),
        scores=torch.tensor([[0.0, 2.0], [2.0, 0.0]]),
        original_scores=torch.tensor([2.0, 0.0]),
        reconstruction_scores=torch.tensor([2.0, 0.0]),
        verified=torch.tensor([True, False]),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2", "nsga2"),
        reason=Reason.BUDGET,
        reference_point=torch.tensor([1.0, 1.0]),
        evaluations=10,
    )


def run_of(path: Path, *fronts: ParetoFront) -> RunDirectory:
    run = RunDirectory.start(path, config={}, hashes={})
    rows = [
        InstanceRow(f.name, i, "found", "budget_exhausted", "", "0" * 64, (), f) for i, f in enumerate(fronts)
    ]
    run.add([*rows, InstanceRow("=bad.png", len(rows), "failed", "data", "unreadable", "", (), None)])
    return run


def test_a_frame_has_a_row_a_member_and_the_values_of_the_front() -> None:
    frame = front().to_frame()
    assert list(frame.columns) == [
        *("name", "member", "source", "target", "verified", "origin", "picked_as", "lead", "words"),
        *("objective_adversarial", "objective_intensity", "change_Eyeglasses", "change_Bald"),
        *("value_Eyeglasses", "value_Bald", "p_female", "p_male"),
    ]
    first = frame.iloc[0]
    assert first["words"] == "+Eyeglasses 0.25 -> 0.75"
    assert first["value_Eyeglasses"] == 0.75
    assert first["objective_adversarial"] == -2.0
    assert first["picked_as"] == "closest sparsest knee"
    assert first["p_male"] == pytest.approx(1 / (1 + 2.718281828**-2))
    assert frame["verified"].tolist() == [True, False]
    assert frame["verified"].dtype == bool


def test_an_empty_front_is_an_empty_frame() -> None:
    whole = front()
    none = ParetoFront(
        **{field: getattr(whole, field) for field in whole.__dataclass_fields__}
        | {part: getattr(whole, part)[:0] for part in ("z", "f", "scores", "verified", "origins")}
    )
    assert len(front_frame(none)) == 0


def test_f77_text_that_a_spreadsheet_would_run_is_neutralised() -> None:
    rows = [*front_rows(front("=cmd|' /C calc'!A0", labels=("@SUM(1)", "-male")))]
    cells = list(csv.reader(io.StringIO(to_csv(rows), newline="")))
    heading, first = cells[0], cells[1]
    assert first[0] == "'=cmd|' /C calc'!A0"
    assert first[heading.index("words")] == "'+Eyeglasses 0.25 -> 0.75"
    assert first[heading.index("source")] == "'@SUM(1)"
    assert first[heading.index("target")] == "'-male"
    assert float(first[heading.index("objective_adversarial")]) == -2.0
    assert not any(cell.startswith(("=", "@", "+", "\t", "\r")) for row in cells for cell in row)


def test_csv_keeps_commas_quotes_and_newlines() -> None:
    rows = [*front_rows(front('a "b", c\nd'))]
    assert next(csv.DictReader(io.StringIO(to_csv(rows), newline="")))["name"] == 'a "b", c\nd'


def test_json_lines_are_one_object_a_line() -> None:
    lines = to_jsonl(front_rows(front("two\nlines"))).splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0])["name"] == "two\nlines"


def test_parquet_is_the_same_table_and_the_same_bytes() -> None:
    import pandas as pd

    rows = [*front_rows(front())]
    blob = to_parquet(rows)
    assert to_parquet(rows) == blob
    again = pd.read_parquet(io.BytesIO(blob))
    pd.testing.assert_frame_equal(again, front_frame(front()))


@pytest.mark.parametrize(("table", "count"), [("members", 4), ("instances", 3)])
def test_a_run_is_exported_whole(tmp_path: Path, table: str, count: int) -> None:
    with run_of(tmp_path / "run", front("a"), front("b")) as run:
        out = tmp_path / "out.jsonl"
        assert (
            export_run(run, str(out), kind="jsonl", table="members" if table == "members" else "instances")
            == count
        )
        names = [json.loads(line)["name"] for line in out.read_text().splitlines()]
    assert names == (["a", "a", "b", "b"] if table == "members" else ["a", "b", "=bad.png"])


def test_a_run_without_members_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with run_of(tmp_path / "run") as run, pytest.raises(RunError, match="has no members to export"):
        export_run(run, tmp_path / "out.csv", kind="csv")
    assert not (tmp_path / "out.csv").exists()


def test_without_pandas_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cfsearch\[tables\]'"):
        front().to_frame()
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cfsearch\[export\]'"):
        to_parquet([*front_rows(front())])
    assert to_csv([*front_rows(front())]).startswith("name,member")


def test_a_list_says_what_the_fronts_say_without_reading_them(tmp_path: Path) -> None:
    with run_of(tmp_path / "run", front("a"), front("b")) as run:
        listed, rows = [*run.listed()], [*run.rows()]
    for short, row in zip(listed, rows, strict=True):
        assert (short.name, short.status, short.code) == (row.name, row.status, row.code)
        header, found = short.header, row.front
        assert (header is None) == (found is None)
        if header is not None and found is not None:
            assert header.source == found.labels[found.source]
            assert (header.members, header.verified) == (len(found), int(found.verified.sum()))


def test_a_list_finds_damage_too(tmp_path: Path) -> None:
    with run_of(tmp_path / "run", front("a")) as run:
        run.seal()
    with closing(sqlite3.connect(tmp_path / "run" / "run.sqlite")) as connection, connection:
        connection.execute("UPDATE instances SET front = zeroblob(9) WHERE name = 'a'")
    with (
        RunDirectory.read(tmp_path / "run") as run,
        pytest.raises(DamagedError, match="its front has another"),
    ):
        list(run.listed())


def test_columns_with_gaps_have_one_type_in_parquet() -> None:
    import pandas as pd

    rows: list[dict[str, Cell]] = [
        {"a": 1, "b": True, "c": None},
        {"a": None, "b": None, "c": None, "d": "x"},
    ]
    frame = pd.read_parquet(io.BytesIO(to_parquet(rows)))
    assert frame["a"].iloc[0] == 1.0
    assert frame["a"].isna().tolist() == [False, True]
    assert frame["b"].tolist() == [True, None]
    assert frame["d"].isna().tolist() == [True, False]
    assert frame["d"].iloc[1] == "x"
    assert frame["c"].isna().all()
