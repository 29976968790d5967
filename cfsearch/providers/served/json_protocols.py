"""TensorFlow Serving and MLflow: inputs as a JSON list, answers as a JSON list."""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final, final

import numpy as np

from cfsearch.errors import ConfigError

from .messages import LOOK, BadAnswerError, Json, Request, Response, whole_number
from .wire import (
    Answer,
    Batch,
    Files,
    Metadata,
    Named,
    Protocol,
    RawArray,
    Scores,
    TensorInfo,
    Texts,
    array_of,
    is_ranked,
    plain_cell,
    ranked_of,
    rows_counted,
    shown,
    size_of,
)

_JSON: Final = {"content-type": "application/json"}
_TYPES: Final = {
    "DT_FLOAT": "FP32",
    "DT_DOUBLE": "FP64",
    "DT_UINT8": "UINT8",
    "DT_STRING": "BYTES",
    "DT_INT64": "INT64",
}


@final
class TensorFlowServing(Protocol):
    """TensorFlow Serving: ``/v1/models/NAME:predict``.

    References:
        https://www.tensorflow.org/tfx/serving/api_rest
    """

    def describe(self) -> Request:
        """``GET /v1/models/NAME/metadata``."""
        return Request(self.address.target("/metadata"), read=self._described)

    def request(self, batch: Batch) -> Request:
        """``POST /v1/models/NAME:predict`` with ``instances``."""
        instances = listed(batch)
        if self.settings.input is not None:
            instances = [{self.settings.input: one} for one in instances]
        n = len(instances)
        return Request(
            self.address.target(":predict"),
            read=lambda response: self._scores(response, n),
            body=packed({"instances": instances}),
            headers=dict(_JSON),
            inputs=n,
        )

    def _described(self, response: Response) -> Metadata:
        document = response.json()
        spec = document.get("model_spec", {}) if isinstance(document, dict) else {}
        signatures = _inside(document, "metadata", "signature_def", "signature_def")
        chosen = signatures.get("serving_default") if isinstance(signatures, dict) else None
        return Metadata(
            name=str(spec.get("name", "")) if isinstance(spec, dict) else "",
            version=str(spec.get("version", "")) if isinstance(spec, dict) else "",
            inputs=_signature(chosen, "inputs"),
            outputs=_signature(chosen, "outputs"),
        )

    def _scores(self, response: Response, n: int) -> Answer:
        document = response.json()
        rows = document.get("predictions") if isinstance(document, dict) else None
        if rows is None and isinstance(document, dict) and "outputs" in document:
            columns = document["outputs"]
            if isinstance(columns, dict):
                arrays = {name: array_of(values, what="scores") for name, values in columns.items()}
                return Scores(rows_counted(Named(arrays).scores(self.output).values, n))
            rows = columns
        if rows is None:
            raise BadAnswerError(f"answered {shown(document)}, expected `predictions`. {LOOK}")
        return answer_of(rows, n, output=self.output, labels=self.labels)


@final
class MLflow(Protocol):
    """A scoring server of MLflow: ``/invocations``.

    References:
        https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally
    """

    def request(self, batch: Batch) -> Request:
        """``POST /invocations``: rows as ``dataframe_split``, others as ``inputs``."""
        n = size_of(batch)
        document: dict[str, Any]  # Any: JSON values
        if isinstance(batch, np.ndarray | Files | Texts):
            instances = listed(batch)
            document = {
                "inputs": instances if self.settings.input is None else {self.settings.input: instances}
            }
        else:
            cells = [[plain_cell(cell) for cell in row] for row in batch.itertuples(index=False, name=None)]
            document = {"dataframe_split": {"columns": [str(name) for name in batch.columns], "data": cells}}
        return Request(
            self.address.target(),
            read=lambda response: self._scores(response, n),
            body=packed(document),
            headers=dict(_JSON),
            inputs=n,
        )

    def _scores(self, response: Response, n: int) -> Answer:
        document = response.json()
        rows = document.get("predictions") if isinstance(document, dict) else document
        if rows is None:
            raise BadAnswerError(f"answered {shown(document)}, expected `predictions`. {LOOK}")
        return answer_of(rows, n, output=self.output, labels=self.labels)


