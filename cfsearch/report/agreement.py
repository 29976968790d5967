"""How far two generators agree on what is genuine, in words."""

from collections.abc import Mapping
from typing import Any

from . import wording


def agreement_words(entry: Mapping[str, Any], *, thing: str) -> str:
    """How far two generators agree on one model, in a sentence.

    Args:
        entry: as it stands in ``audit.json``.
        thing: what one input is called.

    Example:
        >>> agreement_words({"count": 3, "n": 4, "members": {"count": 5, "n": 9}, "variables": []}, thing="picture")
        'Of 4 pictures with a flip that is genuine by the first generator, 3 have one by both (5 of 9 members).'
    """
    if not entry["n"]:
        return f"By the first generator no {thing} has a genuine flip, so that the second generator was not needed."
    members = entry["members"]
    has = "has" if entry["count"] == 1 else "have"
    rate = members["count"] / members["n"]
    apart = next((row for row in entry["variables"] if row["count"] < rate * row["n"]), None)
    least = (
        f"; least agreement on {wording.human(apart['variable'])}, {apart['count']} of {apart['n']}"
        if apart
        else ""
    )
    return (
        f"Of {wording.counted(entry['n'], thing)} with a flip that is genuine by the first generator, {entry['count']} {has} one "
        f"by both ({members['count']} of {wording.counted(members['n'], 'member')}{least})."
    )
