"""Seeds of a search on rows: counterfactuals of named explainers, and the nearest rows of the target class."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch import registry
from cfsearch.contracts.explainer import Explainer
from cfsearch.contracts.generator import Generator
from cfsearch.contracts.records import Need
from cfsearch.datasets.tables import Table
from cfsearch.engine.problem import Problem
from cfsearch.errors import CapabilityError, ConfigError, PluginError
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import TabularProvider

from .fronts import seeds_of
from .subjects import table_subject

Seeds = Callable[[Problem], list[Float[Tensor, "s d"]]]
"""The changes with which the search of each query begins."""


@runtime_checkable
class RowSeeder(Protocol):
    """A generator of rows that knows which changes lead to known rows."""

    def nearest_rows(self, table: Table, *, count: int) -> Seeds: ...


NEAREST: Final = "nearest"
"""Names the nearest rows of the target class, which no explainer has to find."""


def seeding(
    wanted: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    model: TabularProvider,
    generator: Generator[Any],
    surrogate: SurrogateProvider | None = None,
    immutable: Sequence[str] = (),
    reference: Float[Tensor, "r c"] | None = None,
    decided: Table | None = None,
    target: str | None = None,
    seed: int = 0,
) -> Seeds:
    """What ``Search.seeds`` takes, from explainers' names and settings, and from ``nearest``.

    Args:
        wanted: name and settings of each.
        model: the audited model.
        generator: of the search.
        surrogate: whose gradients are followed, where the model has none to be had.
        immutable: columns that must not change, besides those of the schema.
        reference: rows to learn from or compare with, for methods that do.
        decided: reference rows with the classes that the model gives them, for ``nearest``.
        target: name of the target class; None for any other.
        seed: as for ``Explainer.explain``.

    Raises:
        ConfigError: an unknown name or setting.
        CapabilityError: there are no gradients to follow, or no rows to learn from.
    """
    near = [
        _nearest(settings, generator=generator, decided=decided)
        for name, settings in wanted
        if name == NEAREST
    ]
    explainers = [_made(name, settings) for name, settings in wanted if name != NEAREST]
    following = [e.name for e in explainers if e.follows_gradients]
    if surrogate is None and not model.white_box and following:
        raise CapabilityError(
            f"seed_with: {following[0]} follows gradients, and {model.name} gives none. Distil it first "
            "(`cfsearch distill`) and give the file with --surrogate."
        )
    learning = [e.name for e in explainers if Need.REFERENCE in e.needs]
    if reference is None and learning:
        raise CapabilityError(
            f"seed_with: {learning[0]} learns from rows of the training table; give --reference TABLE.csv."
        )
    if not explainers:
        return _joined(near)
    subject = table_subject(model, surrogate=surrogate, immutable=immutable, follow=bool(following))
    if reference is not None:
        explainers = [e.fit(subject, reference, seed=seed) for e in explainers]
    return _joined([seeds_of(explainers, subject=subject, target=target, seed=seed), *near])


def follows_gradients(wanted: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether any of some explainers follows gradients.

    Args:
        wanted: name and settings of each.

    Raises:
        ConfigError: an unknown name or setting.
    """
    return any(_made(name, settings).follows_gradients for name, settings in wanted if name != NEAREST)


def _joined(parts: Sequence[Seeds]) -> Seeds:
    if len(parts) == 1:
        return parts[0]

    def seeds(problem: Problem) -> list[Tensor]:
        return [torch.cat(of_one) for of_one in zip(*(part(problem) for part in parts), strict=True)]

    return seeds


def _nearest(
    settings: Mapping[str, Any],
    *,
    generator: Generator[Any],
    decided: Table | None,
) -> Seeds:
    strange = [name for name in settings if name != "count"]
    if strange:
        raise ConfigError(f"seed_with: {registry.unknown('setting', strange[0], ['count'])} of {NEAREST!r}")
    count = settings.get("count", 30)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ConfigError(
            f"seed_with: `count` of {NEAREST!r} must be a whole number of at least 1, got {count!r}."
        )
    if decided is None:
        raise CapabilityError(
            f"seed_with: {NEAREST} begins at rows of the training table; give --reference TABLE.csv."
        )
    if not isinstance(generator, RowSeeder):
        raise CapabilityError(
            f"seed_with: {NEAREST} goes with the generator 'rows', got {generator.name!r}. Leave one of them out."
        )
    return generator.nearest_rows(decided, count=count)


def _made(name: str, settings: Mapping[str, Any]) -> Explainer:
    made = registry.create("explainers", name, settings)
    if not isinstance(made, Explainer):
        raise PluginError(f"explainer {name!r} must be a cfsearch Explainer, got {type(made).__name__}.")
    return made
