"""Users' images: read by the stated rules, refused in one clear line."""

import resource
import struct
import sys
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any  # Pillow's options differ by format

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from cfsearch.datasets.images import (
    FORMATS,
    CachedImages,
    Crop,
    TooLargeImageError,
    UnreadableImageError,
    read_image,
)
from cfsearch.datasets.images._pixels import decode
from cfsearch.errors import ConfigError, DataError


def picture(width: int = 8, height: int = 8, *, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def coded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def write(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    (image or picture()).save(path, **options)
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, depth: int, colour: int, raw: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def pixel(path: Path) -> list[int]:
    return read_image(path).pixels[:, 0, 0].tolist()


# --- reading: what is refused ---


def test_f23_a_huge_png_is_refused_from_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 30,000 rows of zeros; stored as one highly compressed stream of about 1 MB or less
    squeezed = zlib.compressobj(9)
    raw = b"".join(squeezed.compress(bytes(3751)) for _ in range(30_000)) + squeezed.flush()
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    path = tmp_path / "huge.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")
    )
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    def decodes(*_: object, **__: object) -> None:
        raise AssertionError("pixels were decoded")

    for name in ("load", "verify"):
        monkeypatch.setattr(PngImagePlugin.PngImageFile, name, decodes)
    with pytest.raises(TooLargeImageError, match="at most 64,000,000 pixels") as caught:
        read_image(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before < 50e6
    assert caught.value.code == "too_large"


@pytest.mark.filterwarnings("error")
def test_f23_the_limit_is_a_parameter_and_never_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", picture(20, 10))
    assert read_image(path, max_pixels=200).pixels.shape == (3, 10, 20)
    with pytest.raises(TooLargeImageError, match=r"at most 199 pixels, got 20 x 10"):
        read_image(path, max_pixels=199)
    path.write_bytes(png(10_000, 10_000, depth=1, colour=0, raw=b""))  # Pillow would warn
    with pytest.raises(TooLargeImageError, match="10000 x 10000"):
        read_image(path)


def truncated_jpeg() -> bytes:
    whole = coded(picture(64, 64), "JPEG")
    return whole[: len(whole) // 2]


def bad_crc() -> bytes:
    whole = bytearray(coded(picture(16, 16)))
    whole[whole.index(b"IEND") - 5] ^= 0xFF  # in the checksum of the last IDAT
    return bytes(whole)


BROKEN = {
    "truncated JPEG": truncated_jpeg(),
    "bad CRC": bad_crc(),
    "truncated PNG": coded(picture(16, 16))[:-20],
    "zero bytes": b"",
    "text": b"this is a text file, not an image\n",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n",
    "PDF": b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n",
    "SVG": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="8"/>',
    "FITS": b"SIMPLE  =                    T" + b" " * 50 + b"END" + b" " * 2797,
    "PPM": coded(picture(), "PPM"),
    "ICO": coded(picture(16, 16), "ICO"),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_f25_f26_what_is_no_sound_image_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=r"'face.png' must be an undamaged") as caught:
        read_image(path)
    assert caught.value.code == "unreadable"
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(FORMATS), data=st.data())
def test_damaged_bytes_give_an_image_or_our_error(kind: str, data: st.DataObject) -> None:
    content = bytearray(coded(picture(12, 10), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = Path("damaged")
    try:
        got = decode(BytesIO(bytes(content[:cut])), name=str(path), size=8, crop=None, max_pixels=10_000)
    except DataError:
        return
    assert got.rgb.shape == (3, 8, 8)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_pixels_without_a_known_range_are_refused(tmp_path: Path, mode: str) -> None:
    write(tmp_path / "a.tiff", Image.new(mode, (4, 4), 1))
    with pytest.raises(UnreadableImageError, match="8 or 16 bits a channel, got 32"):
        read_image(tmp_path / "a.tiff")


# --- reading: the rules ---


@pytest.mark.parametrize("kind", FORMATS)
def test_every_allowed_format_is_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(coded(Image.new("RGB", (6, 5), (255, 0, 0)), kind))
    record = read_image(path)
    assert record.pixels.shape == (3, 5, 6)
    assert record.pixels.dtype == torch.uint8
    red = torch.tensor([255, 0, 0]).view(3, 1, 1)
    assert int((record.pixels - red).abs().max()) <= 2, "JPEG and WEBP are lossy"


def test_the_canonical_form_is_float32_between_zero_and_one(tmp_path: Path) -> None:
    record = read_image(write(tmp_path / "a.png", Image.new("RGB", (2, 2), (255, 0, 51))))
    assert record.x.dtype == torch.float32
    torch.testing.assert_close(record.x[:, 0, 0], torch.tensor([1.0, 0.0, 0.2]))
    assert record.notes == ()
    assert record.original == (2, 2)


def test_f28_palette_with_alpha_is_composed_on_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 1), 1)
    image.save(tmp_path / "a.png", transparency=0)
    assert pixel(tmp_path / "a.png") == [255, 255, 255]
    record = read_image(tmp_path / "a.png")
    assert record.pixels[:, 1, 1].tolist() == [0, 255, 0]
    assert record.notes == ("palette with alpha composed on white",)


def test_f28_transparency_is_composed_on_white(tmp_path: Path) -> None:
    write(tmp_path / "a.png", Image.new("RGBA", (2, 2), (255, 0, 0, 0)))
    write(tmp_path / "b.png", Image.new("RGBA", (2, 2), (255, 0, 0, 255)))
    write(tmp_path / "c.png", Image.new("LA", (2, 2), (0, 51)))
    assert pixel(tmp_path / "a.png") == [255, 255, 255]
    assert pixel(tmp_path / "c.png") == [204, 204, 204]
    assert read_image(tmp_path / "a.png").notes == ("transparency composed on white",)
    assert pixel(tmp_path / "b.png") == [255, 0, 0]
    assert read_image(tmp_path / "b.png").notes == (), "an opaque alpha changes nothing"


def test_f28_cmyk_is_converted(tmp_path: Path) -> None:
    write(tmp_path / "a.tiff", Image.new("CMYK", (2, 2), (0, 255, 255, 0)))
    assert pixel(tmp_path / "a.tiff") == [255, 0, 0]
    assert read_image(tmp_path / "a.tiff").notes == ("CMYK converted without its colour profile",)


def test_f28_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    grey = np.array([[0, 255, 256, 65535]], dtype=np.uint16)
    write(tmp_path / "grey.png", Image.fromarray(grey))
    record = read_image(tmp_path / "grey.png")
    assert record.pixels[0, 0].tolist() == [0, 0, 1, 255]
    assert record.notes == ("16-bit scaled to 8-bit", "grey repeated in three channels")
    colour = struct.pack(">3H", 65535, 0x8000, 0x00FF)
    (tmp_path / "rgb.png").write_bytes(png(1, 1, depth=16, colour=2, raw=b"\0" + colour))
    record = read_image(tmp_path / "rgb.png")
    assert record.pixels[:, 0, 0].tolist() == [255, 128, 0]
    assert record.notes == ("16-bit scaled to 8-bit",)


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_f28_the_first_frame_of_an_animation_is_taken(tmp_path: Path, kind: str) -> None:
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    path = tmp_path / f"a.{kind}"
    write(path, first, save_all=True, append_images=[second], duration=100, lossless=True)
    record = read_image(path)
    assert record.pixels[:, 0, 0].tolist() == [255, 0, 0]
    assert record.notes == ("first frame of several used",)


@pytest.mark.parametrize("kind", ["png", "jpg", "tiff"])
def test_the_exif_orientation_is_applied(tmp_path: Path, kind: str) -> None:
    image = Image.new("RGB", (6, 4), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 3, 4))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    record = read_image(write(tmp_path / f"a.{kind}", image, exif=exif))
    assert record.pixels.shape == (3, 6, 4)
    assert record.original == (6, 4)
    assert int(record.pixels[0, :2].min()) > 200, "left became top"
    assert int(record.pixels[0, 4:].max()) < 55
    assert "EXIF orientation 6 applied" in record.notes


