"""Solvers of the search: one family of algorithms a file, on the contract of ``cfsearch.contracts.solver``."""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .bayesian import Bayesian as Bayesian
    from .bridged import Nsga3 as Nsga3
    from .bridged import Spea2 as Spea2
    from .differential import Gde3 as Gde3
    from .genetic import AgeMoea2 as AgeMoea2
    from .genetic import Nsga2 as Nsga2
    from .random import RandomSearch as RandomSearch
    from .swarm import Smpso as Smpso

_HOME: Final = {
    "AgeMoea2": "genetic",
    "Bayesian": "bayesian",
    "Gde3": "differential",
    "Nsga2": "genetic",
    "Nsga3": "bridged",
    "RandomSearch": "random",
    "Smpso": "swarm",
    "Spea2": "bridged",
}

__all__ = [
    "AgeMoea2",
    "Bayesian",
    "Gde3",
    "Nsga2",
    "Nsga3",
    "RandomSearch",
    "Smpso",
    "Spea2",
]

if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
