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
from typing import Final, Self, cast, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from .config import AttGANConfig
from .networks import DecoderBlock, Editor, ResizeConv

ROWS_ON_DEVICE: Final = 1024
"""Most images that go through a network at once on a device."""


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
        rows: most candidates that go through the blocks at once; the pieces are of nearly one size. The
            maps of 50 are small enough that their memory is used again instead of given back and fetched anew.
    """

    config: AttGANConfig
    blocks: tuple[_Block, ...]
    rows: int = 50

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
        """Images on [0, 1] with the attribute values ``values``; gradients reach the values."""
        b, n, a = values.shape
        code = ((values - 0.5) * self.config.scale).reshape(b * n, a)
        s = self.config.size
        out = values.new_empty((b * n, 3, s, s))
        size = piece_size(b * n, most=self.rows)
        for first in range(0, b * n, size):
            last = min(first + size, b * n)
            owner = None if b == 1 else torch.arange(first, last, device=values.device) // n
            self._write(out[first:last], state, code[first:last], owner)
        return out.view(b, n, 3, s, s)

    def _write(self, out: Tensor, state: FoldedState, code: Tensor, owner: Tensor | None) -> None:
        """Images of some candidates, each of the image that ``owner`` says; None for all of the only one.

        Where no gradient is wanted, every block works in the memory of its convolution.
        """
        kept = code.requires_grad and torch.is_grad_enabled()
        x = code
        for i, (block, part) in enumerate(zip(self.blocks, state.parts, strict=True)):
            fixed = _fixed(block.pattern, part, code, owner)
            shift = part.flatten() if fixed is None else None
            if i == len(self.blocks) - 1:
                _doubled(out, x, block.kernel, shift, fixed, kept=kept)
                return
            if i > 0:
                x = _upconv(x, block.kernel, shift)
            if fixed is not None:
                x = fixed if i == 0 else x + fixed if kept else x.add_(fixed)
            x = functional.relu(x, inplace=not kept)

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        moved = tuple(
            _Block(b.kernel.to(device), b.image_kernel.to(device), b.shift.to(device), b.pattern.to(device))
            for b in self.blocks
        )
        return type(self)(self.config, moved, self.rows if str(device) == "cpu" else ROWS_ON_DEVICE)


def piece_size(count: int, *, most: int) -> int:
    """Rows of each piece where ``count`` go through a network in as few pieces of nearly one size as may be.

    Example:
        >>> piece_size(100, most=64), piece_size(0, most=64)
        (50, 1)
    """
    pieces = max(1, -(-count // most))
    return max(1, -(-count // pieces))


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


def _upconv(x: Tensor, kernel: Tensor, shift: Tensor | None = None) -> Tensor:
    return functional.conv_transpose2d(x, kernel, shift, stride=2, padding=1)


def _fixed(
    pattern: Float[Tensor, "a h w c"], part: Tensor, code: Float[Tensor, "n a"], owner: Tensor | None
) -> Float[Tensor, "n c h w"] | None:
    """What a block adds to each candidate's map; None where that is the shift alone.

    Channels last in memory, where the convolutions are fastest. The response to the attributes is one
    product that begins at the image's own share.
    """
    spread = part.shape[2] == 1
    own = part if owner is None or spread else part[owner]
    if not pattern.numel():
        return None if spread else own
    _, h, w, c = pattern.shape
    begin = own.permute(0, 2, 3, 1).expand(len(own), h, w, c).reshape(len(own), -1)
    return torch.addmm(begin, code, pattern.flatten(1)).view(len(code), h, w, c).permute(0, 3, 1, 2)


def _quarters(kernel: Float[Tensor, "c o 4 4"]) -> Float[Tensor, "4o c 2 2"]:
    """The same as four kernels 2x2, one for each quarter of the doubled places.

    An even place 2 i sees inputs i - 1 and i through taps 3 and 1; an odd one sees i and i + 1
    through taps 2 and 0.
    """
    taps = ([3, 1], [2, 0])
    parts = [kernel[:, :, rows][:, :, :, columns].transpose(0, 1) for rows in taps for columns in taps]
    return _last(torch.cat(parts))


def _doubled(
    out: Float[Tensor, "n o s s"],
    x: Tensor,
    kernel: Float[Tensor, "4o c 2 2"],
    shift: Tensor | None,
    fixed: Tensor | None,
    *,
    kept: bool,
) -> None:
    """Write the last block's images on [0, 1]: each quarter of the convolution to its places, and tanh."""
    _, _, h, w = x.shape
    o = len(kernel) // 4
    found = functional.conv2d(x, kernel, None if shift is None else shift.repeat(4), padding=1)
    if fixed is None:
        found = torch.tanh(found) * 0.5 + 0.5 if kept else found.tanh_().mul_(0.5).add_(0.5)
    for i in range(4):
        down, across = divmod(i, 2)
        out[:, :, down::2, across::2] = found[:, i * o : (i + 1) * o, down : down + h, across : across + w]
    if fixed is not None:
        out.copy_(torch.tanh(out + fixed) * 0.5 + 0.5)
