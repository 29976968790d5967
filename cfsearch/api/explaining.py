"""``cfsearch.explain``: single inputs explained by a method that stands beside the search."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, Unpack

from cfsearch import registry
from cfsearch.assembly.images import readable
from cfsearch.assembly.inputs import (
    SHIPPED_SOUND_ARCH,
    settings_of_inputs,
    shipped_sound_model,
)
from cfsearch.assembly.model import open_model
from cfsearch.assembly.plugins import plugin_config
from cfsearch.contracts.explainer import Explainer
from cfsearch.contracts.labels import check_distinct
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.images import find_images
from cfsearch.datasets.sound import Spectrogram
from cfsearch.errors import ConfigError, PluginError
from cfsearch.providers.live import live_provider
from cfsearch.providers.opening import open_provider
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.text import TextProvider
from cfsearch.report.explained import ExplainedInputs

from .explained import explained_pictures, explained_rows, explained_sounds, explained_texts, first_size
from .explanation import ExplainResult
from .inputs import kind_of_inputs, written_pictures, written_texts
from .models import in_memory, model_file, preprocessing_of, score_kind, written_sidecar
from .prepare import prepared
from .settings import PICTURE_SETTINGS, Settings, check_names, coerced

ExplainerLike: TypeAlias = str | type[Explainer] | Explainer
"""A method by name ("gradient", "wachter:steps=300", "package.module:Class"), class or object."""

_ALL: Final = ("reference", "surrogate", "device", "seed", "model_name")
_FILES: Final = ("arch", "sidecar", "trust_model")
_OWN: Final[Mapping[str, tuple[str, ...]]] = {
    "pictures": (*_ALL, *_FILES, "recursive", "preprocessing", *PICTURE_SETTINGS),
    "rows": (*_ALL, *_FILES, "trust", "schema", "label", "rows", "where", "decided", "limit", "immutable"),
    "recordings": (*_ALL, *_FILES),
    "texts": ("reference", "device", "seed"),
}
"""The settings that each kind of input takes."""


def explain(
    model: object,
    x: object,
    *,
    method: ExplainerLike = "gradient",
    target: str | None = None,
    labels: Sequence[str] | None = None,
    scores: str | ScoreKind | None = None,
    block: int = 1,
    **settings: Unpack[Settings],
) -> ExplainResult:
    """Explain single inputs: one counterfactual or one attribution each, by a method that follows gradients.

    The gradients are the model's own where it can be opened (torch modules, ONNX files, linear models of
    scikit-learn), else those of a ``surrogate``; of rows one is distilled on the way where none is given. The model
    itself is queried about whatever is found before it is called a flip.

    Args:
        model: as for ``cfsearch.search``; None for the shipped model of texts or of recordings.
        x: the inputs, as for ``cfsearch.search``.
        method: "gradient", "wachter", "pgd", "emap", "gradual", "axai", a class, or an object with its settings.
        target: the class to reach; any other class when left out.
        labels: names of the classes, where the model does not say them.
        scores: "logits", "probabilities" or "labels"; found out when left out.
        block: side of a feature of a picture, in pixels.
        **settings: of ``cfsearch.Settings`` those that are no settings of a search: the model, the inputs,
            ``reference``, ``surrogate``, ``immutable``, ``seed``, ``device``.

    Raises:
        CapabilityError: no gradients are to be had, or the method needs a reference.
        CfsearchError: something that was given cannot be used.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> import cfsearch
        >>> torch.manual_seed(0)  # doctest: +ELLIPSIS
        <...>
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2)).eval()
        >>> result = cfsearch.explain(net, np.full((8, 8, 3), 0.5), method="wachter", labels=["no", "yes"], size=8)
        >>> result
        ExplainResult('wachter': 1 of 1 pictures flipped)
    """
    check_names(settings)
    check_distinct(labels, where="labels")
    explainer = _explainer(method)
    given = coerced(settings)
    named = settings_of_inputs(x)
    with tempfile.TemporaryDirectory(prefix="cfsearch-") as place:
        folder = Path(place)
        if named is not None and "texts" in named:
            inputs = _texts(model, named["texts"], folder, given)
        elif named is not None:
            inputs = _sounds(model, named["sounds"], explainer, block, given)
        elif kind_of_inputs(x, model=model, given=given) == "table":
            inputs = _rows(model, x, folder, explainer, target, labels, scores, given)
        else:
            inputs = _pictures(model, x, folder, explainer, block, labels, score_kind(scores), given)
        seed = int(given.get("seed", 0))
        return ExplainResult.of(
            explainer,
            inputs,
            target=target,
            seed=seed,
            unlearned=f"method {explainer.name!r} learns from reference inputs: give reference=, pictures, recordings, "
            "a training table or texts.",
        )


def _explainer(method: ExplainerLike) -> Explainer:
    made: object = method
    if isinstance(method, str):
        plugin = plugin_config("explainers", method)
        made = registry.create("explainers", plugin.name, plugin.settings)
    elif isinstance(method, type):
        made = method()
    if not isinstance(made, Explainer):
        raise PluginError(
            f"method: expected the name, the class or an object of a cfsearch Explainer, got {type(made).__name__}."
        )
    return made


def _taken(kind: str, given: Mapping[str, object]) -> None:
    """Refuse settings that inputs of this kind have no use for."""
    idle = [name for name in given if name not in _OWN[kind]]
    if idle:
        raise ConfigError(
            f"explain: {kind} take no `{idle[0]}`. They take {', '.join(sorted(_OWN[kind]))}; settings of a search "
            "belong to cfsearch.search, those of a method to its object (method=Wachter(steps=300))."
        )


def _pictures(
    model: object,
    x: object,
    folder: Path,
    explainer: Explainer,
    block: int,
    labels: Sequence[str] | None,
    scores: ScoreKind | None,
    given: Mapping[str, Any],  # Any: `Settings`
) -> ExplainedInputs:
    _taken("pictures", given)
    where = written_pictures(x, folder / "pictures")
    refs = readable(find_images(where, recursive=bool(given.get("recursive", False))))
    declared, device = preprocessing_of(given), str(given.get("device", "cpu"))
    size = _size(given.get("size"))
    source = model_file(model, folder)
    if source is None:
        shape = (3, *(size or first_size(refs)))
        opened = live_provider(
            model,
            shape=shape,
            labels=labels,
            scores=scores,
            preprocessing=declared,
            device=device,
            name=given.get("model_name"),
        )
    else:
        sidecar = written_sidecar(
            source,
            folder,
            given=given.get("sidecar"),
            labels=labels,
            scores=scores,
            preprocessing=declared,
        )
        more = {name: given[name] for name in ("arch", "trust_model") if name in given}
        opened = open_provider(source, sidecar=sidecar, device=device, **more)
    reference = given.get("reference")
    return explained_pictures(
        opened,
        refs,
        size=size or _taken_size(opened),
        surrogate=_surrogate(opened, given),
        reference=None if reference is None else written_pictures(reference, folder / "reference"),
        block=block,
        follow=explainer.follows_gradients,
        device=device,
    )


def _size(given: int | tuple[int, int] | None) -> tuple[int, int] | None:
    return (given, given) if isinstance(given, int) else given


def _taken_size(model: Provider) -> tuple[int, int] | None:
    """Height and width that a model takes; None where it takes any, or does not say."""
    taken = getattr(model, "preprocessing", None)
    return taken.size if isinstance(taken, Preprocessing) else None


def _rows(
    model: object,
    x: object,
    folder: Path,
    explainer: Explainer,
    target: str | None,
    labels: Sequence[str] | None,
    scores: str | ScoreKind | None,
    given: Mapping[str, Any],  # Any: `Settings`
) -> ExplainedInputs:
    _taken("rows", given)
    call = prepared(
        model,
        x,
        folder,
        generator=None,
        target=target,
        labels=labels,
        scores=scores,
        data={},
        given={name: value for name, value in given.items() if name != "surrogate"},
        keep_missing=False,
    )
    opened = open_model(call.config, table=call.parts.table, model=call.parts.model)
    if opened.table is None:
        raise ConfigError("explain: expected rows of a table. Give a data frame, a matrix or a CSV file.")
    tabular = opened.tabular
    return explained_rows(
        tabular,
        opened.table,
        call.config,
        surrogate=_surrogate(tabular, given),
        follow=explainer.follows_gradients,
        notes=opened.notes,
    )


def _sounds(
    model: object,
    paths: Sequence[str],
    explainer: Explainer,
    block: int,
    given: Mapping[str, Any],  # Any: `Settings`
) -> ExplainedInputs:
    _taken("recordings", given)
    more = {name: given[name] for name in ("arch", "trust_model", "sidecar") if name in given}
    if model is None:
        model, more = shipped_sound_model(), {"arch": SHIPPED_SOUND_ARCH, **more}
    if not isinstance(model, str | Path):
        raise ConfigError(
            f"explain: of recordings the model must lie in a file, whose sidecar says how its spectrograms are made; "
            f"got {in_memory(model, None)}."
        )
    opened = open_provider(model, device=str(given.get("device", "cpu")), **more)
    return explained_sounds(
        opened,
        [Path(path) for path in paths],
        form=Spectrogram.of_file(Path(model)),
        surrogate=_surrogate(opened, given),
        reference=given.get("reference"),
        block=block,
        follow=explainer.follows_gradients,
        device=str(given.get("device", "cpu")),
    )


def _texts(model: object, texts: Sequence[str], folder: Path, given: Mapping[str, Any]) -> ExplainedInputs:
    _taken("texts", given)
    if model is not None and not isinstance(model, str | Path | TextProvider):
        raise ConfigError(
            "explain: texts are explained through the word embeddings of a model in a file (see `cfsearch train`); "
            f"{in_memory(model, None)} shows none. Search it instead: cfsearch.search(model, texts)."
        )
    opened = (
        model
        if isinstance(model, TextProvider)
        else TextProvider.open(str(model or ""), device=str(given.get("device", "cpu")))
    )
    reference = given.get("reference")
    return explained_texts(
        opened, texts, reference=None if reference is None else written_texts(reference, folder / "reference")
    )


def _surrogate(model: Provider, given: Mapping[str, Any]) -> SurrogateProvider | None:
    if given.get("surrogate") is None:
        return None
    return SurrogateProvider.open(given["surrogate"], audited=model, device=str(given.get("device", "cpu")))
