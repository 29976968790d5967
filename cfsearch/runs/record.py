"""One instance of a run: as an object, and as the row of a store with its checksums."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, final

from cfsearch.errors import DamagedError
from cfsearch.fronts.header import FrontHeader
from cfsearch.parsing import parse_json

from .compact import compacted, expanded, outlined
from .guard import REMEDY, digest, guarded

if TYPE_CHECKING:
    from cfsearch.fronts.front import ParetoFront

_STATUSES: Final = ("found", "not_found", "already_target", "failed")
_MODULUS: Final = 1 << 256


@final
@dataclass(frozen=True, slots=True)
class InstanceRow:
    """What is kept of one instance.

    ``status`` is found, not_found, already_target or failed; ``code`` the reason or the error;
    ``front`` None where it failed.
    """

    name: str
    position: int
    status: str
    code: str
    message: str
    sha256: str
    notes: tuple[str, ...]
    front: "ParetoFront | None"


@final
@dataclass(frozen=True, slots=True)
class ListedRow:
    """What a list of many instances shows of one; ``header`` is None where it failed."""

    name: str
    status: str
    code: str
    message: str
    header: FrontHeader | None


class Stored(NamedTuple):
    """A row as it stands in the store, in the order of its columns; ``front`` is compact, or of an older store a front's own bytes."""

    name: str
    position: int
    status: str
    code: str
    message: str
    sha256: str
    notes: str
    front: bytes | None
    front_sha256: str
    row_sha256: str


def stored(row: InstanceRow) -> Stored:
    """A row with its checksums.

    Args:
        row: what is kept of one instance.
    """
    front = None if row.front is None else compacted(row.front.to_bytes())
    return sealed(
        (row.name, row.position, row.status, row.code, row.message, row.sha256, json.dumps(row.notes), front)
    )


def sealed(values: tuple[str, int, str, str, str, str, str, bytes | None]) -> Stored:
    """The columns of a row with its checksums.

    Args:
        values: its columns without them.
    """
    of_front = "" if values[-1] is None else digest(values[-1])
    return Stored(*values, of_front, digest(json.dumps([*values[:-1], of_front])))


def verified(values: Sequence[object], *, run: str) -> str:
    """The checksum of a row that is what was written.

    Args:
        values: the columns of the row.
        run: the run as errors name it.

    Raises:
        DamagedError: it is not what was written.
    """
    what = f"run {run}: the result of {str(values[0])[:100]!r}"
    with guarded(what):
        front, found = values[7], str(values[9])
        if front is not None and (not isinstance(front, bytes) or digest(front) != values[8]):
            raise DamagedError(f"{what} is damaged: its front has another checksum. {REMEDY}")
        if digest(json.dumps([*values[:7], values[8]])) != found or (front is None) != (values[8] == ""):
            raise DamagedError(f"{what} is damaged: its record has another checksum. {REMEDY}")
    return found


def row_of(values: Sequence[object], *, run: str) -> InstanceRow:
    """The instance of a stored row.

    Args:
        values: the columns of the row, of which the first eight are read.
        run: the run as errors name it.

    Raises:
        DamagedError: they are no instance.
    """
    return _row(values, run=run, read=_front)


def figures_of(values: Sequence[object], *, run: str) -> InstanceRow:
    """As ``row_of``, with a front that keeps no pictures, which take nearly all the time of reading one.

    Args:
        values: the columns of the row, of which the first eight are read.
        run: the run as errors name it.

    Raises:
        DamagedError: they are no instance.
    """
    return _row(values, run=run, read=_front_without_pictures)


def _front(blob: bytes) -> "ParetoFront":
    from cfsearch.fronts.front import ParetoFront  # torch is slow to import, and a list needs none

    return ParetoFront.from_bytes(expanded(blob))


def _front_without_pictures(blob: bytes) -> "ParetoFront":
    from cfsearch.fronts.front import ParetoFront  # torch is slow to import, and a list needs none

    front = ParetoFront.from_bytes(outlined(blob))
    bare = replace(front, images=None, original=None, reconstruction=None, sound=None, sounds=None)
    return (
        bare if bare.modality is front.modality else _front(blob)
    )  # its inputs alone say of what kind they are


def _row(values: Sequence[object], *, run: str, read: Callable[[bytes], "ParetoFront"]) -> InstanceRow:
    name, position, status, code, message, sha256, notes, blob = values[:8]
    with guarded(f"run {run}: the result of {str(name)[:100]!r}"):
        texts = (name, status, code, message, sha256, notes)
        if not all(isinstance(text, str) for text in texts) or not isinstance(position, int):
            raise TypeError("a column is of another kind")
        if status not in _STATUSES or not isinstance(blob, bytes | None):
            raise TypeError(f"status {status!r}")
        found = json.loads(str(notes))
        if not isinstance(found, list) or not all(isinstance(note, str) for note in found):
            raise TypeError("its notes are no list of texts")
        return InstanceRow(
            str(name),
            position,
            str(status),
            str(code),
            str(message),
            str(sha256),
            tuple(found),
            None if blob is None else read(blob),
        )


def listed_row(values: Sequence[object], *, run: str) -> ListedRow:
    """What a list shows of a stored row, whose checksums were compared.

    Args:
        values: the columns of the row, of which the first eight are read.
        run: the run as errors name it.

    Raises:
        DamagedError: they are no instance.
    """
    name, _, status, code, message, _, _, blob = values[:8]
    with guarded(f"run {run}: the result of {str(name)[:100]!r}"):
        header = FrontHeader.read(outlined(blob)) if isinstance(blob, bytes) else None
        return ListedRow(str(name), str(status), str(code), str(message), header)


@final
@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows there are, and the sum of their checksums, whatever their order."""

    count: int = 0
    total: int = 0

    @classmethod
    def parsed(cls, text: str) -> "Tally":
        with guarded("the tally of the results"):
            values = parse_json(text)
            return cls(int(values["count"]), int(values["sum"], 16))

    def plus(self, sums: Sequence[str]) -> "Tally":
        return Tally(self.count + len(sums), (self.total + _sum(sums)) % _MODULUS)

    def minus(self, sums: Sequence[str]) -> "Tally":
        return Tally(self.count - len(sums), (self.total - _sum(sums)) % _MODULUS)

    def __str__(self) -> str:
        return json.dumps({"count": self.count, "sum": f"{self.total:064x}"})


def _sum(sums: Sequence[str]) -> int:
    with guarded("the checksum of a result"):
        return sum(int(one, 16) for one in sums)
