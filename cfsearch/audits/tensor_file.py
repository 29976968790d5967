"""Files of tensors that a run directory keeps, with JSON metadata that names their format."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, final

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from cfsearch.errors import DamagedError
from cfsearch.files import read_file, write_atomically
from cfsearch.parsing import parse_json
from cfsearch.runs.guard import REMEDY

Kind: TypeAlias = Literal["finite numbers", "numbers or NaN", "booleans", "whole numbers"]
"""What a tensor may hold."""

_HOLDS: Final[Mapping[Kind, Callable[[Tensor], bool]]] = {
    "finite numbers": lambda x: x.is_floating_point() and bool(x.isfinite().all()),
    "numbers or NaN": lambda x: x.is_floating_point() and not bool(x.isinf().any()),
    "booleans": lambda x: x.dtype is torch.bool,
    "whole numbers": lambda x: x.dtype is torch.int64,
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class KeptTensors:
    """What a file of ``write_tensors`` holds, checked part by part as it is taken.

    Args:
        path: the file, for messages.
        meta: its metadata, plain JSON.
        tensors: by name.
    """

    path: Path
    meta: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def taken(self, name: str, *, shape: tuple[int, ...], kind: Kind = "finite numbers") -> Tensor:
        """One tensor.

        Args:
            name: of the tensor.
            shape: that the names beside it ask for.
            kind: what it may hold.

        Raises:
            DamagedError: it is not there, of another shape, or holds something else.
        """
        found = self.tensors.get(name)
        if found is None:
            raise self._damaged(name, shape, kind, "there is none")
        if found.shape != torch.Size(shape):
            raise self._damaged(name, shape, kind, f"its shape is {tuple(found.shape)}")
        if not _HOLDS[kind](found):
            numbers = kind in ("finite numbers", "numbers or NaN") and found.is_floating_point()
            held = "NaN or infinity" if numbers else str(found.dtype).removeprefix("torch.")
            raise self._damaged(name, shape, kind, f"it holds {held}")
        return found

    def names(
        self, key: str, of: Mapping[str, Any] | None = None, *, distinct: bool = True
    ) -> tuple[str, ...]:
        """Names that stand in the metadata.

        Args:
            key: where.
            of: the part of the metadata; all of it when left out.
            distinct: whether none may stand there twice.

        Raises:
            DamagedError: they are no list of texts, or one stands there twice.
        """
        found: object = (self.meta if of is None else of).get(key)
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise DamagedError(
                f"{str(self.path)!r}: `{key}` must be a list of names: it is damaged. {REMEDY}"
            )
        if distinct and len(set(found)) < len(found):
            raise DamagedError(f"{str(self.path)!r}: `{key}` has a name twice: it is damaged. {REMEDY}")
        return tuple(found)

    def _damaged(self, name: str, shape: tuple[int, ...], kind: Kind, what: str) -> DamagedError:
        return DamagedError(
            f"{str(self.path)!r}: the tensor {name!r} must be {kind} of shape {shape}, but {what}: it is damaged. {REMEDY}"
        )


def write_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> Path:
    """Write tensors, whole or not at all.

    Args:
        path: the file.
        tensors: contiguous, on the CPU.
        meta: plain JSON; its ``format`` is checked when the file is read.

    Raises:
        RunError: it cannot be written.
    """
    return write_atomically(
        path, save_tensors(tensors, metadata={"cfsearch": json.dumps(meta, sort_keys=True)}), follow=False
    )


def read_tensors(path: Path, *, kind: str) -> KeptTensors:
    """The metadata and the tensors of ``write_tensors``; to be read behind ``cfsearch.runs.guard.guarded``.

    Args:
        path: the file.
        kind: the format that its metadata must name.

    Raises:
        DamagedError: it has another format.
    """
    blob = read_file(path)
    size = int.from_bytes(blob[:8], "little")
    meta: dict[str, Any] = parse_json(parse_json(blob[8 : 8 + size])["__metadata__"]["cfsearch"])
    if meta["format"] != kind:
        raise DamagedError(f"{str(path)!r}: format {meta['format']!r} is not {kind!r}.")
    return KeptTensors(path, meta, load_tensors(blob))
