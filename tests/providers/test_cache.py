"""The cache: exact, in order, each input once; shared by processes; damaged files."""

import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import CfsearchWarning, ConfigError
from cfsearch.providers.cache import CachedProvider
from cfsearch.providers.callable import CallableProvider
from cfsearch.testing.provider_case import ProviderCase


def sums(rows: Any) -> Any:
    """Logits that tell the row: its sum and its first number."""
    flat = rows.reshape(len(rows), -1)
    return np.stack([flat.sum(axis=1), flat[:, 0]], axis=1).astype(np.float32)


class Counter:
    """``sums``, which remembers every row that it was asked about."""

    def __init__(self) -> None:
        self.rows: list[float] = []

    def __call__(self, rows: Any) -> Any:
        self.rows += rows.reshape(len(rows), -1)[:, 0].tolist()
        return sums(rows)


def model(function: Callable[..., Any] = sums, *, version: str = "1") -> CallableProvider:
    return CallableProvider(function, labels=("a", "b"), scores=ScoreKind.LOGITS, fingerprint=version)


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


class TestCacheContract(ProviderCase):
    @pytest.fixture(params=["memory", "file"])
    def provider(self, request: pytest.FixtureRequest, tmp_path: Path) -> Provider:
        return CachedProvider(model(), tmp_path / "c.sqlite" if request.param == "file" else None)


def test_only_what_is_new_is_queried_once_and_in_order() -> None:
    asked = Counter()
    cached = CachedProvider(model(asked))
    first = cached.predict(column(1, 2, 1, 3))
    assert asked.rows == [1, 2, 3]
    assert first[:, 1].tolist() == [1, 2, 1, 3]
    second = cached.predict(column(4, 3, 4, 1))
    assert asked.rows == [1, 2, 3, 4]
    assert second[:, 1].tolist() == [4, 3, 4, 1]
    assert (cached.hits, cached.misses) == (4, 4)


def test_the_least_recently_used_go_first() -> None:
    asked = Counter()
    cached = CachedProvider(model(asked), in_memory=2)
    cached.predict(column(1, 2))
    cached.predict(column(1))
    cached.predict(column(3))  # 2 goes
    cached.predict(column(1, 3))
    assert asked.rows == [1, 2, 3]
    cached.predict(column(2))
    assert asked.rows == [1, 2, 3, 2]


def test_a_file_is_remembered_by_the_next_run_and_versions_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    CachedProvider(model(), path).predict(column(1, 2))
    asked = Counter()
    assert CachedProvider(model(asked), path).predict(column(2, 1))[:, 1].tolist() == [2, 1]
    assert asked.rows == []
    CachedProvider(model(asked, version="2"), path).predict(column(2))
    assert asked.rows == [2]


def test_shape_and_number_type_are_part_of_the_key() -> None:
    asked = Counter()
    cached = CachedProvider(model(asked))
    x = torch.zeros(1, 4)
    for form in (x, x.reshape(1, 2, 2), x.double(), torch.zeros(1, 8)):
        assert cached.predict(form).dtype == form.dtype
    assert len(asked.rows) == 4


def test_answers_that_are_not_finite_are_not_kept() -> None:
    asked = Counter()

    def sometimes(rows: Any) -> Any:
        answer = asked(rows)
        answer[answer[:, 1] < 0] = np.nan
        return answer

    cached = CachedProvider(model(sometimes))
    for _ in range(2):
        assert torch.isfinite(cached.predict(column(-1, 5))).all(1).tolist() == [False, True]
    assert asked.rows == [-1, 5, -1]


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=8), max_size=8),
    in_memory=st.integers(1, 6),
)
def test_the_answers_are_those_of_the_model_whatever_was_queried_before(
    batches: list[list[int]], in_memory: int
) -> None:
    asked = Counter()
    cached = CachedProvider(model(asked), in_memory=in_memory)
    for batch in batches:
        x = column(*map(float, batch))
        before = len(asked.rows)
        assert torch.equal(cached.predict(x), model().predict(x))
        new = asked.rows[before:]
        assert len(new) == len(set(new))


