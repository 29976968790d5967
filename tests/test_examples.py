"""The examples run, and so do the examples in docstrings."""

import doctest
import importlib
import pkgutil
import runpy
from pathlib import Path

import pytest

import cfsearch

EXAMPLES = Path(__file__).parents[1] / "examples"
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(cfsearch.__path__, "cfsearch.")
    if not module.name.startswith(("cfsearch.cli", "cfsearch.testing.", "cfsearch.__main__"))
)


@pytest.mark.checkout
@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_an_example_runs_and_prints_something(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(file), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_tell_the_truth(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.failed == 0
