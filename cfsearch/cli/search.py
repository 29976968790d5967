"""``cfsearch search``: one or a few inputs, the front in the terminal."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count as numbers_from
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import click

from cfsearch.errors import ConfigError, DataError, PartialFailure, ProviderError, RunError
from cfsearch.places import why_not_written

from ._help import Command
from ._options import FILE, WHOLE, json_option, search_options
from ._output import Outcome, detail, note
from ._places import EITHER_PLACE, check_either
from ._progress import Line, duration, progress
from ._settings import is_recording, kind_of_inputs, model_first, settings, with_model
from ._signals import interruptible

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.assembly.inputs import InputRecord
    from cfsearch.assembly.search import Assembly
    from cfsearch.config import Config
    from cfsearch.datasets.images import ImageRef
    from cfsearch.engine.clock import Clock
    from cfsearch.engine.progress import Failure, Progress, Watcher
    from cfsearch.fronts.front import ParetoFront

FORMAT = "cfsearch-search/1"
_LONGEST_STEM: Final = 200
"""Bytes of a file's name that an input's name may take; file systems allow 255 with the ending."""


@click.command(
    cls=Command,
    short_help="Search fronts for one or a few inputs.",
    examples=(
        "cfsearch search face.png --model model.onnx --generator faces64 --seed 7",
        "cfsearch search credit.skops --data applicants.csv --row 17 --target approve --immutable age",
        'cfsearch search --text "a dull film with a weak script" --target positive',
        "cfsearch search seven.wav",
    ),
)
@click.argument("given", nargs=-1, metavar="[MODEL] IMAGE... | SOUND.wav... | MODEL")
@click.option("--config", type=FILE, help="A cfsearch.toml; flags win over it.")
@search_options(images=False, tables=True, isolated=True)
@click.option(
    "--save", type=EITHER_PLACE, help="Write the front to FILE.front (a folder for several inputs)."
)
@click.option(
    "--strip", type=EITHER_PLACE, help="Write a strip of pictures to FILE.png (a folder for several images)."
)
@click.option("--rows", type=WHOLE, default=8, show_default=True, help="Members shown.")
@click.option("--allow-partial", is_flag=True, help="Exit with 0 although some inputs failed.")
@json_option
def search(
    given: tuple[str, ...],
    config: Path | None,
    save: Path | None,
    strip: Path | None,
    rows: int,
    allow_partial: bool,
    **flags: Any,  # Any: the shared options, by name
) -> Outcome:
    """Search a Pareto front of counterfactuals for one or a few images, rows, texts or recordings.

    With --data, --text, --texts or --sounds the argument is the MODEL (unless --model names it), and
    --row and --where say which rows; without these the arguments are images, or wave files, after the MODEL
    where --model does not name it. Texts and recordings have a model that ships: film reviews, spoken digits.
    """
    table = None
    kind = kind_of_inputs(config, flags)
    if kind == "images":
        given, flags = model_first(given, flags)
    images = tuple(Path(name) for name in given)
    if kind == "images" and images and all(is_recording(path) for path in images):
        chosen, images = settings(config, {**flags, "sounds": tuple(given)}), ()
    elif kind in ("texts", "sounds"):
        chosen, images = settings(config, with_model(given, flags)), ()
    elif kind == "table":
        chosen = settings(config, with_model(given, flags))
        _check_rows(chosen)
        from cfsearch.assembly.model import open_inputs

        table, images = open_inputs(chosen, keep_missing=True), ()
    elif not images:
        raise click.UsageError("Missing argument 'IMAGE...'.")
    else:
        chosen = settings(config, {**flags, "images": first_readable(images)})
    if strip is not None and not chosen.data.modality.pictured:
        raise ConfigError(
            f"--strip draws pictures, and {chosen.data.modality.name} have none. Use --save, or `cfsearch audit`."
        )
    assembly = None
    if not images:
        from cfsearch.assembly.search import assemble

        assembly = assemble(chosen) if table is None else assemble(chosen, table=table)
    refs = image_refs(images) if assembly is None else assembly.records or ()
    count = len(refs)
    outputs = [_Output.of(kind, path, count=count) for kind, path in (("front", save), ("png", strip))]
    with interruptible(f"interrupted; a search of a few {chosen.data.noun}s keeps nothing. Run it again."):
        found = _run(chosen, refs, assembly)
        for output in outputs:
            output.write(found.fronts)
    detail(f"{duration(found.seconds)} in all")
    return Outcome(
        document=lambda: _document(found),
        show=lambda console: _show(console, found, rows=rows),
        error=_verdict(found, allowed=allow_partial),
    )


def _check_rows(chosen: "Config") -> None:
    data = chosen.data
    if data.rows is None and data.where is None and data.limit is None:
        raise ConfigError(
            "search: say which rows: --row N (counted from 0) or --where COLUMN=VALUE. The whole table is "
            "searched by `cfsearch audit`."
        )


@final
@dataclass(slots=True)
class _Found:
    """What a search of a few images gave."""

    assembly: "Assembly"
    fronts: "list[ParetoFront]" = field(default_factory=list)
    failures: "list[Failure]" = field(default_factory=list)
    clock: "Clock | None" = None
    seconds: float = 0.0


@final
@dataclass(frozen=True, slots=True)
class _Output:
    """Where fronts or strips go; checked before the model is queried."""

    kind: str
    path: Path | None
    several: bool

    @classmethod
    def of(cls, kind: str, path: Path | None, *, count: int) -> "_Output":
        several = count > 1
        if path is not None:
            if several and path.is_file():
                raise ConfigError(f"{str(path)!r} is a file; {count} inputs need a folder.")
            check_either(path, folder=several)
        return cls(kind, path, several)

    def write(self, fronts: "Sequence[ParetoFront]") -> None:
        if self.path is None:
            return
        if self.several:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise RunError(
                    f"cannot write {str(self.path)!r}: {why_not_written(error, self.path)}"
                ) from error
        stems = file_stems([front.name for front in fronts])
        for front, stem in zip(fronts, stems, strict=True):
            self._one(front, self.path / f"{stem}.{self.kind}" if self.several else self.path)

    def _one(self, front: "ParetoFront", path: Path) -> None:
        if self.kind == "front":
            front.save(path)
            return
        from cfsearch.files import write_atomically
        from cfsearch.report.strips import strip_png

        write_atomically(path, strip_png(front))


def file_stems(names: Sequence[str]) -> list[str]:
    """Names of files, each of its own, for inputs of any name.

    Args:
        names: of the inputs, no two alike.

    Example:
        >>> file_stems(["a/b.png", "a_b.png", "c.png"])
        ['a_b.png', 'a_b.png-2', 'c.png']
    """
    stems: dict[str, None] = {}
    for name in names:
        plain = "".join("_" if letter in "/\0" else letter for letter in name)
        plain = plain.encode()[:_LONGEST_STEM].decode(errors="ignore")
        numbered = (plain if k == 1 else f"{plain}-{k}" for k in numbers_from(1))
        stems[next(one for one in numbered if one not in stems)] = None
    return list(stems)


def _run(config: "Config", refs: "Sequence[ImageRef | InputRecord]", assembly: "Assembly | None") -> _Found:
    from cfsearch.assembly.batches import searched
    from cfsearch.assembly.search import assemble
    from cfsearch.engine.clock import Clock

    begin = time.monotonic()
    assembly = assembly or assemble(config)
    for text in assembly.notes:
        note(text)
    detail(f"model {assembly.model.name} {assembly.model.fingerprint}")
    found = _Found(assembly, clock=Clock())
    each = assembly.search.evaluations
    with progress("search") as line:

        def meter(before: int, total: int) -> "Sequence[Watcher]":
            return (_Meter(line, total=total, before=before, each=each, begin=begin),)

        made = searched(assembly, refs, watching=meter, clock=found.clock)
    if len(refs) == 1 and made.failures and isinstance(made.failures[0].error, DataError):
        raise made.failures[0].error
    found.fronts, found.failures = made.fronts, made.failures
    found.seconds = time.monotonic() - begin
    return found


@final
@dataclass(frozen=True, slots=True)
class _Meter:
    """Shows the generations of one batch: queries, rate, time left.

    Args:
        line: where.
        total: inputs in all.
        before: inputs of earlier locksteps.
        each: candidates an input.
        begin: when the work began, on the monotonic clock.
    """

    line: Line
    total: int
    before: int
    each: int
    begin: float

    def __call__(self, state: "Progress", /) -> None:
        spent, whole = self.before * self.each + state.evaluations, self.total * self.each
        rate = max(spent, 1) / max(time.monotonic() - self.begin, 1e-9)
        self.line.update(
            f"generation {state.generation}/{state.generations}, {state.flipped} of {state.queries} flipped, "
            f"{spent:,} queries, {rate:,.0f}/s, {duration(max(whole - spent, 0) / rate)} left",
            share=min(spent / whole, 1.0),
        )


def first_readable(images: Sequence[Path]) -> Path:
    """The image that stands for the others where one has to: the first, unless it is damaged."""
    if len(images) == 1:
        return images[0]
    from cfsearch.datasets.images import find_images, read_image

    for path in images:
        try:
            read_image(find_images(path)[0])
        except DataError:
            continue
        return path
    return images[0]


def image_refs(images: Sequence[Path]) -> "list[ImageRef]":
    """All images that the arguments mean; where two files have one name, their paths are names."""
    from dataclasses import replace

    from cfsearch.assembly.images import readable
    from cfsearch.datasets.images import find_images

    refs = [ref for path in images for ref in readable(find_images(path))]
    times = Counter(ref.name for ref in refs)
    refs = [replace(ref, name=str(ref.path)) if times[ref.name] > 1 else ref for ref in refs]
    if len({ref.name for ref in refs}) != len(refs):
        raise ConfigError("search: the same image was given twice.")
    return refs


def _document(found: _Found) -> dict[str, Any]:
    from cfsearch.assembly.provenance import model_entry, versions

    assembly = found.assembly
    return {
        "format": FORMAT,
        "fronts": [front.to_dict() for front in found.fronts],
        "failures": [{"name": f.name, "code": f.error.code, "message": str(f.error)} for f in found.failures],
        "search": {
            "config": assembly.config.resolved(),
            "model": model_entry("model", assembly),
            "objectives": [o.name for o in assembly.search.objectives],
            "hashes": assembly.hashes,
            "notes": list(assembly.notes),
            "versions": versions(),
        },
        "times": {
            "seconds": round(found.seconds, 3),
            "networks": {}
            if found.clock is None
            else {k: round(v, 3) for k, v in found.clock.seconds.items()},
        },
    }


def _show(console: "Console", found: _Found, *, rows: int) -> None:
    from ._fronts import show_front

    for front in found.fronts:
        show_front(console, front, most=rows)


def _verdict(found: _Found, *, allowed: bool) -> PartialFailure | ProviderError | None:
    if not found.failures:
        return None
    first = found.failures[0]
    count, total = len(found.failures), len(found.failures) + len(found.fronts)
    noun = found.assembly.config.data.noun
    text = f"{count} of {total} {noun}s failed; {first.name}: {first.error}"
    if not found.fronts and isinstance(first.error, ProviderError):
        return ProviderError(text)
    return None if allowed else PartialFailure(f"{text} Give --allow-partial to accept that.")
