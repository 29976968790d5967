"""The data set of an audit as its Croissant description states it, and whether the files at hand are those described."""

import hashlib
from pathlib import Path
from typing import Any

from cfsearch.config import Config
from cfsearch.datasets.croissant import Croissant, CroissantFile, read_croissant
from cfsearch.errors import DataError
from cfsearch.places import is_file, is_folder


def described_dataset(config: Config) -> dict[str, Any] | None:
    """What ``about.croissant`` says of the data; None where it names no description.

    Files that lie at hand, as an input of the audit or beside the description, are hashed and compared with what it
    states. None is fetched.

    Args:
        config: all settings.

    Raises:
        DataError: the description, or a file at hand, cannot be read.
    """
    if not config.about.croissant:
        return None
    described = read_croissant(config.about.croissant)
    inputs = _inputs(config)
    files = [_file(one, described, inputs) for one in described.files if not one.inside]
    return {
        "file": described.path.name,
        "sha256": described.sha256,
        **described.about,
        "files": files,
        "inputs": _stated(described, files, inputs),
    }


def dataset_warnings(dataset: dict[str, Any] | None, *, noun: str) -> list[str]:
    """What weakens a result: files that are not those described.

    Args:
        dataset: by ``described_dataset``.
        noun: what one input is called.
    """
    if dataset is None:
        return []
    other = [one["name"] for one in dataset["files"] if one["same"] is False]
    found = [
        f"{name} has another SHA-256 than {dataset['file']} states: it describes other data."
        for name in other
    ]
    if dataset["inputs"] == "not named":
        found.append(
            f"{dataset['file']} names no file that the {noun}s were read from: it may describe other data."
        )
    return found


def _inputs(config: Config) -> Path | None:
    """Where the inputs are read from; None of inputs in the settings themselves."""
    data = config.data
    named = data.table or data.images or data.texts or data.sounds
    return Path(named) if isinstance(named, str) else None


def _file(one: CroissantFile, described: Croissant, inputs: Path | None) -> dict[str, Any]:
    found = _at_hand(one, described, inputs)
    digest = None if found is None else _digest(found)
    same = None if digest is None or not one.sha256 else digest == one.sha256
    return {"name": one.name or one.key, "sha256": one.sha256, "found": digest, "same": same}


def _at_hand(one: CroissantFile, described: Croissant, inputs: Path | None) -> Path | None:
    folders = [described.path.parent]
    if inputs is not None:
        if is_file(inputs) and inputs.name in one.names:
            return inputs
        folders.insert(0, inputs if is_folder(inputs) else inputs.parent)
    names = [name for name in (one.url, *one.names) if "://" not in name and _is_below(name)]
    places = (folder / name for folder in folders for name in names)
    return next((place for place in places if is_file(place)), None)


def _holds(inputs: Path, one: CroissantFile) -> bool:
    """Whether the inputs were read from a file, or from the folder in which it lies."""
    if is_folder(inputs):
        return any(is_file(inputs / name) for name in one.names if _is_below(name))
    return inputs.name in one.names


def _is_below(name: str) -> bool:
    path = Path(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts


def _stated(described: Croissant, files: list[dict[str, Any]], inputs: Path | None) -> str:
    """Whether the description speaks of the inputs: "same", "other", "unsaid" (no SHA-256), or "not named"."""
    if inputs is None:
        return "not named"
    own = [one for one in described.files if not one.inside]
    inside = [f for one, f in zip(own, files, strict=True) if _holds(inputs, one)]
    if not inside:
        return "not named"
    if any(f["same"] is False for f in inside):
        return "other"
    return "same" if any(f["same"] for f in inside) else "unsaid"


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"croissant: expected to compare {str(path)!r} with its description, got {error.strerror or error}."
        ) from error
