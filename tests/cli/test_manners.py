"""The manners of every command: instant help, pipes, colours, warnings, quiet."""

import json
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from cfsearch.cli._group import COMMANDS
from cfsearch.cli._progress import AuditMeter, duration
from cfsearch.errors import CfsearchWarning

from .conftest import Call, Flags, Spawn

HEAVY = ("torch", "pandas", "pymoo", "onnxruntime", "onnx", "pydantic", "moocore", "PIL", "sklearn")

HELP = """
import sys
from click.testing import CliRunner
from cfsearch.cli import main
for words in {calls!r}:
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0, (words, result.output)
    assert "Usage: cfsearch" in result.output, (words, result.output)
    print(len(result.output))
print([name for name in {heavy!r} if name in sys.modules])
"""


def test_f88_help_imports_nothing_heavy() -> None:
    calls = [[], *([name] for name in COMMANDS), ["train", "generator"], ["train", "critic"]]
    done = subprocess.run(
        [sys.executable, "-c", HELP.format(calls=calls, heavy=HEAVY)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_command_is_listed_with_a_whole_sentence(call: Call) -> None:
    lines = call("--help").out.partition("Commands:")[2].strip().splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)


def test_no_command_shows_the_help(call: Call) -> None:
    answer = call()
    assert answer.code == 0
    assert "Commands:" in answer.out


def test_the_version(call: Call) -> None:
    assert call("--version").out.startswith("cfsearch 0.")


def test_head_ends_quietly(spawn: Spawn) -> None:
    with spawn("schema", "search") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(30) == 0
    assert err == ""


def test_head_ends_quietly_on_a_table_too(spawn: Spawn, tmp_path: Path) -> None:
    code = "from cfsearch.cli._output import stdout\nfor i in range(99999): stdout().print(f'row {i}')"
    script = f"import sys; from cfsearch.cli import _group\nsys.exit(_group._guarded(lambda: exec({code!r}), call=_group.Invocation(())))"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 0
    assert err == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_our_letters_gets_escapes(spawn: Spawn, encoding: str) -> None:
    with spawn("schema", "audit", "--json", PYTHONIOENCODING=encoding) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["$id"] == "urn:cfsearch:audit:1"
    with spawn("show", "→.front", PYTHONIOENCODING=encoding) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "\\u2192.front" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", [None, "front"])
def test_schemas_are_printed(call: Call, name: str | None) -> None:
    words = ("schema",) if name is None else ("schema", name)
    plain, document = call(*words), call(*words, "--json").document
    assert plain.code == 0
    if name is None:
        assert set(document["schemas"]) >= {"search", "audit", "front", "manifest", "config"}
        assert all(each in plain.out for each in document["schemas"])
    else:
        assert plain.document == document
        assert document["$id"] == "urn:cfsearch:front:1"


def test_warnings_of_ours_are_notes_and_others_are_silent(
    call: Call, monkeypatch: pytest.MonkeyPatch, model: Path, face: Path
) -> None:
    def warn(_: object) -> None:
        warnings.warn("the reader\nshould know", CfsearchWarning, stacklevel=1)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("nobody should", DeprecationWarning, stacklevel=1)
        raise MemoryError

    monkeypatch.setattr("cfsearch.assembly.search.assemble", warn)
    answer = call("search", face, "--model", model)
    assert r"note: the reader\u000ashould know" in answer.err  # a message is one line
    assert "nobody" not in answer.err
    assert "note" not in call("search", face, "--model", model, "-q").err


def test_verbose_names_the_model(call: Call, model: Path, face: Path, fast: Flags) -> None:
    answer = call("search", face, "--model", model, *fast, "-v")
    assert "model model onnx:" in answer.err


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_are_written_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_meter_counts_queries_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    from cfsearch.audits.run import AuditProgress
    from cfsearch.engine.progress import Progress

    now = [100.0]
    monkeypatch.setattr("cfsearch.cli._progress.time.monotonic", lambda: now[0])
    said: list[tuple[str, float]] = []

    class Line:
        def update(self, text: str, *, share: float) -> None:
            said.append((text, share))

    meter = AuditMeter(Line(), evaluations=100)
    meter(AuditProgress(0, 4, 0, 0, None))
    now[0] += 10.0
    meter(AuditProgress(0, 4, 0, 0, Progress(5, 10, 2, 1, 100)))
    assert said[-1] == ("0/4 images, 0 found, 30 s left, generation 5/10, 100 queries, 10/s", 0.25)
    meter(AuditProgress(2, 4, 1, 1, None))
    assert said[-1] == ("2/4 images, 1 found, 1 failed, 20 s left, 100 queries, 10/s", 0.5)


def test_signals_are_as_before_afterwards(call: Call, model: Path, face: Path, fast: Flags) -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    assert call("search", face, "--model", model, *fast).code == 0
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1
