"""Algorithms of pymoo by class path: ``pymoo:rvea.RVEA``, built with pymoo's own defaults."""

import copy
import difflib
import importlib
import inspect
from dataclasses import dataclass, field, fields, make_dataclass
from functools import cache
from types import ModuleType
from typing import Any, ClassVar, Final

import numpy as np
import torch

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import CapabilityError, ConfigError, MissingExtraError, PluginError, cause_of

from .pymoo import PymooSolver, Setting

_ROOM: Final = "pymoo.algorithms.moo"
"""Where pymoo keeps its multi-objective algorithms; may be left out of a path."""

_NO_SETTING: Final = frozenset({
    "callback", "display", "evaluator", "output", "pop_size", "ref_dirs", "sampling", "save_history",
    "seed", "self", "termination", "verbose",
    "archive", "crossover", "decomposition", "mating", "mutation", "repair", "selection", "survival",
    "advance_after_initial_infill", "return_least_infeasible",
})  # fmt: skip
"""Arguments of pymoo's constructors that the bridge gives, that are objects, or that concern pymoo's own loop."""

_REFUSED: Final = {
    "CMOPSO": "its elites are drawn from the operating system instead of the seed, so that no run can be repeated",
    "GDE3PCD": "pymoo's compiled crowding distance crashes the process on small fronts",
    "MOEAD": "it takes one candidate at a time; pymoo:moead.ParallelMOEAD takes a population",
    "MOPSO_CD": "its archive draws from the operating system instead of the seed, so that no run can be repeated",
    "PINSGA2": "it asks a person at the terminal between generations",
}
"""Algorithms of pymoo 0.6.2 that a trial of a few generations cannot judge, and why they do not work here."""

_TRIAL_TURNS, _TRIAL_POPULATION = 4, 12


@dataclass(kw_only=True, eq=False)
class ClassPathSolver(PymooSolver):
    """An algorithm of pymoo that is named by its class path; ``solver_class`` makes a subclass for each.

    The bridge gives the population size or the reference directions; every other setting is an
    argument of pymoo's constructor, by pymoo's name. Operators are pymoo's defaults. Before the
    first search the algorithm is tried on a small problem: it must ask for populations, keep to
    the constraints that it is given, and repeat itself from the same seed.

    Args:
        population: candidates a query and generation, at least 1.

    Raises:
        CapabilityError: the algorithm fails the trial.
        ConfigError: pymoo refuses the settings.
    """

    algorithm: ClassVar[type]
    passed: ClassVar[set[tuple[int, bool, str]]]
    """Objectives, constraints and settings with which it passed the trial."""

    def __post_init__(self) -> None:
        PymooSolver.__post_init__(self)
        for name, value in self._settings(given_only=False).items():
            if value is inspect.Parameter.empty:
                raise ConfigError(
                    f"solver {self.name!r}: pymoo's {self.algorithm.__name__} needs the setting `{name}`; "
                    f"write {self.name}:{name}=VALUE."
                )

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        own = inspect.signature(self.algorithm).parameters
        given: dict[str, Any] = {}  # Any: arguments of pymoo
        if "ref_dirs" in own:
            given["ref_dirs"] = setting.directions()
        if "pop_size" in own or not {"ref_dirs", "pop_per_ref_point"} & set(own):
            given["pop_size"] = setting.population
        given |= {
            name: np.array(value, dtype=np.float64) if isinstance(value, list) else value
            for name, value in self._settings(given_only=True).items()
        }
        # pymoo's default operators are single objects that all instances share
        return copy.deepcopy(self.algorithm(**given, **setting.common))

    def start(
        self, space: SearchSpace, *, objectives: int, constrained: bool, **rest: Any
    ) -> None:  # Any: as Solver
        key = (objectives, constrained, repr(self._settings(given_only=True)))
        if objectives >= 2 and key not in self.passed:
            self.passed.add(key)  # the trial starts a copy of its own
            try:
                self._try(objectives=objectives, constrained=constrained)
            except CapabilityError:
                self.passed.discard(key)
                raise
        super().start(space, objectives=objectives, constrained=constrained, **rest)

    def _settings(self, *, given_only: bool) -> dict[str, Any]:  # Any: arguments of pymoo
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.metadata.get("pymoo")}
        return {
            name: value for name, (value, default) in values.items() if not given_only or value is not default
        }

    def _try(self, *, objectives: int, constrained: bool) -> None:
        """Two short runs from one seed; raises what a search would stumble over."""
        paths = [self._short_run(objectives, constrained) for _ in range(2)]
        if not torch.equal(*paths):
            raise self._unfit("the same seed led it to other candidates, so that no run could be repeated")

    def _short_run(self, objectives: int, constrained: bool) -> torch.Tensor:
        tried = copy.copy(self)
        tried.population = _TRIAL_POPULATION
        one = torch.ones(1, objectives + 2)
        path = []
        try:
            tried.start(
                SearchSpace(names=tuple(f"v{i}" for i in range(objectives + 2)), lower=-one, upper=one),
                objectives=objectives,
                constrained=constrained,
                rngs=[np.random.default_rng(0)],
                generations=_TRIAL_TURNS,
            )
            for _ in range(_TRIAL_TURNS):
                z = tried.ask()
                if not any(lane.count for lane in tried._lanes):  # noqa: SLF001  # a copy of its own class
                    raise self._unfit("it proposes no candidates in a call of ask")
                f = ((z[..., None, :] - torch.eye(objectives, objectives + 2)) ** 2).sum(-1)
                violation = (z[..., 0] - 0.5).clamp_min(0.0) * constrained
                tried.tell(Evaluation(z=z, f=f, violation=violation, scores=torch.zeros(1, z.shape[1], 2)))
                path.append(z)
        except (ConfigError, PluginError) as error:
            cause = str(error.__cause__ or error).rstrip(".")
            if "constrain" in cause and constrained:
                raise self._unfit(
                    f"the search has constraints, which it does not take (pymoo says: {cause})"
                ) from error
            raise self._unfit(f"it failed when tried on a small problem (pymoo says: {cause})") from error
        return torch.cat(path)

    def _unfit(self, reason: str) -> CapabilityError:
        return CapabilityError(_unfit(self.name, reason))


