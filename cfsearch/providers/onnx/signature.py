"""Signature of an ONNX model: its one input or one a column, and the output that holds the scores."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from torch import Tensor

from cfsearch.datasets.tables import TableSchema
from cfsearch.errors import ModelFileError
from cfsearch.providers.answers import RawArray
from cfsearch.providers.preprocessing import Number, Preprocessing
from cfsearch.providers.sidecar import InputTable, sidecar_path

from .columns import ColumnInputs
from .inputs import Arg, all_columns, by_column
from .quantised import Quantised

NUMBERS: Final[dict[str, Number]] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
WORDS: Final = "tensor(string)"
WHOLE: Final = ("tensor(int64)", "tensor(int32)")
MAPS: Final = "seq(map("
_PART: Final = re.compile(r"(.+)\[(\d{1,6})\]")
"""One of several outputs: its name, and the place of the number in a row."""
_MOST_NUMBERS: Final = 2**28
"""In a fixed batch: a gibibyte of float32, allocated for each single query."""


@final
@dataclass(frozen=True, slots=True)
class GraphSignature:
    """Inputs (one, or one a column) and the scores output of an ONNX model.

    ``batch`` is how many inputs it takes at once where that is fixed; ``columns`` those of a table,
    and ``preprocessing`` is None for one. With ``table`` rows in canonical form go to many inputs,
    and ``input`` and ``number`` say nothing.
    """

    input: str
    number: Number
    batch: int | None
    columns: int | None
    preprocessing: Preprocessing | None
    output: str
    output_type: str
    table: ColumnInputs | None = None
    column: int | None = None
    """Which of several independent outputs is read, as a model of two classes; None for all."""
    quantised: Quantised | None = None
    """How the numbers of a quantised model are read; None of any other."""
    codes: tuple[int, ...] | None = None
    """Of a model that answers whole numbers, that of each class; None where they are the places of the classes."""

    @property
    def fingerprint(self) -> str:
        """What tells how inputs are brought to the model."""
        if self.table is not None:
            return f"columns-{self.table.fingerprint[:16]}"
        return self.preprocessing.fingerprint[:16] if self.preprocessing else "table"

    def feeds(self, x: Tensor) -> dict[str, RawArray]:
        """Feeds of the runtime for inputs in canonical form, at most ``batch``; fewer are padded."""
        missing = 0 if self.batch is None else max(0, self.batch - len(x))
        if self.table is not None:
            return self.table.feeds(torch.cat([x, x[-1:].expand(missing, -1)]))
        with torch.no_grad():
            ready = x if self.preprocessing is None else self.preprocessing.apply(x)
        rows = np.ascontiguousarray(ready.detach().cpu().numpy(), dtype=self.number)
        if missing:
            rows = np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)])
        return {self.input: rows}


def graph_signature(
    path: Path,
    *,
    inputs: Sequence[Arg],
    outputs: Sequence[Arg],
    table: InputTable,
    output: str | None,
    schema: TableSchema | None = None,
) -> GraphSignature:
    """Which input and output of a model to use, and how images are brought to it.

    Args:
        path: the model, for messages.
        inputs: as onnxruntime tells them.
        outputs: likewise.
        table: what the sidecar says of the input; it must agree with the file.
        output: the output that the sidecar names.
        schema: of a table, what the columns of a row mean; a model with an input a column needs it.

    Raises:
        ModelFileError: the model takes no images or tables, or does not fit the sidecar.
        ConfigError: the sidecar's settings do not go together, or columns do not fit the inputs.
    """
    if schema is not None and by_column(inputs):
        taken_by = ColumnInputs.of(path, inputs, schema=schema)
        _check_batch(path, (taken_by.batch, schema.d))
        answer = _chosen(path, outputs, output=output)
        return GraphSignature(
            input="",
            number="float32",
            batch=taken_by.batch,
            columns=schema.d,
            preprocessing=None,
            output=answer.name,
            output_type=answer.type,
            table=taken_by,
            column=_column(path, answer, output=output),
        )
    if all_columns(inputs):
        raise ModelFileError(
            f"{path}: takes one input a column ({', '.join(i.name for i in inputs)}), so rows of a table. "
            "Give one: --data TABLE.csv."
        )
    if len(inputs) != 1:
        raise ModelFileError(
            f"{path}: expected a model with one input, got {len(inputs)} "
            f"({', '.join(i.name for i in inputs)}). Export it with one and the values of the others in it, or name a function "
            "that gives them: pkg.mod:predict."
        )
    taken = inputs[0]
    number = NUMBERS.get(taken.type)
    if number is None:
        raise ModelFileError(
            f"{path}: its input {taken.name!r} is of type {taken.type}, expected one of "
            f"{', '.join(NUMBERS)}. Put a Cast from one of these in front of it, or name a function that converts: "
            "pkg.mod:predict."
        )
    shape = [size if isinstance(size, int) and size > 0 else None for size in taken.shape]
    if len(shape) not in (2, 4):
        raise ModelFileError(
            f"{path}: its input {taken.name!r} has shape {list(taken.shape)}, expected images "
            "(n, channels, height, width) or tables (n, columns)."
        )
    _check_batch(path, shape)
    chosen = _chosen(path, outputs, output=output)
    images = len(shape) == 4
    if schema is None and len(shape) == 2 and table.layout == "flat":
        images, shape = True, _unfolded(path, shape, table=table)
    return GraphSignature(
        input=taken.name,
        number=number,
        batch=shape[0],
        columns=None if images else shape[1],
        preprocessing=_preprocessing(path, shape[1:], number, table=table) if images else None,
        output=chosen.name,
        output_type=chosen.type,
        column=_column(path, chosen, output=output),
    )


def _check_batch(path: Path, shape: Sequence[int | None]) -> None:
    """Refuse a fixed batch that every query would be padded to at great cost."""
    batch = shape[0]
    if batch is not None and batch * math.prod(size or 1 for size in shape[1:]) > _MOST_NUMBERS:
        raise ModelFileError(
            f"{path}: takes exactly {batch:,} inputs at once ({list(shape)}), so that one query would cost as many. "
            "Export it with a free first dimension (`dynamic_axes`)."
        )


def _chosen(path: Path, outputs: Sequence[Arg], *, output: str | None) -> Arg:
    listed = ", ".join(f"{o.name} {o.type}" for o in outputs)
    if output is not None:
        part = _PART.fullmatch(output)
        whole = output if part is None or any(o.name == output for o in outputs) else part[1]
        named = [o for o in outputs if o.name == whole]
        if not named:
            raise ModelFileError(f"{path}: has no output {output!r}. It has: {listed}.")
        return named[0]
    if len(outputs) == 1:
        return outputs[0]
    numeric = [o for o in outputs if o.type in NUMBERS or o.type.startswith(MAPS)]
    rest = [o for o in outputs if o not in numeric]
    # scikit-learn's converters give the label beside the probabilities.
    if len(numeric) == 1 and all(o.type in ("tensor(int64)", WORDS) for o in rest):
        return numeric[0]
    raise ModelFileError(
        f"{path}: has {len(outputs)} outputs ({listed}). Say which holds the scores: "
        f'output = "..." in {sidecar_path(path)}.'
    )


def _column(path: Path, chosen: Arg, *, output: str | None) -> int | None:
    """The 2 of ``output = "p[2]"``; None where all of an output is read."""
    part = None if output in (None, chosen.name) else _PART.fullmatch(str(output))
    if part is None:
        return None
    if chosen.type not in NUMBERS:
        raise ModelFileError(
            f"{path}: its output {chosen.name!r} is of type {chosen.type}, so none of its numbers can be read alone "
            f"({output!r}). Name an output of numbers in {sidecar_path(path)}."
        )
    return int(part[2])


def _unfolded(path: Path, shape: list[int | None], *, table: InputTable) -> list[int | None]:
    """The shape of the pictures that a model takes as one row of numbers each."""
    where, width = sidecar_path(path), shape[1]
    if table.size is None:
        raise ModelFileError(
            f"{path}: takes pictures as one row of numbers, and their size is not declared. Write size = "
            f"[height, width] under [input] in {where}."
        )
    side = table.size[0] * table.size[1]
    channels = table.channels or (width // side if width else 3)
    if channels not in (1, 3) or width not in (None, channels * side):
        raise ModelFileError(
            f"{path}: takes {width} numbers a picture, but {table.size[0]} x {table.size[1]} pixels of 1 or 3 channels "
            f"make {side} or {3 * side}. Correct `size` and `channels` under [input] in {where}."
        )
    return [shape[0], channels, *table.size]


def _preprocessing(
    path: Path, shape: list[int | None], number: Number, *, table: InputTable
) -> Preprocessing:
    """What the file's input shape says, completed by the sidecar, which must agree with it."""
    last = shape[2] in (1, 3) and shape[0] not in (1, 3)
    layout = table.layout or ("nhwc" if last else "nchw")
    channels, height, width = (shape[2], *shape[:2]) if layout == "nhwc" else shape
    if channels not in (None, 1, 3):
        raise ModelFileError(f"{path}: takes {channels} channels ({layout}), expected 1 (grey) or 3 (RGB).")
    where = table.size or (None, None)
    for what, fixed, declared in (
        ("height", height, where[0]),
        ("width", width, where[1]),
        ("channels", channels, table.channels),
    ):
        if None not in (fixed, declared) and fixed != declared:
            raise ModelFileError(
                f"{path}: takes images of {what} {fixed}, but {sidecar_path(path).name} says {declared}. "
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
