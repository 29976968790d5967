"""A worker's own process: on which of several GPUs it searches."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch.audits.workers import searcher
from cfsearch.audits.workers.pool import Task
from cfsearch.config import Config
from cfsearch.errors import ConfigError

from .conftest import Settings


@pytest.mark.parametrize(
    ("device", "gpus", "number", "there"),
    [
        ("cuda", 2, 0, "cuda:0"), ("cuda", 2, 1, "cuda:1"), ("cuda", 2, 3, "cuda:1"), ("cuda", 1, 1, "cuda"),
        ("cuda:1", 2, 0, "cuda:1"), ("cpu", 2, 1, "cpu"),
    ],
)  # fmt: skip
def test_workers_take_the_gpus_in_turn(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, device: str, gpus: int, number: int, there: str
) -> None:
    seen: list[Config] = []

    def assembled(config: Config, **_: Any) -> None:  # Any: not looked at
        seen.append(config)
        raise ConfigError("the search itself needs such a device")

    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(searcher, "assemble", assembled)
    given = settings(device=device)
    with pytest.raises(ConfigError, match="needs such a device"):
        searcher.Searcher(Task(given, {}, None), number=number)
    [config] = seen
    assert config.run.device == there
    assert config.run.model_copy(update={"device": device}) == given.run and config.search == given.search


def test_modules_are_found_where_the_leading_process_finds_them(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "not there")])
    task = Task(settings(), {}, None)
    without = [entry for entry in sys.path if entry not in (str(tmp_path), str(tmp_path / "not there"))]
    monkeypatch.setattr(sys, "path", list(without))
    monkeypatch.delitem(sys.modules, "model_of_workers", raising=False)

    def assembled(config: Config, **_: Any) -> None:  # Any: not looked at
        raise ConfigError("as far as this")

    monkeypatch.setattr(searcher, "assemble", assembled)
    with pytest.raises(ConfigError, match="as far as this"):
        searcher.Searcher(task)
    assert sys.path == [*without, str(tmp_path)]
