"""Whether two generators agree on what is genuine, counted front by front: no front is kept."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final

import torch
from jaxtyping import Bool
from torch import Tensor

from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import wilson


def rule_of(fronts: Iterable[ParetoFront]) -> str:
    """By which rule members of an audit are genuine, in words; empty where genuineness was not measured.

    Args:
        fronts: of the audit.
    """
    for front in fronts:
        measured = front.extra.get("genuineness")
        if front.genuineness is not None and isinstance(measured, Mapping):
            by = "edits and associations" if measured.get("associations") else "edits alone"
            return f"z >= {float(measured['threshold']):g} by {by}"
    return ""


def has_genuine(front: ParetoFront) -> bool | None:
    """Whether a member that flips the model is genuine; None where none flips it, or that was not measured.

    Args:
        front: of one input.
    """
    if front.genuineness is None or not bool(front.verified.any()):
        return None
    return front.found


def has_agreed(front: ParetoFront) -> bool | None:
    """Whether a member is genuine by both generators; None where none is by the first, or there was no second.

    Args:
        front: of one input.
    """
    first = _by_first(front)
    return front.found if first is not None and bool(first.any()) else None


def _by_first(front: ParetoFront) -> Bool[Tensor, " n"] | None:
    """Members that are genuine by the first generator; None without a second."""
    each = front.genuineness_each
    return None if each is None else each[:, 0] >= float(front.extra["genuineness"]["threshold"])


@final
class AgreementTally:
    """Members and inputs that are genuine by the first generator, and by both."""

    def __init__(self) -> None:
        self._measured = False
        self._members = [0, 0]
        self._inputs = [0, 0]
        self._variables: dict[str, list[int]] = {}

    def add(self, front: ParetoFront) -> None:
        """Count one front.

        Args:
            front: of one input.
        """
        first = _by_first(front)
        if first is None:
            return
        self._measured = True
        both = first & front.valid
        for place, mask in enumerate((first, both)):
            self._members[place] += int(mask.sum())
            self._inputs[place] += bool(mask.any())
            for name, n in zip(front.variables, (front.changed & mask[:, None]).sum(0).tolist(), strict=True):
                self._variables.setdefault(name, [0, 0])[place] += int(n)

    def _excess(self, first: int, both: int) -> int:
        """How many more members with a change are lost than of all, in proportion; in units of one part of all."""
        return (first - both) * self._members[0] - first * (self._members[0] - self._members[1])

    def rows(self, model: str) -> list[dict[str, Any]]:
        """The entry of ``audit.json``; none where no second generator was there.

        Args:
            model: its id.
        """
        if not self._measured:
            return []
        rate = wilson(self._inputs[1], self._inputs[0])
        return [
            {
                "model": model,
                "count": self._inputs[1],
                "n": self._inputs[0],
                "rate": None if rate is None else rate.to_dict(),
                "members": {"count": self._members[1], "n": self._members[0]},
                "variables": [
                    {"variable": name, "count": both, "n": first}
                    for name, (first, both) in sorted(
                        self._variables.items(), key=lambda row: (-self._excess(*row[1]), row[0])
                    )
                    if first
                ],
            }
        ]


def two_generators(front: ParetoFront, fingerprint: str | None) -> Iterator[str]:
    """What is wrong with what a front keeps of two generators; nothing where it is of one.

    Args:
        front: of one input.
        fingerprint: of the second generator of the run; None where it has none.
    """
    each, joined = front.genuineness_each, front.genuineness
    if each is None or joined is None:
        return
    stated = front.extra["genuineness"].get("second")
    if stated != fingerprint:
        yield f"run.sqlite: the second generator of {front.name!r} is {stated!r}, that of the run {fingerprint!r}."
    if not each.nan_to_num(torch.inf).amin(1).equal(joined.nan_to_num(torch.inf)):
        yield f"run.sqlite: the genuineness of {front.name!r} is not the smaller one of both generators."
