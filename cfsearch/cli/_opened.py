"""The model of pictures that flags name, here or in a process of its own, and how pictures are brought to it."""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ._settings import isolation_of

if TYPE_CHECKING:
    from cfsearch.contracts.provider import Provider
    from cfsearch.providers.preprocessing import Preprocessing

_ARGUMENTS = ("sidecar", "arch", "device", "threads", "trust_model")


@runtime_checkable
class Prepared(Protocol):
    """A provider that says how images are brought to its model; None for one that takes other inputs."""

    @property
    def preprocessing(self) -> "Preprocessing | None": ...


def open_pictured(model: str, flags: dict[str, Any]) -> "Provider":  # Any: what click parsed
    """The model of pictures, in a process of its own where ``--isolation`` says so.

    Args:
        model: what the user named.
        flags: by name; those of ``open_provider`` that a command has, and ``isolate``, ``deadline``, ``memory``.

    Raises:
        CfsearchError: as ``open_provider``; or its process died.
    """
    from cfsearch.providers.opening import open_provider

    given: dict[str, Any] = {name: flags[name] for name in _ARGUMENTS if flags.get(name) is not None}
    if "sidecar" in given:
        given["sidecar"] = str(given["sidecar"])
    isolation = isolation_of(
        flags["isolate"],
        model=model,
        deadline=flags["deadline"],
        memory=flags["memory"],
        threads=flags.get("threads"),
        offline=flags.get("trust_model") is not None,
    )
    if isolation is None:
        return open_provider(model, **given, deadline_s=flags["deadline"])
    from cfsearch.providers.isolated.provider import isolated_provider

    return isolated_provider(model, isolation=isolation, **given)


def preparation_of(model: "Provider") -> "tuple[bool, Preprocessing | None]":
    """Whether a model says how inputs are brought to it, and how pictures are.

    Args:
        model: here or in a process of its own.
    """
    from cfsearch.providers.isolated.provider import IsolatedProvider

    if isinstance(model, IsolatedProvider):
        return model.prepared, model.preprocessing
    return (True, model.preprocessing) if isinstance(model, Prepared) else (False, None)


def size_of(model: "Provider") -> tuple[int, int] | None:
    """Height and width of the pictures that a model takes; None where it takes any, or does not say.

    Args:
        model: here or in a process of its own.
    """
    taken = preparation_of(model)[1]
    return None if taken is None else taken.size
