"""Weights in several files, as Hugging Face stores large ones."""

import json
import re
from pathlib import Path
from typing import Final

from cfsearch.errors import ModelFileError
from cfsearch.files import read_file, reason

_INDEX: Final = re.compile(r"\.(safetensors|bin)\.index\.json$", re.IGNORECASE)
_PART: Final = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<n>\d{5})(?P<ending>\.(safetensors|bin))$")
_LARGEST: Final = 64 * 2**20


def is_index(path: Path) -> bool:
    """Whether a file's name is that of an index of weights in parts.

    Args:
        path: the file.

    Example:
        >>> is_index(Path("model.safetensors.index.json")), is_index(Path("booster.json"))
        (True, False)
    """
    return _INDEX.search(path.name) is not None


def index_of(path: Path) -> str:
    """The index that a file of weights is a part of, as its name says; empty where it is no part.

    Args:
        path: the file.

    Example:
        >>> index_of(Path("model-00001-of-00002.safetensors"))
        'model.safetensors.index.json'
    """
    found = _PART.match(path.name)
    return f"{found['stem']}{found['ending']}.index.json" if found is not None else ""


def parts_of(index: Path) -> tuple[Path, ...]:
    """The files that an index names, in the order of their names.

    Args:
        index: ``model.safetensors.index.json``.

    Raises:
        ModelFileError: it cannot be read, is no index, or names a file that lies elsewhere or is missing.
    """
    try:
        table = json.loads(read_file(index, most=_LARGEST))
    except OSError as error:
        raise ModelFileError(f"{index}: the index of weights cannot be read: {reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{index}: expected an index of weights, got no JSON ({error}). Copy it again."
        ) from error
    places = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(places, dict) or not places or not all(isinstance(v, str) for v in places.values()):
        raise ModelFileError(
            f"{index}: expected an index of weights, got JSON without a `weight_map` of names and files. Copy it again."
        )
    names = sorted(set(places.values()))
    for name in names:
        if not name or Path(name).name != name or "\\" in name or is_index(Path(name)):
            raise ModelFileError(
                f"{index}: its parts must be files beside it, got {name!r}. Do not use this file, or save it again."
            )
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise ModelFileError(
            f"{index}: names {len(names)} files, of which {', '.join(map(repr, missing[:5]))}"
            f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''} are missing. Copy them beside it."
        )
    return tuple(index.parent / name for name in names)
