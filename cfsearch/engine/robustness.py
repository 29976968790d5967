"""Robustness of members: the share of small changes under which a counterfactual still flips the model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import Generator
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import UNTARGETED, flipped
from cfsearch.contracts.scores import verdict_scores
from cfsearch.contracts.small_changes import MOST_CHANGES, perturber_of
from cfsearch.errors import BudgetExhausted, ConfigError, DataError
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.picks import PICKS
from cfsearch.fronts.reading import shown
from cfsearch.providers.served.messages import ServerDownError

from .answers import QUERY_FAILURES
from .plugin_checks import check_finite_answer, queried, raising

_UNMEASURED = "Robustness was not measured: {why}"


def measured_robustness(
    front: ParetoFront,
    provider: Provider,
    generator: Generator[Any],  # Any: a generator's state is its own business
    *,
    changes: int,
    members: Sequence[int] | None = None,
    device: str = "cpu",
) -> ParetoFront:
    """The front with the robustness of the members that are shown: answers and picks.

    Robustness of a member is the share of ``changes`` small changes of it, by which a second measurement of the same
    thing could honestly differ, under which the audited model still gives the class that was wanted; 1 less what
    Pawelczyk et al. call the invalidation rate. What is changed is the member in its stored form. Of pictures
    ``cfsearch.contracts.small_changes`` says which changes, of other inputs the generator (``Perturber``). They
    are the same for every member of an input, drawn by the front's seed and its input, so that a member's share is the same
    wherever it is measured. Each takes one query, which is added to the front's.

    Args:
        front: of one input.
        provider: the audited model.
        generator: that the front was searched with.
        changes: how many small changes, 0 to 100; their share has a standard error of at most ``0.5 / sqrt(changes)``.
        members: which ones; answers and picks when left out.
        device: of the computation.

    Returns:
        The front with NaN for members that were not tried; as it was, with a note, where the model fails or no
        queries are left.

    Raises:
        CapabilityError: nobody knows small changes of such inputs (texts).
        ConfigError: ``changes`` is out of range.
        DataError: the front keeps no inputs.

    References:
        Pawelczyk, Datta, van den Heuvel, Kasneci and Lakkaraju 2022, *Probabilistically robust recourse*, Definition 1
        (invalidation rate), https://arxiv.org/abs/2203.06768; Dutta, Long, Mishra, Tilli and Magazzeni 2022,
        *Robust counterfactual explanations for tree-based ensembles*, https://arxiv.org/abs/2207.02739; Jiang et al. 2024,
        *RobustX*, https://arxiv.org/abs/2502.13751, which has the like for tables.

    Example:
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> parts = FakeProvider(), FakeGenerator()
        >>> search = Search(*parts, [Adversarial(), Intensity()], lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> robust = measured_robustness(front, *parts, changes=10)
        >>> closest = robust.picks()["closest"]
        >>> 0.0 <= float(robust.robustness[closest]) <= 1.0, robust.queries > front.queries
        (True, True)
    """
    check_robustness(changes, generator)
    perturb, what = perturber_of(generator)
    stored = front.stored_members
    if stored is None:
        raise DataError(f"robustness: front {front.name!r} keeps no inputs that could be changed a little.")
    chosen = shown(front) if members is None else list(members)
    extra = {**front.extra, "robustness": {"changes": changes, "what": what}}
    share = torch.full((len(front),), torch.nan, dtype=torch.float64)
    if not chosen or not changes:
        return replace(front, robustness=share, extra=extra)
    modality = generator.modality
    x = modality.restored(stored[chosen]).to(device)
    with raising(DataError, f"robustness: small changes by generator {generator.name!r}"):
        moved = perturb(x, changes=changes, seed=seed_of(front))
    moved = modality.restored(modality.stored(moved.flatten(0, 1)))
    try:
        scores = _scores(provider, moved)
    except ServerDownError:
        raise  # nothing is wrong with this input: it is searched when the server is back
    except (*QUERY_FAILURES, BudgetExhausted) as error:
        return replace(front, note=(*front.note, _UNMEASURED.format(why=error)))
    source = torch.tensor(front.source)
    target = torch.tensor(UNTARGETED if front.target is None else front.target)
    still = flipped(scores, source=source, target=target).reshape(len(chosen), changes)
    share[chosen] = still.double().mean(1)
    queries = None if front.queries is None else front.queries + len(moved)
    return replace(front, robustness=share, queries=queries, extra=extra)


def check_robustness(changes: int, generator: Generator[Any]) -> None:  # Any: as above
    """Refuse small changes that nobody can make, before anything is searched.

    Args:
        changes: how many of each member; 0 for none.
        generator: of the inputs.

    Raises:
        CapabilityError: nobody knows small changes of such inputs.
        ConfigError: ``changes`` is out of range.
    """
    if isinstance(changes, bool) or not isinstance(changes, int) or not 0 <= changes <= MOST_CHANGES:
        raise ConfigError(
            f"robustness: the number of small changes must be a whole number from 0 to {MOST_CHANGES}, got {changes!r}."
        )
    if changes:
        perturber_of(generator)


def seed_of(front: ParetoFront) -> int:
    """The seed of the small changes of an input: that of its search, and the input itself.

    Args:
        front: of the input.
    """
    return (int(str(front.extra["input_sha256"])[:8], 16) + int(front.extra["seed"])) % 2**32


def most_queries(*, changes: int, answers: int) -> int:
    """Queries that the robustness of one front takes at most.

    Args:
        changes: that are tried of each member.
        answers: members that are shown first, besides the picks.
    """
    return changes * (answers + len(PICKS))


def _scores(provider: Provider, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
    with torch.no_grad():
        answer = torch.cat([queried(provider, piece) for piece in torch.split(x, provider.max_batch)])
    check_finite_answer(answer, provider)
    return verdict_scores(answer, provider).cpu()