def listed(batch: Batch) -> list[Json]:
    """The inputs as JSON values, one each: nested lists, ``{"b64": ...}`` for files, objects for rows.

    Args:
        batch: of any form.
    """
    if isinstance(batch, np.ndarray):
        return list(_rounded(batch))
    if isinstance(batch, Files):
        return [{"b64": base64.b64encode(part).decode()} for part in batch.parts]
    if isinstance(batch, Texts):
        return list(batch.parts)
    names = [str(name) for name in batch.columns]
    return [
        dict(zip(names, map(plain_cell, row), strict=True))
        for row in batch.itertuples(index=False, name=None)
    ]


def packed(document: Json) -> bytes:
    """A body of JSON without NaN.

    Args:
        document: JSON values.

    Raises:
        ConfigError: it holds NaN or infinity, which JSON does not have.
    """
    try:
        return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except ValueError as error:
        raise ConfigError("served model: an input holds NaN or infinity, which JSON cannot carry.") from error


def answer_of(rows: Json, n: int, *, output: str | None, labels: Sequence[str] = ()) -> Answer:
    """Scores of a JSON list with one entry an input: numbers, names, lists, named outputs or ranked classes.

    Args:
        rows: of the answer.
        n: inputs of the request.
        output: the output that the user names, where entries have several.
        labels: the declared classes.

    Raises:
        BadAnswerError: it is something else.
    """
    if isinstance(rows, dict):
        arrays = {name: array_of(values, what="scores") for name, values in rows.items()}
        return Scores(rows_counted(Named(arrays).scores(output).values, n))
    if not isinstance(rows, list):
        raise BadAnswerError(f"answered {shown(rows)} where a list with scores was expected. {LOOK}")
    if len(rows) != n:
        raise BadAnswerError(f"answered {len(rows)} rows of scores to {n} inputs.")
    if output is not None and all(isinstance(row, dict) and output in row for row in rows):
        return answer_of([row[output] for row in rows], n, output=None, labels=labels)
    if rows and all(is_ranked(row) for row in rows):
        return ranked_of(rows, labels=labels)
    if rows and all(isinstance(row, dict) for row in rows):
        names = list(rows[0])
        if any(list(row) != names for row in rows):
            raise BadAnswerError(f"gave inputs different outputs: {shown(rows)}.")
        arrays = {name: array_of([row[name] for row in rows], what="scores") for name in names}
        return Scores(rows_counted(Named(arrays).scores(output).values, n))
    return Scores(rows_counted(array_of(rows, what="scores"), n))


def _rounded(array: RawArray) -> list[Json]:
    """Nested lists; float32 numbers with as many digits as they have."""
    if array.dtype == np.float32:
        flat = [float(np.format_float_positional(value, unique=True)) for value in array.reshape(-1)]
        return list(np.asarray(flat).reshape(array.shape).tolist())
    return list(array.tolist())


def _inside(document: Json, *keys: str) -> Json:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _signature(signature: Json, side: str) -> tuple[TensorInfo, ...]:
    entries = signature.get(side) if isinstance(signature, dict) else None
    made: list[TensorInfo] = []
    for name, entry in (entries if isinstance(entries, dict) else {}).items():
        sizes = _inside(entry, "tensor_shape", "dim")
        each = sizes if isinstance(sizes, list) else []  # a server may describe it as anything
        shape = [one.get("size", "-1") if isinstance(one, dict) else "-1" for one in each]
        sizes_known = [whole_number(str(size)) for size in shape]
        whole = [-1 if size is None else size for size in sizes_known]
        kind = str(entry.get("dtype", "")) if isinstance(entry, dict) else ""
        made.append(TensorInfo(str(name), _TYPES.get(kind, ""), tuple(whole)))
    return tuple(made)
