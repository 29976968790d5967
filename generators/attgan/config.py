"""Size and layout of AttGAN's networks."""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Self, cast, final

from cfsearch.datasets.face_attributes import ATTRIBUTES, EXCLUSIVE_GROUPS
from cfsearch.errors import ConfigError

_MOST_LAYERS = 12


class Upsampling(StrEnum):
    """Upsampling method of the decoder."""

    TRANSPOSED = "transposed"
    """Transposed convolution 4x4, stride 2: the published layout."""
    RESIZE = "resize"
    """Nearest-neighbour upsampling, then convolution 3x3: cannot draw a checkerboard."""


class CriticNorm(StrEnum):
    """Normalisation of the critic's trunk."""

    INSTANCE = "instance"
    """Instance norm with learned scale and shift: published, for WGAN-GP."""
    SPECTRAL = "spectral"
    """Spectral norm of the weights (Miyato et al. 2018) and biases: for the hinge loss."""


@final
@dataclass(frozen=True, slots=True)
class AttGANConfig:
    """Size and layout of all three networks; the defaults are the published ones at 128 px.

    Args:
        size: height and width of an image in pixels; a multiple of ``2**layers``, at least 64
            (every power of two from 64 will do).
        layers: blocks of the encoder, of the decoder and of the critic.
        width: channels of the first encoder block; each further block doubles them.
        max_width: bound on the channels of any block.
        critic_width: as ``width``, for the critic.
        critic_hidden: units of the hidden layer of both heads.
        shortcut_layers: decoder blocks after which the encoder's map is concatenated.
        inject_layers: decoder blocks after which the attributes are concatenated once more.
        slope: of the leaky ReLU; 0.2 in the paper, 0.01 in the PyTorch port and its weights.
        scale: the decoder sees ``(b - 0.5) * scale`` for attribute values ``b`` in [0, 1].
        upsampling: how the decoder doubles a map.
        critic_norm: what steadies the critic.
        attributes: names, in the order of the decoder's input.
        groups: sets of names of which at most one may be switched on; names that are not
            among ``attributes`` are dropped.

    Raises:
        ConfigError: a number out of range, a doubled attribute, an image that does not fit.
    """

    size: int = 128
    layers: int = 5
    width: int = 64
    max_width: int = 1024
    critic_width: int = 64
    critic_hidden: int = 1024
    shortcut_layers: int = 1
    inject_layers: int = 1
    slope: float = 0.2
    scale: float = 1.0
    upsampling: Upsampling = Upsampling.TRANSPOSED
    critic_norm: CriticNorm = CriticNorm.INSTANCE
    attributes: tuple[str, ...] = ATTRIBUTES
    groups: tuple[tuple[str, ...], ...] = EXCLUSIVE_GROUPS

    def __post_init__(self) -> None:
        for name in ("width", "max_width", "critic_width", "critic_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"attgan: `{name}` must be at least 1, got {getattr(self, name)}.")
        if not 2 <= self.layers <= _MOST_LAYERS:
            raise ConfigError(f"attgan: `layers` must be from 2 to {_MOST_LAYERS}, got {self.layers}.")
        if self.size < 64 or self.size % 2**self.layers or self.size < 2 ** (self.layers + 1):
            raise ConfigError(
                f"attgan: `size` must be at least 64 px and a multiple of 2**layers that leaves "
                f"2 px or more, got size {self.size} with {self.layers} layers. Use a power of "
                "two from 64, or fewer layers."
            )
        for name in ("shortcut_layers", "inject_layers"):
            if not 0 <= getattr(self, name) < self.layers:
                raise ConfigError(
                    f"attgan: `{name}` must be between 0 and {self.layers - 1} (layers - 1), "
                    f"got {getattr(self, name)}."
                )
        if not 0.0 <= self.slope < 1.0:
            raise ConfigError(f"attgan: `slope` must be in [0, 1), got {self.slope!r}.")
        if not 0.0 < self.scale <= 100.0:
            raise ConfigError(f"attgan: `scale` must be positive and at most 100, got {self.scale!r}.")
        if not self.attributes or len(set(self.attributes)) != len(self.attributes):
            raise ConfigError(
                f"attgan: `attributes` must be unique names, at least one, got {self.attributes!r}."
            )
        known = tuple(
            kept
            for group in self.groups
            if len(kept := tuple(name for name in group if name in self.attributes)) > 1
        )
        object.__setattr__(self, "groups", known)

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """Channels that each encoder block gives."""
        return tuple(min(self.width * 2**i, self.max_width) for i in range(self.layers))

    @property
    def critic_widths(self) -> tuple[int, ...]:
        """Channels that each block of the critic gives."""
        return tuple(min(self.critic_width * 2**i, self.max_width) for i in range(self.layers))

    @property
    def decoder_widths(self) -> tuple[tuple[int, int], ...]:
        """Channels that each decoder block takes and gives."""
        maps, a = self.encoder_widths, len(self.attributes)
        widths = []
        taken = maps[-1] + a
        for i in range(self.layers - 1):
            given = min(self.width * 2 ** (self.layers - 1 - i), self.max_width)
            widths.append((taken, given))
            taken = given
            taken += maps[self.layers - 2 - i] if i < self.shortcut_layers else 0
            taken += a if i < self.inject_layers else 0
        return (*widths, (taken, 3))

    def to_json(self) -> dict[str, object]:
        """The settings as plain values for a file's metadata."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: object) -> Self:
        """The settings that ``to_json`` wrote.

        Raises:
            ConfigError: no table, an unknown key, or a value of the wrong type.
        """
        if not isinstance(values, dict):
            raise ConfigError(f"attgan: expected a table of settings, got {type(values).__name__}.")
        table = cast(dict[str, object], values)
        known = {f.name: f.type for f in fields(cls)}
        if unknown := sorted(set(table) - set(known)):
            raise ConfigError(f"attgan: unknown setting {unknown[0]!r}; known are {', '.join(known)}.")
        return cls(**{key: _read(key, value) for key, value in table.items()})  # type: ignore[arg-type]  # checked by _read


def _read(key: str, value: object) -> object:
    try:
        if key == "upsampling":
            return Upsampling(value)  # type: ignore[arg-type]  # a wrong type raises ValueError
        if key == "critic_norm":
            return CriticNorm(value)  # type: ignore[arg-type]  # a wrong type raises ValueError
    except ValueError as error:
        raise ConfigError(f"attgan: {error} for `{key}`.") from error
    if key == "attributes":
        return _names(value, key)
    if key == "groups":
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"attgan: `groups` must be a list of lists of names, got {value!r}.")
        return tuple(_names(group, key) for group in value)
    wanted = float if key in ("slope", "scale") else int
    if isinstance(value, bool) or not isinstance(value, (int, float) if wanted is float else int):
        raise ConfigError(f"attgan: `{key}` must be of type {wanted.__name__}, got {value!r}.")
    return value


def _names(value: object, key: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(name, str) for name in value):
        raise ConfigError(f"attgan: `{key}` must hold lists of names, got {value!r}.")
    return tuple(value)
