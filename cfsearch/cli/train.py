"""``cfsearch train``: a generator from labelled images, or a critic for one that has none."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import RunError
from cfsearch.places import check_place

from ._completion import columns, plugins
from ._help import Command, Family
from ._invocation import Invocation
from ._labelled import given_people, labelled_images
from ._measured import held_out, measured, show_measured, why_no_figures
from ._options import FILE, SEED, WHOLE, Function, json_option, threads_option
from ._output import Outcome, note, plain
from ._places import FOLDER_PLACE, PLACE
from ._progress import duration, progress
from ._reals import Real
from ._repeated import list_option
from ._settings import use_threads
from ._signals import stoppable

if TYPE_CHECKING:
    from rich.console import Console

    from cfsearch.contracts.trainer import Learned, State, Trainer, TrainingRequest

FORMAT = "cfsearch-training/1"
_GRACE_S = 20.0
_SHARE = Real(0.0, 1.0)
_RATE = Real(min=0.0, min_open=True, max=1.0, max_open=True)

_TRAINING = (
    click.option(
        "--recipe",
        type=click.Choice(["fast", "paired", "published"]),
        help="Settings to start from: paired by default for rendered faces, else fast. It decides what the options below leave out.",
    ),
    click.option("--steps", type=WHOLE, help="Steps at most."),
    click.option("--minutes", type=Real(min=0.0, min_open=True), help="Minutes of computing at most."),
    click.option("--batch", type=click.IntRange(min=2), help="Images in a step."),
    click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of all random numbers."),
    click.option("--rate", type=_RATE, metavar="NUMBER", help="Learning rate of the generator."),
    click.option("--critic-rate", type=_RATE, metavar="NUMBER", help="Learning rate of the critic."),
    click.option(
        "--precision", type=click.Choice(["auto", "float32", "bfloat16"]), help="Floating-point precision."
    ),
    click.option("--log-every", type=WHOLE, help="Steps between two lines of metrics.jsonl."),
    click.option(
        "--sheet-every", type=click.IntRange(min=0), help="Steps between two sample sheets; 0 for none."
    ),
    click.option(
        "--checkpoint-every",
        type=click.IntRange(min=0),
        help="Steps between two checkpoints; 0 for the last only.",
    ),
    click.option("--critic-width", type=WHOLE, help="Channels of the critic's first block."),
    click.option("--critic-hidden", type=WHOLE, help="Units of its hidden layer."),
    click.option(
        "--family",
        shell_complete=plugins("trainers"),
        default="attgan",
        show_default=True,
        help="Family of generators.",
    ),
    click.option(
        "--out", type=PLACE, required=True, metavar="FILE.safetensors", help="The file of the generator."
    ),
    click.option(
        "--folder", type=FOLDER_PLACE, help="Metrics, sheets, checkpoints; FILE-training when left out."
    ),
    click.option(
        "--resume/--no-resume", default=True, help="Go on with a training in the folder (default), or refuse."
    ),
    click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu, cuda or cuda:1."),
)
_NETWORKS = ("size", "layers", "width", "max_width", "critic_width", "critic_hidden", "upsampling", "scale")
_SETTINGS = (
    "steps",
    "minutes",
    "batch",
    "seed",
    "rate",
    "critic_rate",
    "precision",
    "log_every",
    "sheet_every",
    "checkpoint_every",
    "uniform",
    "single",
)


def _options(command: Function) -> Function:
    for option in reversed(_TRAINING):
        command = option(command)
    return labelled_images(threads_option(command))


@click.group(cls=Family, invoke_without_command=True)
@click.pass_context
def train(ctx: click.Context) -> None:
    """Train a generator, or a critic for a generator that has none."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@train.command(
    cls=Command,
    examples=(
        "cfsearch train generator --data faces --minutes 60 --out mine.safetensors",
        "cfsearch train generator --data photos --attributes photos.csv --names Male,Smiling --out mine.safetensors",
    ),
)
@click.option(
    "--size", type=click.IntRange(min=64), default=64, show_default=True, help="Side of the images."
)
@click.option("--layers", type=WHOLE, help="Blocks of the encoder, of the decoder and of the critic.")
@click.option("--width", type=WHOLE, help="Channels of the first block; each further one doubles them.")
@click.option("--max-width", type=WHOLE, help="Most channels of a block.")
@click.option(
    "--upsampling", type=click.Choice(["transposed", "resize"]), help="How the decoder doubles a map."
)
@click.option(
    "--scale",
    type=Real(min=0.0, min_open=True),
    help="Factor on the attributes that the decoder sees.",
)
@list_option("--names", shell_complete=columns, help="Which attributes, in this order.")
@click.option("--uniform", type=_SHARE, help="Share of rows with partial attribute strengths.")
@click.option("--single", type=_SHARE, help="Share of rows in which one attribute is flipped.")
@click.option(
    "--measure/--no-measure",
    default=True,
    help="Hold a tenth of 300 images or more out, and measure on them whether edits are seen (default).",
)
@_options
@json_option
def generator(**flags: Any) -> Outcome:  # Any: the options, by name
    """Train a generator with its critic from labelled images.

    A training in the folder goes on from its last checkpoint. Ctrl-C writes one.
    """
    held: list[Any] = []  # Any: the sources of the measurement, see cfsearch.contracts.trainer

    def work(
        trainer: "Trainer",
        request: "TrainingRequest",
        watch: "Callable[[State], None]",
        stop: Callable[[], bool],
    ) -> "Learned":
        source = _source(flags, size=flags["size"], names=_names(flags))
        if flags["measure"] and (count := held_out(len(source))):
            from cfsearch.datasets.held_out import split

            source, rest = split(source, held_out=count)
            held.extend((source, rest))
        return trainer.train_generator(source, request=request, watch=watch, stop=stop)

    outcome = _train("generator", flags, work)
    if not flags["measure"] or not outcome.values["finished"]:
        return outcome
    return _with_figures(outcome, held, flags)


