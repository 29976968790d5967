"""What runs in the process of a model: opens it, and answers until the other side ends."""

import os
import pickle
import socket
import warnings
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

import torch
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.errors import (
    CfsearchError,
    CfsearchWarning,
    ModelMemoryError,
    ProviderCrashedError,
    ProviderError,
    cause_of,
    crash,
)
from cfsearch.providers.pixel_clues import Clued
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.tabular import TabularProvider
from cfsearch.providers.threads import limit_threads

from .arena import Arena
from .channel import Channel, Closed, Message
from .recipes import opened

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = 240


def serve(end: socket.socket, memory: int, *, lacking: list[str]) -> NoReturn:
    """Answer requests until the other side ends.

    Args:
        end: the socket to it.
        memory: descriptor of the shared memory.
        lacking: what the system did not let this process give up.
    """
    channel, worker, own = Channel(end), _Worker(Arena(memory), lacking), os.getpid()
    try:
        while True:
            answer = worker.answer(channel.receive())
            if os.getpid() != own:
                os._exit(0)  # the model forked, and this is the copy: one answer is enough
            channel.send(answer)
    except Closed:
        os._exit(0)  # whatever threads the model left behind


@final
class _Worker:
    def __init__(self, arena: Arena, lacking: list[str]) -> None:
        self._arena: Final = arena
        self._model: Provider | None = None
        self._answers: Final[dict[str, Callable[[Message], Message]]] = {
            "handshake": lambda _: {"lacking": lacking},
            "open": self._open,
            "columns": self._columns,
            "predict": self._predict,
            "predict_frame": self._predict_frame,
            "given": self._given,
        }

    def answer(self, request: Message) -> Message:
        """The answer to a request, or the error that it ended with."""
        try:
            return self._answers[request["op"]](request)
        except CfsearchError as error:
            known = next(kind for kind in type(error).__mro__ if kind.__module__ == CfsearchError.__module__)
            return {"error": known.__name__, "message": str(error)}
        except MemoryError:
            return _failure(ModelMemoryError, f"{self._name}: out of memory.")
        except Exception as error:  # noqa: BLE001  # a stranger's code may raise anything
            return _failure(ProviderError, f"provider {self._name!r} raised {cause_of(error, most=_SHOWN)}.")
        except BaseException as error:  # noqa: BLE001  # an exit of the model is not ours
            return _failure(ProviderCrashedError, str(crash(f"{self._name}: the model", error)))

    @property
    def _name(self) -> str:
        return "model" if self._model is None else self._model.name

    def _open(self, request: Message) -> Message:
        self._model = None
        if request["threads"] is not None:
            limit_threads(request["threads"])
        _set_up(request["torch"])
        if request["memory"] is not None:
            limit_memory(request["memory"])
        tensors = self._arena.read(request["tensors"])
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", CfsearchWarning)
            model = opened(request["recipe"], tensors)
        self._model = model
        return {"facts": facts(model), "warnings": [str(one.message) for one in seen]}

    def _columns(self, request: Message) -> Message:
        from cfsearch.providers.tabular_opening import columns_taken

        taken = columns_taken(**request["arguments"])
        return {"columns": None if taken is None else list(taken)}

    def _predict(self, request: Message) -> Message:
        [x] = self._arena.read(request["tensors"])
        with torch.no_grad():
            answer: Any = self._opened.predict(x.to(request["device"]))  # Any: a plug-in's is checked
        return self._written(answer)

    def _predict_frame(self, request: Message) -> Message:
        answer = self._tabular.predict_frame(self._frame(request))
        return {"none": True} if answer is None else self._written(answer)

    def _given(self, request: Message) -> Message:
        [x] = self._arena.read(request["tensors"])
        frame = self._tabular.given(x)
        return {"columns": {str(name): frame[name].tolist() for name in frame.columns}}

    def _written(self, answer: Any) -> Message:  # Any: see above
        if not isinstance(answer, Tensor):
            return {"odd": type(answer).__name__}
        return {"tensors": self._arena.write([answer])}

    def _frame(self, request: Message) -> "pd.DataFrame":
        [content] = self._arena.read(request["tensors"])
        frame: pd.DataFrame = pickle.loads(content.numpy().tobytes())  # noqa: S301  # from our own side
        return frame

    @property
    def _opened(self) -> Provider:
        if self._model is None:
            raise ProviderError("model: it was queried before it was opened.")
        return self._model

    @property
    def _tabular(self) -> TabularProvider:
        model = self._opened
        if not isinstance(model, TabularProvider):
            raise ProviderError(f"{model.name}: is no model of tables.")
        return model


def facts(model: Provider) -> Message:
    """What the other side must know of a model, as plain values.

    Args:
        model: the model that was opened.
    """
    taken: object = getattr(model, "preprocessing", None)
    pictures = taken if isinstance(taken, Preprocessing) else None
    clues = model.pixel_clues if pictures is not None and isinstance(model, Clued) else ()
    parts, known = None, dict[str, list[float]]()
    if isinstance(model, TabularProvider):
        known = {name: list(values) for name, values in model.known_numbers.items()}
        parts = [[part.style.value, part.centre, part.scale] for part in model.encoding.parts]
    return {
        "name": model.name,
        "labels": list(model.labels),
        "scores": model.scores.name,
        "max_batch": model.max_batch,
        "fingerprint": model.fingerprint,
        "batch_invariant": model.batch_invariant,
        "note": model.note,
        "prepared": hasattr(model, "preprocessing"),
        "preprocessing": None if pictures is None else asdict(pictures),
        "pixel_clues": [asdict(clue) for clue in clues],
        "encoding": parts,
        "known_numbers": known,
    }


def limit_memory(limit: int) -> None:
    """Have allocations fail beyond so many bytes, where the system can.

    Args:
        limit: what this process may take beyond what it holds already, in bytes.
    """
    import resource
    from pathlib import Path

    try:
        status = Path("/proc/self/status").read_text()
        held = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
        resource.setrlimit(resource.RLIMIT_DATA, (held + limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    except (OSError, ValueError, StopIteration):
        return  # the other side watches what it holds


def state_of_torch() -> Message:
    """The settings of torch that decide the last bits of an answer."""
    return {
        "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "dtype": str(torch.get_default_dtype()).removeprefix("torch."),
    }


def _set_up(state: Message) -> None:
    torch.set_num_threads(state["threads"])
    torch.set_float32_matmul_precision(state["precision"])
    if state["deterministic"] != torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(state["deterministic"])  # imports torch's compiler, for a second
    torch.set_default_dtype(getattr(torch, state["dtype"]))


def _failure(kind: type[CfsearchError], message: str) -> Message:
    return {"error": kind.__name__, "message": message}
