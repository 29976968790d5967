"""What is shipped, and what importing it costs."""

import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import cfsearch

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnxruntime", "pymoo", "click", "pandas", "numpy")


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, cfsearch; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_sorted_and_all_there() -> None:
    assert list(cfsearch.__all__) == sorted(cfsearch.__all__)
    assert set(cfsearch.__all__) == set(cfsearch._HOME)
    for name in cfsearch.__all__:
        assert getattr(cfsearch, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(cfsearch, "nothing")  # noqa: B009 - a type checker knows that it is not there


@pytest.mark.checkout
def test_every_folder_with_code_is_a_listed_package() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {"cfsearch"}
    for room in ("generators", "objectives", "models"):
        found |= {
            "cfsearch." + ".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / room).rglob("*.py")
        }
    for file in (ROOT / "cfsearch").rglob("*.py"):
        found.add(".".join(file.parent.relative_to(ROOT).parts))
    assert found == listed


@pytest.mark.checkout
def test_no_module_is_longer_than_four_hundred_lines() -> None:
    rooms = [ROOT / name for name in ("cfsearch", "generators", "objectives", "models")]
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for room in rooms for p in room.rglob("*.py")}
    assert len(lines) > 300
    assert not {str(p.relative_to(ROOT)): n for p, n in lines.items() if n > 400}


@pytest.mark.checkout
def test_an_editable_install_is_a_path_that_type_checkers_follow() -> None:
    [pth] = [f for f in distribution("cfsearch").files or () if f.suffix == ".pth"]
    [line] = pth.read_text().splitlines()
    assert not line.startswith("import")  # an import hook: nothing that does not run code can follow it
    root = Path(line)
    assert {p.name for p in root.iterdir() if p.suffix != ".egg-info"} == {
        "cfsearch"
    }  # no tests/, no models/
    assert (root / "cfsearch" / "py.typed").is_file()
    for package in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]:
        assert list(root.joinpath(*package.split(".")).glob("*.py")), package


@pytest.mark.checkout
def test_no_room_is_called_a_drawer() -> None:
    for folder in ("cfsearch", "generators", "objectives", "models"):
        files = list((ROOT / folder).rglob("*.py"))
        assert files, folder
        for file in files:
            assert file.stem not in ("utils", "helpers", "common"), file


@pytest.mark.checkout
@pytest.mark.slow
def test_the_wheel_holds_every_module_and_data_file(tmp_path: Path) -> None:
    subprocess.run(["uv", "build", "--quiet", "--wheel", "--out-dir", str(tmp_path)], cwd=ROOT, check=True)
    [wheel] = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = set()
    for folder, inside in (
        ("cfsearch", "cfsearch"),
        *((r, f"cfsearch/{r}") for r in ("generators", "objectives", "models")),
    ):
        for file in (ROOT / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                wanted.add(f"{inside}/{file.relative_to(ROOT / folder)}")
    apart = {name for name in wanted if Path(name).name.startswith("attgan_celeba64.")}
    assert wanted - apart <= held, sorted(wanted - apart - held)
    assert not apart & held  # on its own terms, which are not the wheel's
