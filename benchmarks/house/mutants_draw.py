"""Mutants of a source file: which there are, and which of them say nothing about the tests.

The operators are mutmut's (numbers, strings, operators, keywords, dropped arguments, assignments to None, ...).
What they make is left out by rule where no test could or should tell it from the original:

- docstrings, annotations, decorators, imports, ``assert`` (our own mistakes), ``if TYPE_CHECKING``, ``__all__`` and
  ``__slots__``;
- what stands in a ``raise`` and in calls that log or warn: the wording of messages;
- strings of several words, which are wording wherever they stand;
- the keyword arguments of ``NEUTRAL``: they name the encoding that is the default here, or help texts;
- calls of ``cast``, ``TypeVar``, ``len`` and ``isinstance``, which fail for whatever reason they are changed.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

ROOMS: Final = (
    "cfsearch/assembly",
    "cfsearch/audits",
    "cfsearch/cli",
    "cfsearch/datasets/tables",
    "cfsearch/engine",
    "cfsearch/fronts",
    "cfsearch/report",
    "generators",
    "objectives",
)
NEUTRAL: Final = frozenset({"encoding", "ensure_ascii", "help", "hidden", "metavar", "stacklevel", "strict"})
NEVER_CALLS: Final = frozenset({"NewType", "TypeVar", "cast", "isinstance", "len"})
LOGGING: Final = frozenset({"debug", "exception", "info", "warn", "warning"})
NEVER_NAMES: Final = frozenset({"__all__", "__slots__"})
SKIPPED: Final = (cst.Annotation, cst.Assert, cst.Decorator, cst.Import, cst.ImportFrom, cst.Raise)
PROSE: Final = re.compile(r"[A-Za-z].*\s|\s.*[A-Za-z]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Change:
    """A node of a file, what it may become, by which operator, and the line that this concerns."""

    node: cst.CSTNode
    mutated: cst.CSTNode
    operator: str
    line: int


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one file.

    Args:
        file: the path from the root of the repository.
        line: the line of the part that is changed, from 1.
        operator: mutmut's name of the operator.
        change: the code of the part before and after, for people.
        code: the whole text of the file with the change in it.
    """

    file: str
    line: int
    operator: str
    change: str
    code: str

    @property
    def key(self) -> str:
        """What tells the mutant from all others of the same tree."""
        return f"{self.file}:{self.line} {self.operator} {self.change}"


def files(root: Path) -> list[str]:
    """The source files that mutants are drawn from, sorted.

    Args:
        root: the root of a tree of the repository.
    """
    found = {file for room in ROOMS for file in (root / room).rglob("*.py")}
    return sorted(str(file.relative_to(root)) for file in found)


def _called(node: cst.Call) -> str:
    """The last name of what is called."""
    if isinstance(node.func, cst.Attribute):
        return node.func.attr.value
    return node.func.value if isinstance(node.func, cst.Name) else ""


def _is_prose(node: cst.CSTNode) -> bool:
    """Whether a string, or any part of a joined one, is words for people."""
    if isinstance(node, cst.ConcatenatedString):
        return _is_prose(node.left) or _is_prose(node.right)
    if isinstance(node, cst.SimpleString):
        return bool(PROSE.search(str(node.evaluated_value)))
    if isinstance(node, cst.FormattedString):
        return any(isinstance(p, cst.FormattedStringText) and PROSE.search(p.value) for p in node.parts)
    return False


