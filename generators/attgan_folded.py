"""AttGAN's decoder for a search: all that does not depend on the candidate is done before.

Each decoder block convolves ``[previous map, shortcut, attributes]``. A convolution is linear,
so its response is the sum of three responses. Those to the encoder's maps (block 0 and the
shortcuts) are the same for all candidates of an image: computed once, in ``prepare``. Those to
the attributes, constant over space, are ``code @ pattern`` with one fixed pattern an attribute
(not constant: zeros beyond the border show in it): computed once a network, in ``fold``. Only
the response to the previous map is left, and nothing at all of block 0. Batch norm at
inference is a scale and a shift; they go into the kernels and the parts. The result equals the
plain decoder's up to rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, cast, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from .attgan_config import AttGANConfig
from .attgan_networks import DecoderBlock, Editor, ResizeConv


@final
@dataclass(frozen=True, slots=True, eq=False)
class FoldedState:
    """Responses of each decoder block to the images' own maps, ``(b, c, h, w)`` a block.

    A block without a share of the image holds its shift alone, ``(1, c, 1, 1)``.
    """

    parts: tuple[Tensor, ...]

    def select(self, i: int) -> Self:
        """The state of image ``i`` alone, with ``b = 1``."""
        return type(self)(tuple(p if p.shape[2] == 1 else p[i : i + 1] for p in self.parts))


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    kernel: Tensor
    """Of the previous map, ``(c_in, c_out, 4, 4)``; empty in block 0."""
    image_kernel: Tensor
    """Of the encoder's map; empty where the block sees none."""
    shift: Tensor
    """``(c_out,)``."""
    pattern: Tensor
    """Response to each attribute, ``(a, c_out, h, w)``; empty where the block sees none."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class FoldedDecoder:
    """The decoder of one network, folded; see the module's docstring. Made by ``fold``.

    Args:
        config: of the network.
        blocks: the folded blocks.
        rows: candidates that go through the blocks at once, bounded so that the maps stay in
            the processor's cache.
    """

    config: AttGANConfig
    blocks: tuple[_Block, ...]
    rows: int = 32

    def prepare(self, maps: Sequence[Float[Tensor, "b c h w"]]) -> FoldedState:
        """The share of the images, from the encoder's maps (finest first)."""
        parts = []
        for i, block in enumerate(self.blocks):
            shift = block.shift[None, :, None, None]
            if block.image_kernel.numel():
                seen = maps[len(maps) - 1 - i]
                parts.append(_upconv(seen, block.image_kernel) + shift)
            else:
                parts.append(shift)
        return FoldedState(tuple(parts))

    def decode(self, state: FoldedState, values: Float[Tensor, "b n a"]) -> Float[Tensor, "b n 3 s s"]:
        """Images on [-1, 1] with the attribute values ``values``."""
        b, n, a = values.shape
        code = ((values - 0.5) * self.config.scale).reshape(b * n, a)
        owner = torch.arange(b, device=values.device).repeat_interleave(n)
        size = self.config.size
        out = values.new_empty((b * n, 3, size, size))
        for first in range(0, b * n, self.rows):
            piece = slice(first, first + self.rows)
            out[piece] = self._rows(state, code[piece], owner[piece])
        return out.view(b, n, 3, size, size)

    def _rows(self, state: FoldedState, code: Tensor, owner: Tensor) -> Tensor:
        x = code
        last = len(self.blocks) - 1
        for i, (block, part) in enumerate(zip(self.blocks, state.parts, strict=True)):
            fixed = part if part.shape[2] == 1 else part[owner]
            if block.pattern.numel():
                given = code @ block.pattern.flatten(1)
                fixed = fixed + given.view(len(code), *block.pattern.shape[1:])
            x = fixed if i == 0 else _upconv(x, block.kernel) + fixed
            x = torch.tanh(x) if i == last else functional.relu(x)
        return x

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        moved = tuple(
            _Block(b.kernel.to(device), b.image_kernel.to(device), b.shift.to(device), b.pattern.to(device))
            for b in self.blocks
        )
        return type(self)(self.config, moved, self.rows if str(device) == "cpu" else 1024)


@torch.no_grad()
def fold(editor: Editor) -> FoldedDecoder:
    """The decoder of ``editor`` at inference, folded; in the dtype of its weights."""
    config = editor.config
    a = len(config.attributes)
    blocks = []
    for i, module in enumerate(editor.decoder.blocks):
        block = cast(DecoderBlock, module)
        kernel = block.conv.kernel() if isinstance(block.conv, ResizeConv) else block.conv.weight
        if block.norm is not None:
            norm = block.norm
            mean, var = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
            gain = norm.weight / (var + norm.eps).sqrt()
            shift = norm.bias - mean * gain
            kernel = kernel * gain[None, :, None, None]
        else:
            shift = cast(Tensor, block.conv.bias)
        injected = a if i == 0 or i - 1 < config.inject_layers else 0
        if i == 0:
            previous, image = 0, config.encoder_widths[-1]
        else:
            previous = config.decoder_widths[i - 1][1]
            image = config.encoder_widths[config.layers - 1 - i] if i - 1 < config.shortcut_layers else 0
        own, seen, code = torch.split(kernel, [previous, image, injected])
        blocks.append(
            _Block(
                kernel=own.clone().contiguous(memory_format=torch.channels_last),
                image_kernel=seen.clone(),
                shift=shift.clone(),
                pattern=_pattern(code, size=config.size // 2 ** (config.layers - i)),
            )
        )
    return FoldedDecoder(config, tuple(blocks))


def _pattern(kernel: Float[Tensor, "a c 4 4"], *, size: int) -> Float[Tensor, "a c h w"]:
    a = len(kernel)
    if a == 0:
        return kernel.new_empty(0)
    ones = torch.eye(a, dtype=kernel.dtype, device=kernel.device)[:, :, None, None]
    return _upconv(ones.expand(a, a, size, size), kernel)


def _upconv(x: Tensor, kernel: Tensor) -> Tensor:
    return functional.conv_transpose2d(x, kernel, stride=2, padding=1)
