"""Wave files: bytes in, one channel of numbers out.

=====================================  ===================================================
what comes                             what becomes of it
=====================================  ===================================================
PCM of 8 (unsigned), 16, 24, 32 bits   divided by full scale, so that it lies in [-1, 1)
floats of 32 or 64 bits                as they are
several channels                       their mean
an extensible header                   read as the format that it wraps
chunks other than ``fmt``, ``data``    passed over
A-law, mu-law, ADPCM, big-endian       refused
=====================================  ===================================================
"""

import struct
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float

from cfsearch.errors import DataError

_PCM: Final = 1
_FLOAT: Final = 3
_EXTENSIBLE: Final = 0xFFFE
_UNKNOWN_SIZE: Final = 0xFFFFFFFF
"""What programs that write into a pipe say of their length: to the end of the file."""
_RATES: Final = (1_000, 768_000)


class _Form(NamedTuple):
    code: int
    channels: int
    rate: int
    frame: int
    """Bytes of one sample of all channels."""


class Decoded(NamedTuple):
    """One channel, and how it lay in the file."""

    wave: Float[np.ndarray, " s"]
    rate: int
    channels: int


def decode_wav(content: bytes, *, name: str) -> Decoded:
    """The samples of a wave file, in [-1, 1] for whole numbers.

    Args:
        content: the file.
        name: what to call it in messages.

    Raises:
        DataError: it is no wave file, is cut off, holds no samples, numbers that are not finite,
            or a format that is not read.
    """
    if len(content) < 12 or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise _bad(name, "expected a RIFF wave file", f"one that begins with {content[:4]!r}")
    form: _Form | None = None
    at = 12
    while at + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, at)
        at += 8
        if kind == b"fmt ":
            form = _form(content[at : at + size], name=name)
        elif kind == b"data":
            if form is None:
                raise _bad(name, "the chunk `fmt ` must stand in front of `data`", "none")
            if size == _UNKNOWN_SIZE:
                size = len(content) - at
            if at + size > len(content):
                raise _bad(
                    name, f"expected {size:,} bytes of samples", f"{len(content) - at:,}: it is cut off"
                )
            return _samples(content[at : at + size], form, name=name)
        at += size + size % 2
    raise _bad(name, "expected the chunks `fmt ` and `data`", "a file without samples")


def _form(chunk: bytes, *, name: str) -> _Form:
    if len(chunk) < 16:
        raise _bad(name, "expected a `fmt ` chunk of 16 bytes or more", f"{len(chunk)}")
    code, channels, rate, _, frame, _ = struct.unpack_from("<HHIIHH", chunk)
    if code == _EXTENSIBLE:
        if len(chunk) < 26:
            raise _bad(name, "expected an extensible header of 40 bytes", f"{len(chunk)}")
        (code,) = struct.unpack_from("<H", chunk, 24)
    if not channels or frame % channels:
        raise _bad(name, "expected one or more channels of equal size", f"{channels} in {frame} bytes")
    if not _RATES[0] <= rate <= _RATES[1]:
        raise _bad(name, f"expected {_RATES[0]:,} to {_RATES[1]:,} samples a second", f"{rate:,}")
    width = frame // channels
    if (code, width) not in {(_PCM, 1), (_PCM, 2), (_PCM, 3), (_PCM, 4), (_FLOAT, 4), (_FLOAT, 8)}:
        raise _bad(
            name, "expected PCM of 8, 16, 24 or 32 bits, or floats", f"format {code} of {8 * width} bits"
        )
    return _Form(code, channels, rate, frame)


def _samples(data: bytes, form: _Form, *, name: str) -> Decoded:
    data = data[: len(data) // form.frame * form.frame]
    if not data:
        raise _bad(name, "expected samples", "none")
    width = form.frame // form.channels
    if form.code == _FLOAT:
        values = np.frombuffer(data, np.dtype(f"<f{width}")).astype(np.float64)
        if not np.isfinite(values).all():
            raise _bad(name, "samples must be finite", "NaN or infinity")
    elif width == 1:
        values = (np.frombuffer(data, np.uint8).astype(np.float64) - 128.0) / 128.0
    else:
        # each sample fills the high bytes of 32 bits, so that the sign is in its place
        wide = np.zeros((len(data) // width, 4), np.uint8)
        wide[:, 4 - width :] = np.frombuffer(data, np.uint8).reshape(-1, width)
        values = wide.view("<i4")[:, 0] / 2.0**31
    mono = values.reshape(-1, form.channels).mean(axis=1)
    return Decoded(mono.astype(np.float32), form.rate, form.channels)


def _bad(name: str, expected: str, got: str) -> DataError:
    return DataError(f"sound: {name!r}: {expected}, got {got}. Convert it to PCM, or leave it out.")
