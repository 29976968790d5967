"""An audit over a model that was away: what failed is tried again, what is done is not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfsearch.audits.run import Audit
from cfsearch.config import Config
from cfsearch.runs.directory import RunDirectory

MODEL = '''
from pathlib import Path
import numpy as np

AWAY, ASKED = Path({away!r}), Path({asked!r})

def predict(images):
    """Bright or dark; away for populations about the lighter picture while a file says so."""
    mean = images.mean((1, 2, 3))
    ASKED.write_text(str(int(ASKED.read_text()) + len(images)))
    if AWAY.exists() and len(images) == 20 and (np.abs(mean - 112 / 255) < 1e-3).any():
        raise ConnectionError("no route to the model")
    p = 1 / (1 + np.exp(-12 * (mean - 0.5)))
    return np.stack([1 - p, p], axis=1)
'''


def test_an_instance_that_failed_because_the_model_was_away_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, asked, images = tmp_path / "away", tmp_path / "asked", tmp_path / "images"
    images.mkdir()
    away.touch()
    asked.write_text("0")
    for name, level in (("dark", 0.2), ("light", 0.44)):
        Image.fromarray(np.full((16, 16, 3), round(255 * level), np.uint8)).save(images / f"{name}.png")
    (tmp_path / "absent_model.py").write_text(MODEL.format(away=str(away), asked=str(asked)))
    (tmp_path / "model.toml").write_text('labels = ["dark", "bright"]\nscores = "probabilities"\n')
    monkeypatch.syspath_prepend(tmp_path)
    config = Config.check(
        {
            "model": {"path": "absent_model:predict", "sidecar": str(tmp_path / "model.toml")},
            "generator": "pixels:grid=1",
            "data": {"images": str(images)},
            "search": {
                "solver": "random",
                "objectives": ["adversarial", "intensity"],
                "evaluations": 40,
                "population": 20,
            },
        }
    )
    first = Audit(config, directory=tmp_path / "run").run()
    assert {i["name"]: (i["status"], i["reason"]) for i in first["instances"]} == {
        "dark.png": ("found", "budget_exhausted"),
        "light.png": ("failed", "provider"),
    }
    with RunDirectory.read(tmp_path / "run") as run:
        kept = run.front("dark.png").digest
    away.unlink()
    before = int(asked.read_text())
    second = Audit(config, directory=tmp_path / "run").run()
    assert [i["status"] for i in second["instances"]] == ["found", "found"]
    with RunDirectory.read(tmp_path / "run") as run:
        assert run.front("dark.png").digest == kept
    # two handshakes' worth of questions, and one instance: 40 candidates, its front, itself
    assert int(asked.read_text()) - before < 300
