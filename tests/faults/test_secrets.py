"""F80: no secret stands in anything that any command prints or writes, wherever it was given; nor in runs of older versions."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cfsearch.audits.reading import AuditDocument
from cfsearch.cli import main
from cfsearch.mlflow.tracking import _files
from cfsearch.runs import checksums
from cfsearch.runs.guard import digest
from cfsearch.runs.salvage import run_id
from cfsearch.runs.store import STORE
from cfsearch.testing.loopback import Reply, Seen, json_reply, serving

HEADER, QUERY, PASSWORD, FILED = (f"s3cr3t-{name}-0f9b" for name in ("header", "query", "word", "filed"))
SECRETS = (HEADER, QUERY, PASSWORD, FILED)
SIDECAR = """labels = ["no", "yes"]
scores = "probabilities"
[served]
attempts = 1
headers = {Authorization = "Bearer env:MODEL_TOKEN", X-Key = "file:key.txt"}
"""
FAST = ("--evaluations", 40, "--population", 20, "--seed", 7, "--threads", 1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_TOKEN", HEADER)
    rows = [f"{i % 7},{i % 5},{'yes' if i % 7 + i % 5 > 5 else 'no'}" for i in range(30)]
    (tmp_path / "rows.csv").write_text("\n".join(["age,income,granted", *rows]))
    (tmp_path / "m.toml").write_text(SIDECAR)
    (tmp_path / "key.txt").write_text(FILED)
    return tmp_path


@pytest.fixture
def url(folder: Path) -> Iterator[str]:
    """A server whose refusals repeat all that it was sent."""

    def answer(request: Seen) -> Reply:
        sent = [request.path, *request.headers.values()]
        if "broken" in request.path:
            return json_reply({"error": " ".join(sent)}, status=400)
        if request.method == "GET":
            tensors = {"datatype": "FP32", "shape": [-1, 2]}
            return json_reply(
                {"name": "m", "inputs": [{"name": "x", **tensors}], "outputs": [{"name": "y", **tensors}]}
            )
        entry = request.json["inputs"][0]
        rows = [entry["data"][i : i + 2] for i in range(0, 2 * entry["shape"][0], 2)]
        flat = [float(p) for row in rows for p in ((1.0, 0.0) if sum(row) <= 5 else (0.0, 1.0))]
        assert any(HEADER in value for value in request.headers.values())
        assert QUERY in request.path
        return json_reply(
            {"outputs": [{"name": "y", "datatype": "FP32", "shape": entry["shape"], "data": flat}]}
        )

    with serving(answer) as server:
        yield f"{server.url}/v2/models/m?version=1&key={QUERY}"


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def audited(url: str, *words: object) -> Result:
    return call(
        *("audit", "--data", "rows.csv", "--label", "granted", "--model", url, "--sidecar", "m.toml"),
        *(*FAST, "--limit", 2, "--out", "run", "-vv", *words),
    )


def assert_no_secret(folder: Path, *printed: str, but: tuple[str, ...] = ()) -> None:
    for secret in SECRETS:
        for text in printed:
            assert secret not in text, text[max(0, text.find(secret) - 300) :][:600]
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in ("key.txt", *but):
                assert secret.encode() not in path.read_bytes(), path
            assert secret not in str(path)


LOOKING = [
    ("show", "run"),
    ("show", "run", "--json"),
    ("report", "run"),
    ("check", "run", "-vv"),
    (
        "gate",
        "run",
        "--fail-if",
        "failed_rate > 50%",
        "--cannot-tell",
        "pass",
        "--format",
        "sarif",
        "--out",
        "gate.sarif",
    ),
    ("diff", "run", "run", "--out", "diff.html"),
    *(
        ("export", "run", "--format", kind, "--out", f"out.{kind}{ending}")
        for kind, ending in (
            *(("jsonl", ""), ("csv", ""), ("in-toto", ".json"), ("svr", ".json"), ("cyclonedx", ".json")),
            *(("aiverify", ".zip"), ("model-card", ".md"), ("annex-iv", ".md")),
        )
    ),
]


def test_f80_secrets_of_headers_files_and_addresses_are_nowhere(folder: Path, url: str) -> None:
    done = audited(url)
    assert done.exit_code == 0, done.stderr
    printed = [done.output]
    words = ("--data", "rows.csv", "--label", "granted", "--model", url, "--sidecar", "m.toml")
    for command in (
        ("search", *words, *FAST, "--row", 1, "--save", "one.front", "--json", "-vv"),
        ("explain", *words, "--row", 1, "--method", "wachter", "--out", "one.html"),
        ("doctor", url, "--sidecar", "m.toml", "--data", "rows.csv", "--label", "granted", "-vv"),
        ("plan", *words, *FAST, "--limit", 2),
        ("verify", "run", *words[4:], "-vv"),
        *LOOKING,
    ):
        done = call(*command)
        assert done.exit_code == 0, (command, done.stderr)
        printed.append(done.output)
    assert audited(url).exit_code == 0, "the run goes on with its settings as they are written"
    assert_no_secret(folder, *printed)
    assert "[redacted]" in (folder / "run" / "audit.json").read_text()
    assert "version=1" in (folder / "run" / "config.resolved.toml").read_text()


def test_a_key_that_was_renewed_goes_on_with_the_run(folder: Path, url: str) -> None:
    assert audited(url).exit_code == 0
    other = audited(url.replace("key=", f"old={PASSWORD}&key="))
    assert other.exit_code == 2
    assert "was started with other settings" in other.stderr
    assert_no_secret(folder, other.output)


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_a_server_that_repeats_them_is_not_repeated(folder: Path, url: str, debug: tuple[str, ...]) -> None:
    done = audited(url.replace("/m?", "/broken?"), *debug)
    assert done.exit_code == 3
    assert "[redacted]" in done.stderr
    assert_no_secret(folder, done.output)


@pytest.mark.parametrize(
    "spec",
    [
        "http://me:{word}@127.0.0.1:9/v2/models/m",
        "http://me:{word}@127.0.0.1:9/what?key={query}",
        "http://me:pa/{word}@127.0.0.1:9/v2/models/m",
        "ftp://me:{word}@127.0.0.1/m.onnx?key={query}",
        "oip+http://127.0.0.1:9/v2/models/m?key={query}",
        "nonsense+http://127.0.0.1:9/m?key={query}",
        "http://127.0.0.1:notaport/m?key={query}",
    ],
)
@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_addresses_that_cannot_be_used_are_shown_without(
    folder: Path, spec: str, debug: tuple[str, ...]
) -> None:
    done = audited(spec.format(word=PASSWORD, query=QUERY), *debug)
    assert done.exit_code in (2, 3)
    assert_no_secret(folder, done.output)
    given = call("search", "--data", spec.format(word=PASSWORD, query=QUERY), "--model", "m.onnx")
    assert given.exit_code == 2
    assert_no_secret(folder, given.output)


def aged(run: Path, url: str) -> None:
    """Has a run hold its address as versions before this one wrote it."""
    with sqlite3.connect(run / STORE) as store:
        meta = dict(store.execute("SELECT key, value FROM meta WHERE key != 'meta_sha256'").fetchall())
        config = json.loads(meta["config"])
        config["model"]["path"] = url
        meta["config"] = json.dumps(config, sort_keys=True)
        meta["run_id"] = run_id(config, json.loads(meta["hashes"]))
        values = {**meta, "meta_sha256": digest(json.dumps(meta, sort_keys=True))}
        store.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())
    store.close()
    document = json.loads((run / "audit.json").read_text())
    document["models"][0]["file"] = Path(url).name
    for place in (document, document["reproduce"]):
        place["command"] = f"cfsearch audit --model '{url}'"
    (run / "audit.json").write_text(json.dumps(document))
    checksums.unseal(run)


def test_runs_of_older_versions_are_shown_and_exported_without(folder: Path, url: str) -> None:
    assert audited(url).exit_code == 0
    aged(folder / "run", url)
    old = (STORE, "audit.json", f"{STORE}-wal")
    printed = []
    for words in LOOKING:
        done = call(*words, *(() if words[0] in ("show", "check") else ("--unchecked",)))
        assert done.exit_code == 0 or words[0] == "check", (words, done.stderr)
        printed.append(done.output)
    assert_no_secret(folder, *printed, but=old)
    assert QUERY in (folder / "run" / "audit.json").read_text(), "what is stored is as old as it was"
    assert audited(url).exit_code == 0, "it goes on"
    assert_no_secret(folder, but=old[::2])


def test_what_is_sent_to_mlflow_of_runs_of_older_versions_holds_none(
    folder: Path, url: str, tmp_path: Path
) -> None:
    assert audited(url).exit_code == 0
    run, place = folder / "run", tmp_path / "sent"
    new = [path for path in _files(run, AuditDocument.read(run), made(place)) if path.parent == run]
    assert {path.name for path in new} == {"audit.json", "report.html", "config.resolved.toml"}, "as they are"
    aged(run, url)
    for name in ("report.html", "config.resolved.toml"):
        (run / name).write_text(f"# {url}\n{(run / name).read_text()}")
    sent = _files(run, AuditDocument.read(run), made(tmp_path / "again"))
    assert {path.name for path in sent} >= {path.name for path in new}
    for path in sent:
        assert not any(secret in path.read_text() for secret in SECRETS), path


def made(place: Path) -> Path:
    place.mkdir()
    return place
