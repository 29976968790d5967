"""What ``peers.py`` measures of counterfactuals, the same for everybody."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import TableSchema, Variables
from cfsearch.metrics.diversity import mean_distance
from cfsearch.testing.tables import broken_rules

COLUMNS: Final = (
    ("cpu", "s a row", "less"),
    ("valid", "valid", "more"),
    ("served", "served", "more"),
    ("changed", "columns", "less"),
    ("gower", "Gower", "less"),
    ("nearest", "true row", "less"),
    ("least_changed", "columns", "less"),
    ("least_gower", "Gower", "less"),
    ("least_nearest", "true row", "less"),
    ("diversity", "diversity", "more"),
    ("broken", "broken", "less"),
)
"""Name of a measure, its heading, which direction is better. ``least_`` is of the best of a row's set."""


JUDGED: Final = ("cpu", "valid", "changed", "gower", "nearest", "diversity", "broken")
"""What decides who dominates whom."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ruler:
    """Measures sets of counterfactuals against the model, the schema and the training rows.

    Args:
        schema: with every rule that is counted.
        rows: the originals.
        truth: training rows whose true outcome is the target.
        target: index of that outcome.
        requested: counterfactuals that are requested, a row.

    Shapes:
        rows ``(n, d)``; truth ``(r, d)``.
    """

    schema: TableSchema
    rows: Float[Tensor, "n d"]
    truth: Float[Tensor, "r d"]
    target: int
    requested: int = 4

    def measure(self, sets: list[Float[Tensor, "k d"]], *, provider: Provider) -> dict[str, float]:
        """All measures but time, from one set of counterfactuals a row; sets may be empty.

        Validity is verified with the model here; a counterfactual that is missing of those requested
        is not valid. Distances are means over the valid ones. Rows whose linked columns contradict
        each other are read in both ways, and count with the mean of both readings.
        """
        owner = torch.tensor([i for i, one in enumerate(sets) for _ in one], dtype=torch.long)
        flat = torch.cat([*sets, self.rows[:0]])
        good = self._valid(flat, provider)
        kept, of = flat[good], owner[good]
        changed, gower, nearest = self._distances(kept, self.rows[of])
        served = sorted(set(of.tolist()))
        least = [[float(v[of == i].min()) for i in served] for v in (changed, gower, nearest)]
        faults = [self._faults(a, b) for a, b in zip(self.rows[owner].tolist(), flat.tolist(), strict=True)]
        spread = [mean_distance(self._between(kept[of == i])) for i in served] if self.requested > 1 else []
        return {
            "valid": len(kept) / (len(self.rows) * self.requested),
            "served": len(served) / len(self.rows),
            "changed": _mean(changed),
            "gower": _mean(gower),
            "nearest": _mean(nearest),
            "least_changed": _mean(torch.tensor(least[0])),
            "least_gower": _mean(torch.tensor(least[1])),
            "least_nearest": _mean(torch.tensor(least[2])),
            "diversity": _mean(torch.tensor(spread)),
            "broken": _mean(torch.tensor([float(bool(f)) for f in faults])),
            "immutable": float(sum("immutable" in f for f in faults)),
            "linked": float(sum("linked" in f for f in faults)),
            "range": float(sum("range" in f for f in faults)),
            "missing": float(sum("missing" in f for f in faults)),
        }

    def _valid(self, flat: Tensor, provider: Provider) -> Tensor:
        return provider.predict(flat).argmax(1) == self.target if len(flat) else torch.zeros(0).bool()

    def _readings(self, x: Tensor) -> list[Tensor]:
        """Rows that keep every link: once as the first linked column says, once as the second does."""
        out = [x.clone(), x.clone()]
        for link in self.schema.links:
            at = [self.schema.names.index(name) for name in link.columns]
            combinations = torch.tensor(link.rows, dtype=x.dtype)
            for reading, by in zip(out, (0, -1), strict=True):
                levels = (x[:, at[by], None] - combinations[:, by]).abs().argmin(1)
                reading[:, at] = combinations[levels]
        return out

    def _distances(self, x: Tensor, origin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        variables = Variables.of(self.schema)
        home = variables.values(origin)
        read = self._readings(x)
        moved = [(variables.values(one) != home).sum(1).double() for one in read]
        apart = torch.stack([variables.gower(one, origin) for one in read]).mean(0)
        true = torch.stack([variables.gower_table(one, self.truth) for one in read]).mean(0)
        return torch.maximum(*moved), apart, true.amin(1) if len(x) else apart

    def _between(self, x: Tensor) -> Tensor:
        variables = Variables.of(self.schema)
        return torch.stack([variables.gower_table(one, one) for one in self._readings(x)]).mean(0)

    def _faults(self, before: list[float], after: list[float]) -> set[str]:
        """Which sorts of rules a counterfactual breaks."""
        levels = broken_rules(self.schema, before=before, after=after)
        sorts = {
            "immutable": "immutable",
            "combination": "linked",
            "out of": "range",
            "not whole": "range",
            "no level": "range",
            "stands for missing": "missing",
        }
        return {sort for words, sort in sorts.items() if any(words in fault for fault in levels)}


def dominates(one: dict[str, float], other: dict[str, float]) -> bool:
    """Whether one method is no worse in any measure than another, and better in one.

    What one of them does not have (the diversity of a single counterfactual) is left out.
    """
    signs = {name: -1.0 if better == "more" else 1.0 for name, _, better in COLUMNS}
    known = [m for m in JUDGED if not math.isnan(one[m] + other[m])]
    gaps = [signs[m] * (one[m] - other[m]) for m in known]
    return all(gap <= 0 for gap in gaps) and any(gap < 0 for gap in gaps)


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if len(values) else math.nan