def test_damaged_metadata_is_noted_and_never_a_warning(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    path = write(tmp_path / "a.jpg", exif=exif.tobytes()[:-9] + b"\xff" * 3)
    record = read_image(path)
    assert record.pixels.shape == (3, 8, 8)
    assert record.notes in (("damaged metadata passed over",), ("unreadable EXIF ignored",))


def test_grey_and_one_bit_become_rgb(tmp_path: Path) -> None:
    for mode, value in (("L", 77), ("1", 1)):
        record = read_image(write(tmp_path / "a.png", Image.new(mode, (2, 2), value)))
        assert record.pixels[:, 0, 0].tolist() == [77 if mode == "L" else 255] * 3
        assert record.notes == ("grey repeated in three channels",)


@pytest.mark.parametrize(
    ("mode", "value", "clear"), [("L", 77, 77), ("L", 77, 200), ("1", 1, 0), ("LA", (77, 0), None), ("LA", (77, 255), None)]
)  # fmt: skip
def test_grey_with_transparency_is_noted_as_grey(
    tmp_path: Path, mode: str, value: int | tuple[int, int], clear: int | None
) -> None:
    chunk = {} if clear is None else {"transparency": clear}
    record = read_image(write(tmp_path / "a.png", Image.new(mode, (2, 2), value), **chunk))
    seen = value in (clear, (77, 0))
    notes = ("grey repeated in three channels", *(("transparency composed on white",) if seen else ()))
    assert record.notes == notes
    assert record.pixels[:, 0, 0].tolist() == [255 if seen or mode == "1" else 77] * 3


def test_one_of_sixteen_bit_greys_may_be_transparent(tmp_path: Path) -> None:
    grey = np.array([[0x1234, 0x1235, 0xFFFF]], dtype=np.uint16)
    record = read_image(write(tmp_path / "a.png", Image.fromarray(grey), transparency=0x1234))
    assert record.pixels[:, 0].tolist() == [[255, 0x12, 255]] * 3
    assert record.notes == (
        "16-bit scaled to 8-bit",
        "grey repeated in three channels",
        "transparency composed on white",
    )


# --- reading: size ---


def test_the_centre_square_is_kept(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 4), (0, 0, 0))
    image.paste((255, 255, 255), (2, 0, 6, 4))
    record = read_image(write(tmp_path / "a.png", image), size=4)
    assert record.pixels.tolist() == [[[255] * 4] * 4] * 3
    assert record.notes == ("centre 4 x 4 of 8 x 4 kept",)
    assert record.original == (4, 8)