def _unfit(name: str, reason: str) -> str:
    return (
        f"solver {name!r} cannot be used: {reason}. Take a built-in solver such as nsga2, or another class of "
        "pymoo."
    )


@cache
def solver_class(path: str) -> type[Solver]:
    """The solver for a class of pymoo.

    Args:
        path: ``MODULE.CLASS``; ``pymoo.algorithms.moo.`` may be left out, and a module that is not
            pymoo's is imported as it stands.

    Raises:
        ConfigError: there is no such module or class, or it is no algorithm of pymoo.
        MissingExtraError: it needs a package that is not installed.
        CapabilityError: it is known not to work here.
    """
    from pymoo.algorithms.base.genetic import GeneticAlgorithm
    from pymoo.core.algorithm import Algorithm

    name = f"pymoo:{path}"
    module_name, dot, class_name = path.rpartition(".")
    if not dot:
        raise ConfigError(
            f"solver {name!r}: expected pymoo:MODULE.CLASS, such as pymoo:rvea.RVEA, got {path!r}."
        )
    module = _imported(name, module_name)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Algorithm)):
        known = sorted(
            key
            for key, value in vars(module).items()
            if isinstance(value, type)
            and issubclass(value, Algorithm)
            and value.__module__ == module.__name__
        )
        near = difflib.get_close_matches(class_name, known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"solver {name!r}: expected a class of pymoo's algorithms, and {module.__name__} has no "
            f"{class_name!r} of that kind (it has: {', '.join(known) or 'none'}).{hint}"
        )
    if class_name in _REFUSED and module.__name__.startswith(_ROOM):
        raise CapabilityError(_unfit(name, _REFUSED[class_name]))
    taken = {f.name for f in fields(ClassPathSolver)} | set(dir(ClassPathSolver))
    settings = [
        (key, object, field(default=default, metadata={"pymoo": True}))
        for key, default in _arguments(found).items()
        if key not in taken
    ]
    # particles must stay where they moved to, children may be replaced where they were seen before
    namespace = {
        "name": name,
        "algorithm": found,
        "novel": issubclass(found, GeneticAlgorithm),
        "passed": set(),
    }
    return make_dataclass(
        found.__name__, settings, bases=(ClassPathSolver,), namespace=namespace, kw_only=True, eq=False
    )


def _arguments(algorithm: type) -> dict[str, Any]:  # Any: defaults of pymoo
    """Names and defaults of all that a constructor takes and that can be written down."""
    found: dict[str, Any] = {}
    for owner in algorithm.__mro__:
        if "__init__" not in owner.__dict__:
            continue
        parameters = inspect.signature(owner.__dict__["__init__"]).parameters.values()
        for parameter in parameters:
            plain = parameter.default is parameter.empty or isinstance(
                parameter.default, bool | int | float | str | None
            )
            if parameter.name in _NO_SETTING or parameter.kind in (
                parameter.VAR_KEYWORD,
                parameter.VAR_POSITIONAL,
            ):
                continue
            if plain and (owner is algorithm or parameter.default is not parameter.empty):
                found.setdefault(parameter.name, parameter.default)
        if all(parameter.kind != parameter.VAR_KEYWORD for parameter in parameters):
            break
    return found


def _imported(name: str, module: str) -> ModuleType:
    tried = [module] if module.startswith("pymoo.") else [f"{_ROOM}.{module}", module]
    for candidate in tried:
        try:
            return importlib.import_module(candidate)
        except ModuleNotFoundError as error:
            if error.name is None or not candidate.startswith(error.name):
                raise MissingExtraError(
                    f"solver {name!r} needs the package {error.name!r}, which is not installed."
                ) from error
        except Exception as error:  # pymoo raises a plain Exception where numba is missing
            raise MissingExtraError(
                f"solver {name!r}: {candidate} cannot be imported: {cause_of(error)}."
            ) from error
    import pkgutil

    known = [info.name for info in pkgutil.iter_modules(importlib.import_module(_ROOM).__path__)]
    near = difflib.get_close_matches(module.rpartition(".")[2], known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ConfigError(
        f"solver {name!r}: expected a module of {_ROOM} ({', '.join(known)}) or one that can be imported, "
        f"got {module!r}.{hint}"
    )
