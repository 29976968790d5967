"""Statistics of an audit: rates with intervals, what flips change, effects in logits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cfsearch.assembly.search import Assembly
from cfsearch.contracts.generator import AttributeTaker
from cfsearch.contracts.scores import log_odds
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.engine.problem import Problem
from cfsearch.numerics.intervals import Interval, paired_mean, wilson

from .family import corrected, signed_rank
from .verdict import PRACTICAL, read_effect

MOST_MEASURED = 200
"""Effects are averaged over at most so many instances, the first ones."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """Effect of each variable alone on the model's log-odds, input by input.

    Args:
        names: the variables.
        logits: change of the log-odds of one class, from the lower end to the upper end.
        probability: change of that class's probability between the same ends.
        flips: whether the model's verdict changes when this variable alone goes to one of its ends.
        kept: inputs whose reconstruction the model decides as it decides the input itself; of the
            others ``flips`` says nothing about a variable.
        low: value of each variable at the lower end.
        high: value of each variable at the upper end.

    Shapes:
        ``kept`` ``(n,)``; all others ``(n, d)`` for ``n`` inputs and ``d`` variables.
    """

    names: tuple[str, ...]
    logits: Float[Tensor, "n d"]
    probability: Float[Tensor, "n d"]
    flips: Bool[Tensor, "n d"]
    kept: Bool[Tensor, " n"]
    low: Float[Tensor, "n d"]
    high: Float[Tensor, "n d"]

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def by_variable(self) -> dict[str, Float[Tensor, " n"]]:
        """The effects in logits, by variable."""
        return {name: self.logits[:, j] for j, name in enumerate(self.names)}

    @classmethod
    def joined(cls, parts: Sequence["Effects"]) -> "Effects":
        """The effects on several groups of inputs as one.

        Args:
            parts: at least one, all of the same variables.
        """
        return cls(
            parts[0].names,
            *(
                torch.cat([getattr(part, what) for part in parts])
                for what in ("logits", "probability", "flips", "kept", "low", "high")
            ),
        )


@torch.no_grad()
def effects_through_generator(problem: Problem, *, label: int) -> Effects:
    """Effect on the log-odds of moving one attribute from its lowest to its highest value.

    For each query and variable the generator decodes the query with that variable at both ends of
    its range, all else as it is (rules of the space kept). It measures the model *through the
    generator*: what the generator cannot edit, it cannot see.

    Args:
        problem: the queries with their generator and model.
        label: index of the class whose log-odds and probability are measured.
    """
    space, d = problem.space, problem.space.d
    # row 0: nothing changed; rows 1 .. d: that variable at its upper end; d+1 .. 2d: at its lower
    ends = torch.cat([torch.diag_embed(space.upper), torch.diag_embed(space.lower)], dim=1)
    z = torch.cat([torch.zeros_like(ends[:, :1]), space.repair(ends)], dim=1)
    values = space.origin[:, None] + space.scale * z
    parts = []
    for i in range(space.b):
        scores = problem.score(problem.decode(z[i : i + 1], query=i))
        odds = log_odds(scores[None], index=torch.tensor([label], device=scores.device))[0]
        p, decided = odds.sigmoid(), scores.argmax(-1)
        flipped = decided[1:] != decided[0]
        parts.append(
            Effects(
                names=tuple(space.names),
                logits=(odds[1 : d + 1] - odds[d + 1 :])[None].cpu(),
                probability=(p[1 : d + 1] - p[d + 1 :])[None].cpu(),
                flips=(flipped[:d] | flipped[d:])[None].cpu(),
                kept=(decided[:1] == problem.queries.source[i]).cpu(),
                low=values[i, d + 1 :].diagonal()[None].cpu(),
                high=values[i, 1 : d + 1].diagonal()[None].cpu(),
            )
        )
    return Effects.joined(parts)


def effect_rows(
    model: str,
    effects: Effects | None,
    truths: Mapping[str, Float[Tensor, " n"]] | None = None,
    *,
    edit_success: Mapping[str, float] = MappingProxyType({}),
    practical: float = PRACTICAL,
) -> list[dict[str, Any]]:
    """Rows of the document: each variable's mean effect with its interval, largest first.

    ``p`` is of the signed-rank test of the paired effects, corrected (Holm) over all variables.

    Args:
        model: id of the model.
        effects: as measured through the generator; None where nothing was.
        truths: true effects in logits, by variable, where they are known.
        edit_success: the generator's: an effect of what it hardly edits says nothing.
        practical: size in logits from which an effect matters.
    """
    if effects is None or not len(effects):
        return []
    rows = []
    for j, variable in enumerate(effects.names):
        truth = None if truths is None else paired_mean(truths[variable])
        n = int(effects.kept.sum())
        count = int((effects.flips[:, j] & effects.kept).sum())
        rows.append(
            {
                "model": model,
                "variable": variable,
                "estimate": _plain(paired_mean(effects.logits[:, j])),
                "truth": _plain(truth),
                "n": len(effects),
                "between": {
                    "low": round(float(effects.low[:, j].mean()), 4),
                    "high": round(float(effects.high[:, j].mean()), 4),
                },
                "probability": _plain(paired_mean(effects.probability[:, j])),
                "flips_alone": {"count": count, "n": n, "rate": _plain(wilson(count, n))},
                "p": signed_rank(effects.logits[:, j]),
                **({"edit_success": edit_success[variable]} if variable in edit_success else {}),
            }
        )
    read = [{**row, **read_effect(row, practical=practical).to_dict()} for row in corrected(rows)]
    return sorted(read, key=lambda row: -abs(row["estimate"]["value"]))


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.to_dict()


def estimate_effects(
    assembly: Assembly, x: Float[Tensor, "n *x"], *, attributes: Float[Tensor, "n a"] | None = None
) -> Effects | None:
    """Effects through the generator on the last class, input by input; None without inputs.

    Args:
        assembly: the search with its model and generator.
        x: inputs, in the form that the generator takes.
        attributes: what is known of each input, as for ``Problem``.
    """
    parts = []
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
        parts.append(effects_through_generator(problem, label=len(assembly.model.labels) - 1))
    return Effects.joined(parts) if parts else None


def originals(images: Sequence[UInt8[Tensor, "c h w"]]) -> Float[Tensor, "n c h w"]:
    """Stored images as a generator takes them, float32 RGB in [0, 1], channels first.

    Args:
        images: 8 bits a channel, of one size.
    """
    return torch.stack(list(images)).float() / 255.0 if images else torch.zeros(0, 3, 1, 1)


def known_attributes(
    assembly: Assembly, photographs: LabelledPhotographs, places: Sequence[int]
) -> Float[Tensor, "n a"] | None:
    """Known attributes of images, for a generator that takes them; None where nothing is known.

    Args:
        assembly: the search with its generator.
        photographs: the images with their table.
        places: their positions in that table.
    """
    generator = assembly.search.generator
    if not isinstance(generator, AttributeTaker):
        return None
    known = photographs.known(generator.attribute_names, rows=places)
    return None if known is None else known.to(assembly.config.run.device)
