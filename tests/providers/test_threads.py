"""Threads of numerical libraries: bounded in a model's process, whichever library makes them and whenever it is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cfsearch.providers.isolated import process
from cfsearch.providers.isolated.provider import isolated_provider
from cfsearch.providers.isolated.session import Isolation
from cfsearch.providers.threads import THREAD_VARIABLES

MODEL = """
import json, os, sys
import numpy as np
from pathlib import Path
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

def predict(x):
    pools = {pool["user_api"] + " " + pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    Path(os.environ["SEEN"]).write_text(json.dumps({"pools": pools, "trees": _openmp_effective_n_threads()}))
    p = x.mean((1, 2, 3))
    return np.stack([1 - p, p], 1)
"""


@pytest.mark.usefixtures("from_scratch")
def test_libraries_are_bounded_in_the_process_of_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    (tmp_path / "pools_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SEEN", str(tmp_path / "seen.json"))
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "2")
    seen: dict[int | None, dict[str, int]] = {}
    for threads in (None, 1):
        isolated_provider("pools_model:predict", isolation=Isolation(threads=threads)).host.close()
        found = json.loads((tmp_path / "seen.json").read_text())
        seen[threads] = {name: n for name, n in found["pools"].items() if "torch" not in name}  # as here
        seen[threads]["trees"] = found["trees"]
    assert any(name.startswith("openmp") for name in seen[1]) and any(
        name.startswith("blas") for name in seen[1]
    )
    assert set(seen[1].values()) == {1}
    assert max(seen[None].values()) == 2


def test_both_lists_of_variables_are_one() -> None:
    assert process._THREADS == THREAD_VARIABLES


def test_a_library_that_is_loaded_later_is_bounded_too() -> None:
    pytest.importorskip("sklearn")
    words = (
        "from cfsearch.providers.threads import limit_threads; limit_threads(2)\n"
        "import sklearn.utils._openmp_helpers, torch\n"
        "from threadpoolctl import threadpool_info\n"
        "assert torch.get_num_threads() == 2\n"
        "counts = {pool['num_threads'] for pool in threadpool_info()}\n"
        "assert counts == {2}, threadpool_info()\n"
    )
    variables = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    variables["OMP_NUM_THREADS"] = "4"
    subprocess.run([sys.executable, "-c", words], check=True, env=variables)
