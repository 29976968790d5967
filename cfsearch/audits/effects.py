"""Statistics of an audit: rates with intervals, what flips change, effects in logits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, final

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from cfsearch.assembly.search import Assembly
from cfsearch.contracts.generator import AttributeTaker
from cfsearch.contracts.scores import log_odds
from cfsearch.contracts.space import SearchSpace
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.engine.problem import Problem
from cfsearch.numerics.intervals import Interval, paired_mean, wilson

from .correction import LEAST_STRENGTH, EditedEffect, GeneratorError, corrected_effect, edited_effect
from .family import corrected, signed_rank
from .verdict import PRACTICAL, read_effect

MOST_MEASURED = 200
"""Effects are averaged over at most so many instances, the first ones."""

PARTS: Final = ("logits", "probability", "flips", "kept", "low", "high", "intended")
"""Names of the tensors of ``Effects``."""


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
        intended: by how much each variable was meant to change between the two ends of one of them, its own change
            first of all, and what the rules of the space changed along with it; left out, its own alone.

    Shapes:
        ``kept`` ``(n,)``, ``intended`` ``(n, d, d)``; all others ``(n, d)`` for ``n`` inputs and ``d`` variables.
    """

    names: tuple[str, ...]
    logits: Float[Tensor, "n d"]
    probability: Float[Tensor, "n d"]
    flips: Bool[Tensor, "n d"]
    kept: Bool[Tensor, " n"]
    low: Float[Tensor, "n d"]
    high: Float[Tensor, "n d"]
    intended: Float[Tensor, "n d d"] = field(default_factory=lambda: torch.empty(0))

    def __post_init__(self) -> None:
        if not len(self.intended):
            object.__setattr__(self, "intended", torch.diag_embed(self.high - self.low))

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def by_variable(self) -> dict[str, Float[Tensor, " n"]]:
        """The effects in logits, by variable."""
        return {name: self.logits[:, j] for j, name in enumerate(self.names)}

    def at(self, places: Sequence[int]) -> "Effects":
        """The effects on some of the inputs.

        Args:
            places: of the inputs, in the order that is wanted.
        """
        chosen = list(places)
        return Effects(self.names, *(getattr(self, part)[chosen] for part in PARTS))

    def edited(self, name: str, *, error: GeneratorError, strength: float | None = None) -> EditedEffect:
        """The effect of one variable, input by input, less the generator's error.

        Args:
            name: of the variable.
            error: of the generator on this model.
            strength: of the edit, as it was measured; one that says nothing of the effect divides nothing.
        """
        j = self.names.index(name)
        return edited_effect(
            self.logits[:, j],
            self.probability[:, j],
            intended={other: self.intended[:, j, i] for i, other in enumerate(self.names)},
            own=name,
            error=error,
            strength=usable(strength),
        )

    @classmethod
    def joined(cls, parts: Sequence["Effects"]) -> "Effects":
        """The effects on several groups of inputs as one.

        Args:
            parts: at least one, all of the same variables.
        """
        return cls(
            parts[0].names,
            *(torch.cat([getattr(part, what) for part in parts]) for what in PARTS),
        )

    @classmethod
    def between(
        cls,
        space: SearchSpace,
        *,
        odds: Float[Tensor, "n m"],
        decided: Int[Tensor, "n m"],
        source: Int[Tensor, " n"],
    ) -> "Effects":
        """The effects between the two ends of each variable, from what a model says there.

        Args:
            space: of the ``n`` inputs, with ``d`` variables.
            odds: log-odds of one class at each of ``ends(space)``, ``m = 1 + 2 d``.
            decided: the class that the model decides for there.
            source: the class that it gives the input itself.
        """
        d, z = space.d, ends(space)
        values, p = space.origin[:, None] + space.scale * z, odds.sigmoid()
        flipped = decided[:, 1:] != decided[:, :1]
        return cls(
            names=tuple(space.names),
            logits=(odds[:, 1 : d + 1] - odds[:, d + 1 :]).cpu(),
            probability=(p[:, 1 : d + 1] - p[:, d + 1 :]).cpu(),
            flips=(flipped[:, :d] | flipped[:, d:]).cpu(),
            kept=(decided[:, 0] == source).cpu(),
            low=values[:, d + 1 :].diagonal(dim1=1, dim2=2).cpu().clone(),
            high=values[:, 1 : d + 1].diagonal(dim1=1, dim2=2).cpu().clone(),
            intended=(values[:, 1 : d + 1] - values[:, d + 1 :]).cpu(),
        )


