"""``cfsearch doctor``: first contact with a model, and what to change where it does not fit."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import ConfigError, listed

from . import _forms
from ._help import Command
from ._opened import open_pictured, preparation_of
from ._options import (
    DEADLINE,
    DELIMITER,
    ENCODING,
    FILE,
    ISOLATION,
    LABEL,
    MEMORY,
    PROTOCOL,
    SCHEMA,
    TARGET_RANGE,
    TRUST,
    TRUST_MODEL,
    json_option,
    threads_option,
)
from ._output import Outcome, plain
from ._settings import kind_of_inputs, settings, use_threads

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.config import Config
    from cfsearch.contracts.provider import Provider
    from cfsearch.providers.handshake import Handshake
    from cfsearch.providers.preprocessing import Preprocessing

FORMAT = "cfsearch-doctor/1"
_SIZE = 64
_COLUMNS = 8


@click.command(
    cls=Command,
    short_help="Check what a model takes and gives.",
    examples=(
        "cfsearch doctor model.onnx",
        "cfsearch doctor credit.skops --data applicants.csv",
        'cfsearch doctor --text "a dull film"',
        "cfsearch doctor --sounds seven.wav",
    ),
)
@click.argument("model", required=False, metavar="MODEL")
@PROTOCOL
@click.option("--sidecar", type=FILE, help="TOML with its labels and preprocessing; beside it by default.")
@click.option("--arch", metavar="PKG.MOD:BUILD", help="What builds the network of a file of weights.")
@click.option(
    "--images",
    type=FILE,
    metavar="FOLDER",
    help="Known pictures, a folder a class: which range, order and layout fits.",
)
@click.option("--size", type=click.IntRange(min=4), help="Side of the images to query with, in pixels.")
@click.option(
    "--data", type=FILE, metavar="TABLE.csv", help="Of a model of tables: a table with rows to query."
)
@SCHEMA
@LABEL
@ENCODING
@DELIMITER
@TARGET_RANGE
@click.option("--text", multiple=True, metavar="TEXT", help="Of a model of texts: one to ask about; repeat.")
@click.option("--texts", type=FILE, help="Of a model of texts: a file of them, one a line, or a CSV.")
@click.option("--column", metavar="COLUMN", help="The column of a CSV that holds the texts.")
@click.option("--sounds", type=FILE, help="Of a model of recordings: a wave file, a folder or a zip of them.")
@TRUST
@TRUST_MODEL
@ISOLATION
@DEADLINE
@MEMORY
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu, cuda or cuda:1.")
@threads_option
@json_option
def doctor(
    model: str | None,
    sidecar: Path | None,
    arch: str | None,
    size: int | None,
    images: Path | None,
    device: str,
    threads: int | None,
    **inputs: Any,  # Any: what click parsed
) -> Outcome:
    """Query a model with known images, or rows, texts or recordings that are given: what it takes and gives.

    Texts and recordings have a model that ships, which is queried where none is named.

    What does not fit is reported with the line to change; the line belongs into the TOML beside the
    model (--sidecar).
    """
    use_threads(threads)
    kind = kind_of_inputs(None, inputs)
    if inputs["target"] is not None and kind != "table":
        raise click.UsageError("--target is the range of a model of tables: give --data TABLE.csv too.")
    flags = {"sidecar": sidecar, "arch": arch, "device": device, "threads": threads, **inputs}
    if kind != "images":
        if images is not None:
            raise click.UsageError(
                "--images are pictures, and the model is one of tables, texts or recordings."
            )
        flags["model"] = model
        return _of_given(settings(None, flags), sidecar)
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    from cfsearch.providers.handshake import handshake

    provider = open_pictured(model, flags)
    stated, taken = preparation_of(provider)
    if stated and taken is None:
        raise ConfigError(
            f"doctor: {model!r} takes no images. Give inputs to ask about: --data TABLE.csv, --texts FILE or --sounds FILE."
        )
    fixed = None if taken is None else taken.size
    shape = (size, size) if size is not None else fixed or (_SIZE, _SIZE)
    seen = handshake(provider, (3, *shape))
    where = _where(model, sidecar)
    document = _document(provider, taken, seen, shape=shape, where=where)
    if images is None:
        return Outcome(document=document, show=lambda console: _show(console, document))
    from cfsearch.providers.forms import best_form

    trials = _forms.tried(provider, model, images, flags, size=shape)
    document["forms"] = _forms.entries(trials)
    advice = best_form(trials, name=provider.name, where=where, classes=len(provider.labels))
    if advice:
        document |= {"warnings": [*document["warnings"], advice], "ok": False}
    return Outcome(
        document=document, show=lambda console: _show(console, document, forms=_forms.lines(trials))
    )


def _of_given(config: "Config", sidecar: Path | None) -> Outcome:
    """What a model of tables, texts or recordings takes and gives, queried about real ones."""
    from cfsearch.assembly.model import open_model
    from cfsearch.providers.handshake import handshake

    opened = open_model(config, keep_missing=True)
    noun, where = config.data.noun, _where(config.model.path, sidecar)
    given = opened.inputs
    if given is None:
        raise ConfigError("doctor: no inputs to ask about. Give --data, --text, --texts or --sounds.")
    probes = given.probes
    seen = handshake(
        opened.model, tuple(probes.shape[1:]), device=config.run.device, inputs=probes, noun=noun
    )
    document = _document(opened.model, None, seen, shape=tuple(probes.shape), where=where)
    if opened.table is not None:
        document["columns"] = {column.name: column.kind.value for column in opened.table.schema.columns}
    document["warnings"] = [*opened.notes, *seen.warnings]
    return Outcome(document=document, show=lambda console: _show(console, document, noun=noun))


def handshake_entry(seen: "Handshake") -> dict[str, Any]:
    """What a handshake saw, as plain JSON values."""
    return {
        **asdict(seen),
        "scores": seen.scores.name.lower(),
        "looks_like": seen.looks_like.name.lower(),
        "sums": list(seen.sums),
        "range": list(seen.range),
        "seconds": {str(batch): round(each, 6) for batch, each in seen.seconds.items()},
        "warnings": list(seen.warnings),
    }


def _where(model: str, sidecar: Path | None) -> str:
    from cfsearch.providers.served.address import is_address

    if sidecar is None and is_address(model):
        return "a TOML given with --sidecar"
    return str(sidecar) if sidecar is not None else str(Path(model).with_suffix(".toml"))


def _document(
    provider: "Provider",
    taken: "Preprocessing | None",
    seen: "Handshake",
    *,
    shape: tuple[int, ...],
    where: str,
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "model": {
            "name": provider.name,
            "fingerprint": provider.fingerprint,
            "labels": list(provider.labels),
            "scores": provider.scores.name.lower(),
            "max_batch": provider.max_batch,
        },
        "input": None if taken is None else _plain_values(asdict(taken)),
        "asked_with": list(shape),
        "sidecar": {"path": where, "present": Path(where).is_file()},
        "handshake": handshake_entry(seen),
        "warnings": [text for text in (provider.note, *seen.warnings) if text],
        "ok": not seen.warnings,
    }


def _plain_values(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _show(
    console: "Console", document: dict[str, Any], *, noun: str = "image", forms: Sequence[str] = ()
) -> None:
    from rich.text import Text

    model, seen = document["model"], document["handshake"]
    lines = [
        ("model", model["name"]),
        ("classes", listed(model["labels"])),
        ("scores", f"{model['scores']} (its numbers look like {seen['looks_like']})"),
        ("input", _input(document, noun=noun)),
        (
            "answers",
            f"{_span(seen['range'])}; rows sum to {_span(seen['sums'])}",
        ),
        (
            "repeatable",
            _yes(seen["repeatable"], f"queried again, answers differ by up to {seen['eps_repeat']:.3g}"),
        ),
        (
            "batches",
            "no influence"
            if not seen["batch_dependent"]
            else f"answers depend on the batch, by up to {seen['eps_batch']:.3g}",
        ),
        (
            "speed",
            ", ".join(
                f"{1.0 / max(s, 1e-9):,.0f} {noun}s/s in batches of {n}" for n, s in seen["seconds"].items()
            ),
        ),
        (
            "settings",
            f"{document['sidecar']['path']}{'' if document['sidecar']['present'] else ' (not there)'}",
        ),
        ("fingerprint", model["fingerprint"]),
        *(("" if i else "pictures", text) for i, text in enumerate(forms)),
    ]
    for name, value in lines:
        console.print(Text(f"{name:12}{plain(value)}"), soft_wrap=True)
    for text in document["warnings"]:
        console.print(Text(f"! {plain(text)}"))
    console.print("This model can be searched." if document["ok"] else "It can be searched, but see above.")


def _input(document: dict[str, Any], *, noun: str) -> str:
    if "columns" in document:
        kinds = [f"{listed([name])} {kind}" for name, kind in document["columns"].items()]
        more = f" and {len(kinds) - _COLUMNS} more" if len(kinds) > _COLUMNS else ""
        return f"{len(kinds)} columns: {', '.join(kinds[:_COLUMNS])}{more}; queried with {document['asked_with'][0]} rows"
    taken = document["input"]
    if noun != "image":
        return f"{noun}s; queried with {document['asked_with'][0]} that were given, and variations of them"
    shape = " x ".join(map(str, document["asked_with"]))
    if taken is None:
        return f"images as they come; queried with {shape}"
    size = "any size" if taken["size"] is None else " x ".join(map(str, taken["size"]))
    extra = "".join(f", {key} {taken[key]}" for key in ("mean", "std") if taken[key])
    colour = "grey" if taken["channels"] == 1 else taken["order"].upper()
    return f"{size} {colour}, {taken['layout']}, {taken['dtype']} on {taken['range']}{extra}; resize {taken['resize']}"


def _span(ends: Sequence[float]) -> str:
    """Both ends, or one number where they print alike."""
    low, high = f"{ends[0]:.4g}", f"{ends[1]:.4g}"
    return low if low == high else f"{low} to {high}"


def _yes(value: bool, otherwise: str) -> str:
    return "yes" if value else f"no: {otherwise}"
