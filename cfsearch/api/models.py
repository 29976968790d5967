"""The audited model as the user gave it: in a file, or an object of the running program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import tomli_w
import torch
from numpy.typing import NDArray

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ConfigError
from cfsearch.files import write_atomically
from cfsearch.places import is_file
from cfsearch.providers.live import model_name
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.sidecar import InputTable, sidecar_of

from .settings import PICTURE_SETTINGS, plain
from .tables import is_matrix

_KINDS: Final = {
    "logits": ScoreKind.LOGITS,
    "probabilities": ScoreKind.PROBABILITIES,
    "labels": ScoreKind.LABELS,
}


def score_kind(scores: str | ScoreKind | None) -> ScoreKind | None:
    """Kind of a model's scores, from the user's setting.

    Args:
        scores: "logits", "probabilities", "labels" or a ``ScoreKind``; None where not declared.

    Raises:
        ConfigError: it is none of these.
    """
    if scores is None or isinstance(scores, ScoreKind):
        return scores
    if scores not in _KINDS:
        raise ConfigError(f"scores: expected {', '.join(map(repr, _KINDS))}, got {scores!r}.")
    return _KINDS[scores]


def preprocessing_of(given: Mapping[str, Any]) -> Preprocessing | dict[str, Any]:
    """Declared preprocessing of a model of pictures, whole or in part.

    Args:
        given: the keyword arguments.

    Raises:
        ConfigError: both ``preprocessing`` and one of its settings.
    """
    parts = {name: plain(given[name]) for name in PICTURE_SETTINGS if given.get(name) is not None}
    whole = given.get("preprocessing")
    if whole is None:
        try:
            InputTable.model_validate(parts)
        except ValueError as error:
            raise ConfigError(f"model: {error}.") from error
        return parts
    if not isinstance(whole, Preprocessing):
        raise ConfigError(
            f"preprocessing: expected cfsearch.Preprocessing, got {type(whole).__name__}. Or give size=, channels=, "
            "range=, mean=, std=."
        )
    if parts:
        raise ConfigError(f"preprocessing: give it, or `{next(iter(parts))}`, not both.")
    return whole


def model_file(model: object, folder: Path) -> Path | str | None:
    """Path or name of the model; None of an object in memory.

    Args:
        model: as the user gave it; the bytes of an ONNX file are written to ``folder``.
        folder: where files of this call lie.

    Raises:
        ConfigError: an onnxruntime session that does not say what it was made from.
    """
    if isinstance(model, str | Path):
        return model
    if type(model).__module__.startswith("onnxruntime"):
        source = getattr(model, "_model_path", None) or getattr(model, "_model_bytes", None)
        if source is None:
            raise ConfigError(
                "model: this onnxruntime session does not say what it was made from. Give the path or the bytes of "
                "the ONNX file instead."
            )
        model = Path(source) if isinstance(source, str) else source
        if isinstance(model, Path):
            return model
    if isinstance(model, bytes | bytearray):
        folder.mkdir(parents=True, exist_ok=True)
        return write_atomically(folder / "model.onnx", bytes(model))
    return None


def written_sidecar(
    path: Path | str,
    folder: Path,
    *,
    given: str | Path | None,
    labels: Sequence[str] | None,
    scores: ScoreKind | None,
    preprocessing: Preprocessing | Mapping[str, Any],
) -> Path | None:
    """The sidecar of a model in a file, with what the call declares on top; None where it declares nothing.

    Args:
        path: the model.
        folder: where files of this call lie.
        given: a sidecar that the call names; else the one beside the model counts.
        labels: one a class.
        scores: what its numbers are.
        preprocessing: what it takes of a picture.

    Raises:
        ConfigError: the sidecar is wrong.
    """
    if isinstance(preprocessing, Preprocessing):
        names = (*PICTURE_SETTINGS, "dtype", "resize")
        preprocessing = {name: plain(getattr(preprocessing, name)) for name in names}
    if labels is None and scores is None and not preprocessing:
        return None if given is None else Path(given)
    found = sidecar_of(Path(path), given=None if given is None else Path(given))
    content: dict[str, Any] = found.model_dump(mode="json", exclude_none=True)
    if labels is not None:
        content["labels"] = list(labels)
    if scores is not None:
        content["scores"] = scores.name.lower()
    if is_file(path):
        content.setdefault("name", Path(path).stem)
    content["input"] = {
        **content.get("input", {}),
        **{k: v for k, v in preprocessing.items() if v is not None},
    }
    folder.mkdir(parents=True, exist_ok=True)
    return write_atomically(folder / "model.toml", tomli_w.dumps(content))


def in_memory(model: object, name: str | None) -> str:
    """What stands in the settings in the place of a path: ``<Net in memory>``.

    Args:
        model: as the user gave it.
        name: what it is to be called; its own name when left out.
    """
    return f"<{name or model_name(model)} in memory>"


@final
@dataclass(frozen=True)
class OfMatrix:
    """A function of matrices as one of data frames, for rows that were given as a matrix.

    Args:
        function: ``(n, d)`` array -> scores.

    Example:
        >>> import numpy as np, pandas
        >>> OfMatrix(np.sum)(pandas.DataFrame({"x0": [1.0], "x1": [2.0]}))
        np.float64(3.0)
    """

    function: Callable[[NDArray[Any]], Any]  # Any: a stranger's

    @property
    def name(self) -> str:
        """What the function is called."""
        return model_name(self.function)

    @property
    def __wrapped__(self) -> Callable[[NDArray[Any]], Any]:
        """The function, whose source is looked at."""
        return self.function

    def __call__(self, frame: Any) -> Any:  # Any: a data frame; what comes back is checked by the provider
        return self.function(frame.to_numpy())


def of_matrix(model: object, x: object) -> object:
    """A function that takes what the rows came as: arrays where they came as a matrix.

    Args:
        model: as the user gave it; what is no plain function is given back as it is.
        x: likewise.
    """
    plain_function = (
        callable(model)
        and not isinstance(model, torch.nn.Module | Provider)
        and not hasattr(model, "predict")
        and not hasattr(getattr(model, "__self__", None), "predict")
    )
    return OfMatrix(model) if plain_function and is_matrix(x) else model  # type: ignore[arg-type]  # callable
