"""Solvers of the search: one family of algorithms a file, on the contract of ``cfsearch.contracts.solver``."""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .decomposition import Ctaea as Ctaea
    from .decomposition import Moead as Moead
    from .decomposition import Nsga3 as Nsga3
    from .decomposition import Rvea as Rvea
    from .decomposition import Unsga3 as Unsga3
    from .differential import Gde3 as Gde3
    from .differential import Nsde as Nsde
    from .differential import Nsder as Nsder
    from .genetic import AgeMoea as AgeMoea
    from .genetic import AgeMoea2 as AgeMoea2
    from .genetic import Nsga2 as Nsga2
    from .genetic import Omni as Omni
    from .genetic import SmsEmoa as SmsEmoa
    from .genetic import Spea2 as Spea2
    from .random import RandomSearch as RandomSearch
    from .swarm import Cmopso as Cmopso
    from .swarm import MopsoCd as MopsoCd
    from .swarm import Smpso as Smpso

_HOME: Final = {
    "AgeMoea": "genetic",
    "AgeMoea2": "genetic",
    "Cmopso": "swarm",
    "Ctaea": "decomposition",
    "Gde3": "differential",
    "Moead": "decomposition",
    "MopsoCd": "swarm",
    "Nsde": "differential",
    "Nsder": "differential",
    "Nsga2": "genetic",
    "Nsga3": "decomposition",
    "Omni": "genetic",
    "RandomSearch": "random",
    "Rvea": "decomposition",
    "Smpso": "swarm",
    "SmsEmoa": "genetic",
    "Spea2": "genetic",
    "Unsga3": "decomposition",
}

__all__ = [
    "AgeMoea",
    "AgeMoea2",
    "Cmopso",
    "Ctaea",
    "Gde3",
    "Moead",
    "MopsoCd",
    "Nsde",
    "Nsder",
    "Nsga2",
    "Nsga3",
    "Omni",
    "RandomSearch",
    "Rvea",
    "Smpso",
    "SmsEmoa",
    "Spea2",
    "Unsga3",
]

__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
