"""Published PyTorch AttGAN checkpoints: ``weights.N.pth`` with ``setting.txt`` beside it.

Such a file holds the generator alone under ``G`` (its critic was never published). The layout,
that is layers, widths, attributes, shortcuts and injections, is read from the shapes of the
weights; names of the attributes, image size and scale from ``setting.txt`` where it is there.

References:
    https://github.com/elvisyjlin/AttGAN-PyTorch (MIT); its code is not used here.
"""

import contextlib
import math
import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, final

import torch
from torch import Tensor

from cfsearch.datasets.face_attributes import ATTRIBUTES
from cfsearch.errors import ConfigError, ModelFileError, UnsafeModelError
from cfsearch.files import read_file, why_no_file
from cfsearch.parsing import parse_json
from cfsearch.places import is_file

from .config import AttGANConfig, Upsampling
from .networks import Critic, Editor

_SHOWN = 5
_PORT_SLOPE = 0.01
_CODE = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE"})
_MAX_BYTES = 4 * 2**30


@final
@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """A published network, converted: evaluation mode; ``critic`` where the file has one."""

    config: AttGANConfig
    editor: Editor
    critic: Critic | None


def load_published(
    path: Path,
    *,
    settings: Path | None = None,
    size: int | None = None,
    attributes: tuple[str, ...] | None = None,
    slope: float = _PORT_SLOPE,
) -> Published:
    """The network in a published checkpoint.

    Args:
        path: ``weights.N.pth``, or a plain ``state_dict`` of the generator.
        settings: the JSON of its training; left out, ``setting.txt`` beside ``path`` or one
            folder above it (the published archives' place), if there is one.
        size: of an image in pixels; left out, from the settings, else 128.
        attributes: names; left out, from the settings, else the paper's thirteen.
        slope: of the encoder's leaky ReLU; 0.01 in all published PyTorch weights.

    Raises:
        ModelFileError: the file is missing, unreadable, or not of this layout.
        UnsafeModelError: reading it would run code.
    """
    entries = _read(path)
    weights = _generator_of(entries, path)
    given = _settings_of(path, settings)
    config = _layout_of(weights, path=path, given=given, size=size, attributes=attributes, slope=slope)
    editor = Editor(config)
    _fill(editor, {_editor_name(k): v for k, v in weights.items()}, path=path)
    critic, config = _critic_of(entries, config, path)
    editor.config = editor.decoder.config = config
    return Published(config, editor.eval().requires_grad_(False), critic)


def _read(path: Path) -> Mapping[str, object]:
    if wrong := why_no_file(path):
        raise ModelFileError(
            f"published AttGAN: expected a checkpoint file at {path}, but {wrong}. Check the path."
        )
    if path.stat().st_size > _MAX_BYTES:
        raise ModelFileError(f"published AttGAN: {path} is larger than 4 GiB; no published checkpoint is.")
    try:
        with warnings.catch_warnings():  # torch remarks on foreign pickles before it refuses them
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if re.search(r"GLOBAL|global|Unsupported class|not an allowed", str(error)) or _calls(path):
            raise UnsafeModelError(
                f"published AttGAN: {path} holds objects that would run code when loaded, and was not "
                'loaded. Save the weights alone: torch.save({"G": net.state_dict()}, path).'
            ) from error
        raise _unreadable(path) from error
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise UnsafeModelError(
                f"published AttGAN: {path} is a TorchScript program, and was not loaded. Save the "
                'weights alone: torch.save({"G": net.state_dict()}, path).'
            ) from error
        raise _unreadable(path) from error
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        zipfile.BadZipFile,
    ) as error:
        raise _unreadable(path) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ModelFileError(
            f"published AttGAN: expected a dictionary with `G` in {path}, got {type(content).__name__}."
        )
    return cast(Mapping[str, object], content)


