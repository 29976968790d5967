"""Inputs of an explanation with their opened model, shared by ``cfsearch.explain`` and the command line."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from cfsearch.assembly.images import MOST_REFERENCES, read_fitting, reference_images
from cfsearch.assembly.table import TableInput
from cfsearch.config import Config
from cfsearch.contracts.labels import doubt_of_labels
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.images import ImageRef, read_image
from cfsearch.datasets.sound import Spectrogram, read_all, read_recordings
from cfsearch.datasets.tables import read_table
from cfsearch.datasets.text import tokens
from cfsearch.distill.on_the_way import MOST_ROWS, surrogate_of_rows
from cfsearch.errors import DataError
from cfsearch.explainers.subjects import picture_subject, table_subject
from cfsearch.explainers.text_subject import text_subject
from cfsearch.files import read_text, reason
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import TabularProvider
from cfsearch.providers.text import TextProvider
from cfsearch.report.explained import ExplainedInputs

Report = Callable[[str, float], None]
"""Called with what is done and the share of it."""

_MADE: Final = (
    "{model} gives no gradients, which this method follows: a surrogate was distilled on the way, from {queries:,} "
    "queries about mixtures of rows of {from_}. Keep one with `cfsearch distill`, and give it with --surrogate."
)


def explained_pictures(
    model: Provider,
    refs: Sequence[ImageRef],
    *,
    size: tuple[int, int] | None,
    surrogate: SurrogateProvider | None = None,
    reference: str | Path | None = None,
    block: int = 1,
    follow: bool = True,
    device: str = "cpu",
) -> ExplainedInputs:
    """Pictures, brought to the size of the surrogate, else ``size``, else that of the first that can be read.

    Args:
        model: the audited model.
        refs: the pictures.
        size: height and width that the model takes; None where it takes any.
        surrogate: whose gradients are followed.
        reference: a folder of pictures to learn from or compare with.
        block: side of a feature in pixels.
        follow: whether gradients are needed.
        device: of the computation.

    Raises:
        DataError: none of the pictures can be read.
        CapabilityError, ConfigError: as ``picture_subject``.
    """
    shape = (3, *(size or first_size(refs))) if surrogate is None else surrogate.surrogate.shape
    records, failures = [], dict[str, DataError]()
    for ref in refs:
        try:
            records.append(read_fitting(ref, shape))
        except DataError as error:
            failures[ref.name] = error
    if not records:
        raise next(iter(failures.values()))
    return ExplainedInputs(
        kind="image",
        names=tuple(record.name for record in records),
        x=torch.stack([record.x for record in records]).to(device),
        subject=picture_subject(model, shape, surrogate=surrogate, block=block, follow=follow, device=device),
        reference=None if reference is None else lambda: reference_images(str(reference), shape),
        notes=_notes(model, surrogate),
        failures=failures,
    )


def first_size(refs: Sequence[ImageRef]) -> tuple[int, int]:
    """Height and width of the first picture that can be read.

    Args:
        refs: the pictures.

    Raises:
        DataError: there is none, or none can be read; that of the first.
    """
    first: DataError | None = None
    for ref in refs:
        try:
            height, width = read_image(ref).pixels.shape[1:]
        except DataError as error:
            first = first or error
            continue
        return height, width
    raise first or DataError("explain: expected one picture or more, got none.")


def explained_sounds(
    model: Provider,
    paths: Sequence[Path],
    *,
    form: Spectrogram,
    surrogate: SurrogateProvider | None = None,
    reference: str | Path | None = None,
    block: int = 1,
    follow: bool = True,
    device: str = "cpu",
) -> ExplainedInputs:
    """Recordings as the spectrograms that the model takes.

    Args:
        model: the audited model.
        paths: wave files.
        form: of the model's spectrograms.
        surrogate: whose gradients are followed.
        reference: a folder of recordings to learn from or compare with.
        block: side of a feature in cells.
        follow: whether gradients are needed.
        device: of the computation.

    Raises:
        DataError: none of the recordings can be read, or nothing is there.
        ConfigError: two recordings have the same name.
        CapabilityError, ConfigError: as ``picture_subject``.
    """
    found = read_all(paths, rate=form.rate, seconds=form.seconds)
    heard = [
        (name, text, wave)
        for name, text, wave in zip(found.names, found.notes, found.waves, strict=True)
        if name not in found.failures
    ]
    remarks = (f"{name}: {text}." for name, text, _ in heard if text)

    def compared() -> Tensor:
        return form(read_recordings(Path(str(reference)), rate=form.rate, seconds=form.seconds).waves)

    return ExplainedInputs(
        kind="sound",
        names=tuple(name for name, _, _ in heard),
        x=form(torch.stack([wave for _, _, wave in heard])).to(device),
        subject=picture_subject(
            model, form.shape, surrogate=surrogate, block=block, follow=follow, device=device
        ),
        reference=None if reference is None else compared,
        notes=(*_notes(model, surrogate), *remarks),
        failures=found.failures,
    )


def explained_texts(
    model: TextProvider, texts: Sequence[str], *, reference: str | Path | None = None
) -> ExplainedInputs:
    """Texts as the tokens that the model takes.

    Args:
        model: the audited model, whose word embeddings are followed.
        texts: one an input.
        reference: a UTF-8 file of one text a line.

    Raises:
        DataError: the reference cannot be read.
    """
    lines: list[str] = []
    if reference is not None:
        try:
            lines = [line.strip() for line in read_text(Path(reference)).split("\n") if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"--reference {str(reference)!r} must be a UTF-8 file of one text a line, but {reason(error)}."
            ) from error
    x = model.encode(texts)
    length = int(x.shape[1])
    fitting = [line for line in lines if 0 < len(tokens(line)) <= length]

    def compared() -> Tensor:
        if not fitting:
            raise DataError(
                f"--reference: no text has {length} words or fewer, as many as the explained text has. Give others."
            )
        return model.encode(fitting[:MOST_REFERENCES], length=length)

    return ExplainedInputs(
        kind="text",
        names=tuple(f"text {i}" for i in range(len(texts))),
        x=x,
        subject=text_subject(model, length=length),
        reference=None if reference is None else compared,
        notes=_notes(model, None),
        texts=tuple(texts),
        reader=model,
    )


def explained_rows(
    model: TabularProvider,
    table: TableInput,
    config: Config,
    *,
    surrogate: SurrogateProvider | None = None,
    follow: bool = True,
    notes: Sequence[str] = (),
    report: Report = lambda _what, _share: None,
) -> ExplainedInputs:
    """Rows of a table; where gradients are needed and nothing has them, a surrogate is distilled on the way.

    Args:
        model: the audited model.
        table: with the rows that are explained.
        config: the settings of the table and of the search: what is immutable, the seed, the device.
        surrogate: whose gradients are followed.
        follow: whether gradients are needed.
        notes: what a reader must know of the model and the table.
        report: called with the progress of distilling.

    Raises:
        ConfigError: an immutable column is none of the table's; as ``table_subject``.
        DataError: there are too few rows to distil from.
    """
    made = ""
    if surrogate is None and follow and not model.white_box:
        surrogate = _distilled(model, table, config, report=report)
        made = _MADE.format(
            queries=queries_of(surrogate),
            model=model.name,
            from_="--reference" if table.reference is not None else "the table",
        )
    immutable = [table.schema.column(name).name for name in config.search.immutable]
    reference = table.reference
    return ExplainedInputs(
        kind="row",
        names=table.names,
        x=table.x,
        subject=table_subject(model, surrogate=surrogate, immutable=immutable, follow=follow),
        reference=None if reference is None else lambda: reference.x,
        notes=(*notes, *_of_rows(model, made, surrogate)),
        schema=table.schema,
        queries=queries_of(surrogate) if made and surrogate is not None else 0,
    )


def _of_rows(model: Provider, made: str, surrogate: SurrogateProvider | None) -> tuple[str, ...]:
    """What a reader must know beside the notes of the table and its model."""
    alike = doubt_of_labels(model.labels, who=model.name)
    return tuple(note for note in (alike, made, "" if surrogate is None else surrogate.note) if note)


def queries_of(surrogate: SurrogateProvider) -> int:
    """How often the model was queried while its surrogate was distilled.

    Args:
        surrogate: the surrogate.
    """
    about: Mapping[str, int] = surrogate.surrogate.about["queries"]
    return int(about["spent"])


def _distilled(
    model: TabularProvider, table: TableInput, config: Config, *, report: Report
) -> SurrogateProvider:
    """A surrogate of a model of rows without gradients, from the reference table or else all rows of the file."""
    known, data = table.reference, config.data
    if known is None:
        known = read_table(
            str(data.table), schema=table.schema, encoding=data.encoding, delimiter=data.delimiter
        )
    return surrogate_of_rows(
        model,
        known.spread(MOST_ROWS).x,
        seed=config.search.seed,
        device=config.run.device,
        report=report,
    )


def _notes(model: Provider, surrogate: SurrogateProvider | None) -> tuple[str, ...]:
    alike = doubt_of_labels(model.labels, who=model.name)
    return tuple(note for note in (model.note, alike, "" if surrogate is None else surrogate.note) if note)
