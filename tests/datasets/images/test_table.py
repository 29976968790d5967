"""Attribute tables, and labelled images made of one."""

import gzip
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cfsearch.datasets.images import AttributeTable, ImageFolderSource, read_attributes, read_image
from cfsearch.datasets.images.labelled import read_labels
from cfsearch.datasets.tables import read_text_table
from cfsearch.errors import DataError


def picture(width: int = 8, height: int = 8, *, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def coded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def write(path: Path, image: Image.Image | None = None) -> Path:
    (image or picture()).save(path)
    return path


def table(tmp_path: Path, content: str | bytes, *extra: str) -> AttributeTable:
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_attributes(path, extra=extra)


@pytest.mark.parametrize(
    "content",
    [
        "file,Male,Young\na.png,1,-1\nb.png,-1,1\n",
        "file,Male,Young\na.png,1,0\nb.png,0,1\n",
        "\ufefffile,Male,Young\r\na.png,1,-1\r\nb.png,-1,1\r\n",
        "Male,image_id,Young\n1,a.png,0\n0,b.png,1\n",
        "any,Male,Young\n\na.png, 1,0 \n\nb.png,0,1",
        '"file","Male","Young"\n"a.png","1","0"\n"b.png","0","1"\n',
    ],
    ids=["-1/1", "0/1", "BOM and CRLF", "image_id second", "blank lines", "quoted"],
)
def test_a_table_is_read(tmp_path: Path, content: str) -> None:
    got = table(tmp_path, content)
    assert got.files == ("a.png", "b.png")
    assert got.names == ("Male", "Young")
    assert got.values.tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize(
    "content",
    [
        "file;Male;Young\n\u00e9.png;1;-1\nb.png;-1;1\n".encode(),
        "file\tMale\tYoung\n\u00e9.png\t1\t-1\nb.png\t-1\t1\n".encode("utf-16"),
        "file,Male,Young\r\n\u00e9.png,1,-1\r\nb.png,-1,1\r\n".encode("cp1252"),
        "file|Male|Young\n\u00e9.png|True|False\nb.png|False|True\n".encode("utf-8-sig"),
        gzip.compress("file,Male,Young\n\u00e9.png,1.0,0.0\nb.png,0.0,1.0\n".encode()),
        "sep=;\r\nfile;Male;Young\r\n\u00e9.png;1;0\r\nb.png;0;1\r\n".encode("cp1252"),
        "\nfile,Male,Young\n\u00e9.png,1,0\n  \nb.png,0,1\n".encode(),
        "# by hand\n# twice\nfile,Male,Young\n\u00e9.png,1,0\nb.png,0,1\n".encode(),
    ],
    ids=[
        "semicolons",
        "tabs in UTF-16",
        "Windows-1252",
        "bars and truths",
        "packed, with decimals",
        "Excel's line",
        "empty lines",
        "comments",
    ],
)
def test_a_table_is_read_as_other_tables_are(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    for got in (read_attributes(path), read_labels(path)):
        assert got.files == ("\u00e9.png", "b.png")
        assert got.names == ("Male", "Young")
        assert got.values.tolist() == [[True, False], [False, True]]
    cells = read_text_table(path)
    assert cells.header == ("file", "Male", "Young")
    assert [row[0] for row in cells.rows] == ["\u00e9.png", "b.png"]


def test_a_header_may_begin_with_a_number_sign(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("#,Male\na.png,1\nb.png,0\n")
    got = read_attributes(path)
    assert (got.files, got.names, got.values.tolist()) == (("a.png", "b.png"), ("Male",), [[True], [False]])


def test_columns_that_are_known_to_be_texts_are_none_of_the_attributes(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("file;split;Male\na.png;train;1\nb.png;val;0\n")
    got = read_attributes(path, known=("split", "shard", "file"))
    assert (got.names, got.extra) == (("Male",), {"split": ("train", "val")})
    assert read_labels(path).extra == got.extra


def test_extra_columns_are_kept_as_text(tmp_path: Path) -> None:
    got = table(tmp_path, "file,split,Male\na.png,train,1\nb.png,val,0\n", "split")
    assert got.names == ("Male",)
    assert got.extra == {"split": ("train", "val")}
    part = got.take([1])
    assert (part.files, part.extra, len(part)) == (("b.png",), {"split": ("val",)}, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1 must be a header, but the file is empty"),
        ("file,Male\n", "line 2 must be the first row"),
        (
            "file\na.png\n",
            "line 1 must name columns with commas, semicolons or tabs between them, got 'file'",
        ),
        ("file,Male,Male\na.png,1,1\n", "line 1 names column 'Male' twice"),
        ("file,,Male\na.png,1,1\n", "line 1 has no name for column 2"),
        ("file,Male\na.png,1\nb.png,1,1\n", "line 3 must have 2 cells, got 3"),
        ("file,Male\na.png\n", "line 2 must have 2 cells, got 1"),
        (
            "file,Male\na.png,2\n",
            "line 2 must have 1 or 0, 1 or -1, or true or false in column 'Male', got '2'",
        ),
        ("file,Male\na.png,\n", "line 2 must have 1 or 0"),
        ("file,Male\n,1\n", "line 2 names no file"),
        ("sep=,\n", "line 2 must be a header, but the file is empty"),
        ("sep=;\nfile;Male\n", "line 3 must be the first row"),
        ("sep=;\nfile;\na.png;1\n", "line 2 has no name for column 2"),
        ("# x\nsep=;\nfile;Male\na.png;1\nb.png;x\n", "line 5 must have 1 or 0"),
        ('sep=;\nfile;Male\na.png;1\nb.png;"0\n', "line 4 is no row of a table"),
        ("file,Male\na.png,1\nb.png,0\na.png,1\n", "line 4 names 'a.png' again after line 2"),
        ("file,Male\na.png,1\nb.png,0\nc.png,-1\n", "line 4 mixes -1 and 0 in column 'Male'"),
        ('file,Male\n"a\nb.png",1\nc.png,x\n', "line 4 must have"),
        ('file,Male\n"a.png,1\n', "is no row of a table"),
        (b"file,Male\na\0.png,1\n", "line 2 holds a NUL byte"),
        ("file,Male\n" + "a" * 10**6 + ",1\n", "line 2 is no row of a table"),
    ],
)
def test_f30_a_wrong_table_names_its_line(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"'t.csv', .*{message}"):
        table(tmp_path, content)


def test_a_table_that_is_not_there_or_lacks_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_attributes(tmp_path / "none.csv")
    with pytest.raises(DataError, match="must name the column 'split'"):
        table(tmp_path, "file,Male\na.png,1\n", "split")
    with pytest.raises(DataError, match=r"no attribute 'Mal' .* Did you mean 'Male'"):
        table(tmp_path, "file,Male\na.png,1\n").columns(["Mal"])


@settings(max_examples=80, deadline=None)
@given(content=st.text(alphabet='file,Male\n\r"-10x;\t', max_size=60))
def test_any_text_gives_a_table_or_our_error(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(content, newline="")
    try:
        got = read_attributes(path)
    except DataError:
        return
    assert got.values.shape == (len(got.files), len(got.names))


# --- a labelled source ---


LABELS = "file,Male,Young\n0.png,1,0\n1.png,0,1\n2.png,1,1\n"


def folder(tmp_path: Path) -> Path:
    place = tmp_path / "faces"
    place.mkdir()
    for i in range(3):
        write(place / f"{i}.png", picture(16, 16, seed=i))
    return place


def test_a_source_gives_the_chosen_faces_with_their_labels(tmp_path: Path) -> None:
    source = ImageFolderSource(
        folder(tmp_path), table=table(tmp_path, LABELS), attributes=["Young", "Male"], size=8
    )
    assert len(source) == 3
    assert source.attributes == ("Young", "Male")
    assert source.names == ("0.png", "1.png", "2.png")
    got = source.batch([2, 0, 2])
    assert got.images.shape == (3, 3, 8, 8)
    assert got.images.dtype == torch.float32
    assert 0.0 <= float(got.images.min()) <= float(got.images.max()) <= 1.0
    assert got.labels.tolist() == [[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]]
    assert torch.equal(got.images[0], got.images[2])
    x = read_image(tmp_path / "faces" / "0.png", size=8).x
    assert torch.equal(got.images[1], x)


@pytest.mark.parametrize("cache", [0, 3 * 8 * 8, 2**20], ids=["none", "one image", "all"])
def test_the_cache_changes_nothing_and_saves_decoding(tmp_path: Path, cache: int) -> None:
    place = folder(tmp_path)
    source = ImageFolderSource(place, table=table(tmp_path, LABELS), size=8, cache_bytes=cache)
    first = source.batch([0, 1, 2]).images
    assert torch.equal(source.batch([0, 1, 2]).images, first)
    if cache == 2**20:
        for path in place.iterdir():
            path.unlink()
        assert torch.equal(source.batch([2, 1, 0]).images, first.flip(0))


def test_several_zips_make_one_source(tmp_path: Path) -> None:
    for part, rows in enumerate([(0, 1), (2,)]):
        with zipfile.ZipFile(tmp_path / f"{part}.zip", "w") as archive:
            for i in rows:
                archive.writestr(f"deep/{i}.png", coded(picture(16, 16, seed=i)))
    zips = [tmp_path / "0.zip", tmp_path / "1.zip"]
    got = ImageFolderSource(zips, table=table(tmp_path, LABELS), size=16)
    plain = ImageFolderSource(folder(tmp_path), table=table(tmp_path, LABELS), size=16)
    assert torch.equal(got.batch([0, 1, 2]).images, plain.batch([0, 1, 2]).images)


def test_rows_and_images_must_fit(tmp_path: Path) -> None:
    place = folder(tmp_path)
    with pytest.raises(DataError, match=r"1 of 1 name none \('9.png'\)"):
        ImageFolderSource(place, table=table(tmp_path, "file,Male\n9.png,1\n"))
    (place / "twin").mkdir()
    write(place / "twin" / "0.png")
    write(place / "twin" / "9.png")
    one = ImageFolderSource(place, table=table(tmp_path, "file,Male\n0.png,1\n"))
    assert one.names == ("0.png",), "the path wins over the bare name"
    (place / "other").mkdir()
    write(place / "other" / "9.png")
    with pytest.raises(DataError, match=r"'9.png' must name one image, but 2 are called so"):
        ImageFolderSource(place, table=table(tmp_path, "file,Male\n9.png,1\n"))
