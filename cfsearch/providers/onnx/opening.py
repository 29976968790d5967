"""Opening an ONNX file as a model of images, or of rows of a table."""

from pathlib import Path

import torch
from torch import Tensor

from cfsearch.contracts.provider import DifferentiableProvider, Provider
from cfsearch.datasets.tables import TableSchema
from cfsearch.providers.request import ModelRequest
from cfsearch.providers.sidecar import Sidecar, sidecar_at
from cfsearch.providers.tabular import ColumnOrder, EncodedProvider

from .columns import ColumnProvider
from .file import OnnxFile, read_onnx_file
from .inputs import GraphInput, by_column, graph_inputs, refuse_encoding
from .provider import OnnxProvider


def open_onnx(request: ModelRequest) -> Provider:
    """The model in an ONNX file.

    Args:
        request: with a schema for rows: one input a column, or a matrix of numbers as ``[encoding]``
            of the sidecar says (else numbers as they are, levels as their index).

    Raises:
        ModelFileError, UnsafeModelError, ConfigError: as ``OnnxProvider.open``.
    """
    file = request.onnx or read_onnx_file(Path(request.path))
    schema, probes = request.schema, request.probes
    if schema is None or probes is None:
        return _opened(file, request)
    declared, where = sidecar_at(request.path, given=request.sidecar)
    if input_columns(file, declared, where=where):
        model = _opened(file, request, probe=probes.double(), schema=schema)
        return ColumnProvider(model, schema=schema, by_row=model.by_row)
    order = ColumnOrder.of(schema, declared.encoding, where=where)
    first = order.arranged(order.encoding.apply(probes.double()))
    matrix = _opened(file, request, probe=first)

    def convert(probe: Tensor) -> DifferentiableProvider:
        from cfsearch.providers.differentiable import differentiable

        return differentiable(matrix, device=request.device, probe=probe)

    return EncodedProvider(matrix, order=order, probes=probes, dtype=torch.float64, convert=convert)


def _opened(
    file: OnnxFile, request: ModelRequest, *, probe: Tensor | None = None, schema: TableSchema | None = None
) -> OnnxProvider:
    return OnnxProvider.open(
        file,
        sidecar=request.sidecar,
        device=request.device,
        threads=request.threads,
        max_batch=request.max_batch,
        probe=probe,
        schema=schema,
        regression=request.target is not None,
    )


def input_columns(file: OnnxFile, declared: Sidecar, *, where: str) -> tuple[GraphInput, ...]:
    """The inputs of an ONNX file that takes one a column; none of another.

    Args:
        file: the model.
        declared: its sidecar.
        where: the sidecar's path, for messages.
    """
    inputs = graph_inputs(file.model)
    refuse_encoding(declared, inputs, path=file.path, where=where)
    return inputs if by_column(inputs) else ()