def _calls(path: Path) -> bool:
    """Whether a file is a pickle that names code; looked through, not run."""
    with path.open("rb") as file:
        if file.read(1) != b"\x80":
            return False
        file.seek(0)
        with contextlib.suppress(ValueError, EOFError):  # no pickle, or cut short
            return any(code.name in _CODE for code, _, _ in pickletools.genops(file))
    return False


def _unreadable(path: Path) -> ModelFileError:
    return ModelFileError(
        f"published AttGAN: {path} is no PyTorch checkpoint, or is cut short. Fetch it again, and "
        "unpack the archive that it came in."
    )


def _generator_of(entries: Mapping[str, object], path: Path) -> dict[str, Tensor]:
    found = entries.get("G", entries)
    weights = _tensors(found)
    if weights is None or not any(name.startswith("enc_layers.") for name in weights):
        keys = ", ".join(sorted(entries)[:_SHOWN]) or "none"
        raise ModelFileError(
            f"published AttGAN: expected weights `enc_layers...` and `dec_layers...` under `G` in "
            f"{path}, found the keys {keys}."
        )
    return weights


def _tensors(found: object) -> dict[str, Tensor] | None:
    if not isinstance(found, dict):
        return None
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items()):
        return None
    return {k.removeprefix("module."): v for k, v in found.items()}


def _settings_of(path: Path, settings: Path | None) -> Mapping[str, object]:
    beside = [path.parent / "setting.txt", path.parent.parent / "setting.txt"]
    if settings is not None and (wrong := why_no_file(settings)):
        raise ModelFileError(
            f"published AttGAN: expected settings at {settings}, but {wrong}. Check the path."
        )
    place = settings or next((p for p in beside if is_file(p)), None)
    if place is None:
        return {}
    try:
        content = parse_json(read_file(place))
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"published AttGAN: the settings {place} are not readable JSON: {error}."
        ) from error
    if not isinstance(content, dict):
        raise ModelFileError(f"published AttGAN: the settings {place} are not a JSON table.")
    return cast(Mapping[str, object], content)


def _layout_of(
    weights: Mapping[str, Tensor],
    *,
    path: Path,
    given: Mapping[str, object],
    size: int | None,
    attributes: tuple[str, ...] | None,
    slope: float,
) -> AttGANConfig:
    encoder = _kernels(weights, "enc_layers")
    decoder = _kernels(weights, "dec_layers")
    layers = len(encoder)
    if (
        layers < 2
        or len(decoder) != layers
        or any(k.ndim != 4 or k.shape[2:] != (4, 4) for k in (*encoder, *decoder))
    ):
        raise ModelFileError(
            f"published AttGAN: expected as many 4x4 encoder as decoder layers, at least 2, in {path}, "
            f"found {layers} and {len(decoder)}."
        )
    maps = [int(kernel.shape[0]) for kernel in encoder]
    count = int(decoder[0].shape[0]) - maps[-1]
    # channels that each later block takes beyond those that the block before gives
    extra = [int(decoder[i].shape[0]) - int(decoder[i - 1].shape[1]) for i in range(1, layers)]
    shortcuts = [maps[layers - 1 - i] for i in range(1, layers)]
    fits = [
        (s, j)
        for s in range(layers)
        for j in range(layers)
        if extra == [(shortcuts[i] if i < s else 0) + (count if i < j else 0) for i in range(layers - 1)]
    ]
    if count < 1 or not fits:
        raise ModelFileError(
            f"published AttGAN: the channels in {path} fit no setting of shortcut and injection layers "
            f"(decoder layers take {', '.join(str(int(k.shape[0])) for k in decoder[:_SHOWN])})."
        )
    names = attributes or _names_of(given, count)
    if len(names) != count:
        raise ModelFileError(
            f"published AttGAN: the weights in {path} take {count} attributes, but {len(names)} names "
            "were given. Name them in `attributes`, in the order of the training."
        )
    strength = given.get("thres_int", 0.5)
    pixels = size if size is not None else given.get("img_size", 128)
    if not isinstance(strength, (int, float)) or not math.isfinite(strength) or not isinstance(pixels, int):
        raise ModelFileError("published AttGAN: `thres_int` and `img_size` in the settings must be numbers.")
    try:
        return AttGANConfig(
            size=pixels,
            layers=layers,
            width=maps[0],
            max_width=max(*maps, *(int(k.shape[1]) for k in decoder)),
            shortcut_layers=fits[0][0],
            inject_layers=fits[0][1],
            slope=slope,
            scale=2.0 * float(strength),
            upsampling=Upsampling.TRANSPOSED,
            attributes=names,
        )
    except ConfigError as error:
        raise ModelFileError(f"published AttGAN: {path} does not fit: {error}") from error


