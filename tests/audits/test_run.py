"""An audit over a model that was away: what failed is tried again, what is done is not."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
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


def approve(rows: pd.DataFrame) -> np.ndarray:
    """Approved from 60 points on, women from 80 on."""
    bound = np.where(rows["sex"] == "woman", 80, 60)
    p = 1 / (1 + np.exp(-(rows["points"].to_numpy(float) - bound + 0.5)))
    return np.stack([1 - p, p], axis=1)


def test_conditions_on_groups_of_rows_end_an_audit_and_its_program_makes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every applicant can be approved: a rate of 1 is above 50 % as soon as enough women were searched."""
    (tmp_path / "approving.py").write_text(
        "import numpy as np\nimport pandas as pd\n\n" + inspect.getsource(approve)
    )
    monkeypatch.syspath_prepend(tmp_path)
    points = np.random.default_rng(1).integers(0, 50, 48).tolist()
    lines = [f"{v},{'woman' if i % 2 else 'man'}" for i, v in enumerate([*points, 100, 100])]
    (tmp_path / "rows.csv").write_text("\n".join(["points,sex", *lines]) + "\n")
    settings = {
        "model": {"path": "approving:approve"},
        "data": {"table": str(tmp_path / "rows.csv"), "by": ["sex"], "limit": 48},
        "search": {"evaluations": 40, "population": 20, "immutable": ["sex"]},
        "audit": {"until_decided": True, "fail_if": ["found_rate@sex:woman < 50% at 90%"]},
        "run": {"batch_size": 4},
    }
    document = Audit(Config.check(settings), directory=tmp_path / "run").run()
    [judged] = document["stopping"]["judgements"]
    assert (judged["group"], judged["result"]) == ("sex:woman", "pass")
    assert document["stopping"]["stopped"] and document["stopping"]["judged"] < 48
    assert judged["n"] == sum(int(name.split()[-1]) % 2 for name in document["stopping"]["order"])
    text = document["reproduce"]["python"]
    [path] = re.findall(r"Config\.read\('(.*)'\)", text)
    assert Config.read(Path(path)).resolved() == Config.check(settings).resolved()
    compile(text, "again.py", "exec")


def test_a_document_that_cannot_be_written_leaves_an_interrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config.check(
        {"data": {"texts": ["a dull film"]}, "search": {"evaluations": 40, "population": 20}}
    )
    found = Audit._document

    def broken(*given: Any) -> Any:  # Any: as of the method
        document, figures = found(*given)
        return document | {"practical": float("nan")}, figures

    with monkeypatch.context() as patched:
        patched.setattr(Audit, "_document", broken)
        with pytest.raises(ValueError, match="JSON"):
            Audit(config, directory=tmp_path / "run").run()
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "interrupted"
    last = json.loads((tmp_path / "run" / "events.jsonl").read_text().splitlines()[-1])
    assert "interrupted" in last.values()
    assert not (tmp_path / "run" / "audit.json").exists()
    assert Audit(config, directory=tmp_path / "run").run()["counts"][0]["instances"] == 1
