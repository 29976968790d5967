"""The networks of AttGAN: encoder, decoder with attribute injection, critic with classifier.

Inside the networks images live on [-1, 1]; the borders of cfsearch use [0, 1], see
``attgan.py``. Letters: ``b`` images, ``a`` attributes, ``c h w`` as usual.

References:
    He, Zuo, Kan, Shan and Chen 2019, AttGAN: Facial Attribute Editing by Only Changing What
    You Want, IEEE TIP, https://arxiv.org/abs/1711.10678.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Self, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from cfsearch.errors import ConfigError

ATTRIBUTES: tuple[str, ...] = (
    "Bald",
    "Bangs",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Male",
    "Mouth_Slightly_Open",
    "Mustache",
    "No_Beard",
    "Pale_Skin",
    "Young",
)
"""The thirteen attributes of the paper, in its order."""

GROUPS: tuple[tuple[str, ...], ...] = (
    ("Bald", "Bangs"),
    ("Black_Hair", "Blond_Hair", "Brown_Hair"),
    ("Mustache", "No_Beard"),
)
"""Attributes of which at most one may be switched on; switching one on clears the others."""


class Upsampling(StrEnum):
    """How the decoder doubles the size of a map."""

    TRANSPOSED = "transposed"
    """Transposed convolution 4x4, stride 2: the published layout."""
    RESIZE = "resize"
    """Nearest-neighbour upsampling, then convolution 3x3: cannot draw a checkerboard."""


class CriticNorm(StrEnum):
    """What steadies the trunk of the critic."""

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
    groups: tuple[tuple[str, ...], ...] = GROUPS

    def __post_init__(self) -> None:
        for name in ("layers", "width", "max_width", "critic_width", "critic_hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"attgan: `{name}` must be at least 1, got {getattr(self, name)}.")
        if self.layers < 2:
            raise ConfigError(f"attgan: `layers` must be at least 2, got {self.layers}.")
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
        try:
            return cls(**{key: _read(key, value) for key, value in table.items()})  # type: ignore[arg-type]  # checked by _read
        except TypeError as error:
            raise ConfigError(f"attgan: a setting has the wrong type: {error}.") from error


def _read(key: str, value: object) -> object:
    try:
        if key == "upsampling":
            return Upsampling(value)  # type: ignore[arg-type]  # a wrong type raises ValueError
        if key == "critic_norm":
            return CriticNorm(value)  # type: ignore[arg-type]  # a wrong type raises ValueError
    except ValueError as error:
        raise ConfigError(f"attgan: {error} for `{key}`.") from error
    if key == "attributes" and isinstance(value, (list, tuple)):
        return tuple(str(name) for name in value)
    if key == "groups" and isinstance(value, (list, tuple)):
        return tuple(tuple(str(name) for name in group) for group in value)
    wanted = float if key in ("slope", "scale") else int
    if isinstance(value, bool) or not isinstance(value, (int, float) if wanted is float else int):
        raise ConfigError(f"attgan: `{key}` must be of type {wanted.__name__}, got {value!r}.")
    return value


class ResizeConv(nn.Module):
    """Nearest-neighbour upsampling by two, then a convolution 3x3 with padding 1.

    Computed as one transposed convolution whose 4x4 kernel is the 3x3 kernel spread by the
    2x2 box of the upsampling: equal to the two steps up to rounding, at less than half the
    operations.

    Shapes:
        ``(b, c_in, h, w)`` -> ``(b, c_out, 2 h, 2 w)``.
    """

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        # fan of the 3x3 convolution that this is
        nn.init.uniform_(self.weight, -1.0, 1.0)
        with torch.no_grad():
            self.weight.mul_((9 * inputs) ** -0.5)

    def kernel(self) -> Float[Tensor, "c_in c_out 4 4"]:
        """The kernel of the equal transposed convolution (stride 2, padding 1)."""
        w = functional.pad(self.weight, (1, 1, 1, 1))
        return w[..., :-1, :-1] + w[..., 1:, :-1] + w[..., :-1, 1:] + w[..., 1:, 1:]

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o h2 w2"]:
        return functional.conv_transpose2d(x, self.kernel(), self.bias, stride=2, padding=1)


class EncoderBlock(nn.Module):
    """Convolution 4x4 of stride 2, batch norm, leaky ReLU: half the size."""

    def __init__(self, inputs: int, outputs: int, *, slope: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.slope = slope

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o h2 w2"]:
        return functional.leaky_relu(self.norm(self.conv(x)), self.slope)


class DecoderBlock(nn.Module):
    """Upsampling by two with a convolution; batch norm and ReLU, or tanh in the last."""

    def __init__(self, inputs: int, outputs: int, *, upsampling: Upsampling, last: bool) -> None:
        super().__init__()
        self.conv: nn.ConvTranspose2d | ResizeConv
        if upsampling is Upsampling.RESIZE:
            self.conv = ResizeConv(inputs, outputs, bias=last)
        else:
            self.conv = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=last)
        self.norm = None if last else nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o h2 w2"]:
        x = self.conv(x)
        return torch.tanh(x) if self.norm is None else functional.relu(self.norm(x))


class Encoder(nn.Module):
    """Maps of an image at every scale, finest first.

    Shapes:
        ``(b, 3, size, size)`` on [-1, 1] -> ``layers`` maps, map i of
        ``(b, encoder_widths[i], size / 2**(i+1), size / 2**(i+1))``.
    """

    def __init__(self, config: AttGANConfig) -> None:
        super().__init__()
        widths = (3, *config.encoder_widths)
        self.blocks = nn.ModuleList(
            EncoderBlock(widths[i], widths[i + 1], slope=config.slope) for i in range(config.layers)
        )

    def forward(self, x: Float[Tensor, "b 3 size size"]) -> list[Tensor]:
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """An image from the encoder's maps and the attribute values it shall have.

    Shapes:
        maps of ``Encoder`` and ``values`` ``(b, a)`` in [0, 1] -> ``(b, 3, size, size)`` on
        [-1, 1].
    """

    def __init__(self, config: AttGANConfig) -> None:
        super().__init__()
        self.config = config
        last = config.layers - 1
        self.blocks = nn.ModuleList(
            DecoderBlock(taken, given, upsampling=config.upsampling, last=i == last)
            for i, (taken, given) in enumerate(config.decoder_widths)
        )

    def forward(self, maps: Sequence[Tensor], values: Float[Tensor, "b a"]) -> Tensor:
        code = ((values - 0.5) * self.config.scale).to(maps[-1].dtype)
        x = torch.cat([maps[-1], tile(code, maps[-1])], dim=1)
        for i, block in enumerate(self.blocks):
            x = block(x)
            parts = [x]
            if i < self.config.shortcut_layers:
                parts.append(maps[self.config.layers - 2 - i].to(x.dtype))
            if i < self.config.inject_layers:
                parts.append(tile(code.to(x.dtype), x))
            x = torch.cat(parts, dim=1) if len(parts) > 1 else x
        return x


def tile(code: Float[Tensor, "b a"], like: Float[Tensor, "b c h w"]) -> Float[Tensor, "b a h w"]:
    """The code repeated at every place of a map."""
    return code[:, :, None, None].expand(-1, -1, like.shape[2], like.shape[3])


class Editor(nn.Module):
    """Encoder and decoder, the generator that is trained."""

    def __init__(self, config: AttGANConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def forward(self, x: Float[Tensor, "b 3 s s"], values: Float[Tensor, "b a"]) -> Tensor:
        """The images with the attribute values ``values``; all on [-1, 1]."""
        return cast(Tensor, self.decoder(self.encoder(x), values))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the critic says: ``real`` ``(b,)``, larger is more real; ``logits`` ``(b, a)``."""

    real: Float[Tensor, " b"]
    logits: Float[Tensor, "b a"]