def _kernels(weights: Mapping[str, Tensor], part: str) -> list[Tensor]:
    found: list[Tensor] = []
    while (name := f"{part}.{len(found)}.layers.0.weight") in weights:
        found.append(weights[name])
    return found


def _names_of(given: Mapping[str, object], count: int) -> tuple[str, ...]:
    names = given.get("attrs")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return tuple(cast(list[str], names))
    if count == len(ATTRIBUTES):
        return ATTRIBUTES
    return tuple(f"attribute_{i}" for i in range(count))


def _editor_name(name: str) -> str:
    name = re.sub(r"^enc_layers\.", "encoder.blocks.", name)
    name = re.sub(r"^dec_layers\.", "decoder.blocks.", name)
    return name.replace(".layers.0.", ".conv.").replace(".layers.1.", ".norm.")


def _critic_name(name: str) -> str:
    name = re.sub(r"^conv\.(\d+)\.layers\.0\.", r"trunk.\1.conv.", name)
    name = re.sub(r"^conv\.(\d+)\.layers\.1\.", r"trunk.\1.norm.", name)
    for theirs, ours in (("fc_adv", "adversarial"), ("fc_cls", "classifier")):
        name = re.sub(rf"^{theirs}\.0\.layers\.0\.", f"{ours}.hidden.", name)
        name = re.sub(rf"^{theirs}\.1\.layers\.0\.", f"{ours}.out.", name)
    return name


def _critic_of(
    entries: Mapping[str, object], config: AttGANConfig, path: Path
) -> tuple[Critic | None, AttGANConfig]:
    weights = _tensors(entries.get("D"))
    if weights is None:
        return None, config
    kernels = _kernels(weights, "conv")
    hidden = weights.get("fc_adv.0.layers.0.weight")
    if not kernels or hidden is None or len(kernels) != config.layers:
        raise ModelFileError(
            f"published AttGAN: expected {config.layers} layers `conv...` and `fc_adv...` under `D` in "
            f"{path}, found the keys {', '.join(sorted(weights)[:_SHOWN])}."
        )
    config = replace(config, critic_width=int(kernels[0].shape[0]), critic_hidden=int(hidden.shape[0]))
    critic = Critic(config)
    _fill(critic, {_critic_name(k): v for k, v in weights.items()}, path=path)
    return critic.eval().requires_grad_(False), config


def _fill(net: Editor | Critic, weights: dict[str, Tensor], *, path: Path) -> None:
    """Load weights, or say which do not fit."""
    wanted = net.state_dict()
    # files before PyTorch 0.4.1 count no batches
    optional = {name for name in wanted if name.endswith("num_batches_tracked")}
    wrong = sorted(set(wanted) - optional - set(weights)) + sorted(set(weights) - set(wanted))
    wrong += sorted(k for k in set(wanted) & set(weights) if wanted[k].shape != weights[k].shape)
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ModelFileError(
            f"published AttGAN: the weights in {path} do not fit the layout read from them; missing, "
            f"unknown or of another shape: {', '.join(wrong[:_SHOWN])}{more}."
        )
    if not all(bool(torch.isfinite(v).all()) for v in weights.values() if v.is_floating_point()):
        raise ModelFileError(f"published AttGAN: {path} holds weights that are not finite numbers.")
    net.load_state_dict({**{k: wanted[k] for k in optional}, **weights})
