"""Plug-ins by name: installed ones through entry points, others by the path of their class or function."""

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from cfsearch.errors import CfsearchError, ConfigError, MissingExtraError, PluginError, cause_of

PluginKind = Literal[
    "constraints",
    "explainers",
    "generators",
    "networks",
    "objectives",
    "providers",
    "solver_families",
    "solvers",
    "trainers",
    "views",
]
"""The groups of entry points, ``cfsearch.KIND``: all that is found by name is found here."""

_MOST_LISTED: Final = 16
"""Known names that a message lists whole."""
_PATH: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

_NO_LONGER_SOLVERS = {
    "agemoea": "take agemoea2, or pymoo:age.AGEMOEA (which needs the package numba)",
    "cmopso": "pymoo's (cmopso.CMOPSO) cannot be repeated from a seed, so take smpso",
    "ctaea": "write pymoo:ctaea.CTAEA",
    "moead": "write pymoo:moead.ParallelMOEAD (without constraints), or take nsga3",
    "mopso-cd": "pymoo's (mopso_cd.MOPSO_CD) cannot be repeated from a seed, so take smpso",
    "nsde": "write pymoo:nsde.NSDE",
    "nsder": "write pymoo:nsder.NSDER",
    "omni": "write pymoo:omni.OmniOptimizer",
    "rvea": "write pymoo:rvea.RVEA",
    "smsemoa": "write pymoo:sms.SMSEMOA",
    "unsga3": "write pymoo:unsga3.UNSGA3",
}
"""Names that a configuration of cfsearch 0.1 may still hold, and what stands for each."""


@cache
def installed(kind: PluginKind) -> Mapping[str, EntryPoint]:
    """The installed plug-ins of one kind, by name.

    Args:
        kind: which group of plug-ins.

    Raises:
        PluginError: two packages claim one name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"cfsearch.{kind}"):
        other = found.get(point.name)
        if other is not None and other.value != point.value:
            raise PluginError(
                f"registry: {kind[:-1]} {point.name!r} is claimed by {_owner(other)} and by "
                f"{_owner(point)}. Uninstall one of them."
            )
        found[point.name] = point
    return MappingProxyType(dict(sorted(found.items())))


def load(kind: PluginKind, name: str) -> type:
    """The class behind a name.

    Args:
        kind: which group of plug-ins.
        name: of an installed plug-in, or ``package.module:Class``.

    Raises:
        ConfigError: no plug-in has that name; says which exist and which is nearest.
        MissingExtraError: it needs a package that is not installed.
        PluginError: it cannot be imported, or is no class.
    """
    loaded = load_object(kind, name)
    if not isinstance(loaded, type):
        raise PluginError(f"{kind[:-1]} {name!r}{_of_owner(kind, name)} is no class: {loaded!r}.")
    return loaded


def load_function(kind: PluginKind, name: str) -> Callable[..., Any]:  # Any: the caller knows the kind
    """The function behind a name, such as one that builds a network.

    Args:
        kind: which group of plug-ins.
        name: of an installed plug-in, or ``package.module:function``.

    Raises:
        ConfigError, MissingExtraError: as ``load``.
        PluginError: it cannot be imported, or cannot be called.
    """
    loaded = load_object(kind, name)
    if not callable(loaded):
        raise PluginError(f"{kind[:-1]} {name!r}{_of_owner(kind, name)} must be callable, got {loaded!r}.")
    return loaded


def load_object(kind: PluginKind, name: str) -> object:
    """Whatever stands behind a name, imported.

    Args:
        kind: which group of plug-ins.
        name: of an installed plug-in, or the path of a class or function.

    Raises:
        ConfigError, MissingExtraError, PluginError: as ``load``.
    """
    points = installed(kind)
    family, colon, member = name.partition(":")
    if kind == "solvers" and family in installed("solver_families"):
        if colon:
            return load_function("solver_families", family)(member)
        raise ConfigError(f"solver {name!r}: expected a class after it, such as pymoo:rvea.RVEA, got none.")
    if name not in points and is_path(name):
        first, _, rest = name.partition(":")
        if first in points:
            raise ConfigError(
                f"{kind[:-1]} {name!r}: settings are written as {first}:key=value, got {rest!r}. Write "
                f"{first}:{rest}=VALUE."
            )
        return object_at(name, what=kind[:-1])
    if kind == "solvers" and name in _NO_LONGER_SOLVERS and name not in points:
        raise ConfigError(f"solver {name!r} is no longer built in; {_NO_LONGER_SOLVERS[name]}.")
    if name not in points:
        raise ConfigError(unknown(f"{kind[:-1]}", name, list(points)))
    try:
        return points[name].load()
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{kind[:-1]} {name!r} of {_owner(points[name])} needs the package {error.name!r}, "
            "which is not installed."
        ) from error
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"{kind[:-1]} {name!r} of {_owner(points[name])} cannot be imported: {cause_of(error)}."
        ) from error


def create(kind: PluginKind, name: str, settings: Mapping[str, Any]) -> Any:  # Any: the caller knows the kind
    """An object of the class behind a name, made with the given settings.

    Args:
        kind: which group of plug-ins.
        name: of an installed plug-in, or ``package.module:Class``.
        settings: keyword arguments of the class.

    Raises:
        ConfigError: as ``load``; or a setting that the class does not take, or refuses.
        MissingExtraError, PluginError: as ``load``.
    """
    made = load(kind, name)
    takes = [
        parameter.name
        for parameter in inspect.signature(made).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    for key in settings:
        if key not in takes:
            near = difflib.get_close_matches(key, takes, n=1, cutoff=0.5)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ConfigError(
                f"{kind[:-1]} {name!r}: unknown setting `{key}` (it takes: {', '.join(takes) or 'none'}).{hint}"
            )
    expected = {p.name: p.annotation for p in inspect.signature(made).parameters.values()}
    for key, value in settings.items():
        kind_of_value = expected.get(key)
        if isinstance(kind_of_value, type) and kind_of_value in _WORDS and not _is(value, kind_of_value):
            raise ConfigError(
                f"{kind[:-1]} {name!r}: setting `{key}` must be {_WORDS[kind_of_value]}, got {value!r}; "
                "correct it, or leave it out."
            )
    try:
        return made(**settings)
    except CfsearchError:
        raise
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in settings.items()) or "no settings"
        raise ConfigError(
            f"{kind[:-1]} {name!r}: cannot be made of {given} ({cause_of(error)}); it takes: {', '.join(takes) or 'none'}."
        ) from error


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
"""What a setting must be, by its annotation."""


def _is(value: object, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def shipped_generators() -> list[str]:
    """Names of the generators' checkpoints that come with the package."""
    return sorted(
        entry.name.removeprefix("attgan_").removesuffix(".safetensors")
        for entry in files("cfsearch.models").iterdir()
        if entry.name.startswith("attgan_") and entry.name.endswith(".safetensors")
    )


