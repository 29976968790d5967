"""JSON Schemas (draft 2020-12) of every document that cfsearch writes or reads.

The version stands in each document's ``format``; what stands in a schema of a version stays.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from cfsearch.errors import ConfigError
from cfsearch.registry import unknown


@cache
def names() -> tuple[str, ...]:
    """Names of all schemas."""
    folder = files("cfsearch").joinpath("schemas_data")
    return tuple(
        sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json"))
    )


def schema(name: str) -> dict[str, Any]:
    """One schema as plain JSON values.

    Raises:
        ConfigError: nothing has that name.
    """
    if name not in names():
        raise ConfigError(unknown("schema", name, list(names())))
    text = files("cfsearch").joinpath("schemas_data", f"{name}.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value
