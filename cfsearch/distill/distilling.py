"""Distillation: a surrogate network trained on a black-box model's answers to augmented inputs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts import network as networks
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Encoding, Part, Style, TableSchema
from cfsearch.errors import ConfigError, DataError
from cfsearch.files import write_atomically
from cfsearch.metrics.fidelity import fidelity
from cfsearch.numerics.intervals import Interval
from cfsearch.providers.budget import CountingProvider
from cfsearch.providers.cache import CachedProvider
from cfsearch.providers.surrogate_file import Surrogate
from cfsearch.providers.wrapping import queries_per_input

from .augment import count, in_8_bits
from .card import card
from .examples import Examples, gives_chances, queried
from .recipe import BEST, Hyper, Recipe
from .rounds import QueryPlan
from .training import Lesson, StoppedError, answers, seconds_a_pass
from .tuning import Tuned, tune

_TUNING_SHARE: Final = 0.5
"""Of the minutes; the rest trains the winner."""
Report = Callable[[str, float], None]
"""Called with the name of the present step and the share of it that is done."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DistillRequest:
    """What to distil with.

    Args:
        recipe: every setting of the method.
        queries: most queries to the audited model, those about held-out inputs included; None
            for one about each of the ``m + C(m, 2)`` inputs that mixup makes.
        held_out: share of the inputs that is left out to measure fidelity on, in [0, 0.5].
        minutes: of tuning and training; None for no limit, and results that depend on the seed
            alone.
        seed: decides everything that is drawn.
        folder: where answers and trials are kept, so that an interrupted run goes on; None
            keeps them in memory.
        device: of the training.

    Raises:
        ConfigError: a setting is out of range.
    """

    recipe: Recipe = BEST
    queries: int | None = None
    held_out: float = 0.1
    minutes: float | None = None
    seed: int = 0
    folder: Path | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.queries is not None and self.queries < 2:
            raise ConfigError(f"distill: `queries` must be 2 or more, got {self.queries!r}.")
        if not 0.0 <= self.held_out <= 0.5:
            raise ConfigError(f"distill: `held_out` must lie in [0, 0.5], got {self.held_out!r}.")
        if self.minutes is not None and not self.minutes > 0:
            raise ConfigError(f"distill: `minutes` must be above 0, got {self.minutes!r}.")


@final
@dataclass(frozen=True, slots=True)
class Distilled:
    """A surrogate, and how far it can be believed."""

    surrogate: Surrogate
    fidelity: Interval | None
    tuned: Tuned

    def save(self, path: Path) -> tuple[Path, Path]:
        """Write the weights and, beside them, the card.

        Raises:
            RunError: the folder does not exist or cannot be written.
        """
        written = self.surrogate.save(path)
        described = write_atomically(path.with_suffix(".md"), card(path.stem, dict(self.surrogate.about)))
        return written, described


