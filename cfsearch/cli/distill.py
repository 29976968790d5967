"""``cfsearch distill``: a surrogate of a model that can only be queried."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import ConfigError, DataError, RunError
from cfsearch.numerics.percent import percent
from cfsearch.places import check_place, why_not_written
from cfsearch.registry import unknown

from ._completion import column, plugins
from ._errors import Interrupted
from ._help import Command
from ._invocation import Invocation
from ._opened import open_pictured, size_of
from ._options import (
    DEADLINE,
    DELIMITER,
    ENCODING,
    FILE,
    ISOLATION,
    MEMORY,
    PROTOCOL,
    SEED,
    TARGET_RANGE,
    TRUST_MODEL,
    WHOLE,
    json_option,
    threads_option,
)
from ._output import Outcome, note, plain
from ._places import FOLDER_PLACE, PLACE
from ._progress import duration, progress
from ._reals import Real
from ._settings import settings, use_threads
from ._signals import stoppable

if TYPE_CHECKING:
    from torch import Tensor

    from cfsearch.contracts.provider import Provider
    from cfsearch.datasets.tables import TableSchema

FORMAT = "cfsearch-distill/1"
_GRACE_S = 60.0
_SIZE = 64


@click.command(
    cls=Command,
    short_help="Train a surrogate of a model that can only be queried.",
    examples=(
        "cfsearch distill model.onnx --images photos --queries 22893 --minutes 5 --out surrogate.safetensors",
        "cfsearch distill --sounds digits --queries 2000 --out ears.safetensors",
    ),
)
@click.argument("model", required=False, metavar="MODEL")
@PROTOCOL
@click.option("--sidecar", type=FILE, help="TOML with its labels and preprocessing; beside it by default.")
@click.option("--arch", metavar="PKG.MOD:BUILD", help="What builds the network of a file of weights.")
@click.option(
    "--trust", multiple=True, metavar="TYPE", help="A type in a skops file that you trust; repeat for each."
)
@TRUST_MODEL
@ISOLATION
@DEADLINE
@MEMORY
@click.option("--images", type=FILE, help="A file, folder or zip of images; labels are not needed.")
@click.option("--recursive", is_flag=True, help="Look into sub-folders.")
@click.option("--size", type=click.IntRange(min=8), help="Side of the images; the model's own, else 64.")
@click.option("--data", "table", type=FILE, metavar="TABLE.csv", help="Or rows of a table.")
@click.option("--sounds", type=FILE, help="Or recordings: a wave file, a folder or a zip of them.")
@click.option("--text", "text", multiple=True, hidden=True, help="Texts are refused, with the reason.")
@click.option("--texts", type=FILE, hidden=True, help="Likewise.")
@click.option("--schema", type=FILE, help="TOML with the columns of the table; guessed when left out.")
@click.option(
    "--label",
    metavar="COLUMN",
    shell_complete=column,
    help="The column with the true class, where the schema is guessed.",
)
@ENCODING
@DELIMITER
@TARGET_RANGE
@click.option("--limit", type=WHOLE, help="At most the first N inputs.")
@click.option(
    "--out", type=PLACE, required=True, metavar="FILE.safetensors", help="The file of the surrogate."
)
@click.option("--folder", type=FOLDER_PLACE, help="Answers and trials; FILE-distill when left out.")
@click.option(
    "--queries", type=click.IntRange(min=2), help="Most queries; by default m + m (m - 1) / 2 for m inputs."
)
@click.option("--minutes", type=Real(min=0.0, min_open=True), help="Time limit of tuning and training.")
@click.option("--preset", default="best", show_default=True, help="best, or paper (Haffar et al. 2022).")
@click.option(
    "--network",
    "networks",
    multiple=True,
    shell_complete=plugins("networks"),
    metavar="NAME",
    help="An architecture to try (lenet5, mlp_64_64, ...); repeat for more.",
)
@click.option("--trials", type=click.IntRange(min=0), help="Trials of the hyperparameter search; 0 for none.")
@click.option(
    "--held-out",
    type=Real(0.0, 0.5),
    default=0.1,
    show_default=True,
    help="Share of the inputs on which fidelity is measured.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu, cuda or cuda:1.")
@threads_option
@json_option
def distill(model: str | None, **flags: Any) -> Outcome:  # Any: the options, by name
    """Train a network that answers as MODEL does, from MODEL's answers alone.

    Give some unlabelled inputs, like those that the model is used on. They are augmented, the
    model is queried about them, and the network learns its answers. Beside the surrogate stands a
    card that says how often both agree. An interrupted run goes on where it stopped.
    """
    use_threads(flags["threads"])
    from dataclasses import replace

    from cfsearch.contracts import network as networks
    from cfsearch.distill import DistillRequest, StoppedError, distil, preset

    recipe = preset(flags["preset"])
    for name in flags["networks"]:
        if name not in networks.names():
            raise ConfigError(unknown("network", name, list(networks.names())))
    if flags["networks"]:
        recipe = replace(recipe, networks=flags["networks"])
    if flags["trials"] is not None:
        recipe = replace(recipe, tuning=replace(recipe.tuning, trials=flags["trials"]))
    out: Path = flags["out"]
    if out.suffix != ".safetensors":
        raise RunError(f"--out: expected FILE.safetensors, got {str(out)!r}.")
    check_place(out.with_suffix(".md"))
    folder: Path = flags["folder"] or out.with_name(f"{out.stem}-distill")
    check_place(folder, folder=True)
    provider, x, schema = _opened(model, flags)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {str(folder)!r}: {why_not_written(error, folder)}") from error
    request = DistillRequest(
        recipe=recipe,
        queries=flags["queries"],
        held_out=flags["held_out"],
        minutes=flags["minutes"],
        seed=flags["seed"],
        folder=folder,
        device=flags["device"],
    )
    words = (
        f"interrupted; answers and trials are in {str(folder)!r}. To go on: {Invocation.current().command}"
    )
    with stoppable(words, grace_s=_GRACE_S) as stop, progress("distill") as line:
        try:
            made = distil(
                x,
                provider,
                request=request,
                schema=schema,
                report=lambda what, share: line.update(what, share=share),
                stop=stop,
            )
        except StoppedError:
            raise Interrupted(words) from None
        written, card = made.save(out)
    about = made.surrogate.about
    document = {
        "format": FORMAT,
        "file": str(written),
        "card": str(card),
        "folder": str(folder),
        **{
            key: about[key]
            for key in ("network", "hyper", "queries", "fidelity", "seconds", "preset", "seed")
        },
        "trials": made.tuned.trials,
        "notes": list(about["notes"]),
    }
    for text in about["notes"]:
        note(text)
    return Outcome(document=document, show=lambda console: console.print(_summary(document), soft_wrap=True))


def _summary(document: dict[str, Any]) -> str:
    found, queries = document["fidelity"], document["queries"]
    agreed = (
        f"same class as the model on {percent(found['value'], digits=1)} ({percent(found['low'], digits=1)} to {percent(found['high'], digits=1)}) of held-out "
        "inputs"
        if found
        else "fidelity not measured"
    )
    return (
        f"{document['network']}, {agreed}, {queries['spent']:,} queries, {duration(document['seconds'])}: "
        f"{plain(document['file'])}"
    )


_MODEL = (*("sidecar", "arch", "device", "threads"), *("trust_model", "isolate", "deadline", "memory"))
_Inputs = tuple["Provider", "Tensor", "TableSchema | None"]


def _opened(model: str | None, flags: dict[str, Any]) -> _Inputs:
    if flags["text"] or flags["texts"] is not None:
        raise ConfigError(
            "distill: expected images, rows or recordings, got texts: inputs are mixed to make more of them, and there is "
            "no text halfway between two. Explain a text with a method that asks the model: search --text, or audit --texts."
        )
    given = [flags[name] for name in ("images", "table", "sounds") if flags[name] is not None]
    if len(given) != 1:
        raise ConfigError("distill: give --images FOLDER, --data TABLE.csv or --sounds FOLDER, one of them.")
    if flags["target"] is not None and flags["table"] is None:
        raise ConfigError("distill: --target is the range of a model of tables; give --data TABLE.csv too.")
    if flags["sounds"] is not None:
        return _sounds(model, flags)
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    return _images(model, flags) if flags["table"] is None else _rows(model, flags)


def _sounds(model: str | None, flags: dict[str, Any]) -> _Inputs:
    import torch

    from cfsearch.assembly.model import open_model

    names = ("sounds", "limit", *_MODEL)
    config = settings(None, {"model": model, **{name: flags[name] for name in names}})
    opened = open_model(config)
    if opened.inputs is None or len(opened.inputs.readable) < 2:
        raise DataError(f"distill: needs two recordings or more, found fewer in {str(flags['sounds'])!r}.")
    for text in opened.notes:
        note(text)
    for record in opened.inputs.records:
        if record.failure is not None:
            note(f"left out: {record.failure}")
    return opened.model, torch.stack([record.x for record in opened.inputs.readable]), None


def _images(model: str, flags: dict[str, Any]) -> _Inputs:
    import torch

    from cfsearch.datasets.images import find_images, read_image

    provider = open_pictured(model, flags)
    if provider.note:
        note(provider.note)
    taken = size_of(provider)
    side = flags["size"] or (taken[0] if taken is not None and taken[0] == taken[1] else _SIZE)
    found = find_images(flags["images"], recursive=flags["recursive"])[: flags["limit"]]
    if len(found) < 2:
        raise DataError(f"distill: needs two images or more, found {len(found)} in {str(flags['images'])!r}.")
    return provider, torch.stack([read_image(ref, size=side).x for ref in found]), None


def _rows(model: str, flags: dict[str, Any]) -> _Inputs:
    from cfsearch.assembly.model import open_model

    names = ("schema", "label", "encoding", "delimiter", "limit", "trust", "target", *_MODEL)
    given = {"model": model, "data": flags["table"], **{name: flags[name] for name in names}}
    opened = open_model(settings(None, given))
    if opened.table is None:
        raise ConfigError("distill: --data names no table.")
    for text in opened.notes:
        note(text)
    return opened.model, opened.table.x, opened.table.schema
