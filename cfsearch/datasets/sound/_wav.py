"""Wave files: bytes in, one channel of numbers out; read by ``scipy.io.wavfile``.

=====================================  ===================================================
what comes                             what becomes of it
=====================================  ===================================================
PCM of 8 bits (unsigned) to 64         divided by full scale, so that it lies in [-1, 1)
floats of 32 or 64 bits                as they are
several channels                       their mean
an extensible header, big-endian       read as the format that it wraps
chunks other than ``fmt``, ``data``    passed over
A-law, mu-law, ADPCM                   refused
MP3, FLAC, Ogg, MPEG-4, AIFF, AMR      refused, with the command that converts them
=====================================  ===================================================
"""

import io
import struct
import warnings
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from cfsearch.errors import DataError

_RATES: Final = (1_000, 768_000)
_STREAMED: Final = (0, 0xFFFFFFFF)
"""What programs that write into a pipe say of their length: to the end of the file."""
_HEADS: Final = (b"RIFF", b"RIFX", b"RF64")
_OTHERS: Final = (
    (b"fLaC", 0, "a FLAC file"),
    (b"OggS", 0, "an Ogg file (Vorbis or Opus)"),
    (b"ID3", 0, "an MP3 file"),
    (b"ftyp", 4, "an MPEG-4 file (AAC or ALAC)"),
    (b"FORM", 0, "an AIFF file"),
    (b"#!AMR", 0, "an AMR file"),
    (b"\x1aE\xdf\xa3", 0, "a Matroska or WebM file"),
    (b"0&\xb2u", 0, "a Windows Media file"),
)
SUFFIXES: Final = (
    *(".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".mp4", ".aac", ".aif", ".aiff"),
    *(".amr", ".wma", ".webm"),
)
"""Endings of recordings that are no wave files."""


class UnreadableRecordingError(DataError):
    """The file is no recording that we read, or it is damaged."""

    code = "unreadable"


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
        UnreadableRecordingError: it is no wave file, is cut off, holds no samples, numbers that are not finite,
            or a format that is not read.
    """
    head = content[:4]
    if len(content) < 12 or head not in _HEADS or content[8:12] != b"WAVE":
        raise _bad(name, "expected a RIFF wave file", _named(content))
    (size,) = struct.unpack_from(">I" if head == b"RIFX" else "<I", content, 4)
    if size not in _STREAMED and head != b"RF64" and size + 8 > len(content):
        raise _bad(name, f"expected {size + 8:,} bytes", f"{len(content):,}: it is cut off")
    rate, values = _read(content, name=name)
    if not _RATES[0] <= rate <= _RATES[1]:
        raise _bad(name, f"expected {_RATES[0]:,} to {_RATES[1]:,} samples a second", f"{rate:,}")
    if not values.size:
        raise _bad(name, "expected samples", "none")
    channels = values.reshape(len(values), -1)
    if channels.dtype == np.uint8:
        wave = (channels.astype(np.float64) - 128.0) / 128.0
    elif channels.dtype.kind == "i":
        wave = channels / -float(np.iinfo(channels.dtype).min)
    else:
        wave = channels.astype(np.float64)
        if not np.isfinite(wave).all():
            raise _bad(name, "samples must be finite", "NaN or infinity")
    return Decoded(wave.mean(axis=1).astype(np.float32), int(rate), channels.shape[1])


def _read(content: bytes, *, name: str) -> tuple[int, NDArray[Any]]:  # Any: the dtype of the file
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # strange chunks are passed over
            rate, values = wavfile.read(io.BytesIO(content))
    except Exception as error:  # damaged bytes make it raise whatever its steps raise
        stated = " ".join(str(error).split())[:160] or type(error).__name__
        what = stated if isinstance(error, ValueError) else "a damaged header"
        raise _bad(
            name, "expected an undamaged wave file of PCM or floats", f"what cannot be read: {what}"
        ) from error
    return int(rate), values


def _named(content: bytes) -> str:
    """What a file is that is no wave file, as far as its first bytes say."""
    if len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0:
        return "an MP3 or AAC file"
    found = (what for mark, at, what in _OTHERS if content[at : at + len(mark)] == mark)
    return next(found, f"one that begins with {content[:4]!r}")


def _bad(name: str, expected: str, got: str) -> UnreadableRecordingError:
    return UnreadableRecordingError(
        f"sound: {name!r}: {expected}, got {got}. Convert it (ffmpeg -i FILE -c:a pcm_s16le FILE.wav), or leave it out."
    )
