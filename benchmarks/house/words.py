"""Lists words that are this project's own where the field has a term, in code, prose and the names of tests.

    uv run python benchmarks/house/words.py [PATH ...]

Names of Python code are split at underscores and capitals (``_asked``, ``HouseForm``), prose (docstrings, comments,
messages, pages) at the ends of words. Of tests only the names of functions and classes count, as their prose
describes what they try. Exits with 1 where a word stands that no exception covers, or where an exception covers
nothing any more.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDERS: Final = ("cfsearch", "generators", "objectives", "models", "benchmarks", "examples", "docs")
FILES: Final = ("README.md", "CONTRIBUTING.md")
SUFFIXES: Final = frozenset({".py", ".md", ".html", ".toml"})

INSTEAD: Final = {
    "told": "given, declared, reported, distinguished",
    "asked": "queried, given, wanted",
    "asking": "querying",
    "said": "declared, noted, stated, spoken",
    "wish": "target, setting",
    "wishes": "targets, settings",
    "house": "canonical form",
    "door": "interface, boundary",
    "doors": "interfaces, boundaries",
    "hello": "handshake",
    "keeping": "verification",
    "lockstep": "one batch, --batch-size",
    "row_wise": "batch_invariant",
    "settle": "infer_signature",
    "settled": "decided; ModelSignature",
    "settles": "decides",
    "question": "query, purpose",
    "questions": "queries",
}
"""Each word, and what to write instead."""
NAMES_ONLY: Final = {"reach": "the bounds, radius or range that it is"}
"""Words that prose may use in their ordinary meaning, but no name."""
_PROSE: Final = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.IGNORECASE)
_CAPITALS: Final = re.compile(r"\bAWAY\b")
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Found(NamedTuple):
    """One word at its place."""

    path: str
    line: int
    word: str
    text: str


class Allowed(NamedTuple):
    """Where a word is right, and why: in lines of ``path`` (any with ``*``) that hold ``text``."""

    path: str
    text: str
    reason: str


ALLOWED: Final = (
    Allowed("benchmarks/house/words.py", "", "the list of the words"),
    Allowed("*", "house/", "the folder of this file"),
    Allowed("docs/explainers.md", "in JSON `questions`", "a key of the front's schema, version 1"),
    Allowed("tests/datasets/tables/test_tables.py", "test_a_question_mark", "the sign of that name"),
    Allowed("cfsearch/audits/figures.py", '"questions":', "a key of the audit's schema, version 1"),
    Allowed("cfsearch/fronts/document.py", '"questions":', "a key of the front's schema, version 1"),
    Allowed("cfsearch/fronts/file.py", '"questions"', "a key of front files"),
    Allowed("cfsearch/report/part_audited.html", "c.questions", "a key of the audit's schema, version 1"),
    Allowed("cfsearch/runs/export.py", '"questions":', "a column of exported tables"),
    Allowed("generators/attgan/files.py", "its older name", "files of before are still read"),
    Allowed("generators/pixels.py", "_OLD_NAMES", "settings of before are still read"),
)


def in_name(name: str) -> Iterator[str]:
    """The words of a name that have a better one."""
    if name == "AWAY":
        yield name
    if "row_wise" in name.lower():
        yield "row_wise"
    for part in _PARTS.findall(name):
        word = part.lower()
        if word in INSTEAD or (word in NAMES_ONLY and not name.startswith("test_")):
            yield word


def in_prose(text: str) -> Iterator[tuple[int, str]]:
    """Each such word of a text, and how many line ends come before it."""
    for pattern in (_PROSE, _CAPITALS):
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()), match.group()


TEXTS: Final = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
"""Tokens that hold prose; since Python 3.12 the text of an f-string is one of its own."""


def in_python(source: str, *, prose: bool = True) -> Iterator[tuple[int, str]]:
    """Line and word of everything in a Python file; of the names of functions and classes without ``prose``."""
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and (prose or before in ("def", "class")):
            yield from ((token.start[0], word) for word in in_name(token.string))
        elif prose and token.type in TEXTS:
            yield from ((token.start[0] + line, word) for line, word in in_prose(token.string))
        if token.type == tokenize.STRING and prose and token.string.strip("\"'") in NAMES_ONLY:
            yield token.start[0], token.string.strip("\"'")
        before = token.string


def found(paths: list[Path]) -> Iterator[Found]:
    """Everything in these files."""
    for path in paths:
        name, source = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        lines = source.split("\n")
        if path.suffix == ".py":
            hits = in_python(source, prose=not name.startswith("tests/"))
        else:
            hits = ((line + 1, word) for line, word in in_prose(source))
        for line, word in sorted(set(hits)):
            yield Found(name, line, word, lines[line - 1].strip())


def files(paths: list[str]) -> list[Path]:
    """Files below the paths; everything that is looked at where none is given. Links are not followed."""
    roots = [ROOT / p for p in (paths or (*FOLDERS, *FILES, "tests"))]
    below = {p for root in roots for p in ((root,) if root.is_file() else root.rglob("*"))}
    return sorted(
        p
        for p in below
        if p.is_file() and p.suffix in SUFFIXES and not any(x.is_symlink() for x in p.parents)
    )


def main(arguments: list[str]) -> int:
    """Print every word that stands, and say whether there is none."""
    used: set[Allowed] = set()
    count = 0
    for hit in found(files(arguments)):
        covered = {e for e in ALLOWED if e.path in ("*", hit.path) and e.text in hit.text}
        used |= covered
        if not covered:
            count += 1
            instead = {**INSTEAD, **NAMES_ONLY}.get(hit.word.lower(), "untargeted")
            print(f"{hit.path}:{hit.line}: {hit.word} ({instead}): {hit.text[:100]}")
    idle = [] if arguments else [e for e in ALLOWED if e not in used]
    for exception in idle:
        print(f"an exception covers nothing: {exception.path}: {exception.text!r} ({exception.reason})")
    print(f"{count} words of our own, {len(idle)} idle exceptions")
    return 1 if count or idle else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
