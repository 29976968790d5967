"""The evaluator ``cfsearch`` of ``mlflow.models.evaluate``: an audit of the rows that the model is evaluated on."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, final

from cfsearch.api.auditing import audit
from cfsearch.api.settings import Settings
from cfsearch.audits.pages import PAGE, read_audit
from cfsearch.audits.reading import AuditDocument
from cfsearch.audits.tables import figure_rows
from cfsearch.errors import CapabilityError, ConfigError
from cfsearch.registry import unknown

from .tracking import FIGURES, FOLDER, imported_mlflow, log_audit, metrics_of

if TYPE_CHECKING:
    import pandas as pd

MOST_INPUTS: Final = 50
"""Rows that are searched where ``inputs`` does not say how many."""
_OWN: Final = ("by", "inputs", "labels", "out", "protected", "scores", "target")
_EVERYTHING: Final = "resolve_evaluators_and_configs"
"""MLflow's function that looks for evaluators where the user names none."""


@final
class Evaluator:
    """Audits a classifier of rows where ``mlflow.models.evaluate(..., evaluators="cfsearch")`` evaluates it.

    ``evaluator_config`` takes ``inputs`` (how many rows are searched, 50), ``by``, ``target``, ``labels``, ``scores``, ``protected``,
    ``out`` (a run directory to keep), and all of ``cfsearch.Settings``; the rows that MLflow was given are the reference for
    what is plausible. Where the user names no evaluator at all, it stays out unless ``evaluator_config`` names it: an
    audit takes longer than a score.

    Example:
        ``mlflow.models.evaluate(uri, data, targets="y", model_type="classifier", evaluators="cfsearch")``
    """

    name: ClassVar[str] = "cfsearch"

    @classmethod
    def can_evaluate(
        cls, *, model_type: str | None, evaluator_config: Mapping[str, Any] | None, **_kwargs: object
    ) -> bool:
        """Whether to evaluate: a classifier, and the user named this evaluator or configured it.

        Args:
            model_type: as the user gave it.
            evaluator_config: settings of this evaluator.
        """
        chosen = sys._getframe(1).f_code.co_name != _EVERYTHING  # noqa: SLF001  # nothing else tells the two apart
        return model_type == "classifier" and (chosen or bool(evaluator_config))

    def evaluate(
        self,
        *,
        model_type: str,
        dataset: Any,  # Any: MLflow's own, which has no public class
        run_id: str,
        evaluator_config: Mapping[str, Any] | None,
        model: Any = None,  # Any: a PyFuncModel
        **_kwargs: object,
    ) -> Any:  # Any: an EvaluationResult
        """Audit the model on the rows, log the audit to the run, and give metrics and artifacts back.

        Args:
            model_type: "classifier".
            dataset: what the model is evaluated on.
            run_id: of the MLflow run.
            evaluator_config: settings of this evaluator.
            model: what is evaluated; None where predictions were given instead.

        Raises:
            ConfigError: a setting is unknown, or there are no rows.
            CapabilityError: there is no model to query, or its inputs are no rows.
            CfsearchError: the model cannot be audited.
        """
        mlflow = imported_mlflow()
        given = dict(evaluator_config or {})
        allowed = (*_OWN, *Settings.__annotations__)
        for name in given:
            if name not in allowed:
                raise ConfigError(f"mlflow: {unknown('setting', name, allowed)}")
        if model is None:
            raise CapabilityError(
                "mlflow: counterfactuals need a model that answers; evaluate was given predictions alone."
            )
        table = _table(dataset)
        inputs = given.pop("inputs", MOST_INPUTS)
        if not isinstance(inputs, int) or inputs < 1:
            raise ConfigError(f"mlflow: `inputs` must be a whole number from 1, got {inputs!r}.")
        out = given.pop("out", None)
        subject, more = _subject(model, table, dataset.labels_data, given)
        with tempfile.TemporaryDirectory(prefix="cfsearch-mlflow-") as place:
            directory = Path(place) / "run" if out is None else Path(out)
            rows = table.sample(n=min(inputs, len(table)), random_state=given.get("seed", 0)).sort_index()
            settings: dict[str, Any] = {
                "reference": table,
                "effects": False,
                **more,
                **given,
            }  # Any: audit's own
            result = audit(
                subject,
                rows.reset_index(drop=True),
                out=directory,
                title="Audit by mlflow.models.evaluate",
                **settings,
            )
            result.report()
            log_audit(directory, run_id=run_id)
            return _result(mlflow, directory, run_id=run_id)


