"""The networks of AttGAN: encoder, decoder with attribute injection, critic with classifier.

Inside the networks images live on [-1, 1]; the borders of cfsearch use [0, 1], see
``attgan.py``. Letters: ``b`` images, ``a`` attributes, ``c h w`` as usual.

References:
    He, Zuo, Kan, Shan and Chen 2019, AttGAN: Facial Attribute Editing by Only Changing What
    You Want, IEEE TIP, https://arxiv.org/abs/1711.10678.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from .config import AttGANConfig, CriticNorm, Upsampling


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
        self.weight: nn.Parameter = nn.Parameter(torch.empty(inputs, outputs, 3, 3))
        self.bias: nn.Parameter | None = nn.Parameter(torch.zeros(outputs)) if bias else None
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
        self.conv: nn.Conv2d = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(outputs)
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
        self.norm: nn.BatchNorm2d | None = None if last else nn.BatchNorm2d(outputs)

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
        self.blocks: nn.ModuleList = nn.ModuleList(
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
        self.blocks: nn.ModuleList = nn.ModuleList(
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
        self.encoder: Encoder = Encoder(config)
        self.decoder: Decoder = Decoder(config)

    def forward(self, x: Float[Tensor, "b 3 s s"], values: Float[Tensor, "b a"]) -> Tensor:
        """The images with the attribute values ``values``; all on [-1, 1]."""
        return cast(Tensor, self.decoder(self.encoder(x), values))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """Output of the critic: ``real`` ``(b,)``, larger is more real; ``logits`` ``(b, a)``."""

    real: Float[Tensor, " b"]
    logits: Float[Tensor, "b a"]


class CriticBlock(nn.Module):
    """Convolution 4x4 of stride 2, instance norm unless spectral, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, *, slope: float, norm: CriticNorm) -> None:
        super().__init__()
        self.slope = slope
        instance = norm is CriticNorm.INSTANCE
        self.conv: nn.Conv2d = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=not instance)
        self.norm: nn.InstanceNorm2d | None = nn.InstanceNorm2d(outputs, affine=True) if instance else None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b o h2 w2"]:
        x = self.conv(x)
        x = x if self.norm is None else self.norm(x)
        return functional.leaky_relu(x, self.slope, inplace=not x.requires_grad)


class Head(nn.Module):
    """Hidden linear layer, leaky ReLU, linear layer."""

    def __init__(self, inputs: int, hidden: int, outputs: int, *, slope: float) -> None:
        super().__init__()
        self.hidden: nn.Linear = nn.Linear(inputs, hidden)
        self.out: nn.Linear = nn.Linear(hidden, outputs)
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
        self.trunk: nn.ModuleList = nn.ModuleList(
            CriticBlock(widths[i], widths[i + 1], slope=config.slope, norm=config.critic_norm)
            for i in range(config.layers)
        )
        features = widths[-1] * (config.size // 2**config.layers) ** 2
        hidden, a = config.critic_hidden, len(config.attributes)
        self.adversarial: Head = Head(features, hidden, 1, slope=config.slope)
        self.classifier: Head = Head(features, hidden, a, slope=config.slope)

    def forward(self, x: Float[Tensor, "b 3 s s"]) -> Verdict:
        x = self._features(x)
        return Verdict(self.adversarial(x).squeeze(1), self.classifier(x))

    def real(self, x: Float[Tensor, "b 3 s s"]) -> Float[Tensor, " b"]:
        """How real images on [-1, 1] look, without the head that names attributes."""
        return cast(Tensor, self.adversarial(self._features(x)).squeeze(1))

    def logits(self, x: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b a"]:
        """Logits of the attributes of images on [-1, 1], without the head that says how real they look."""
        return cast(Tensor, self.classifier(self._features(x)))

    def _features(self, x: Tensor) -> Tensor:
        for block in self.trunk:
            x = block(x)
        return x.flatten(1)

    def steady(self) -> Self:
        """This critic with spectral norm put on, for training; all but the label outputs."""
        for layer in self._bounded():
            spectral_norm(layer)
        return self

    def plain(self) -> "Critic":
        """A copy for use, the norm of the weights worked into them."""
        with torch.device("meta"):  # no weights of its own, so that nothing is drawn
            copy = Critic(self.config)
        source = self.state_dict()
        weights = {
            name: source[name] if name in source else self.get_submodule(name.rpartition(".")[0]).weight
            for name in copy.state_dict()
        }
        copy.load_state_dict(
            {name: cast(Tensor, w).detach().clone() for name, w in weights.items()}, assign=True
        )
        return copy.train(self.training)

    def _bounded(self) -> list[nn.Module]:
        convs: list[nn.Module] = [cast(CriticBlock, block).conv for block in self.trunk]
        return [*convs, self.adversarial.hidden, self.adversarial.out]
