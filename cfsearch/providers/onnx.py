"""An audited model in an ONNX file, asked through onnxruntime."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError, ModelFileError, ProviderError, UnsafeModelError
from cfsearch.provider import Provider, ScoreKind

from .answers import RawArray, ask_in_pieces, indices_of, scores_of
from .onnx_file import OnnxFile, read_onnx_file
from .onnx_graph import ending, hinted_labels, one_line, unsupported
from .preprocessing import Number, Preprocessing
from .probes import first_answer, settle
from .sidecar import InputTable, sidecar_of, sidecar_path

_FLOOR: Final = (1, 24, 1)
"""Before this version onnxruntime reads external data outside the model's folder."""
_MAX_BATCH: Final = 256
_NUMBERS: Final[dict[str, Number]] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
_WORDS: Final = "tensor(string)"
_MAPS: Final = "seq(map("


class _Arg(Protocol):
    """What onnxruntime tells of an input or output."""

    name: str
    type: str
    shape: Sequence[int | str | None]


class _Session(Protocol):
    """The part of ``onnxruntime.InferenceSession`` that is used; it has no types of its own."""

    def get_inputs(self) -> list[_Arg]: ...
    def get_outputs(self) -> list[_Arg]: ...
    def get_providers(self) -> list[str]: ...
    def run(self, names: list[str], feeds: dict[str, RawArray]) -> list[Any]: ...  # Any: arrays or maps


@final
@dataclass(frozen=True, slots=True)
class _Door:
    """The one input and the one output through which a model is asked."""

    input: str
    batch: int | None
    columns: int | None
    preprocessing: Preprocessing | None
    output: str
    output_type: str


@final
class OnnxProvider(Provider):
    """A model in an ONNX file, on the CPU or a GPU; see ``open``."""

    def __init__(
        self,
        *,
        file: OnnxFile,
        session: _Session,
        door: _Door,
        name: str,
        labels: tuple[str, ...],
        scores: ScoreKind,
        max_batch: int,
        note: str,
    ) -> None:
        self.path: Final = file.path
        self.name = name
        self.labels = labels
        self.scores = scores
        self.max_batch = max_batch
        self._sha256: Final = file.sha256
        self._session: Final = session
        self._door: Final = door
        self._note: Final = note

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        sidecar: str | Path | None = None,
        device: str = "cpu",
        threads: int | None = None,
        max_batch: int | None = None,
    ) -> "OnnxProvider":
        """The model in a file, checked before the runtime sees it, and asked once.

        Args:
            path: an ``.onnx`` file; external data must lie in its folder.
            sidecar: its TOML, by default ``model.toml`` beside ``model.onnx``; what is not
                declared is read from the file or found out from answers to known inputs, and
                said in ``note``.
            device: "cpu", "cuda" or "cuda:1".
            threads: cores for one operator; all when left out.
            max_batch: most inputs asked at once, instead of the sidecar's.

        Raises:
            ModelFileError: the file cannot be read, is not supported, or does not fit what the
                sidecar says.
            UnsafeModelError: the file reaches outside its folder.
            ConfigError: the sidecar is wrong, or the device is not to be had.
            ProviderError: the model failed when it was asked for the first time.
        """
        path = Path(path)
        file = read_onnx_file(path)
        said = sidecar_of(path, given=None if sidecar is None else Path(sidecar))
        session = _open_session(file, device=device, threads=threads)
        door = _door(path, session, table=said.input, output=said.output)
        who = said.name or path.stem
        hint = ending(file.model, door.output) if door.output_type in _NUMBERS else None
        if door.output_type.startswith(_MAPS):
            hint = ScoreKind.PROBABILITIES
        raw = first_answer(
            lambda x: _ask(session, door, x, labels=said.labels, who=who),
            preprocessing=door.preprocessing,
            features=door.columns,
        )
        settled = settle(
            raw,
            labels=said.labels,
            scores=ScoreKind.LABELS if door.output_type == _WORDS else said.kind,
            hint=hint,
            who=f"{path}",
            where=str(sidecar or sidecar_path(path)),
        )
        hints = hinted_labels(file.model)
        note = settled.note
        if said.labels is None and len(hints) == len(settled.labels):
            note += f" The file's metadata mention the names {', '.join(hints)}: a hint, not used."
        batch = max_batch or said.max_batch or _MAX_BATCH
        if batch < 1:
            raise ConfigError(f"onnx: `max_batch` must be at least 1, got {batch}.")
        return cls(
            file=file,
            session=session,
            door=door,
            name=who,
            labels=settled.labels,
            scores=settled.scores,
            max_batch=batch if door.batch is None else door.batch,
            note=note.strip(),
        )

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What is done to images before the model sees them; None for a model of tables."""
        return self._door.preprocessing

    @property
    def output(self) -> str:
        """The name of the output that is read."""
        return self._door.output

    @property
    def fixed_batch(self) -> int | None:
        """How many inputs the model takes at once where that is fixed; fewer are padded."""
        return self._door.batch

    @property
    def fingerprint(self) -> str:
        """Hash of the file, its external data, the preprocessing and what is read of it."""
        before = self._door.preprocessing.fingerprint if self._door.preprocessing else "table"
        return f"onnx:{self._sha256}:{before[:16]}:{self._door.output}:{self.scores.name.lower()}"

    @property
    def note(self) -> str:
        """What was found out instead of declared."""
        return self._note

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The model's answer for each input; see ``Provider``."""
        raw = ask_in_pieces(
            x,
            max_batch=self.max_batch,
            ask=lambda part: _ask(self._session, self._door, part, labels=self.labels, who=self.name),
        )
        answer = scores_of(raw, n=x.shape[0], labels=self.labels, kind=self.scores, who=self.name)
        return answer.to(device=x.device, dtype=x.dtype if x.is_floating_point() else torch.float32)


