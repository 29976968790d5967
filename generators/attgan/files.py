"""Storage of an AttGAN in one safetensors file, settings in its metadata.

Kernels are stored in half precision, norms and shifts in float32: the networks that ship stay
small, and the figures in their cards are measured on what the file gives back.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast, final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from cfsearch.errors import ConfigError, ModelFileError
from cfsearch.files import why_no_file, write_atomically
from cfsearch.parsing import parse_json

from .config import AttGANConfig
from .networks import Critic, Editor

_FORMAT = "cfsearch.attgan/1"
_SHOWN = 5


@final
@dataclass(frozen=True, slots=True, eq=False)
class AttGANFile:
    """Contents of an AttGAN file: networks, attribute range, card.

    Args:
        editor: the generator.
        critic: None for a published checkpoint without one.
        critic_kind: one sentence: how the critic came to be; empty without one.
        attribute_range: least and greatest attribute value ``b`` that a search may give to an edit.
        card: measured figures and whatever else a reader should know; plain JSON. Two entries are
            read: ``terms``, a text, and ``edit_success``, a share for each attribute.

    Raises:
        ConfigError: the networks have different settings, or an entry of the card is none of these.
    """

    editor: Editor
    critic: Critic | None
    critic_kind: str = ""
    attribute_range: tuple[float, float] = (0.0, 1.0)
    card: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.critic is not None and self.critic.config != self.editor.config:
            raise ConfigError("attgan: generator and critic must have the same settings to share a file.")
        terms, success = self.card.get("terms", ""), self.card.get("edit_success", {})
        if not isinstance(terms, str):
            raise ConfigError(f"attgan: the card's `terms` must be a text, got {terms!r}.")
        if not (
            isinstance(success, dict)
            and set(success) <= set(self.editor.config.attributes)
            and all(type(share) in (int, float) and 0.0 <= share <= 1.0 for share in success.values())
        ):
            raise ConfigError(
                "attgan: the card's `edit_success` must give known attributes a share in [0, 1], got "
                f"{str(success)[:80]}."
            )

    @property
    def terms(self) -> str:
        """On which terms the weights may be used; empty where the card says nothing."""
        return cast(str, self.card.get("terms", ""))

    @property
    def edit_success(self) -> Mapping[str, float]:
        """How often an independent judge saw each attribute's edit; empty where nobody measured."""
        return cast(Mapping[str, float], self.card.get("edit_success", {}))

    @property
    def edit_strength(self) -> Mapping[str, float]:
        """How strong each attribute's edit was measured to be, of what labels make; empty where nobody measured."""
        measured = self.card.get("measured")
        figures = measured.get("attributes") if isinstance(measured, dict) else None
        found = {
            name: row.get("strength")
            for name, row in (figures if isinstance(figures, dict) else {}).items()
            if isinstance(row, dict) and name in self.editor.config.attributes
        }
        return {name: float(share) for name, share in found.items() if isinstance(share, int | float)}


def save_attgan(path: Path, content: AttGANFile, *, half: bool = True) -> Path:
    """Write an AttGAN to one file, whole or not at all.

    Args:
        path: ends in ``.safetensors``.
        content: what to write.
        half: store kernels in half precision.

    Raises:
        RunError: it cannot be written.
    """
    tensors = _tensors("editor", content.editor)
    if content.critic is not None:
        tensors |= _tensors("critic", content.critic)
    if half:
        tensors = {k: v.to(torch.float16) if v.ndim > 1 else v for k, v in tensors.items()}
    metadata = {
        "format": _FORMAT,
        "config": json.dumps(content.editor.config.to_json()),
        "critic_kind": content.critic_kind if content.critic is not None else "",
        "attribute_range": json.dumps(content.attribute_range),
        "card": json.dumps(content.card),
    }
    write_atomically(path, to_bytes(tensors, metadata))
    return path


