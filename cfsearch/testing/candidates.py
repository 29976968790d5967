"""Candidates made of given or random numbers, to measure objectives on."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from cfsearch.contracts.records import UNTARGETED, Candidates, Nearby, Queries
from cfsearch.contracts.space import SearchSpace

_PER_CLASS = 12


def make_queries(
    *,
    b: int = 2,
    k: int = 3,
    shape: tuple[int, ...] = (3, 16, 16),
    x: Tensor | None = None,
    scores: Tensor | None = None,
    source: Sequence[int] | None = None,
    target: Sequence[int] | None = None,
    realism: Tensor | None = None,
    reference: Tensor | None = None,
    critic: bool = True,
    references: bool = True,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> Queries:
    """Queries with what is given, and random numbers for the rest.

    Left out, the source is the winning class, and targets alternate between UNTARGETED and the class
    after the source, so that both sorts stand in one batch.

    The arguments are the fields of ``Queries``, and: ``b``, ``k`` and ``shape`` where nothing
    given says them; ``critic``, whether there is a realism where none is given; ``references``,
    whether there are reference scores (12 a class) where none are given; ``seed`` of the random
    numbers (global random state is neither read nor changed).

    Example:
        >>> make_queries(scores=torch.tensor([[2.0, 0.0]]), target=[1]).source.tolist()
        [0]
    """
    draw = torch.Generator().manual_seed(seed)
    if scores is not None:
        b, k = scores.shape
    elif x is not None:
        b = len(x)
    x = torch.rand(b, *shape, generator=draw, dtype=torch.float64) if x is None else x
    scores = 3 * torch.randn(b, k, generator=draw, dtype=torch.float64) if scores is None else scores
    if realism is None and critic:
        realism = torch.randn(b, generator=draw, dtype=torch.float64)
    if reference is None and references:
        home = torch.eye(k, dtype=torch.float64).repeat(_PER_CLASS, 1)
        reference = 8 * home + torch.randn(_PER_CLASS * k, k, generator=draw, dtype=torch.float64)
    from_class = scores.argmax(-1) if source is None else torch.tensor(source)
    if target is None:
        odd = torch.arange(b) % 2 == 1
        to_class = torch.where(odd, (from_class.cpu() + 1) % k, torch.full((b,), UNTARGETED))
    else:
        to_class = torch.tensor(target)
    return Queries(
        names=tuple(f"query{i}" for i in range(b)),
        x=x.to(device, dtype),
        scores=scores.to(device, dtype),
        source=from_class.to(device),
        target=to_class.to(device),
        realism=None if realism is None else realism.to(device, dtype),
        reference=None if reference is None else reference.to(device, dtype),
    )


def make_candidates(
    *,
    b: int = 2,
    n: int = 5,
    d: int = 4,
    k: int = 3,
    shape: tuple[int, ...] = (3, 16, 16),
    z: Tensor | None = None,
    x: Tensor | None = None,
    scores: Tensor | None = None,
    realism: Tensor | None = None,
    queries: Queries | None = None,
    critic: bool = True,
    references: bool = True,
    nearby: Nearby | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> Candidates:
    """Candidates with what is given, and random numbers for the rest.

    A worked value needs only what its objective reads::

        two = make_candidates(scores=torch.tensor([[[3.0, 1.0], [0.0, 2.0]]]))
        Margin()(two)

    The arguments are the parts of ``Candidates`` (``queries`` made by ``make_queries`` when left
    out), and: ``b``, ``n``, ``d``, ``k`` and ``shape`` where nothing given says them; ``critic``,
    whether there is a realism where none is given; ``references``, whether the queries made here
    have reference scores; ``nearby``, scores of small changes where an objective asks for them; ``seed`` of the random numbers (global random state is left alone).

    Shapes:
        z ``(b, n, d)``; x ``(b, n, *x)``; scores ``(b, n, k)``; realism ``(b, n)``.

    Example:
        >>> make_candidates(z=torch.zeros(1, 2, 3)).scores.shape
        torch.Size([1, 2, 3])
    """
    draw = torch.Generator().manual_seed(seed + 1)
    known = next((t for t in (z, x, scores, realism) if t is not None), None)
    if known is not None:
        b, n = known.shape[:2]
    if queries is not None:
        b, k, shape = len(queries.x), queries.scores.shape[1], tuple(queries.x.shape[1:])
    k = k if scores is None else scores.shape[2]
    shape = shape if x is None else tuple(x.shape[2:])
    if queries is None:
        queries = make_queries(
            b=b, k=k, shape=shape, critic=critic, references=references, seed=seed, dtype=dtype, device=device
        )
    if z is None:
        kept = torch.rand(b, n, d, generator=draw, dtype=torch.float64) < 0.7
        z = kept * (2 * torch.rand(b, n, d, generator=draw, dtype=torch.float64) - 1)
    if x is None:
        noise = torch.randn(b, n, *shape, generator=draw, dtype=torch.float64)
        x = (queries.x[:, None].cpu() + 0.1 * noise).clamp(0.0, 1.0)
    if scores is None:
        scores = 3 * torch.randn(b, n, k, generator=draw, dtype=torch.float64)
    if realism is None and critic:
        realism = torch.randn(b, n, generator=draw, dtype=torch.float64)
    one = torch.ones(b, z.shape[2], dtype=dtype, device=device)
    return fixed_candidates(
        z.to(device, dtype),
        queries=queries,
        space=SearchSpace(
            names=tuple(f"variable{i}" for i in range(z.shape[2])), lower=-10 * one, upper=10 * one
        ),
        x=x.to(device, dtype),
        scores=scores.to(device, dtype),
        realism=None if realism is None else realism.to(device, dtype),
        nearby=nearby,
    )


def _sums(x: Tensor, *, query: int, changes: int, seed: int, k: int) -> Tensor:
    """Scores of small changes of inputs, by the mean of each input alone."""
    del query
    draw = torch.Generator().manual_seed(seed)
    weights = torch.randn(changes, k, generator=draw, dtype=torch.float64).to(x)
    return x.flatten(1).mean(1)[:, None, None] * weights


def fixed_candidates(
    z: Tensor,
    *,
    queries: Queries,
    space: SearchSpace,
    x: Tensor,
    scores: Tensor,
    realism: Tensor | None,
    nearby: Nearby | None = None,
) -> Candidates:
    """Candidates whose every part is given."""
    return Candidates(
        z,
        queries=queries,
        space=space,
        decode=lambda _: x,
        score=lambda _: scores,
        realism=None if realism is None else lambda _: realism,
        nearby=partial(_sums, k=scores.shape[-1]) if nearby is None else nearby,
    )
