"""The tests against the oldest versions of every dependency that ``pyproject.toml`` says is enough.

    uv run python benchmarks/house/lowest.py [--env FOLDER] [--python 3.11] [--tests tests/numerics tests/fronts]

Everything of the extra ``all`` is installed in an environment of its own, each requirement of ours at its lowest version
(what these require themselves as new as they allow), and beside it what the tests import, which does not lower or raise
any of ours. The built package is then tested outside the checkout. Prints the versions and what pytest prints; exits as
pytest does. The environment takes some 8 GB; ``--env`` keeps it.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CHECKERS: Final = frozenset(
    {"cfsearch", "import-linter", "mypy", "pandas-stubs", "pyright", "ruff", "types-jsonschema"}
)
"""Of the group ``dev`` what no test imports, and the package itself."""
MARKS: Final = "not slow and not gpu and not data and not checkout"
SILENT: Final = [
    f"-Wignore::{kind}" for kind in ("DeprecationWarning", "FutureWarning", "PendingDeprecationWarning")
]
"""What libraries of different ages say to each other is no fault of ours."""


def name_of(requirement: str) -> str:
    """The name that a requirement begins with."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None, requirement
    return found.group().lower()


def requirements() -> tuple[list[str], list[str]]:
    """Names of the dependencies of ours, with those of all extras, and the requirements of the tests alone."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    ours = {name_of(r) for r in project["project"]["dependencies"]}
    ours |= {name_of(r) for extra in extras.values() for r in extra} - {"cfsearch"}
    tests = [r for r in project["dependency-groups"]["dev"] if name_of(r) not in ours | CHECKERS]
    return sorted(ours), tests


def installed(python: Path, env: Path, *, version: str) -> None:
    """Make the environment, unless it is there."""
    if python.exists():
        return
    ours, tests = requirements()
    subprocess.run(["uv", "venv", "--quiet", "--python", version, str(env)], check=True)
    install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    subprocess.run([*install, "--resolution", "lowest-direct", f"{ROOT}[all]"], check=True)
    frozen = subprocess.run(
        ["uv", "pip", "freeze", "--python", str(python)], check=True, capture_output=True, text=True
    ).stdout
    held = env / "held.txt"
    held.write_text("".join(f"{line}\n" for line in frozen.splitlines() if name_of(line) in ours))
    subprocess.run([*install, "--constraint", str(held), *tests], check=True)


def main() -> int:
    """Install, test, and pass on how that ended."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--env", type=Path)
    parser.add_argument("--python", default="3.11")
    parser.add_argument("--tests", nargs="*", default=["tests"])
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        env = chosen.env or Path(scratch) / "env"
        python = env.absolute() / "bin" / "python"
        installed(python, env, version=chosen.python)
        again = [
            "uv",
            "pip",
            "install",
            "--quiet",
            "--python",
            str(python),
            "--no-deps",
            "--reinstall",
            str(ROOT),
        ]
        subprocess.run(again, check=True)
        listed = subprocess.run(
            ["uv", "pip", "list", "--quiet", "--python", str(python)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        ours, _ = requirements()
        print("\n".join(line for line in listed.splitlines() if line and name_of(line) in ours), flush=True)
        away = Path(scratch) / "away"
        shutil.copytree(ROOT / "tests", away / "tests")
        shutil.copy(ROOT / "pyproject.toml", away)
        return subprocess.run(
            [str(python), "-m", "pytest", "-q", "-m", MARKS, *SILENT, *chosen.tests], cwd=away, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
