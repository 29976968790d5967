"""Salted commitments: digests that say nothing to whoever lacks the key, and can be checked by whoever has it."""

import hashlib
import hmac
import re
import secrets
from pathlib import Path
from typing import Final

from cfsearch.errors import ConfigError
from cfsearch.files import read_text, reason, write_atomically

ALGORITHM: Final = "hmac-sha256"
"""The name of such a digest in a statement."""
_LARGEST: Final = 2**16
_KEY: Final = re.compile(r"[0-9a-f]{64}")


def digest_set(sha256: str, *, key: bytes | None) -> dict[str, str]:
    """The digest as it stands in a statement: SHA-256 itself, or its HMAC under a key.

    Args:
        sha256: in hexadecimal.
        key: of the commitment; None where nothing is private.

    References:
        RFC 2104 (HMAC).

    Example:
        >>> digest_set("ab" * 32, key=None)["sha256"][:4]
        'abab'
        >>> list(digest_set("ab" * 32, key=b"k"))
        ['hmac-sha256']
    """
    return {"sha256": sha256} if key is None else {ALGORITHM: committed(sha256, key=key)}


def committed(text: str, *, key: bytes) -> str:
    """HMAC-SHA256 of a text in hexadecimal.

    Args:
        text: what is committed to.
        key: as random as ``new_key`` makes it.
    """
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def key_place(path: Path) -> Path:
    """Where the key of a private record is written: beside it.

    Args:
        path: of the record.

    Example:
        >>> key_place(Path("june.json"))
        PosixPath('june.json.key')
    """
    return path.with_name(f"{path.name}.key")


def new_key(path: Path) -> bytes:
    """A key of 256 random bits, written to a file that its owner alone may read.

    Args:
        path: of the file, which must not exist.

    Raises:
        ConfigError: it exists: what was committed under it could no longer be checked.
        RunError: it cannot be written.
    """
    if path.exists():
        raise ConfigError(
            f"export: the key {str(path)!r} exists; move it away, or what was written under it cannot be verified."
        )
    key = secrets.token_bytes(32)
    write_atomically(path, key.hex() + "\n", mode=0o600)
    return key


def read_key(path: Path) -> bytes:
    """The key of a file that ``new_key`` wrote.

    Args:
        path: of the file.

    Raises:
        ConfigError: it cannot be read, or is no key.
    """
    try:
        text = read_text(path, most=_LARGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"verify: the key {str(path)!r} cannot be read: {reason(error)}. Give the file that `cfsearch export` wrote."
        ) from error
    if not _KEY.fullmatch(text):
        raise ConfigError(f"verify: {str(path)!r} is no key: expected 64 hexadecimal digits.")
    return bytes.fromhex(text)
