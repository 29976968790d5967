"""Hooks of mkdocs: links out of docs/ become names of files, and nothing is loaded from elsewhere."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"\[([^\]]*)\]\(\.\./([^)#\s]+)(#[^)]*)?\)")
_ELSEWHERE = re.compile(r'<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"')
_SHIM = ("https://unpkg.com/iframe-worker/shim", "assets/iframe-worker.js")
"""What the plug-in `offline` loads from elsewhere all the same, and our copy of it."""


def on_page_markdown(markdown: str, **_given: object) -> str:
    """The page without links to files outside docs/; one to a file that is not there is left, so that the build fails."""

    def shown(match: "re.Match[str]") -> str:
        text, path = match[1], match[2]
        if not (_ROOT / path).exists():
            return match[0]
        return text if path in text else f"{text} (`{path}`)"

    return _LINK.sub(shown, markdown)


def on_post_page(output: str, **_given: object) -> str:
    """The page as HTML, which needs no network.

    Raises:
        ValueError: something on it would be loaded from elsewhere.
    """
    return _checked(output)


def on_post_template(output_content: str, **_given: object) -> str:
    """The same of pages that come from no Markdown, such as 404.html."""
    return _checked(output_content)


def _checked(output: str) -> str:
    page = output.replace(*_SHIM)
    found = _ELSEWHERE.search(page)
    if found is not None:
        raise ValueError(f"the site would load {found[0]} from elsewhere.")
    return page
