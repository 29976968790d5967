"""Audits in MLflow: what is logged, read back through its own client, and its evaluator on a real store."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import cfsearch
import cfsearch.mlflow
from cfsearch.audits.metrics import catalogue
from cfsearch.audits.reading import AuditDocument
from cfsearch.errors import DamagedError, MissingExtraError

pytest.importorskip("mlflow")

ROWS = """
import json
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
n = 60
people = pd.DataFrame({"age": rng.integers(18, 80, n), "hours": rng.integers(10, 60, n),
                       "sex": rng.choice(["Female", "Male"], n)})
people = people.astype({"age": float, "hours": float})

def decide(frame):
    return np.where(frame["age"] + frame["hours"] + 10 * (frame["sex"] == "Male") > 90, "yes", "no")

def score(frame):
    p = 1 / (1 + np.exp((90 - frame["age"] - frame["hours"] - 10 * (frame["sex"] == "Male")) / 9))
    return np.stack([1 - p, p], axis=1)
"""
MOST = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}


def program(source: str, folder: Path) -> str:
    """What a program prints that runs in a process of its own: MLflow changes much of the one it is in."""
    path = folder / "program.py"
    path.write_text(ROWS + textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=folder,
        env={
            **os.environ,
            **MOST,
            "MLFLOW_TRACKING_URI": os.environ.get("STORE", (folder / "mlruns").as_uri()),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a small audit of a function on rows."""
    folder = tmp_path_factory.mktemp("mlflow")
    names: dict[str, object] = {}
    exec(ROWS, names)
    cfsearch.audit(
        names["score"],
        names["people"].head(24),  # type: ignore[attr-defined]  # a data frame
        labels=["no", "yes"],
        by=["sex"],
        evaluations=60,
        population=20,
        out=folder / "run",
        title="People",
    ).report()
    return folder / "run"


def test_every_figure_is_a_metric_with_its_ends(audited: Path) -> None:
    document = AuditDocument.read(audited)
    metrics = cfsearch.mlflow.metrics_of(document)
    shown = [figure for figure in catalogue(document) if figure.value is not None and not figure.because]
    assert len(shown) > 5
    assert len(metrics) == sum(2 + 2 * (figure.low is not None) for figure in shown)
    found = document.counts[0].found_rate
    assert found is not None
    assert metrics["cfsearch/found_rate"] == found.value
    assert metrics["cfsearch/found_rate.low"] == found.low
    assert metrics["cfsearch/found_rate.high"] == found.high
    assert metrics["cfsearch/found_rate.n"] == 24
    assert any(name.startswith("cfsearch/change_rate:plus_age") for name in metrics)
    assert any(name.startswith("cfsearch/decided by sex:") for name in metrics)


def test_names_that_mlflow_refuses_are_replaced_by_distinct_ones(audited: Path) -> None:
    plain = json.loads((audited / "audit.json").read_text())
    change = plain["changes"][0]
    plain["changes"] = [{**change, "variable": name} for name in ("a=b", "a?b", "x" * 300)]
    names = [n for n in cfsearch.mlflow.metrics_of(AuditDocument.parsed(plain)) if "change_rate" in n]
    assert len(names) == len(set(names)) == 12
    assert all(len(name) <= 250 and not set(name) & set("=?+") for name in names)


LOGGED = """
    import cfsearch.mlflow, mlflow
    from mlflow.models import MetricThreshold
    from mlflow.models.evaluation.base import resolve_evaluators_and_configs

    client = mlflow.MlflowClient()
    run_id = cfsearch.mlflow.log_audit("RUN")
    run = client.get_run(run_id)
    with mlflow.start_run() as active:
        same = cfsearch.mlflow.log_audit("RUN", folder="again") == active.info.run_id
    page = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="cfsearch/report.html")
    read_back = {"metrics": run.data.metrics, "params": run.data.params, "tags": run.data.tags, "name": run.info.run_name,
                 "files": [a.path for a in client.list_artifacts(run_id, "cfsearch")], "same": same,
                 "again": len(client.list_artifacts(active.info.run_id, "again")), "page": open(page).read()}

    settings = {"inputs": 12, "by": ["sex"], "evaluations": 60, "population": 20, "target": "yes"}
    given = {"targets": "y", "model_type": "classifier", "evaluators": "cfsearch"}
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(decide, people.assign(y=decide(people)), evaluator_config=settings, **given)
    mlflow.validate_evaluation_results(candidate_result=result, baseline_result=None, validation_thresholds={
        "cfsearch/failed_rate.high": MetricThreshold(threshold=0.9, greater_is_better=False)})
    result.save("saved")
    saved = mlflow.models.EvaluationResult.load("saved")
    refused = ""
    try:
        mlflow.models.evaluate(decide, people.assign(y="no"), evaluator_config={"evaluation": 60}, **given)
    except Exception as error:
        refused = str(error)
    evaluated = {"same": client.get_run(run.info.run_id).data.metrics == result.metrics == saved.metrics,
                 "audit": saved.artifacts["cfsearch/audit.json"].content, "refused": refused,
                 "columns": list(saved.artifacts["cfsearch/figures.csv"].content.columns),
                 "by_itself": [e.name for e in resolve_evaluators_and_configs(None, None, "classifier")],
                 "configured": [e.name for e in
                                resolve_evaluators_and_configs(None, {"cfsearch": settings}, "classifier")]}
    print(json.dumps([read_back, evaluated]))
"""


