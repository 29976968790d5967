"""Seeds of a search on rows from the counterfactuals of named explainers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from cfsearch import registry
from cfsearch.contracts.explainer import Explainer
from cfsearch.contracts.records import Need
from cfsearch.engine.problem import Problem
from cfsearch.errors import CapabilityError, PluginError
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import TabularProvider

from .fronts import seeds_of
from .subjects import table_subject


def seeding(
    wanted: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    model: TabularProvider,
    surrogate: SurrogateProvider | None = None,
    immutable: Sequence[str] = (),
    reference: Float[Tensor, "r c"] | None = None,
    target: str | None = None,
    seed: int = 0,
) -> Callable[[Problem], list[Float[Tensor, "s d"]]]:
    """What ``Search.seeds`` takes, from explainers' names and settings.

    Args:
        wanted: name and settings of each.
        model: the audited model.
        surrogate: whose gradients are followed, where the model has none to be had.
        immutable: columns that must not change, besides those of the schema.
        reference: rows to learn from or compare with, for methods that do.
        target: name of the target class; None for any other.
        seed: as for ``Explainer.explain``.

    Raises:
        ConfigError: an unknown name or setting.
        CapabilityError: there are no gradients to follow, or no rows to learn from.
    """
    explainers = [_made(name, settings) for name, settings in wanted]
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
    subject = table_subject(model, surrogate=surrogate, immutable=immutable, follow=bool(following))
    if reference is not None:
        explainers = [e.fit(subject, reference, seed=seed) for e in explainers]
    return seeds_of(explainers, subject=subject, target=target, seed=seed)


def _made(name: str, settings: Mapping[str, Any]) -> Explainer:
    made = registry.create("explainers", name, settings)
    if not isinstance(made, Explainer):
        raise PluginError(f"explainer {name!r} must be a cfsearch Explainer, got {type(made).__name__}.")
    return made