def distil(
    x: Float[Tensor, "m *x"],
    provider: Provider,
    *,
    request: DistillRequest,
    schema: TableSchema | None = None,
    report: Report = lambda _what, _share: None,
    stop: Callable[[], bool] = lambda: False,
) -> Distilled:
    """A surrogate of ``provider``, learned from its answers about mixtures of ``x``.

    Args:
        x: unlabelled inputs, two or more: images as float32 RGB in [0, 1], channels first, or rows in column units.
        provider: the audited model; only queried.
        request: recipe, budget, seed.
        schema: of rows; None for images.
        report: called with the progress.
        stop: called between pieces of the queries, trials and passes of the training; True ends the work, but for a
            training that is done.

    Raises:
        StoppedError: by ``stop``; with a folder the answers and trials so far are kept.
        DataError: too few inputs, or rows that are none of the schema's.
        BudgetExhausted, ProviderError, NonFiniteError: as ``queried``.
        MissingExtraError: optuna is not installed.

    References:
        Haffar et al. 2022, section 4.1.
    """
    started = time.monotonic()
    if len(x) < 2:
        raise DataError(f"distill: needs two inputs or more, got {len(x)}. Give more.")
    if schema is not None:
        schema.check(x)
        lacking = int(torch.isnan(x).any(dim=1).sum())
        if lacking:
            raise DataError(
                f"distill: {lacking} of {len(x)} rows lack a number, and nothing lies halfway between a number and none. "
                "Leave these rows out: missing = 'drop' in the schema."
            )
    else:
        x = in_8_bits(x.float())
    mine, left_out = _split(x, share=request.held_out, seed=request.seed)
    per_input = queries_per_input(provider)
    limit = request.queries if request.queries is not None else (count(len(mine)) + len(left_out)) * per_input
    left_out = left_out[: max(0, limit // per_input // 2)]
    counted = CountingProvider(provider, limit)
    cached = CachedProvider(counted, None if request.folder is None else request.folder / "answers.sqlite")
    encoding = None if schema is None else _encoding(schema, mine, one_hot=request.recipe.one_hot)
    shape = tuple(x.shape[1:]) if encoding is None else (encoding.width,)
    suited = networks.suited_in_paper if request.recipe.name == "paper" else networks.suited
    candidates = request.recipe.networks or suited(shape)
    first = Lesson(candidates[0], request.recipe.hyper, request.recipe, request.seed, request.device)
    try:
        truth = queried(left_out, cached, encoding=encoding, soft=False) if len(left_out) else None
        plan = QueryPlan(
            mine,
            request.recipe,
            limit // per_input - len(left_out),
            schema=schema,
            encoding=encoding,
            seed=request.seed,
        )
        report("querying", 0.0)
        examples = plan.run(
            cached, lesson=first, watch=lambda done, total: report("querying", done / total), stop=stop
        )
    finally:
        cached.close()
    tuned, lesson, notes = _settings(examples, first, candidates, request=request, report=report, stop=stop)

    def on_pass(done: int, total: int) -> None:
        report("training", done / total)
        if done < total and stop():
            raise StoppedError

    if stop():
        raise StoppedError
    module = lesson.learn(examples, watch=on_pass)
    measured = None
    if truth is not None:
        measured = fidelity(answers(module, truth.kept, device=request.device), truth.y)
    about = {
        "model": provider.name,
        "audited": provider.fingerprint,
        "preset": request.recipe.name,
        "seed": request.seed,
        "data": {
            "what": "images" if schema is None else f"rows of {schema.d} columns",
            "inputs": len(x),
            "held_out": len(left_out),
            "examples": len(examples),
        },
        "queries": {"spent": counted.spent, "limit": limit},
        "answers": "soft (probabilities)"
        if request.recipe.soft and gives_chances(provider)
        else "hard (the class alone)",
        "network": lesson.network,
        "parameters": sum(p.numel() for p in module.parameters()),
        "hyper": {"rate": lesson.hyper.rate, "epochs": lesson.hyper.epochs, "batch": lesson.hyper.batch},
        "trials": tuned.trials,
        "pruned": tuned.pruned,
        "agreement": tuned.agreement,
        "fidelity": None if measured is None else measured.to_dict(),
        "seconds": round(time.monotonic() - started, 1),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {package: version(package) for package in ("cfsearch", "torch")},
        "notes": notes,
    }
    surrogate = Surrogate(
        lesson.network, module.cpu(), shape, provider.labels, encoding, provider.fingerprint, about
    )
    return Distilled(surrogate, measured, tuned)


def _settings(
    examples: Examples,
    first: Lesson,
    candidates: tuple[str, ...],
    *,
    request: DistillRequest,
    report: Report,
    stop: Callable[[], bool],
) -> tuple[Tuned, Lesson, list[str]]:
    """What was searched, the lesson that follows, and what a reader must know of it."""
    seconds = None if request.minutes is None else 60.0 * request.minutes
    began = time.monotonic()
    tuned = tune(
        examples,
        candidates=candidates,
        lesson=first,
        file=None if request.folder is None else request.folder / "trials.sqlite",
        seconds=None if seconds is None else _TUNING_SHARE * seconds,
        watch=lambda done, total, _best: report("tuning", done / total),
        stop=stop,
    )
    lesson = replace(first, network=tuned.network, hyper=tuned.hyper)
    notes = []
    if request.recipe.tuning.trials and tuned.agreement is None:
        notes.append("No trial of the search came to an end; the preset's own settings were used.")
    if seconds is not None:
        left = seconds - (time.monotonic() - began)
        most = max(1, int(left / max(seconds_a_pass(lesson, examples), 1e-9)))
        if most < lesson.hyper.epochs:
            notes.append(
                f"{lesson.hyper.epochs} passes were wanted, {most} fitted into {request.minutes:g} minutes; the "
                "result depends on the speed of the machine."
            )
            lesson = replace(lesson, hyper=Hyper(lesson.hyper.rate, most, lesson.hyper.batch))
    return tuned, lesson, notes


def _split(x: Tensor, *, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs to multiply, and inputs to measure on."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    held = min(round(share * len(x)), len(x) - 1)
    return x[order[held:].sort().values], x[order[:held].sort().values]


def _encoding(schema: TableSchema, x: Tensor, *, one_hot: bool) -> Encoding:
    """Numbers standardised by the user's own rows; categories one-hot, or their index as in the paper."""
    made = Encoding.standard(schema, x)
    if one_hot:
        return made
    plain = Part(style=Style.PLAIN)
    return Encoding(schema, tuple(plain if part.style is Style.ONE_HOT else part for part in made.parts))