class _Visitor(cst.CSTVisitor):
    """Collects every change that no rule leaves out."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[_Change] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Whether the parts of a node are visited too."""
        if isinstance(node, SKIPPED) or self._says_nothing(node):
            return False
        operators: Iterable[tuple[type, Callable[[Any], Iterable[cst.CSTNode]]]] = mutation_operators
        for kind, operator in operators:
            if isinstance(node, kind):
                for mutated in operator(node):
                    self._keep(node, mutated, operator.__name__.removeprefix("operator_"))
        return True

    def _says_nothing(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.Call):
            return _called(node) in NEVER_CALLS | LOGGING
        if isinstance(node, cst.Arg):
            return node.keyword is not None and node.keyword.value in NEUTRAL
        if isinstance(node, cst.Assign):
            return any(isinstance(t.target, cst.Name) and t.target.value in NEVER_NAMES for t in node.targets)
        if isinstance(node, cst.Expr):
            return isinstance(node.value, cst.SimpleString | cst.ConcatenatedString)  # a docstring
        if isinstance(node, cst.If):
            return m.matches(node.test, m.Name("TYPE_CHECKING"))
        return isinstance(node, cst.SimpleString | cst.ConcatenatedString) and _is_prose(node)

    def _keep(self, node: cst.CSTNode, mutated: cst.CSTNode, operator: str) -> None:
        place = node
        if operator == "arg_removal" and isinstance(node, cst.Call) and isinstance(mutated, cst.Call):
            pairs = enumerate(node.args)
            place = next(a for i, a in pairs if i >= len(mutated.args) or mutated.args[i] is not a)
            value = place.value if isinstance(place, cst.Arg) else place
            if self._says_nothing(place) or _is_prose(value):
                return
        if isinstance(node, cst.Assign | cst.AnnAssign) and node.value is not None and _is_prose(node.value):
            return
        line = self.get_metadata(PositionProvider, place).start.line  # pyright: ignore[reportAttributeAccessIssue] # always there
        self.found.append(_Change(node, mutated, operator, line))


class Source:
    """A file that mutants are made of, parsed once.

    Args:
        root: the root of a tree of the repository.
        file: the path of the file from there.
    """

    def __init__(self, root: Path, file: str) -> None:
        text = (root / file).read_text(encoding="utf-8")
        wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        visitor = _Visitor()
        wrapper.visit(visitor)
        self.file = file
        self.module = wrapper.module
        self.by_line: dict[int, list[_Change]] = {}
        for change in visitor.found:
            self.by_line.setdefault(change.line, []).append(change)

    def _made(self, change: _Change) -> Mutant | None:
        """The mutant of a change; None where the code stays what it was."""
        changed = self.module.deep_replace(change.node, change.mutated)
        if not isinstance(changed, cst.Module) or changed.code == self.module.code:
            return None
        shown = [" ".join(self.module.code_for_node(n).split()) for n in (change.node, change.mutated)]
        return Mutant(self.file, change.line, change.operator, " -> ".join(shown), changed.code)

    def mutants(self, line: int) -> Iterator[Mutant]:
        """Every mutant of a line that is not left out by rule.

        Args:
            line: the number of the line, from 1.
        """
        for change in self.by_line.get(line, []):
            if (mutant := self._made(change)) is not None:
                yield mutant

    def one(self, line: int, rng: random.Random) -> Mutant | None:
        """One mutant of a line at random; None where it has none.

        Args:
            line: the number of the line, from 1.
            rng: what draws it.
        """
        changes = list(self.by_line.get(line, []))
        rng.shuffle(changes)
        return next((mutant for change in changes if (mutant := self._made(change)) is not None), None)


def drawn(root: Path, n: int, seed: int, of: Iterable[str] = ()) -> Iterator[Mutant]:
    """Mutants drawn at random, each line of code as likely as any other, no line twice.

    Args:
        root: the root of a tree of the repository.
        n: how many.
        seed: what fixes the draw, together with the tree.
        of: beginnings of paths that files must have; none stands for all.
    """
    rng = random.Random(seed)
    within = tuple(of)
    lines = [
        (file, number)
        for file in files(root)
        if not within or file.startswith(within)
        for number, line in enumerate((root / file).read_text(encoding="utf-8").splitlines(), 1)
        if line.strip() and not line.strip().startswith("#")
    ]
    rng.shuffle(lines)
    sources: dict[str, Source] = {}
    given = 0
    for file, number in lines:
        if given == n:
            return
        if file not in sources:
            sources[file] = Source(root, file)
        if (mutant := sources[file].one(number, rng)) is not None:
            yield mutant
            given += 1
