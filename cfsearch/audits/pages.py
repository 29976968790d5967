"""Reading a run directory again, and its page."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cfsearch.errors import RunError
from cfsearch.places import check_place, is_folder, is_there
from cfsearch.runs.checksums import reseal
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.guard import read_object
from cfsearch.secrecy import redacted_audit

if TYPE_CHECKING:
    from cfsearch.fronts.front import ParetoFront

PAGE: Final = "report.html"
"""The page of a run, in its directory."""


def open_run(directory: str | Path) -> RunDirectory:
    """A run to look at.

    Args:
        directory: the run directory.

    Raises:
        RunError: there is none; names the runs inside where the directory holds several.
    """
    directory = Path(directory)
    inside = sorted(path.parent for path in directory.glob("*/run.sqlite"))
    if inside and not (directory / "run.sqlite").exists():
        names = ", ".join(str(path) for path in inside[:5])
        raise RunError(f"{str(directory)!r} holds several runs; name one of them: {names}.")
    return RunDirectory.read(directory)


def read_audit(directory: str | Path) -> dict[str, Any]:
    """``audit.json`` of a run that ended.

    Args:
        directory: the run directory.

    Raises:
        RunError: there is none yet.
        DamagedError: it is damaged.
    """
    directory = Path(directory)
    path = directory / "audit.json"
    if not is_there(path):
        raise RunError(
            f"run {str(directory)!r}: has no audit.json; it has not ended yet. Give its `cfsearch audit` "
            "command again to finish it."
        )
    return redacted_audit(read_object(path))


def can_be_made_again(document: Mapping[str, Any]) -> bool:
    """Whether the page of an audit holds nothing but what is stored; that of the demo holds true pictures.

    Args:
        document: the content of ``audit.json``.
    """
    return not document.get("genuine")


def page_text(directory: str | Path) -> str:
    """The page of a run from what is stored; of several models, one page of all.

    Args:
        directory: the run directory.

    Raises:
        RunError: no run, or one that has not ended.
    """
    from cfsearch.report.page import ReportInstance, build_page
    from cfsearch.report.plan import MOST_FRONTS, MOST_READ

    directory = Path(directory)
    together = (directory / "audit.json").is_file() and not (directory / "run.sqlite").exists()
    if not together:
        with open_run(directory):  # says what is missing
            pass
    document = read_audit(directory)
    models = [entry["id"] for entry in document["models"]]
    if not can_be_made_again(document):
        raise RunError(
            f"run {str(directory)!r}: its page holds true pictures, which are drawn by the command that made "
            "it; give that command again."
        )
    instances: list[ReportInstance] = []
    left_out, read = 0, 0
    for model in models:
        most, room = len(instances) + MOST_FRONTS // len(models), read + MOST_READ // len(models)
        with open_run(directory / model if together else directory) as run:
            for row in run.listed():
                if row.header is None:
                    continue
                if len(instances) >= most or read >= room:
                    left_out += 1
                    continue
                front = run.front(row.name)
                read += _weight(front)
                instances.append(ReportInstance(key=f"{model}/{row.name}", model=model, front=front))
    return build_page(document, instances, left_out=left_out)


def write_report(directory: str | Path, *, to: str | Path | None = None) -> Path:
    """Build ``report.html`` of a run from what is stored; of several models, one page of all.

    Args:
        directory: the run directory.
        to: the file; ``report.html`` in the directory when left out.

    Raises:
        RunError: no run, or one that has not ended.
    """
    from cfsearch.files import write_atomically

    directory = Path(directory)
    page = Path(to) if to is not None else directory / PAGE
    if is_folder(directory):
        check_place(page)  # before all that is stored is read
    write_atomically(page, page_text(directory), follow=to is not None)
    if page.resolve() == (directory / PAGE).resolve():
        reseal(directory, PAGE)
    return page


def _weight(front: "ParetoFront") -> int:
    """Bytes that a front takes in memory, near enough."""
    tensors = (getattr(front, part.name) for part in fields(front))
    return sum(one.nbytes for one in tensors if hasattr(one, "nbytes"))
