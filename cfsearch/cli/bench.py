"""``cfsearch bench``: solvers compared on the user's own problem; counterfactual images scored on faces of ours."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import click

from cfsearch.errors import CfsearchError, ConfigError, PartialFailure, ProviderError
from cfsearch.numerics.percent import percent

from ._bench_audit import audit, originals
from ._completion import plugins
from ._help import Command, Family
from ._options import FILE, WHOLE, json_option, search_options
from ._output import Outcome, note, plain
from ._progress import duration, progress
from ._repeated import list_option
from ._settings import settings
from ._signals import interruptible

if TYPE_CHECKING:
    import torch
    from rich.console import Console

    from cfsearch.assembly.search import Assembly
    from cfsearch.config import PluginConfig
    from cfsearch.contracts.solver import Solver
    from cfsearch.fronts.front import ParetoFront

FORMAT = "cfsearch-bench/1"
_BATCH_SIZE = 4


@click.group(
    cls=Family, default="solvers", invoke_without_command=True, short_help="Compare solvers, or methods."
)
@click.pass_context
def bench(ctx: click.Context) -> None:
    """Compare solvers on your own problem, or any methods' counterfactual images on faces of ours.

    `cfsearch bench IMAGE...` is `cfsearch bench solvers IMAGE...`.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


bench.add_command(originals)
bench.add_command(audit)


@bench.command(
    "solvers",
    cls=Command,
    short_help="Compare solvers on your own problem.",
    examples=("cfsearch bench solvers face.png --model model.onnx --solvers nsga2,smpso --seeds 3",),
)
@click.argument("images", nargs=-1, required=True, type=FILE, metavar="IMAGE...")
@click.option("--config", type=FILE, help="A cfsearch.toml; flags win over it.")
@list_option(
    "--solvers",
    shell_complete=plugins("solvers", listed=True),
    default=["nsga2,smpso,gde3"],
    show_default=True,
    help="Solvers to compare.",
)
@click.option(
    "--seeds",
    type=WHOLE,
    default=5,
    show_default=True,
    help="Runs of each solver, with seeds from --seed on.",
)
@search_options(images=False, solver=False)
@json_option
def compare(
    images: tuple[Path, ...],
    config: Path | None,
    solvers: str,
    seeds: int,
    **flags: Any,  # Any: the shared options, by name
) -> Outcome:
    """Compare solvers on your own model and images, by hypervolume over seeds.

    For each image the reference point is the worst value of each objective that any solver saw
    with any seed (in its first generation or on its front), and is given in --json; the volume
    is stated as a share of the box between it and the best values found.
    """
    from .search import first_readable

    names = list(dict.fromkeys(part.strip() for part in solvers.split(",") if part.strip()))
    if len(names) < 2:
        raise ConfigError(f"--solvers: two names or more are compared, got {solvers!r}.")
    chosen = settings(config, {**flags, "images": first_readable(images)})
    first = chosen.search.seed
    from cfsearch import registry
    from cfsearch.assembly.search import assemble
    from cfsearch.config import PluginConfig

    for name in names:
        registry.load("solvers", name)
    with interruptible("interrupted; a comparison keeps nothing. Run it again."):
        assembly = assemble(chosen)
        for text in assembly.notes:
            note(text)
        runs = _runs(
            assembly, images, [PluginConfig(name=name) for name in names], range(first, first + seeds)
        )
    document = _document(assembly, runs, names)
    return Outcome(
        document=document, show=lambda console: _show(console, document), error=_verdict(runs, document)
    )


def _verdict(runs: "Sequence[_Run]", document: dict[str, Any]) -> PartialFailure | ProviderError | None:
    """The error of a comparison in which no image, or not every image, has a front of each solver and seed."""
    failures = {name: error for run in runs for name, error in run.failures.items()}
    for name, error in failures.items():
        note(f"{name} is left out: {error}")
    if document["images"]:
        return None
    if not failures:
        return PartialFailure("none of the images has a front of every solver and seed.")
    name, first = next(iter(failures.items()))
    text = f"none of the images was searched; {name}: {first}"
    return ProviderError(text) if isinstance(first, ProviderError) else PartialFailure(text)


@final
@dataclass(frozen=True, slots=True)
class _Run:
    """One solver with one seed: its fronts by image, why others have none, and the time it took."""

    solver: str
    seed: int
    fronts: "dict[str, ParetoFront]"
    seconds: float
    failures: "dict[str, CfsearchError]" = field(default_factory=dict)
    names: tuple[str, ...] = ()


