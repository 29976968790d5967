"""Every Python and console block of README, CONTRIBUTING and docs/ runs, in the order of its page.

A page runs in one folder (``workplace``), its Python in one namespace. What is put in a block's place is in the
tables below and nowhere else: budgets that take a moment, and lines that need the network or the whole test suite.
A block that cannot run stands behind ``<!-- not run: REASON -->`` in its page, and is counted here.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

import cfsearch
from cfsearch.cli import main

from . import workplace
from .blocks import LANGUAGES, PAGES, ROOT, Block, blocks_of, marks_of, page_blocks

pytestmark = pytest.mark.checkout

BUDGETS: Final = {
    "search": "--evaluations 60 --population 20 --threads 1",
    "audit": "--evaluations 60 --population 20 --threads 1",
    "plan": "--evaluations 60 --population 20 --threads 1",
    "distill": "--queries 300 --trials 0 --threads 1",
    "demo": "--faces 2 --evaluations 60 --threads 1",
}
"""Options that are put behind a command, so that it takes a moment."""

ELSEWHERE: Final = {
    "pip install uv": "needs the network",
}
"""Commands that this test does not start, and why."""

SLOW: Final = ("demo",)
"""Commands that take more than ten seconds whatever their budget; they run in the slow test."""

NOT_RUN: Final = {
    "docs/gates.md": 2,
    "CONTRIBUTING.md": 1,
    "README.md": 1,
    "docs/choosing.md": 1,
    "docs/effects.md": 1,
    "docs/faces.md": 2,
    "docs/generators.md": 1,
    "docs/genuineness.md": 2,
    "docs/records.md": 4,
    "docs/served.md": 1,
    "docs/shared_changes.md": 2,
    "docs/tutorial_pictures.md": 1,
}
"""How many blocks of each page say that they are not run. One more is a decision, to be taken here."""

ALL: Final = {path.relative_to(ROOT).as_posix(): path for path in PAGES}
RUN: Final = [
    name
    for name, path in ALL.items()
    if any(b.language in ("console", "python") and not b.reason for b in page_blocks(path))
]


_ISOLATED: Final = "cfsearch.cli._settings.ISOLATED_BY_DEFAULT"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ISOLATED, False)
        workplace.make(folder)
    return folder


@pytest.fixture
def place(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Path:
    """A folder of its own with everything prepared, where the test stands.

    Models open in this process, but for the page that says that they have one of their own.
    """
    if "docs/command_line.md" not in request.node.name:
        monkeypatch.setattr(_ISOLATED, False)
    for entry in prepared.iterdir():
        if entry.name != "runs":
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / "runs").mkdir()
    shutil.copytree(prepared / "runs" / "june", tmp_path / "runs" / "june")
    monkeypatch.chdir(tmp_path)
    for name in ("search", "audit"):
        quick = partial(_quick, getattr(cfsearch, name))
        monkeypatch.setattr(cfsearch, name, quick)
    return tmp_path


def _quick(call: Any, *args: Any, **settings: Any) -> Any:  # Any: as the call takes them
    config = args and isinstance(args[0], cfsearch.Config)
    return call(*args, **(settings if config else {"evaluations": 60, "population": 20} | settings))


def words_of(command: str) -> list[str]:
    """The words of one command, without ``uv run`` before it and with its budget behind it."""
    words = shlex.split(command)
    words = words[2:] if words[:2] == ["uv", "run"] else words
    assert words[0] == "cfsearch", f"{command!r}: no test runs this; see ELSEWHERE, or mark the block"
    budget = shlex.split(BUDGETS.get(words[1], ""))
    given = dict(zip(budget[::2], budget[1::2], strict=True))
    kept = [part for name, value in given.items() if name not in words for part in (name, value)]
    for name, value in given.items():
        if name in words:
            words[words.index(name) + 1] = value
    return [*words[1:], *kept]


def run_line(line: str, *, slow: bool) -> None:
    """Run the commands of one line; as in a shell, ``||`` goes on after a failure."""
    completion = re.search(r"_CFSEARCH_COMPLETE=(\w+) cfsearch", line)
    if completion is not None:
        complete(completion[1])
        return
    for part in re.split(r"\s*&&\s*", line):
        command, otherwise, _ = part.partition(" || ")
        if command in ELSEWHERE:
            continue
        words = words_of(command)
        if (words[0] in SLOW) is not slow:
            continue
        answer = CliRunner().invoke(main, words, catch_exceptions=False)
        assert answer.exit_code == 0 or (otherwise and answer.exit_code == 1), f"{line}\n{answer.stderr}"
        assert answer.stdout


def complete(instruction: str) -> None:
    """The script that a shell is given; bash, where it is, reads it."""
    answer = CliRunner().invoke(
        main, env={"_CFSEARCH_COMPLETE": instruction}, prog_name="cfsearch", catch_exceptions=False
    )
    assert "cfsearch" in answer.stdout and answer.exit_code == 0
    if instruction.startswith("bash"):
        done = subprocess.run(
            ["bash", "-n"], input=answer.stdout, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


def run(block: Block, names: dict[str, Any], *, slow: bool = False) -> None:
    try:
        if block.language == "console":
            for line in block.commands:
                run_line(line, slow=slow)
        elif block.language == "python" and not slow:
            source = "\n" * block.line + block.text  # so that a traceback names the line of the page
            exec(compile(source, block.page, "exec"), names)
    except Exception as error:
        error.add_note(f"in the block at {block.page}, line {block.line}")
        raise


@pytest.mark.parametrize("name", RUN)
def test_the_blocks_of_a_page_run_in_order(place: Path, name: str) -> None:
    names = workplace.namespace() | {"__name__": "page"}
    for block in page_blocks(ALL[name]):
        if not block.reason:
            run(block, names)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_the_slow_lines_of_a_page_run(place: Path, name: str) -> None:
    for block in page_blocks(ALL[name]):
        if block.language == "console" and not block.reason:
            run(block, {}, slow=True)


@pytest.mark.slow
def test_the_recipes_pass_the_cases_that_they_inherit(tmp_path: Path) -> None:
    """The Python of CONTRIBUTING as one test file: every ``Test`` class of it, by pytest itself."""
    blocks = [b for b in page_blocks(ALL["CONTRIBUTING.md"]) if b.language == "python"]
    file = tmp_path / "test_recipes.py"
    file.write_text("\n\n".join(block.text for block in blocks))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu\n")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(file)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert done.stdout.count("passed") and "no tests ran" not in done.stdout


@pytest.mark.parametrize("name", ALL)
def test_every_block_says_what_it_is_and_toml_is_toml(name: str) -> None:
    for block in page_blocks(ALL[name]):
        assert block.language in LANGUAGES, f"{name}, line {block.line}"
        if block.language == "toml":
            tomllib.loads(block.text)


def test_blocks_that_are_not_run_are_counted_and_give_a_reason() -> None:
    found = {name: [b for b in page_blocks(path) if b.reason] for name, path in ALL.items()}
    assert {name: len(blocks) for name, blocks in found.items() if blocks} == NOT_RUN
    for name, path in ALL.items():
        marks = marks_of(path.read_text(encoding="utf-8"))
        assert marks == len(found[name]), f"{name}: a mark stands before no block"
        assert all(len(block.reason) > 10 for block in found[name])


def test_the_blocks_of_a_report_run(place: Path) -> None:
    """What the page of a run gives under "Reproduce", in the run's own folder."""
    words = words_of(
        "cfsearch audit --images photos --model model.onnx --generator pixels:grid=2 --out runs/first"
    )
    assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    run_folder = place / "runs" / "first"
    reproduce = json.loads((run_folder / "audit.json").read_text())["reproduce"]
    shown = (run_folder / "report.html").read_text()
    assert "config.resolved.toml" in shown and "config.resolved.toml" in reproduce["python"]
    names: dict[str, Any] = {}
    exec(compile(reproduce["python"], "report.html", "exec"), names)
    with cfsearch.RunDirectory.read("runs/first") as first, cfsearch.RunDirectory.read("again") as again:
        mine, theirs = list(first.rows()), list(again.rows())
    assert [row.name for row in mine] == [row.name for row in theirs]
    for one, two in zip(mine, theirs, strict=True):
        assert one.front is not None and two.front is not None
        assert one.front.to_bytes() == two.front.to_bytes()
    run_line(reproduce["command"], slow=False)


def test_a_block_has_its_line_its_reason_and_its_commands() -> None:
    text = (
        "a\n```console\nuv run x \\\n  --y    # why\n# only a comment\n```\n"
        "<!-- not run: takes\nan hour -->\n\n```python\nz = 1\n```\n<!-- not run: too far -->\nwords\n```toml\n```\n"
    )
    first, second, third = blocks_of(text, page="p")
    assert (first.line, first.commands, first.reason) == (2, ["uv run x --y"], "")
    assert (second.text, second.reason) == ("z = 1\n", "takes\nan hour")
    assert third.reason == "" and marks_of(text) == 2
    with pytest.raises(ValueError, match="p, line 1"):
        blocks_of("```python\n", page="p")


def test_a_wrong_command_is_noticed(place: Path) -> None:
    with pytest.raises(AssertionError, match="no such"):
        run(Block("p", 1, "console", "cfsearch show runs/none\n"), {})
    with pytest.raises(AssertionError, match="no test runs this"):
        run(Block("p", 1, "console", "make all\n"), {})
    with pytest.raises(NameError, match="nowhere"):
        run(Block("p", 1, "python", "nowhere\n"), {})