def test_audits_are_read_back_through_the_client_and_the_evaluator_makes_them(
    audited: Path, tmp_path: Path
) -> None:
    out = program(LOGGED.replace("RUN", str(audited)), tmp_path)
    logged, evaluated = json.loads(out.splitlines()[-1])
    assert logged["metrics"] == cfsearch.mlflow.metrics_of(AuditDocument.read(audited))
    assert logged["params"]["cfsearch.solver"] == "nsga2" and logged["params"]["cfsearch.inputs"] == "24"
    assert logged["tags"]["cfsearch.run_id"] == AuditDocument.read(audited).run_id
    expected = (
        "audit.json config.resolved.toml figures.csv instances.csv members.csv report.html verdicts.csv"
    )
    assert sorted(logged["files"]) == [f"cfsearch/{file}" for file in expected.split()]
    assert (logged["same"], logged["again"], logged["name"]) == (True, 7, "People")
    assert logged["page"] == (audited / "report.html").read_text()
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib")]

    assert evaluated["same"] is True
    audit = evaluated["audit"]
    assert audit["models"][0]["labels"] == ["no", "yes"]
    assert audit["models"][0]["scores"].startswith("labels only")
    assert (audit["counts"][0]["instances"], audit["search"]["target"]) == (12, "yes")
    assert evaluated["columns"][:4] == ["model", "metric", "subject", "group"]
    assert "cfsearch" not in evaluated["by_itself"] and "cfsearch" in evaluated["configured"]
    assert "unknown setting 'evaluation'" in evaluated["refused"] and "evaluations" in evaluated["refused"]


@pytest.mark.slow
def test_a_logged_pipeline_is_audited_through_its_probabilities_on_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("STORE", f"sqlite:///{tmp_path}/mlflow.db")
    out = program(
        """
        import mlflow
        from sklearn.compose import make_column_transformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder

        columns = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
        fitted = make_pipeline(columns, LogisticRegression()).fit(people, decide(people))
        with mlflow.start_run():
            uri = mlflow.sklearn.log_model(fitted, name="people", pip_requirements=["scikit-learn"]).model_uri
            result = mlflow.models.evaluate(uri, people.assign(y=decide(people)), targets="y",
                model_type="classifier", evaluators="cfsearch",
                evaluator_config={"inputs": 5, "evaluations": 60, "population": 20})
        model = result.artifacts["cfsearch/audit.json"].content["models"][0]
        print(json.dumps([model["scores"].partition(":")[0], model["labels"], result.metrics["cfsearch/found_rate.n"]]))
        """,
        tmp_path,
    )
    assert json.loads(out.splitlines()[-1]) == ["probabilities", ["no", "yes"], 5.0]


@pytest.mark.slow
@pytest.mark.checkout
def test_the_blocks_of_the_page_run(audited: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) == 2
    shutil.copytree(audited, tmp_path / "runs" / "june")
    assert program("\n".join(blocks), tmp_path).split() == ["1.0", "1.0"]


def test_a_changed_run_is_not_logged(audited: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(audited, tmp_path / "run")
    text = (copy / "audit.json").read_text()
    (copy / "audit.json").write_text(text.replace('"found": ', '"found": 1', 1))
    with pytest.raises(DamagedError, match="is not what was written"):
        cfsearch.mlflow.log_audit(copy)


def test_without_mlflow_the_extra_is_named(audited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cfsearch\[mlflow\]'"):
        cfsearch.mlflow.log_audit(audited)