def check_runtime(version: str, *, file: OnnxFile) -> None:
    """Refuses external data where the installed onnxruntime cannot be trusted with it.

    Raises:
        UnsafeModelError: the file has external data and the version is below 1.24.1.
    """
    numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:3])
    if file.external and numbers < _FLOOR:
        raise UnsafeModelError(
            f"{file.path}: has external data, and onnxruntime {version} reads it even outside the "
            "model's folder. Upgrade: pip install 'onnxruntime>=1.24.1'."
        )


def _open_session(file: OnnxFile, *, device: str, threads: int | None) -> _Session:
    import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types

    check_runtime(ort.__version__, file=file)
    engines = _engines(device, available=ort.get_available_providers())
    options = ort.SessionOptions()
    ort.set_default_logger_severity(4)  # its C++ log goes to stderr; errors reach us as exceptions
    options.log_severity_level = 4
    options.use_deterministic_compute = True
    if threads is not None:
        if threads < 1:
            raise ConfigError(f"onnx: `threads` must be at least 1, got {threads}.")
        options.intra_op_num_threads = threads
    if file.external:
        folder = str(file.path.parent.resolve())
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
    try:
        # The bytes that were checked, not the path: the file may have changed since.
        session: _Session = ort.InferenceSession(file.content, options, providers=engines)
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        complaint = str(error)
        ops = [(s.domain, s.name) for s in ort.capi.onnxruntime_pybind11_state.get_all_operator_schema()]
        trouble = unsupported(file.model, complaint=complaint, known_ops=ops)
        if trouble is None and _is_out_of_memory(complaint):
            raise ProviderError(f"{file.path}: out of memory while the model was loaded.") from error
        raise ModelFileError(
            f"{file.path}: {trouble or f'onnxruntime cannot load it: {one_line(complaint)}'}."
        ) from error
    if device != "cpu" and "CUDAExecutionProvider" not in session.get_providers():
        raise ConfigError(_no_cuda(device, "it could not start (driver or CUDA libraries missing)"))
    return session


def _engines(device: str, *, available: list[str]) -> list[str | tuple[str, dict[str, str]]]:
    if device == "cpu":
        return ["CPUExecutionProvider"]
    found = re.fullmatch(r"cuda(?::(\d+))?", device)
    if found is None:
        raise ConfigError(f"onnx: `device` must be 'cpu', 'cuda' or 'cuda:N', got {device!r}.")
    if "CUDAExecutionProvider" not in available:
        raise ConfigError(_no_cuda(device, f"it has {', '.join(available)}"))
    return [("CUDAExecutionProvider", {"device_id": found[1] or "0"}), "CPUExecutionProvider"]


def _no_cuda(device: str, why: str) -> str:
    return (
        f"onnx: device {device!r} needs onnxruntime's CUDAExecutionProvider, but {why}. "
        "Run: pip uninstall onnxruntime; pip install onnxruntime-gpu. Or use --device cpu."
    )


def _is_out_of_memory(complaint: str) -> bool:
    return bool(re.search(r"bad_?alloc|[Ff]ailed to allocate|out of memory", complaint))


def _door(path: Path, session: _Session, *, table: InputTable, output: str | None) -> _Door:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise ModelFileError(
            f"{path}: expected a model with one input, got {len(inputs)} "
            f"({', '.join(i.name for i in inputs)}). Export it with one."
        )
    taken = inputs[0]
    number = _NUMBERS.get(taken.type)
    if number is None:
        raise ModelFileError(
            f"{path}: its input {taken.name!r} is of type {taken.type}, expected one of "
            f"{', '.join(_NUMBERS)}. Export it for images as numbers."
        )
    shape = [size if isinstance(size, int) and size > 0 else None for size in taken.shape]
    if len(shape) not in (2, 4):
        raise ModelFileError(
            f"{path}: its input {taken.name!r} has shape {list(taken.shape)}, expected images "
            "(n, channels, height, width) or tables (n, columns)."
        )
    chosen = _chosen(path, outputs, output=output)
    images = len(shape) == 4
    return _Door(
        input=taken.name,
        batch=shape[0],
        columns=None if images else shape[1],
        preprocessing=_preprocessing(path, shape[1:], number, table=table) if images else None,
        output=chosen.name,
        output_type=chosen.type,
    )


