"""Generators of candidates: faces by attributes, pictures by pixels, rows of tables."""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .attgan import AttGAN as AttGAN
    from .pixels import Pixels as Pixels
    from .rows import Rows as Rows

_HOME: Final = {
    "AttGAN": "attgan",
    "Pixels": "pixels",
    "Rows": "rows",
}

__all__ = [
    "AttGAN",
    "Pixels",
    "Rows",
]

__getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
