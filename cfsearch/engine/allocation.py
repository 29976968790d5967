"""How the C library gives memory back: large tensors of a search are the same sizes again and again."""

import ctypes
from typing import Final

_TRIM: Final = -1
_MAPPED: Final = -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h."""

_LARGEST: Final = 32 << 20
"""The largest block that glibc takes from its own heap, in bytes; it refuses more."""

_NEVER: Final = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks of up to 32 MiB instead of giving them back to the system.

    A block that was given back costs a page fault for every 4 KiB when it is fetched anew: some 100,000
    for a thousand candidates of a search of faces. For a process of our own (a command, a worker), not for
    a program that calls cfsearch: it holds for everything in the process, for as long as it runs. What was
    used at the peak stays; the peak itself does not grow.

    Returns:
        Whether it was done: on Linux with glibc, and nowhere else.

    References:
        mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # other libraries answer and do nothing, or mean something else
        mallopt = library.mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MAPPED, _LARGEST)) and bool(mallopt(_TRIM, _NEVER))
