"""Weights from files that are parsed, never run."""

import hashlib
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from cfsearch.errors import ModelFileError, UnsafeModelError, cause_of
from cfsearch.files import open_file

from .checkpoints import Match, StateDict, first_of, matches, state_dicts
from .endings import RUNS_CODE
from .onnx.file import ordinary_file
from .shards import index_of, is_index, parts_of

_FIX: Final = (
    'Save its weights alone, torch.save(model.state_dict(), "weights.pt") or safetensors, and give '
    "the network's code with --arch pkg.mod:build; or export it to ONNX."
)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Sets of named tensors of a file, and the hash of its bytes.

    Args:
        path: the file.
        found: the sets of tensors in it, at least one.
        sha256: of its bytes; of a file in parts, of those of all parts.
    """

    path: Path
    found: tuple[StateDict, ...]
    sha256: str

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The first set, for files that hold one."""
        return self.found[0].tensors


@final
@dataclass(frozen=True, slots=True)
class Filled:
    """Which weights of a file a network was given.

    Args:
        name: of the set of tensors, as the sidecar can choose it; empty where the file is the set.
        note: what the reader of a result must know.
    """

    name: str
    note: str


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
    """The tensors of a ``.safetensors`` file, of its parts, or of a checkpoint in ``.pt`` or ``.pth``.

    A checkpoint may hold its weights at any depth and several sets of them, as training scripts save them.

    Args:
        path: the file; of weights in parts their index, ``model.safetensors.index.json``.

    Raises:
        ModelFileError: the file is missing, empty, cut off or holds no named tensors.
        UnsafeModelError: loading it would run code.
    """
    path = Path(path)
    if is_index(path):
        return _in_parts(path)
    suffix = path.suffix.lower()
    content = ordinary_file(path)
    if suffix in RUNS_CODE and not is_checkpoint(BytesIO(content)):
        raise refusal(path, RUNS_CODE[suffix])
    loaded = _safetensors(path, content) if suffix == ".safetensors" else _pickled(path, content)
    return weights_in(path, loaded, sha256=sha256(content).hexdigest())


def weights_in(path: Path, loaded: object, *, sha256: str) -> Weights:
    """The sets of weights in what was loaded from a file.

    Args:
        path: the file.
        loaded: its content.
        sha256: of its bytes.

    Raises:
        ModelFileError: there are none.
    """
    found = state_dicts(loaded)
    if not found:
        raise ModelFileError(
            f"{path}: expected a state_dict (names and tensors), got {_kind(loaded)}. {_FIX}"
        )
    return Weights(path=path, found=found, sha256=sha256)


def is_checkpoint(file: Path | BytesIO) -> bool:
    """Whether a file is one that ``torch.save`` writes, whatever its ending.

    Args:
        file: an ordinary file, or its bytes.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            inner = {name.split("/")[-1] for name in archive.namelist() if name.count("/") == 1}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
    return "data.pkl" in inner and "version" in inner


def _in_parts(index: Path) -> Weights:
    tensors: dict[str, Tensor] = {}
    digest = sha256()
    for part in parts_of(index):
        read = read_weights(part)
        digest.update(bytes.fromhex(read.sha256))
        tensors |= read.tensors
    return Weights(path=index, found=(StateDict(key="", tensors=tensors),), sha256=digest.hexdigest())


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
            raise refusal(
                path, f"a pickle of Python objects{_named_in(content)}, not of tensors alone"
            ) from error
        raise _malformed(path) from error
    except Exception as error:  # torch.load raises many kinds on bytes that are no checkpoint
        raise _malformed(path) from error


def _named_in(content: bytes) -> str:
    """What a pickle would import, for a sentence; nothing is imported."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(BytesIO(content))
    except Exception:  # noqa: BLE001  # a forged or an older file, of which the sentence says no more
        return ""
    return f" ({first_of(sorted(names))})" if names else ""


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


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        held = first_of(map(str, value))
        return f"a dict without any ({held})" if held else "an empty one"
    return f"a {type(value).__name__}"


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "..."


