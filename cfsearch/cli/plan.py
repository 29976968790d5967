"""``cfsearch plan``: what an audit would cost, without doing it."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import click

from cfsearch.errors import DataError

from ._beside import beside_options
from ._help import Command
from ._options import FILE, json_option, search_options
from ._output import Outcome, plain
from ._progress import duration
from ._repeated import list_option
from ._settings import settings
from ._signals import interruptible
from ._until_decided import until_decided_options

if TYPE_CHECKING:
    from rich.console import Console
    from torch import Tensor

    from cfsearch.assembly.search import Assembly
    from cfsearch.audits.forecast import Forecast
    from cfsearch.datasets.images.labelled import LabelledPhotographs
    from cfsearch.engine.search import Search

FORMAT = "cfsearch-plan/1"
_MEMBER_BYTES = 400
_PAGE_BYTES = 20_000_000


@final
@dataclass(frozen=True, slots=True)
class _Pace:
    """Seconds that a candidate takes, and that go by before the first one of an input."""

    candidate: float
    before: float


@click.command(
    cls=Command,
    short_help="Estimate what an audit would cost.",
    examples=(
        "cfsearch plan --images photos --model model.onnx --generator faces64",
        "cfsearch plan cfsearch.toml",
    ),
)
@click.argument("config", required=False, type=FILE, metavar="[CONFIG.toml]")
@search_options(images=True, tables=True)
@beside_options
@list_option("--protected", help="Attributes that a condition on `protected` stands for.")
@until_decided_options
@json_option
def plan(config: Path | None, **flags: Any) -> Outcome:  # Any: the shared options, by name
    """Say what `cfsearch audit` with these settings would do: inputs, queries, time, disk.

    Opens the model and searches one generation of the first image or row to see how fast it is;
    writes nothing.
    """
    chosen = settings(config, flags)
    import torch

    from cfsearch.assembly.search import assemble
    from cfsearch.audits.spending import queries_beside
    from cfsearch.contracts.objective import queries_beside as queries_beside_candidates
    from cfsearch.datasets.images.labelled import LabelledPhotographs, open_photographs
    from cfsearch.engine.schedule import Schedule, allowance
    from cfsearch.providers.wrapping import queries_of_a_search

    with interruptible("interrupted; a plan keeps nothing."):
        photographs = LabelledPhotographs(refs=(), table=None, source="", aligned=False, note="")
        if chosen.data.images is not None:
            photographs = open_photographs(
                Path(chosen.data.images),
                attributes=None if chosen.data.attributes is None else Path(chosen.data.attributes),
                part=chosen.data.split,
                recursive=chosen.data.recursive,
                limit=chosen.data.limit,
            )
        assembly = assemble(chosen)
        expected = _expected(assembly, photographs)
        pace = _pace(assembly, photographs)
    search = assembly.search
    beside = queries_beside_candidates(search.objectives, search.constraints)
    allowed = allowance(
        model=assembly.model,
        through=search.provider,
        evaluations=search.evaluations,
        capacity=search.capacity,
        max_queries=search.max_queries,
        queries=1,
        beside=beside,
        afterwards=search.afterwards,
    )
    sizes = Schedule.of(allowed.evaluations, population=search.population, pruning=search.pruning).sizes
    count = len(photographs.refs if assembly.records is None else assembly.records)
    each = sum(sizes)
    queries = queries_of_a_search(
        assembly.model, through=search.provider, candidates=each * (1 + beside), stored=allowed.members
    )
    candidates = count * each
    # an image is kept in 8 bits a pixel and channel, a cell of a table in 64
    bits = assembly.modality.stored(torch.zeros(1)).element_size()
    size = math.prod(search.generator.shape) * bits
    document = {
        "format": FORMAT,
        "model": assembly.model.name,
        "generator": search.generator.name,
        **({} if assembly.second_generator is None else {"second_generator": assembly.second_generator.name}),
        "solver": chosen.search.solver.name,
        "objectives": [o.name for o in search.objectives],
        "constraints": [c.name for c in search.constraints],
        f"{chosen.data.noun}s": count,
        "generations": len(sizes),
        "population": sizes[0],
        "candidates": candidates,
        "queries": count * queries,
        "beside": queries_beside(assembly, inputs=count, members=search.capacity),
        "seconds": round(candidates * pace.candidate + count * pace.before, 1),
        "seconds_a_candidate": round(pace.candidate, 8),
        "disk_bytes": count * search.capacity * (size + _MEMBER_BYTES) + _PAGE_BYTES,
        "notes": list(assembly.notes),
    }
    if expected is not None:
        document["until_decided"] = [
            {
                "condition": one.condition.title,
                "figure": one.figure,
                "least": one.least,
                "holds": {"value": one.holds[0], "inputs": one.holds[1]},
                "breaks": {"value": one.breaks[0], "inputs": one.breaks[1]},
                "queries": {
                    what: None if n is None else n * queries
                    for what, n in (("least", one.least), ("holds", one.holds[1]), ("breaks", one.breaks[1]))
                },
                "sentence": one.sentence,
            }
            for one in expected
        ]
    return Outcome(document=document, show=lambda console: _show(console, document))


def _expected(assembly: "Assembly", photographs: "LabelledPhotographs") -> "list[Forecast] | None":
    """What to expect of the conditions that the audit may end on; None without them."""
    from cfsearch.audits.forecast import forecasts
    from cfsearch.audits.stopping import begun

    table = assembly.table
    refs = photographs.refs if assembly.records is None else assembly.records
    stopping = begun(
        assembly.config,
        assembly,
        photographs=photographs,
        columns=() if table is None else table.groups(),
        refs=refs,
    )
    if stopping is None:
        return None
    return forecasts(stopping.watches, inputs=len(refs), seed=assembly.config.search.seed)


def _pace(assembly: "Assembly", photographs: "LabelledPhotographs") -> "_Pace":
    """Time of one generation of the first image that can be read, or of the first row, all included."""
    from cfsearch.assembly.images import read_fitting
    from cfsearch.audits.effects import known_attributes

    shape = assembly.search.generator.shape
    if assembly.records is not None:
        readable = (one.x for one in assembly.records if one.failure is None)
        return _timed(assembly, next(readable), None)
    for i, ref in enumerate(photographs.refs):
        try:
            record = read_fitting(ref, shape, crop=photographs.crop(shape[-1]))
        except DataError:
            continue
        return _timed(assembly, record.x, known_attributes(assembly, photographs, [i]))
    raise DataError("plan: none of the images could be read.")


def _timed(assembly: "Assembly", x: "Tensor", known: "Tensor | None") -> "_Pace":
    """Seconds of one generation of one input, and of the explainers that a search begins with."""
    from dataclasses import replace

    from cfsearch.engine.progress import Failure

    search = assembly.search
    population = min(search.population, search.evaluations)
    begun = replace(
        search, evaluations=population, target=None, max_queries=None, max_time=None, robustness=0
    )
    trial = replace(begun, seeds=None)
    inputs = x[None].to(assembly.config.run.device)

    def seconds(one: "Search") -> float:
        begin = time.perf_counter()
        result = one.run(inputs, names=["trial"], attributes=known)[0]
        if isinstance(result, Failure):
            raise result.error
        return time.perf_counter() - begin

    # loads what is loaded on first use
    replace(trial, evaluations=2).run(inputs, names=["trial"], attributes=known)
    generation = seconds(trial)
    before = 0.0 if search.seeds is None else max(0.0, seconds(begun) - generation)
    return _Pace(generation / population, before)


def _beside(queries: dict[str, int]) -> str:
    """``10,000 for shared changes and 2,700 for effects``."""
    parts = [f"{n:,} for {what}" for what, n in queries.items()]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _show(console: "Console", document: dict[str, Any]) -> None:
    from rich.text import Text

    lines = [
        ("model", document["model"]),
        ("generator", document["generator"]),
        *((("second", document["second_generator"]),) if "second_generator" in document else ()),
        (
            "solver",
            f"{document['solver']}, {document['generations']} generations of {document['population']}",
        ),
        ("objectives", ", ".join(document["objectives"])),
        ("constraints", ", ".join(document["constraints"]) or "none"),
        *(
            (noun, f"{document[noun]:,}")
            for noun in ("images", "rows", "texts", "recordings")
            if noun in document
        ),
        ("queries", f"at most {document['queries']:,} to the model by the searches"),
        *((("beside", f"at most {_beside(document['beside'])}"),) if document["beside"] else ()),
        ("time", f"about {duration(document['seconds'])} on this machine"),
        ("disk", f"at most {document['disk_bytes'] / 1e6:,.0f} MB"),
    ]
    for name, value in lines:
        console.print(Text(f"{name:12}{plain(value)}"), soft_wrap=True)
    for one in document.get("until_decided", ()):
        queries = one["queries"]
        most = document["queries"]
        likely = " to ".join(
            f"{n:,}" for n in sorted(most if queries[w] is None else queries[w] for w in ("holds", "breaks"))
        )
        console.print(Text(f"{'decided':12}{plain(one['sentence'])}: {likely} queries"), soft_wrap=True)
    for text in document["notes"]:
        console.print(Text(f"! {plain(text)}"))
