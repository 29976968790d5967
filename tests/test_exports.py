"""Names that a user imports: from the package itself, and from the packages of each kind of plug-in."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cfsearch.datasets.images import find_images
from cfsearch.datasets.images.labelled import find_photographs, open_photographs, read_labels
from cfsearch.errors import RunError
from cfsearch.lazy import lazy_names
from cfsearch.providers.sidecar import read_sidecar
from cfsearch.providers.surrogate_file import is_surrogate
from cfsearch.registry import PluginKind, installed
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.export import export_run

PACKAGES: dict[PluginKind, str] = {
    "constraints": "objectives",
    "explainers": "explainers",
    "generators": "generators",
    "objectives": "objectives",
    "providers": "providers",
    "solvers": "solvers",
}


@pytest.mark.parametrize("kind", PACKAGES)
def test_every_built_in_can_be_imported_from_its_package(kind: PluginKind) -> None:
    package = importlib.import_module(f"cfsearch.{PACKAGES[kind]}")
    named = [
        p for name, p in installed(kind).items() if not name.startswith(".")
    ]  # endings are no names to import
    points = [p for p in named if p.value.startswith(f"{package.__name__}.")]
    assert points
    for point in points:
        name = point.value.partition(":")[2]
        assert name in package.__all__, name
        assert getattr(package, name) is point.load()
        assert name in dir(package)


@pytest.mark.parametrize("package", sorted(set(PACKAGES.values())))
def test_a_package_lists_what_it_has_and_imports_it_only_when_used(package: str) -> None:
    code = f"import sys, cfsearch.{package} as p; print(*sorted(p.__all__)); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, heavy = done.stdout.splitlines()
    assert heavy == "False"
    module = importlib.import_module(f"cfsearch.{package}")
    assert names.split() == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error_of_its_package() -> None:
    with pytest.raises(AttributeError, match="module 'cfsearch.errors' has no attribute 'Oops'"):
        lazy_names("cfsearch.errors", {})("Oops")


def test_the_command_line_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "cfsearch", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("cfsearch ")


def test_a_run_is_begun_and_read_by_a_text_as_by_a_path(tmp_path: Path) -> None:
    with RunDirectory.start(str(tmp_path / "run"), config={}, hashes={}) as begun:
        written = begun.run_id
    with RunDirectory.read(str(tmp_path / "run")) as run:
        assert run.run_id == written
    with pytest.raises(RunError, match="no run directory"):
        RunDirectory.read(str(tmp_path))


def test_what_reads_a_file_takes_its_path_as_a_text(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("image,Male\na.png,1\n")
    (tmp_path / "m.toml").write_text('labels = ["no", "yes"]\n')
    assert find_images(str(tmp_path)) == find_images(tmp_path)
    assert find_photographs(str(tmp_path)) == find_photographs(tmp_path)
    assert read_labels(str(tmp_path / "labels.csv")).names == ("Male",)
    assert read_sidecar(str(tmp_path / "m.toml")).labels == ("no", "yes")
    found = open_photographs(str(tmp_path), attributes=str(tmp_path / "labels.csv"))
    assert found.table is not None
    assert found.table.names == ("Male",)
    assert not is_surrogate(str(tmp_path / "m.toml"))
    with (
        RunDirectory.start(tmp_path / "run", config={}, hashes={}) as run,
        pytest.raises(RunError, match="has no members to export"),
    ):
        export_run(run, str(tmp_path / "out.csv"), kind="csv")