def _runs(
    assembly: "Assembly", images: Sequence[Path], solvers: "Sequence[PluginConfig]", seeds: Sequence[int]
) -> list[_Run]:
    import torch

    from cfsearch.assembly.images import read_fitting
    from cfsearch.engine.progress import Failure
    from cfsearch.fronts.front import ParetoFront

    from .search import image_refs

    records = [read_fitting(ref, assembly.search.generator.shape) for ref in image_refs(images)]
    device = assembly.config.run.device
    step = assembly.config.run.batch_size or (_BATCH_SIZE if device == "cpu" else len(records))
    found: list[_Run] = []
    with progress("bench") as line:
        total = len(solvers) * len(seeds)
        for solver in solvers:
            for seed in seeds:
                line.update(f"{solver.name}, seed {seed}", share=len(found) / total)
                search = replace(assembly.search, solver=partial(_solver, solver), seed=seed)
                begin = time.perf_counter()
                fronts, failures = dict[str, ParetoFront](), dict[str, CfsearchError]()
                for start in range(0, len(records), step):
                    group = records[start : start + step]
                    x = torch.stack([record.x for record in group]).to(device)
                    results = search.run(x, names=[record.name for record in group])
                    fronts |= {r.name: r for r in results if isinstance(r, ParetoFront) and len(r)}
                    failures |= {r.name: r.error for r in results if isinstance(r, Failure)}
                seconds = time.perf_counter() - begin
                names = tuple(record.name for record in records)
                found.append(_Run(solver.name, seed, fronts, seconds, failures, names))
    return found


def _solver(plugin: "PluginConfig", population: int) -> "Solver":
    from cfsearch.assembly.plugins import solver_of

    return solver_of(plugin, population=population)


def _document(assembly: "Assembly", runs: Sequence[_Run], names: Sequence[str]) -> dict[str, Any]:
    import torch

    from cfsearch.numerics import pareto

    shared = [name for name in runs[0].fronts if all(name in run.fronts for run in runs)]
    images: list[dict[str, Any]] = []
    shares: dict[tuple[str, int], list[float]] = {(run.solver, run.seed): [] for run in runs}
    for name in shared:
        f = [run.fronts[name].f.double() for run in runs]
        seen = torch.stack([run.fronts[name].reference_point.double() for run in runs])
        worst = torch.cat([*f, seen]).amax(0)
        best = torch.cat(f).amin(0)
        box = float((worst - best).clamp_min(1e-12).prod())
        volumes = [pareto.hypervolume(part, worst) for part in f]
        for run, volume in zip(runs, volumes, strict=True):
            shares[run.solver, run.seed].append(volume / box)
        images.append(
            {
                "name": name,
                "reference_point": _numbers(worst),
                "ideal_point": _numbers(best),
                "hypervolumes": [
                    {"solver": run.solver, "seed": run.seed, "value": volume}
                    for run, volume in zip(runs, volumes, strict=True)
                ],
            }
        )
    return {
        "format": FORMAT,
        "config": assembly.config.resolved(),
        "objectives": [o.name for o in assembly.search.objectives],
        "reference": "the worst value of each objective in the first generations and on the fronts of all solvers and seeds, for each image",
        "evaluations": assembly.search.evaluations,
        "seeds": sorted({run.seed for run in runs}),
        "images": images,
        "left_out": sorted({name for run in runs for name in (*run.names, *run.fronts)} - {*shared}),
        "solvers": _ranked(runs, shares, names) if shared else [],
    }


def _ranked(
    runs: Sequence[_Run], shares: dict[tuple[str, int], list[float]], names: Sequence[str]
) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        own = [run for run in runs if run.solver == name]
        means = [statistics.fmean(shares[run.solver, run.seed]) for run in own]
        fronts = [front for run in own for front in run.fronts.values()]
        rows.append(
            {
                "solver": name,
                "mean": statistics.fmean(means),
                "sd": statistics.stdev(means) if len(means) > 1 else None,
                "by_seed": means,
                "found": statistics.fmean(front.found for front in fronts),
                "seconds": statistics.fmean(run.seconds for run in own),
            }
        )
    rows.sort(key=lambda row: (-float(str(row["mean"])), str(row["solver"])))
    return [{"rank": number, **row} for number, row in enumerate(rows, start=1)]


def _numbers(point: "torch.Tensor") -> list[float]:
    return [float(v) for v in point.tolist()]


def _show(console: "Console", document: dict[str, Any]) -> None:
    from rich.text import Text

    from ._tables import ResultTable

    table = ResultTable()
    for title in ("rank", "solver", "hypervolume, mean", "sd", "images flipped", "time a run"):
        table.add_column(title, justify="left" if title == "solver" else "right", overflow="fold")
    for row in document["solvers"]:
        table.add_row(
            str(row["rank"]),
            row["solver"],
            f"{row['mean']:.4f}",
            "" if row["sd"] is None else f"{row['sd']:.4f}",
            percent(row["found"]),
            duration(row["seconds"]) if row["seconds"] >= 10 else f"{row['seconds']:.1f} s",
        )
    console.print(table)
    console.print(
        f"{len(document['seeds'])} seeds, {document['evaluations']} candidates an image, {len(document['images'])} "
        f"image{'s' * (len(document['images']) != 1)}. Hypervolume as a share of the box between the best values "
        f"found and the reference point: {document['reference']}."
    )
    if len(document["images"]) == 1:
        only = document["images"][0]
        point = ", ".join(
            f"{n} {v:.4g}" for n, v in zip(document["objectives"], only["reference_point"], strict=True)
        )
        console.print(Text(f"Reference point: {plain(point)}"))
    if document["left_out"]:
        console.print(
            Text(f"Left out, without a front for some run: {plain(', '.join(document['left_out']))}")
        )
