"""AttGAN as a generator of cfsearch: counterfactual faces by changing named attributes."""

import copy
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import AttributeEstimator, AttributeTaker, Critic, Generator
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import CapabilityError, ConfigError, ShapeError

from .files import AttGANFile, load_attgan
from .folded import ROWS_ON_DEVICE, FoldedDecoder, FoldedState, fold, piece_size
from .published import load_published

PUBLISHED_RANGE = (-0.5, 1.5)
"""Bounds of b that reproduce published samples: twice the range that training saw."""

_CRITIC_ROWS = 128
"""Most images that go through the critic at once on a processor."""

_SNAP = 0.1
PUBLISHED_SUFFIXES = (".pth", ".pt")
"""Endings of checkpoints as AttGAN's authors publish them."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class AttGANState:
    """Encoded queries: the decoder's share of each image, and its attribute values.

    Shapes:
        ``origin`` ``(b, a)``, in [0, 1].
    """

    folded: FoldedState
    origin: Float[Tensor, "b a"]


class AttGAN(Generator[AttGANState], AttributeTaker):
    """Faces with changed attributes; the search moves attribute strengths ``b = a + z``.

    ``a`` are the query's own attributes, given or estimated; ``z`` is the change, so that
    ``z = 0`` decodes to the reconstruction. ``AttGAN.open`` gives an ``AttGANWithCritic`` where
    the file holds a critic.

    Args:
        content: the networks.
        attribute_range: range that attribute values ``b`` may take, ``low <= 0`` and ``high >= 1``; left
            out, what the file says: (0, 1) for networks trained with partial strengths,
            (-0.5, 1.5) for published ones.
        dead_zone: changes smaller than this become none, so that a counterfactual does not
            carry a dozen invisible edits.
        attributes: names of the attributes that every query has, all others off; left out,
            they are estimated by the attribute classifier.

    Raises:
        ConfigError: a setting is out of range, or an attribute is unknown.

    Example:
        >>> import torch
        >>> from cfsearch.generators.attgan.config import AttGANConfig
        >>> from cfsearch.generators.attgan.files import AttGANFile
        >>> from cfsearch.generators.attgan.networks import Editor
        >>> small = AttGANConfig(size=64, layers=2, width=2, attributes=("Hat",))
        >>> editor = AttGAN(AttGANFile(Editor(small), critic=None), attributes=())
        >>> editor.space(editor.encode(torch.rand(1, 3, 64, 64))).names
        ('Hat',)
    """

    name: ClassVar[str] = "attgan"

    def __init__(
        self,
        content: AttGANFile,
        *,
        attribute_range: tuple[float, float] | None = None,
        dead_zone: float = 0.1,
        attributes: tuple[str, ...] | None = None,
    ) -> None:
        low, high = content.attribute_range if attribute_range is None else attribute_range
        if not (-100.0 <= low <= 0.0 and 1.0 <= high <= 100.0):
            raise ConfigError(
                f"attgan: `attribute_range` (settings `low`, `high`) must be two numbers that enclose 0 and 1, at most 100 away, got ({low}, {high})."
            )
        if not 0.0 <= dead_zone < 1.0:
            raise ConfigError(f"attgan: `dead_zone` must be in [0, 1), got {dead_zone!r}.")
        config = content.editor.config
        if unknown := sorted(set(attributes or ()) - set(config.attributes)):
            raise ConfigError(
                f"attgan: unknown attribute {unknown[0]!r}; this network knows {', '.join(config.attributes)}."
            )
        self.config = config
        self.shape: tuple[int, ...] = (3, config.size, config.size)
        self.attribute_names: tuple[str, ...] = config.attributes
        self.attribute_range: tuple[float, float] = (low, high)
        self.dead_zone: float = dead_zone
        self.card: Mapping[str, object] = content.card
        self.terms: str = content.terms
        # measured at the file's own range
        own = (low, high) == content.attribute_range
        self.edit_success: Mapping[str, float] = content.edit_success if own else {}
        self.edit_strength: Mapping[str, float] = content.edit_strength if own else {}
        self._assumed = attributes
        self.content = content
        self._decoder: FoldedDecoder = fold(content.editor)
        self._device = next(content.editor.parameters()).device
        self._decoder = self._decoder.to(self._device)
        self._fingerprint = _hash(content, (low, high), attributes)

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "AttGAN":
        """The AttGAN of a ``.safetensors`` file of ours or a published ``.pth``.

        Args:
            source: the file.
            settings: ``low``, ``high`` (the attribute range), ``dead_zone``, ``attributes`` (a list of
                names); for published files also ``size`` and ``slope``.

        Raises:
            ConfigError: no file was given, or a setting is unknown or out of range.
            ModelFileError: the file cannot be read.
            UnsafeModelError: reading it would run code.
        """
        if source is None:
            raise ConfigError(
                "attgan: needs a file of weights; name one, or `faces64` for the shipped faces."
            )
        known = ("low", "high", "dead_zone", "attributes", "size", "slope")
        if unknown := sorted(set(settings) - set(known)):
            raise ConfigError(f"attgan: unknown setting {unknown[0]!r}; it takes {', '.join(known)}.")
        published = source.suffix in PUBLISHED_SUFFIXES
        if published:
            size = settings.get("size")
            if size is not None and (isinstance(size, bool) or not isinstance(size, int)):
                raise ConfigError(f"attgan: `size` must be a whole number, got {size!r}.")
            found = load_published(source, size=size, slope=_number(settings, "slope", 0.01))
            kind = "the published critic" if found.critic is not None else ""
            content = AttGANFile(found.editor, found.critic, kind, PUBLISHED_RANGE)
        else:
            if extra := sorted({"size", "slope"} & set(settings)):
                raise ConfigError(f"attgan: `{extra[0]}` is read from {source.name} itself; leave it out.")
            content = load_attgan(source)
        names = settings.get("attributes")
        if names is not None and not (
            isinstance(names, (list, tuple)) and all(isinstance(n, str) for n in names)
        ):
            raise ConfigError(f"attgan: `attributes` must be a list of names, got {names!r}.")
        family = AttGAN if content.critic is None else AttGANWithCritic
        return family(
            content,
            attribute_range=(
                _number(settings, "low", content.attribute_range[0]),
                _number(settings, "high", content.attribute_range[1]),
            ),
            dead_zone=_number(settings, "dead_zone", 0.1),
            attributes=None if names is None else tuple(names),
        )

    @torch.no_grad()
    def encode(
        self, x: Float[Tensor, "b 3 s s"], *, attributes: Float[Tensor, "b a"] | None = None
    ) -> AttGANState:
        """The queries' share of all decoding, and their attributes.

        Args:
            x: images on [0, 1].
            attributes: their labels in [0, 1]; where they are left out or NaN, those of the
                settings, else estimated.

        Raises:
            ShapeError: images or labels of another shape.
            CapabilityError: no labels are known and there is no classifier to estimate them.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise ShapeError(
                f"attgan: expected images of shape (b, {', '.join(map(str, self.shape))}), got "
                f"{tuple(x.shape)}. Resize them."
            )
        a = len(self.attribute_names)
        if attributes is not None:
            if tuple(attributes.shape) != (len(x), a):
                raise ShapeError(
                    f"attgan: expected attributes of shape ({len(x)}, {a}), got {tuple(attributes.shape)}."
                )
            origin = attributes.to(x.device, torch.float32).clamp(0.0, 1.0)
            unknown = origin.isnan()
            if bool(unknown.any()):
                origin = torch.where(unknown, self._guess(x), origin)
        else:
            origin = self._guess(x)
        maps = self.content.editor.encoder(x.float() * 2.0 - 1.0)
        return AttGANState(self._decoder.prepare(maps), origin)

    def space(self, state: AttGANState) -> SearchSpace:
        """Changes of the attribute strengths, within the attribute range; exclusive attributes are kept so."""
        low, high = self.attribute_range
        return SearchSpace(
            names=self.attribute_names,
            lower=low - state.origin,
            upper=high - state.origin,
            origin=state.origin,
            groups=self.config.groups,
            dead_zone=self.dead_zone,
        )

    def decode(self, state: AttGANState, z: Float[Tensor, "b n a"]) -> Float[Tensor, "b n 3 s s"]:
        """The images whose attribute strengths are changed by ``z``, on [0, 1].

        Gradients reach ``z``.
        """
        if z.ndim != 3 or z.shape[0] != len(state.origin) or z.shape[2] != len(self.attribute_names):
            raise ShapeError(
                f"attgan: expected changes of shape ({len(state.origin)}, n, {len(self.attribute_names)}), "
                f"got {tuple(z.shape)}."
            )
        values = state.origin[:, None] + z.to(state.origin.dtype)
        return self._decoder.decode(state.folded, values)

    def select(self, state: AttGANState, i: int) -> AttGANState:
        """The state of query ``i`` alone."""
        return AttGANState(state.folded.select(i), state.origin[i : i + 1])

    def to(self, device: str) -> Self:
        """This generator on another device."""
        if torch.device(device) == self._device:
            return self
        old = self.content
        # modules move in place, so that a copy is moved
        content = AttGANFile(
            _moved(old.editor, device),
            None if old.critic is None else _moved(old.critic, device),
            old.critic_kind,
            old.attribute_range,
            old.card,
        )
        return type(self)(
            content, attribute_range=self.attribute_range, dead_zone=self.dead_zone, attributes=self._assumed
        )

    @property
    def fingerprint(self) -> str:
        """A hash of weights, layout, attribute range and assumed attributes."""
        return self._fingerprint

    def _guess(self, x: Tensor) -> Tensor:
        if self._assumed is None:
            return self._estimate(x)
        row = [float(name in self._assumed) for name in self.attribute_names]
        return torch.tensor([row] * len(x), device=x.device)

    def _estimate(self, x: Tensor) -> Tensor:
        raise CapabilityError(
            f"attgan: this network has no attribute classifier, so the attributes of {len(x)} images are "
            "not known. Give a table of them (`--attributes`), train a classifier (`cfsearch train critic`), or "
            "name them in the generator's setting `attributes`."
        )