def _chosen(path: Path, outputs: list[_Arg], *, output: str | None) -> _Arg:
    listed = ", ".join(f"{o.name} {o.type}" for o in outputs)
    if output is not None:
        named = [o for o in outputs if o.name == output]
        if not named:
            raise ModelFileError(f"{path}: has no output {output!r}. It has: {listed}.")
        return named[0]
    if len(outputs) == 1:
        return outputs[0]
    numeric = [o for o in outputs if o.type in _NUMBERS or o.type.startswith(_MAPS)]
    rest = [o for o in outputs if o not in numeric]
    # scikit-learn's converters give the label beside the probabilities.
    if len(numeric) == 1 and all(o.type in ("tensor(int64)", _WORDS) for o in rest):
        return numeric[0]
    raise ModelFileError(
        f"{path}: has {len(outputs)} outputs ({listed}). Say which holds the scores: "
        f'output = "..." in {sidecar_path(path)}.'
    )


def _preprocessing(
    path: Path, shape: list[int | None], number: Number, *, table: InputTable
) -> Preprocessing:
    """What the file's input shape says, completed by the sidecar, which must agree with it."""
    last = shape[2] in (1, 3) and shape[0] not in (1, 3)
    layout = table.layout or ("nhwc" if last else "nchw")
    channels, height, width = (shape[2], *shape[:2]) if layout == "nhwc" else shape
    if channels not in (None, 1, 3):
        raise ModelFileError(
            f"{path}: takes {channels} channels ({layout}), expected 1 (grey) or 3 (RGB)."
        )
    where = table.size or (None, None)
    for what, fixed, said in (
        ("height", height, where[0]),
        ("width", width, where[1]),
        ("channels", channels, table.channels),
    ):
        if None not in (fixed, said) and fixed != said:
            raise ModelFileError(
                f"{path}: takes images of {what} {fixed}, but {sidecar_path(path).name} says {said}. "
                "Correct [input]."
            )
    if table.dtype is not None and table.dtype != number:
        raise ModelFileError(
            f"{path}: takes {number}, but {sidecar_path(path).name} says {table.dtype}. Correct [input]."
        )
    size = (height, width) if height is not None and width is not None else None
    base = Preprocessing(
        size=size,
        channels=1 if (channels or table.channels) == 1 else 3,
        layout=layout,
        dtype=number,
        range="0..255" if number == "uint8" else "0..1",
    )
    return table.over(base)


def _ask(
    session: _Session, door: _Door, x: Tensor, *, labels: tuple[str, ...] | None, who: str
) -> Tensor:
    """The model's own numbers for at most one batch (any number, where it is fixed)."""
    if door.batch is not None and x.shape[0] > door.batch:
        return ask_in_pieces(
            x,
            max_batch=door.batch,
            ask=lambda part: _ask(session, door, part, labels=labels, who=who),
        )
    with torch.no_grad():
        ready = door.preprocessing.apply(x) if door.preprocessing else x.to(torch.float32)
    rows = np.ascontiguousarray(ready.cpu().numpy())
    n = len(rows)
    if door.batch is not None and n < door.batch:
        rows = np.concatenate([rows, np.repeat(rows[-1:], door.batch - n, axis=0)])
    try:
        answer = session.run([door.output], {door.input: rows})[0]
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        what = "out of memory; lower max_batch" if _is_out_of_memory(str(error)) else one_line(str(error))
        raise ProviderError(
            f"{who}: the model failed on inputs of shape {tuple(rows.shape)}: {what}."
        ) from error
    return _tensor(answer, n=n, labels=labels, who=who)


def _tensor(answer: Any, *, n: int, labels: tuple[str, ...] | None, who: str) -> Tensor:
    """An answer as numbers. ``answer`` is Any: onnxruntime gives arrays or lists of maps."""
    if isinstance(answer, list):  # scikit-learn's ZipMap: one {class: probability} a row
        keys = list(answer[0])
        if labels is not None and {str(key) for key in keys} == set(labels):
            keys.sort(key=lambda key: labels.index(str(key)))
        answer = np.array([[row[key] for key in keys] for row in answer], dtype=np.float32)
    if answer.dtype.kind in "OUS":
        if labels is None:
            raise ModelFileError(f"{who}: answers in words; give `labels` in its sidecar.")
        answer = indices_of(answer, labels=labels, who=who)
    rows = torch.from_numpy(np.ascontiguousarray(answer))
    return rows[:n] if rows.ndim else rows


