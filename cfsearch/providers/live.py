"""Audited models that are objects of the running program: torch modules, estimators, functions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.labels import check_distinct
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.target_range import TargetRange
from cfsearch.datasets.tables import TableSchema, bare_name
from cfsearch.errors import CfsearchError, ConfigError, ModelFileError

from .callable import CallableProvider
from .contents import source_hash
from .preprocessing import Preprocessing
from .probes import known_inputs
from .regression import within_range
from .sidecar import InputTable
from .sklearn_scores import refused_object
from .tabular import ColumnOrder, EncodedProvider, Framed, Numbers, TabularProvider
from .torch_module import TorchProvider

_WHERE: Final = "the call"
_SIZES: Final = (28, 32, 64, 96, 112, 128, 160, 224, 256, 299, 384)
_PROBES: Final = 2


def is_estimator(model: object) -> bool:
    """Whether an object looks like a fitted scikit-learn classifier, or a pipeline that ends in one.

    Args:
        model: any object.
    """
    return hasattr(model, "predict") and hasattr(model, "get_params")


def model_name(model: object) -> str:
    """What a model of the running program is called in messages and results.

    Args:
        model: any object.
    """
    name = getattr(model, "name", None)
    if isinstance(model, Provider) and isinstance(name, str):
        return name
    return str(getattr(model, "__name__", type(model).__name__))


def fitted_on(model: object) -> tuple[str, ...] | None:
    """The columns of the data frame that an estimator was fitted on; None where it does not say.

    Args:
        model: an estimator, or any other object.
    """
    names = getattr(model, "feature_names_in_", None)
    return None if names is None else tuple(bare_name(str(name)) for name in names)  # as headers are read


def live_provider(
    model: object,
    *,
    shape: Sequence[int],
    labels: Sequence[str] | None = None,
    scores: ScoreKind | None = None,
    preprocessing: Preprocessing | Mapping[str, Any] | None = None,  # Any: checked where it is read
    device: str = "cpu",
    name: str | None = None,
) -> Provider:
    """The provider of a torch module or a function that takes pictures.

    What is not declared is found out from its answers to known pictures: grey or colour, the place of
    the channels, the size where it takes one only, how many classes there are and what its numbers are.

    Args:
        model: a torch module, a function of numpy batches, or a provider, which is given back.
        shape: of the pictures that it will be queried with, ``(3, height, width)``.
        labels: one a class.
        scores: what its numbers are.
        preprocessing: how pictures are brought to it, whole or the settings that are known.
        device: where a torch module runs.
        name: for results; its own when left out.

    Raises:
        ConfigError: it is no model that can be queried, or no form of pictures suits it.
        ModelFileError: the labels do not fit its answers.
    """
    if isinstance(model, Provider):
        return model
    check_distinct(labels, where="labels")
    called = name or model_name(model)
    network = isinstance(model, torch.nn.Module)
    if not network and (is_estimator(model) or not callable(model)):
        raise ConfigError(
            f"model: expected a torch module, a function or a cfsearch.Provider for pictures, got "
            f"{type(model).__name__}. Give a function that asks it: arrays (n, 3, h, w) in [0, 1] -> scores (n, k)."
        )
    failure: CfsearchError | None = None
    probe = known_inputs(tuple(shape), n=_PROBES)
    for found in _forms(preprocessing, network=network):
        remark = "" if isinstance(preprocessing, Preprocessing) else _remark(called, found)
        try:
            made = _provider(model, called, found, labels, scores, probe=probe, device=device, remark=remark)
            made.predict(probe)
        except ModelFileError:
            raise
        except CfsearchError as error:
            failure = failure or error
            continue
        return made
    raise ConfigError(
        f"model {called!r}: answered no pictures of {shape[-2]} x {shape[-1]} pixels, grey or in colour. "
        f"Say what it takes: size=(height, width), channels=1 or 3, layout='nchw' or 'nhwc'. The first failure: {failure}"
    ) from failure


def live_tabular(
    model: object,
    *,
    schema: TableSchema,
    probes: Float[Tensor, "p d"],
    labels: Sequence[str] | None = None,
    scores: ScoreKind | None = None,
    device: str = "cpu",
    name: str | None = None,
    target: str | None = None,
    remark: str = "",
) -> TabularProvider:
    """The provider of an estimator, a torch module or a function that takes rows of a table.

    An estimator takes what it was fitted on; a function a data frame, columns by name and levels as
    text; a torch module the numbers of a row, levels as their index.

    Args:
        model: a scikit-learn estimator or pipeline, a torch module, a function, or a provider.
        schema: what the columns of a row mean.
        probes: rows to ask about first.
        labels: one a class.
        scores: what its numbers are; an estimator says so itself.
        device: where a torch module runs.
        name: for results; its own when left out.
        target: the class that is searched for; a range, ``50000..60000``, of a model that predicts a number.
        remark: what else the reader must know of a torch module.

    Raises:
        ConfigError: it is no model of rows, or was not fitted.
        ModelFileError: the labels do not fit its answers.
    """
    check_distinct(labels, where="labels")
    wanted = TargetRange.parse(target)
    opened = _live_rows(
        model,
        schema=schema,
        probes=probes,
        labels=labels,
        scores=scores,
        device=device,
        name=name,
        regression=wanted is not None,
        remark=remark,
    )
    return within_range(opened, wanted, probes=probes)


def _live_rows(
    model: object,
    *,
    schema: TableSchema,
    probes: Float[Tensor, "p d"],
    labels: Sequence[str] | None,
    scores: ScoreKind | None,
    device: str,
    name: str | None,
    regression: bool,
    remark: str,
) -> TabularProvider:
    """As ``live_tabular``; a regressor's number is widened to two scores."""
    if isinstance(model, TabularProvider):
        return model
    called = name or model_name(model)
    order = ColumnOrder.of(schema, None, where=called)
    given = None if labels is None else tuple(labels)
    numbers = order.arranged(order.encoding.apply(probes.double()))
    if isinstance(model, Provider):
        return EncodedProvider(model, order=order, probes=probes, dtype=torch.float64)
    if isinstance(model, torch.nn.Module):
        network = TorchProvider.inferred(
            model,
            labels=given,
            scores=scores,
            where=_WHERE,
            device=device,
            name=called,
            probe=numbers.float(),
            remark=remark,
        )
        return EncodedProvider(network, order=order, probes=probes)
    if is_estimator(model):
        from .sklearn import SklearnProvider

        return SklearnProvider(model, schema=schema, labels=given or (), name=called, regression=regression)
    if not callable(model):
        if refusal := refused_object(model):
            raise ConfigError(f"model: {refusal}")
        raise ConfigError(
            f"model: expected an estimator, a torch module, a function or a cfsearch.Provider for rows, got "
            f"{type(model).__name__}. Give a function that asks it: data frame -> scores (n, k)."
        )
    framed = Framed(model, schema)
    function = CallableProvider.inferred(
        Numbers(framed) if regression else framed,
        labels=given,
        scores=scores,
        where=_WHERE,
        name=called,
        fingerprint=source_hash(model),
        probe=numbers,
    )
    return EncodedProvider(function, order=order, probes=probes, dtype=torch.float64)


