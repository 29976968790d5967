"""The log of a run of mutants: a first line that says what was drawn, then one line a mutant."""

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from mutants_tests import CRASHED, RAN_AWAY

Z: Final = 1.959963984540054


def digest(root: Path, files: Iterable[str]) -> str:
    """What the text of the source files comes to, so that a log is not continued on other code.

    Args:
        root: the root of the tree.
        files: paths from there.
    """
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file}\n".encode() + (root / file).read_bytes())
    return whole.hexdigest()[:16]


def wilson(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    Args:
        k: how many of them.
        n: out of how many, > 0.
    """
    share, z2 = k / n, Z * Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return middle - half, middle + half


@dataclass(slots=True)
class Log:
    """What became of the mutants of one draw, kept in a file as it happens.

    Args:
        path: the file.
        seed: the seed of the draw.
        of: what the files begin with that the draw is from.
        source: ``digest`` of the files drawn from.
        lines: what became of each mutant, by its key; the last word counts.
    """

    path: Path
    seed: int
    of: list[str]
    source: str
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def opened(cls, path: Path, *, seed: int, of: list[str], source: str) -> Self:
        """The log of this file, begun or taken up again; a line that a kill cut short is dropped.

        Args:
            path: the file.
            seed: the seed of the draw.
            of: what the files begin with that the draw is from.
            source: ``digest`` of the files drawn from.

        Raises:
            ValueError: the file holds another draw.
        """
        log = cls(path, seed, of, source)
        head = {"seed": seed, "of": of, "source": source}
        if not path.exists() or not path.read_text(encoding="utf-8").strip():
            path.write_text(json.dumps(head) + "\n", encoding="utf-8")
            return log
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        first, *rest = [json.loads(line) for line in whole.splitlines()]
        if first != head:
            raise ValueError(f"{path} holds another draw: {first}, not {head}. Name another --log.")
        log.lines = {line["mutant"]: line for line in rest}
        return log

    @staticmethod
    def seed_of(path: Path) -> int | None:
        """The seed of the draw that a file holds, None where there is none.

        Args:
            path: the file.
        """
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return int(json.loads(lines[0])["seed"]) if len(lines) > 0 else None

    def add(self, line: dict[str, Any]) -> None:
        """Keep what became of a mutant.

        Args:
            line: its line.
        """
        self.lines[line["mutant"]] = line
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    @property
    def survivors(self) -> list[str]:
        """The mutants that no test noticed."""
        return [key for key, line in self.lines.items() if line["killed_by"] is None]

    @property
    def unjudged(self) -> list[str]:
        """The mutants whose tests ended without an answer."""
        return [key for key, line in self.lines.items() if line["killed_by"] == CRASHED]

    def report(self) -> str:
        """The score and the survivors, in words."""
        n = len(self.lines) - len(self.unjudged)
        if n == 0:
            return f"seed {self.seed}: no mutant was judged"
        killed = n - len(self.survivors)
        endless = sum(str(line["killed_by"]).endswith(RAN_AWAY) for line in self.lines.values())
        low, high = wilson(killed, n)
        seconds = sum(line["seconds"] for line in self.lines.values()) / len(self.lines)
        return "\n".join(
            [
                f"seed {self.seed}, {n} mutants judged, {seconds:.1f} CPU s a mutant",
                f"killed {killed} (of these because a test had no end {endless}), survived {n - killed}",
                f"score {killed / n:.1%} [{low:.1%}, {high:.1%}]",
                *(f"not judged, the process of its tests crashed: {key}" for key in self.unjudged),
                "survivors:" if self.survivors else "no survivors",
                *(f"  {key[:300]}" for key in self.survivors),
            ]
        )
