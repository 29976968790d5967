"""``cfsearch plan``: what an audit would cost, without doing it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import DataError

from ._options import FILE, Command, json_option, search_options, settings
from ._output import Outcome, plain
from ._progress import duration
from ._signals import interruptible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from cfsearch.assembly import Assembly
    from cfsearch.datasets.images import ImageRef

FORMAT = "cfsearch-plan/1"
_MEMBER_BYTES = 400
_PAGE_BYTES = 20_000_000


@click.command(cls=Command, short_help="Say what an audit would cost.")
@click.argument("config", required=False, type=FILE, metavar="[CONFIG.toml]")
@search_options(images=True)
@json_option
def plan(config: Path | None, **flags: Any) -> Outcome:  # Any: the shared options, by name
    """Say what `cfsearch audit` with these settings would do: images, questions, time, disk.

    Opens the model and searches one generation of the first image to see how fast it is;
    writes nothing.
    """
    chosen = settings(config, flags)
    from cfsearch.assembly import assemble
    from cfsearch.datasets.images import find_images
    from cfsearch.providers.wrapping import queries_per_input

    with interruptible("interrupted; a plan keeps nothing."):
        refs = find_images(Path(chosen.data.images), recursive=chosen.data.recursive)
        refs = refs if chosen.data.limit is None else refs[: chosen.data.limit]
        assembly = assemble(chosen)
        each = _seconds_a_candidate(assembly, refs)
    search = assembly.search
    population = min(search.population, search.evaluations)
    generations = search.evaluations // population
    candidates = len(refs) * generations * population
    pixels = search.generator.shape[0] * search.generator.shape[1] * search.generator.shape[2]
    document = {
        "format": FORMAT,
        "model": assembly.model.name,
        "generator": search.generator.name,
        "solver": chosen.search.solver.name,
        "objectives": [o.name for o in search.objectives],
        "constraints": [c.name for c in search.constraints],
        "images": len(refs),
        "generations": generations,
        "population": population,
        "candidates": candidates,
        "queries": candidates * queries_per_input(search.provider),
        "seconds": round(candidates * each, 1),
        "seconds_a_candidate": round(each, 8),
        "disk_bytes": len(refs) * search.capacity * (pixels + _MEMBER_BYTES) + _PAGE_BYTES,
        "notes": list(assembly.notes),
    }
    return Outcome(document=document, show=lambda console: _show(console, document))


def _seconds_a_candidate(assembly: "Assembly", refs: "Sequence[ImageRef]") -> float:
    """Time of one generation of the first image that can be read, all included."""
    from dataclasses import replace

    from cfsearch.assembly import read_fitting
    from cfsearch.search import Failure

    search = assembly.search
    population = min(search.population, search.evaluations)
    for ref in refs:
        try:
            record = read_fitting(ref, search.generator.shape)
        except DataError:
            continue
        trial = replace(search, evaluations=population, target=None)
        x = record.x[None].to(assembly.config.run.device)
        replace(trial, evaluations=2).run(x, names=[ref.name])  # loads what is loaded on first use
        begin = time.perf_counter()
        result = trial.run(x, names=[ref.name])[0]
        if isinstance(result, Failure):
            raise result.error
        return (time.perf_counter() - begin) / population
    raise DataError("plan: none of the images could be read.")


def _show(console: "Console", document: dict[str, Any]) -> None:
    from rich.text import Text

    lines = [
        ("model", document["model"]),
        ("generator", document["generator"]),
        (
            "solver",
            f"{document['solver']}, {document['generations']} generations of {document['population']}",
        ),
        ("objectives", ", ".join(document["objectives"])),
        ("constraints", ", ".join(document["constraints"]) or "none"),
        ("images", f"{document['images']:,}"),
        ("questions", f"about {document['queries']:,} to the model"),
        ("time", f"about {duration(document['seconds'])} on this machine"),
        ("disk", f"at most {document['disk_bytes'] / 1e6:,.0f} MB"),
    ]
    for name, value in lines:
        console.print(Text(f"{name:12}{plain(value)}"), soft_wrap=True)
    for text in document["notes"]:
        console.print(Text(f"! {plain(text)}"))
