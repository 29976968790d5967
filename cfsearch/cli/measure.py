"""``cfsearch measure``: how well a generator edits, by a classifier that it never met."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cfsearch.errors import DataError
from cfsearch.places import check_place

from ._completion import plugins
from ._help import Command, Family
from ._labelled import given_people, labelled_images
from ._options import FILE, SEED, json_option, threads_option
from ._output import Outcome, note, plain
from ._progress import progress
from ._settings import use_threads

if TYPE_CHECKING:
    from rich.console import Console

FORMAT = "cfsearch-measurement/1"
_FEWEST: Final = 60
_OTHER_PEOPLE: Final = 2**63
"""Added to the seed of rendered people: larger than any seed of a training, so that none is of both."""


@click.group(cls=Family, invoke_without_command=True)
@click.pass_context
def measure(ctx: click.Context) -> None:
    """Measure a generator before its findings are believed."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@measure.command(
    cls=Command,
    short_help="Say how often each attribute's edits are seen, and what else they change.",
    examples=(
        "cfsearch measure generator mine.safetensors --data photos --attributes photos.csv",
        "cfsearch measure generator mine.safetensors --data faces --people 600 --no-write",
    ),
)
@click.argument("file", type=FILE, metavar="FILE.safetensors")
@labelled_images
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of all random numbers.")
@click.option(
    "--family",
    shell_complete=plugins("trainers"),
    default="attgan",
    show_default=True,
    help="Family of generators.",
)
@click.option(
    "--write/--no-write", default=True, help="Write the figures into the file (default), or print them only."
)
@click.option("--device", default="cpu", show_default=True, metavar="DEVICE", help="cpu, cuda or cuda:1.")
@threads_option
@json_option
def generator(file: Path, **flags: Any) -> Outcome:  # Any: the options, by name
    """Measure how often each attribute's edits are seen, and what else they change.

    Give labelled images that FILE was not trained on. Half of them train a classifier; on the other half it says
    whether edits are seen. Audits read the figures from FILE: effects of what it hardly edits count as not known.
    Of CelebA the test part is taken; rendered people are others than those of any training.
    """
    use_threads(flags["threads"])
    from cfsearch.contracts.trainer import open_trainer
    from cfsearch.datasets.held_out import split

    from ._measured import measured, show_measured, why_no_figures
    from ._sources import open_source

    trainer = open_trainer(flags["family"])
    if write := flags["write"] and file.is_file():
        if why := why_no_figures(file, trainer):
            note(f"the figures are printed only: {why}")
            write = False
        else:
            check_place(file)
    source = open_source(
        flags["data"],
        celeba=flags["celeba"],
        table=flags["table"],
        names=trainer.attributes(file),
        size=trainer.size(file),
        people=given_people(flags["people"]),
        seed=flags["seed"] + _OTHER_PEOPLE,
        limit=flags["limit"],
        parts=("test", "valid"),
    )
    if len(source) < _FEWEST:
        raise DataError(
            f"measure: expected at least {_FEWEST} labelled images, got {len(source)}. Give more of them."
        )
    training, held = split(source, held_out=len(source) // 2)
    with progress("measure") as line:
        figures = measured(
            file,
            trainer,
            training=training,
            held=held,
            seed=flags["seed"],
            device=flags["device"],
            write=write,
            watch=lambda share: line.update("a classifier learns, then judges", share=share),
        )
    document = {"format": FORMAT, "file": str(file), "written": write, **figures}
    if write:
        note(f"the figures stand in {plain(str(file))} now, and in every audit that uses it.")

    def show(console: "Console") -> None:
        show_measured(console, figures)

    return Outcome(document=document, show=show)
