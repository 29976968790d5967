"""Weights from files that are parsed, never run."""

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from cfsearch.errors import ModelFileError, UnsafeModelError
from cfsearch.files import open_file

from .endings import RUNS_CODE
from .onnx.file import ordinary_file

_FIX: Final = (
    'Save its weights alone, torch.save(model.state_dict(), "weights.pt") or safetensors, and give '
    "the network's code with --arch pkg.mod:build; or export it to ONNX."
)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Named tensors of a file, and the hash of its bytes."""

    path: Path
    tensors: Mapping[str, Tensor]
    sha256: str


class RunsCodeError(UnsafeModelError):
    """A file that would run code when it is loaded, which its hash lets in."""


def refusal(path: Path, what: str) -> UnsafeModelError:
    """The error for a file that would run code; says how to let it in.

    Args:
        path: the file.
        what: it is.
    """
    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return RunsCodeError(
        f"{path}: is {what}, which can run code when it is loaded; it was not. {_FIX} Or, if you know where it comes "
        f"from, let in these very bytes with --trust-model sha256:{digest}"
    )


def read_weights(path: str | Path) -> Weights:
    """The tensors of a ``.safetensors`` file or of a ``state_dict`` in ``.pt`` or ``.pth``.

    A ``state_dict`` may lie under the key "state_dict", as many training scripts save it, and
    a prefix "module." of every name (DataParallel) is dropped.

    Raises:
        ModelFileError: the file is missing, empty, cut off or holds no named tensors.
        UnsafeModelError: loading it would run code.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    content = ordinary_file(path)
    if suffix in RUNS_CODE:
        raise refusal(path, RUNS_CODE[suffix])
    loaded = _safetensors(path, content) if suffix == ".safetensors" else _pickled(path, content)
    return Weights(path=path, tensors=_named_tensors(path, loaded), sha256=sha256(content).hexdigest())


def _safetensors(path: Path, content: bytes) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, OverflowError, RuntimeError) as error:
        raise ModelFileError(
            f"{path}: expected a safetensors file, got a malformed one ({_short(error)}). Save or "
            "copy it again."
        ) from error


def _pickled(path: Path, content: bytes) -> object:
    if zipfile.is_zipfile(BytesIO(content)):
        _refuse_programs(path, content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's remarks about a file that we refuse or read
            return torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        if "nsupported" in text or "allowed" in text or "GLOBAL" in text:
            raise refusal(path, "a pickle of Python objects, not of tensors alone") from error
        raise _malformed(path) from error
    except Exception as error:  # torch.load raises many kinds on bytes that are no checkpoint
        raise _malformed(path) from error


def _malformed(path: Path) -> ModelFileError:
    return ModelFileError(
        f"{path}: expected weights saved by torch.save(model.state_dict(), ...), got bytes that are "
        "none (cut off, or another kind of file). Save or copy it again."
    )


def _refuse_programs(path: Path, content: bytes) -> None:
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            parts = [name.split("/") for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _malformed(path) from error
    inner = {name[1] for name in parts if len(name) > 1}
    last = {name[-1] for name in parts}
    if "code" in inner or "constants.pkl" in last:
        raise refusal(path, "a TorchScript program")
    if {"archive_format", "models"} & (inner | last) or "serialized_exported_program.json" in last:
        raise refusal(path, "a torch.export program")


def _named_tensors(path: Path, loaded: object) -> Mapping[str, Tensor]:
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not loaded:
        raise ModelFileError(
            f"{path}: expected a state_dict (names and tensors), got {_kind(loaded)}. {_FIX}"
        )
    tensors: dict[str, Tensor] = {}
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelFileError(
                f"{path}: expected a state_dict (names and tensors), but {str(name)[:60]!r} holds "
                f"{_kind(value)}. {_FIX}"
            )
        tensors[name] = value
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return tensors


def _kind(value: object) -> str:
    return "an empty one" if isinstance(value, Mapping) and not value else f"a {type(value).__name__}"


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "..."


def fill(module: torch.nn.Module, weights: Weights, *, arch: str) -> None:
    """Puts the weights into a network that was just built.

    Raises:
        ModelFileError: names or shapes differ; lists at most five.
    """
    own = module.state_dict()
    given = weights.tensors
    wrong = [f"{name} missing" for name in own if name not in given]
    wrong += [f"{name} unexpected" for name in sorted(given) if name not in own]
    wrong += [
        f"{name} has shape {tuple(given[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    if wrong:
        more = f", and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise ModelFileError(
            f"{weights.path}: does not fit the network of {arch}: {'; '.join(wrong[:5])}{more}. "
            "Name the function that built the network these weights were saved from."
        )
    module.load_state_dict(dict(given), strict=True)
