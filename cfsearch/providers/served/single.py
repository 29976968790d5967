"""Hugging Face inference and TorchServe: endpoints that take one picture a request and name their classes."""

import base64
import json
from typing import Final, final

import numpy as np

from cfsearch.errors import ConfigError

from .json_protocols import answer_of, listed, packed
from .messages import LOOK, BadAnswerError, Request, Response
from .wire import (
    Answer,
    Batch,
    Files,
    Protocol,
    Scores,
    Texts,
    array_of,
    is_ranked,
    rows_counted,
    shown,
    size_of,
)

_JSON: Final = {"content-type": "application/json"}
_MOST_CLASSES: Final = 1000
"""Hugging Face gives the best five classes unless more are wanted."""


@final
class HuggingFace(Protocol):
    """Inference of Hugging Face: pictures as files one by one, texts together; answers ``[{label, score}]``.

    References:
        https://huggingface.co/docs/inference-providers/tasks/image-classification
    """

    @property
    def most(self) -> int | None:
        """One picture a request; texts go together."""
        return 1 if self.settings.form != "tensor" else None

    def request(self, batch: Batch) -> Request:
        """``POST`` with ``inputs`` and ``parameters``."""
        if isinstance(batch, np.ndarray):
            raise ConfigError(
                f'{self.address.name}: Hugging Face takes pictures as files: form = "png" under [served] in the sidecar.'
            )
        n = size_of(batch)
        inputs = (
            base64.b64encode(batch.parts[0]).decode()
            if isinstance(batch, Files)
            else list(batch.parts)
            if isinstance(batch, Texts)
            else listed(batch)
        )
        body = packed({"inputs": inputs, "parameters": {"top_k": _MOST_CLASSES}})
        return Request(
            self.address.target(),
            read=lambda response: self._scores(response, n),
            body=body,
            headers=dict(_JSON),
            inputs=n,
        )

    def _scores(self, response: Response, n: int) -> Answer:
        rows = response.json()
        if isinstance(rows, list) and n == 1 and rows and isinstance(rows[0], dict):
            rows = [rows]
        return answer_of(rows, n, output=self.output, labels=self.labels)


@final
class TorchServe(Protocol):
    """TorchServe: ``/predictions/NAME``, one input a request.

    References:
        https://pytorch.org/serve/inference_api.html
    """

    @property
    def most(self) -> int | None:
        """One input a request: the server makes batches itself."""
        return 1

    def request(self, batch: Batch) -> Request:
        """``POST /predictions/NAME`` with the input as its body."""
        if isinstance(batch, Files):
            body, kind = batch.parts[0], batch.mime
        elif isinstance(batch, Texts):
            body, kind = batch.parts[0].encode(), "text/plain; charset=utf-8"
        else:
            body, kind = packed(listed(batch)[0]), "application/json"
        return Request(
            self.address.target(), read=self._scores, body=body, headers={"content-type": kind}, inputs=1
        )

    def _scores(self, response: Response) -> Answer:
        value = response.json()
        if is_ranked(value):
            return answer_of([value], 1, output=self.output, labels=self.labels)
        if isinstance(value, bool | str) or not isinstance(value, list | int | float):
            raise BadAnswerError(f"answered {shown(json.dumps(value))} where scores were expected. {LOOK}")
        if not isinstance(value, list):
            return Scores(np.asarray([value]))
        scores = array_of(value, what="scores")
        return Scores(rows_counted(scores if scores.ndim > 1 else scores[None], 1))