def _table(dataset: Any) -> "pd.DataFrame":  # Any: MLflow's own
    import pandas as pd

    features = dataset.features_data
    if isinstance(features, pd.DataFrame):
        return features
    if getattr(features, "ndim", 0) != 2:
        raise CapabilityError(
            f"mlflow: the evaluator audits rows of a table, got {type(features).__name__}. Audit pictures with "
            "cfsearch.audit, and log it with cfsearch.mlflow.log_audit."
        )
    return pd.DataFrame(features, columns=[str(name) for name in dataset.feature_names])


def _subject(
    model: Any,  # Any: a PyFuncModel
    table: "pd.DataFrame",
    truths: Any,  # Any: an array, or None
    given: Mapping[str, Any],
) -> tuple[object, dict[str, Any]]:
    """What is queried: the estimator behind the model, where it gives probabilities, else its ``predict``."""
    raw = getattr(model, "get_raw_model", lambda: None)()
    if hasattr(raw, "predict_proba") and hasattr(raw, "classes_"):
        return raw, {}
    import numpy as np

    answer = np.asarray(model.predict(table.head(4)))
    if answer.ndim == 2 and answer.shape[1] > 1:
        return _predict(model), {}
    if answer.dtype.kind == "f" and "labels" in given:
        return _predict(model), {}
    known = {*np.asarray(model.predict(table)).ravel().tolist()}
    known |= set() if truths is None else {*np.asarray(truths).ravel().tolist()}
    values = sorted(known, key=lambda value: (str(type(value)), value))
    places = {value: place for place, value in enumerate(values)}

    def decided(rows: "pd.DataFrame") -> Any:  # Any: an array of whole numbers
        return np.array([places[value] for value in np.asarray(model.predict(rows)).ravel().tolist()])

    return decided, {"labels": [str(value) for value in values], "scores": "labels"}


def _predict(model: Any) -> Callable[["pd.DataFrame"], Any]:  # Any: a PyFuncModel, and what it answers
    def scores(rows: "pd.DataFrame") -> Any:  # Any: as above
        return model.predict(rows)

    return scores


def _result(mlflow: Any, directory: Path, *, run_id: str) -> Any:  # Any: MLflow and its classes
    import pandas as pd
    from mlflow.models import EvaluationResult
    from mlflow.models.evaluation.artifacts import (
        CsvEvaluationArtifact,
        JsonEvaluationArtifact,
        TextEvaluationArtifact,
    )

    document = AuditDocument.read(directory)
    root = f"{mlflow.MlflowClient().get_run(run_id).info.artifact_uri}/{FOLDER}"
    audit_json, page = (read_audit(directory), (directory / PAGE).read_text(encoding="utf-8"))
    artifacts = {
        f"{FOLDER}/audit.json": JsonEvaluationArtifact(f"{root}/audit.json", audit_json),
        f"{FOLDER}/{PAGE}": TextEvaluationArtifact(f"{root}/{PAGE}", page),
        f"{FOLDER}/{FIGURES}": CsvEvaluationArtifact(
            f"{root}/{FIGURES}", pd.DataFrame(list(figure_rows(document)))
        ),
    }
    return EvaluationResult(metrics=metrics_of(document), artifacts=artifacts, run_id=run_id)
