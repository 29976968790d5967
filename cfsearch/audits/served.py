"""Audits of served models: answers remembered for a run that goes on, and an end when the server is gone."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cfsearch.assembly.search import Assembly
from cfsearch.engine.progress import Failure
from cfsearch.errors import CfsearchError
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.cache import CachedProvider
from cfsearch.providers.served.contact import ledger_of
from cfsearch.providers.served.messages import ServerDownError

_ANSWERS: Final = "answers.sqlite"


def remembered(assembly: Assembly, folder: Path) -> Assembly:
    """The assembly whose search keeps the answers of a served model in the run directory.

    A search that was interrupted is made again from its beginning, with the same candidates: what the server
    answered about them is not queried again. What is stored is still verified by the server itself. A model that is
    not repeatable, or is queried through votes or a surrogate, is not remembered.

    Args:
        assembly: of the audit.
        folder: the run directory.
    """
    search = assembly.search
    served = ledger_of(assembly.model) is not None
    if not served or search.provider is not assembly.model or not assembly.handshake.repeatable:
        return assembly
    cached = CachedProvider(assembly.model, folder / _ANSWERS)
    return dataclasses.replace(assembly, search=dataclasses.replace(search, provider=cached))


def forget_answers(folder: Path) -> None:
    """Removes what was remembered, when an audit is finished.

    Args:
        folder: the run directory.
    """
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{_ANSWERS}{suffix}").unlink(missing_ok=True)


def server_down(results: Sequence[ParetoFront | Failure]) -> CfsearchError | None:
    """The error of a server that does not answer any more; None while it does.

    Args:
        results: of one batch of searches.
    """
    failures = (result.error for result in results if isinstance(result, Failure))
    return next((error for error in failures if error.code == ServerDownError.code), None)


def served_entry(assembly: Assembly) -> dict[str, Any]:
    """What was sent to a served model, for the manifest; empty of a model that is not served.

    Args:
        assembly: of the audit.
    """
    ledger = ledger_of(assembly.model)
    return {} if ledger is None else {"served": ledger.document()}
