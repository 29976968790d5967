"""Addresses of served models: which protocol they speak, and how they are shown."""

import re
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from cfsearch.errors import ConfigError
from cfsearch.registry import unknown

from .settings import PROTOCOLS, ProtocolName

_BY_PATH: Final[tuple[tuple[str, ProtocolName], ...]] = (
    (r"/v2/models/[^/]+(/versions/[^/]+)?(/infer)?/?$", "oip"),
    (r"/v\d+/models/[^/]+(/(versions|labels)/[^/]+)?:predict$", "tfserving"),
    (r"/v1/models/[^/:]+(/(versions|labels)/[^/:]+)?/?$", "tfserving"),
    (r"/invocations/?$", "mlflow"),
    (r"/predictions/[^/]+(/[^/]+)?/?$", "torchserve"),
)
_HUGGING_FACE: Final = (".huggingface.co", ".endpoints.huggingface.cloud", ".hf.space")


@final
@dataclass(frozen=True, slots=True)
class Address:
    """Where a served model is, and the protocol that it speaks.

    Args:
        url: of the model, without ``/infer``, query and fragment; no user and password.
        query: what stands behind the ``?``, sent but never shown.
        protocol: of the server.

    Example:
        >>> address = Address.of("https://models.example/v2/models/credit/infer")
        >>> address.protocol, address.url
        ('oip', 'https://models.example/v2/models/credit')
    """

    url: str
    query: str
    protocol: ProtocolName

    @classmethod
    def of(cls, spec: str, *, protocol: ProtocolName | None = None) -> "Address":
        """The address that a user wrote: a URL, or one with its protocol, ``oip+https://host/model``.

        Args:
            spec: what the user wrote.
            protocol: from ``[served]``.

        Raises:
            ConfigError: it is no http or https address, holds a password, or its protocol is not known.
        """
        if re.search(r"\s", spec):
            raise ConfigError(
                f"provider: the address {_shown(spec)!r} holds a blank. Remove it, or write %20 where it belongs to a name."
            )
        scheme, _, rest = spec.partition("://")
        named, plus, transport = scheme.rpartition("+")
        chosen: ProtocolName | None = protocol
        if plus:
            chosen = _known(named)
            if protocol is not None and chosen != protocol:
                raise ConfigError(
                    f"provider: {named!r} stands before the address, and [served] says protocol = {protocol!r}. Give one."
                )
        try:
            parts = urlsplit(f"{transport if plus else scheme}://{rest}")
            host = parts.hostname
            _ = parts.port
        except ValueError as error:
            hint = _bracketed(rest)
            raise ConfigError(
                f"provider: {_shown(spec)!r} is no address ({error}). {hint or 'It is written https://HOST:PORT/PATH.'}"
            ) from error
        if parts.scheme not in ("http", "https") or not host:
            raise ConfigError(
                f"provider: expected an address that begins with http:// or https:// and names a host, got {_shown(spec)!r}."
            )
        if parts.username is not None or parts.password is not None:
            raise ConfigError(
                f"provider: the address {_shown(spec)!r} holds a user or a password, which would stand in every result. "
                'Give it in the sidecar: [served] headers = {Authorization = "Basic env:NAME"}.'
            )
        path = parts.path
        found = chosen or _by_path(parts)
        if found is None:
            raise ConfigError(
                f"provider: the address {_shown(spec)!r} does not tell which protocol its server speaks. Give it: "
                f"--protocol {'|'.join(PROTOCOLS)}, or protocol = ... under [served] in a sidecar (--sidecar)."
            )
        path = _trimmed(path, found)
        return cls(urlunsplit((parts.scheme, parts.netloc, path, "", "")), parts.query, found)

    @property
    def name(self) -> str:
        """A short name of the model: the last part of its path that names something."""
        parts = [part for part in urlsplit(self.url).path.split("/") if part]
        words = [part.removesuffix(":predict") for part in parts if part not in ("invocations", "infer")]
        return words[-1] if words else urlsplit(self.url).netloc

    def target(self, suffix: str = "") -> str:
        """The full URL of a request, with the query.

        Args:
            suffix: added to the path, ``/infer``.
        """
        url = self.url + suffix
        return f"{url}?{self.query}" if self.query else url


def is_address(spec: str) -> bool:
    """Whether a user wrote an address and not a file or a function."""
    return re.match(r"\s*[A-Za-z][A-Za-z0-9+.-]*://", spec) is not None


def address_meant(spec: str) -> str:
    """The address that a user seems to mean by a host without ``http://``; empty for anything else.

    Args:
        spec: the model as the user wrote it, no file.

    Example:
        >>> address_meant("localhost:8080/v2/models/m"), address_meant("models/m.onnx")
        ('http://localhost:8080/v2/models/m', '')
    """
    host = r"(localhost|\d+(\.\d+){3}|\[[0-9A-Fa-f:]+\]|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)"
    found = re.fullmatch(rf"{host}(?P<port>:\d+)?(?P<path>/\S*)?", spec)
    if found is None or not (
        found["port"] or any(re.search(one, found["path"] or "") for one, _ in _BY_PATH)
    ):
        return ""
    return f"http://{spec}"


def with_protocol(spec: str, protocol: str | None) -> str:
    """An address with the protocol that ``--protocol`` names.

    Args:
        spec: the model as the user wrote it.
        protocol: None leaves it as it is.

    Raises:
        ConfigError: the model is no address, or the protocol is unknown.

    Example:
        >>> with_protocol("http://localhost:8080/score", "template")
        'template+http://localhost:8080/score'
    """
    if protocol is None:
        return spec
    if not is_address(spec):
        raise ConfigError(f"--protocol: goes with a model behind an address (https://...), got {spec!r}.")
    if "+" in spec.partition("://")[0]:
        raise ConfigError(
            f"--protocol: {spec.partition('+')[0]!r} stands before the address already. Give one."
        )
    return f"{_known(protocol)}+{spec}"


def _known(name: str) -> ProtocolName:
    for protocol in PROTOCOLS:
        if protocol == name:
            return protocol
    raise ConfigError(f"provider: {unknown('protocol', name, PROTOCOLS)}")


def _by_path(parts: SplitResult) -> ProtocolName | None:
    for pattern, protocol in _BY_PATH:
        if re.search(pattern, parts.path):
            return protocol
    host = (parts.hostname or "").lower()
    return "huggingface" if host.endswith(_HUGGING_FACE) else None


def _trimmed(path: str, protocol: ProtocolName) -> str:
    path = path.rstrip("/")
    if protocol == "oip":
        return path.removesuffix("/infer")
    if protocol == "tfserving":
        return path.removesuffix(":predict")
    if protocol == "mlflow" and not path.endswith("/invocations"):
        return f"{path}/invocations"
    return path


def _bracketed(rest: str) -> str:
    """How an IPv6 address without its brackets is written; empty for anything else."""
    host = re.match(r"[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f]*(?=[/?]|$)", rest)
    return "" if host is None else "An IPv6 address stands in brackets: http://[::1]:8080/v2/models/m."


def _shown(spec: str) -> str:
    """An address without user, password and query, for messages."""
    shown = re.sub(r"//[^/@]*@", "//[redacted]@", spec)
    return re.sub(r"\?.*", "?...", shown)
