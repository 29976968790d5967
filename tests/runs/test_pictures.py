"""Pictures of a run as files: exact, named, and told in a table."""

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.engine.search import Search
from cfsearch.errors import RunError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.runs.directory import InstanceRow, RunDirectory
from cfsearch.runs.pictures import export_pictures, png
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider


@pytest.fixture(scope="module")
def front() -> ParetoFront:
    search = Search(
        FakeProvider(weight=((0, 0, 0), (9.0, 0.0, 0.0)), bias=(0, -5.0)),
        FakeGenerator(),
        [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population),
        evaluations=200,
        population=50,
    )
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.4
    [found] = search.run(x, names=["a"])
    assert isinstance(found, ParetoFront)
    assert found.found
    return found


def run_of(folder: Path, *instances: InstanceRow) -> RunDirectory:
    run = RunDirectory.start(folder, config={}, hashes={})
    run.add(instances)
    return run


def row(name: str, position: int, front: ParetoFront | None) -> InstanceRow:
    named = None if front is None else dataclasses.replace(front, name=name)
    return InstanceRow(name, position, "failed" if front is None else "found", "", "", "", (), named)


def test_pictures_are_the_stored_ones_bit_by_bit(front: ParetoFront, tmp_path: Path) -> None:
    with run_of(tmp_path / "run", row("a.png", 0, front), row("b.png", 1, None)) as run:
        count = export_pictures(run, tmp_path / "out")
    text = (tmp_path / "out" / "pictures.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert count == len(rows) == len(list((tmp_path / "out").glob("*.png")))
    assert front.images is not None
    members = [r for r in rows if r["member"]]
    assert {r["what"] for r in rows} > {"original", "reconstruction"}
    assert {int(r["member"]) for r in members} == set(front.picks().values())
    for r in rows:
        pixels = np.asarray(Image.open(tmp_path / "out" / r["file"])).transpose(2, 0, 1)
        stored = {"original": front.original, "reconstruction": front.reconstruction}
        truth = front.images[int(r["member"])] if r["member"] else stored[r["what"]]
        assert truth is not None
        assert np.array_equal(pixels, truth.numpy()), r["file"]
    assert rows[0]["file"] == "00000-a-original.png"
    assert (rows[0]["name"], rows[0]["class"]) == ("a.png", front.labels[front.source])
    for r in members:
        i = int(r["member"])
        assert set(r["what"].split()) == {way for way, at in front.picks().items() if at == i}
        assert r["class"] == front.labels[int(front.scores[i].argmax())]
        assert float(r["probability"]) == pytest.approx(float(front.p[i].max()))
        assert r["words"].lstrip("'") == "; ".join(front.words(i))


def test_names_of_strangers_stay_inside_the_folder(front: ParetoFront, tmp_path: Path) -> None:
    names = ("../../x.png", "a/b.png", "..", "=1+1.png")
    with run_of(tmp_path / "run", *(row(name, i, front) for i, name in enumerate(names))) as run:
        export_pictures(run, tmp_path / "deep" / "out")
    files = {path.name for path in (tmp_path / "deep" / "out").iterdir()}
    assert {path.name for path in tmp_path.iterdir()} == {"run", "deep"}
    assert {"00000-x-original.png", "00001-a-b-original.png", "00002-original.png"} <= files
    assert "'=1+1.png" in (tmp_path / "deep" / "out" / "pictures.csv").read_text()


def test_a_grey_picture_has_one_channel() -> None:
    pixels = torch.arange(12, dtype=torch.uint8).reshape(1, 3, 4)
    image = Image.open(io.BytesIO(png(pixels)))
    assert image.mode == "L"
    assert np.array_equal(np.asarray(image), pixels[0].numpy())


def test_what_is_there_is_not_written_over(front: ParetoFront, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with run_of(tmp_path / "run", row("a.png", 0, front)) as run:
        with pytest.raises(RunError, match="must be a new or an empty folder"):
            export_pictures(run, tmp_path / "out")
        with pytest.raises(RunError, match="must be a new or an empty folder"):
            export_pictures(run, tmp_path / "out" / "mine.txt")
    with (
        run_of(tmp_path / "empty", row("a.png", 0, None)) as run,
        pytest.raises(RunError, match="has no pictures to export"),
    ):
        export_pictures(run, tmp_path / "new")
    assert not (tmp_path / "new").exists()
