"""A user's photographs with what is known of them: layouts, parts, matching, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.datasets.images import Crop
from cfsearch.datasets.images.labelled import find_photographs, open_photographs, read_labels
from cfsearch.errors import ConfigError, DataError

PARTS = [0, 1, 2, 2]
SIGNS = [[1, -1], [-1, -1], [1, 1], [-1, 1]]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    base = tmp_path / "root" / "celeba"
    for i in range(4):
        picture(base / "img_align_celeba" / f"{i}.jpg")
    rows = [f"{i}.jpg {' '.join(f'{v:2d}' for v in signs)}" for i, signs in enumerate(SIGNS)]
    (base / "list_attr_celeba.txt").write_text("\n".join(["4", "Male Young ", *rows, ""]))
    (base / "list_eval_partition.txt").write_text("".join(f"{i}.jpg {p}\n" for i, p in enumerate(PARTS)))
    return base


@pytest.mark.parametrize("given", [".", "..", "img_align_celeba"], ids=["itself", "above", "below"])
def test_the_official_layout_is_found_from_each_of_its_folders(celeba: Path, given: str) -> None:
    found = open_photographs((celeba / given).resolve())
    assert [ref.name for ref in found.refs] == ["2.jpg", "3.jpg"]
    assert found.aligned
    assert found.crop(64) == Crop(top=40, left=15, side=148)
    known = found.known(["Young", "Bald", "Male"], rows=[0, 1])
    assert known is not None
    assert torch.equal(known.nan_to_num(9.0), torch.tensor([[1.0, 9.0, 1.0], [1.0, 9.0, 0.0]]))
    assert found.known(["Bald"], rows=[0]) is None


@pytest.mark.parametrize(
    ("part", "names"), [("train", ["0.jpg"]), ("valid", ["1.jpg"]), ("all", list("0123"))]
)
def test_a_part_is_that_of_the_list(celeba: Path, part: str, names: list[str]) -> None:
    found = open_photographs(celeba, part=part)  # type: ignore[arg-type]  # a string to pytest
    assert [Path(ref.name).stem for ref in found.refs] == [Path(name).stem for name in names]
    assert f"{len(names)} faces" in found.note


def test_a_part_without_faces_is_refused(celeba: Path) -> None:
    (celeba / "list_eval_partition.txt").write_text("".join(f"{i}.jpg 0\n" for i in range(4)))
    with pytest.raises(DataError, match="of the part 'test'"):
        open_photographs(celeba)


def test_a_plain_folder_knows_nothing_and_has_no_parts(tmp_path: Path) -> None:
    picture(tmp_path / "photos" / "a.png")
    found = open_photographs(tmp_path / "photos")
    assert (found.table, found.source, found.note, found.fingerprint) == (None, "", "", "")
    assert found.crop(64) is None
    assert found.known(["Male"], rows=[0]) is None
    assert find_photographs(tmp_path / "photos")[1] is None
    with pytest.raises(ConfigError, match="no part 'valid'; leave `split` out"):
        open_photographs(tmp_path / "photos", part="valid")


def test_rows_are_matched_by_path_then_by_name_and_text_columns_passed_over(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.png", "b/2.png"):
        picture(tmp_path / "photos" / name)
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "file,partition,Male\na/1.png,train,1\nb/1.png,val,-1\n2.png,val,1\nnowhere.png,val,1\n"
    )
    found = open_photographs(tmp_path / "photos", attributes=labels, recursive=True)
    assert found.table is not None
    assert found.table.files == ("a/1.png", "b/1.png", "b/2.png")
    assert found.table.values[:, 0].tolist() == [True, False, True]
    other = open_photographs(tmp_path / "photos", attributes=labels, recursive=True, limit=2)
    assert other.fingerprint not in ("", found.fingerprint)


@pytest.mark.parametrize("limit", [None, 1])
def test_a_row_of_a_bare_name_that_two_images_have_is_refused(tmp_path: Path, limit: int | None) -> None:
    for name in ("a/1.png", "b/1.png"):
        picture(tmp_path / "photos" / name)
    labels = tmp_path / "labels.csv"
    labels.write_text("file,Male\n1.png,1\n")
    with pytest.raises(DataError, match=r"a row '1.png', but 2 images have that name \(a/1.png, b/1.png\)"):
        open_photographs(tmp_path / "photos", attributes=labels, recursive=True, limit=limit)


def test_both_forms_of_labels_say_the_same(celeba: Path, tmp_path: Path) -> None:
    csv = tmp_path / "labels.csv"
    rows = [f"{i}.jpg,{a},{b}" for i, (a, b) in enumerate(SIGNS)]
    csv.write_text("\n".join(["image_id,Male,Young", *rows, ""]))
    one, other = read_labels(celeba / "list_attr_celeba.txt"), read_labels(csv)
    assert (one.files, one.names) == (other.files, other.names)
    assert torch.equal(one.values, other.values)
    (tmp_path / "broken.txt").write_text("2\nMale Young\n0.jpg 1 -1\n")
    with pytest.raises(DataError, match="line 1 announces '2' faces, but 1 follow"):
        read_labels(tmp_path / "broken.txt")
