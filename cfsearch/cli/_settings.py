"""The settings that flags make, on top of a file's."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._places import check_places_against

if TYPE_CHECKING:
    from cfsearch.config import Config
    from cfsearch.providers.isolated.session import Isolation

ISOLATED_BY_DEFAULT = True
"""Whether commands that offer ``--no-isolation`` isolate where neither flag nor file says."""
_PLACE = {
    "model": ("model", "path"),
    "sidecar": ("model", "sidecar"),
    "arch": ("model", "arch"),
    "votes": ("model", "votes"),
    "sigma": ("model", "sigma"),
    "surrogate": ("model", "surrogate"),
    "images": ("data", "images"),
    "recursive": ("data", "recursive"),
    "limit": ("data", "limit"),
    "attributes": ("data", "attributes"),
    "split": ("data", "split"),
    "by": ("data", "by"),
    "reference": ("data", "reference"),
    "data": ("data", "table"),
    "text": ("data", "texts"),
    "texts": ("data", "texts"),
    "column": ("data", "column"),
    "sounds": ("data", "sounds"),
    "row": ("data", "rows"),
    "where": ("data", "where"),
    "decided": ("data", "decided"),
    "schema": ("data", "schema"),
    "label": ("data", "label"),
    "encoding": ("data", "encoding"),
    "delimiter": ("data", "delimiter"),
    "trust": ("model", "trust"),
    "trust_model": ("model", "trust_model"),
    "protected": ("audit", "protected"),
    "practical": ("audit", "practical"),
    "until_decided": ("audit", "until_decided"),
    "fail_if": ("audit", "fail_if"),
    "gates": ("audit", "gates"),
    "effect_rows": ("audit", "effect_rows"),
    "shared_queries": ("audit", "shared_queries"),
    "contribution_queries": ("audit", "contribution_queries"),
    "croissant": ("about", "croissant"),
    "device": ("run", "device"),
    "batch_size": ("run", "batch_size"),
    "threads": ("run", "threads"),
    "workers": ("run", "workers"),
    "isolate": ("run", "isolate"),
    "deadline": ("run", "deadline"),
    "memory": ("run", "memory"),
}


def settings(file: Path | None, flags: dict[str, Any]) -> "Config":
    """The settings of a file with the flags that were given on top.

    Raises:
        ConfigError: as ``Config.read``; or neither says what is needed.
    """
    from cfsearch.config import INPUTS, Config
    from cfsearch.errors import ConfigError

    if flags.get("text") and flags.get("texts") is not None:
        raise ConfigError("--text and --texts were both given; give one.")
    over: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None or value == ():
            continue
        if name == "generator":
            over["generator"] = value
            continue
        table, key = _PLACE.get(name, ("search", name))
        over.setdefault(table, {})[key] = _toml(name, value)
    if file is not None:
        config = Config.read(file, over=over)
    else:
        given = [kind for kind in INPUTS if kind in over.get("data", {})]
        if len(given) > 1:
            flags_of = {"images": "--images", "table": "--data", "texts": "--texts", "sounds": "--sounds"}
            raise ConfigError(f"{' and '.join(flags_of[kind] for kind in given)} were both given; give one.")
        inputs = given[0] if given else "images"
        wanted = (
            ("model", "path", "--model is missing: give it"),
            ("data", inputs, "inputs are missing: give --images, --data, --text, --texts or --sounds"),
        )
        for table, key, missing in wanted:
            if table == "model" and inputs in ("texts", "sounds"):
                continue  # they have a model that ships
            if key not in over.get(table, {}):
                raise ConfigError(f"{missing}, or a cfsearch.toml (`cfsearch init` writes one).")
        config = Config.check(over, where="command line")
    check_places_against(config)
    if "isolate" in flags and config.run.isolate is None:
        config = config.model_copy(
            update={"run": config.run.model_copy(update={"isolate": ISOLATED_BY_DEFAULT})}
        )
    if config.run.isolate and "isolate" in flags:
        from cfsearch.providers.isolated.process import stand_by

        stand_by()  # while torch is imported here
    if config.run.threads is not None:
        use_threads(config.run.threads)
    return config


def isolation_of(
    isolate: bool | None,
    *,
    model: str,
    deadline: float | None,
    memory: float | None,
    threads: int | None = None,
    offline: bool = False,
) -> "Isolation | None":
    """The limits of the model's own process, which stands by from here on; None where it is opened here.

    Args:
        isolate: ``--isolation`` or ``--no-isolation``; None where neither was given.
        model: what the user named; one behind an address runs elsewhere already.
        deadline: seconds that one call may take.
        memory: GiB that it may take.
        threads: of the numerical libraries in it; their own choice when left out.
        offline: whether its process gives up the network.
    """
    from cfsearch.providers.served.address import is_address

    if is_address(model) or not (ISOLATED_BY_DEFAULT if isolate is None else isolate):
        return None
    from cfsearch.providers.isolated.process import stand_by

    stand_by()  # while torch is imported here
    from cfsearch.providers.isolated.session import Isolation

    return Isolation(deadline_s=deadline, memory_gib=memory, offline=offline, threads=threads)


def kind_of_inputs(file: Path | None, flags: dict[str, Any]) -> str:
    """Which setting of ``[data]`` the flags, or else the file, name: images, table, texts or sounds.

    Args:
        file: a ``cfsearch.toml``.
        flags: by name.
    """
    named = {"data": "table", "text": "texts", "texts": "texts", "sounds": "sounds"}
    found = [kind for flag, kind in named.items() if flags.get(flag) not in (None, ())]
    if found or file is None:
        return found[0] if found else "images"
    import tomllib

    from cfsearch.files import read_text

    try:
        declared = tomllib.loads(read_text(file))
    except (OSError, ValueError, RecursionError):
        return "images"  # the reader of the file reports what is wrong with it
    data = declared.get("data")
    if not isinstance(data, dict):
        return "images"
    return next((kind for kind in ("table", "texts", "sounds") if kind in data), "images")


def is_recording(path: Path) -> bool:
    """Whether an argument is a recording by its ending; of these only wave files are read, others are refused as such.

    Args:
        path: the argument.
    """
    from cfsearch.datasets.sound import SUFFIXES

    return path.suffix.lower() in (".wav", *SUFFIXES)


def with_model(given: Sequence[str], flags: dict[str, Any]) -> dict[str, Any]:
    """The flags with the argument of a command on a table, texts or sounds as the model.

    Raises:
        UsageError: two models, or another argument besides ``--model``.
    """
    if flags.get("model") is not None and given:
        raise click.UsageError(
            f"With --data and --model there is nothing left for the argument {given[0]!r}; the rows are "
            "chosen with --row and --where."
        )
    if len(given) > 1:
        raise click.UsageError(
            f"With --data the argument is one model, got {len(given)}: {', '.join(given)}."
        )
    return {**flags, "model": given[0]} if given else flags


def model_first(given: Sequence[str], flags: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Arguments and flags where the first argument may be the model, as it is beside a table or texts: ``search m.onnx a.png``.

    Args:
        given: the arguments, in their order.
        flags: by name; where ``model`` is among them every argument is an input.
    """
    if flags.get("model") is not None or not given or not _names_a_model(given[0]):
        return tuple(given), flags
    return tuple(given[1:]), {**flags, "model": given[0]}


def _names_a_model(text: str) -> bool:
    """Whether an argument is an address, ``MODULE:FUNCTION``, or a file that by its ending is a model, taken or not."""
    from cfsearch import registry
    from cfsearch.providers.endings import UNOPENED
    from cfsearch.providers.served.address import is_address

    ending = Path(text).suffix.lower()
    if (
        ending in UNOPENED
        or text.lower().endswith(".index.json")
        or (ending and ending in registry.installed("providers"))
    ):
        return True
    return is_address(text) or (registry.is_path(text) and not Path(text).exists())


def use_threads(count: int | None) -> None:
    """Bound the CPU threads of torch and of other numerical libraries."""
    if count is not None:
        from cfsearch.providers.threads import limit_threads

        limit_threads(count)


def _toml(name: str, value: Any) -> Any:  # Any: whatever click parsed
    if name in ("immutable", "by", "seed_with", "protected"):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
