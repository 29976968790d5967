"""A folder of originals that was written is read, and one of another format is refused."""

import json
from pathlib import Path

import pytest

from cfsearch.audits.bench_faces import BenchFaces
from cfsearch.errors import ConfigError, DataError

WRITTEN = {
    "format": "cfsearch-bench-originals/1",
    "faces": 3,
    "seed": 5,
    "size": 64,
    "models": [{"name": "gender_natural", "address": "shipped:gender_natural"}],
}
"""As a user's folder holds it."""


def test_the_faces_of_a_folder_are_drawn_again(tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(json.dumps(WRITTEN))
    again, drawn = BenchFaces.read(tmp_path), BenchFaces.drawn(count=3, seed=5)
    assert (again.count, again.seed, dict(again.models)) == (
        3,
        5,
        {"gender_natural": "shipped:gender_natural"},
    )
    assert (again.people.images == drawn.people.images).all()
    assert (again.people.images != BenchFaces.drawn(count=3, seed=6).people.images).any()


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    drawn = BenchFaces.drawn(count=3, seed=5)
    drawn.write(tmp_path / "out")
    document = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert {**document, "models": document["models"][1:2]} == WRITTEN
    assert dict(BenchFaces.read(tmp_path / "out").models) == dict(drawn.models)


@pytest.mark.parametrize("other", ["cfsearch-bench-originals/2", None])
def test_another_format_is_refused(tmp_path: Path, other: str | None) -> None:
    (tmp_path / "bench.json").write_text(json.dumps({**WRITTEN, "format": other}))
    with pytest.raises(
        DataError, match=r"is of the format .*, not 'cfsearch-bench-originals/1'\. Write the originals"
    ):
        BenchFaces.read(tmp_path)


@pytest.mark.parametrize("count", [1, 1001])
def test_too_few_and_too_many_faces_are_refused(count: int) -> None:
    with pytest.raises(ConfigError, match=f"must lie in 2 to 1000, got {count}"):
        BenchFaces.drawn(count=count)
