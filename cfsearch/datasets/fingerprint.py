"""Digest of a labelled source, by which a training that goes on knows its data again."""

import hashlib
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import torch

from cfsearch.contracts.trainer import Source

SAMPLED: Final = 16
"""Images of a source that are compared by their content; all are compared by name and label."""


@runtime_checkable
class FingerprintedSource(Protocol):
    """Capability of a source: a digest of its images and labels, without reading all of them."""

    @property
    def fingerprint(self) -> str:
        """The same for the same images with the same labels, in the same order."""
        ...


def source_fingerprint(source: Source) -> str:
    """SHA-256 of a source: its own digest, or its length, attributes and some of its images.

    Args:
        source: labelled images.

    Example:
        >>> from cfsearch.datasets.faces.training import RenderedFaces
        >>> first, same, other = (source_fingerprint(RenderedFaces(4, seed=seed)) for seed in (1, 1, 2))
        >>> first == same, first == other
        (True, False)
    """
    if isinstance(source, FingerprintedSource):
        return source.fingerprint
    digest = hashlib.sha256("\n".join((str(len(source)), *source.attributes)).encode())
    if rows := sampled_rows(len(source)):
        found = source.batch(rows)
        images: torch.Tensor = found.images
        if images.dtype != torch.uint8:
            images = (images.float() * 255.0).round().nan_to_num().clamp(0.0, 255.0).to(torch.uint8)
        digest.update(images.cpu().contiguous().numpy().tobytes())
        digest.update(label_bytes(found.labels))
    return digest.hexdigest()


def sampled_rows(n: int) -> Sequence[int]:
    """Which of ``n`` images are compared by their content: evenly spread ones.

    Args:
        n: images of a source.

    Example:
        >>> sampled_rows(3), len(sampled_rows(1000))
        ([0, 1, 2], 16)
    """
    return sorted({i * n // SAMPLED for i in range(SAMPLED)}) if n > SAMPLED else list(range(n))


def label_bytes(labels: torch.Tensor) -> bytes:
    """Labels as bytes, whatever their type and device.

    Args:
        labels: ``(n, a)``, 0 or 1.
    """
    return labels.to("cpu", torch.float32).contiguous().numpy().tobytes()
