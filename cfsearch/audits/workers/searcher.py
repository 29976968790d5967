"""What runs in a worker: opens model, generator and inputs anew, and searches what it is given."""

import base64
import contextlib
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn, final

import torch

from cfsearch.assembly.provenance import versions
from cfsearch.assembly.search import assemble
from cfsearch.audits.batches import Batches
from cfsearch.audits.genuineness_check import GenuinenessCheck
from cfsearch.audits.inputs import audited_inputs
from cfsearch.engine.allocation import keep_freed_memory
from cfsearch.errors import CfsearchError, RunError
from cfsearch.providers.isolated.channel import Channel, Closed
from cfsearch.providers.threads import limit_threads
from cfsearch.runs.record import Stored, stored

from .pool import Task


@final
class Searcher:
    """Searches inputs of an audit in a process of its own.

    Args:
        task: what is searched.
        number: of the worker: of several GPUs it takes the one that is its turn.

    Raises:
        CfsearchError: as ``assemble``; or model, inputs or versions are not those of the process that leads.
    """

    def __init__(self, task: Task, *, number: int = 0) -> None:
        with contextlib.suppress(OSError):  # another machine, where paths must be whole ones
            os.chdir(task.folder)
        sys.path += [entry for entry in task.modules if entry not in sys.path and Path(entry).exists()]
        keep_freed_memory()
        config = task.config
        if config.run.threads is not None:
            limit_threads(config.run.threads)
        _alike("versions", dict(task.versions), versions())
        if config.run.device == "cuda" and torch.cuda.device_count() > 1:
            device = f"cuda:{number % torch.cuda.device_count()}"
            config = config.model_copy(update={"run": config.run.model_copy(update={"device": device})})
        assembly = assemble(config)
        inputs = audited_inputs(assembly)
        _alike("files", dict(task.hashes), inputs.hashes)
        second, check = None, None
        if task.second is not None and assembly.second_generator is not None:
            second = GenuinenessCheck(
                assembly.model, assembly.second_generator, task.second, config.run.device
            )
        if task.calibration is not None:
            check = GenuinenessCheck(
                assembly.model, assembly.search.generator, task.calibration, config.run.device, second
            )
        self._batches = Batches(assembly, assembly.search, inputs.refs, inputs.photographs, check)

    def search(self, positions: Sequence[int]) -> tuple[list[Stored], CfsearchError | None]:
        """The stored rows of some inputs, and why no more can be searched, where none can.

        Args:
            positions: of the inputs in the audit.
        """
        try:
            result = self._batches.searched(positions)
        except CfsearchError as error:
            return [], error
        return [stored(row) for row in result.rows], result.gone


def serve(end: socket.socket, memory: int, *, lacking: list[str]) -> NoReturn:
    """Search what comes over a socket until the other side ends.

    Args:
        end: the socket.
        memory: descriptor of the shared memory, which is not used.
        lacking: what the system did not let this process give up: nothing was to be.
    """
    os.close(memory)
    del lacking
    channel = Channel(end)
    try:
        first = channel.receive()
        try:
            searcher = Searcher(Task.unpacked(base64.b64decode(first["task"])), number=int(first["number"]))
        except CfsearchError as error:
            channel.send(failure(error))
            raise Closed from error
        while True:
            positions = channel.receive()["positions"]
            channel.send({"begun": True})
            rows, gone = searcher.search(positions)
            for row in rows:
                channel.send({"row": to_json(row)})
            channel.send({"done": True} if gone is None else failure(gone))
    except Closed:
        os._exit(0)


def failure(error: CfsearchError) -> dict[str, Any]:  # Any: JSON values
    """An error as a message.

    Args:
        error: of the search.
    """
    return {"error": type(error).__name__, "message": str(error)}


def to_json(row: Stored) -> list[Any]:  # Any: JSON values
    """A stored row as JSON holds it.

    Args:
        row: with its checksums.
    """
    front = None if row.front is None else base64.b64encode(row.front).decode()
    return [*row[:7], front, row.front_sha256, row.row_sha256]


def _alike(what: str, leading: dict[str, str], own: dict[str, str]) -> None:
    """Refuse a machine whose results would be others."""
    names = sorted({*leading, *own})
    other = [f"{n} {own.get(n)} (there {leading.get(n)})" for n in names if own.get(n) != leading.get(n)]
    if other:
        raise RunError(
            f"worker on {socket.gethostname()}: its {what} are not those of the process that leads the audit: "
            f"{json.dumps(other[:3], ensure_ascii=False)}. Give all machines the same."
        )
