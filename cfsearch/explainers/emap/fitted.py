"""Fitted state of EMAP, and the file it is stored in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, final

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from cfsearch.contracts import network as networks
from cfsearch.contracts.domain import Domain
from cfsearch.errors import ConfigError, ModelFileError
from cfsearch.files import write_atomically
from cfsearch.parsing import parse_json
from cfsearch.providers.weights import read_weights

from .steps import Perturber
from .training import SURROGATE

_FORMAT: Final = "cfsearch-emap/1"


@final
@dataclass(frozen=True, slots=True)
class Scope:
    """The inputs and classes that were learned from; nothing else can be explained.

    Args:
        shape, names, one_hot: as ``Domain``.
        labels: the audited model's.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...]
    one_hot: tuple[tuple[int, int], ...]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, domain: Domain, labels: tuple[str, ...]) -> Self:
        """That of a subject."""
        return cls(tuple(domain.shape), domain.names, domain.one_hot, labels)

    @property
    def width(self) -> int:
        """How many numbers an input has."""
        total = 1
        for side in self.shape:
            total *= side
        return total

    def check(self, other: "Scope") -> None:
        """Refuses another domain or other classes.

        Raises:
            ConfigError: says what differs.
        """
        for what, mine, theirs in (
            ("numbers of shape", self.shape, other.shape),
            ("features", self.names, other.names),
            ("categories at", self.one_hot, other.one_hot),
            ("classes", self.labels, other.labels),
        ):
            if mine != theirs:
                raise ConfigError(
                    f"emap: fitted for {what} {_short(mine)}, got {_short(theirs)}. Fit it to this subject."
                )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The networks after ``fit``.

    Args:
        scope: what they take.
        perturber: from an input to its perturbation.
        surrogate: what the perturber learned through; None where that was the subject's own network.
    """

    scope: Scope
    perturber: Perturber
    surrogate: nn.Module | None


def write(path: Path, fitted: Fitted, *, settings: Mapping[str, Any]) -> Path:  # Any: plain values
    """Keep networks and settings in a safetensors file.

    Raises:
        RunError: the folder does not exist, is read-only, or the disk is full.
    """
    scope = fitted.scope
    card = {
        "settings": dict(settings),
        "surrogate": SURROGATE if fitted.surrogate is not None else "",
        "shape": scope.shape,
        "names": scope.names,
        "one_hot": scope.one_hot,
        "labels": scope.labels,
    }
    tensors = _named("perturber", fitted.perturber)
    if fitted.surrogate is not None:
        tensors |= _named("surrogate", fitted.surrogate)
    return write_atomically(path, save(tensors, {"format": _FORMAT, "emap": json.dumps(card)}))


def read(path: Path) -> tuple[dict[str, Any], Fitted]:  # Any: plain values that their user checks
    """Settings and networks of a file that ``write`` made.

    Raises:
        ModelFileError: there is no such file, or it is another kind of file.
        UnsafeModelError: loading it would run code.
    """
    tensors = read_weights(path).tensors
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
        if about.get("format") != _FORMAT:
            raise ValueError(f"its format is {about.get('format')!r}, not {_FORMAT!r}")
        card = parse_json(about["emap"])
        settings: dict[str, Any] = dict(card["settings"])
        settings["hidden"] = tuple(settings["hidden"])
        scope = Scope(
            tuple(int(side) for side in card["shape"]),
            tuple(str(name) for name in card["names"]),
            tuple((int(at), int(size)) for at, size in card["one_hot"]),
            tuple(str(label) for label in card["labels"]),
        )
        perturber = Perturber(
            width=scope.width,
            classes=len(scope.labels),
            hidden=settings["hidden"],
            dropout=settings["dropout"],
        )
        surrogate = None
        if card["surrogate"]:
            surrogate = networks.build(card["surrogate"], shape=(scope.width,), classes=len(scope.labels))
            _fill(surrogate, tensors, under="surrogate")
        _fill(perturber, tensors, under="perturber")
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise ModelFileError(
            f"{path}: expected what `Emap.save` writes, got another file ({_short(error)}). Fit and save again."
        ) from error
    return settings, Fitted(scope, perturber, surrogate)


def _named(prefix: str, network: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{k}": v.detach().cpu().contiguous() for k, v in network.state_dict().items()}


def _fill(network: nn.Module, tensors: Mapping[str, Tensor], *, under: str) -> None:
    mine = {k.removeprefix(f"{under}."): v for k, v in tensors.items() if k.startswith(f"{under}.")}
    network.load_state_dict(mine)
    network.eval().requires_grad_(False)


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."
