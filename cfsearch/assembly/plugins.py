"""Objectives, constraints and solvers from what a user gives: a name, a class, an object or a function."""

import copy
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final

from cfsearch import registry
from cfsearch.config import PluginConfig
from cfsearch.contracts.function_measure import Measure, function_constraint, function_objective
from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.solver import Solver
from cfsearch.errors import PluginError

ObjectiveLike: TypeAlias = PluginConfig | str | type[Objective] | Objective | Measure
"""An objective by name (``"intensity:norm=l1"``, ``"package.module:Class"``), class, object or function."""

ConstraintLike: TypeAlias = PluginConfig | str | type[Constraint] | Constraint | Measure
"""The same of a constraint."""

SolverLike: TypeAlias = PluginConfig | str | type[Solver] | Solver | Callable[[int], Solver]
"""A solver by name, class or object, or a function from the size of a population to a solver."""


@final
@dataclass(frozen=True, slots=True)
class Filled:
    """A plug-in by name, with settings that no file can hold.

    Args:
        name: as in ``PluginConfig``.
        settings: what the class takes.
    """

    name: str
    settings: Mapping[str, Any]  # Any: what the plug-in takes


def objective_of(given: ObjectiveLike | Filled) -> Objective:
    """The objective that a user means.

    Args:
        given: a name, a class, an object, or a function of candidates.

    Raises:
        ConfigError: no plug-in has that name, or it refuses its settings.
        PluginError: it is no objective.
    """
    made = _measure(given, Objective, function_objective, group="objectives")
    if not isinstance(made, Objective):
        raise _wrong("objective", given, made)
    return made


def constraint_of(given: ConstraintLike | Filled) -> Constraint:
    """The constraint that a user means.

    Args:
        given: a name, a class, an object, or a function of candidates.

    Raises:
        ConfigError, PluginError: as ``objective_of``.
    """
    made = _measure(given, Constraint, function_constraint, group="constraints")
    if not isinstance(made, Constraint):
        raise _wrong("constraint", given, made)
    return made


def solver_of(given: SolverLike, *, population: int) -> Solver:
    """The solver that a user means, with a population.

    Args:
        given: a name, a class, an object (a copy of it is used, with its own population), or a
            function of the population.
        population: candidates a generation.

    Raises:
        ConfigError: no plug-in has that name, or it refuses its settings.
        PluginError: it is no solver.
    """
    if isinstance(given, Solver):
        return copy.deepcopy(given)
    made: object
    if isinstance(given, PluginConfig | str):
        plugin = plugin_config("solvers", given)
        made = registry.create("solvers", plugin.name, {"population": population, **plugin.settings})
    elif callable(given):
        make: Any = given  # Any: a class, or a function of the population
        made = make(population=population) if isinstance(given, type) else make(population)
    else:
        made = given
    if not isinstance(made, Solver):
        raise _wrong("solver", given, made)
    return made


def plugin_config(kind: registry.PluginKind, given: object) -> PluginConfig:
    """The settings that name a plug-in: what a file would say where it can, else a name to read.

    Args:
        kind: which group of plug-ins.
        given: as for ``objective_of`` or ``solver_of``.
    """
    if isinstance(given, PluginConfig):
        return given
    if isinstance(given, str):
        return PluginConfig.model_validate(given)
    settings: dict[str, Any] = {}  # Any: plain values
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        values = {field.name: getattr(given, field.name) for field in dataclasses.fields(given) if field.init}
        settings = {
            name: value for name, value in values.items() if isinstance(value, bool | int | float | str)
        }
    owner: Any = given if isinstance(given, type) or inspect.isroutine(given) else type(given)
    path = f"{owner.__module__}:{owner.__qualname__}"
    names = {point.value: name for name, point in registry.installed(kind).items()}
    name = names.get(path, path if registry.is_path(path) else f"<{owner.__name__}>")
    return PluginConfig(name=name, settings=settings)


def _measure(
    given: object, kind: type, function: Callable[[Measure], object], *, group: registry.PluginKind
) -> object:
    if isinstance(given, PluginConfig | str):
        given = plugin_config(group, given)
    if isinstance(given, PluginConfig | Filled):
        loaded = registry.load_object(group, given.name)
        if isinstance(loaded, type) or not callable(loaded) or given.settings:
            return registry.create(group, given.name, given.settings)
        given = loaded
    if isinstance(given, kind | Objective | Constraint) or not callable(given):
        return given
    if isinstance(given, type):
        return given() if issubclass(given, kind) else given
    return function(cast(Measure, given))


def _wrong(what: str, given: object, made: object) -> PluginError:
    name = given.name if isinstance(given, PluginConfig | Filled) else given
    name = getattr(name, "__name__", name)
    came = f"class {made.__name__}" if isinstance(made, type) else type(made).__name__
    return PluginError(
        f"{what} {name!r} must be a cfsearch.{what.capitalize()}, got {came}. Give a name, a class or an object"
        f"{' of one' if what == 'solver' else ' of one, or a function of candidates'}."
    )
