"""Whether a page says what its run says: made again and compared, or read for the sentences that it must hold."""

import difflib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from cfsearch.files import json_digest, read_text
from cfsearch.report import wording
from cfsearch.report.maker import page_maker

from .pages import PAGE, can_be_made_again, page_text

_DATA: Final = re.compile(r'data:[^"\']{40,}')
_LONGEST: Final = 90


def page_findings(
    directory: Path, document: dict[str, Any], *, sealed: bool, again: bool = True
) -> tuple[list[str], list[str]]:
    """What is wrong with the page of a run, and what could not be checked of it.

    A page that this installation made is made again from ``audit.json`` and the fronts and compared byte by byte. One of
    another version, or of the demo, whose pictures are not stored, must hold each verdict of ``audit.json``.

    Args:
        directory: the run directory.
        document: the content of ``audit.json``.
        sealed: whether the run has checksums, so that its page must say which audit it is of.
        again: whether to make the page again; of no use where what it is made from is damaged.
    """
    path = directory / PAGE
    page = read_text(path)
    name = repr(str(path))
    if 'name="cfsearch-audit"' not in page:
        lacks = f"{name} does not say which audit it is of."
        return ([lacks], []) if sealed else ([], [lacks])
    if f'name="cfsearch-audit" content="{json_digest(document)}"' not in page:
        return [f"{name} was made from another audit.json than the one beside it."], []
    if not again:
        return [], []
    if can_be_made_again(document) and f'name="cfsearch-maker" content="{page_maker()}"' in page:
        made = page_text(directory)
        if made == page:
            return [], []
        return [f"{name} is not the page that this run gives: {_first_difference(page, made)}"], []
    return _stated(name, page, document)


def _stated(name: str, page: str, document: dict[str, Any]) -> tuple[list[str], list[str]]:
    text = _Text.of(page)
    lacks = [
        verdict["headline"]
        for verdict in document.get("verdicts", ())
        if _plain(wording.mark(verdict["headline"])) not in text
    ]
    if lacks:
        return [f"{name} does not hold the verdict {_short(lacks[0])} of audit.json."], []
    return [], [
        f"{name} was not made by this installation from what is stored, so that only its verdicts were compared; "
        "`cfsearch report` makes it again."
    ]


def _first_difference(page: str, again: str) -> str:
    """The first place where two pages differ, in words."""
    one, other = (_DATA.sub(_digest_of_data, text).splitlines() for text in (page, again))
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind != "equal":
            return (
                f"line {i1 + 1} says {_short(' '.join(one[i1:i2]))}, what is stored gives "
                f"{_short(' '.join(other[j1:j2]))}."
            )
    return "its pictures are others."


def _digest_of_data(match: "re.Match[str]") -> str:
    return f"data:{json_digest(match[0])[:12]}"


def _short(text: str) -> str:
    text = _plain(text)
    return repr(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}...")


def _plain(text: str) -> str:
    return " ".join(text.split())


class _Text(HTMLParser):
    """The text of a page that a reader sees."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._hidden = 0

    @classmethod
    def of(cls, page: str) -> str:
        parser = cls()
        parser.feed(page)
        return _plain("".join(parser._parts))

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._parts.append(data)