def annotate_attgan(path: Path, entries: Mapping[str, object]) -> Path:
    """Add entries to the card of a file; its weights stay as they are, byte for byte.

    Args:
        path: the file.
        entries: go before entries of the same name.

    Raises:
        ModelFileError: the file is missing, damaged, or of another kind.
        ConfigError: an entry is not as ``AttGANFile`` takes it.
        RunError: it cannot be written.
    """
    content = load_attgan(path)
    card = {**content.card, **entries}
    replace(content, card=card)  # refuses wrong entries
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # safe_open is no mapping
    write_atomically(path, to_bytes(tensors, {**metadata, "card": json.dumps(card)}))
    return path


def load_attgan(path: Path) -> AttGANFile:
    """Read what ``save_attgan`` wrote; in float32, evaluation mode.

    Raises:
        ModelFileError: the file is missing, damaged, or of another kind.
    """
    if absent := why_no_file(path):
        raise ModelFileError(f"attgan: expected a model file at {path}, but {absent}. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # safe_open is no mapping
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelFileError(
            f"attgan: {path} is no safetensors file, or is cut short. Fetch it again, or train one "
            "with `cfsearch train generator`."
        ) from error
    if metadata.get("format") != _FORMAT:
        raise ModelFileError(
            f"attgan: expected the format {_FORMAT!r} in {path}, got {metadata.get('format')!r}. Published "
            "checkpoints end in .pth; others are trained with `cfsearch train generator`."
        )
    try:
        config = AttGANConfig.from_json(parse_json(metadata["config"]))
        key = "attribute_range" if "attribute_range" in metadata else "reach"  # its older name
        low, high = (float(bound) for bound in parse_json(metadata.get(key, "[0, 1]")))
        card = parse_json(metadata.get("card", "{}"))
    except (ConfigError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"attgan: the settings in {path} cannot be read: {error}") from error
    if not (low <= 0.0 and high >= 1.0 and high - low <= 100.0) or not isinstance(card, dict):
        raise ModelFileError(f"attgan: the attribute range or card in {path} is out of range.")
    # without memory first: a crafted file can name any size
    with torch.device("meta"):
        editor, critic = Editor(config), Critic(config)
    has_critic = any(name.startswith("critic.") for name in tensors)
    wanted = {f"editor.{k}": v for k, v in _weights(editor).items()}
    if has_critic:
        wanted |= {f"critic.{k}": v for k, v in _weights(critic).items()}
    wrong = sorted(set(wanted) ^ set(tensors))
    wrong += sorted(k for k in set(wanted) & set(tensors) if wanted[k].shape != tensors[k].shape)
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ModelFileError(
            f"attgan: the weights in {path} do not fit its settings; missing, unknown or of another "
            f"shape: {', '.join(wrong[:_SHOWN])}{more}."
        )
    if not all(v.is_floating_point() and bool(torch.isfinite(v).all()) for v in tensors.values()):
        raise ModelFileError(f"attgan: {path} holds weights that are not finite numbers.")
    editor = cast(Editor, _fill(editor, "editor.", tensors))
    filled = cast(Critic, _fill(critic, "critic.", tensors)) if has_critic else None
    kind = metadata.get("critic_kind", "")
    try:
        return AttGANFile(editor, filled, kind, (low, high), cast(dict[str, object], card))
    except ConfigError as error:
        raise ModelFileError(f"attgan: the card in {path} cannot be read: {error}") from error


def _weights(net: Editor | Critic) -> dict[str, Tensor]:
    return {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}


def _tensors(part: str, net: Editor | Critic) -> dict[str, Tensor]:
    return {f"{part}.{k}": v.detach().cpu().float().contiguous() for k, v in _weights(net).items()}


def _fill(net: Editor | Critic, prefix: str, tensors: Mapping[str, Tensor]) -> Editor | Critic:
    weights = {k.removeprefix(prefix): v.float() for k, v in tensors.items() if k.startswith(prefix)}
    counters = {k: torch.zeros((), dtype=torch.int64) for k in net.state_dict() if k not in weights}
    net.load_state_dict({**weights, **counters}, assign=True)
    return net.eval().requires_grad_(False)