@pytest.mark.parametrize(
    "content",
    [
        b"no database at all, but long enough to look at twice",
        b"SQLite format 3\0" + b"\xff" * 4096,
        b"\x00" * 100,
    ],
    ids=["text", "garbage behind the magic", "zeros"],
)
def test_f69_a_file_that_is_no_cache_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.sqlite"
    path.write_bytes(content)
    with pytest.warns(CfsearchWarning, match="is damaged or not ours"):
        cached = CachedProvider(model(), path)
    assert cached.predict(column(1, 2))[:, 1].tolist() == [1, 2]
    assert (tmp_path / "c.sqlite.damaged-1").read_bytes() == content
    asked = Counter()
    CachedProvider(model(asked), path).predict(column(1, 2))
    assert asked.rows == []


def test_f69_another_programs_database_is_moved_aside_whole(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE answers (question TEXT)")
    foreign.execute("INSERT INTO answers VALUES ('42?')")
    foreign.commit()
    foreign.close()
    with pytest.warns(CfsearchWarning, match="another program's"):
        CachedProvider(model(), path).predict(column(1))
    kept = sqlite3.connect(tmp_path / "c.sqlite.damaged-1")
    assert kept.execute("SELECT question FROM answers").fetchall() == [("42?",)]
    kept.close()


def test_f69_a_file_that_was_cut_off_gives_no_wrong_answer(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    cached = CachedProvider(model(), path)
    x = torch.arange(2000.0)[:, None]
    cached.predict(x)
    cached.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    with pytest.warns(CfsearchWarning, match="moved to"):
        assert torch.equal(CachedProvider(model(), path).predict(x), model().predict(x))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_f69_flipped_bytes_give_no_wrong_answer(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flip") / "c.sqlite"
    cached = CachedProvider(model(), path)
    x = torch.arange(100.0)[:, None]
    cached.predict(x)
    cached.close()
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CfsearchWarning)
        assert torch.equal(CachedProvider(model(), path).predict(x), model().predict(x))


def test_damage_during_a_run_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    cached = CachedProvider(model(), path, in_memory=1)
    cached.predict(torch.arange(500.0)[:, None])
    cached.close()
    path.write_bytes(b"\xff" * 8192)
    with pytest.warns(CfsearchWarning, match="moved to"):
        assert cached.predict(column(7))[0, 1] == 7


HAMMER = """
import hashlib, random, sys
from pathlib import Path
from cfsearch.providers.cache_file import CacheFile

assert "torch" not in sys.modules  # keeps eight processes cheap
draw = random.Random(int(sys.argv[2]))
file = CacheFile(Path(sys.argv[1]))

def value(key):
    return hashlib.sha256(key).digest() * 3

for _ in range(1250):
    keys = [bytes([draw.randrange(200)]) * 20 for _ in range(draw.randrange(1, 9))]
    if draw.random() < 0.5:
        file.write({key: value(key) for key in keys})
    else:
        for key, found in file.read(keys).items():
            assert found == value(key), "a wrong value"
"""


def test_f70_processes_share_a_file_without_a_lock_error_or_a_wrong_value(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    workers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", HAMMER, str(path), str(seed)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(8)
    ]
    complaints = [worker.communicate(timeout=120)[1] for worker in workers]
    assert complaints == [""] * 8
    assert [worker.returncode for worker in workers] == [0] * 8
    check = sqlite3.connect(path)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert 150 < check.execute("SELECT count(*) FROM answers").fetchone()[0] <= 200
    check.close()


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`in_memory` must be at least 1, got 0"):
        CachedProvider(model(), in_memory=0)
    with pytest.raises(ConfigError, match="must be a file in a folder that exists"):
        CachedProvider(model(), tmp_path)
    with pytest.raises(ConfigError, match="must be a file in a folder that exists"):
        CachedProvider(model(), tmp_path / "none" / "c.sqlite")
