"""The plug-in of pytest: a stored counterfactual is a test."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from cfsearch.audits.run import Audit
from cfsearch.config import Config
from tests.nursery import forked

Run = Callable[..., tuple[int, str]]
MODEL = """
import numpy as np

def predict(images):
    p = 1 / (1 + np.exp(-12 * (images.mean((1, 2, 3)) - {threshold})))
    return np.stack([1 - p, p], axis=1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of three dark pictures against a model, and another model for which nothing is bright."""
    for name, threshold in (("old_net", 0.5), ("new_net", 5.0)):
        (tmp_path / f"{name}.py").write_text(MODEL.format(threshold=threshold))
    (tmp_path / "model.toml").write_text('labels = ["dark", "bright"]\nscores = "probabilities"\n')
    (tmp_path / "images").mkdir()
    for i, level in enumerate((60, 80, 100)):
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(tmp_path / "images" / f"{i}.png")
    monkeypatch.syspath_prepend(tmp_path)
    config = Config.check(
        {
            "model": {"path": "old_net:predict", "sidecar": str(tmp_path / "model.toml")},
            "generator": "pixels:grid=1",
            "data": {"images": str(tmp_path / "images")},
            "search": {
                "solver": "random",
                "objectives": ["adversarial", "intensity"],
                "evaluations": 60,
                "population": 20,
            },
        }
    )
    Audit(config, directory=tmp_path / "run").run()
    return tmp_path


@pytest.fixture
def run_pytest(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Run":
    """Runs pytest in the folder, in this process; its exit code and what it printed."""

    def command(words: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        assert words[:3] == [sys.executable, "-m", "cfsearch"]
        return forked("from cfsearch.cli import main; main()", *words[3:])

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.chdir(folder)
        if "nowhere" not in words:
            monkeypatch.setattr("cfsearch.testing.regression.subprocess", SimpleNamespace(run=command))
        for name in [name for name in os.environ if name.startswith("PYTEST")]:
            monkeypatch.delenv(name)
        capsys.readouterr()
        fixed = ("-q", "-s", "--rootdir", str(folder), "-p", "no:cacheprovider", "-p", "no:xdist")
        code = pytest.main([*fixed, *words])
        return int(code), "".join(capsys.readouterr())

    return run


def test_what_still_flips_passes_and_what_does_not_fails(folder: Path, run_pytest: Run) -> None:
    given = ("--cfsearch", "run", "--cfsearch-sidecar", "model.toml", "--junitxml", "out.xml")
    code, shown = run_pytest(*given, "--cfsearch-model", "old_net:predict")
    assert code == 0, shown
    assert "3 passed" in shown
    code, shown = run_pytest(*given, "--cfsearch-model", "new_net:predict")
    assert code == 1, shown
    assert "3 failed" in shown
    assert "1.png (dark): its counterfactual no longer flips; 0 of" in shown
    [suite] = ET.parse(folder / "out.xml").getroot()
    assert [case.get("name") for case in suite] == ["0.png", "1.png", "2.png"]


def test_one_option_without_the_other_and_a_run_that_is_none_are_refused(run_pytest: Run) -> None:
    code, shown = run_pytest("--cfsearch", "run")
    assert code == 4
    assert "go together; give both" in shown
    code, shown = run_pytest("--cfsearch", "nowhere", "--cfsearch-model", "old_net:predict")
    assert code == 4
    assert "there is no such run directory" in shown


def test_nothing_heavy_is_imported_by_the_plug_in() -> None:
    code = "import sys, cfsearch.testing.regression; assert not {'torch', 'numpy', 'pymoo'} & set(sys.modules), 'heavy'"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
