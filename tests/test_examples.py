"""The examples run, and so do the examples in docstrings; every public name has one."""

import ast
import doctest
import importlib
import importlib.util
import pkgutil
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import cfsearch
from cfsearch.errors import MissingExtraError

EXAMPLES = Path(__file__).parents[1] / "examples"
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(cfsearch.__path__, "cfsearch.")
    if not module.name.startswith(("cfsearch.cli", "cfsearch.testing.", "cfsearch.__main__"))
)
ALSO: Final = ("cfsearch.testing.fakes", "cfsearch.testing.candidates", "cfsearch.cli._progress")
LISTED: Final = ("cfsearch", "objectives", "solvers", "generators", "explainers", "providers", "testing")
"""Packages that say in ``__all__`` what is public."""
ROOMS: Final = ("contracts", "fronts", "numerics", "metrics", "runs.directory", "runs.export")
"""Packages and modules in which every class and function without an underscore is."""


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def _documented(node: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, str]]:
    """Names of classes and functions with their docstrings, those of classes within included."""
    yield name, ast.get_docstring(node) or ""
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            yield from _documented(part, f"{name}.{part.name}" if name else part.name)
        elif isinstance(part, ast.FunctionDef):
            yield f"{name}.{part.name}" if name else part.name, ast.get_docstring(part) or ""


def _with_examples() -> list[tuple[str, str]]:
    """Module and name of each docstring that holds an example."""
    sources = {module: _source(module) for module in {*MODULES, *ALSO}}
    return sorted(
        (module, name)
        for module, source in sources.items()
        if ">>>" in source
        for name, text in _documented(ast.parse(source), "")
        if ">>>" in text
    )


def _public() -> Iterator[tuple[str, str]]:
    """Each public name and its docstring."""
    for package in LISTED:
        module = importlib.import_module(package if package == "cfsearch" else f"cfsearch.{package}")
        for name in module.__all__:
            yield f"{module.__name__}.{name}", getattr(module, name).__doc__ or ""
    for package in ROOMS:
        for module_name in MODULES:
            if f"{module_name}.".startswith(f"cfsearch.{package}.") and "._" not in module_name:
                for name, text in _documented(ast.parse(_source(module_name)), ""):
                    if name and "." not in name and not name.startswith("_"):
                        yield f"{module_name}.{name}", text


@pytest.mark.checkout
@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_an_example_runs_and_prints_something(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(file), run_name="__main__")
    assert capsys.readouterr().out


@pytest.mark.parametrize(("module", "name"), _with_examples())
def test_the_example_of_a_docstring_gives_what_it_shows(module: str, name: str) -> None:
    loaded = importlib.import_module(module)
    thing: object = loaded
    for part in name.split(".") if name else ():
        thing = getattr(thing, part)
    finder = doctest.DocTestFinder(recurse=False)
    [found] = [test for test in finder.find(thing, name or module, module=loaded) if test.examples]
    try:
        doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(found)
    except doctest.UnexpectedException as error:
        if isinstance(error.exc_info[1], (MissingExtraError, ModuleNotFoundError)):
            pytest.skip(str(error.exc_info[1]))
        raise error.exc_info[1] from error
    except doctest.DocTestFailure as error:
        pytest.fail(f"{error.example.source}expected {error.example.want}got {error.got}")


def test_public_names_have_examples_and_those_without_are_listed() -> None:
    without = sorted(name for name, text in _public() if ">>>" not in text)
    assert without == [], "public names need an example that shows a value"
