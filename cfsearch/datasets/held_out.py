"""Part of a labelled source that a training does not see, so that what it learned can be measured there."""

import hashlib
from collections.abc import Sequence
from typing import Any, final

import torch

from cfsearch.contracts.trainer import Labelled, Source
from cfsearch.datasets.fingerprint import source_fingerprint
from cfsearch.errors import ConfigError


class Part:
    """Some images of a labelled source, in an order of their own.

    Args:
        source: the whole.
        indices: which images, as indices into ``source``.
    """

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source = source
        self._indices = tuple(indices)

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the labels' columns."""
        return tuple(self._source.attributes)

    def __len__(self) -> int:
        return len(self._indices)

    def batch(self, indices: Sequence[int]) -> Labelled:
        """These images."""
        return self._source.batch(self._whole(indices))

    @property
    def fingerprint(self) -> str:
        """Digest of the whole and of what of it this is."""
        whole = source_fingerprint(self._source)
        return hashlib.sha256(f"{whole} {' '.join(map(str, self._indices))}".encode()).hexdigest()

    def _whole(self, indices: Sequence[int]) -> list[int]:
        return [self._indices[i] for i in indices]


@final
class PairedPart(Part):
    """A part of a source that can show the same images with other attributes."""

    def pairs(self, indices: Sequence[int], targets: torch.Tensor) -> torch.Tensor:
        """The true images at attribute strengths ``targets`` ``(n, a)`` in [0, 1]: ``(n, 3, s, s)``."""
        source: Any = self._source  # Any: a PairedSource, see cfsearch.generators.attgan.data
        shown: torch.Tensor = source.pairs(self._whole(indices), targets)
        return shown


def split(source: Source, *, held_out: int) -> tuple[Part, Part]:
    """The source without ``held_out`` images, and those, evenly spread over it.

    Args:
        source: labelled images; where it can re-render its images, so can both parts.
        held_out: how many to hold out.

    Raises:
        ConfigError: nothing would be left on one of the sides.

    Example:
        >>> from cfsearch.datasets.faces.training import RenderedFaces
        >>> rest, held = split(RenderedFaces(10, seed=1), held_out=2)
        >>> len(rest), len(held)
        (8, 2)
    """
    n = len(source)
    if not 0 < held_out < n:
        raise ConfigError(
            f"held-out images: expected 1 to {n - 1} of {n}, got {held_out}. Give more images or hold out fewer."
        )
    held = [int((k + 0.5) * n / held_out) for k in range(held_out)]
    chosen = set(held)
    family = PairedPart if hasattr(source, "pairs") else Part
    return family(source, [i for i in range(n) if i not in chosen]), family(source, held)
