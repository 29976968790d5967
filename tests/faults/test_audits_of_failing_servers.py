"""An audit of a server that fails in a fifth of its answers, at random: the fronts of a healthy one, and true counts."""

import asyncio
import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

from cfsearch.audits.run import Audit
from cfsearch.config import Config
from cfsearch.runs.directory import RunDirectory
from cfsearch.testing.loopback import Loopback, Reply, Seen, json_reply, serving

HEAD: Final = 'labels = ["no", "yes"]\nscores = "logits"\nmax_batch = 4\n'
PICTURED: Final = HEAD + '[input]\nsize = [12, 12]\nrange = "0..1"\nlayout = "nchw"\n'
SERVED: Final = "[served]\nconcurrency = 3\nattempts = 12\n"
SEARCH: Final = {"evaluations": 60, "population": 20, "seed": 3, "pruning": 0.15}


def scored(seen: Seen) -> list[list[float]]:
    """How bright a picture is; of a row its age and work."""
    if "inputs" in seen.json:
        x = np.asarray(seen.json["inputs"], dtype=np.float32)
        return [[0.0, float(20.0 * (v - 0.5))] for v in x.reshape(len(x), -1).mean(axis=1)]
    table = seen.json["dataframe_split"]
    columns = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    return [[0.0, (row["age"] - 45) / 8 + (row["job"] == "clerk") - 0.5] for row in columns]


def healthy(seen: Seen) -> Reply:
    return json_reply({"predictions": scored(seen)})


class Failing:
    """Answers, but to a fifth of the requests: too many, an error, a reset, cut short, no JSON, drop by drop."""

    def __init__(self, seed: int) -> None:
        self._rng, self._lock = np.random.default_rng(seed), threading.Lock()
        self.ways: Counter[str] = Counter()
        self.answered = 0

    def __call__(self, seen: Seen) -> Reply:
        good = healthy(seen)
        failures = {
            "429": Reply(429, b""),
            "500": Reply(500, b"oops"),
            "reset": Reply(200, b"", cut=True),
            "truncated": Reply(200, good.body[:20], length=4000),
            "no JSON": Reply(200, good.body[:-3]),
            "drop by drop": Reply(200, good.body, pieces=8, pause=0.01),
        }
        with self._lock:
            way = list(failures)[int(self._rng.integers(6))] if self._rng.random() < 0.2 else "answered"
            self.ways[way] += 1
            self.answered += len(scored(seen)) * (way in ("answered", "drop by drop"))
        return failures.get(way, good)


def pictures(folder: Path) -> dict[str, Any]:
    (folder / "photos").mkdir()
    for i, level in enumerate((60, 90)):
        noise = np.random.default_rng(i).integers(0, 20, (12, 12, 3))
        Image.fromarray((level + noise).astype(np.uint8)).save(folder / "photos" / f"{i}.png")
    (folder / "model.toml").write_text(PICTURED + SERVED, encoding="utf-8")
    return {"data": {"images": str(folder / "photos")}, "generator": "pixels:grid=2"}


def rows(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    lines = [f"{rng.integers(20, 70)},{('clerk', 'cook')[i % 2]}" for i in range(60)]
    (folder / "rows.csv").write_text("age,job\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (folder / "model.toml").write_text(HEAD + SERVED, encoding="utf-8")
    return {"data": {"table": str(folder / "rows.csv"), "rows": [3, 4]}}


def audited(server: Loopback, folder: Path, values: dict[str, Any]) -> dict[str, bytes]:
    """The fronts of an audit, as they are stored."""
    model = {"path": f"mlflow+{server.url}", "sidecar": str(folder.parent / "model.toml")}
    config = Config.check(
        {**values, "model": model, "search": SEARCH, "run": {"batch_size": 1, "threads": 1}}
    )
    Audit(config, directory=folder).run()
    with RunDirectory.read(folder) as run:
        return {row.name: row.front.to_bytes() for row in run.rows() if row.front is not None}


@pytest.mark.parametrize("inputs", [pictures, rows])
def test_an_audit_of_a_server_that_fails_at_random_gives_the_same_fronts_and_true_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: Any
) -> None:
    real = asyncio.sleep

    async def at_once(_: float) -> None:
        await real(0)

    monkeypatch.setattr("cfsearch.providers.served.transport.asyncio.sleep", at_once)
    values, failing = inputs(tmp_path), Failing(seed=5)
    with serving(healthy) as server:
        expected = audited(server, tmp_path / "healthy", values)
        server.seen.clear()
        server.answer = failing
        found = audited(server, tmp_path / "failing", values)
        posts = server.posts
    assert len(expected) == 2
    assert found == expected
    ways = dict(failing.ways)
    assert len(ways) == 7, ways
    assert 0.1 < 1 - ways["answered"] / len(posts) < 0.3
    ledger = json.loads((tmp_path / "failing" / "manifest.json").read_text(encoding="utf-8"))["served"]
    assert ledger["tries"] == len(posts)
    assert ledger["sent"] == sum(len(scored(one)) for one in posts)
    assert ledger["inputs"] == failing.answered
    assert ledger["requests"] == ways["answered"] + ways["drop by drop"]
    assert sum(ledger["failures"].values()) == len(posts) - ledger["requests"]
