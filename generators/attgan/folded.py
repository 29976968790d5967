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

from .config import AttGANConfig
from .networks import DecoderBlock, Editor, ResizeConv


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
    """Of the previous map, ``(c_in, c_out, 4, 4)``; empty in block 0. In the last block, which
    gives only three channels, as ``_quarters`` writes it: three times faster on a processor."""
    image_kernel: Tensor
    """Of the encoder's map; empty where the block sees none."""
    shift: Tensor
    """``(c_out,)``."""
    pattern: Tensor
    """Response to each attribute, ``(a, h, w, c_out)``; empty where the block sees none."""


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
                parts.append(_last(_upconv(seen, block.image_kernel) + shift))
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
                # channels last in memory: the convolutions are fastest so
                fixed = fixed + given.view(len(code), *block.pattern.shape[1:]).permute(0, 3, 1, 2)
            if i == 0:
                x = functional.relu(fixed)
            elif i < last:
                x = functional.relu(_upconv(x, block.kernel) + fixed)
            else:
                x = torch.tanh(_upconv_quarters(x, block.kernel) + fixed)
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
                kernel=_quarters(own) if block.norm is None else _last(own.clone()),
                image_kernel=seen.clone(),
                shift=shift.clone(),
                pattern=_pattern(code.contiguous(), size=config.size // 2 ** (config.layers - i)),
            )
        )
    return FoldedDecoder(config, tuple(blocks))


def _pattern(kernel: Float[Tensor, "a c 4 4"], *, size: int) -> Float[Tensor, "a h w c"]:
    a = len(kernel)
    if a == 0:
        return kernel.new_empty(0)
    ones = torch.eye(a, dtype=kernel.dtype, device=kernel.device)[:, :, None, None]
    return _upconv(ones.expand(a, a, size, size), kernel).permute(0, 2, 3, 1).contiguous()


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _upconv(x: Tensor, kernel: Tensor) -> Tensor:
    return functional.conv_transpose2d(x, kernel, stride=2, padding=1)


def _quarters(kernel: Float[Tensor, "c o 4 4"]) -> Float[Tensor, "4o c 2 2"]:
    """The same as four kernels 2x2, one for each quarter of the doubled places.

    An even place 2 i sees inputs i - 1 and i through taps 3 and 1; an odd one sees i and i + 1
    through taps 2 and 0.
    """
    taps = ([3, 1], [2, 0])
    parts = [kernel[:, :, rows][:, :, :, columns].transpose(0, 1) for rows in taps for columns in taps]
    return _last(torch.cat(parts))


def _upconv_quarters(x: Tensor, kernel: Float[Tensor, "4o c 2 2"]) -> Tensor:
    n, _, h, w = x.shape
    o = len(kernel) // 4
    found = functional.conv2d(x, kernel, padding=1)
    out = x.new_empty(n, o, 2 * h, 2 * w)
    for i in range(4):
        down, across = divmod(i, 2)
        out[:, :, down::2, across::2] = found[:, i * o : (i + 1) * o, down : down + h, across : across + w]
    return out
