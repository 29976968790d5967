"""What a stored front says of itself, read from its header: without torch, and without most of its tensors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, final

import numpy as np

_DTYPES: Final = {"F32": "<f4", "F64": "<f8"}


@final
@dataclass(frozen=True, slots=True)
class FrontHeader:
    """The figures of a stored front that a list of many shows.

    Args:
        source: the class that the model gives the input.
        members: how many there are.
        verified: how many of them are verified.
        predicted: the number that the model predicts of the input; None of a classifier.

    Example:
        >>> header = FrontHeader(source="refused", members=4, verified=3)
        >>> header.verified / header.members
        0.75
    """

    source: str
    members: int
    verified: int
    predicted: float | None = None

    @classmethod
    def read(cls, blob: bytes) -> Self:
        """The header of the bytes of ``ParetoFront.to_bytes``.

        Args:
            blob: whose checksum was compared; bytes of another format raise whatever they happen to.
        """
        size = int.from_bytes(blob[:8], "little")
        tensors = json.loads(blob[8 : 8 + size])
        meta = json.loads(tensors["__metadata__"]["cfsearch"])
        begin, end = tensors["verified"]["data_offsets"]
        flags = blob[8 + size + begin : 8 + size + end]
        return cls(
            str(meta["labels"][meta["source"]]),
            int(tensors["z"]["shape"][0]),
            len(flags) - flags.count(0),
            _predicted(meta["labels"], tensors["original_scores"], blob[8 + size :]),
        )


def _predicted(labels: list[str], scores: Mapping[str, Any], rest: bytes) -> float | None:  # Any: JSON values
    """The number of the original; torch is imported only where the labels may be those of a range."""
    if not any(".." in label for label in labels):
        return None
    import torch

    from .predicted import predicted_entry

    begin, end = scores["data_offsets"]
    values = np.frombuffer(rest[begin:end], dtype=_DTYPES[scores["dtype"]])
    return predicted_entry(tuple(labels), torch.from_numpy(values.copy())).get("predicted")
