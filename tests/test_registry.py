"""Registry: built-ins are found as strangers are, and what is wrong is named."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from cfsearch import registry
from cfsearch.contracts.generator import Generator
from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.solver import Solver
from cfsearch.errors import ConfigError, MissingExtraError, PluginError
from cfsearch.objectives.intensity import Intensity

KINDS = {"objectives": Objective, "constraints": Constraint, "generators": Generator, "solvers": Solver}


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_loads_and_is_what_it_says(kind: registry.PluginKind) -> None:
    names = list(registry.installed(kind))
    assert names
    for name in names:
        assert issubclass(registry.load(kind, name), KINDS[kind]), name


@pytest.mark.checkout
def test_every_file_of_the_rooms_with_a_plug_in_is_registered() -> None:
    root = Path(__file__).parents[1]
    named = {point.value.split(":")[0] for kind in KINDS for point in registry.installed(kind).values()}
    files = list((root / "objectives").glob("[a-z]*.py"))
    assert files
    for file in files:
        assert f"cfsearch.objectives.{file.stem}" in named, file


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"unknown solver 'nsga22'. Did you mean 'nsga2'\? Known: "):
        registry.load("solvers", "nsga22")


def test_settings_are_passed_and_wrong_ones_named() -> None:
    assert registry.create("objectives", "intensity", {"norm": "l1"}) == Intensity(norm="l1")
    with pytest.raises(
        ConfigError, match=r"unknown setting `nrom` \(it takes: norm, threshold\). Did you mean `norm`"
    ):
        registry.create("objectives", "intensity", {"nrom": "l1"})


def points(monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> None:
    made = [EntryPoint(name, value, "cfsearch.objectives") for name, value in entries]
    monkeypatch.setattr(registry, "entry_points", lambda group: made)
    registry.installed.cache_clear()
    monkeypatch.setattr(registry.installed, "cache_clear", registry.installed.cache_clear, raising=False)


@pytest.fixture(autouse=True)
def _fresh() -> object:
    yield
    registry.installed.cache_clear()


def test_two_packages_with_one_name_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    points(monkeypatch, ("mine", "a:A"), ("mine", "b:B"))
    with pytest.raises(PluginError, match="objective 'mine' is claimed by 'a:A' and by 'b:B'"):
        registry.load("objectives", "mine")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("no_such_package.x:A", MissingExtraError, "needs the package 'no_such_package'"),
        ("json:Missing", PluginError, "cannot be imported"),
        ("json:loads", PluginError, "is no class"),
    ],
)
def test_what_cannot_be_imported_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str, error: type[Exception], message: str
) -> None:
    points(monkeypatch, ("mine", value))
    with pytest.raises(error, match=message):
        registry.load("objectives", "mine")


def test_a_strangers_objective_outside_the_repository_is_found(tmp_path: Path) -> None:
    (tmp_path / "stranger.py").write_text(
        '''
from dataclasses import dataclass
from typing import ClassVar
from cfsearch import Candidates, Objective

@dataclass(frozen=True)
class Mean(Objective):
    """Mean change."""
    name: ClassVar[str] = "mean_change"
    unit: ClassVar[str] = "attribute"
    def __call__(self, candidates: Candidates):
        return candidates.z.abs().mean(-1)
'''
    )
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cfsearch.objectives]\nmean_change = stranger:Mean\n")
    code = (
        "from cfsearch import registry; o = registry.create('objectives', 'mean_change', {}); "
        "print(type(o).__module__, o.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["stranger", "mean_change"]


@pytest.mark.parametrize(
    ("kind", "name", "settings", "message"),
    [
        ("objectives", "intensity", {"threshold": "two"}, "`threshold` must be a number, got 'two'; correct"),
        ("solvers", "nsga2", {"population": 2.5}, "setting `population` must be a whole number, got 2.5"),
        ("solvers", "nsga2", {"population": True}, "must be a whole number, got True"),
    ],
)
def test_a_setting_of_the_wrong_type_is_named(
    kind: registry.PluginKind, name: str, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        registry.create(kind, name, settings)
