"""The inputs of an ONNX model of tables that takes one a column, and the columns that they mean.

skl2onnx writes such a model for a pipeline that was fitted on a data frame, and the column
``hours-per-week`` as the input ``hours_per_week``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, final

import onnx

from cfsearch.errors import ConfigError
from cfsearch.providers.sidecar import Sidecar

_NO_MATRIX: Final = ("tensor(string)", "tensor(int64)", "tensor(int32)", "tensor(bool)")
"""A single input of such a type is a column; one of other numbers may be a whole row."""
_NAMES: Final[dict[int, str]] = {
    onnx.TensorProto.FLOAT: "tensor(float)",
    onnx.TensorProto.FLOAT16: "tensor(float16)",
    onnx.TensorProto.DOUBLE: "tensor(double)",
    onnx.TensorProto.INT64: "tensor(int64)",
    onnx.TensorProto.INT32: "tensor(int32)",
    onnx.TensorProto.BOOL: "tensor(bool)",
    onnx.TensorProto.STRING: "tensor(string)",
}
"""As onnxruntime calls them; those of columns."""


class Arg(Protocol):
    """Input or output of a graph as onnxruntime describes it."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> Sequence[int | str | None]: ...


@final
@dataclass(frozen=True, slots=True)
class GraphInput:
    """Name, type and shape of a graph input, read from the file."""

    name: str
    type: str
    shape: tuple[int | None, ...]


def graph_inputs(model: onnx.ModelProto) -> tuple[GraphInput, ...]:
    """The inputs of a graph that must be given; those with an initialiser need not be."""
    set_already = {tensor.name for tensor in model.graph.initializer}
    set_already |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    found = []
    for taken in model.graph.input:
        kind = taken.type.tensor_type
        shape = tuple(size.dim_value or None for size in kind.shape.dim)
        if taken.name not in set_already:
            found.append(GraphInput(taken.name, _NAMES.get(kind.elem_type, "another"), shape))
    return tuple(found)


def by_column(inputs: Sequence[Arg]) -> bool:
    """Whether a model takes one input a column: several, or a single one that can be no whole row."""
    if len(inputs) == 1:
        return inputs[0].type in _NO_MATRIX and is_column(inputs[0])
    return len(inputs) > 1


def all_columns(inputs: Sequence[Arg]) -> bool:
    """Whether every input of such a model has the form of a column."""
    return by_column(inputs) and all(is_column(taken) for taken in inputs)


def refuse_encoding(declared: Sidecar, inputs: Sequence[Arg], *, path: Path, where: str) -> None:
    """Refuses ``[encoding]``, which describes one row of numbers, of a model with an input a column.

    Raises:
        ConfigError: the sidecar has it.
    """
    if declared.encoding is not None and by_column(inputs):
        raise ConfigError(
            f"{where}, [encoding]: {path.name!r} takes its columns as {len(inputs)} inputs by name, not as one "
            "row of numbers. Take [encoding] out."
        )


def columns_of(inputs: Sequence[Arg], names: Sequence[str], *, who: str) -> tuple[str | None, ...]:
    """The column for each input: of its name, else one that skl2onnx would have given that name.

    Args:
        inputs: of the graph, in its order.
        names: of the columns there are.
        who: the model, for messages.

    Returns:
        None for an input that has no column.

    Raises:
        ConfigError: two columns would have got the name of one input.
    """
    taken = {entry.name for entry in inputs}
    free = [name for name in names if name not in taken]
    found: list[str | None] = []
    for entry in inputs:
        near = [entry.name] if entry.name in names else [n for n in free if _renamed(n) == entry.name]
        if len(near) > 1:
            raise ConfigError(
                f"{who}: its input {entry.name!r} may be any of the columns "
                f"{', '.join(map(repr, near))}. Rename the columns so that one has the name of the input."
            )
        found.append(near[0] if near else None)
    return tuple(found)


def is_column(entry: Arg) -> bool:
    """Whether an input has the shape of one column, ``(n, 1)`` or ``(n,)``."""
    return len(entry.shape) == 1 or (len(entry.shape) == 2 and entry.shape[1] == 1)


def _renamed(name: str) -> str:
    """The name that skl2onnx gives the input of a column."""
    plain = re.sub(r"[^\w+]", "_", name)
    return f"_{plain}" if re.match("[0-9]", plain) else plain