def ends(space: SearchSpace) -> Float[Tensor, "n m d"]:
    """The changes at which effects are measured: none, then each variable at its upper, then each at its lower end.

    Args:
        space: of ``n`` inputs with ``d`` variables; its rules are kept.

    Shapes:
        ``m = 1 + 2 d``.
    """
    both = torch.cat([torch.diag_embed(space.upper), torch.diag_embed(space.lower)], dim=1)
    return torch.cat([torch.zeros_like(both[:, :1]), space.repair(both)], dim=1)


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
    z = ends(problem.space)
    odds = torch.zeros(z.shape[:2], dtype=torch.float64)
    decided = torch.zeros(z.shape[:2], dtype=torch.int64)
    for i in range(len(z)):
        # an end at which the query already is changes nothing: it is decoded and scored once
        different, place = z[i].unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        scores = problem.score(problem.decode(different[None], query=i))
        found = log_odds(scores[None], index=torch.tensor([label], device=scores.device))[0]
        odds[i], decided[i] = found[place].cpu(), scores.argmax(-1)[place].cpu()
    return Effects.between(problem.space, odds=odds, decided=decided, source=problem.queries.source.cpu())


def effect_rows(
    model: str,
    effects: Effects | None,
    truths: Mapping[str, Float[Tensor, " n"]] | None = None,
    *,
    edit_success: Mapping[str, float] = MappingProxyType({}),
    edit_strength: Mapping[str, float] = MappingProxyType({}),
    error: GeneratorError | None = None,
    practical: float = PRACTICAL,
    before_errors: bool = False,
) -> list[dict[str, Any]]:
    """Rows of the document: each variable's mean effect with its interval, largest first.

    ``estimate`` and ``probability`` are less the generator's error where that was measured (``corrected_effect``), and as they are
    through the generator elsewhere, as ``raw`` always is. ``p`` is of there being no effect, corrected (Holm) over all variables: of
    the signed-rank test of the paired effects, or where it is larger of the normal test with the generator's error.

    Args:
        model: id of the model.
        effects: as measured through the generator; None where nothing was.
        truths: true effects in logits, by variable, where they are known.
        edit_success: the generator's: an effect of what it hardly edits says nothing.
        edit_strength: the generator's: effects are divided by it.
        error: of the generator on this model; None where it was not measured.
        practical: size in logits from which an effect matters.
        before_errors: of a run whose version did not measure a generator's error: rows say nothing of it.
    """
    if effects is None or not len(effects):
        return []
    rows = []
    for j, variable in enumerate(effects.names):
        strength = edit_strength.get(variable)
        row = _row(
            model,
            effects,
            j,
            truth=None if truths is None else truths[variable],
            edit_success=edit_success.get(variable),
            strength=strength,
        )
        if not before_errors:
            row |= _corrected(effects, j, error, raw=row["estimate"], strength=strength, practical=practical)
        rows.append(row)
    read = [{**row, **read_effect(row, practical=practical).to_dict()} for row in corrected(rows)]
    return sorted(read, key=lambda row: -abs(row["estimate"]["value"]))


def _row(
    model: str,
    effects: Effects,
    j: int,
    *,
    truth: Float[Tensor, " n"] | None,
    edit_success: float | None,
    strength: float | None,
) -> dict[str, Any]:
    """The row of one variable as its effect is through the generator; its p-value not yet corrected for how many there are."""
    n = int(effects.kept.sum())
    count = int((effects.flips[:, j] & effects.kept).sum())
    return {
        "model": model,
        "variable": effects.names[j],
        "estimate": _plain(paired_mean(effects.logits[:, j])),
        "truth": _plain(None if truth is None else paired_mean(truth)),
        "n": len(effects),
        "between": {
            "low": round(float(effects.low[:, j].mean()), 4),
            "high": round(float(effects.high[:, j].mean()), 4),
        },
        "probability": _plain(paired_mean(effects.probability[:, j])),
        "flips_alone": {"count": count, "n": n, "rate": _plain(wilson(count, n))},
        "p": signed_rank(effects.logits[:, j]),
        **({} if edit_success is None else {"edit_success": edit_success}),
        **({} if strength is None else {"edit_strength": round(strength, 4)}),
    }


def _corrected(
    effects: Effects,
    j: int,
    error: GeneratorError | None,
    *,
    raw: dict[str, float],
    strength: float | None,
    practical: float,
) -> dict[str, Any]:
    """What takes the place of a row's figures where the generator's error is known, and what they were before."""
    if error is None:
        return {"raw": raw, "correction": None, "detectable": None}
    found = corrected_effect(
        effects.logits[:, j],
        effects.probability[:, j],
        intended={name: effects.intended[:, j, i] for i, name in enumerate(effects.names)},
        own=effects.names[j],
        error=error,
        strength=usable(strength),
    )
    return {
        "estimate": _plain(found.estimate),
        "probability": _plain(found.probability),
        "p": found.p,
        "raw": raw,
        "correction": found.to_dict(),
        "detectable": round(found.detectable(practical=practical, tests=len(effects.names)), 4),
    }


def usable(strength: float | None) -> float | None:
    """The strength of an edit that an effect is divided by; None of one that was not measured or says nothing.

    Args:
        strength: as a share of the difference that labels make.
    """
    return strength if strength is None or strength >= LEAST_STRENGTH else None


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
