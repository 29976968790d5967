"""A critic of rows of a table: a small network that separates real rows from corrupted ones.

Like the discriminator of a GAN it learns what real rows look like from what they are distinguished
from; here that is not a generator's output but the rows that a search makes: one column or a few of
a real row replaced, by what stands in other rows or by anything in range. So it knows which values
go together, which the distance to the nearest rows hardly sees where there are many columns.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final, Protocol, Self, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
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


class RowScore(Protocol):
    """What was trained on reference rows and says how plausible a row is."""

    def score(self, x: Float[Tensor, "n c"]) -> Float[Tensor, " n"]: ...

    @property
    def kind(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class RowCritic:
    """A trained judge of rows; ``of`` trains it.

    Args:
        variables: of the schema.
        encoding: how rows become the network's numbers.
        network: three layers, float64.
        auroc: how well it tells rows that it was not trained on from broken ones, 0.5 to 1.

    Shapes:
        rows ``(n, c)`` -> ``(n,)``.
    """

    variables: Variables
    encoding: Encoding
    network: nn.Sequential
    auroc: float

    @classmethod
    def of(cls, variables: Variables, reference: Float[Tensor, "r c"], *, seed: int) -> Self:
        """A critic trained on reference rows; the same rows and seed give the same one.

        Args:
            variables: of the schema.
            reference: rows to learn from.
            seed: of the initial weights, the batches and the broken rows.

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
        network = _untrained(encoding.width, rng)
        _trained(network, variables, encoding, rows[held:], rng)
        critic = cls(variables, encoding, network.double().requires_grad_(False), 0.5)
        fresh = broken_rows(variables, rows[:held], rng=rng)
        return replace(critic, auroc=auroc(critic.score(rows[:held]), critic.score(fresh)))

    @torch.no_grad()
    def score(self, x: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """How much like a real row each is, as a logit; float64.

        Args:
            x: rows to judge.
        """
        on_device = {name: part.to(x.device) for name, part in self.network.named_parameters()}
        numbers = _numbers(self.encoding, x.double())
        logits: Tensor = torch.func.functional_call(self.network, on_device, (numbers,))
        return logits[:, 0]

    @property
    def kind(self) -> str:
        """What its scores are, for people."""
        return (
            "logit of a small network trained to tell rows of the training table from rows of which some "
            f"columns were replaced (AUROC {self.auroc:.2f} on rows held out)"
        )

    @property
    def fingerprint(self) -> str:
        """A hash of what it learned."""
        digest = hashlib.sha256(self.encoding.fingerprint.encode())
        for part in self.network.parameters():
            digest.update(part.cpu().numpy().tobytes())
        return digest.hexdigest()


def _trained(
    network: nn.Sequential, variables: Variables, encoding: Encoding, rows: Tensor, rng: torch.Generator
) -> None:
    """Train on fresh broken rows in every step; changes the network."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=_STEPS)
    real = _numbers(encoding, rows).float()
    truth = torch.cat([torch.ones(_BATCH), torch.zeros(_BATCH)])
    with torch.enable_grad():
        for _ in range(_STEPS):
            pick = torch.randint(len(rows), (_BATCH,), generator=rng)
            fake = _numbers(encoding, broken_rows(variables, rows, rng=rng, like=pick)).float()
            answer = network(torch.cat([real[pick], fake]))[:, 0]
            loss = functional.binary_cross_entropy_with_logits(answer, truth)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            optimizer.step()
            schedule.step()


def _numbers(encoding: Encoding, x: Float[Tensor, "n c"]) -> Float[Tensor, "n w"]:
    return encoding.apply(x).clamp(-_FAR, _FAR)


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
        variables: of the schema.
        rng: draws what is replaced and by what.
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
    """How often a real row scores higher than a broken one, ties counted half.

    Args:
        real: scores of real rows.
        broken: scores of broken rows.
    """
    ordered = (
        broken.sort().values
    )  # by ranks: pairs of all with all would take memory with the square of the table
    below = torch.searchsorted(ordered, real, right=False)
    upto = torch.searchsorted(ordered, real, right=True)
    return float((below + upto).double().mean()) / (2 * len(ordered))


def _chosen(n: int, d: int, rng: torch.Generator) -> Bool[Tensor, "n d"]:
    """One to three variables of each row; all in every fourth."""
    rank = torch.rand((n, d), generator=rng).argsort(1).argsort(1)
    count = torch.randint(1, min(3, d) + 1, (n, 1), generator=rng)
    every = torch.rand((n, 1), generator=rng) < 1 / 4
    return (rank < count) | every


def _untrained(width: int, rng: torch.Generator) -> nn.Sequential:
    """Three layers, initialised by the given generator alone (He et al. 2015, normal)."""
    sizes = ((width, _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, 1))
    layers = [_empty(into, out) for into, out in sizes]
    for layer in layers:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.SiLU(), layers[1], nn.SiLU(), layers[2])


def _empty(into: int, out: int) -> nn.Linear:
    """A layer whose weights were not drawn: torch's constructor would take global random numbers."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, into, out)  # type: ignore[no-untyped-call]  # torch gives it no types
    return layer
