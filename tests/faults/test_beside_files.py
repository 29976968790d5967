"""Beside the list: what stands where a file is expected, and where results are written."""

import io
import os
import stat
import threading
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cfsearch.audits.conditions import read_conditions
from cfsearch.audits.exchange.attestation import read_statement
from cfsearch.audits.exchange.commitment import read_key
from cfsearch.audits.theirs import read_theirs
from cfsearch.cli import main
from cfsearch.cli._settings import kind_of_inputs
from cfsearch.config import Config
from cfsearch.datasets.croissant import read_croissant
from cfsearch.datasets.images import find_images, read_attributes, read_image
from cfsearch.datasets.images.labelled import read_labels
from cfsearch.datasets.sound import read_recordings
from cfsearch.datasets.tables import read_schema, read_text_table
from cfsearch.datasets.text import read_texts
from cfsearch.errors import CfsearchError, CfsearchWarning, DamagedError, RunError
from cfsearch.files import atomic_writer, read_file, write_atomically
from cfsearch.fronts.file import read_blob
from cfsearch.providers.onnx.file import ordinary_file
from cfsearch.providers.sidecar import read_sidecar
from cfsearch.providers.surrogate_file import Surrogate
from cfsearch.runs.guard import file_digest, read_object
from cfsearch.runs.store import STORE, Store


def _of_settings(path: Path) -> object:
    """What says which kind of inputs a file of settings names, and then the reader of the file."""
    return kind_of_inputs(path, {}), Config.read(path)


READERS: dict[str, tuple[Callable[..., object], str]] = {
    "settings": (Config.read, "x.toml"),
    "sidecar": (read_sidecar, "x.toml"),
    "schema": (read_schema, "x.toml"),
    "gates": (read_conditions, "x.toml"),
    "table": (read_text_table, "x.csv"),
    "attributes": (read_attributes, "x.csv"),
    "labels": (read_labels, "x.csv"),
    "texts": (read_texts, "x.txt"),
    "sounds": (read_recordings, "x.wav"),
    "front": (read_blob, "x.front"),
    "model": (ordinary_file, "x.onnx"),
    "surrogate": (Surrogate.read, "x.safetensors"),
    "theirs": (lambda path: read_theirs(path, columns=("a",)), "x.json"),
    "statement": (read_statement, "x.json"),
    "croissant": (read_croissant, "x.json"),
    "kind of inputs": (_of_settings, "x.toml"),
    "key": (read_key, "x.key"),
    "document": (read_object, "x.json"),
    "digest": (file_digest, "x.json"),
    "store": (Store.write, STORE),
}


def in_time(work, *, seconds: float = 20.0) -> BaseException | None:  # type: ignore[no-untyped-def]  # any call
    """What a call raised; fails where it does not end."""
    raised: list[BaseException | None] = []

    def call() -> None:
        try:
            work()
            raised.append(None)
        except BaseException as error:  # noqa: BLE001  # handed to the test
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    assert raised, "it still waits"
    return raised[0]


KINDS = ("a pipe", "a folder", "a link to itself", "a link to nowhere", "nothing")
MADE = {("store", "a link to nowhere"), ("store", "nothing")}
"""A store that is not there is made."""


@pytest.mark.parametrize(("reader", "what"), [(r, w) for r in READERS for w in KINDS if (r, w) not in MADE])
def test_what_is_no_file_is_one_sentence_and_never_waited_for(tmp_path: Path, reader: str, what: str) -> None:
    read, name = READERS[reader]
    path = tmp_path / name
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a folder":
        path.mkdir()
    elif what.startswith("a link"):
        path.symlink_to(name if "itself" in what else "nowhere")
    error = in_time(lambda: read(path))
    assert isinstance(error, CfsearchError), error
    assert name in str(error)
    assert "Errno" not in str(error) or isinstance(error, DamagedError)
    assert not str(error).endswith("..")
    assert error.exit_code in (2, 5)


def test_a_picture_that_became_a_pipe_is_unreadable(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "a.png")
    [ref] = find_images(tmp_path)
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    error = in_time(lambda: read_image(ref))
    assert isinstance(error, CfsearchError)
    assert "pipe, socket or device" in str(error)


def test_a_file_that_grows_without_end_is_read_to_its_limit(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    with pytest.raises(OSError, match="more than 1,000 bytes"):
        read_file(tmp_path / "holes", most=1000)
    error = in_time(lambda: Config.read(tmp_path / "holes"))
    assert isinstance(error, CfsearchError)


@pytest.mark.parametrize("what", ["a device", "a pipe", "a folder"])
def test_results_do_not_take_the_place_of_what_is_no_file(tmp_path: Path, what: str) -> None:
    path = tmp_path / "out"
    if what == "a device":
        path.symlink_to("/dev/full")
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    before = path.lstat().st_mode
    with pytest.raises(RunError, match=r"cannot write .*out.*(pipe, socket or device|folder)"):
        write_atomically(path, "x")
    assert path.lstat().st_mode == before
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]


def test_a_name_that_is_no_text_is_refused_where_it_would_be_written(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no UTF-8, perhaps"):
        write_atomically(tmp_path / "out.json", '{"images": "f\udcff"}')
    with atomic_writer(tmp_path / "raw") as file:
        file.write(b"\xff")
    assert (tmp_path / "raw").read_bytes() == b"\xff"
    assert not (tmp_path / "out.json").exists()


def test_a_zip_that_names_a_picture_twice_is_noted(tmp_path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        warnings.simplefilter("ignore")
        for value in (10, 200):
            stream = io.BytesIO()
            Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(stream, "PNG")
            packed.writestr("a.png", stream.getvalue())
    with pytest.warns(CfsearchWarning, match=r"1 entries under names that others have \('a.png'\)"):
        [ref] = find_images(tmp_path / "a.zip")
    assert (
        round(
            float(read_image(ref).pixels.double().mean()) * (1 if read_image(ref).pixels.max() > 1 else 255)
        )
        == 200
    )


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


@pytest.mark.parametrize(
    "words", [("show", "r\udcff"), ("search", "a\udcfe.png", "--model", "m"), ("check", "\udc80")]
)
def test_an_argument_that_is_no_text_is_one_sentence(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert "is no UTF-8 text" in done.stderr
    assert "\\xf" in done.stderr or "\\x80" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("kinds", [("tiny",), ("float.tiff",), ("tiny", "good"), ("float.tiff", "good")])
def test_the_first_picture_that_can_be_searched_gives_the_size(
    tmp_path: Path, kinds: tuple[str, ...]
) -> None:
    from cfsearch.assembly.generator import _first_size

    for i, kind in enumerate(kinds):
        if kind == "float.tiff":
            Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / f"{i}.tiff")
        else:
            side = 1 if kind == "tiny" else 9
            Image.fromarray(np.zeros((side, 12, 3), np.uint8)).save(tmp_path / f"{i}.png")
    config = Config.check({"model": {"path": "m"}, "data": {"images": str(tmp_path)}})
    if "good" in kinds:
        assert _first_size(config) == (9, 12)
        return
    with pytest.raises(
        CfsearchError, match=r"none of 1 under .* can be searched. The first: images: '0\.(png|tiff)'"
    ):
        _first_size(config)
