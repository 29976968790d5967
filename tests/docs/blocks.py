"""The fenced blocks of a page of documentation, and the marks that stand before them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_FIRST: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
PAGES: Final = (*(path for path in _FIRST if path.is_file()), *sorted((ROOT / "docs").glob("*.md")))
"""None where there is no checkout."""
LANGUAGES: Final = ("console", "python", "text", "toml")
"""What a block may say that it is; ``text`` is a drawing or an output, which nobody runs."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\s*$")
_MARK = re.compile(r"<!--\s*not run:\s*(?P<reason>.*?)\s*-->", flags=re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Args:
        page: the name of its page.
        line: the line of its fence, counted from 1.
        language: what the fence says.
        text: what stands inside.
        reason: why it is not run, from ``<!-- not run: REASON -->`` before it; empty where it is.
    """

    page: str
    line: int
    language: str
    text: str
    reason: str = ""

    @property
    def commands(self) -> list[str]:
        """The lines of a console block, without comments; a line that ends in ``\\`` goes on in the next."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = (re.sub(r"\s{2,}#.*|^#.*", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line]


def blocks_of(text: str, *, page: str) -> list[Block]:
    """All blocks of a page, in order.

    Raises:
        ValueError: a block has no end.
    """
    found: list[Block] = []
    lines = text.splitlines()
    start, begin, before = -1, None, 0
    for at, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence is None:
            continue
        if begin is None:
            start, begin = at, fence
            continue
        inside = [row.removeprefix(begin["indent"]) for row in lines[start + 1 : at]]
        gap = "\n".join(lines[before:start])
        marks = list(_MARK.finditer(gap))
        mark = marks[-1] if marks and not gap[marks[-1].end() :].strip() else None
        reason = "" if mark is None else mark["reason"]
        found.append(Block(page, start + 1, begin["language"], "\n".join(inside) + "\n", reason))
        begin, before = None, at + 1
    if begin is not None:
        raise ValueError(f"{page}, line {start + 1}: the block has no end")
    return found


def page_blocks(path: Path) -> list[Block]:
    """All blocks of a file."""
    return blocks_of(path.read_text(encoding="utf-8"), page=path.relative_to(ROOT).as_posix())


def marks_of(text: str) -> int:
    """How many marks stand in a page, before a block or anywhere else."""
    return len(_MARK.findall(text))
