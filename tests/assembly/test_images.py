"""Images that stand for the classes: from one folder, or from the usual folder a class."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfsearch.assembly import images
from cfsearch.assembly.images import reference_images


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, dtype=np.uint8)).save(path)


def values(folder: Path) -> list[int]:
    return (reference_images(str(folder), (3, 8, 8))[:, 0, 0, 0] * 255).round().int().tolist()


def test_class_folders_are_all_taken(tmp_path: Path) -> None:
    for i, name in enumerate(["cat/a", "cat/b", "dog/a"]):
        picture(tmp_path / f"{name}.png", 10 * i)
    assert values(tmp_path) == [0, 10, 20]


def test_of_many_every_class_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_REFERENCES", 4)
    for i in range(8):
        picture(tmp_path / f"class{i // 4}" / f"{i}.png", i)
    assert values(tmp_path) == [0, 2, 4, 6]


def test_images_of_the_folder_itself_come_first_and_alone(tmp_path: Path) -> None:
    picture(tmp_path / "b.png", 7)
    picture(tmp_path / "a.png", 5)
    picture(tmp_path / "old" / "c.png", 9)
    assert values(tmp_path) == [5, 7]
