"""Inputs of ``cfsearch explain``: images, rows, texts and recordings, each as a subject."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from cfsearch.errors import CapabilityError, ConfigError, DataError
from cfsearch.files import read_text, reason

from ._settings import is_recording, settings

if TYPE_CHECKING:
    from torch import Tensor

    from cfsearch.assembly.table import TableInput
    from cfsearch.config import Config
    from cfsearch.contracts.explainer_task import Subject
    from cfsearch.contracts.provider import Provider
    from cfsearch.datasets.tables import TableSchema
    from cfsearch.providers.surrogate import SurrogateProvider
    from cfsearch.providers.tabular import TabularProvider
    from cfsearch.providers.text import TextProvider


@final
@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Inputs of one kind, the model that they are shown to, and what their numbers mean.

    Args:
        kind: "image", "row", "text" or "sound".
        names: one an input.
        x: the inputs in the form that the model takes: images in [0, 1], rows as numbers, texts as tokens.
        reference: reads the inputs to compare with; None where none were named.
        schema: of rows.
        texts, reader: of texts: as they were given, and what turns numbers into words.
        notes: what a reader must know.
        queries: to the model, before anything was explained.
    """

    kind: str
    names: tuple[str, ...]
    x: "Tensor"
    subject: "Subject"
    reference: "Callable[[], Tensor] | None"
    notes: tuple[str, ...] = ()
    schema: "TableSchema | None" = None
    texts: tuple[str, ...] = ()
    reader: "TextProvider | None" = None
    queries: int = 0


def open_explained(given: Sequence[Path], texts: Sequence[str], *, flags: dict[str, Any]) -> Inputs:
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


def _images(given: Sequence[Path], flags: dict[str, Any]) -> Inputs:
    import torch

    from cfsearch.assembly.images import read_fitting, reference_images
    from cfsearch.datasets.images import read_image

    from .search import image_refs

    model = _model(flags)
    surrogate = _surrogate(flags, model)
    refs = image_refs(given)
    size = flags.get("size")
    if surrogate is not None:
        shape = surrogate.surrogate.shape
    elif size is not None:
        shape = (3, size, size)
    else:
        shape = (3, *(_size(model) or tuple(read_image(refs[0]).pixels.shape[1:])))
    records = [read_fitting(ref, shape) for ref in refs]
    where = flags.get("reference")

    def reference() -> "Tensor":
        return reference_images(str(where), shape)

    return Inputs(
        kind="image",
        names=tuple(record.name for record in records),
        x=torch.stack([record.x for record in records]).to(flags["device"]),
        subject=_pictured(model, shape, surrogate, flags),
        reference=None if where is None else reference,
        notes=_notes(model, surrogate),
    )


def _sounds(given: Sequence[Path], flags: dict[str, Any]) -> Inputs:
    import torch

    from cfsearch.datasets.sound import Spectrogram, read_recordings

    path = Path(str(flags["model"]))
    form = Spectrogram.of_file(path)
    model = _model(flags)
    surrogate = _surrogate(flags, model)
    found = [read_recordings(one, rate=form.rate, seconds=form.seconds) for one in given]
    where = flags.get("reference")
    return Inputs(
        kind="sound",
        names=tuple(name for one in found for name in one.names),
        x=form(torch.cat([one.waves for one in found])).to(flags["device"]),
        subject=_pictured(model, form.shape, surrogate, flags),
        reference=None
        if where is None
        else lambda: form(read_recordings(Path(where), rate=form.rate, seconds=form.seconds).waves),
        notes=(
            *_notes(model, surrogate),
            *(
                f"{name}: {text}."
                for one in found
                for name, text in zip(one.names, one.notes, strict=True)
                if text
            ),
        ),
    )


def _texts(texts: Sequence[str], flags: dict[str, Any]) -> Inputs:
    from cfsearch.assembly.images import MOST_REFERENCES
    from cfsearch.datasets.text import tokens
    from cfsearch.explainers.text_subject import text_subject
    from cfsearch.providers.text import TextProvider

    if flags.get("surrogate") is not None:
        raise ConfigError(
            "--surrogate goes with images, rows and recordings; texts are followed as they are."
        )
    model = TextProvider.open(str(flags.get("model") or ""), device=flags["device"])
    where = flags.get("reference")
    lines: list[str] = []
    if where is not None:
        try:
            lines = [line.strip() for line in read_text(Path(where)).split("\n") if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"--reference {str(where)!r} must be a UTF-8 file of one text a line, but {reason(error)}."
            ) from error
    x = model.encode(texts)
    length = int(x.shape[1])
    fitting = [line for line in lines if 0 < len(tokens(line)) <= length]

    def reference() -> "Tensor":
        if not fitting:
            raise DataError(
                f"--reference: no text has {length} words or fewer, as many as the explained text has. Give others."
            )
        return model.encode(fitting[:MOST_REFERENCES], length=length)

    return Inputs(
        kind="text",
        names=tuple(f"text {i}" for i in range(len(texts))),
        x=x,
        subject=text_subject(model, length=length),
        reference=None if where is None else reference,
        notes=(model.note,) if model.note else (),
        texts=tuple(texts),
        reader=model,
    )


