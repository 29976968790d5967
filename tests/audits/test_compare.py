"""Several models in one audit: the same search of each, one document, and refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cfsearch.assembly.search import assemble
from cfsearch.audits.checking import check_run, require_intact
from cfsearch.audits.compare import apart
from cfsearch.audits.result import AuditResult
from cfsearch.audits.run import Audit, AuditProgress
from cfsearch.config import Config
from cfsearch.errors import ConfigError, DamagedError, RunError
from cfsearch.runs.directory import RunDirectory

MODEL = """
import numpy as np

def {name}(images):
    p = 1 / (1 + np.exp(-{slope} * (images.mean((1, 2, 3)) - 0.5)))
    return np.stack([1 - p, p], axis=1)
"""
SIDECAR = 'labels = ["dark", "bright"]\nscores = "probabilities"\n'


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two models that call bright what is lighter than a half, the second one more certainly."""
    images = tmp_path / "images"
    images.mkdir()
    for name, level in (("dark", 0.3), ("light", 0.44)):
        Image.fromarray(np.full((16, 16, 3), round(255 * level), np.uint8)).save(images / f"{name}.png")
    for name, slope in (("soft", 12), ("steep", 24)):
        (tmp_path / f"{name}_side_by_side.py").write_text(MODEL.format(name=name, slope=slope))
    sidecar = tmp_path / "model.toml"
    sidecar.write_text(SIDECAR)
    monkeypatch.syspath_prepend(tmp_path)
    return {
        "model": {
            "path": ["soft_side_by_side:soft", "steep_side_by_side:steep"],
            "sidecar": str(sidecar),
        },
        "generator": "pixels:grid=1",
        "data": {"images": str(images)},
        "search": {
            "solver": "random",
            "objectives": ["adversarial", "intensity"],
            "evaluations": 40,
            "population": 20,
            "seed": 3,
        },
    }


def test_two_models_are_searched_alike_and_stand_in_one_document(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    states: list[AuditProgress] = []
    document = Audit(
        Config.check(settings), directory=tmp_path / "both", title="Two", watch=states.append
    ).run()
    ids = [entry["id"] for entry in document["models"]]
    assert len(set(ids)) == 2
    assert [(c["model"], c["instances"], c["found"]) for c in document["counts"]] == [
        (ids[0], 2, 2),
        (ids[1], 2, 2),
    ]
    assert [i["key"] for i in document["instances"]] == [
        f"{model}/{name}" for model in ids for name in ("dark.png", "light.png")
    ]
    hashes = {entry["what"] for entry in document["reproduce"]["hashes"]}
    assert {f"model ({ids[0]})", f"model ({ids[1]})", "generator", "list of inputs"} <= hashes
    assert (states[-1].done, states[-1].total, states[-1].found) == (4, 4, 4)
    assert [s.done for s in states] == sorted(s.done for s in states)
    # the second model's fronts are those of an audit of it alone
    alone = {**settings, "model": {**settings["model"], "path": settings["model"]["path"][1]}}
    Audit(Config.check(alone), directory=tmp_path / "alone").run()
    with (
        RunDirectory.read(tmp_path / "alone") as one,
        RunDirectory.read(tmp_path / "both" / ids[1]) as other,
    ):
        assert other.config["search"]["seed"] == 3
        for name in ("dark.png", "light.png"):
            assert one.front(name).digest == other.front(name).digest


def test_the_stored_settings_make_the_same_audit_again(settings: dict[str, Any], tmp_path: Path) -> None:
    config = Config.check(settings)
    first = Audit(config, directory=tmp_path / "run").run()
    again = Config.read(tmp_path / "run" / "config.resolved.toml")
    assert again == config
    second = Audit(again, directory=tmp_path / "run").run()
    assert {**second, "finished": None} == {**first, "finished": None}


def test_models_of_other_labels_are_refused_before_anything_is_searched(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    other.write_text('labels = ["bright", "dark"]\nscores = "probabilities"\n')
    first, second = settings["model"]["path"]
    settings["model"] = [
        {"path": first, "sidecar": settings["model"]["sidecar"]},
        {"path": second, "sidecar": str(other)},
    ]
    with pytest.raises(
        ConfigError, match="same labels in the same order; .* has dark, bright and .* bright, dark"
    ):
        Audit(Config.check(settings), directory=tmp_path / "run").run()
    assert not (tmp_path / "run").exists()


def test_a_directory_of_other_runs_is_left_alone(settings: dict[str, Any], tmp_path: Path) -> None:
    alone = {**settings, "model": {**settings["model"], "path": settings["model"]["path"][0]}}
    Audit(Config.check(alone), directory=tmp_path / "one").run()
    with pytest.raises(RunError, match="holds the run of one model"):
        Audit(Config.check(settings), directory=tmp_path / "one").run()
    Audit(Config.check(settings), directory=tmp_path / "two").run()
    turned = {**settings, "model": {**settings["model"], "path": settings["model"]["path"][:1] * 2}}
    with pytest.raises(RunError, match="was started with other models"):
        Audit(Config.check(turned), directory=tmp_path / "two").run()


def test_a_search_takes_one_model(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="one model is searched at a time, got 2"):
        assemble(Config.check(settings))


def test_ids_are_names_of_files_and_differ() -> None:
    def ids(*paths: str) -> list[str]:
        config = Config.check({"model": {"path": list(paths)}, "data": {"images": "x"}})
        found = apart(config)
        assert [one.model.path for one in found.values()] == list(paths)
        assert all(not one.further_models for one in found.values())
        return list(found)

    assert ids("a/old.onnx", "b/new.onnx") == ["old", "new"]
    assert ids("a/model.onnx", "b/model.onnx") == ["a-model", "b-model"]
    assert ids("a/model.onnx", "a/model.onnx", "a/model.onnx") == ["a-model", "a-model-2", "a-model-3"]
    assert ids("../weird name (1).onnx", "b.onnx") == ["weird-name-1", "b"]


def test_a_check_reads_each_model_of_them(settings: dict[str, Any], tmp_path: Path) -> None:
    """Of a run of several models everything is checked that is of a run of one."""
    run = tmp_path / "run"
    Audit(Config.check(settings), directory=run).run()
    folders = sorted(path.parent for path in run.glob("*/run.sqlite"))
    assert len(folders) == 2
    clean = check_run(run)
    assert clean.findings == ()
    assert clean.checked["fronts"] == 4  # two images, two models
    manifest = json.loads((folders[1] / "manifest.json").read_text())
    (folders[1] / "manifest.json").write_text(json.dumps(manifest | {"seed": 99}))
    found = {(finding.check, finding.part) for finding in check_run(run).findings}
    assert found == {("checksums", "manifest.json"), ("identity", "manifest.json")}
    with pytest.raises(DamagedError, match=r"And 1 more; `cfsearch check` lists them"):
        require_intact(run)


def test_failures_of_each_model_stand_apart(settings: dict[str, Any], tmp_path: Path) -> None:
    (Path(settings["data"]["images"]) / "torn.png").write_bytes(b"no picture")
    Audit(Config.check(settings), directory=tmp_path / "run").run()
    fronts = AuditResult(tmp_path / "run").fronts
    assert len(fronts) == 4
    assert set(fronts.failures) == {f"{name}_side_by_side-{name}/torn.png" for name in ("soft", "steep")}
