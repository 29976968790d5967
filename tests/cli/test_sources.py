"""Labelled images for training: what the flags open, and with what."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from cfsearch.cli._sources import open_source
from cfsearch.datasets import faces
from cfsearch.datasets.faces.training import RenderedFaces
from cfsearch.errors import ConfigError, DataError

from .conftest import Toys


def opened(data: str | None, **changes: Any) -> Any:
    nothing: dict[str, Any] = {
        "celeba": None,
        "table": None,
        "names": (),
        "size": 64,
        "people": None,
        "seed": 3,
    }
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
    assert opened("faces", names=faces.ATTRIBUTES, people=4).attributes == faces.ATTRIBUTES


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
    assert opened("faces", people=4).attributes == faces.ATTRIBUTES


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
    wanted = {"split": "train", "attributes": names or faces.ATTRIBUTES, "size": 96, "limit": 7}
    assert calls == [(opens, tmp_path, wanted)]


@pytest.mark.parametrize(
    ("data", "changes", "message"),
    [
        (None, {}, "one of them"),
        ("faces", {"celeba": Path("x")}, "one of them"),
        ("photos", {}, "--data photos needs --attributes CSV"),
        ("faces", {"names": ("Smiling",)}, "rendered faces have the attributes"),
        ("faces", {"table": Path("a.csv")}, "rendered faces have labels of their own"),
        (None, {"celeba": Path("x"), "table": Path("a.csv")}, "CelebA has labels of its own"),
        ("faces", {"limit": 3}, "Give --people 3"),
        ("photos", {"table": Path("a.csv"), "people": 9}, "Give --limit 9"),
        (None, {"celeba": Path("x"), "people": 9}, "Give --limit 9"),
    ],
)
def test_what_names_no_source_is_refused(data: str | None, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        opened(data, **changes)


def celeba(root: Path, *, parts: str) -> None:
    """Two official faces for each digit, of that part."""
    (root / "img_align_celeba").mkdir(parents=True)
    names = [f"{i:06d}.jpg" for i in range(2 * len(parts))]
    for i, name in enumerate(names):
        Image.new("RGB", (178, 218), (8 * i, 0, 0)).save(root / "img_align_celeba" / name)
    header = " ".join(faces.ATTRIBUTES)
    signs = [f"{name}{' 1' * len(faces.ATTRIBUTES)}" for name in names]
    (root / "list_attr_celeba.txt").write_text("\n".join([str(len(names)), header, *signs]))
    (root / "list_eval_partition.txt").write_text(
        "\n".join(f"{name} {parts[i // 2]}" for i, name in enumerate(names))
    )


@pytest.mark.parametrize(
    ("there", "named", "said"),
    [("012", ["000004.jpg", "000005.jpg"], ""), ("010", ["000002.jpg", "000003.jpg"], "the valid part")],
)
def test_a_measurement_takes_faces_of_celeba_that_no_training_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str, named: list[str], said: str
) -> None:
    notes: list[str] = []
    monkeypatch.setattr("cfsearch.cli._sources.note", notes.append)
    celeba(tmp_path, parts=there)
    assert list(opened(None, celeba=tmp_path, parts=("test", "valid")).names) == named
    assert said in " ".join(notes) and len(notes) == bool(said)
    assert set(opened(None, celeba=tmp_path).names).isdisjoint(named)


def test_celeba_without_faces_of_other_parts_is_refused(tmp_path: Path) -> None:
    celeba(tmp_path, parts="0")
    with pytest.raises(DataError, match="no faces of the part test or valid"):
        opened(None, celeba=tmp_path, parts=("test", "valid"))


def test_tables_that_audits_take_are_taken(toys: Toys) -> None:
    photos, table = folder(toys)
    table.write_text("file,Hat,split,Smile\n0.png,1,train,0\n1.png,0,train,1\n2.png,1,test,1\n")
    assert opened(str(photos), table=table).attributes == ("Hat", "Smile")
    table.write_text("number,file,who,Hat,Smile\nx1,0.png,Ann,1,0\nx2,1.png,Bob,0,1\nx3,2.png,Cy,1,1\n")
    part = opened(str(photos), table=table, names=("Smile", "Hat"))
    assert part.batch([0, 1, 2]).labels.tolist() == [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    with pytest.raises(DataError, match="no attribute 'Smil'"):
        opened(str(photos), table=table, names=("Smil",))
    signs = toys.folder / "list_attr_celeba.txt"
    signs.write_text("3\nHat Smile\n0.png 1 -1\n1.png -1 1\n2.png 1 1\n")
    assert opened(str(photos), table=signs, names=("Smile",)).labels[:, 0].tolist() == [0.0, 1.0, 1.0]
