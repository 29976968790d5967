"""libtiff, by which Pillow reads compressed TIFF files, kept from printing."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Final

_MAPS: Final = Path("/proc/self/maps")
_HANDLERS: Final = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


@cache
def silence_libtiff() -> int:
    """Take away what libtiff prints on stderr of damaged files; Pillow raises an error of its own.

    Elsewhere than on Linux, where the loaded libraries of a process are listed, nothing is changed.

    Returns:
        How many copies of the library were found.
    """
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return 0
    places = {line.split(maxsplit=5)[-1] for line in lines}
    found = 0
    for place in [place for place in places if Path(place).name.startswith("libtiff")]:
        try:
            library = ctypes.CDLL(place)  # loaded already: this is its handle
        except OSError:
            continue  # its file was replaced since
        found += 1
        for name in _HANDLERS:
            function = library[name]
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
            function(None)
    return found
