"""What a run has to take away of each input: the original, the reconstruction and the picked members."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import Tensor

from cfsearch.errors import RunError
from cfsearch.fronts.frame import Cell
from cfsearch.fronts.front import ParetoFront

from .directory import InstanceRow


@final
@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One of them.

    Args:
        what: "original", "reconstruction", or how the member was picked.
        stored: as the front keeps it.
        scores: the model's.
        member: which one; None for the first two.
    """

    what: str
    stored: Tensor
    scores: Tensor
    member: int | None = None

    def row(self, front: ParetoFront) -> dict[str, Cell]:
        """What a table beside the files says of it.

        Args:
            front: that it is of.
        """
        p = self.scores.double().softmax(-1)
        return {
            "name": front.name,
            "what": self.what,
            "member": self.member,
            "class": front.labels[int(p.argmax())],
            "probability": float(p.max()),
            "verified": None if self.member is None else bool(front.verified[self.member]),
            "words": "" if self.member is None else "; ".join(front.words(self.member)),
        }

    def file_name(self, instance: InstanceRow, ending: str) -> str:
        """A name for its file: the place in the run, what of the instance's name any system allows, what it is.

        Args:
            instance: that it is of.
            ending: of the file, with its dot.
        """
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", instance.name.rsplit(".", 1)[0]).strip("-.")[:80]
        stem = f"{instance.position:05d}-{plain}" if plain else f"{instance.position:05d}"
        return f"{stem}-{self.what.replace(' ', '-')}{ending}"


def pieces(front: ParetoFront) -> Iterator[Piece]:
    """The pieces of a front of pictures or recordings; none of another.

    Args:
        front: with its members.
    """
    original, members = front.stored_original, front.stored_members
    if not front.modality.files or original is None or members is None:
        return
    yield Piece("original", original, front.original_scores)
    if front.reconstruction is not None:
        yield Piece("reconstruction", front.reconstruction, front.reconstruction_scores)
    ways: dict[int, list[str]] = {}
    for way, i in front.picks().items():
        ways.setdefault(i, []).append(way)
    for i, names in ways.items():
        yield Piece(" ".join(names), members[i], front.scores[i], member=i)


def check_empty(folder: Path) -> None:
    """Refuse a folder that holds something.

    Args:
        folder: that will be written to.

    Raises:
        RunError: it is a file, or is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"export: {str(folder)!r} must be a new or an empty folder. Name another one.")


def make_folder(folder: Path) -> None:
    """Make a folder with those above it.

    Args:
        folder: that is made where it is not there.

    Raises:
        RunError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"export: cannot make the folder {str(folder)!r}: {error.strerror}.") from error