def test_whole_factors_shrink_by_the_mean_of_blocks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", picture(12, 12))
    blocks = np.asarray(picture(12, 12)).reshape(4, 3, 4, 3, 3).astype(float).mean(axis=(1, 3))
    got = read_image(path, size=4).pixels.permute(1, 2, 0).numpy()
    assert np.abs(got - blocks).max() <= 1.0, "Pillow rounds twice, once a direction"


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    size=st.integers(1, 48),
    grey=st.integers(0, 255),
)
def test_a_flat_image_stays_flat_at_any_size(width: int, height: int, size: int, grey: int) -> None:
    stream = BytesIO(coded(Image.new("RGB", (width, height), (grey, grey, grey))))
    got = decode(stream, name="flat", size=size, crop=None, max_pixels=10_000)
    assert got.rgb.shape == (3, size, size)
    assert bool((got.rgb == grey).all()), "no ringing, no border"


def test_a_crop_is_taken_at_the_place_given(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", picture(10, 12))
    want = np.asarray(picture(10, 12))[3:9, 2:8]
    got = read_image(path, crop=Crop(top=3, left=2, side=6)).pixels.permute(1, 2, 0).numpy()
    assert np.array_equal(got, want)
    with pytest.raises(DataError, match=r"hold the crop of 6 x 6 .* but it is 10 x 12"):
        read_image(path, crop=Crop(top=7, left=2, side=6))


@pytest.mark.parametrize("corner", [(-1, 0, 4), (0, -1, 4), (0, 0, 0)])
def test_a_crop_must_be_a_square(corner: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="corner >= 0 and a side >= 1"):
        Crop(*corner)


@pytest.mark.parametrize("size", [0, -3])
def test_size_must_be_positive(tmp_path: Path, size: int) -> None:
    with pytest.raises(ConfigError, match="must be 1 or more"):
        read_image(write(tmp_path / "a.png"), size=size)
    with pytest.raises(ConfigError, match="must be 1 or more"):
        CachedImages([], size=size)


def test_the_hash_is_of_the_pixels_not_of_the_file(tmp_path: Path) -> None:
    a = read_image(write(tmp_path / "a.png", compress_level=0))
    b = read_image(write(tmp_path / "b.bmp"))
    c = read_image(write(tmp_path / "c.png", picture(seed=1)))
    assert a.sha256 == b.sha256 != c.sha256
    wide = read_image(write(tmp_path / "d.png", Image.new("RGB", (4, 2))))
    high = read_image(write(tmp_path / "e.png", Image.new("RGB", (2, 4))))
    assert wide.sha256 != high.sha256
