"""Files of tensors that a run directory keeps, with JSON metadata that names their format."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from cfsearch.errors import DamagedError
from cfsearch.files import read_file, write_atomically


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
        path, save_tensors(tensors, metadata={"cfsearch": json.dumps(meta, sort_keys=True)})
    )


def read_tensors(path: Path, *, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The metadata and the tensors of ``write_tensors``; to be read behind ``cfsearch.runs.guard.guarded``.

    Args:
        path: the file.
        kind: the format that its metadata must name.

    Raises:
        DamagedError: it has another format.
    """
    blob = read_file(path)
    size = int.from_bytes(blob[:8], "little")
    meta: dict[str, Any] = json.loads(json.loads(blob[8 : 8 + size])["__metadata__"]["cfsearch"])
    if meta["format"] != kind:
        raise DamagedError(f"{str(path)!r}: format {meta['format']!r} is not {kind!r}.")
    return meta, load_tensors(blob)
