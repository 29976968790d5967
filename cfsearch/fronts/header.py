"""What a stored front says of itself, read from its header: without torch, and without its tensors."""

import json
from dataclasses import dataclass
from typing import Self, final


@final
@dataclass(frozen=True, slots=True)
class FrontHeader:
    """The figures of a stored front that a list of many shows.

    Args:
        source: the class that the model gives the input.
        members: how many there are.
        verified: how many of them are verified.

    Example:
        >>> header = FrontHeader(source="refused", members=4, verified=3)
        >>> header.verified / header.members
        0.75
    """

    source: str
    members: int
    verified: int

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
            str(meta["labels"][meta["source"]]), int(tensors["z"]["shape"][0]), len(flags) - flags.count(0)
        )
