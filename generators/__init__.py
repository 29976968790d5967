"""Generators of candidates: faces by attributes, pictures by pixels, rows of tables, words, bands of sound."""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .attgan import AttGAN as AttGAN
    from .bands import Bands as Bands
    from .pixels import Pixels as Pixels
    from .rows import Rows as Rows
    from .words import Words as Words

_HOME: Final = {
    "AttGAN": "attgan",
    "Pixels": "pixels",
    "Rows": "rows",
    "Bands": "bands",
    "Words": "words",
}

__all__ = [
    "AttGAN",
    "Bands",
    "Pixels",
    "Rows",
    "Words",
]

if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
