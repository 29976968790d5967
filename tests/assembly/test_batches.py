"""The loop over a few inputs: batches, who watches them, and inputs that cannot be read."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from cfsearch import Config
from cfsearch.assembly.batches import searched, size_on_cpu
from cfsearch.assembly.parts import Parts
from cfsearch.assembly.search import Assembly, assemble
from cfsearch.contracts.modality import PICTURES, ROWS
from cfsearch.datasets.images import find_images
from cfsearch.engine.clock import Clock
from cfsearch.engine.progress import Progress, Watcher
from cfsearch.errors import DataError
from cfsearch.testing import FakeProvider


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, level in enumerate((100, 110, 120)):
        Image.new("RGB", (16, 16), (level,) * 3).save(tmp_path / f"{i}.png")
    (tmp_path / "1b.png").write_bytes(b"no picture")
    return tmp_path


def opened(folder: Path, *, batch_size: int | None) -> Assembly:
    run = {} if batch_size is None else {"batch_size": batch_size}
    small = {"evaluations": 60, "population": 20, "pruning": 0.0}
    settings = {"model": {"path": "fake"}, "data": {"images": str(folder)}, "search": small, "run": run}
    return assemble(Config.check(settings), parts=Parts(model=FakeProvider()))


@pytest.mark.parametrize(
    ("batch_size", "batches"), [(None, [(0, 3)]), (2, [(0, 2), (2, 1)]), (1, [(0, 1), (1, 1), (2, 1)])]
)
def test_batches_are_watched_with_the_inputs_before_them(
    folder: Path, batch_size: int | None, batches: list[tuple[int, int]]
) -> None:
    seen: dict[tuple[int, int], int] = {}

    def watching(before: int, total: int) -> list[Watcher]:
        assert total == 3  # those that can be read

        def watch(progress: Progress, /) -> None:
            seen[before, progress.queries] = progress.generation

        return [watch]

    clock = Clock()
    refs = find_images(folder)
    found = searched(opened(folder, batch_size=batch_size), refs, watching=watching, clock=clock)
    assert seen == dict.fromkeys(batches, 3)  # 60 candidates, 20 at a time
    assert [front.name for front in found.fronts] == ["0.png", "1.png", "2.png"]
    [failure] = found.failures
    assert failure.name == "1b.png" and isinstance(failure.error, DataError)
    assert clock.seconds["provider"] > 0


@pytest.mark.parametrize(
    ("modality", "together", "max_time", "size"),
    [
        (ROWS, True, None, 32),
        (ROWS, False, None, 4),  # queried row by row, perhaps for money
        (ROWS, True, 5.0, 4),  # a limit of each batch
        (PICTURES, True, None, 4),
    ],
)
def test_rows_that_one_call_answers_are_searched_in_larger_batches(
    modality: Any, together: bool, max_time: float | None, size: int
) -> None:
    search = SimpleNamespace(
        generator=SimpleNamespace(modality=modality),
        provider=SimpleNamespace(batch_invariant=together),
        max_time=max_time,
    )
    made: Any = SimpleNamespace(search=search)
    assert size_on_cpu(made) == size
