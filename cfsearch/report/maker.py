"""Digest of all that a page is made by, so that the same page can be made again and compared."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

_KINDS: Final = frozenset({".py", ".html", ".css", ".js"})
_PACKAGES: Final = ("cfsearch", "jinja2", "markupsafe", "numpy", "pillow", "torch")


@cache
def page_maker() -> str:
    """SHA-256 of the package's code and templates, and of the versions of what draws and writes a page.

    Example:
        >>> len(page_maker())
        64
    """
    root = Path(__file__).parent.parent
    found = hashlib.sha256(" ".join(f"{name}={version(name)}" for name in _PACKAGES).encode())
    for path in sorted(path for path in root.rglob("*") if path.suffix in _KINDS):
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()