def unknown(what: str, name: str, known: Sequence[str]) -> str:
    """The sentence for an unknown name: the nearest by spelling, and what is known.

    Args:
        what: the kind of thing, for example "solver".
        name: what was given.
        known: the names that exist; of more than 16 the nearest and the number alone are named.

    Example:
        >>> unknown("class", "Femal", ["female", "male"])
        "unknown class 'Femal'. Did you mean 'female'? Known: female, male."
    """
    lower = {each.casefold(): each for each in reversed(known)}
    near = [lower[each] for each in difflib.get_close_matches(name.casefold(), lower, n=4, cutoff=0.5)]
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = known
    if len(known) > _MOST_LISTED:
        shown = near[1:] if near else known[:3]
    rest = len(known) - len(shown) - (bool(near) and len(known) > _MOST_LISTED)
    more = f"{', and ' if shown else ''}{rest} more" if rest else ""
    return f"unknown {what} {name!r}.{hint} Known: {', '.join(shown)}{more}{'' if known else 'none'}."


def is_path(spec: str) -> bool:
    """Whether a text has the form ``package.module:name``."""
    return _PATH.fullmatch(spec) is not None


def object_at(spec: str, *, what: str) -> Callable[..., Any]:  # Any: a stranger's
    """The function or class at ``package.module:name``; importing it runs the user's own code.

    The present folder is searched last, as ``python`` would search it, and stays on
    ``sys.path`` so that what the function imports later is found as well.

    Args:
        spec: what the user wrote.
        what: what it is for, for messages.

    Raises:
        ConfigError: the form is wrong, it cannot be imported, or is nothing to be called.
    """
    if not is_path(spec):
        raise ConfigError(f"{what}: expected the form pkg.mod:function, got {spec!r}.")
    module_name, _, path = spec.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"{what}: there is no module {error.name!r} for {spec!r}. Install it, or run "
                "from the folder that holds it."
            ) from error
        raise ConfigError(
            f"{what}: module {module_name!r} needs {error.name!r}, which is not installed."
        ) from error
    except (Exception, SystemExit) as error:  # the user's code may raise anything while it is imported
        raise ConfigError(
            f"{what}: module {module_name!r} failed while it was imported: {cause_of(error)}."
        ) from error
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            known = [name for name in dir(found) if not name.startswith("_")]
            raise ConfigError(
                f"{what}: module {module_name!r} has no {path!r}: {unknown('name', part, known[:20])}"
            ) from error
    if not callable(found):
        raise ConfigError(f"{what}: {spec!r} must be a function or class, got {type(found).__name__}.")
    return found


def _of_owner(kind: PluginKind, name: str) -> str:
    point = installed(kind).get(name)
    return "" if point is None else f" of {_owner(point)}"


def _owner(point: EntryPoint) -> str:
    return f"package {point.dist.name!r}" if point.dist is not None else f"{point.value!r}"
