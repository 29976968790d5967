"""Request to open a model file: the path and its settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import TableSchema

if TYPE_CHECKING:
    from .onnx.file import OnnxFile


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelRequest:
    """A model file and the settings to open it with.

    An entry point of the group ``cfsearch.providers`` whose name is an ending (``.gbm``) is a function
    from this to a provider, or a provider class with ``open(path)``.

    Args:
        path: the file.
        sidecar: a TOML with labels, scores and preprocessing; None for the one beside the file.
        arch: ``pkg.mod:build`` of the network that weights belong to.
        device: "cpu", "cuda" or "cuda:1".
        threads: cores for one operator.
        max_batch: most inputs queried at once.
        trusted: types in a skops file that are known and let in.
        trust_model: ``sha256:...`` of a file that may run code when it is loaded.
        schema: of a model of tables, what the columns mean; None for images.
        probes: of a model of tables, rows to query it about first.
        target: the range that a model which predicts a number is to reach, ``"50000..60000"``; None for classifiers.
        onnx: the file, where it is an ONNX file that was read before.
    """

    path: str
    sidecar: str | None = None
    arch: str | None = None
    device: str = "cpu"
    threads: int | None = None
    max_batch: int | None = None
    trusted: tuple[str, ...] = ()
    trust_model: str | None = None
    schema: TableSchema | None = None
    probes: Float[Tensor, "p d"] | None = None
    target: str | None = None
    onnx: "OnnxFile | None" = None
