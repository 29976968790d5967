"""Every multi-objective algorithm of pymoo by its class path: it works, or a sentence says why not."""

import importlib
import importlib.util
import pkgutil

import numpy as np
import pymoo.algorithms.moo
import pytest
import torch
from pymoo.core.algorithm import Algorithm
from torch import Tensor

from cfsearch import registry
from cfsearch.cli._settings import settings
from cfsearch.config import Config, PluginConfig
from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.errors import CapabilityError, CfsearchError, ConfigError, MissingExtraError
from cfsearch.solvers.class_path import ClassPathSolver, solver_class

SETTINGS: dict[str, dict[str, object]] = {
    "rnsga2.RNSGA2": {"ref_points": [[0.1, 0.2], [0.3, 0.1]]},
    "rnsga3.RNSGA3": {"ref_points": [[0.1, 0.2], [0.3, 0.1]], "pop_per_ref_point": 12},
}
REFUSED = {
    "cmopso.CMOPSO": "drawn from the operating system",
    "dnsga2.DNSGA2": "no candidates",
    "gde3.GDE3PCD": "crashes",
    "kgb.KGB": "no candidates",
    "moead.MOEAD": "pymoo:moead.ParallelMOEAD",
    "mopso_cd.MOPSO_CD": "draws from the operating system",
    "pinsga2.PINSGA2": "asks a person",
}
FREE_ONLY = {"dnsga2.DNSGA2", "kgb.KGB", "moead.ParallelMOEAD"}


def algorithms() -> list[str]:
    """MODULE.CLASS of every algorithm that pymoo ships, but those whose module needs numba."""
    found = []
    for info in pkgutil.iter_modules(pymoo.algorithms.moo.__path__):
        if info.name in {"age", "age2"}:
            continue
        module = importlib.import_module(f"pymoo.algorithms.moo.{info.name}")
        found += [
            f"{info.name}.{name}"
            for name, value in vars(module).items()
            if isinstance(value, type)
            and issubclass(value, Algorithm)
            and value.__module__ == module.__name__
        ]
    return found


WORKING = [path for path in algorithms() if path not in REFUSED]
NAMES = tuple("abcdefgh")


def space(b: int) -> SearchSpace:
    """All rules at once."""
    one = torch.ones(b, len(NAMES))
    return SearchSpace(
        names=NAMES,
        lower=-2 * one,
        upper=2 * one,
        kinds=(Kind.REAL,) * 4 + (Kind.INTEGER, Kind.CATEGORICAL) + (Kind.REAL,) * 2,
        immutable=frozenset({"d"}),
        monotone=(("c", -1),),
        groups=(("a", "b"),),
        dead_zone=0.05,
    )


def made(path: str, **settings: object) -> Solver:
    solver = registry.create(
        "solvers", f"pymoo:{path}", {"population": 16, **SETTINGS.get(path, {}), **settings}
    )
    assert isinstance(solver, Solver)
    return solver


def start(solver: Solver, b: int, *, constrained: bool, first: int = 0, seeds: Tensor | None = None) -> None:
    rngs = [np.random.default_rng([7, first + i]) for i in range(b)]
    solver.start(space(b), objectives=2, constrained=constrained, rngs=rngs, generations=4, seeds=seeds)


def run(solver: Solver, b: int, *, constrained: bool, first: int = 0) -> Tensor:
    start(solver, b, constrained=constrained, first=first)
    path = []
    for _ in range(4):
        z = solver.ask()
        f = ((z[..., None, :] - torch.eye(2, len(NAMES))) ** 2).sum(-1)
        broken = (z[..., 0] - 0.2).clamp_min(0.0) * constrained
        solver.tell(Evaluation(z=z, f=f, violation=broken, scores=torch.zeros(b, z.shape[1], 2)))
        path.append(z)
    return torch.stack(path)


def test_pymoo_has_the_algorithms_that_are_tried_here() -> None:
    assert set(REFUSED) <= set(algorithms())
    assert len(WORKING) >= 14


@pytest.mark.parametrize("path", WORKING)
def test_it_keeps_the_rules_its_seed_and_its_own_query(path: str) -> None:
    constrained = path not in FREE_ONLY
    together = run(made(path), 2, constrained=constrained)
    assert together.shape == (4, 2, 16, len(NAMES))
    assert bool(space(2).contains(together.transpose(0, 1).flatten(1, 2)).all())
    assert len({tuple(z) for z in together[:, 0].flatten(0, 1).tolist()}) > 40
    alone = run(made(path), 1, constrained=constrained, first=1)
    assert torch.equal(alone[:, 0], together[:, 1])


@pytest.mark.parametrize("path", WORKING)
def test_its_first_population_holds_the_seeds(path: str) -> None:
    seed = torch.tensor([0.5, 0.0, -1.0, 0.0, 1.0, 0.0, 0.25, 0.0])
    solver = made(path)
    start(solver, 1, constrained=False, seeds=seed[None, None])
    assert bool((solver.ask()[0] == seed).all(-1).any())


