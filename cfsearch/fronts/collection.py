"""Several fronts together, as a list that shows itself as a small table."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, SupportsIndex, final, overload

from cfsearch.errors import CfsearchError
from cfsearch.registry import unknown

from .frame import frame_of_rows, front_rows
from .front import ParetoFront

if TYPE_CHECKING:
    import pandas as pd

_MOST_SHOWN = 20
_COLUMNS = ("input", "was", "becomes", "verified", "closest change")


@final
class Fronts(list[ParetoFront]):
    """Fronts of several inputs, in their order.

    Args:
        fronts: one an input.
        notes: what a reader must know of all of them, one sentence each.
        failures: inputs without a front, by name, and why.

    ``fronts[0]`` and ``fronts["row 7"]`` give one of them, by place or by the name of its input.

    Raises:
        KeyError: by a name that is none of theirs.

    Example:
        >>> Fronts([])
        0 fronts
    """

    def __init__(
        self,
        fronts: Iterable[ParetoFront] = (),
        *,
        notes: Sequence[str] = (),
        failures: Mapping[str, CfsearchError] = MappingProxyType({}),
    ) -> None:
        super().__init__(fronts)
        self.notes: tuple[str, ...] = tuple(notes)
        self.failures: dict[str, CfsearchError] = dict(failures)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> ParetoFront: ...
    @overload
    def __getitem__(self, index: slice, /) -> "Fronts": ...
    @overload
    def __getitem__(self, index: str, /) -> ParetoFront: ...
    def __getitem__(self, index: SupportsIndex | str | slice, /) -> "ParetoFront | Fronts":
        if isinstance(index, str):
            return self._named(index)
        if isinstance(index, slice):
            return Fronts(super().__getitem__(index), notes=self.notes, failures=self.failures)
        return super().__getitem__(index)

    def _named(self, name: str) -> ParetoFront:
        found = next((front for front in self if front.name == name), None)
        if found is not None:
            return found
        if name in self.failures:
            raise KeyError(f"fronts: {name!r} failed and has no front: {self.failures[name]}")
        raise KeyError(f"fronts: {unknown('input', name, [front.name for front in self])}")

    @property
    def found(self) -> "Fronts":
        """The fronts with a verified counterfactual."""
        return Fronts((f for f in self if f.found), notes=self.notes, failures=self.failures)

    def to_frame(self) -> "pd.DataFrame":
        """One row a member of each front; see ``ParetoFront.to_frame``.

        Raises:
            MissingExtraError: pandas is not installed (extra ``tables``).
        """
        return frame_of_rows([row for front in self for row in front_rows(front)])

    def __repr__(self) -> str:
        if not self and not self.failures:
            return "0 fronts"
        rows = [_COLUMNS, *(_row(front) for front in self[:_MOST_SHOWN])]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        return "\n".join([*lines, *self._rest()])

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _row(front))}</tr>"
            for front in self[:_MOST_SHOWN]
        )
        notes = "".join(f"<p>{escape(line)}</p>" for line in (*self._rest(), *self.notes))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"

    def _rest(self) -> list[str]:
        more = [f"and {len(self) - _MOST_SHOWN} more fronts"] if len(self) > _MOST_SHOWN else []
        return more + [f"{name} failed: {error}" for name, error in self.failures.items()]


def _row(front: ParetoFront) -> tuple[str, ...]:
    """The cells of one front: what it was, what its closest verified member becomes by which change."""
    closest = front.pick("closest")
    verified = f"{int(front.verified.sum())} of {len(front)}"
    source = front.labels[front.source]
    if closest is None:
        return front.name, source, "", verified, front.reason.code
    words = front.words(closest)
    shown = "; ".join(words[:3]) + (f" and {len(words) - 3} more" if len(words) > 3 else "")
    return front.name, source, front.labels[int(front.scores[closest].argmax())], verified, shown
