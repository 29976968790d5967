"""Trees of a forest as arrays: which leaf a point lies in, the box of each leaf, and points drawn from leaves."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from cfsearch.errors import MissingExtraError

Array = np.ndarray[Any, Any]  # Any: numpy's own parameters


@final
@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """The nodes of all trees of a forest, one after the other.

    Args:
        feature: which coordinate a node splits, -1 of a leaf.
        threshold: up to which a point goes left.
        left: the node that it goes to then.
        right: the node that it goes to otherwise.
        roots: the first node of each tree.
        leaf: the number of each leaf, over all trees; -1 of other nodes.
        depth: of the deepest tree.
    """

    feature: Int[Array, " k"]
    threshold: Float[Array, " k"]
    left: Int[Array, " k"]
    right: Int[Array, " k"]
    roots: Int[Array, " t"]
    leaf: Int[Array, " k"]
    depth: int

    @classmethod
    def of(cls, trees: list[Any]) -> Self:  # Any: scikit-learn's trees have no types
        """From the trees of a fitted forest.

        Args:
            trees: each with ``tree_``, as scikit-learn's.
        """
        sizes = [one.tree_.node_count for one in trees]
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        feature = np.concatenate([one.tree_.feature for one in trees]).astype(np.int64)
        inner = feature >= 0
        left = np.concatenate([one.tree_.children_left + r for one, r in zip(trees, roots, strict=True)])
        right = np.concatenate([one.tree_.children_right + r for one, r in zip(trees, roots, strict=True)])
        own = np.arange(len(feature))
        leaf = np.where(inner, -1, np.cumsum(~inner) - 1)
        return cls(
            feature=np.where(inner, feature, -1),
            threshold=np.concatenate([one.tree_.threshold for one in trees]),
            left=np.where(inner, left, own),
            right=np.where(inner, right, own),
            roots=roots,
            leaf=leaf,
            depth=max(int(one.tree_.max_depth) for one in trees),
        )

    @property
    def count(self) -> int:
        """How many trees."""
        return len(self.roots)

    @property
    def width(self) -> int:
        """How many leaves, of all trees together."""
        return int(self.leaf.max()) + 1

    @property
    def parts(self) -> tuple[Array, ...]:
        """All that tells these trees from others."""
        return self.feature, self.threshold, self.left, self.right, self.roots

    def leaves(self, points: Float32[Array, "n v"]) -> Int[Array, "n t"]:
        """The leaf of each point in each tree.

        Args:
            points: as the forest was fitted on.
        """
        at = np.repeat(self.roots[None], len(points), axis=0)
        row = np.arange(len(points))[:, None]
        for _ in range(self.depth):
            feature = self.feature[at]
            goes_left = points[row, feature] <= self.threshold[at]
            at = np.where(goes_left, self.left[at], self.right[at])
        found: Int[Array, "n t"] = self.leaf[at]
        return found

    def boxes(self, d: int) -> tuple[Float[Array, "l v"], Float[Array, "l v"]]:
        """Where each leaf begins (exclusive) and ends (inclusive) in each coordinate; infinite without a bound.

        Args:
            d: coordinates of a point.
        """
        low = np.full((len(self.feature), d), -np.inf)
        high = np.full((len(self.feature), d), np.inf)
        front = self.roots
        while len(front := front[self.feature[front] >= 0]):
            left, right, split = self.left[front], self.right[front], self.feature[front]
            for child in (left, right):
                low[child], high[child] = low[front], high[front]
            high[left, split] = np.minimum(high[left, split], self.threshold[front])
            low[right, split] = np.maximum(low[right, split], self.threshold[front])
            front = np.concatenate([left, right])
        is_leaf = self.leaf >= 0
        return low[is_leaf], high[is_leaf]

    def drawn(self, points: Float32[Array, "r v"], *, rng: np.random.Generator) -> Float32[Array, "r v"]:
        """As many points, each with the coordinates of different points of one leaf.

        Args:
            points: that fill the leaves; a leaf is drawn as often as it holds them.
            rng: draws.
        """
        r, d = points.shape
        leaf = self.leaves(points)
        tree, row = rng.integers(0, self.count, r), rng.integers(0, r, r)
        out = np.empty_like(points)
        for t in range(self.count):
            mine = np.flatnonzero(tree == t)
            order = np.argsort(leaf[:, t], kind="stable")
            of_row = leaf[row[mine], t]
            start = np.searchsorted(leaf[order, t], of_row, side="left")
            end = np.searchsorted(leaf[order, t], of_row, side="right")
            pick = start[:, None] + (rng.random((len(mine), d)) * (end - start)[:, None]).astype(np.int64)
            out[mine] = points[order[pick], np.arange(d)]
        return out


def fitted_trees(
    real: Float32[Array, "r v"], made: Float32[Array, "r v"], *, trees: int, min_leaf: int, seed: int
) -> tuple[Trees, float]:
    """A random forest that tells real points from made ones, and its accuracy out of bag.

    Args:
        real: points of real rows.
        made: as many others.
        trees: how many.
        min_leaf: fewest points in a leaf.
        seed: of the forest.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as error:
        raise MissingExtraError(
            "rows: a forest as the critic needs scikit-learn. Install it with `uv add 'cfsearch[sklearn]'`, or take "
            "the critic 'density' or 'trained'."
        ) from error

    forest = RandomForestClassifier(
        trees, min_samples_leaf=min_leaf, bootstrap=True, random_state=seed, n_jobs=1
    )
    points = np.concatenate([real, made])
    truth = np.repeat([1, 0], [len(real), len(made)])
    forest.fit(points, truth)
    return Trees.of(forest.estimators_), _out_of_bag(forest, points, truth == 1)


def _out_of_bag(forest: Any, points: Float32[Array, "n v"], real: Bool[Array, " n"]) -> float:
    """Accuracy of the mean answer of the trees that did not see a point; 0.5 where none is left.

    scikit-learn's own warns where a point was in every bag, and counts it as a mistake.
    """
    total, known = np.zeros(len(points)), np.zeros(len(points), dtype=np.int64)
    for tree, seen in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        fresh = np.ones(len(points), dtype=bool)
        fresh[seen] = False
        total[fresh] += tree.tree_.predict(points[fresh])[:, 1]
        known += fresh
    judged = known > 0
    share = total[judged] / known[judged]
    right = np.where(share == 0.5, 0.5, (share > 0.5) == real[judged])
    return float(right.mean()) if judged.any() else 0.5
