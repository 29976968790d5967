"""A model that does what models should not, by the brightness of a picture."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cfsearch.providers.isolated.provider import IsolatedProvider, isolated_provider
from cfsearch.providers.isolated.session import Isolation

UNRULY = """
import ctypes, os, sys, threading, time
import numpy as np

def predict(x):
    print("seen", len(x), flush=True)
    sys.stderr.write("grumble\\n")
    sys.stderr.flush()
    for mean in x.mean((1, 2, 3)):
        if 0.89 < mean < 0.91:
            os.abort()
        if 0.84 < mean < 0.86:
            ctypes.string_at(0)
        if 0.79 < mean < 0.81:
            sys.exit(0)
        if 0.74 < mean < 0.76:
            os._exit(0)
        if 0.69 < mean < 0.71:
            raise ValueError("not this one")
        if 0.64 < mean < 0.66:
            threading.Thread(target=time.sleep, args=(3600,)).start()
        if 0.59 < mean < 0.61:
            while True:
                pass
        if 0.54 < mean < 0.56:
            raise KeyboardInterrupt
    p = 1 / (1 + np.exp(-12 * (x.mean((1, 2, 3)) - 0.3)))
    return np.stack([1 - p, p], 1)
"""
ABORTS, FAULTS, EXITS, ENDS, RAISES, LEAKS, LOOPS, INTERRUPTS = 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55


def grey(value: float, n: int = 1) -> Tensor:
    """Pictures of one brightness."""
    return torch.full((n, 3, 8, 8), value)


@pytest.fixture(scope="module")
def unruly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the module ``unruly_model``, which is on ``sys.path``."""
    folder = tmp_path_factory.mktemp("unruly")
    (folder / "unruly_model.py").write_text(UNRULY)
    (folder / "unruly.toml").write_text('labels = ["dark", "bright"]\nscores = "probabilities"\n')
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def model(unruly: Path) -> Iterator[IsolatedProvider]:
    """The model in a process of its own."""
    opened = isolated_provider(
        "unruly_model:predict", isolation=Isolation(deadline_s=60.0), sidecar=unruly / "unruly.toml"
    )
    yield opened
    opened.host.close()
