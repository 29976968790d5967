"""Prints the rooms of cfsearch, the arrows between them, and whether any of them goes up or round.

    uv run python benchmarks/house/rooms.py

A room is a folder of ``cfsearch/`` or a module that lies flat in it. An arrow is an import, also a late one inside a
function; imports for type checkers alone carry nothing at run time and are listed apart. Exits with 1 where an arrow
goes up, where modules or rooms import each other in a circle, or where more than 12 modules lie flat.
"""

import sys
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import grimp

ROOT: Final = Path(__file__).resolve().parents[2]
MOST_FLAT: Final = 12


def room(module: str) -> str:
    """The room that a module lies in: its first name below ``cfsearch``."""
    return module.split(".")[1] if "." in module else "cfsearch"


def arrows(graph: grimp.ImportGraph) -> dict[tuple[str, str], int]:
    """How many imports lead from one module to another, by pair, within the package."""
    found: dict[tuple[str, str], int] = {}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            found[importer, imported] = len(graph.get_import_details(importer=importer, imported=imported))
    return found


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """The names of one circle, in order; empty where there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def layers() -> list[set[str]]:
    """The rooms of each layer, highest first, as import-linter is given them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    [declared] = [c["layers"] for c in settings["contracts"] if c["type"] == "layers"]
    return [
        {name.strip().removeprefix("cfsearch.") for name in line.replace(":", "|").split("|")}
        for line in declared
    ]


def main() -> int:
    """Print the graph and say whether it holds."""
    graph = grimp.build_graph("cfsearch", cache_dir=None, exclude_type_checking_imports=True)
    every = grimp.build_graph("cfsearch", cache_dir=None)
    found, typed = arrows(graph), arrows(every)
    between: dict[tuple[str, str], int] = defaultdict(int)
    for (importer, imported), count in found.items():
        if room(importer) != room(imported):
            between[room(importer), room(imported)] += count
    height = {name: i for i, names in enumerate(layers()) for name in names}
    rooms = sorted({room(module) for module in graph.modules} - {"cfsearch"})
    up = [(a, b) for a, b in between if a in height and b in height and height[a] >= height[b]]
    by_module: dict[str, set[str]] = defaultdict(set)
    by_room: dict[str, set[str]] = defaultdict(set)
    for importer, imported in found:
        by_module[importer].add(imported)
    for a, b in between:
        if "cfsearch" not in {a, b}:
            by_room[a].add(b)
    flat = sorted(file.stem for file in (ROOT / "cfsearch").glob("*.py"))
    for name in sorted(rooms, key=lambda name: (height.get(name, -1), name)):
        to = ", ".join(f"{b} {between[name, b]}" for b in sorted(by_room[name]))
        print(f"{height.get(name, '-'):>3}  {name:<12} -> {to or 'nothing'}")
    print(f"rooms {len(rooms)}, arrows between rooms {len(between)}, imports {sum(between.values())}")
    print(f"imports for type checkers only: {len(set(typed) - set(found))}")
    print(f"arrows up: {len(up)} {up or ''}")
    round_rooms, round_modules = circle(by_room), circle(by_module)
    print(f"circles of rooms: {round_rooms or 0}")
    print(f"circles of modules: {round_modules or 0}")
    print(f"modules flat in cfsearch/: {len(flat)} ({', '.join(flat)}), at most {MOST_FLAT}")
    missing = [name for name in rooms if name not in height]
    print(f"rooms in no layer: {', '.join(missing) or 'none'}")
    return int(bool(up or round_rooms or round_modules or missing or len(flat) > MOST_FLAT))


if __name__ == "__main__":
    sys.exit(main())
