"""The bytes of a front as a store holds them: compressed without loss, pictures as differences from each other.

A front's own bytes (``ParetoFront.to_bytes``) are canonical and compared by hash; deflate gives other bytes in
another build of zlib, so the compact form is the store's alone, below its checksums. It is ``MARK``, then two zlib
streams: the front's bytes without its pictures or sounds, and these. From each picture the nearest among those before
it is subtracted (mod 256), then green from red and blue, then from each value its left neighbour; which one was the nearest
stands before them, two bytes each, 0 for none. Sounds are the bytes of their float32 numbers, each of the four a plane.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import UInt8

MARK: Final = b"cfsfront"
"""Where the bytes of a front begin with the size of their header, which is never as large as this."""
_PARTS: Final = ("original", "reconstruction", "images", "sound", "sounds")
_WIDTHS: Final = {"U8": 1, "F32": 4}
_MOST: Final = 10**9
"""The largest front in bytes; SQLite holds no larger row."""
_TOGETHER: Final = 256
"""Pictures among which the nearest is looked for: the time grows with the number, not with its square."""
_COMPARED: Final = 1024
"""Values of a picture by which the nearest one is found; sums of their products are whole numbers, exact in float64."""


class _Piece(NamedTuple):
    """A tensor that lies in the second stream: its place among the tensors' bytes, and its shape."""

    begin: int
    end: int
    shape: tuple[int, ...]
    dtype: str


@final
@dataclass(frozen=True, slots=True)
class _Layout:
    """The places of a front's tensors, from its header."""

    size: int
    pieces: tuple[_Piece, ...]

    @classmethod
    def of(cls, header: bytes) -> "_Layout":
        tensors: dict[str, Mapping[str, Any]] = json.loads(header)  # Any: JSON values
        ends = [int(one["data_offsets"][1]) for name, one in tensors.items() if name != "__metadata__"]
        found = [_piece(tensors[name]) for name in _PARTS if name in tensors]
        size = max(ends, default=0)
        if size > _MOST or not all(0 <= piece.begin <= piece.end for piece in found):
            raise ValueError("its header says what no front has")
        alike = len({(piece.dtype, piece.shape[-3:]) for piece in found}) == 1
        planes = alike and found[0].dtype in _WIDTHS and min(len(piece.shape) for piece in found) >= 3
        if not planes or all(piece.begin == piece.end for piece in found):
            found = []
        return cls(size, tuple(sorted(found)))

    @property
    def cut(self) -> int:
        """Bytes in the second stream."""
        return sum(piece.end - piece.begin for piece in self.pieces)

    @property
    def planes(self) -> tuple[int, int, int]:
        """Planes, height and width of one picture."""
        *_, c, h, w = self.pieces[0].shape
        return c * _WIDTHS[self.pieces[0].dtype], h, w

    @property
    def coloured(self) -> bool:
        """Whether the planes are red, green and blue."""
        return self.planes[0] == 3


def _piece(one: Mapping[str, Any]) -> _Piece:  # Any: JSON values
    begin, end = one["data_offsets"]
    return _Piece(int(begin), int(end), tuple(map(int, one["shape"])), str(one["dtype"]))


def compacted(blob: bytes) -> bytes:
    """The compact form of a front's bytes; those of a front too large for a store stay as they are.

    Args:
        blob: of ``ParetoFront.to_bytes``.

    Example:
        >>> import torch
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> measures = [Adversarial(), Intensity()]
        >>> search = Search(FakeProvider(), FakeGenerator(), measures, lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> blob = front.to_bytes()
        >>> expanded(compacted(blob)) == blob, len(compacted(blob)) < len(blob) / 2
        (True, True)
    """
    if len(blob) > _MOST:
        return blob
    begin = 8 + int.from_bytes(blob[:8], "little")
    layout = _Layout.of(blob[8:begin])
    rest, at = [blob[:begin]], begin
    for piece in layout.pieces:
        rest.append(blob[at : begin + piece.begin])
        at = begin + piece.end
    rest.append(blob[at:])
    pictures = _packed([blob[begin + p.begin : begin + p.end] for p in layout.pieces], layout)
    return MARK + zlib.compress(b"".join(rest), 1) + pictures


def expanded(blob: bytes) -> bytes:
    """The bytes of ``ParetoFront.to_bytes`` of a stored front.

    Args:
        blob: of ``compacted``, or a front's own bytes, which are returned as they are; bytes of another format raise
            whatever they happen to.
    """
    if not blob.startswith(MARK):
        return blob
    head, rest, layout, stream = _opened(blob)
    return _joined(head, rest, layout, _unpacked(stream, layout))


def outlined(blob: bytes) -> bytes:
    """As ``expanded``, with zeros in the place of pictures and sounds: for what reads a front's figures alone.

    Args:
        blob: of ``compacted``, or a front's own bytes, which are returned as they are.
    """
    if not blob.startswith(MARK):
        return blob
    head, rest, layout, _ = _opened(blob)
    return _joined(head, rest, layout, [bytes(piece.end - piece.begin) for piece in layout.pieces])


