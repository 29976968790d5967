"""Models that are objects of the running program, sent to a process of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import TableSchema
from cfsearch.providers.live import model_name
from cfsearch.providers.preprocessing import Preprocessing

from .host import Host
from .provider import IsolatedProvider, IsolatedTabularProvider
from .recipes import Recipe, sent
from .session import Isolation


def isolated_live_provider(
    model: object,
    *,
    shape: Sequence[int],
    isolation: Isolation,
    labels: Sequence[str] | None = None,
    scores: ScoreKind | None = None,
    preprocessing: Preprocessing | Mapping[str, Any] | None = None,  # Any: checked where it is read
    device: str = "cpu",
    name: str | None = None,
) -> Provider:
    """``live_provider`` in a process of its own, to which the model is sent.

    Args:
        model: what ``live_provider`` takes, and pickle can write.
        shape: of the pictures that it will be queried with.
        isolation: its limits.
        labels: one a class.
        scores: what its numbers are.
        preprocessing: how pictures are brought to it.
        device: where a torch module runs.
        name: for results; its own when left out.

    Raises:
        ConfigError: it cannot be sent.
        CfsearchError: as ``live_provider``; or the process died.
    """
    whole = isinstance(preprocessing, Preprocessing)
    taken = asdict(preprocessing) if isinstance(preprocessing, Preprocessing) else dict(preprocessing or {})
    called = name or model_name(model)
    arguments = {
        "shape": list(shape),
        "labels": None if labels is None else list(labels),
        "scores": None if scores is None else scores.name,
        "preprocessing": {**taken, "whole": whole},
        "device": device,
        "name": called,
    }
    recipe = Recipe("live_inputs", arguments, (_bytes(model, called),))
    return IsolatedProvider(Host(recipe, isolation=isolation, who=called))


def isolated_live_tabular(
    model: object,
    *,
    schema: TableSchema,
    probes: Float[Tensor, "p d"],
    isolation: Isolation,
    labels: Sequence[str] | None = None,
    scores: ScoreKind | None = None,
    device: str = "cpu",
    name: str | None = None,
    target: str | None = None,
) -> IsolatedTabularProvider:
    """``live_tabular`` in a process of its own, to which the model is sent.

    Args:
        model: what ``live_tabular`` takes, and pickle can write.
        schema: what the columns of a row mean.
        probes: rows to ask about first.
        isolation: its limits.
        labels: one a class.
        scores: what its numbers are.
        device: where a torch module runs.
        name: for results; its own when left out.
        target: the class that is searched for, as for ``live_tabular``.

    Raises:
        ConfigError: it cannot be sent.
        CfsearchError: as ``live_tabular``; or the process died.
    """
    called = name or model_name(model)
    arguments = {
        "labels": None if labels is None else list(labels),
        "scores": None if scores is None else scores.name,
        "device": device,
        "name": called,
        "target": target,
    }
    recipe = Recipe("live_rows", arguments, (_bytes(model, called), probes), schema, probed=True)
    return IsolatedTabularProvider(Host(recipe, isolation=isolation, who=called), schema=schema)


def _bytes(model: object, name: str) -> Tensor:
    return torch.frombuffer(bytearray(sent(model, name=name)), dtype=torch.uint8)
