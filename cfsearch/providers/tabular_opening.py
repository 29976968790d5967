"""One signature for every form in which a user may name a model of tables."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.contracts.target_range import TargetRange
from cfsearch.datasets.tables import TableSchema, frame_of, read_text_table
from cfsearch.errors import ConfigError
from cfsearch.places import is_file, is_there
from cfsearch.registry import is_path, object_at

from .endings import WEIGHTS
from .opening import open_file, open_plugin
from .regression import within_range
from .request import ModelRequest
from .served.address import is_address
from .sidecar import Sidecar, read_sidecar, sidecar_of, sidecar_path
from .skops_file import PICKLES, check_skops
from .tabular import ColumnOrder, EncodedProvider, Framed, FromFrame, Numbers, TabularProvider

if TYPE_CHECKING:
    import pandas as pd

    from .onnx.file import OnnxFile
    from .onnx.inputs import GraphInput

_SKOPS: Final = (".skops", *PICKLES)


def open_tabular(
    spec: str,
    *,
    schema: TableSchema,
    probes: Float[Tensor, "p d"],
    sidecar: str | Path | None = None,
    arch: str | None = None,
    trusted: Sequence[str] = (),
    device: str = "cpu",
    threads: int | None = None,
    max_batch: int | None = None,
    deadline_s: float | None = None,
    trust_model: str | None = None,
    file: "OnnxFile | None" = None,
    target: str | None = None,
) -> TabularProvider:
    """The audited model of tables behind what a user wrote.

    A skops model takes a data frame or an array, as it was fitted; a function a data frame (columns
    by name, cells typed as pandas reads them), and an ONNX file with one input a column the same.
    Other ONNX files and torch weights take a matrix of numbers: those of ``[encoding]`` in their
    sidecar, else numbers as they are and levels as their index. With ``[encoding]`` a function and
    a skops model take that matrix too.

    Args:
        spec: ``model.skops``; ``model.onnx``; ``weights.safetensors``, ``.pt`` or ``.pth`` (with
            ``arch``); an address, ``https://...``; ``pkg.mod:predict``; ``plugin:NAME``.
        schema: what the columns of a row mean.
        probes: rows to ask about first.
        trusted: types in a skops file that are known and let in.
        sidecar: a TOML with labels, scores and ``[encoding]``; the one beside the file when left out.
        arch: ``pkg.mod:build`` of a file of weights.
        device: "cpu", "cuda" or "cuda:1".
        threads: of onnxruntime.
        max_batch: most rows queried at once, instead of the sidecar's.
        deadline_s: seconds that a function may take for one call.
        trust_model: ``sha256:...`` of a file that may run code when it is loaded.
        file: the ONNX file of ``spec``, where ``onnx_file_of`` read it before.
        target: the class that is searched for; a range, ``50000..60000``, of a model that predicts a number.

    Raises:
        ModelFileError, UnsafeModelError, ConfigError: as ``open_provider``.
        MissingExtraError: a package is not installed.
        DataError: its classes stand in another order than the table's.
    """
    wanted = TargetRange.parse(target)
    if spec.startswith("plugin:"):
        return within_range(_plugged(open_plugin(spec), schema, probes), wanted, probes=probes)
    if is_address(spec):
        from .served.opening import open_served_table

        served = open_served_table(spec, schema=schema, probes=probes, sidecar=sidecar, max_batch=max_batch)
        return within_range(served, wanted, probes=probes)
    path = Path(spec)
    if is_path(spec) and not is_there(path):
        function = _function(
            spec,
            schema,
            probes,
            sidecar,
            max_batch=max_batch,
            deadline_s=deadline_s,
            regression=wanted is not None,
        )
        return within_range(function, wanted, probes=probes)
    if path.suffix.lower() in PICKLES and is_file(path) and trust_model is None:
        check_skops(path)  # refuses them
    request = ModelRequest(
        path=spec,
        sidecar=None if sidecar is None else str(sidecar),
        arch=arch,
        device=device,
        threads=threads,
        max_batch=max_batch,
        trusted=tuple(trusted),
        trust_model=trust_model,
        schema=schema,
        probes=probes,
        target=None if wanted is None else wanted.text,
        onnx=file,
    )
    return within_range(_plugged(open_file(request), schema, probes), wanted, probes=probes)


def columns_taken(
    spec: str,
    *,
    sidecar: str | Path | None = None,
    trusted: Sequence[str] = (),
    table: str | Path | None = None,
    file: "OnnxFile | None" = None,
) -> tuple[str, ...] | None:
    """The columns that a model says it takes, before any schema is known; None where it does not say.

    Args:
        spec: what the user wrote, as for ``open_tabular``.
        sidecar: a TOML beside the model; found when left out.
        trusted: types in a skops file that are known and let in.
        table: a file of such rows, for the names of columns that an ONNX file writes in another way.
        file: the ONNX file of ``spec``, where ``onnx_file_of`` read it before.

    Raises:
        DataError: the table cannot be read.
        ModelFileError, UnsafeModelError, ConfigError, MissingExtraError: as ``open_tabular``.
    """
    path = Path(spec)
    fitted = path.suffix.lower() in _SKOPS and is_file(path)
    if sidecar is None and (fitted or (path.suffix.lower() in (".onnx", *WEIGHTS) and is_file(path))):
        declared = sidecar_of(path, given=None)
        if fitted:
            from .skops_opening import of_arrays

            declared = of_arrays(declared, path, trusted=trusted)
    else:
        declared = Sidecar() if sidecar is None else read_sidecar(Path(sidecar))
    if (file := file or onnx_file_of(spec)) is not None:
        from .onnx.opening import input_columns

        inputs = input_columns(file, declared, where=str(sidecar or sidecar_path(path)))
        if inputs:
            return _named(path, inputs, table)
    if declared.encoding is not None:
        return tuple(column.name for column in declared.encoding.columns)
    if not fitted:
        return None
    from .skops_file import fitted_columns

    return fitted_columns(path, trusted=trusted)


def onnx_file_of(spec: str) -> "OnnxFile | None":
    """The ONNX file behind what a user wrote, read and checked; None of a model of another form.

    Given to ``columns_taken`` and ``open_tabular``, it is read and parsed once for both.

    Raises:
        ModelFileError, UnsafeModelError: as ``read_onnx_file``.
    """
    path = Path(spec)
    if path.suffix.lower() != ".onnx" or not is_file(path):
        return None
    from .onnx.file import read_onnx_file

    return read_onnx_file(path)


def _named(path: Path, inputs: "tuple[GraphInput, ...]", table: str | Path | None) -> tuple[str, ...] | None:
    """The inputs as a table names their columns; None where that is open, which a schema may infer_signature."""
    from .onnx.inputs import columns_of

    names = [entry.name for entry in inputs]
    if table is None:
        return tuple(names)
    try:
        found = columns_of(inputs, read_text_table(table).header, who=str(path))
    except ConfigError:
        return None
    return tuple(column or name for column, name in zip(found, names, strict=True))


def _plugged(provider: Provider, schema: TableSchema, probes: Tensor) -> TabularProvider:
    if isinstance(provider, TabularProvider):
        return provider
    return EncodedProvider(
        provider, order=ColumnOrder.of(schema, None, where=provider.name), probes=probes, dtype=torch.float64
    )


def _function(
    spec: str,
    schema: TableSchema,
    probes: Tensor,
    sidecar: str | Path | None,
    *,
    max_batch: int | None,
    deadline_s: float | None,
    regression: bool,
) -> TabularProvider:
    from .callable import CallableProvider

    declared = Sidecar() if sidecar is None else read_sidecar(Path(sidecar))
    order = ColumnOrder.of(schema, declared.encoding, where=str(sidecar))
    framed = declared.encoding is None
    if framed:
        frame_of(probes, schema=schema)  # says what to install before the function is called

    def adapted(function: Callable[[Any], Any]) -> Callable[[Any], Any]:  # Any: a stranger's
        made = Framed(function, schema)
        return Numbers(made) if regression else made

    model = CallableProvider.open(
        spec,
        sidecar=sidecar,
        deadline_s=deadline_s,
        max_batch=max_batch,
        probe=order.arranged(order.encoding.apply(probes.double())),
        adapt=adapted if framed else None,
    )

    def on_frame(frame: "pd.DataFrame") -> Tensor:
        places = torch.arange(len(frame), dtype=torch.float64)[:, None]
        rows = FromFrame(object_at(spec, what="provider"), frame)
        return model.with_function(Numbers(rows) if regression else rows).predict(places)

    return EncodedProvider(
        model, order=order, probes=probes, dtype=torch.float64, on_frame=on_frame if framed else None
    )
