"""What an audit keeps as tensors is read by one reader, which refuses whatever was not written so."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
import torch

from cfsearch.audits.tensor_file import read_tensors, write_tensors
from cfsearch.errors import DamagedError, RunError

from .kept_files import FILES


class Kept(NamedTuple):
    """A kind of file: how it is written and read, and where its names and numbers stand."""

    save: Callable[[Path], None]
    load: Callable[[Path], object]
    names: Callable[[dict[str, Any]], tuple[dict[str, Any], str]]


KINDS = {
    "effects": Kept(*FILES["effects"], lambda meta: (meta, "names")),
    "contributions": Kept(*FILES["contributions"], lambda meta: (meta, "inputs")),
    "columns": Kept(*FILES["columns"], lambda meta: (meta["columns"][0], "rows")),
    "shared": Kept(*FILES["shared"], lambda meta: (meta["classes"][0], "second")),
}
MAY_BE_NAN = {"0 members changed", "0 members necessary", "0 members sufficient"}


@pytest.fixture(params=KINDS)
def kept(request: pytest.FixtureRequest) -> Kept:
    return KINDS[request.param]


Change: TypeAlias = Callable[[dict[str, Any], dict[str, torch.Tensor]], object]
"""What is done to the metadata and the tensors of a file."""


def put(name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    return lambda _meta, tensors: tensors.update({name: make(tensors[name])})


def without(name: str) -> Change:
    return lambda _meta, tensors: tensors.pop(name)


def filled(name: str, value: float) -> Change:
    return put(name, lambda tensor: tensor.clone().fill_(value))


def changed(path: Path, change: Change) -> None:
    """The file with its metadata and tensors changed."""
    head = path.read_bytes()
    kind = next(
        k for k in ("effects", "contributions", "columns", "shared") if f"cfsearch-{k}/1".encode() in head
    )
    file = read_tensors(path, kind=f"cfsearch-{kind}/1")
    meta, tensors = dict(file.meta), dict(file.tensors)
    change(meta, tensors)
    write_tensors(path, tensors, meta)


def names_of(path: Path, kept: Kept) -> list[str]:
    found: list[str] = []
    kept.save(path)
    changed(path, lambda _meta, tensors: found.extend(tensors))
    assert kept.load(path) is not None
    return found


def test_every_tensor_must_be_there_in_its_shape_and_kind(tmp_path: Path, kept: Kept) -> None:
    path = tmp_path / "kept.safetensors"

    def refused(change: Change) -> str:
        kept.save(path)
        changed(path, change)
        with pytest.raises(DamagedError) as error:
            kept.load(path)
        assert isinstance(error.value, RunError)
        text = str(error.value)
        assert repr(str(path)) in text and "damaged" in text and "Give the `cfsearch audit` command" in text
        return text

    for name in names_of(path, kept):
        wider = refused(put(name, lambda tensor: torch.cat([tensor, tensor])))
        assert "its shape is" in wider or "names" in wider, name
        other = refused(put(name, lambda tensor: tensor.to(torch.uint8)))
        assert f"{name!r} must be" in other and "it holds uint8:" in other
        if not name.startswith(("intended", "truth")):  # which not every audit has
            assert name in refused(without(name))


def test_numbers_must_be_finite(tmp_path: Path, kept: Kept) -> None:
    path = tmp_path / "kept.safetensors"
    numbers: list[str] = []
    kept.save(path)
    changed(path, lambda _m, tensors: numbers.extend(n for n, t in tensors.items() if t.is_floating_point()))
    assert numbers
    for name in numbers:
        for value in (math.nan, math.inf):
            kept.save(path)
            changed(path, filled(name, value))
            if name in MAY_BE_NAN and math.isnan(value):
                assert kept.load(path) is not None
                continue
            with pytest.raises(DamagedError, match=f"'{name}' must be .*, but it holds NaN or infinity"):
                kept.load(path)


def test_names_are_a_list_of_texts_as_many_as_rows(tmp_path: Path, kept: Kept) -> None:
    path = tmp_path / "kept.safetensors"
    for wrong in ("xyz", [1, 2, 3], ["one too few"], None):
        kept.save(path)

        def rename(meta: dict[str, Any], _tensors: dict[str, torch.Tensor], *, wrong: object = wrong) -> None:
            where, key = kept.names(meta)
            where[key] = wrong

        changed(path, rename)
        with pytest.raises(DamagedError):
            kept.load(path)


@pytest.mark.parametrize(
    ("kind", "key"), [("effects", "names"), ("contributions", "variables"), ("contributions", "inputs")]
)
def test_what_is_looked_up_by_name_has_no_name_twice(tmp_path: Path, kind: str, key: str) -> None:
    path = tmp_path / "kept.safetensors"
    KINDS[kind].save(path)
    changed(path, lambda meta, _tensors: meta.update({key: ["same"] * len(meta[key])}))
    with pytest.raises(DamagedError, match=f"`{key}` has a name twice"):
        KINDS[kind].load(path)


@pytest.mark.parametrize("kind", FILES)
def test_what_was_written_is_read(tmp_path: Path, kind: str) -> None:
    save, load = FILES[kind]
    save(tmp_path / "kept")
    assert load(tmp_path / "kept") is not None
