"""Calls of an ONNX model: feeds in, the model's own numbers out."""

import re
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from cfsearch.errors import ModelFileError, ModelMemoryError, ProviderError
from cfsearch.providers.answers import RawArray, ask_in_pieces, indices_of

from .graph import one_line
from .inputs import Arg
from .signature import GraphSignature


class Session(Protocol):
    """The part of ``onnxruntime.InferenceSession`` that is used; it has no types of its own."""

    def get_inputs(self) -> list[Arg]: ...
    def get_outputs(self) -> list[Arg]: ...
    def get_providers(self) -> list[str]: ...
    def run(self, names: list[str], feeds: dict[str, RawArray]) -> list[Any]: ...  # Any: arrays or maps


def is_out_of_memory(complaint: str) -> bool:
    """Whether a runtime's message says that memory ran out."""
    return bool(re.search(r"bad_?alloc|[Ff]ailed to allocate|out of memory", complaint))


def ask(
    session: Session, signature: GraphSignature, x: Tensor, *, labels: tuple[str, ...] | None, who: str
) -> Tensor:
    """The model's own numbers for at most one batch (any number, where it is fixed)."""
    if signature.batch is not None and x.shape[0] > signature.batch:
        return ask_in_pieces(
            x,
            max_batch=signature.batch,
            ask=lambda part: ask(session, signature, part, labels=labels, who=who),
        )
    return run_feeds(session, signature, signature.feeds(x), n=len(x), labels=labels, who=who)


def run_feeds(
    session: Session,
    signature: GraphSignature,
    feeds: dict[str, RawArray],
    *,
    n: int,
    labels: tuple[str, ...] | None,
    who: str,
) -> Tensor:
    """The model's own numbers for what the runtime is fed, ``n`` rows and perhaps more."""
    try:
        answer = session.run([signature.output], feeds)[0]
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        lacking = is_out_of_memory(str(error))
        what = "out of memory; lower max_batch" if lacking else one_line(str(error))
        raise (ModelMemoryError if lacking else ProviderError)(
            f"{who}: the model failed on inputs of shape {tuple(next(iter(feeds.values())).shape)}: {what}."
        ) from error
    rows = _tensor(answer, n=n, labels=labels, who=who)
    if signature.quantised is not None:
        rows = signature.quantised.read(rows)
    if signature.codes is not None:
        rows = _places(rows, signature.codes, who=who)
    if signature.column is None:
        return rows
    width = rows.shape[1] if rows.ndim > 1 else 1
    if signature.column >= width:
        raise ModelFileError(
            f"{who}: `output` names number {signature.column} of {signature.output!r}, which has {width} a row, counted "
            f"from 0. Name one of 0 to {width - 1}."
        )
    return rows.reshape(len(rows), width, -1)[:, signature.column] if rows.ndim > 1 else rows


def _tensor(answer: Any, *, n: int, labels: tuple[str, ...] | None, who: str) -> Tensor:
    """An answer as numbers. ``answer`` is Any: onnxruntime gives arrays or lists of maps."""
    if isinstance(answer, list):  # scikit-learn's ZipMap: one {class: probability} a row
        keys = list(answer[0])
        named = {str(key): key for key in keys}
        if labels is not None and len(named) == len(keys) and named.keys() == set(labels):
            keys = [named[label] for label in labels]
        answer = np.array([[row[key] for key in keys] for row in answer], dtype=np.float32)
    if answer.dtype.kind in "OUS":
        if labels is None:
            raise ModelFileError(f"{who}: answers in words; give `labels` in its sidecar.")
        answer = indices_of(answer, labels=labels, who=who)
    rows = torch.from_numpy(np.array(answer, order="C"))
    return rows[:n] if rows.ndim else rows


def _places(rows: Tensor, codes: tuple[int, ...], *, who: str) -> Tensor:
    """The places of the classes that a model answers as whole numbers of its own."""
    known = torch.tensor(codes)
    hits = rows.reshape(-1, 1).to(torch.int64) == known
    strange = rows.reshape(-1)[~hits.any(dim=1)]
    if len(strange):
        raise ProviderError(
            f"{who}: the model answered class {int(strange[0])}, expected one of {', '.join(map(str, codes))}."
        )
    return hits.to(torch.int64).argmax(dim=1)
