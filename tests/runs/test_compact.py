"""Stored fronts: compact, the same bytes when read, and never more than they say."""

import json
import sqlite3
import tracemalloc
import zlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from safetensors.numpy import save

from cfsearch.audits.figures import Figures
from cfsearch.errors import DamagedError
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.header import FrontHeader
from cfsearch.runs.compact import MARK, compacted, expanded, outlined
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.record import figures_of, listed_row, row_of, sealed, stored, verified

from .test_directory import CONFIG, HASHES, front, row

SIDE = 16


def of_pictures(name: str, members: int = 6, seed: int = 0, channels: int = 3) -> ParetoFront:
    """A front whose members resemble each other, as those of a search do."""
    rng = np.random.default_rng(seed)
    original = rng.integers(0, 256, (channels, SIDE, SIDE))
    changes = rng.integers(-2, 3, (members, channels, SIDE, 1))
    one = front(name)
    return replace(
        one,
        z=one.z.repeat(members, 1),
        f=one.f.repeat(members, 1),
        scores=one.scores.repeat(members, 1),
        verified=torch.arange(members) % 2 == 0,
        origins=one.origins * members,
        original=torch.from_numpy(original.astype(np.uint8)),
        reconstruction=torch.from_numpy((original // 2).astype(np.uint8)),
        images=torch.from_numpy((original // 2 + changes).astype(np.uint8)),
    )


def of_sounds(name: str, members: int = 6) -> ParetoFront:
    """A front of spectrograms, of which members are louder in one band."""
    rng = np.random.default_rng(0)
    one = of_pictures(name, members)
    sound = torch.from_numpy(rng.normal(-30, 9, (1, 12, SIDE)).astype(np.float32))
    sounds = sound.repeat(members, 1, 1, 1)
    sounds[:, :, 3] += torch.arange(members)[:, None, None].float()
    return replace(one, original=None, reconstruction=None, images=None, sound=sound, sounds=sounds)


KINDS = {
    "pictures": of_pictures("a"),
    "grey": of_pictures("a", channels=1),
    "one": of_pictures("a", members=1),
    "many": of_pictures("a", members=600),
    "sounds": of_sounds("a"),
    "neither": front("a"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_front_is_read_as_it_was_in_every_tensor_and_type(kind: str) -> None:
    given = KINDS[kind]
    read = row_of(stored(replace(row("a", 0), front=given)), run="r").front
    assert read is not None
    for part in fields(ParetoFront):
        before, after = getattr(given, part.name), getattr(read, part.name)
        if isinstance(before, torch.Tensor):
            assert before.dtype == after.dtype and torch.equal(before, after), part.name
        else:
            assert before == after, part.name


@given(
    singles=st.sets(st.sampled_from(["original", "reconstruction", "sound"])),
    several=st.sampled_from(["images", "sounds", "rows"]),
    dtype=st.sampled_from(["uint8", "float32", "float64", "int16"]),
    shape=st.lists(st.integers(0, 5), min_size=3, max_size=3),
    members=st.integers(0, 9),
    between=st.sampled_from(["a", "n", "zz"]),
    seed=st.integers(0, 99),
)
def test_any_tensors_come_back_to_the_byte(
    singles: set[str], several: str, dtype: str, shape: list[int], members: int, between: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tensors = {name: rng.integers(0, 256, shape).astype(dtype) for name in singles}
    tensors[several] = rng.integers(0, 256, (members, *shape)).astype(dtype)
    tensors[between] = rng.integers(0, 256, 7).astype(np.uint8)
    blob = save(tensors, metadata={"cfsearch": "{}"})
    assert expanded(compacted(blob)) == blob
    assert len(outlined(compacted(blob))) == len(blob)


@pytest.mark.parametrize("kind", ["pictures", "grey", "sounds"])
def test_it_takes_less_than_half(kind: str) -> None:
    blob = KINDS[kind].to_bytes()
    assert len(compacted(blob)) < len(blob) / 2


def test_the_form_is_what_its_description_says() -> None:
    """Read once more by hand, value by value."""
    given = KINDS["pictures"]
    blob = given.to_bytes()
    found = compacted(blob)
    assert found.startswith(MARK)
    first = zlib.decompressobj()
    rest = first.decompress(found[len(MARK) :])
    header = json.loads(rest[8 : 8 + int.from_bytes(rest[:8], "little")])
    places = sorted(
        (header[name]["data_offsets"][0], name) for name in ("images", "original", "reconstruction")
    )
    content = zlib.decompress(first.unused_data)
    count = 8
    nearest = [int.from_bytes(content[2 * i : 2 * i + 2], "little") for i in range(count)]
    values = np.frombuffer(content[2 * count :], np.uint8).reshape(count, 3, SIDE, SIDE).astype(int)
    pictures: list[Any] = []
    for k in range(count):
        one = np.cumsum(values[k], axis=-1)
        one[0] += one[1]
        one[2] += one[1]
        if nearest[k]:
            one += pictures[nearest[k] - 1]
        pictures.append(one % 256)
    order = {name: getattr(given, name).numpy() for _, name in places}
    expected = np.concatenate([t if t.ndim == 4 else t[None] for t in order.values()])
    assert np.array_equal(np.stack(pictures), expected)
    assert nearest[0] == 0 and max(nearest) > 0
    begin = 8 + int.from_bytes(blob[:8], "little")
    cut = bytearray(blob)
    for name in reversed(order):
        first_byte, last = header[name]["data_offsets"]
        del cut[begin + first_byte : begin + last]
    assert rest == bytes(cut)


def test_a_list_reads_the_header_as_it_is_in_the_front() -> None:
    given = KINDS["pictures"]
    listed = listed_row(stored(replace(row("a", 0), front=given)), run="r")
    assert listed.header == FrontHeader.read(given.to_bytes())
    assert listed.header == FrontHeader(source="a", members=6, verified=3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compact", [True, False])
def test_figures_are_read_as_they_are_without_pictures(kind: str, compact: bool) -> None:
    given = KINDS[kind]
    values = stored(replace(row("a", 0), front=given)) if compact else resealed(given.to_bytes())
    front = figures_of(values, run="r").front
    assert front is not None
    expected = replace(given, images=None, original=None, reconstruction=None)
    assert front.to_bytes() == expected.to_bytes()
    assert front.modality is given.modality


def test_figures_of_a_run_are_those_of_its_rows(tmp_path: Path) -> None:
    fronts = {name: of_pictures(name, seed=i) for i, name in enumerate("abc")}
    with RunDirectory.start(tmp_path / "run", config=CONFIG, hashes=HASHES) as run:
        run.add([replace(row(name, i), front=one) for i, (name, one) in enumerate(fronts.items())])
        run.add([row("d", 3, failed=True)])
        whole, bare = Figures.of("model", run.rows()), Figures.of("model", run.figures())
        assert [r.name for r in run.figures()] == [*fronts, "d"]
        assert all(r.front is None or r.front.images is None for r in run.figures())
    assert (bare.counts(), bare.changes()) == (whole.counts(), whole.changes())
    assert (bare.transitions(), bare.instances) == (whole.transitions(), whole.instances)
    store = sqlite3.connect(tmp_path / "run" / "run.sqlite")
    with store:
        store.execute("DELETE FROM instances WHERE name = 'b'")
    store.close()
    with (
        RunDirectory.read(tmp_path / "run") as run,
        pytest.raises(DamagedError, match="4 results were written"),
    ):
        list(run.figures())


def test_a_front_in_its_own_form_is_left_as_it_is() -> None:
    blob = KINDS["pictures"].to_bytes()
    assert expanded(blob) is blob
    assert outlined(blob) is blob


def resealed(blob: bytes) -> tuple[Any, ...]:
    """A row with these bytes in the place of its front, and checksums that fit them."""
    return sealed(("a", 0, "found", "", "", "", "[]", blob))


def test_each_bit_of_a_stored_front_counts() -> None:
    values = stored(replace(row("a", 0), front=KINDS["pictures"]))
    assert values.front is not None
    assert verified((*values[:8], *values[8:]), run="r") == values.row_sha256
    for place in range(0, len(values.front), 41):
        content = bytearray(values.front)
        content[place] ^= 1 << place % 8
        with pytest.raises(DamagedError, match="its front has another checksum"):
            verified((*values[:7], bytes(content), *values[8:]), run="r")


@pytest.mark.parametrize("kind", ["pictures", "sounds", "neither"])
def test_other_bytes_whose_checksums_fit_are_damage_or_the_same_front(kind: str) -> None:
    given = KINDS[kind]
    blob, whole = compacted(given.to_bytes()), given.to_bytes()
    altered = [blob[:at] for at in range(8, len(blob), 97)] + [blob + b"x", blob[:40] + blob[41:], MARK]
    altered += [
        blob[:at] + bytes([blob[at] ^ 1 << at % 8]) + blob[at + 1 :] for at in range(8, len(blob), 31)
    ]
    for content in altered:
        try:
            found = row_of(resealed(content), run="r").front
        except DamagedError:
            continue
        assert found is not None
        assert found.to_bytes() == whole


def streams(blob: bytes) -> tuple[bytes, bytes]:
    first = zlib.decompressobj()
    return first.decompress(blob[len(MARK) :]), zlib.decompress(first.unused_data)


def test_what_expands_to_more_than_it_says_is_refused_before_it_does() -> None:
    rest, pictures = streams(compacted(KINDS["pictures"].to_bytes()))
    more = bytes(50_000_000)
    bombs = (
        MARK + zlib.compress(rest + more) + zlib.compress(pictures),
        MARK + zlib.compress(rest) + zlib.compress(pictures + more),
        MARK + zlib.compress((10**18).to_bytes(8, "little") + more),
        MARK + zlib.compress(rest) + zlib.compress(pictures) + more,
    )
    for bomb in bombs:
        tracemalloc.start()
        with pytest.raises(DamagedError, match="'a' cannot be read"):
            row_of(resealed(bomb), run="r")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5 * len(bomb) + 2_000_000


@pytest.mark.parametrize("offsets", [[0, 10**12], [-5, 0], [9, 3]])
def test_a_header_that_says_what_no_front_has_is_refused(offsets: list[int]) -> None:
    header = json.dumps({"images": {"dtype": "U8", "shape": [1, 1, 2, 2], "data_offsets": offsets}}).encode()
    blob = MARK + zlib.compress(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="says what no front has"):
        outlined(blob)


def test_a_picture_rests_on_none_after_it() -> None:
    rest, pictures = streams(compacted(KINDS["pictures"].to_bytes()))
    turned = MARK + zlib.compress(rest) + zlib.compress(b"\x01\x00" + pictures[2:])
    with pytest.raises(DamagedError, match="rests on one after it"):
        row_of(resealed(turned), run="r")


def test_a_run_of_schema_2_is_read_as_it_is_and_goes_on_with_a_backup(tmp_path: Path) -> None:
    path, fronts = tmp_path / "run", {name: of_pictures(name, seed=i) for i, name in enumerate("abc")}
    with RunDirectory.start(path, config=CONFIG, hashes=HASHES) as run:
        run.add_stored([_plain(name, i, fronts[name]) for i, name in enumerate("ab")])
        run.seal()
    store = sqlite3.connect(path / "run.sqlite")
    store.execute("PRAGMA user_version = 2")
    store.close()
    before = (path / "run.sqlite").read_bytes()
    with RunDirectory.read(path) as run:
        assert [r.front.to_bytes() for r in run.rows() if r.front] == [fronts[n].to_bytes() for n in "ab"]
        assert [r.header for r in run.listed()] == [FrontHeader.read(fronts[n].to_bytes()) for n in "ab"]
    assert (path / "run.sqlite").read_bytes() == before
    with RunDirectory.start(path, config=CONFIG, hashes=HASHES) as run:
        assert run.damaged == ()
        run.add([replace(row("c", 2), front=fronts["c"])])
        assert [r.front.to_bytes() for r in run.rows() if r.front] == [f.to_bytes() for f in fronts.values()]
    assert (path / "run.sqlite.schema-2").read_bytes() == before
    store = sqlite3.connect(path / "run.sqlite")
    assert store.execute("PRAGMA user_version").fetchone() == (3,)
    kept = store.execute("SELECT substr(front, 1, 8) = CAST('cfsfront' AS BLOB) FROM instances ORDER BY name")
    assert kept.fetchall() == [(0,), (0,), (1,)]
    store.close()


def test_a_run_of_schema_2_that_was_killed_before_its_settings_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run"
    RunDirectory.start(path, config=CONFIG, hashes=HASHES).close()
    store = sqlite3.connect(path / "run.sqlite")
    with store:
        store.execute("DELETE FROM meta")
    store.execute("PRAGMA user_version = 2")
    store.close()
    with RunDirectory.start(path, config=CONFIG, hashes=HASHES) as run:
        run.add([replace(row("a", 0), front=KINDS["pictures"])])
    store = sqlite3.connect(path / "run.sqlite")
    assert store.execute("PRAGMA user_version").fetchone() == (3,)
    store.close()


def _plain(name: str, position: int, given: ParetoFront) -> Any:  # a row of schema 2
    one = row(name, position)
    values = (one.name, position, one.status, one.code, one.message, one.sha256, json.dumps(one.notes))
    return sealed((*values, given.to_bytes()))
