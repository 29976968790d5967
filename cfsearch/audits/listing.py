"""Hashes of what an audit is of, and the first contact with its model as JSON values."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from cfsearch.assembly.inputs import InputRecord
from cfsearch.datasets.images import ImageRef
from cfsearch.datasets.tables import RowGroups
from cfsearch.errors import ConfigError
from cfsearch.providers.handshake import Handshake


def plain_handshake(contact: Handshake) -> dict[str, Any]:
    """The handshake as JSON values.

    Args:
        contact: what was found out of the model.
    """
    kinds = {"scores": contact.scores.name.lower(), "looks_like": contact.looks_like.name.lower()}
    times = {"seconds": {str(size): seconds for size, seconds in contact.seconds.items()}}
    return dataclasses.asdict(contact) | kinds | times


def grouping(groups: Sequence[RowGroups]) -> str:
    """SHA-256 of which row is in which group.

    Args:
        groups: one entry a column.
    """
    text = json.dumps([(g.column, g.names, g.of) for g in groups])
    return hashlib.sha256(text.encode()).hexdigest()


def listing(refs: Sequence[ImageRef | InputRecord]) -> str:
    """SHA-256 of the list of inputs.

    Args:
        refs: the inputs.

    Raises:
        ConfigError: two have one name.
    """
    if len({ref.name for ref in refs}) != len(refs):
        raise ConfigError("audit: two inputs have the same name.")
    return hashlib.sha256("\n".join(ref.name for ref in refs).encode()).hexdigest()
