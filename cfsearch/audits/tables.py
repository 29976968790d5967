"""Tables of a whole audit: every figure that a condition can be put on, one a row."""

from collections.abc import Iterator

from cfsearch.fronts.frame import Cell

from .metrics import catalogue
from .reading import AuditDocument


def figure_rows(document: AuditDocument) -> Iterator[dict[str, Cell]]:
    """One row a figure of an audit, with the ends of its interval.

    Args:
        document: the content of ``audit.json``.
    """
    for figure in catalogue(document):
        yield {
            "model": figure.model,
            "metric": figure.metric,
            "subject": figure.subject,
            "group": figure.group,
            "value": figure.value,
            "low": figure.low,
            "high": figure.high,
            "n": figure.n,
            "because": figure.because,
        }
