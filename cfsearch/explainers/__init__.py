"""Gradient-based explainers, one family a file, on the contract of ``cfsearch.contracts.explainer``."""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .axai import Axai as Axai
    from .emap import Emap as Emap
    from .gradient import Gradient as Gradient
    from .gradual import Gradual as Gradual
    from .pgd import Pgd as Pgd
    from .wachter import Wachter as Wachter

_HOME: Final = {
    "Axai": "axai",
    "Emap": "emap",
    "Gradient": "gradient",
    "Gradual": "gradual",
    "Pgd": "pgd",
    "Wachter": "wachter",
}

__all__ = [
    "Axai",
    "Emap",
    "Gradient",
    "Gradual",
    "Pgd",
    "Wachter",
]

if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