def _with_figures(outcome: Outcome, held: list[Any], flags: dict[str, Any]) -> Outcome:
    """The result of a training with what was measured of it, where enough images were held out."""
    if not held:
        note(
            "edits were not measured: that takes 300 labelled images or more, of which a tenth is held out. Audits say "
            "'edits never measured' until `cfsearch measure generator` was given others."
        )
        return outcome
    from cfsearch.contracts.trainer import open_trainer

    training, rest = held
    trainer = open_trainer(flags["family"])
    if why := why_no_figures(flags["out"], trainer):
        note(f"the figures are printed only: {why}")
    with progress("measure") as line:
        figures = measured(
            flags["out"],
            trainer,
            training=training,
            held=rest,
            seed=flags["seed"],
            device=flags["device"],
            write=not why,
            watch=lambda share: line.update("a classifier learns, then judges", share=share),
        )

    def show(console: "Console") -> None:
        outcome.show(console)
        show_measured(console, figures)

    return Outcome(document={**outcome.values, "measured": figures}, show=show)


@train.command(
    cls=Command,
    short_help="Train a critic for a generator without one.",
    examples=(
        "cfsearch train critic --generator weights.49.pth --celeba data --out with_critic.safetensors",
    ),
)
@click.option(
    "--generator",
    "weights",
    type=FILE,
    required=True,
    metavar="FILE",
    help="The generator that stays as it is.",
)
@_options
@json_option
def critic(weights: Path, **flags: Any) -> Outcome:  # Any: the options, by name
    """Train a critic for a generator that has none, such as a published checkpoint."""

    def work(
        trainer: "Trainer",
        request: "TrainingRequest",
        watch: "Callable[[State], None]",
        stop: Callable[[], bool],
    ) -> "Learned":
        source = _source(flags, size=trainer.size(weights), names=trainer.attributes(weights))
        return trainer.train_critic(weights, source, request=request, watch=watch, stop=stop)

    return _train("critic", flags, work)


_Work = Callable[["Trainer", "TrainingRequest", "Callable[[State], None]", Callable[[], bool]], "Learned"]


def _train(what: str, flags: dict[str, Any], work: _Work) -> Outcome:
    use_threads(flags["threads"])
    from cfsearch.contracts.trainer import TrainingRequest, open_trainer

    out: Path = flags["out"]
    folder: Path = flags["folder"] or out.with_name(f"{out.stem}-training")
    _check_places(out, folder, resume=flags["resume"])
    request = TrainingRequest(
        recipe=flags["recipe"],
        networks=_given(flags, _NETWORKS),
        training=_given(flags, _SETTINGS),
        folder=folder,
        out=out,
        device=flags["device"],
    )
    trainer = open_trainer(flags["family"])
    if done := _steps_done(folder):
        note(f"{str(folder)!r} holds a training, which goes on from step {done}.")
    call = Invocation.current()
    words = f"interrupted; the last checkpoint is in {str(folder)!r}. To go on: {call.command}"
    with stoppable(words, grace_s=_GRACE_S) as stop, progress("train") as line:

        def watch(state: "State") -> None:
            left = state.seconds * (1.0 / max(state.share, 1e-9) - 1.0)
            losses = " ".join(f"{name} {value:.3g}" for name, value in list(state.losses.items())[:4])
            line.update(f"step {state.step}, {duration(left)} left, {losses}", share=state.share)

        learned = work(trainer, request, watch, stop)
    document = {
        "format": FORMAT,
        "what": what,
        "file": str(out),
        "folder": str(folder),
        "steps": learned.steps,
        "seconds": round(learned.seconds, 3),
        "finished": learned.finished,
    }
    note(f"metrics, sample sheets and checkpoints are in {folder}.")
    return Outcome(
        document=document,
        show=lambda console: console.print(
            f"{learned.steps} steps in {duration(learned.seconds)}: {plain(str(out))}", soft_wrap=True
        ),
    )


def _check_places(out: Path, folder: Path, *, resume: bool) -> None:
    if out.suffix != ".safetensors":
        raise RunError(f"--out: expected FILE.safetensors, got {str(out)!r}.")
    check_place(folder, folder=True)
    if not resume and any((folder / "checkpoints").glob("step-*")):
        raise RunError(
            f"{str(folder)!r} holds a training already. Name another --folder, or leave out --no-resume."
        )


def _steps_done(folder: Path) -> int:
    """Steps of the last checkpoint in a folder; 0 without one."""
    found = [path.name.removeprefix("step-") for path in (folder / "checkpoints").glob("step-*")]
    return max((int(name) for name in found if name.isdecimal()), default=0)


def _given(flags: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: flags[name] for name in names if flags.get(name) is not None}


def _names(flags: dict[str, Any]) -> tuple[str, ...]:
    return tuple(part.strip() for part in (flags["names"] or "").split(",") if part.strip())


def _source(
    flags: dict[str, Any], *, size: int, names: tuple[str, ...]
) -> Any:  # Any: a Source, see cfsearch.contracts.trainer
    from ._sources import open_source

    return open_source(
        flags["data"],
        celeba=flags["celeba"],
        table=flags["table"],
        names=names,
        size=size,
        people=given_people(flags["people"]),
        seed=flags["seed"],
        limit=flags["limit"],
    )
