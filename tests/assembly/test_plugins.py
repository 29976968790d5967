"""Objectives, constraints and solvers: by name, path, class, object and function, all the same thing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cfsearch.assembly.plugins import constraint_of, objective_of, plugin_config, solver_of
from cfsearch.config import PluginConfig, parse_plugin
from cfsearch.contracts.records import Candidates, Need
from cfsearch.errors import ConfigError, PluginError
from cfsearch.objectives import Adversarial, Flip, Intensity
from cfsearch.solvers import Nsga2, RandomSearch
from cfsearch.testing.candidates import make_candidates

MODULE = """
from dataclasses import dataclass
from cfsearch import Objective
from cfsearch.solvers import RandomSearch

def brightness(candidates):
    "Mean brightness."
    return candidates.x.flatten(2).mean(-1)

brightness.unit = "share"

@dataclass(frozen=True)
class Scaled(Objective):
    factor: float = 1.0
    name = "scaled"
    unit = "x"

    def __call__(self, candidates):
        return self.factor * brightness(candidates)

class Nothing:
    pass
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "door_measures.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))


def redness(candidates: Candidates) -> Tensor:
    """Mean of the first channel."""
    return candidates.x[:, :, 0].flatten(2).mean(-1)


@pytest.mark.parametrize(
    "given",
    [
        "intensity:norm=l1",
        PluginConfig(name="intensity", settings={"norm": "l1"}),
        PluginConfig(name="cfsearch.objectives.intensity:Intensity", settings={"norm": "l1"}),
        "cfsearch.objectives:Intensity:norm=l1",
        Intensity(norm="l1"),
    ],
    ids=lambda given: str(given)[:40],
)
def test_an_objective_is_the_same_however_it_is_named(given: PluginConfig | str | Intensity) -> None:
    assert objective_of(given) == Intensity(norm="l1")


def test_a_class_stands_for_its_defaults() -> None:
    assert objective_of(Intensity) == Intensity()
    assert constraint_of(Flip) == Flip()
    assert isinstance(solver_of(Nsga2, population=12), Nsga2)
    assert solver_of(Nsga2, population=12).population == 12


def test_a_function_is_an_objective_with_its_name_unit_and_words() -> None:
    candidates = make_candidates()
    objective = objective_of("door_measures:brightness")
    assert (objective.name, objective.unit, type(objective).__doc__) == (
        "brightness",
        "share",
        "Mean brightness.",
    )
    assert torch.equal(objective(candidates), candidates.x.flatten(2).mean(-1))
    live = objective_of(redness)
    assert live.name == "redness"
    assert torch.equal(live(candidates), candidates.x[:, :, 0].flatten(2).mean(-1))


def test_a_function_may_say_what_it_needs() -> None:
    def real(candidates: Candidates) -> Tensor:
        return -candidates.realism

    real.needs = [Need.CRITIC]  # type: ignore[attr-defined]  # as a user would write it
    assert objective_of(real).needs == {Need.CRITIC}


def test_a_function_is_a_constraint() -> None:
    candidates = make_candidates()
    assert torch.equal(constraint_of(redness)(candidates), redness(candidates))


def test_a_class_of_ones_own_takes_settings() -> None:
    candidates = make_candidates()
    scaled = objective_of("door_measures:Scaled:factor=3.0")
    assert torch.equal(scaled(candidates), 3.0 * candidates.x.flatten(2).mean(-1))


def test_what_is_no_objective_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match="objective 'door_measures:Nothing' must be a cfsearch.Objective"):
        objective_of("door_measures:Nothing")
    with pytest.raises(PluginError, match="objective 'RandomSearch' must be a cfsearch.Objective, got class"):
        objective_of(RandomSearch)  # type: ignore[arg-type]  # the mistake that is tested
    with pytest.raises(PluginError, match="constraint .* must be a cfsearch.Constraint, got Adversarial"):
        constraint_of(Adversarial())
    with pytest.raises(PluginError, match="expected a function with a name"):
        objective_of(lambda candidates: candidates.z.sum(-1))
    with pytest.raises(PluginError, match="objective 3 must be a cfsearch.Objective, got int"):
        objective_of(3)  # type: ignore[arg-type]  # the same


def test_a_solver_may_be_a_name_an_object_or_a_function() -> None:
    assert solver_of("nsga2", population=8).population == 8
    one = Nsga2(population=16)
    copied = solver_of(one, population=8)
    assert copied is not one
    assert copied.population == 16
    assert solver_of(lambda population: RandomSearch(population=population), population=6).population == 6
    with pytest.raises(PluginError, match="must be a cfsearch.Solver, got class Intensity|got Intensity"):
        solver_of(lambda population: Intensity(), population=6)  # type: ignore[arg-type,return-value]  # the same


def test_settings_name_what_a_file_could_say() -> None:
    assert plugin_config("objectives", Intensity(norm="l1")).name == "intensity"
    assert plugin_config("objectives", Intensity(norm="l1")).settings["norm"] == "l1"
    assert plugin_config("solvers", Nsga2).model_dump() == {"name": "nsga2", "settings": {}}
    assert plugin_config("objectives", redness).name.endswith(":redness")
    assert plugin_config("objectives", lambda c: c).name == "<<lambda>>"


@pytest.mark.parametrize(
    ("text", "name", "settings"),
    [
        ("a.b:C", "a.b:C", {}),
        ("a.b:C:k=1,l=[1, 2]", "a.b:C", {"k": 1, "l": [1, 2]}),
        ("mine:brightness", "mine:brightness", {}),
        ("smpso:inertia=0.4", "smpso", {"inertia": 0.4}),
    ],
)
def test_a_path_is_read_as_a_name(text: str, name: str, settings: dict[str, object]) -> None:
    assert parse_plugin(text) == {"name": name, "settings": settings}


def test_a_setting_without_a_value_is_no_path() -> None:
    with pytest.raises(ConfigError, match="'l1' is not. A class of your own is named package.module:Class"):
        parse_plugin("intensity:l1")
    with pytest.raises(ConfigError, match="Write intensity:l1=VALUE"):
        objective_of(PluginConfig(name="intensity:l1"))
