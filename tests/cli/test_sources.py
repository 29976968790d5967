"""Labelled images for training: what the flags open, and with what."""

from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch.cli._sources import open_source
from cfsearch.datasets import faces
from cfsearch.datasets.faces.training import RenderedFaces
from cfsearch.errors import ConfigError

from .conftest import Toys


def opened(data: str | None, **changes: Any) -> Any:
    nothing: dict[str, Any] = {"celeba": None, "table": None, "names": (), "size": 64, "people": 4, "seed": 3}
    return open_source(data, **{**nothing, "limit": None, **changes})


def test_rendered_faces_are_as_many_as_large_and_of_the_seed() -> None:
    source = opened("faces", people=6, size=128)
    assert isinstance(source, RenderedFaces)
    assert len(source) == 6
    rows = [0, 5]
    assert source.batch(rows).images.shape == (2, 3, 128, 128)
    same, other = opened("faces", people=6, size=128), opened("faces", people=6, size=128, seed=4)
    assert torch.equal(source.batch(rows).images, same.batch(rows).images)
    assert not torch.equal(source.batch(rows).images, other.batch(rows).images)
    assert opened("faces", names=faces.ATTRIBUTES).attributes == faces.ATTRIBUTES


def folder(toys: Toys, *, name: str = "photos") -> tuple[Path, Path]:
    """Three pictures with two attributes."""
    for i in range(3):
        toys.picture(f"{name}/{i}.png", seed=i, size=(80, 80))
    table = toys.folder / "table.csv"
    table.write_text("file,Hat,Smile\n0.png,1,0\n1.png,0,1\n2.png,1,1\n")
    return toys.folder / name, table


def test_a_folder_gives_its_pictures_with_the_columns_that_are_named(toys: Toys) -> None:
    photos, table = folder(toys)
    source = opened(str(photos), table=table)
    assert (len(source), source.attributes) == (3, ("Hat", "Smile"))
    part = opened(str(photos), table=table, names=("Smile", "Hat"), limit=2, size=72)
    assert (len(part), part.attributes) == (2, ("Smile", "Hat"))
    batch = part.batch([0, 1])
    assert batch.labels.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert batch.images.shape == (2, 3, 72, 72)
    assert len(opened(str(photos), table=table, limit=9)) == 3


def test_a_folder_called_faces_is_named_by_its_path(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    _, table = folder(toys, name="faces")
    monkeypatch.chdir(toys.folder)
    assert opened("./faces", table=table).attributes == ("Hat", "Smile")
    assert opened("faces", table=table).attributes == faces.ATTRIBUTES


@pytest.mark.parametrize(("zipped", "opens"), [(True, "CelebAHQSource"), (False, "CelebASource")])
@pytest.mark.parametrize("names", [(), ("Smiling",)])
def test_celeba_is_opened_by_what_lies_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool, opens: str, names: tuple[str, ...]
) -> None:
    if zipped:
        (tmp_path / "images-0.zip").touch()
    calls: list[tuple[str, Path, dict[str, Any]]] = []
    for name in ("CelebAHQSource", "CelebASource"):

        def note(root: Path, name: str = name, **given: Any) -> None:
            calls.append((name, root, given))

        monkeypatch.setattr(f"cfsearch.datasets.images.celeba.{name}", note)
    opened(None, celeba=tmp_path, names=names, size=96, limit=7)
    wanted = {"attributes": names or faces.ATTRIBUTES, "size": 96, "limit": 7}
    assert calls == [(opens, tmp_path, wanted)]


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (None, {}, "one of them"),
        ("faces", {"celeba": Path("x")}, "one of them"),
        ("photos", {}, "--data photos needs --attributes CSV"),
        ("faces", {"names": ("Smiling",)}, "rendered faces have the attributes"),
    ],
)
def test_what_names_no_source_is_refused(data: str | None, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        opened(data, **changes)
