"""Reading a skops file: nothing in it runs unless its type is known to be safe."""

import hashlib
import zipfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from cfsearch.datasets.tables import bare_name
from cfsearch.errors import MissingExtraError, ModelFileError, UnsafeModelError, cause_of
from cfsearch.files import open_file

from .skops_contents import ForgedModelError, check_contents, trees_in
from .skops_types import COMPILED, PLAIN

_MAX_BYTES: Final = 2**31
PICKLES: Final = (".pkl", ".pickle", ".joblib", ".sav")
"""Endings of files that run code when they are loaded."""


def fitted_columns(path: Path, *, trusted: Sequence[str] = ()) -> tuple[str, ...] | None:
    """The columns that the model of a skops file was fitted on; None where it does not say.

    Raises:
        UnsafeModelError, ModelFileError, MissingExtraError: as ``SklearnProvider.open``.
    """
    check_skops(path)
    named = getattr(load_skops(path, trusted=tuple(trusted)), "feature_names_in_", None)
    return None if named is None else tuple(bare_name(str(name)) for name in named)  # as headers are read


def check_skops(path: Path) -> str:
    """A hash of a file that is a zip of bearable size."""
    if path.suffix.lower() in PICKLES:
        raise UnsafeModelError(
            f"{path.name}: a {path.suffix} file runs any code when it is loaded, and was not. Save the model with "
            "skops.io.dump(model, 'model.skops'). Or, if you know where it comes from, let in these very bytes with "
            f"--trust-model sha256:{_digest(path)}"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            known = "schema.json" in archive.namelist()
        if not known:
            raise ModelFileError(
                f"{path.name}: is a zip file, but none that skops wrote. Save it with skops.io.dump."
            )
        if size > _MAX_BYTES:
            raise ModelFileError(f"{path.name}: unpacks to {size} bytes, more than {_MAX_BYTES}.")
        return _digest(path)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}.") from error
    # no zip; a kind of zip that Python does not read; a name in it that is no text
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"{path.name}: is no skops file ({error}). Save it with skops.io.dump."
        ) from error


def _digest(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_skops(path: Path, *, trusted: tuple[str, ...]) -> Any:  # Any: an estimator
    """The object in a skops file.

    Args:
        path: the file; ``check_skops`` has passed it before.
        trusted: types besides skops' own list that are known and let in.

    Raises:
        UnsafeModelError: it holds types that nobody vouched for.
        MissingExtraError: skops, or the package of a type, is not installed.
        ModelFileError: skops cannot read it.
    """
    try:
        io = import_module("skops.io")
    except ImportError as error:
        raise MissingExtraError(
            f"{path.name}: skops files need the packages skops and scikit-learn, which are not installed: "
            "pip install 'cfsearch[sklearn]'."
        ) from error
    try:
        with open_file(path) as file:
            content = file.read()
        unlisted = io.get_untrusted_types(data=content)
        strange = sorted(kind for kind in unlisted if kind not in {*trusted, *PLAIN, *COMPILED})
    except Exception as error:  # a forged file may break skops anywhere
        raise ModelFileError(f"{path.name}: skops cannot read it ({cause_of(error)}).") from error
    if strange:
        line = " ".join(f"--trust {kind}" for kind in strange)
        raise UnsafeModelError(
            f"{path.name}: holds {len(strange)} types that are not known to be safe: {', '.join(strange)}. "
            f"If you know where the file comes from, let them in with {line} (`trust` under [model] in a "
            f"configuration), or these very bytes with --trust-model sha256:{_digest(path)}"
        )
    checked = sorted(COMPILED.intersection(unlisted).difference(trusted))
    try:
        trees = trees_in(content) if checked else 0
        model = io.loads(content, trusted=[*trusted, *(PLAIN | COMPILED).intersection(unlisted)])
        if checked:
            check_contents(model, trees=trees)
    except ForgedModelError as error:
        line = " ".join(f"--trust {kind}" for kind in checked)
        raise UnsafeModelError(
            f"{path.name}: {error}, as in no model that was fitted, and could read foreign memory; it was not "
            "opened. Save the model again with skops.io.dump, or, if you know where the file comes from, let it in "
            f"unchecked with {line}."
        ) from error
    except ImportError as error:
        raise MissingExtraError(
            f"{path.name}: needs the package {error.name!r}, which is not installed."
        ) from error
    except Exception as error:  # as above
        raise ModelFileError(f"{path.name}: skops cannot load it ({cause_of(error)}).") from error
    return model
