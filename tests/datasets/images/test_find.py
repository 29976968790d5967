"""Finding users' images: no surprises from links, pipes, zips or crowded folders."""

import os
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from PIL import Image

from cfsearch.datasets.images import (
    ImageRef,
    TooLargeImageError,
    UnreadableImageError,
    find_images,
    read_image,
)
from cfsearch.datasets.tables import read_text_table
from cfsearch.errors import CfsearchWarning, DataError, ModelFileError
from cfsearch.providers.skops_file import load_skops


def picture(width: int = 8, height: int = 8, *, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def coded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def write(path: Path) -> Path:
    picture().save(path)
    return path


def names(path: Path, *, recursive: bool = False) -> list[str]:
    return [ref.name for ref in find_images(path, recursive=recursive)]


def test_a_folder_gives_its_images_sorted_and_nothing_else(tmp_path: Path) -> None:
    for name in ["b.png", "a.JPG", "c.webp", "d.tiff", "notes.txt", "table.csv", ".hidden.png"]:
        (tmp_path / name).touch()
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.gif").touch()
    assert names(tmp_path) == ["a.JPG", "b.png", "c.webp", "d.tiff"]
    assert names(tmp_path, recursive=True) == ["a.JPG", "b.png", "c.webp", "d.tiff", "deep/a.gif"]


def test_one_file_is_itself_whatever_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "portrait"
    path.write_bytes(coded(picture()))
    assert find_images(path) == (ImageRef("portrait", path),)
    assert read_image(find_images(path)[0]).name == "portrait"


def test_a_zip_gives_its_images_sorted(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("z/b.png", coded(picture(seed=1)))
        archive.writestr("a.png", coded(picture(seed=2)))
        archive.writestr("__MACOSX/a.png", b"")
        archive.writestr("readme.txt", b"hello")
    assert names(path) == ["a.png", "z/b.png"]
    got = read_image(find_images(path)[1]).pixels.permute(1, 2, 0).numpy()
    assert np.array_equal(got, np.asarray(picture(seed=1)))


def test_f29_symlink_loops_end_and_each_folder_is_seen_once(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    inner = tmp_path / "inner"
    inner.mkdir()
    write(inner / "b.png")
    (inner / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    assert names(tmp_path, recursive=True) == ["a.png", "inner/b.png"]


def test_f29_a_fifo_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")  # opening it would block for ever
    write(tmp_path / "a.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    with pytest.warns(CfsearchWarning, match=r"left out 2 entries .*'gone.png', 'pipe.png'"):
        assert names(tmp_path) == ["a.png"]
    with pytest.raises(DataError, match="pipe, socket or device"):
        find_images(tmp_path / "pipe.png")
    with pytest.raises(UnreadableImageError, match="pipe, socket or device, which is not opened"):
        read_image(tmp_path / "pipe.png")


def test_f29_no_image_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "a.png")
    with pytest.raises(DataError, match=r"no images found under .*looked for \*\.png.*sub-fold"):
        find_images(tmp_path)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(DataError, match="no images found under"):
        find_images(tmp_path / "empty.zip")


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Counts the calls of functions in between, and how many of them open a file."""
    events: Counter[str] = Counter()

    def note(_: FrameType, event: str, function: object) -> None:
        events["call"] += event in {"call", "c_call"}
        events["open"] += event == "c_call" and getattr(function, "__name__", "") == "open"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield events
    finally:
        sys.setprofile(before)


def test_f29_the_work_grows_with_the_number_of_names_and_no_file_is_opened(tmp_path: Path) -> None:
    target = write(tmp_path / "0.png")
    calls = []
    for n in (500, 1000):
        many = tmp_path / str(n)
        many.mkdir()
        for i in range(n):  # directory entries that link to one file
            os.link(target, many / f"{i:05d}.png")
        with counted() as events:
            assert len(find_images(many)) == n
        assert events["open"] == 0
        calls.append(events["call"])
    assert calls[0] > 500
    assert calls[1] < 2.2 * calls[0], "twice the names, twice the work"


def test_f29_an_unreadable_file_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.png")
    path.chmod(0)
    if os.geteuid() == 0:  # rights do not stop root, so the refusal is played

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("cfsearch.files.os.open", refuse)
    with pytest.raises(UnreadableImageError, match=r"'a.png' .* Permission denied"):
        read_image(ImageRef("a.png", path))


@pytest.mark.parametrize("name", ["nothing", "nul\0.png"], ids=["missing", "NUL"])
def test_a_path_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="cannot be found"):
        find_images(tmp_path / name)


# --- zips ---


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpacks(*_: object, **__: object) -> None:
        raise AssertionError("a member was opened")

    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("bomb.png", "w") as member,
    ):
        for _ in range(300):
            member.write(bytes(2**20))
    [bomb] = find_images(path)
    monkeypatch.setattr(zipfile.ZipFile, "open", unpacks)
    with pytest.raises(TooLargeImageError, match=r"'bomb.png' must unpack to at most 268,435,456"):
        read_image(bomb)


def test_a_damaged_zip_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", coded(picture()))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"IDAT", b"IDAX"))  # the zip's own checksum no longer fits
    with pytest.raises(UnreadableImageError, match=r"'a.png' must be undamaged in its zip"):
        read_image(find_images(path)[0])
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableImageError, match="must be an undamaged zip"):
        find_images(path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", coded(picture()))
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(whole))
    with pytest.raises(UnreadableImageError, match="must not be encrypted"):
        read_image(find_images(path)[0])


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_of_formats_that_are_not_read_are_named(tmp_path: Path, packed: bool) -> None:
    names = ("a.png", "b.HEIC", "c.avif", "notes.txt", ".hidden.heic")
    place = tmp_path / "p.zip" if packed else tmp_path / "p"
    if packed:
        with zipfile.ZipFile(place, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")
    else:
        place.mkdir()
        for name in names:
            (place / name).write_bytes(b"x")
    with pytest.warns(CfsearchWarning, match=r"2 pictures are left out, .* \('b.HEIC', 'c.avif'\)\. Save"):
        assert [ref.name for ref in find_images(place)] == ["a.png"]


def test_a_folder_of_nothing_else_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a.heic").write_bytes(b"x")
    with pytest.raises(
        DataError, match=r"no images found .* 1 picture is left out, as its format is not read \('a.heic'\)"
    ):
        find_images(tmp_path)


def test_a_zip_with_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("caf\u00e9.png", b"")
    path.write_bytes(path.read_bytes().replace("caf\u00e9".encode(), b"caf\xe1\xff"))
    with pytest.raises(DataError, match="undamaged zip"):
        find_images(path)
    with pytest.raises(DataError, match="broken zip file"):
        read_text_table(path)
    with pytest.raises(ModelFileError, match="cannot read it"):
        load_skops(path.rename(path.with_suffix(".skops")), trusted=())
