"""An audit that goes on searches again what is not what it was, and says so."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cfsearch
from cfsearch.runs.checksums import events
from cfsearch.runs.directory import InstanceRow, RunDirectory
from cfsearch.testing import FakeGenerator, FakeProvider


def paint(folder: Path, **levels: int) -> None:
    for name, level in levels.items():
        Image.fromarray(np.full((16, 16, 3), level, np.uint8)).save(folder / f"{name}.png")


def audited(folder: Path, out: Path) -> dict[str, str]:
    """The digest of each front after an audit of the pictures of a folder."""
    cfsearch.audit(
        FakeProvider(), str(folder), out=out, generator=FakeGenerator(), evaluations=40, population=20
    )
    with RunDirectory.read(out) as run:
        return {row.name: row.front.digest for row in run.rows() if row.front is not None}


def started(out: Path) -> list[dict[str, object]]:
    return [one["detail"] for one in events(out) if one["event"] == "started"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    paint(folder, a=60, b=80, c=100)
    return folder


def test_a_picture_that_was_replaced_is_searched_again_alone(pictures: Path, tmp_path: Path) -> None:
    before = audited(pictures, tmp_path / "run")
    paint(pictures, b=90)
    after = audited(pictures, tmp_path / "run")
    assert (after["a.png"], after["c.png"]) == (before["a.png"], before["c.png"])
    assert after["b.png"] != before["b.png"]
    first, second = started(tmp_path / "run")
    assert first == {"instances": 3, "done": 0, "tried again": 0}
    assert second == {"instances": 3, "done": 2, "tried again": 0, "replaced": ["b.png"]}


def test_what_is_as_it_was_or_cannot_be_read_any_more_is_kept(pictures: Path, tmp_path: Path) -> None:
    before = audited(pictures, tmp_path / "run")
    (pictures / "b.png").write_bytes(b"no picture")
    assert audited(pictures, tmp_path / "run") == before
    assert started(tmp_path / "run")[1] == {"instances": 3, "done": 3, "tried again": 0}


@pytest.mark.parametrize(
    ("code", "tried"), [("worker_died", 1), ("out_of_memory", 1), ("provider_crashed", 0)]
)
def test_what_workers_died_on_is_searched_again_and_what_a_model_died_on_is_not(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, tried: int
) -> None:
    add = RunDirectory.add

    def losing(run: RunDirectory, rows: Sequence[InstanceRow]) -> None:
        lost = [InstanceRow(row.name, row.position, "failed", code, "lost", "", (), None) for row in rows]
        add(run, [new if row.name == "b.png" else row for row, new in zip(rows, lost, strict=True)])

    with monkeypatch.context() as patched:
        patched.setattr(RunDirectory, "add", losing)
        assert set(audited(pictures, tmp_path / "run")) == {"a.png", "c.png"}
    after = audited(pictures, tmp_path / "run")
    assert set(after) == {"a.png", "c.png"} | ({"b.png"} if tried else set())
    assert started(tmp_path / "run")[1] == {"instances": 3, "done": 3 - tried, "tried again": tried}
