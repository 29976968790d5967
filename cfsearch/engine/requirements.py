"""Checks before a search begins: plug-ins keep their contracts, inputs can be searched."""

from collections.abc import Collection, Sequence, Sized
from typing import Any

import torch
from torch import Tensor

from cfsearch.contracts.generator import Critic, Generator
from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import UNTARGETED, Need
from cfsearch.contracts.small_changes import knows_small_changes
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import CapabilityError, ConfigError, DataError, PluginError, ShapeError, listed

_MOST_SCORES = 2**25
_FEWEST = 10
"""Candidates below which a search finds nothing."""
_TOLERANCE = 1e-6
"""How far pixels may lie outside [0, 1] by rounding."""


def check_measures(objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> None:
    """Refuses fewer than two objectives, equal names, and measures that break their contract.

    Args:
        objectives: what candidates are judged by.
        constraints: what they must keep.

    Raises:
        ConfigError: fewer than two objectives, or two measures of one name.
        PluginError: one has no name or unit, or ``needs`` something that is no ``Need``.
    """
    for kind, of_kind, base in (
        ("objective", objectives, Objective),
        ("constraint", constraints, Constraint),
    ):
        for measure in of_kind:
            _check_measure(kind, measure, base)
    names = [measure.name for measure in (*objectives, *constraints)]
    if len(objectives) < 2:
        raise ConfigError(f"problem: a front needs two objectives or more, got {names}.")
    if len(set(names)) != len(names):
        raise ConfigError(f"problem: objectives and constraints must have different names, got {names}.")


def _check_measure(kind: str, measure: Any, base: type) -> None:  # Any: it may be anything
    made = f"{kind} {type(measure).__name__}"
    if isinstance(measure, type) and issubclass(measure, base):
        raise PluginError(
            f"{kind} {measure.__name__}: expected an object, got the class; write {measure.__name__}()."
        )
    if not isinstance(measure, base):
        raise PluginError(
            f"{made}: expected a cfsearch.{base.__name__}, got {measure!r}; derive its class from "
            f"cfsearch.{base.__name__}."
        )
    for name in ("name", "unit"):
        value = getattr(measure, name, None)
        if not isinstance(value, str) or (name == "name" and not value):
            raise PluginError(
                f"{made}: expected a class attribute `{name}` that is a string, got "
                f"{'none' if value is None else repr(value)}; write `{name}: ClassVar[str] = ...` in its class."
            )
    needs: object = getattr(measure, "needs", frozenset())
    if (
        not isinstance(needs, Collection)
        or isinstance(needs, str)
        or not all(isinstance(n, Need) for n in needs)
    ):
        known = ", ".join(f"Need.{need.name}" for need in Need)
        raise PluginError(
            f"{kind} {getattr(measure, 'name', made)!r}: expected `needs` to be a set of cfsearch.Need, got "
            f"{needs!r}; choose among {known}."
        )


def check_needs(
    measures: Sequence[Objective | Constraint], generator: Generator[Any], *, reference: bool
) -> None:
    """Refuses measures that need what is not there.

    Args:
        measures: objectives and constraints.
        generator: may have a critic, and says whether inputs are pictures.
        reference: whether reference inputs were given.

    Raises:
        CapabilityError: names the measure and what would do.
    """
    have = {
        Need.CRITIC: isinstance(generator, Critic),
        Need.REFERENCE: reference,
        Need.IMAGE: generator.modality.pictured,
        Need.SMALL_CHANGES: knows_small_changes(generator),
    }
    for measure in measures:
        for need in sorted(measure.needs, key=lambda n: n.name):
            if not have[need]:
                raise CapabilityError(f"{measure.name!r} needs {need.value}.")


def check_provider(provider: Provider) -> None:
    """Refuses what is no provider, or one whose attributes break the contract.

    Args:
        provider: the audited model.

    Raises:
        ConfigError: it is no ``Provider``.
        PluginError: its name, labels, scores or largest batch are not what the contract says.
        CapabilityError: it gives labels only.
    """
    if not isinstance(provider, Provider):
        raise ConfigError(
            f"provider: expected a cfsearch.Provider, got {type(provider).__name__}; wrap the model in one, "
            "such as cfsearch.providers.torch_module.TorchProvider(model, labels=..., scores=...)."
        )
    name, labels = getattr(provider, "name", None), getattr(provider, "labels", None)
    who = f"provider {name!r}" if isinstance(name, str) else f"provider {type(provider).__name__}"
    if not isinstance(name, str):
        raise PluginError(f"{who}: expected an attribute `name` that is a string, got {name!r}; give it one.")
    texts = isinstance(labels, tuple | list) and all(isinstance(label, str) for label in labels)
    if not texts or len(labels or ()) < 2 or len(set(labels or ())) != len(labels or ()):
        raise PluginError(
            f"{who}: expected `labels` to be two or more different names, got {labels!r}; give one a class, "
            "such as ('no', 'yes')."
        )
    scores: object = getattr(provider, "scores", None)
    if not isinstance(scores, ScoreKind):
        kinds = ", ".join(f"ScoreKind.{kind.name}" for kind in ScoreKind)
        raise PluginError(
            f"{who}: expected `scores` to be a cfsearch.ScoreKind, got {scores!r}; write one of {kinds}."
        )
    most: object = getattr(provider, "max_batch", None)
    if not isinstance(most, int) or isinstance(most, bool) or most < 1:
        raise PluginError(
            f"{who}: expected `max_batch` to be a whole number of at least 1, got {most!r}; say how many "
            "inputs one call may hold."
        )
    if scores is ScoreKind.LABELS:
        raise CapabilityError(
            f"{who} gives labels only: wrap it in cfsearch.providers.votes.VotingProvider, which estimates a "
            "margin by votes over small perturbations."
        )


def check_generator(generator: Generator[Any]) -> None:
    """Refuses what is no generator, or one without a name or shape.

    Args:
        generator: turns changes into inputs.

    Raises:
        ConfigError: it is no ``Generator``.
        PluginError: its name or shape is not what the contract says.
    """
    if not isinstance(generator, Generator):
        raise ConfigError(
            f"generator: expected a cfsearch.Generator, got {type(generator).__name__}; give an object such as "
            "cfsearch.generators.pixels.Pixels(...)."
        )
    name: object = getattr(generator, "name", None)
    if not isinstance(name, str):
        raise PluginError(
            f"generator {type(generator).__name__}: expected a class attribute `name` that is a string, got "
            f"{name!r}; write `name: ClassVar[str] = ...` in its class."
        )
    shape: object = getattr(generator, "shape", None)
    if not isinstance(shape, tuple) or not shape or not all(isinstance(n, int) and n > 0 for n in shape):
        raise PluginError(
            f"generator {name!r}: expected an attribute `shape`, the shape of one input as a tuple of whole "
            f"numbers such as (3, 64, 64), got {shape!r}; set it when it is made."
        )


def check_space(
    space: Any, generator: Generator[Any], *, b: int
) -> SearchSpace:  # Any: a plug-in returned it
    """The search space that a generator returned, if it is one of ``b`` queries.

    Args:
        space: what it returned.
        generator: who.
        b: number of queries.

    Raises:
        PluginError: it is something else.
    """
    if not isinstance(space, SearchSpace) or space.b != b:
        came = f"one of {space.b} queries" if isinstance(space, SearchSpace) else type(space).__name__
        raise PluginError(
            f"generator {generator.name!r}: `space` must return a cfsearch.SearchSpace of {b} queries, got "
            f"{came}; give bounds of shape (b, d)."
        )
    return space


def check_inputs(
    x: Any, *, names: Sequence[str], generator: Generator[Any]
) -> None:  # Any: whatever was given
    """Refuses inputs that the generator cannot take.

    Args:
        x: the queries, ``(b, *x)``.
        names: one name a query.
        generator: says which shape an input has.

    Raises:
        ShapeError: it is no tensor, or of another shape; or there are more or fewer names.
        DataError: as ``check_values``.
    """
    if not isinstance(x, Tensor):
        raise ShapeError(
            f"problem: expected inputs as a float32 torch tensor of shape (b, "
            f"{', '.join(map(str, generator.shape))}), got {type(x).__name__}; convert them with "
            "torch.as_tensor(x, dtype=torch.float32), or use cfsearch.search, which takes files, arrays and pictures."
        )
    if isinstance(names, str) or x.ndim == 0 or len(x) != len(names) or tuple(x.shape[1:]) != generator.shape:
        one = isinstance(names, str)
        raise ShapeError(
            f"problem: expected inputs of shape ({1 if one else len(names)}, "
            f"{', '.join(map(str, generator.shape))}) for generator {generator.name!r}, "
            f"got {tuple(x.shape)}"
            + (f" and one string {names!r} as names; give a list with a name for each." if one else ".")
        )
    check_values(x, what="inputs", generator=generator)


def check_values(x: Tensor, *, what: str, generator: Generator[Any]) -> None:
    """Refuses integers, NaN (but for missing numbers that are kept), infinity, and pictures outside [0, 1].

    Args:
        x: inputs, ``(b, *x)``.
        what: what they are called in the message.
        generator: what they are for.

    Raises:
        DataError: says the line to change.
    """
    if not x.is_floating_point():
        fix = "x.float() / 255" if x.dtype is torch.uint8 else "x.float()"
        raise DataError(
            f"problem: expected {what} of floating-point numbers, got {x.dtype}; convert them with {fix}."
        )
    wrong = torch.isinf(x) if generator.missing_as else ~torch.isfinite(x)
    if bool(wrong.any()):
        bad = int(wrong.flatten(1).any(1).sum())
        raise DataError(
            f"problem: expected finite {what}, got NaN or infinity in {bad} of {len(x)}; leave these out."
        )
    if not generator.modality.pictured or not x.numel():
        return
    low, high = float(x.amin()), float(x.amax())
    if low < -_TOLERANCE or high > 1.0 + _TOLERANCE:
        fix = (
            "divide them by 255 (x / 255)"
            if low >= 0.0 and high > 2.0
            else "give them as they were before normalisation, and let the provider normalise: "
            "Preprocessing(mean=..., std=...)"
        )
        raise DataError(
            f"problem: expected {what} as pixels in [0, 1], got values from {low:.3g} to {high:.3g}; {fix}."
        )


def check_scores_held(provider: Provider, *, population: int, capacity: int) -> None:
    """Refuses a search whose generation or front would hold more scores than memory is kept for.

    Args:
        provider: the audited model.
        population: candidates in a generation.
        capacity: members of a front.

    Raises:
        CapabilityError: classes times candidates or members are more than 2**25 numbers (128 MiB, several times over).

    Example:
        >>> from cfsearch.testing import FakeProvider
        >>> check_scores_held(FakeProvider(), population=100, capacity=100)
    """
    labels: object = getattr(provider, "labels", ())
    k = (
        len(labels) if isinstance(labels, Sized) else 0
    )  # what is no provider is refused where the problem is made
    most = _MOST_SCORES // max(1, k)
    if max(population, capacity) <= most:
        return
    smaller = f"Set `population` and `capacity` to at most {most}, or have" if most >= _FEWEST else "Have"
    raise CapabilityError(
        f"search: the model {provider.name!r} has {k:,} classes, and each of {max(population, capacity):,} candidates or "
        f"members holds a score for every one of them; a search holds at most {_MOST_SCORES:,} scores. {smaller} the model "
        "give only the classes that matter."
    )


def target_index(provider: Provider, target: str | None) -> int:
    """The class index of a target label, ``UNTARGETED`` for None.

    Args:
        provider: has the labels.
        target: the label.

    Raises:
        ConfigError: the model has no such class.
    """
    if target is None:
        return UNTARGETED
    if target not in provider.labels:
        raise ConfigError(
            f"target: the model {provider.name!r} has no class {target!r}; "
            f"its classes are {listed(provider.labels)}."
        )
    return provider.labels.index(target)