@pytest.mark.parametrize("path", REFUSED)
def test_what_cannot_work_is_refused_with_its_reason(path: str) -> None:
    with pytest.raises(CapabilityError, match=f"solver 'pymoo:{path}' cannot be used: .*{REFUSED[path]}"):
        run(made(path), 1, constrained=False)


def test_constraints_that_it_does_not_take_are_named() -> None:
    with pytest.raises(CapabilityError, match="the search has constraints, which it does not take"):
        run(made("moead.ParallelMOEAD"), 1, constrained=True)


def test_a_setting_reaches_the_algorithm() -> None:
    solver = made("rvea.RVEA", alpha=3.5)
    start(solver, 1, constrained=False)
    assert isinstance(solver, ClassPathSolver)
    assert [lane.algorithm.survival.alpha for lane in solver._lanes] == [3.5]


@pytest.mark.parametrize(
    ("path", "settings", "complaint"),
    [
        ("RVEA", {}, "expected pymoo:MODULE.CLASS, such as pymoo:rvea.RVEA, got 'RVEA'"),
        ("rvae.RVEA", {}, "got 'rvae'. Did you mean 'rvea'"),
        ("rvea.RVAE", {}, r"has no 'RVAE' of that kind \(it has: RVEA\). Did you mean 'RVEA'"),
        ("rvea.RVEA", {"alfa": 3.0}, "unknown setting `alfa` .* Did you mean `alpha`"),
        ("rvea.RVEA", {"population": 0}, "`population` must be at least 1, got 0"),
        ("nsga2.binary_tournament", {}, "expected a class of pymoo's algorithms"),
    ],
)
def test_what_is_written_wrongly_is_named(path: str, settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        made(path, **settings)


def test_a_missing_setting_is_named() -> None:
    with pytest.raises(
        ConfigError, match="RNSGA2 needs the setting `ref_points`; write pymoo:rnsga2.RNSGA2:ref_"
    ):
        registry.create("solvers", "pymoo:rnsga2.RNSGA2", {"population": 16})


def test_an_algorithm_that_fails_in_the_trial_is_named() -> None:
    solver = registry.create(
        "solvers", "pymoo:rnsga2.RNSGA2", {"population": 16, "ref_points": [[0.1, 0.2, 0.3]]}
    )
    with pytest.raises(CapabilityError, match="failed when tried on a small problem"):
        start(solver, 1, constrained=False)


def test_a_module_that_needs_a_package_is_named() -> None:
    if importlib.util.find_spec("numba") is not None:
        pytest.skip("numba is installed here")
    with pytest.raises(MissingExtraError, match="pymoo.algorithms.moo.age cannot be imported: .*numba"):
        solver_class("age.AGEMOEA")


def test_the_short_and_the_long_path_are_one_algorithm() -> None:
    assert isinstance(made("rvea.RVEA"), ClassPathSolver)
    assert solver_class("pymoo.algorithms.moo.rvea.RVEA").algorithm is solver_class("rvea.RVEA").algorithm  # type: ignore[attr-defined]  # made above


@pytest.mark.parametrize(
    "written",
    ["pymoo:rvea.RVEA:alpha=3.5", {"name": "pymoo:rvea.RVEA", "alpha": 3.5}],
    ids=["one string", "a table of TOML"],
)
def test_it_is_written_alike_everywhere(written: object) -> None:
    plugin = PluginConfig.model_validate(written)
    assert (plugin.name, plugin.settings) == ("pymoo:rvea.RVEA", {"alpha": 3.5})
    config = Config.check({"model": {"path": "m"}, "data": {"images": "i"}, "search": {"solver": written}})
    assert config.search.solver == plugin


def test_the_command_line_writes_it_alike() -> None:
    given = {"model": "m", "images": "i", "solver": "pymoo:rvea.RVEA:alpha=3.5"}
    solver = settings(None, given).search.solver
    assert (solver.name, solver.settings) == ("pymoo:rvea.RVEA", {"alpha": 3.5})


def test_the_family_alone_is_not_enough() -> None:
    with pytest.raises(
        ConfigError, match="solver 'pymoo': expected a class after it, such as pymoo:rvea.RVEA"
    ):
        registry.load("solvers", "pymoo")


@pytest.mark.parametrize(
    "name",
    ["agemoea", "cmopso", "ctaea", "moead", "mopso-cd", "nsde", "nsder", "omni", "rvea", "smsemoa", "unsga3"],
)
def test_a_name_that_went_says_what_to_write(name: str) -> None:
    with pytest.raises(ConfigError, match=f"solver '{name}' is no longer built in; ") as caught:
        registry.load("solvers", name)
    words = str(caught.value).replace(",", " ").replace(".\n", " ").split()
    for path in [word.rstrip(".").removeprefix("pymoo:") for word in words if word.startswith("pymoo:")]:
        if not path.startswith("age."):
            assert solver_class(path)


def test_errors_are_ours() -> None:
    with pytest.raises(CfsearchError):
        solver_class("no.such.module.Anywhere")