class CriticBlock(nn.Module):
    """Convolution 4x4 of stride 2, instance norm unless spectral, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, *, slope: float, norm: CriticNorm) -> None:
        super().__init__()
        self.slope = slope
        instance = norm is CriticNorm.INSTANCE
        self.conv = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not instance)
        self.norm = nn.InstanceNorm2d(outputs, affine=True) if instance else None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o h2 w2"]:
        x = self.conv(x)
        x = x if self.norm is None else self.norm(x)
        return functional.leaky_relu(x, self.slope)


class Head(nn.Module):
    """Hidden linear layer, leaky ReLU, linear layer."""

    def __init__(self, inputs: int, hidden: int, outputs: int, *, slope: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, hidden)
        self.out = nn.Linear(hidden, outputs)
        self.slope = slope

    def forward(self, x: Float[Tensor, "b f"]) -> Float[Tensor, "b o"]:
        return cast(Tensor, self.out(functional.leaky_relu(self.hidden(x), self.slope)))


class Critic(nn.Module):
    """How real an image looks, and which attributes it has: one trunk, two heads.

    Shapes:
        ``(b, 3, size, size)`` on [-1, 1] -> ``Verdict``.
    """

    def __init__(self, config: AttGANConfig) -> None:
        super().__init__()
        self.config = config
        widths = (3, *config.critic_widths)
        self.trunk = nn.ModuleList(
            CriticBlock(widths[i], widths[i + 1], slope=config.slope, norm=config.critic_norm)
            for i in range(config.layers)
        )
        features = widths[-1] * (config.size // 2**config.layers) ** 2
        hidden, a = config.critic_hidden, len(config.attributes)
        self.adversarial = Head(features, hidden, 1, slope=config.slope)
        self.classifier = Head(features, hidden, a, slope=config.slope)

    def forward(self, x: Float[Tensor, "b 3 s s"]) -> Verdict:
        for block in self.trunk:
            x = block(x)
        x = x.flatten(1)
        return Verdict(self.adversarial(x).squeeze(1), self.classifier(x))

    def steady(self) -> Self:
        """This critic with spectral norm put on, for training; all but the label outputs."""
        for layer in self._bounded():
            spectral_norm(layer)
        return self

    def plain(self) -> "Critic":
        """A copy for use, the norm of the weights worked into them."""
        copy = Critic(self.config)
        source = self.state_dict()
        weights = {
            name: source[name] if name in source else self.get_submodule(name.rpartition(".")[0]).weight
            for name in copy.state_dict()
        }
        copy.load_state_dict({name: cast(Tensor, w).detach().clone() for name, w in weights.items()})
        return copy.to(next(self.parameters()).device).train(self.training)

    def _bounded(self) -> list[nn.Module]:
        convs: list[nn.Module] = [cast(CriticBlock, block).conv for block in self.trunk]
        return [*convs, self.adversarial.hidden, self.adversarial.out]
