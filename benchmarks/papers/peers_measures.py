"""What ``peers.py`` measures of answers, the same for everybody."""

import math
from dataclasses import dataclass, field
from statistics import mean
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float
from peers_methods import COUNT, Run, rows_of
from peers_setting import Case
from sklearn.neighbors import LocalOutlierFactor
from torch import Tensor

COLUMNS: Final = (
    ("valid", "valid"),
    ("served", "served"),
    ("changed", "columns"),
    ("gower", "Gower"),
    ("true5", "true5"),
    ("lof", "LOF"),
    ("outliers", "outliers"),
    ("diversity", "diversity"),
    ("broken", "broken"),
    ("queries", "queries"),
    ("cpu", "CPU s"),
    ("once", "once s"),
)
"""Name of a measure and its heading."""
_INLIERS: Final = 1000
_K: Final = 5


@final
@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Valid answers of one row, measured: columns changed, Gower, mean Gower to the five nearest true rows."""

    f: Float[Tensor, "n 3"]
    lof: Float[Tensor, " n"]
    outlier: Float[Tensor, " n"]
    diversity: float
    requested: int
    broken: int


@final
@dataclass(slots=True, eq=False)
class Ruler:
    """Measures answers against the model, the schema and the training rows whose outcome is the target.

    Args:
        case: table, model and rows.
    """

    case: Case
    _truth: Tensor = field(init=False)
    _factor: Any = field(init=False)  # scikit-learn's
    _inliers: Tensor = field(init=False)

    def __post_init__(self) -> None:
        known, variables = self.case.known, self.case.variables
        assert known.target is not None
        true = known.x[known.target == self.case.schema.labels.index(self.case.data.target)]
        self._truth = variables.values(true)
        some = np.random.default_rng(0).permutation(len(true))[:_INLIERS]
        self._inliers = self._truth[torch.from_numpy(some)]
        between = variables.gower_values(self._inliers, self._inliers).numpy()
        self._factor = LocalOutlierFactor(n_neighbors=20, novelty=True, metric="precomputed").fit(between)

    def rows(self, run: Run) -> list[Answers]:
        """The answers of each row that the method came to."""
        return [self.measured(i, frame) for i, frame in enumerate(run.answers)]

    def placed(self, values: Float[Tensor, "n v"], home: Float[Tensor, "1 v"]) -> Float[Tensor, "n 3"]:
        """Columns changed, Gower and mean Gower to the nearest true rows, of values."""
        changed = (values != home).sum(1).double()
        apart = self.case.variables.gower_values(values, home)[:, 0]
        near = self.case.variables.gower_values(values, self._truth).topk(_K, dim=1, largest=False)
        return torch.stack([changed, apart, near.values.mean(1)], dim=1)

    def isolated(self, values: Float[Tensor, "n v"]) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Local outlier factor of values, and 1 for an outlier."""
        to = self.case.variables.gower_values(values, self._inliers).numpy()
        return (
            torch.from_numpy(-self._factor.score_samples(to)),
            torch.from_numpy((self._factor.predict(to) == -1).astype(float)),
        )

    def nearest_true(self, values: Float[Tensor, "n v"], *, count: int) -> Float[Tensor, "n k v"]:
        """Values of the training rows nearest to each given one whose outcome is the target."""
        near = self.case.variables.gower_values(values, self._truth)
        return self._truth[near.topk(count, dim=1, largest=False).indices]

    def measured(self, i: int, frame: Any) -> Answers:  # a data frame
        """The valid ones of some answers of a row."""
        case, variables = self.case, self.case.variables
        requested = len(frame)
        if requested:
            frame = frame[case.pipeline.predict(frame[case.columns]) == case.data.target]
        held = list(case.data.immutable)
        own = case.rows.iloc[i]
        broken = int(sum(any(row[name] != own[name] for name in held) for _, row in frame.iterrows()))
        if not len(frame):
            none = torch.zeros(0)
            return Answers(torch.zeros(0, 3), none, none, math.nan, requested, broken)
        values = variables.values(rows_of(case, frame))
        home = variables.values(rows_of(case, case.rows.iloc[i : i + 1]))
        factor, outlier = self.isolated(values)
        between = variables.gower_values(values, values)
        n = len(values)
        return Answers(
            f=self.placed(values, home),
            lof=factor,
            outlier=outlier,
            diversity=float(between.sum() / (n * (n - 1))) if n > 1 else math.nan,
            requested=requested,
            broken=broken,
        )


def summary(run: Run, rows: list[Answers]) -> dict[str, float]:
    """The columns of the table: means over valid answers, shares of what was requested."""
    n = max(len(rows), 1)
    every = torch.cat([one.f for one in rows]) if rows else torch.zeros(0, 3)
    return {
        "rows": float(len(rows)),
        "valid": len(every) / (COUNT * n),
        "served": sum(len(one.f) > 0 for one in rows) / n,
        "changed": _mean(every[:, 0]),
        "gower": _mean(every[:, 1]),
        "true5": _mean(every[:, 2]),
        "lof": _mean(torch.cat([one.lof.double() for one in rows])),
        "outliers": _mean(torch.cat([one.outlier.double() for one in rows])),
        "diversity": mean([one.diversity for one in rows if not math.isnan(one.diversity)] or [math.nan]),
        "broken": sum(one.broken for one in rows) / max(1, len(every)),
        "queries": run.queries / n,
        "cpu": run.cpu / n,
        "once": run.once,
    }


def dominated(theirs: list[Answers], ours: list[Answers]) -> float:
    """Share of their valid answers that one of ours for the same row dominates.

    An answer dominates another that changes no fewer columns, moves no less (Gower) and lies no nearer to
    true rows, and is worse in one of these.
    """
    hits = total = 0
    for their, our in zip(theirs, ours, strict=False):
        total += len(their.f)
        hits += sum(bool(better(our.f, f).any()) for f in their.f)
    return hits / total if total else math.nan


def better(ours: Float[Tensor, "n 3"], f: Float[Tensor, " 3"]) -> Bool[Tensor, " n"]:
    """Which of ours dominate one answer."""
    return (ours <= f + 1e-12).all(1) & (ours < f - 1e-9).any(1)


def _mean(values: Tensor) -> float:
    return float(values.double().mean()) if len(values) else math.nan
