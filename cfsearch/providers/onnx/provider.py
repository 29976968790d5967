"""Provider of an audited model in an ONNX file, run by onnxruntime."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import TableSchema
from cfsearch.errors import ConfigError, ModelFileError, ModelMemoryError, UnsafeModelError
from cfsearch.providers.answering import AnsweringProvider, labels_part
from cfsearch.providers.answers import scores_of
from cfsearch.providers.pixel_clues import Clue
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.probes import infer_signature
from cfsearch.providers.sidecar import assumed_range, sidecar_of, sidecar_path

from .file import OnnxFile, check_external, read_onnx_file
from .graph import class_names, ending, hinted_labels, one_line, refuse_regressor, unsupported
from .outliers import LABELS as OUTLIERS
from .outliers import outlier_detector
from .pixel_graph import graph_clues
from .quantised import quantised, with_free_batch
from .rows import works_by_row
from .running import Session, ask, is_out_of_memory, run_feeds
from .signature import MAPS, NUMBERS, WHOLE, WORDS, GraphSignature, graph_signature

if TYPE_CHECKING:
    import pandas as pd

_FLOOR: Final = (1, 24, 1)
"""Before this version onnxruntime reads external data outside the model's folder."""
_MAX_BATCH: Final = 256
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}")


@final
class OnnxProvider(AnsweringProvider):
    """A model in an ONNX file, on the CPU or a GPU; see ``open``.

    Example:
        >>> from importlib.resources import files
        >>> from cfsearch.providers.opening import open_provider
        >>> model = open_provider(str(files("cfsearch.models").joinpath("gender_natural.onnx")))
        >>> isinstance(model, OnnxProvider), len(model.labels)
        (True, 2)
    """

    family = "onnx"

    def __init__(
        self,
        *,
        file: OnnxFile,
        session: Session,
        signature: GraphSignature,
        name: str,
        labels: tuple[str, ...],
        scores: ScoreKind,
        max_batch: int,
        note: str,
        by_row: bool = False,
        pixel_clues: tuple[Clue, ...] = (),
    ) -> None:
        self.path: Final = file.path
        self.name = name
        self.labels = labels
        self.scores = scores
        self.max_batch = max_batch
        self.sha256: Final = file.sha256
        self._session: Final = session
        self._signature: Final = signature
        self.preprocessing: Preprocessing | None = signature.preprocessing
        self.source: str = file.sha256
        self.notes = note
        self.pixel_clues: tuple[Clue, ...] = pixel_clues
        self.by_row: Final = by_row
        """Whether it keeps rows apart, and runs where batches of one size are computed in one way: the CPU."""

    @classmethod
    def open(
        cls,
        path: str | Path | OnnxFile,
        *,
        sidecar: str | Path | None = None,
        device: str = "cpu",
        threads: int | None = None,
        max_batch: int | None = None,
        probe: Float[Tensor, "p w"] | None = None,
        schema: TableSchema | None = None,
        regression: bool = False,
    ) -> "OnnxProvider":
        """The model in a file, checked before the runtime sees it, and queried once.

        Args:
            path: an ``.onnx`` file, or one that was read and checked before; external data must lie in
                its folder.
            sidecar: its TOML, by default ``model.toml`` beside ``model.onnx``; what is not
                declared is read from the file or found out from answers to known inputs, and
                noted in ``note``.
            device: "cpu", "cuda" or "cuda:1".
            threads: cores for one operator; all when left out.
            max_batch: most inputs in one call, instead of the sidecar's.
            probe: of a model of tables, rows as it takes them, to ask about first.
            schema: of rows in canonical form, for a model with an input a column.
            regression: whether a graph that ends in a regressor is let in: its number is widened to two scores.

        Raises:
            ModelFileError: the file cannot be read, is not supported, or does not fit what the
                sidecar says.
            UnsafeModelError: the file reaches outside its folder.
            ConfigError: the sidecar is wrong, or the device is not to be had.
            ProviderError: the model failed at its first query.
        """
        file = path if isinstance(path, OnnxFile) else read_onnx_file(Path(path))
        path = file.path
        declared = sidecar_of(path, given=None if sidecar is None else Path(sidecar))
        session = _open_session(file, device=device, threads=threads)
        graph = graph_signature(
            path,
            inputs=session.get_inputs(),
            outputs=session.get_outputs(),
            table=declared.input,
            output=declared.output,
            schema=schema,
        )
        who = declared.name or path.stem
        if probe is not None:
            _check_width(path, graph, width=probe.shape[1])
        graph = replace(graph, quantised=quantised(file.model, graph.output))
        numeric = graph.output_type in NUMBERS or graph.quantised is not None
        hint = ending(file.model, graph.output) if numeric else None
        if graph.output_type.startswith(MAPS):
            hint = ScoreKind.PROBABILITIES
        whole = graph.output_type in WHOLE and graph.quantised is None
        known = class_names(file.model, graph.output, numbered=whole)
        if whole and known is not None and all(_WHOLE.fullmatch(name) for name in known):
            graph = replace(graph, codes=tuple(int(name) for name in known))
        kind, detected = declared.kind, ""
        if known is None and probe is not None and not regression:
            found = outlier_detector(session, graph, probe)
            if found is not None:
                known, kind, detected = OUTLIERS, kind or found.kind, found.note(who)
                graph = graph if found.scored else replace(graph, codes=(-1, 1))
        if not regression and declared.kind is None and declared.labels is None and not detected:
            refuse_regressor(file.model, graph.output, path=path)
        if known is not None and graph.column is not None:
            one = known[graph.column] if graph.column < len(known) else None
            known = None if one is None else (f"not {one}", one)
        named = declared.labels or known
        signature = infer_signature(
            lambda x: ask(session, graph, x, labels=named, who=who),
            preprocessing=graph.preprocessing,
            columns=graph.columns,
            labels=named,
            scores=ScoreKind.LABELS if graph.output_type == WORDS else kind,
            hint=hint,
            probe=probe,
            who=str(path),
            where=str(sidecar or sidecar_path(path)),
        )
        hints = hinted_labels(file.model)
        assumed = assumed_range(declared.input, graph.preprocessing, where=str(sidecar or sidecar_path(path)))
        stepped = graph.quantised.note if graph.quantised is not None else ""
        note = " ".join(text for text in (detected, signature.note, stepped, assumed) if text)
        if named is None and len(hints) == len(signature.labels):
            note += f" The file's metadata mention the names {', '.join(hints)}: a hint, not used."
        batch = max_batch or declared.max_batch or _MAX_BATCH
        if batch < 1:
            raise ConfigError(f"onnx: `max_batch` must be at least 1, got {batch}.")
        return cls(
            file=file,
            session=session,
            signature=graph,
            name=who,
            labels=signature.labels,
            scores=signature.scores,
            max_batch=batch if graph.batch is None else graph.batch,
            note=note.strip(),
            by_row=device == "cpu" and works_by_row(file.model),
            pixel_clues=graph_clues(file.model, input_name=graph.input, assumed=bool(assumed))
            if graph.preprocessing
            else (),
        )

    @property
    def columns(self) -> int | None:
        """How many numbers a model of tables takes for a row, where that is fixed."""
        return self._signature.columns

    @property
    def output(self) -> str:
        """The name of the output that is read."""
        return self._signature.output

    @property
    def column(self) -> int | None:
        """Which of several independent outputs is read alone; None where all are."""
        return self._signature.column

    @property
    def fixed_batch(self) -> int | None:
        """How many inputs the model takes at once where that is fixed; fewer are padded."""
        return self._signature.batch

    @property
    def fingerprint(self) -> str:
        """Hash of the file, its external data, the preprocessing, what is read of it and its labels."""
        part = "" if self.column is None else f"[{self.column}]"
        read = f"{self._signature.output}{part}:{self.scores.name.lower()}"
        return f"onnx:{self.sha256}:{self._signature.fingerprint}:{read}:{labels_part(self.labels)}"

    def predict_frame(self, frame: "pd.DataFrame") -> Float[Tensor, "n k"] | None:
        """The answers for rows of a data frame, of a model with one input a column.

        Args:
            frame: the columns of the schema, as pandas reads them from a file.

        Returns:
            None where a column does not fit its input as it is, or fewer rows than these are taken at once.
        """
        n, taken = len(frame), self._signature.table
        feeds = None if taken is None or n > self.max_batch else taken.feeds_of_frame(frame)
        if feeds is None or self.fixed_batch not in (None, n):
            return None
        raw = run_feeds(self._session, self._signature, feeds, n=n, labels=self.labels, who=self.name)
        return scores_of(raw, n=n, labels=self.labels, kind=self.scores, who=self.name)

    def raw(self, x: Float[Tensor, "n *x"]) -> Tensor:
        """The model's own numbers; see ``AnsweringProvider``."""
        return ask(self._session, self._signature, x, labels=self.labels, who=self.name)


def _check_width(path: Path, signature: GraphSignature, *, width: int) -> None:
    if signature.preprocessing is not None:
        raise ModelFileError(f"{path}: takes images, but rows of a table are given. Give --images instead.")
    if signature.columns not in (None, width):
        raise ModelFileError(
            f"{path}: takes {signature.columns} numbers a row, but the columns of the table make {width}. Say under "
            f"[encoding] in {sidecar_path(path)} how each column is given to it (plain, standard, one_hot), and "
            "in which order."
        )


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


def _open_session(file: OnnxFile, *, device: str, threads: int | None) -> Session:
    import onnxruntime as ort
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

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
    check_external(file)
    content = with_free_batch(file.model) or file.content
    try:
        # The bytes that were checked, not the path: the file may have changed since.
        session = cast(Session, ort.InferenceSession(content, options, providers=engines))
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        complaint = str(error)
        ops = [(s.domain, s.name) for s in get_all_operator_schema()]
        trouble = unsupported(file.model, complaint=complaint, known_ops=ops)
        if trouble is None and is_out_of_memory(complaint):
            raise ModelMemoryError(f"{file.path}: out of memory while the model was loaded.") from error
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
