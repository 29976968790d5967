"""Members of an ensemble for the objective ``uncertainty``: the model's own, or trees that stand for it."""

from collections.abc import Callable

from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Table
from cfsearch.errors import ConfigError
from cfsearch.providers.ensembles import bagged_trees, members_of

Members = Callable[[Tensor], Tensor]


def ensemble(model: Provider, decided: Table | None, *, seed: int) -> Members:
    """The members of the model where it shows any, else trees trained on reference rows as the model decides them.

    A model in a process of its own shows none.

    Args:
        model: the audited model.
        decided: reference rows with the classes that the model gives them; None for none.
        seed: of the trees.

    Raises:
        ConfigError: there are neither members nor reference rows.
    """
    own = members_of(model)
    if own is not None:
        return own
    if decided is None or decided.target is None:
        raise ConfigError(
            f"uncertainty: {model.name!r} shows no members of an ensemble, and there is no training table on which some "
            "could be trained in its place. Give --reference train.csv, or take the objective out (a forest, bagging or "
            "voting ensemble of scikit-learn shows its members with --no-isolation)."
        )
    return bagged_trees(decided.schema, decided.x, decided.target, classes=len(model.labels), seed=seed)
