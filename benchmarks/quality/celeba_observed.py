"""What photographs alone say of a classifier's attributes: the check of what a generator says.

An effect through a generator may be the generator's own doing. Real photographs cannot have one
attribute changed, but they can be compared: the log-odds of all validation faces regressed on
their labels. Such a coefficient is an association, held fixed for the other labels and for
nothing else; where it and the generator's effect agree in sign and order, neither stands alone.
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch
from celeba_photographs import Photographs
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.stats import spearmanr

from cfsearch.contracts.scores import log_odds, objective_scores
from cfsearch.numerics.intervals import Interval
from cfsearch.providers.opening import open_provider

_AT_ONCE: Final = 256


@torch.no_grad()
def photograph_odds(model: Path, photos: Photographs) -> Float[np.ndarray, " n"]:
    """The audited model's log-odds of its last label on each photograph."""
    provider = open_provider(str(model))
    parts = [
        provider.predict(photos.x(slice(start, start + _AT_ONCE)))
        for start in range(0, len(photos), _AT_ONCE)
    ]
    scores = objective_scores(torch.cat(parts), kind=provider.scores)
    return log_odds(scores[None], index=torch.tensor([len(provider.labels) - 1]))[0].double().numpy()


def associations(
    odds: Float[np.ndarray, " n"],
    photos: Photographs,
    *,
    attributes: tuple[str, ...],
    given: tuple[str, ...] = (),
    draws: int = 1000,
    seed: int = 5,
) -> dict[str, Interval]:
    """The coefficient of each label in a least-squares fit of ``odds`` to all ``attributes``.

    With 95 % bootstrap intervals over persons, since a person has several photographs.

    Args:
        given: further labels held fixed, such as the one that the model should tell.
    """
    labels = photos.columns((*attributes, *given)).astype(np.float64)
    design = np.concatenate([labels, np.ones((len(labels), 1))], 1)
    # sums of each person suffice: a draw of persons weighs them
    people, who = np.unique(photos.people, return_inverse=True)
    inner = np.zeros((len(people), design.shape[1], design.shape[1]))
    np.add.at(inner, who, design[:, :, None] * design[:, None, :])
    outer = np.zeros((len(people), design.shape[1]))
    np.add.at(outer, who, design * odds[:, None])

    def fit(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        solved = np.linalg.lstsq(np.tensordot(weights, inner, 1), weights @ outer, rcond=None)[0]
        return np.asarray(solved, dtype=np.float64)

    rng = np.random.default_rng(seed)
    value = fit(np.ones(len(people)))
    n = len(people)
    spread = np.stack([fit(rng.multinomial(n, np.full(n, 1 / n)).astype(float)) for _ in range(draws)])
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    return {
        name: Interval(float(value[j]), float(low[j]), float(high[j])) for j, name in enumerate(attributes)
    }


def agreement(
    effects: dict[str, float], seen: dict[str, Interval], *, least: float = 0.5
) -> dict[str, float]:
    """How far effects through the generator and associations in photographs go together.

    ``rank`` is Spearman's correlation over the attributes; ``sign`` the share of those attributes
    with an effect of at least ``least`` logits whose association has its sign, ``n`` their number.
    """
    names = list(effects)
    strong = [name for name in names if abs(effects[name]) >= least]
    same = [np.sign(effects[name]) == np.sign(seen[name].value) for name in strong]
    rank = float(spearmanr([effects[n] for n in names], [seen[n].value for n in names]).statistic)
    return {"rank": rank, "sign": float(np.mean(same)) if same else float("nan"), "n": len(strong)}
