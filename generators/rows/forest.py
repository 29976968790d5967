"""Density of rows of a table by an adversarial random forest.

A forest learns to tell real rows from rows that were put together leaf by leaf from an earlier forest,
until it cannot any more: within the leaves of that earlier forest the columns are then (nearly) independent
of each other, and the density of a row is a mean over trees of a product over columns.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import Variables
from cfsearch.errors import ConfigError

from .leaves import LeafDensities
from .trees import Trees, fitted_trees

TREES: Final = 30
ROUNDS: Final = 10
MIN_LEAF: Final = 5
DELTA: Final = 0.0
FEWEST_ROWS: Final = 50
MOST_ROWS: Final = 5000
"""Rows that forests are grown on: what more of them would add is not worth their seconds."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class RowForest:
    """Adversarial random forest, as a density of rows; ``of`` grows it.

    Numbers are truncated normal in each leaf, levels have the shares of the leaf's rows, and single numbers that
    many rows hold (a zero, a code for "no record", a missing number) have a share of their own. All are smoothed
    by ``alpha`` rows spread evenly over the leaf. Numbers with a step have probabilities, those without a
    density by their column's range.

    Args:
        variables: of the schema.
        trees: of the last forest whose rows could not be distinguished from real ones.
        leaves: distributions of each variable in each leaf.
        accuracies: how well each forest in turn distinguished real rows from made ones, on rows that its trees did not see.

    Shapes:
        rows ``(n, c)`` -> ``(n,)``.

    References:
        Watson, Blesch, Kapar and Wright 2023, *Adversarial Random Forests for Density Estimation and Generative
        Modeling*, algorithms 1 (ARF) and 2 (FORDE), https://arxiv.org/abs/2205.09435. As plausibility of
        counterfactuals: Dandl et al. 2024, *CountARFactuals*, https://arxiv.org/abs/2404.03506.
    """

    variables: Variables
    trees: Trees
    leaves: LeafDensities
    accuracies: tuple[float, ...]

    @classmethod
    def of(
        cls,
        variables: Variables,
        reference: Float[Tensor, "r c"],
        *,
        seed: int,
        trees: int = TREES,
        rounds: int = ROUNDS,
        min_leaf: int = MIN_LEAF,
        delta: float = DELTA,
        alpha: float = 1.0,
    ) -> Self:
        """A forest grown on reference rows; the same rows and seed give the same one.

        Args:
            variables: of the schema.
            reference: rows to learn from; of more than 5,000 so many, spread over them.
            seed: of forests and of made rows.
            trees: in a forest.
            rounds: most forests that are grown after the first.
            min_leaf: fewest rows, real and made, in a leaf.
            delta: by how much an accuracy may exceed a half.
            alpha: rows spread evenly over each leaf.

        Raises:
            ConfigError: there are fewer than 50 rows, or a setting is out of range.
            MissingExtraError: scikit-learn is not installed.
        """
        if len(reference) < FEWEST_ROWS:
            raise ConfigError(
                f"rows: a forest needs {FEWEST_ROWS} reference rows or more, got {len(reference)}. Give more, or "
                "the density."
            )
        if trees < 1 or rounds < 0 or min_leaf < 1 or not (0.0 <= delta < 0.5) or not 0.0 < alpha < np.inf:
            raise ConfigError(
                "rows: a forest needs `trees` and `min_leaf` of at least 1, `rounds` of at least 0, `delta` in [0, 0.5) "
                f"and `alpha` above 0, got {trees!r}, {min_leaf!r}, {rounds!r}, {delta!r} and {alpha!r}."
            )
        rows = reference.detach().cpu().double()
        if len(rows) > MOST_ROWS:
            rows = rows[torch.linspace(0, len(rows) - 1, MOST_ROWS).round().long()]
        leaves = LeafDensities.of(variables, rows, alpha=alpha)
        points = leaves.points(rows)
        rng = np.random.default_rng(seed)
        made = np.stack([rng.permutation(column) for column in points.T], axis=1)
        found, accuracy = fitted_trees(points, made, trees=trees, min_leaf=min_leaf, seed=seed)
        accuracies = [accuracy]
        while accuracies[-1] > 0.5 + delta and len(accuracies) <= rounds:
            made = found.drawn(points, rng=rng)
            later, accuracy = fitted_trees(
                points, made, trees=trees, min_leaf=min_leaf, seed=seed + len(accuracies)
            )
            accuracies.append(accuracy)
            if accuracy <= 0.5 + delta or (len(accuracies) > 2 and accuracy >= accuracies[-2]):
                break  # rows of `found` cannot be distinguished from real ones, or no better than before
            found = later
        return cls(variables, found, leaves.measured(found, rows), tuple(accuracies))

    @torch.no_grad()
    def score(self, x: Float[Tensor, "n c"]) -> Float[Tensor, " n"]:
        """Log density of each row, in nats: the mean over trees of a leaf's share times its columns' densities.

        Args:
            x: rows, of which numbers out of range count as the nearest that the training rows had.
        """
        rows = x.detach().cpu().double()
        at = self.trees.leaves(self.leaves.points(rows))
        return torch.from_numpy(self.leaves.log_density(rows, at)).to(x.device)

    @property
    def kind(self) -> str:
        """What its scores are, for people."""
        return (
            f"log density by an adversarial random forest of {self.trees.count} trees grown on rows of the training "
            f"table (distinguishes real rows from its own with accuracy {self.accuracies[-1]:.2f}; 0.50 is chance)"
        )

    @property
    def fingerprint(self) -> str:
        """A hash of what it learned."""
        digest = hashlib.sha256(b"forest/1")
        for part in (*self.trees.parts, *self.leaves.parts):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()
