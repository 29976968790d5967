"""What all tests share: one thread for torch, and marks that say why a test is skipped."""

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import settings

from tests.nursery import Fork

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=30)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
torch.set_num_threads(1)
gc.set_threshold(100_000, 50, 100)  # a tenth of the suite's time went into looking for garbage
DATA = Path(os.environ.get("CFSEARCH_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
        if item.get_closest_marker("browser") and not chromium:
            item.add_marker(pytest.mark.skip(reason="no Chromium on this machine"))
        if item.get_closest_marker("data") and not DATA.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"no data sets in {DATA} (set CFSEARCH_DATA)"))
        if item.get_closest_marker("slow") and "slow" not in (config.option.markexpr or ""):
            item.add_marker(pytest.mark.skip(reason="slow; run with -m slow"))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave out of every later search for garbage what stays until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _forks() -> Iterator[None]:
    """Models' processes are forks of one that has imported torch; not with ``from_scratch``."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.platform == "linux":
            patch.setattr(
                "cfsearch.providers.isolated.process.subprocess",
                SimpleNamespace(**{**vars(subprocess), "Popen": Fork}),
            )
        yield


@pytest.fixture
def from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models' processes are started as users have them started."""
    monkeypatch.setattr("cfsearch.providers.isolated.process.subprocess", subprocess)
