"""Counts the places that decide by the kind of an input outside ``cfsearch/contracts/modality.py``.

    uv run python benchmarks/house/modalities.py [--list] [--root CHECKOUT]

What an input is (a picture, a row, a text, a recording) is answered by its ``Modality``. A place counts where it compares
with one of the modalities, looks whether a part is there that only inputs of one kind have (``front.rows``,
``config.data.table``, ``assembly.table``), or branches on the number of dimensions of an input. A check that raises an
error and decides nothing else does not count, nor does a dispatch table that names each modality once.
"""

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = ("cfsearch", "generators", "objectives", "models")
HOME: Final = "cfsearch/contracts/modality.py"
MODALITIES: Final = {"PICTURES", "ROWS", "TEXTS", "SOUNDS"}
OF_ONE_KIND: Final = {"images", "original", "row", "rows", "sound", "sounds", "table", "text", "texts"}
HOLDERS: Final = {
    "assembly",
    "config",
    "data",
    "first",
    "front",
    "instance",
    "one",
    "opened",
    "other",
    "parts",
}
"""What has such parts: fronts, settings, and what was opened of them."""
INPUTS: Final = {"array", "images", "inputs", "moved", "original", "x"}
"""What inputs are called where their dimensions are looked at."""
CHOICES: Final = {("data", "rows")}
"""Settings of one kind that are no part of every input of it: which rows were chosen."""
PARTS_ALONE: Final = {"table"}
"""A local name that holds the table of rows, where it is a ``TableInput``."""
FEWEST: Final = 2
"""Dimensions from which their number tells the kind."""


class Place(NamedTuple):
    """A line that decides by the kind of an input."""

    file: str
    line: int
    code: str


def places(source: str, *, file: str = "") -> Iterator[Place]:
    """Places in one module, in order.

    Args:
        source: its code.
        file: its path below the root.
    """
    tree = ast.parse(source)
    lines = source.splitlines()
    checks = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and isinstance(branch.body[0], ast.Raise)
        for node in ast.walk(branch.test)
    }
    rows_held = "TableInput" in source
    found = sorted(
        {
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Compare) and _decides(node, check=id(node) in checks, rows_held=rows_held)
        }
    )
    yield from (Place(file, line, lines[line - 1].strip()) for line in found)


def _decides(node: ast.Compare, *, check: bool, rows_held: bool) -> bool:
    sides = [node.left, *node.comparators]
    if any(_name(side) in MODALITIES for side in sides):
        return True
    if check:
        return False
    if any(
        isinstance(side, ast.Attribute) and side.attr == "ndim" and _name(side.value) in INPUTS
        for side in sides
    ):
        numbers = [side.value for side in sides if isinstance(side, ast.Constant)]
        return all(isinstance(number, int) and number >= FEWEST for number in numbers)
    if not any(isinstance(side, ast.Constant) and side.value is None for side in sides):
        return False
    return any(_is_part(side, rows_held=rows_held) for side in sides)


def _is_part(side: ast.expr, *, rows_held: bool) -> bool:
    if isinstance(side, ast.Attribute):
        holder = _name(side.value)
        return side.attr in OF_ONE_KIND and holder in HOLDERS and (holder, side.attr) not in CHOICES
    return rows_held and isinstance(side, ast.Name) and side.id in PARTS_ALONE


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def every_place(root: Path = ROOT) -> list[Place]:
    """Places in the package, by file and line; those of ``contracts/modality.py`` are no such.

    Args:
        root: a checkout.
    """
    files = sorted({path.resolve() for room in ROOMS for path in (root / room).rglob("*.py")})
    found: list[Place] = []
    for path in files:
        file = path.relative_to(root.resolve()).as_posix()
        if file != HOME:
            found += places(path.read_text(encoding="utf-8"), file=file)
    return found


def main() -> None:
    """Print the count of each room, and each place where it is wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout, for a count before")
    parser.add_argument("--list", action="store_true", help="print each place")
    given = parser.parse_args()
    found = every_place(given.root)
    if given.list:
        for place in found:
            print(f"{place.file}:{place.line}: {place.code}")
    rooms = Counter("/".join(place.file.split("/")[:2]) for place in found)
    for room, count in rooms.most_common():
        print(f"{count:>4}  {room}")
    print(f"places that decide by the kind of input: {len(found)}, in {len({p.file for p in found})} files")


if __name__ == "__main__":
    main()