def _rows(flags: dict[str, Any]) -> Inputs:
    from cfsearch.assembly.model import open_model
    from cfsearch.explainers.subjects import table_subject

    own = ("method", "follow", "surrogate", "size", "block")
    flags = {**flags, "isolate": flags["isolate"] if _only_queried(flags) else False}
    config = settings(None, {k: v for k, v in flags.items() if k not in own})
    if config.data.rows is None and config.data.where is None and config.data.limit is None:
        raise ConfigError("explain: say which rows: --row N (counted from 0) or --where COLUMN=VALUE.")
    opened = open_model(config)
    model, table = opened.tabular, opened.table
    if table is None:
        raise ConfigError("explain: --data names no table.")
    surrogate, made = _surrogate(flags, model), ""
    if surrogate is None and flags["follow"] and not model.white_box:
        surrogate = _distilled(model, table, config, flags=flags)
        made = _MADE.format(
            queries=queries_of(surrogate),
            model=model.name,
            from_="--reference" if table.reference is not None else "the table",
        )
    immutable = [table.schema.column(name).name for name in config.search.immutable]
    subject = table_subject(model, surrogate=surrogate, immutable=immutable, follow=flags["follow"])
    reference = table.reference
    return Inputs(
        kind="row",
        names=table.names,
        x=table.x,
        subject=subject,
        reference=None if reference is None else lambda: reference.x,
        notes=(*opened.notes, *((made,) if made else ()), *(() if surrogate is None else (surrogate.note,))),
        schema=table.schema,
        queries=queries_of(surrogate) if made and surrogate is not None else 0,
    )


_MADE = (
    "{model} gives no gradients, which this method follows: a surrogate was distilled on the way, from {queries:,} "
    "queries about mixtures of rows of {from_}. Keep one with `cfsearch distill`, and give it with --surrogate."
)


def queries_of(surrogate: "SurrogateProvider") -> int:
    """How often the model was queried while its surrogate was distilled.

    Args:
        surrogate: the surrogate.
    """
    return int(surrogate.surrogate.about["queries"]["spent"])


def _distilled(
    model: "TabularProvider", table: "TableInput", config: "Config", *, flags: dict[str, Any]
) -> "SurrogateProvider":
    """A surrogate of a model of rows without gradients, from the reference table or else all rows of the file."""
    from cfsearch.datasets.tables import read_table
    from cfsearch.distill.on_the_way import MOST_ROWS, surrogate_of_rows

    from ._progress import progress

    known, data = table.reference, config.data
    if known is None:
        known = read_table(
            str(data.table), schema=table.schema, encoding=data.encoding, delimiter=data.delimiter
        )
    with progress("distill") as line:
        return surrogate_of_rows(
            model,
            known.spread(MOST_ROWS).x,
            seed=flags["seed"],
            device=flags["device"],
            report=lambda what, share: line.update(what, share=share),
        )


def _pictured(
    model: "Provider", shape: tuple[int, ...], surrogate: "SurrogateProvider | None", flags: dict[str, Any]
) -> "Subject":
    """The subject of pictures: a surrogate's gradients, the model's own, or those of an ONNX file."""
    from cfsearch.contracts.explainer_task import Subject
    from cfsearch.contracts.provider import DifferentiableProvider
    from cfsearch.contracts.scores import verdict_scores
    from cfsearch.explainers.pixel_domain import PixelDomain
    from cfsearch.explainers.subjects import image_subject, no_gradient
    from cfsearch.providers.onnx.provider import OnnxProvider

    block = flags["block"]
    if surrogate is not None:
        if surrogate.encoding is not None:
            raise ConfigError("--surrogate: it was distilled from rows of a table, not from pictures.")
        return image_subject(model, shape, surrogate=surrogate, block=block)
    if isinstance(model, DifferentiableProvider):
        return image_subject(model, shape, block=block)
    if isinstance(model, OnnxProvider):
        from cfsearch.providers.differentiable import differentiable

        followed = differentiable(model, device=flags["device"])
        return replace(image_subject(model, shape, surrogate=followed, block=block), white_box=True)
    if not flags["follow"]:

        def network(u: "Tensor") -> "Tensor":
            return verdict_scores(model.predict(u), model)

        return Subject(model, network, PixelDomain(shape, block=block))
    raise CapabilityError(no_gradient(model))


def _only_queried(flags: dict[str, Any]) -> bool:
    """Whether the method asks the model and never follows it, so that it can live in a process of its own."""
    if flags.get("surrogate") is not None:
        return True
    network = str(flags["model"]).lower().endswith((".onnx", ".pt", ".pth", ".safetensors"))
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


def _notes(model: "Provider", surrogate: "SurrogateProvider | None") -> tuple[str, ...]:
    return tuple(one.note for one in (model, surrogate) if one is not None and one.note)
