"""Secrets by reference, and what keeps them out of messages."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, final

from cfsearch.errors import ConfigError
from cfsearch.files import read_text, reason
from cfsearch.secrecy import secrets_of

_SECRET_NAMES: Final = re.compile(
    r"auth|key|token|secret|cookie|password|credential|signature", re.IGNORECASE
)
_LARGEST: Final = 2**16
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PREFIXES: Final = ("bearer ", "basic ", "token ", "apikey ")


@final
class Secrets:
    """Headers with their secrets filled in, and a filter that takes these out of any text.

    Args:
        headers: names and values as in ``[served]``; a value may begin with a scheme: ``Bearer env:TOKEN``.
        query: of the address; its values are kept out of texts as well.
        where: the file that holds them, for messages.

    Raises:
        ConfigError: a secret stands in the file itself, or a reference leads nowhere.

    Example:
        >>> import os
        >>> os.environ["MY_TOKEN"] = "s3cret-s3cret"
        >>> secrets = Secrets({"Authorization": "Bearer env:MY_TOKEN"}, where="model.toml")
        >>> secrets.redacted("the server wrote: s3cret-s3cret is wrong")
        'the server wrote: [redacted] is wrong'
    """

    def __init__(self, headers: Mapping[str, str], *, query: str = "", where: str) -> None:
        self.headers: Final[dict[str, str]] = {}
        hidden = set(secrets_of(query))
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name):
                raise ConfigError(f"{where}, [served], headers: {name!r} is no name of a header.")
            scheme, reference = _split(value)
            secret = _resolved(reference, name=name, where=where)
            if secret is None:
                if _SECRET_NAMES.search(name):
                    raise ConfigError(
                        f"{where}, [served], headers: the value of {name!r} looks like a secret, which must not stand "
                        f'in a file that is shared. Write {name} = "env:NAME" (or "Bearer env:NAME") and set that '
                        'variable, or "file:PATH".'
                    )
                secret = reference
            else:
                hidden |= {secret, *secret.split()}
            if any(ord(c) < 32 or ord(c) == 127 or ord(c) > 255 for c in secret):
                raise ConfigError(
                    f"{where}, [served], headers: the value of {name!r} holds characters that no header can hold "
                    "(a line break?)."
                )
            self.headers[name] = scheme + secret
        self._hidden: Final = tuple(sorted((s for s in hidden if len(s) >= 4), key=len, reverse=True))

    def redacted(self, text: str) -> str:
        """The text with every secret replaced."""
        for secret in self._hidden:
            text = text.replace(secret, "[redacted]")
        return text


def is_reference(value: str) -> bool:
    """Whether a header's value stands elsewhere: ``env:NAME`` or ``file:PATH``, behind a scheme or not.

    Args:
        value: as it stands in ``[served]``.

    Example:
        >>> is_reference("Bearer env:TOKEN"), is_reference("blue")
        (True, False)
    """
    return _split(value)[1].partition(":")[0] in ("env", "file")


def _split(value: str) -> tuple[str, str]:
    """The scheme of a value ("Bearer ") and the rest."""
    for prefix in _PREFIXES:
        if value.lower().startswith(prefix):
            return value[: len(prefix)], value[len(prefix) :].strip()
    return "", value


def _resolved(reference: str, *, name: str, where: str) -> str | None:
    kind, _, target = reference.partition(":")
    if kind == "env":
        if not os.environ.get(target):
            raise ConfigError(
                f"{where}, [served], headers: {name!r} refers to the environment variable {target!r}, which is not "
                f"set. Set it: export {target}=..."
            )
        return os.environ[target].strip()
    if kind == "file":
        try:
            return read_text(Path(target).expanduser(), most=_LARGEST).strip()
        except (OSError, UnicodeDecodeError, RuntimeError) as error:
            raise ConfigError(
                f"{where}, [served], headers: {name!r} refers to the file {target!r}, which cannot be read "
                f"({'it has no home folder' if isinstance(error, RuntimeError) else reason(error)})."
            ) from error
    return None