class AttGANWithCritic(AttGAN, Critic, AttributeEstimator):
    """An AttGAN with its critic and attribute classifier."""

    def __init__(
        self,
        content: AttGANFile,
        *,
        attribute_range: tuple[float, float] | None = None,
        dead_zone: float = 0.1,
        attributes: tuple[str, ...] | None = None,
    ) -> None:
        if content.critic is None:
            raise ConfigError("attgan: this file has no critic; use AttGAN instead.")
        super().__init__(content, attribute_range=attribute_range, dead_zone=dead_zone, attributes=attributes)
        self.critic_kind: str = content.critic_kind or "the critic that was trained with this generator"
        self._critic = content.critic

    def realism(self, x: Float[Tensor, "b n 3 s s"]) -> Float[Tensor, "b n"]:
        """The critic's score of each image on [0, 1]; larger is more real, no unit."""
        return torch.cat([self._critic.real(part) for part in self._seen(x)]).view(x.shape[:2])

    def attributes(self, x: Float[Tensor, "b n 3 s s"]) -> Float[Tensor, "b n a"]:
        """Probability of each attribute in images on [0, 1]."""
        logits = torch.cat([self._critic.logits(part) for part in self._seen(x)])
        return torch.sigmoid(logits).view(*x.shape[:2], -1)

    def _seen(self, x: Tensor) -> Iterator[Tensor]:
        """The images as the critic takes them, in pieces of nearly one size; channels last, its fastest form."""
        rows = _CRITIC_ROWS if x.device.type == "cpu" else ROWS_ON_DEVICE
        for part in torch.split(x.flatten(0, 1), piece_size(x.shape[0] * x.shape[1], most=rows)):
            yield (part.float() * 2.0 - 1.0).contiguous(memory_format=torch.channels_last)

    def _estimate(self, x: Tensor) -> Tensor:
        # a confident estimate counts as certain, so that a reconstruction is whole
        p = self.attributes(x[:, None])[:, 0]
        return ((p - _SNAP) / (1.0 - 2.0 * _SNAP)).clamp(0.0, 1.0)


def _moved(net: Any, device: str) -> Any:  # Any: an Editor or a Critic, given back as what it was
    return copy.deepcopy(net).to(device)


def _number(settings: Mapping[str, Any], key: str, default: float) -> float:
    value = settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ConfigError(f"attgan: `{key}` must be a number, got {value!r}.")
    return float(value)


def _hash(
    content: AttGANFile, attribute_range: tuple[float, float], attributes: tuple[str, ...] | None
) -> str:
    digest = hashlib.sha256()
    for net in (content.editor, content.critic):
        if net is None:
            continue
        for name, value in sorted(net.state_dict().items()):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    digest.update(json.dumps([content.editor.config.to_json(), attribute_range, attributes]).encode())
    return digest.hexdigest()
