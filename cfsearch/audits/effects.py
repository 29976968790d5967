"""Statistics of an audit: rates with intervals, what flips change, effects in logits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.assembly.search import Assembly
from cfsearch.contracts.generator import AttributeTaker
from cfsearch.contracts.modality import TEXTS
from cfsearch.contracts.scores import log_odds
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.engine.problem import Problem
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import Interval, paired_mean, wilson
from cfsearch.runs.directory import InstanceRow

MOST_MEASURED = 200
"""Effects are averaged over at most so many instances, the first ones."""


@final
@dataclass(frozen=True, slots=True)
class Change:
    """How many instances flip by a change of one variable in one direction.

    ``direction`` is "+" or "-", and "~" for a category, whose levels have no order.
    """

    variable: str
    direction: str
    count: int
    n: int
    rate: Interval


def changes(fronts: Sequence[ParetoFront]) -> list[Change]:
    """What the sparsest verified counterfactual of each instance changes, most frequent first.

    Which changes count is a matter of the modality: of images those that a person sees, of the others
    all, as their generators leave none that are nothing. Instances whose
    reconstruction flips before anything is changed say nothing about changes and are left out.
    """
    picked = [(front, front.pick("sparsest")) for front in fronts if not front.reconstruction_flips]
    if fronts and fronts[0].modality is TEXTS:
        return _replaced([(front, i) for front, i in picked if i is not None])
    flips = [front.z[i] for front, i in picked if i is not None]
    if not flips:
        return []
    z = torch.stack(flips)
    first, found = fronts[0], []
    for j, variable in enumerate(first.variables):
        ways = first.modality.directions(z[:, j], category=variable in first.categories)
        for direction, hit in ways.items():
            count = int(hit.sum())
            rate = wilson(count, len(flips))
            if count and rate is not None:
                found.append(Change(variable, direction, count, len(flips), rate))
    return sorted(found, key=lambda c: (-c.count, c.variable, c.direction))


def _replaced(picked: Sequence[tuple[ParetoFront, int]]) -> list[Change]:
    """Which words are replaced or removed, whatever their place: that differs from text to text."""
    count: Counter[str] = Counter()
    for front, i in picked:
        pieces = zip(front.text or (), (front.texts or ())[i], strict=True)
        count.update({old.strip().lower() for old, new in pieces if old != new})
    n = len(picked)
    found = [(word, hits, wilson(hits, n)) for word, hits in count.items()]
    every = [Change(word, "~", hits, n, rate) for word, hits, rate in found if rate is not None]
    return sorted(every, key=lambda c: (-c.count, c.variable))


@torch.no_grad()
def effects_through_generator(problem: Problem, *, label: int) -> dict[str, Float[Tensor, " b"]]:
    """What switching one attribute on instead of off does to the log-odds of a class.

    For each query and variable: the generator decodes the query with that attribute at the
    highest and at the lowest value that a search may give it, all else as it is (rules of the
    space kept); the difference of the model's log-odds is the effect. It measures the model *through the
    generator*: what the generator cannot edit, it cannot see.

    Returns:
        For each variable the effect on each query, in logits.
    """
    space = problem.space
    d = space.d
    # rows 0 .. d-1: that variable on; rows d .. 2d-1: off
    ends = torch.cat([torch.diag_embed(space.upper), torch.diag_embed(space.lower)], dim=1)
    ends = space.repair(ends)
    found = []
    for i in range(space.b):
        scores = problem.score(problem.decode(ends[i : i + 1], query=i))
        odds = log_odds(scores[None], index=torch.tensor([label], device=scores.device))[0]
        found.append((odds[:d] - odds[d:]).cpu())
    effects = torch.stack(found)
    return {name: effects[:, j] for j, name in enumerate(space.names)}


def effect_rows(
    model: str,
    estimates: dict[str, Float[Tensor, " n"]],
    truths: dict[str, Float[Tensor, " n"]] | None = None,
    edit_success: Mapping[str, float] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Rows of the document: each variable's mean effect with its interval, largest first.

    ``edit_success`` is the generator's: an effect of what it hardly edits says nothing.
    """
    rows = []
    for variable, values in estimates.items():
        estimate = paired_mean(values)
        truth = None if truths is None else paired_mean(truths[variable])
        rows.append(
            {
                "model": model,
                "variable": variable,
                "estimate": None if estimate is None else estimate.to_dict(),
                "truth": None if truth is None else truth.to_dict(),
                "n": len(values),
                **({"edit_success": edit_success[variable]} if variable in edit_success else {}),
            }
        )
    return sorted(rows, key=lambda row: -abs(row["estimate"]["value"]) if row["estimate"] else 0.0)


def estimate_effects(
    assembly: Assembly, x: Float[Tensor, "n *x"], *, attributes: Float[Tensor, "n a"] | None = None
) -> dict[str, Float[Tensor, " n"]]:
    """Effects through the generator on the log-odds of the last class, in logits, per variable.

    Args:
        attributes: what is known of each input, as for ``Problem``.
    """
    found: dict[str, list[Tensor]] = {}
    search = assembly.search
    for i in range(len(x)):
        problem = Problem(
            x[i : i + 1].to(assembly.config.run.device),
            names=[str(i)],
            provider=search.provider,
            generator=search.generator,
            objectives=search.objectives,
            constraints=search.constraints,
            reference=search.reference,
            attributes=None if attributes is None else attributes[i : i + 1],
        )
        effects = effects_through_generator(problem, label=len(assembly.model.labels) - 1)
        for name, values in effects.items():
            found.setdefault(name, []).append(values)
    return {name: torch.cat(parts) for name, parts in found.items()}


def originals(rows: Sequence[InstanceRow]) -> Float[Tensor, "n c h w"]:
    """The images of the first instances that have one, float32 RGB in [0, 1], channels first."""
    kept = [row.front.original for row in rows if row.front is not None and row.front.original is not None]
    return torch.stack(kept[:MOST_MEASURED]).float() / 255.0 if kept else torch.zeros(0, 3, 1, 1)


def known_attributes(
    assembly: Assembly, photographs: LabelledPhotographs, places: Sequence[int]
) -> Float[Tensor, "n a"] | None:
    """What is known of these images' attributes, for a generator that can be told."""
    generator = assembly.search.generator
    if not isinstance(generator, AttributeTaker):
        return None
    known = photographs.known(generator.attribute_names, rows=places)
    return None if known is None else known.to(assembly.config.run.device)