def _opened(blob: bytes) -> tuple[bytes, bytes, _Layout, bytes]:
    """The header with its size, the bytes of the first stream behind it, the layout, and the second stream."""
    stream = _Stream(blob[len(MARK) :])
    size = stream.take(8)
    header = stream.take(int.from_bytes(size, "little"))
    layout = _Layout.of(header)
    rest = stream.take(layout.size - layout.cut)
    return size + header, rest, layout, stream.ended()


def _joined(head: bytes, rest: bytes, layout: _Layout, pieces: Iterable[bytes]) -> bytes:
    """The bytes of a front of its parts."""
    found, at, taken = [head], 0, 0
    for piece, content in zip(layout.pieces, pieces, strict=True):
        between = piece.begin - at
        found += [rest[taken : taken + between], content]
        taken, at = taken + between, piece.end
    return b"".join([*found, rest[taken:]])


@final
class _Stream:
    """A zlib stream of which only as much is expanded as there must be."""

    def __init__(self, content: bytes) -> None:
        self._open = zlib.decompressobj()
        self._content = content

    def take(self, size: int) -> bytes:
        """The next bytes, exactly as many."""
        if not 0 <= size <= _MOST:
            raise ValueError(f"{size} bytes are more than a front has")
        found = self._more(size) if size else b""  # no size at all would be no limit
        if len(found) != size:
            raise ValueError("a compressed stream is too short")
        return found

    def ended(self) -> bytes:
        """What follows the stream, which has no more bytes."""
        if self._more(1) or not self._open.eof:
            raise ValueError("a compressed stream does not end where it must")
        return self._open.unused_data

    def _more(self, most: int) -> bytes:
        if self._open.eof:  # it would take what follows the stream a second time
            return b""
        found = self._open.decompress(self._content, most)
        self._content = self._open.unconsumed_tail
        return found


def _packed(pieces: list[bytes], layout: _Layout) -> bytes:
    import numpy as np  # a list of instances needs none

    if not layout.cut:
        return b""
    every = _planes(b"".join(pieces), layout)
    nearest: list[int] = []
    less = np.empty_like(every)
    for begin in range(0, len(every), _TOGETHER):
        some = every[begin : begin + _TOGETHER]
        with_none = np.concatenate([np.zeros_like(some[:1]), some])
        found = _nearest(with_none)
        less[begin : begin + _TOGETHER] = some - with_none[found]
        nearest += found
    if layout.coloured:
        less[:, ::2] -= less[:, 1:2]
    less[..., 1:] -= less[..., :-1].copy()
    stream = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return (
        stream.compress(np.array(nearest, "<u2").tobytes()) + stream.compress(less.tobytes()) + stream.flush()
    )


def _unpacked(stream: bytes, layout: _Layout) -> list[bytes]:
    import numpy as np  # a list of instances needs none

    if not layout.cut:
        if stream:
            raise ValueError("pictures of a front that has none")
        return []
    planes, h, w = layout.planes
    count = layout.cut // max(planes * h * w, 1)
    content = _Stream(stream)
    nearest = np.frombuffer(content.take(2 * count), "<u2").tolist()
    less = np.frombuffer(content.take(layout.cut), np.uint8).reshape(count, planes, h, w)
    if content.ended():
        raise ValueError("more than a front")
    every = np.add.accumulate(less, axis=-1, dtype=np.uint8)
    if layout.coloured:
        every[:, ::2] += every[:, 1:2]
    for k, one in enumerate(nearest):
        if one > k % _TOGETHER:
            raise ValueError("a picture rests on one after it")
        if one:
            every[k] += every[k - k % _TOGETHER + one - 1]
    flat = _numbers(every, layout)
    ends = np.cumsum([piece.end - piece.begin for piece in layout.pieces]).tolist()
    return [flat[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def _planes(content: bytes, layout: _Layout) -> "UInt8[np.ndarray, 'n p h w']":
    """Pictures as planes of bytes."""
    import numpy as np  # a list of instances needs none

    (p, h, w), width = layout.planes, _WIDTHS[layout.pieces[0].dtype]
    values = np.frombuffer(content, np.uint8).reshape(-1, p // width, h, w, width)
    return np.ascontiguousarray(np.moveaxis(values, -1, 1)).reshape(-1, p, h, w)


def _numbers(planes: "UInt8[np.ndarray, 'n p h w']", layout: _Layout) -> bytes:
    """Inverse of ``_planes``."""
    import numpy as np  # a list of instances needs none

    n, p, h, w = planes.shape
    width = _WIDTHS[layout.pieces[0].dtype]
    return np.moveaxis(planes.reshape(n, width, p // width, h, w), 1, -1).tobytes()


def _nearest(pictures: "UInt8[np.ndarray, 'm p h w']") -> list[int]:
    """Of each picture but the first: which of those before it is the nearest."""
    import numpy as np  # a list of instances needs none

    step = max(1, int(np.ceil(np.sqrt(pictures[0].size / _COMPARED))))
    x = pictures[..., ::step, ::step].reshape(len(pictures), -1).astype(np.float64)
    squares = (x * x).sum(axis=1)
    apart = squares[:, None] + squares - 2 * (x @ x.T)
    apart[np.triu_indices(len(x))] = np.inf
    return [int(one) for one in apart[1:].argmin(axis=1)]
