"""A table of six rows with a model of its own, as settings that a worker can open anew."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cfsearch.config import Config

MODEL = """
import numpy as np
def predict(frame):
    p = 1 / (1 + np.exp(-(frame["age"] - 45) / 8 + (frame["job"] == "clerk")))
    return np.stack([1 - p, p], 1)
"""
ROWS = ("30,clerk", "61,cook", "44,clerk", "52,cook", "25,cook", "70,clerk")

Settings = Callable[..., Config]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of an audit of six rows, with those of ``[run]`` as keywords."""
    (tmp_path / "model_of_workers.py").write_text(MODEL)
    (tmp_path / "rows.csv").write_text("age,job\n" + "\n".join(ROWS) + "\n")
    monkeypatch.syspath_prepend(tmp_path)

    def make(**run: object) -> Config:
        return Config.check(
            {
                "model": {"path": "model_of_workers:predict"},
                "data": {"table": str(tmp_path / "rows.csv")},
                "search": {"evaluations": 120, "population": 20, "seed": 3},
                "run": {"batch_size": 2, **run},
            }
        )

    return make
