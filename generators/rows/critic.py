"""A small network that tells rows of a table from broken ones: a plausibility that was trained.

Like the discriminator of a GAN it learns what real rows look like from what they are told apart
from; here that is not a generator's output but the rows that a search makes: one column or a few of
a real row replaced, by what stands in other rows or by anything in range. So it knows which values
go together, which the distance to the nearest rows hardly sees where there are many columns.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Final, Self, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from cfsearch.datasets.tables import ColumnKind, Encoding, Variables
from cfsearch.errors import ConfigError

_HIDDEN: Final = 64
_STEPS: Final = 1200
_BATCH: Final = 256
_RATE: Final = 3e-3
_DECAY: Final = 1e-4
_FAR: Final = 6.0
"""Standardised numbers are cut here, so that one capped amount does not outweigh all else."""

_HELD_OUT: Final = 0.15
FEWEST_ROWS: Final = 50


@final
@dataclass(frozen=True, slots=True, eq=False)
class RowCritic:
    """A trained judge of rows; ``of`` trains it.

    Args:
        variables: of the schema.
        encoding: how rows become the network's numbers.
        weights: of its three layers, each with its bias.
        auroc: how well it tells rows that it was not trained on from broken ones, 0.5 to 1.

    Shapes:
        rows ``(n, c)`` -> ``(n,)``.
    """

    variables: Variables
    encoding: Encoding
    weights: tuple[Tensor, ...]
    auroc: float

    @classmethod
    def of(cls, variables: Variables, reference: Float[Tensor, "r c"], *, seed: int) -> Self:
        """A critic trained on reference rows; the same rows and seed give the same one.

        Raises:
            ConfigError: there are fewer than 50 rows.
        """
        if len(reference) < FEWEST_ROWS:
            raise ConfigError(
                f"rows: a trained critic needs {FEWEST_ROWS} reference rows or more, got {len(reference)}. Give "
                "more, or the density."
            )
        rng = torch.Generator().manual_seed(seed)
        rows = reference.detach().cpu().double()[torch.randperm(len(reference), generator=rng)]
        held = max(20, int(_HELD_OUT * len(rows)))
        encoding = Encoding.standard(variables.schema, rows[held:])
        critic = cls(variables, encoding, _initial(encoding.width, rng), 0.5)
        critic._train(rows[held:], rng)
        fresh = broken_rows(variables, rows[:held], rng=rng)
        return cls(variables, encoding, critic.weights, auroc(critic.score(rows[:held]), critic.score(fresh)))

    @torch.no_grad()
    def score(self, x: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """How much like a real row each is, as a logit; float64."""
        parts = [part.double().to(x.device) for part in self.weights]
        return _forward(self._numbers(x.double()), parts)

    @property
    def fingerprint(self) -> str:
        """A hash of what it learned."""
        digest = hashlib.sha256(self.encoding.fingerprint.encode())
        for part in self.weights:
            digest.update(part.cpu().numpy().tobytes())
        return digest.hexdigest()

    def _numbers(self, x: Tensor) -> Tensor:
        return self.encoding.apply(x).clamp(-_FAR, _FAR)

    def _train(self, rows: Tensor, rng: torch.Generator) -> None:
        """Adam with a cosine schedule on fresh broken rows in every step; changes ``weights``."""
        moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in self.weights]
        for weight in self.weights:
            weight.requires_grad_(True)
        real = self._numbers(rows).float()
        with torch.enable_grad():
            for step in range(1, _STEPS + 1):
                pick = torch.randint(len(rows), (_BATCH,), generator=rng)
                fake = self._numbers(broken_rows(self.variables, rows, rng=rng, like=pick)).float()
                answer = _forward(torch.cat([real[pick], fake]), list(self.weights))
                truth = torch.cat([torch.ones(_BATCH), torch.zeros(_BATCH)])
                loss = functional.binary_cross_entropy_with_logits(answer, truth)
                slopes = torch.autograd.grad(loss, self.weights)
                rate = _RATE * 0.5 * (1 + math.cos(math.pi * step / _STEPS))
                with torch.no_grad():
                    for weight, slope, (m, v) in zip(self.weights, slopes, moments, strict=True):
                        m.mul_(0.9).add_(slope, alpha=0.1)
                        v.mul_(0.999).addcmul_(slope, slope, value=0.001)
                        size = (v / (1 - 0.999**step)).sqrt_().add_(1e-8)
                        weight.mul_(1 - rate * _DECAY).addcdiv_(m / (1 - 0.9**step), size, value=-rate)
        for weight in self.weights:
            weight.requires_grad_(False)


def broken_rows(
    variables: Variables,
    rows: Float[Tensor, "r c"],
    *,
    rng: torch.Generator,
    like: Tensor | None = None,
) -> Float[Tensor, "n c"]:
    """Real rows of which some variables are replaced, as a search or a shuffle would.

    Of each row one to three variables (in every fourth row all) get the value of another row; in
    every third row anything within the range instead. Linked columns stay together.

    Args:
        rows: real rows.
        like: which of them to break; all when left out.
    """
    like = torch.arange(len(rows)) if like is None else like
    n, d = len(like), len(variables.all)
    values = variables.values(rows)
    mine = values[like]
    others = torch.stack([values[torch.randint(len(rows), (n,), generator=rng), j] for j in range(d)], dim=1)
    uniform = torch.rand((n, d), generator=rng, dtype=torch.float64)
    low = torch.tensor([v.low for v in variables.all], dtype=torch.float64)
    high = torch.tensor([v.high for v in variables.all], dtype=torch.float64)
    anything = low + uniform * (high - low)
    whole = torch.tensor([v.kind is not ColumnKind.REAL for v in variables.all])
    anything = torch.where(whole, anything.round(), anything)
    far = torch.rand((n, 1), generator=rng) < 1 / 3
    new = torch.where(far, anything, others)
    return variables.rows(torch.where(_chosen(n, d, rng), new, mine))


def auroc(real: Float[Tensor, " n"], broken: Float[Tensor, " m"]) -> float:
    """How often a real row scores higher than a broken one, ties counted half."""
    above = (real[:, None] > broken[None]).double() + 0.5 * (real[:, None] == broken[None]).double()
    return float(above.mean())


def _chosen(n: int, d: int, rng: torch.Generator) -> Bool[Tensor, "n d"]:
    """One to three variables of each row; all in every fourth."""
    rank = torch.rand((n, d), generator=rng).argsort(1).argsort(1)
    count = torch.randint(1, min(3, d) + 1, (n, 1), generator=rng)
    every = torch.rand((n, 1), generator=rng) < 1 / 4
    return (rank < count) | every


def _initial(width: int, rng: torch.Generator) -> tuple[Tensor, ...]:
    sizes = ((_HIDDEN, width), (_HIDDEN, _HIDDEN), (1, _HIDDEN))
    parts: list[Tensor] = []
    for out, into in sizes:
        parts += [torch.randn((out, into), generator=rng) * math.sqrt(2.0 / into), torch.zeros(out)]
    return tuple(parts)


def _forward(u: Tensor, parts: list[Tensor]) -> Tensor:
    a, a0, b, b0, c, c0 = parts
    hidden = functional.silu(functional.linear(u, a, a0))
    hidden = functional.silu(functional.linear(hidden, b, b0))
    return functional.linear(hidden, c, c0)[:, 0]