def fill(
    module: torch.nn.Module,
    weights: Weights,
    *,
    arch: str,
    chosen: str | None = None,
    where: str = "the sidecar",
) -> Filled:
    """Puts the weights into a network that was just built.

    Args:
        module: the network.
        weights: of a file; of several sets, or several parts of one, the one that fits is taken.
        arch: what built the network, for messages.
        chosen: the set to take, as a message named it; None where only one fits.
        where: the sidecar that can choose one.

    Raises:
        ModelFileError: names or shapes differ; lists at most five a side. Or several sets fit.
    """
    own = module.state_dict()
    tried = [match for found in weights.found for match in matches(own, found)]
    match, others = _one_of(weights.path, tried, arch=arch, chosen=chosen, where=where)
    tensors = {name: match.tensors[place] for name, place in match.mapping.items()}
    try:
        module.load_state_dict(tensors, strict=False)
    except Exception as error:  # sparse, quantised and other tensors that do not go where they are to
        raise ModelFileError(
            f"{weights.path}: its tensors cannot be put into the network of {arch}: {cause_of(error)}. {_FIX}"
        ) from error
    notes = (others, _left_out(weights.path, match), _cast(tensors, own, arch))
    return Filled(match.name, " ".join(text for text in notes if text))


def _one_of(
    path: Path, tried: Sequence[Match], *, arch: str, chosen: str | None, where: str
) -> tuple[Match, str]:
    fitting: list[Match] = []
    for match in tried:
        if match.complete and not any(match.same_as(kept) for kept in fitting):
            fitting.append(match)
    if chosen is not None:
        named = [m for m in tried if m.name == chosen] or [
            m for m in tried if m.name.startswith(f"{chosen}.")
        ]
        if not named:
            known = first_of(repr(match.name) for match in tried if match.name and match.mapping)
            raise ModelFileError(
                f"{path}: has no set of weights named {chosen!r}{f'; it has {known}' if known else ''}. "
                f"Correct `weights` in {where}, or leave it out."
            )
        fitting = [match for match in named if match.complete]
        tried = named
    if not fitting:
        raise ModelFileError(_unfit(path, max(tried, key=lambda match: len(match.mapping)), arch))
    plain = [match for match in fitting if not match.averaged] or fitting
    names = ", ".join(repr(match.name) for match in fitting)
    if len(plain) > 1:
        raise ModelFileError(
            f"{path}: holds {len(plain)} different sets of weights that fit the network of {arch} "
            f'({first_of(repr(match.name) for match in plain)}). Name one in {where}: weights = "{plain[0].name}".'
        )
    if len(fitting) == 1:
        return plain[0], ""
    other = next(match.name for match in fitting if match is not plain[0])
    note = (
        f"{path} holds {len(fitting)} sets of weights that fit ({names}); {plain[0].name!r} was taken. For another, set "
        f'weights = "{other}" in {where}.'
    )
    return plain[0], note


def _unfit(path: Path, match: Match, arch: str) -> str:
    packed = any("_packed_params" in name for name in (*match.tensors, *match.outside))
    advice = "Name the function that built the network these weights were saved from."
    if packed:
        advice = "Its network is quantised: export it to ONNX, or build it in its quantised form."
    elif index := index_of(path):
        advice = f"It is one part of the weights; name {index} instead, which stands for all."
    held = f" (`{match.name}` in it)" if match.name else ""
    return f"{path}{held}: does not fit the network of {arch}: {match.sentence}. {advice}"


def _left_out(path: Path, match: Match) -> str:
    if not match.outside:
        return ""
    return f"{path}: taken without what stands beside the network's weights ({first_of(match.outside)})."


def _cast(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], arch: str) -> str:
    """That numbers change their type, where they do."""
    pairs = sorted(
        {
            (_type(tensor), _type(own[name]))
            for name, tensor in tensors.items()
            if tensor.is_floating_point() and tensor.dtype != own[name].dtype
        }
    )
    if not pairs:
        return ""
    stored, built = pairs[0]
    return (
        f"Its weights are stored as {stored}; the network of {arch} is built in {built}, and that is audited."
    )


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
