"""F71, F78, F80, F81, F89: what a run writes and prints, and what it never does."""

import itertools
import json
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Self

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cfsearch.cli import main
from cfsearch.runs.directory import RunDirectory
from cfsearch.schemas import schema
from cfsearch.testing.loopback import Seen, json_reply, serving

Run = Callable[..., Result]
TOKEN = "s3cret-7f41-never-written"
MODEL = """
import numpy as np

def predict(x):
    p = 1 / (1 + np.exp(-12 * (x.mean((1, 2, 3)) - 0.5)))
    return np.stack([1 - p, p], 1)
"""
FAST = ("--evaluations", 96, "--population", 24, "--seed", 7, "--threads", 1, "--generator", "pixels:grid=2")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "faces").mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        pixels = (60 + 30 * i + rng.integers(0, 40, (16, 16, 3))).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "faces" / f"f{i}.png")
    (tmp_path / "faults_model.py").write_text(MODEL)
    (tmp_path / "m.toml").write_text('labels = ["dark", "bright"]\nscores = "probabilities"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "faults_model", raising=False)
    monkeypatch.setattr("cfsearch.cli._settings.ISOLATED_BY_DEFAULT", False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    def call(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)

    return call


@pytest.fixture
def audited(run: Run) -> Callable[..., Result]:
    def audit(out: str, *words: object) -> Result:
        model = ("--model", "faults_model:predict", "--sidecar", "m.toml")
        goals = ("--objective", "adversarial", "--objective", "intensity")
        return run("audit", *model, "--images", "faces", *goals, *FAST, "--out", out, *words)

    return audit


def plain(text: str) -> Any:
    """JSON without the tokens that are none."""

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} in JSON")

    return json.loads(text, parse_constant=refuse)


def test_f71_a_clock_that_jumps_back_leaves_no_negative_duration(
    audited: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = itertools.count()

    class Backwards(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(1.7e9 - 3600.0 * next(hours), tz)

    monkeypatch.setattr("cfsearch.runs.directory.datetime", Backwards)
    monkeypatch.setattr("time.time", lambda: 1.7e9 - 3600.0 * next(hours))
    done = audited("run", "--json")
    assert done.exit_code == 0, done.stderr
    document = plain(done.stdout)
    assert document["finished"] < document["created"]  # the clock did jump
    manifest = plain((folder / "run" / "manifest.json").read_text())
    assert all(seconds >= 0.0 for seconds in manifest["handshake"]["seconds"].values())
    events = [plain(line) for line in (folder / "run" / "events.jsonl").read_text().splitlines()]
    durations = [value for e in events for key, value in e.items() if key in ("seconds", "duration")]
    assert all(value >= 0.0 for value in durations)
    assert "-1 s" not in (folder / "run" / "report.html").read_text()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("doctor", ("doctor", "faults_model:predict", "--sidecar", "m.toml", "--size", 16)),
        ("verify", ("verify", "run", "--model", "faults_model:predict", "--sidecar", "m.toml")),
        ("check", ("check", "run")),
        ("gate", ("gate", "run", "--fail-if", "found_rate < 0")),
        ("diff", ("diff", "run", "run")),
        ("error", ("show", "none")),
    ],
)
def test_f78_what_commands_print_keeps_their_schemas(
    run: Run, audited: Callable[..., Result], name: str, words: tuple[str, ...]
) -> None:
    if "run" in words:
        assert audited("run").exit_code == 0
    done = run(*words, "--json")
    jsonschema.validate(plain(done.stdout), schema(name))


def test_f78_what_an_audit_writes_keeps_its_schemas(audited: Callable[..., Result], folder: Path) -> None:
    done = audited("run", "--json")
    jsonschema.validate(plain(done.stdout), schema("audit"))
    for file, name in (("audit.json", "audit"), ("manifest.json", "manifest")):
        jsonschema.validate(plain((folder / "run" / file).read_text()), schema(name))
    for path in (folder / "run").glob("*.json*"):
        for text in path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]:
            plain(text)


@pytest.fixture
def server() -> Iterator[tuple[str, list[Seen]]]:
    seen: list[Seen] = []

    def answer(request: Seen) -> Any:
        seen.append(request)
        if request.method == "GET":
            return json_reply(
                {
                    "name": "m",
                    "versions": ["1"],
                    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 16, 16]}],
                    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
                }
            )
        entry = request.json["inputs"][0]
        mean = np.asarray(entry["data"], dtype=float).reshape(entry["shape"][0], -1).mean(1)
        flat = [value for m in mean for value in (0.0, float(12 * (m - 0.5)))]
        return json_reply(
            {"outputs": [{"name": "y", "datatype": "FP32", "shape": [len(mean), 2], "data": flat}]}
        )

    with serving(answer) as loopback:
        yield f"{loopback.url}/v2/models/m", seen


@pytest.mark.parametrize("broken", [False, True], ids=["healthy", "refused"])
def test_f80_a_token_is_sent_and_never_written(
    run: Run,
    folder: Path,
    server: tuple[str, list[Seen]],
    monkeypatch: pytest.MonkeyPatch,
    broken: bool,
) -> None:
    url, seen = server
    monkeypatch.setenv("MODEL_TOKEN", TOKEN)
    (folder / "m.toml").write_text(
        'labels = ["dark", "bright"]\nscores = "logits"\n'
        '[served]\nheaders = { Authorization = "Bearer env:MODEL_TOKEN" }\n'
    )
    words = ("audit", "--model", url + ("x" if broken else ""), "--sidecar", "m.toml", "--images", "faces")
    goals = ("--objective", "adversarial", "--objective", "intensity")
    done = run(*words, *goals, *FAST, "--limit", 2, "--out", "run", "-vv" if broken else "-v", "--debug")
    assert any(TOKEN in value for request in seen for value in request.headers.values())
    assert TOKEN not in done.stdout + done.stderr
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert broken or any(path.name == "report.html" for path in written)
    for path in written:
        assert TOKEN.encode() not in path.read_bytes(), path


def test_f81_a_seed_gives_the_same_file_twice_and_after_an_interruption(
    run: Run, audited: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        assert audited(name, "--batch-size", 1).exit_code == 0
    added = RunDirectory.add
    stored = itertools.count()

    def interrupted(self: RunDirectory, rows: Any) -> None:
        added(self, rows)
        if next(stored) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(RunDirectory, "add", interrupted)
        assert audited("three", "--batch-size", 1).exit_code == 130
    assert audited("three", "--batch-size", 1).exit_code == 0
    for name in ("one", "two", "three"):
        assert run("export", name, "--format", "parquet", "--out", f"{name}.parquet").exit_code == 0
    first = (folder / "one.parquet").read_bytes()
    assert (folder / "two.parquet").read_bytes() == first
    assert (folder / "three.parquet").read_bytes() == first


def test_f89_nothing_is_fetched(
    run: Run, audited: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: object, **_: object) -> None:
        raise AssertionError(f"a connection was opened: {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket.socket, "connect_ex", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert audited("run").exit_code == 0
    assert run("report", "run").exit_code == 0
    assert run("verify", "run", "--model", "faults_model:predict", "--sidecar", "m.toml").exit_code == 0