def _provider(
    model: object,
    name: str,
    preprocessing: Preprocessing,
    labels: Sequence[str] | None,
    scores: ScoreKind | None,
    *,
    probe: Tensor,
    device: str,
    remark: str,
) -> TorchProvider | CallableProvider:
    given = None if labels is None else tuple(labels)
    if isinstance(model, torch.nn.Module):
        return TorchProvider.inferred(
            model,
            labels=given,
            scores=scores,
            where=_WHERE,
            preprocessing=preprocessing,
            device=device,
            name=name,
            probe=probe,
            assumed=remark,
        )
    function: Callable[[Any], Any] = model  # type: ignore[assignment]  # callable, as was checked
    return CallableProvider.inferred(
        function,
        labels=given,
        scores=scores,
        where=_WHERE,
        preprocessing=preprocessing,
        name=name,
        probe=probe,
        remark=remark,
    )


def _forms(given: Preprocessing | Mapping[str, Any] | None, *, network: bool) -> Iterator[Preprocessing]:
    """Forms of pictures that a model may take, the likeliest first, as far as nothing is declared."""
    if isinstance(given, Preprocessing):
        yield given
        return
    known = InputTable.model_validate(dict(given or {}))
    base = known.over(Preprocessing())
    layouts = ("nchw",) if network or known.layout is not None else ("nchw", "nhwc")
    for size in (None, *_SIZES) if known.size is None else (known.size,):
        for layout in layouts:
            for channels in (3, 1) if known.channels is None else (known.channels,):
                change: dict[str, Any] = {"channels": channels}
                if known.layout is None:
                    change["layout"] = layout
                if isinstance(size, int):
                    change["size"] = (size, size)
                if len(base.mean) in (0, 1, channels) and len(base.std) in (0, 1, channels):
                    yield replace(base, **change)


def _remark(name: str, preprocessing: Preprocessing) -> str:
    """What was assumed about the pictures that a model is given."""
    if preprocessing.mean or preprocessing.std or preprocessing.range != "0..1":
        return ""
    colour = "grey" if preprocessing.channels == 1 else "colour"
    size = (
        "" if preprocessing.size is None else f" of {preprocessing.size[0]} x {preprocessing.size[1]} pixels"
    )
    return (
        f"{name} is given {colour} pictures{size} with values in [0, 1]; if it wants others, say so in the call "
        "(`size=`, `channels=`, `range=`, `mean=`, `std=`)."
    )
