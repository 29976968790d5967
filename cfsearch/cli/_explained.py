"""Inputs of ``cfsearch explain``: images, rows, texts and recordings, each as a subject."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfsearch.errors import ConfigError

from ._settings import is_recording, settings

if TYPE_CHECKING:
    from cfsearch.contracts.provider import Provider
    from cfsearch.providers.surrogate import SurrogateProvider
    from cfsearch.report.explained import ExplainedInputs


def open_explained(
    given: Sequence[Path], texts: Sequence[str], *, flags: dict[str, Any]
) -> "ExplainedInputs":
    """The inputs that the arguments mean, and the model.

    Raises:
        ConfigError: none or two kinds of input, or a flag that this kind does not take.
        CapabilityError: no gradients are to be had.
        DataError, ModelFileError: something cannot be read.
    """
    kinds = [bool(given), bool(texts), flags.get("data") is not None]
    if sum(kinds) != 1:
        raise ConfigError(
            "explain: give images, wave files, --text TEXT, or --data TABLE.csv with --row; one of them."
        )
    if texts:
        return _texts(texts, flags)
    heard = flags.get("data") is None and all(is_recording(path) for path in given)
    if flags.get("model") is None and heard:
        from cfsearch.assembly.inputs import SHIPPED_SOUND_ARCH, shipped_sound_model

        flags = {**flags, "model": shipped_sound_model(), "arch": flags.get("arch") or SHIPPED_SOUND_ARCH}
    if flags.get("model") is None:
        raise ConfigError("--model is missing: name the model that is explained.")
    if flags.get("data") is not None:
        return _rows(flags)
    if heard:
        return _sounds(given, flags)
    return _images(given, flags)


def _images(given: Sequence[Path], flags: dict[str, Any]) -> "ExplainedInputs":
    from cfsearch.api.explained import explained_pictures

    from .search import image_refs

    model, size = _model(flags), flags.get("size")
    return explained_pictures(
        model,
        image_refs(given),
        size=_size(model) if size is None else (size, size),
        **_pictured(model, flags),
    )


def _sounds(given: Sequence[Path], flags: dict[str, Any]) -> "ExplainedInputs":
    from cfsearch.api.explained import explained_sounds
    from cfsearch.datasets.sound import Spectrogram

    form = Spectrogram.of_file(Path(str(flags["model"])))
    model = _model(flags)
    return explained_sounds(model, given, form=form, **_pictured(model, flags))


def _pictured(model: "Provider", flags: dict[str, Any]) -> dict[str, Any]:
    """What pictures and recordings have in common."""
    return {
        "surrogate": _surrogate(flags, model),
        "reference": flags.get("reference"),
        "block": flags["block"],
        "follow": flags["follow"],
        "device": flags["device"],
    }


def _texts(texts: Sequence[str], flags: dict[str, Any]) -> "ExplainedInputs":
    from cfsearch.api.explained import explained_texts
    from cfsearch.providers.text import TextProvider

    if flags.get("surrogate") is not None:
        raise ConfigError(
            "--surrogate goes with images, rows and recordings; texts are followed as they are."
        )
    model = TextProvider.open(str(flags.get("model") or ""), device=flags["device"])
    return explained_texts(model, texts, reference=flags.get("reference"))


def _rows(flags: dict[str, Any]) -> "ExplainedInputs":
    from cfsearch.api.explained import explained_rows
    from cfsearch.assembly.model import open_model

    from ._progress import progress

    own = ("method", "follow", "surrogate", "size", "block")
    flags = {**flags, "isolate": flags["isolate"] if _only_queried(flags) else False}
    config = settings(None, {k: v for k, v in flags.items() if k not in own})
    if config.data.rows is None and config.data.where is None and config.data.limit is None:
        raise ConfigError("explain: say which rows: --row N (counted from 0) or --where COLUMN=VALUE.")
    opened = open_model(config)
    model, table = opened.tabular, opened.table
    if table is None:
        raise ConfigError("explain: --data names no table.")
    surrogate, follow = _surrogate(flags, model), flags["follow"]
    made = partial(
        explained_rows, model, table, config, surrogate=surrogate, follow=follow, notes=opened.notes
    )
    if surrogate is not None or model.white_box or not follow:
        return made()
    with progress("distill") as line:
        return made(report=lambda what, share: line.update(what, share=share))


def _only_queried(flags: dict[str, Any]) -> bool:
    """Whether the method asks the model and never follows it, so that it can live in a process of its own."""
    if flags.get("surrogate") is not None:
        return True
    from cfsearch.providers.endings import WEIGHTS

    network = str(flags["model"]).lower().endswith((".onnx", *WEIGHTS))
    return not (flags["follow"] or network)


def _model(flags: dict[str, Any]) -> "Provider":
    from ._opened import open_pictured

    queried = flags if _only_queried(flags) else {**flags, "isolate": False}
    return open_pictured(str(flags["model"]), queried)


def _size(model: "Provider") -> tuple[int, int] | None:
    """Height and width that a model takes; None where it takes any, or does not say."""
    from ._opened import size_of

    return size_of(model)


def _surrogate(flags: dict[str, Any], model: "Provider") -> "SurrogateProvider | None":
    if flags.get("surrogate") is None:
        return None
    from cfsearch.providers.surrogate import SurrogateProvider

    return SurrogateProvider.open(flags["surrogate"], audited=model, device=flags["device"])
