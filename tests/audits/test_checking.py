"""``check``: what was changed by hand is found, also where its checksum was renewed; what was not is not accused."""

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cfsearch.audits.checking import check_run, require_intact
from cfsearch.audits.pages import write_report
from cfsearch.audits.run import Audit
from cfsearch.config import Config
from cfsearch.errors import DamagedError, RunError
from cfsearch.runs import checksums

Tamper = Callable[[Path], None]


def of_json(file: str, change: Callable[[dict[str, Any]], None]) -> Tamper:
    def tamper(run: Path) -> None:
        path = run / file
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document, indent=2))

    return tamper


def of_text(file: str, old: str, new: str) -> Tamper:
    def tamper(run: Path) -> None:
        text = (run / file).read_text()
        assert re.search(old, text)
        (run / file).write_text(re.sub(old, new, text, count=1))

    return tamper


def of_store(statement: str) -> Tamper:
    def tamper(run: Path) -> None:
        store = sqlite3.connect(run / "run.sqlite")
        with store:
            store.execute(statement)
        store.close()

    return tamper


def effect(document: dict[str, Any]) -> None:
    document["effects"][0]["estimate"] |= {"value": 0.1, "low": -0.1, "high": 0.3}


def group(document: dict[str, Any]) -> None:
    document["groups"][0]["with"]["instances"] += 1


def manifest_hash(document: dict[str, Any]) -> None:
    document["hashes"]["model"] = "onnx:0"


def seed(document: dict[str, Any]) -> None:
    document["seed"] = 8


def fingerprint(document: dict[str, Any]) -> None:
    document["models"][0]["fingerprint"] = "onnx:0"


def labels(document: dict[str, Any]) -> None:
    document["models"][0]["labels"].reverse()


def verdict(document: dict[str, Any]) -> None:
    document["verdicts"][0]["reading"] = "does not lean"


def rate(document: dict[str, Any]) -> None:
    document["counts"][0]["found"] += 1


def p(document: dict[str, Any]) -> None:
    document["effects"][0]["p"] = 0.9


def practical(document: dict[str, Any]) -> None:
    document["practical"] = 9.0


def without(document: dict[str, Any]) -> None:
    document["instances"].pop()


def reordered(run: Path) -> None:
    lines = (run / "events.jsonl").read_text().splitlines(keepends=True)
    (run / "events.jsonl").write_text("".join(reversed(lines)))


KINDS: dict[str, tuple[Tamper, set[str]]] = {
    "effect": (of_json("audit.json", effect), {"figures", "page"}),
    "hash": (of_json("manifest.json", manifest_hash), {"identity"}),
    "seed": (of_json("manifest.json", seed), {"identity"}),
    "front": (
        of_store("UPDATE instances SET front = substr(front, 1, 900) || x'00' || substr(front, 902)"),
        {"fronts"},
    ),
    "record": (of_store("UPDATE instances SET status = 'not_found'"), {"fronts"}),
    "row gone": (of_store("DELETE FROM instances WHERE position = 3"), {"fronts"}),
    "event": (of_text("events.jsonl", '"started"', '"resumed"'), {"events"}),
    "order of events": (reordered, {"events"}),
    "config": (of_text("config.resolved.toml", "evaluations = 40", "evaluations = 4000"), {"config"}),
    "practical size in the config": (
        of_text("config.resolved.toml", "practical = 0.25", "practical = 2.5"),
        {"config"},
    ),
    "page": (of_json("audit.json", lambda d: d.update(title="Another")), {"page"}),
    "group figure": (of_json("audit.json", group), {"figures", "page"}),
    "model fingerprint": (of_json("audit.json", fingerprint), {"identity", "page"}),
    "labels": (of_json("audit.json", labels), {"identity", "figures", "page"}),
    "verdict": (of_json("audit.json", verdict), {"figures", "page"}),
    "rate": (of_json("audit.json", rate), {"figures", "page"}),
    "p": (of_json("audit.json", p), {"figures", "page"}),
    "practical size": (of_json("audit.json", practical), {"config", "figures", "page"}),
    "input": (of_json("audit.json", without), {"figures", "page"}),
}


PAGES: dict[str, tuple[str, str]] = {
    "a word": ("</main>", "<p>This model is fair.</p></main>"),
    "the verdict": (r"Blond hair", "Nothing"),
    "a figure": (r"(class=.num.>)[^<]*\d", r"\g<1>9"),
    "a picture": (r'src="data:image/(png|webp);base64,[^"]{40}', 'src="data:image/png;base64,' + "A" * 40),
    "the points of the explorer": (r'("data">.*?)0\.\d', r"\g<1>0.999"),
    "the script": (r'"use strict";', ""),
}


@pytest.mark.parametrize("place", PAGES)
def test_an_edited_page_is_found_also_where_its_checksum_was_renewed(finished: Path, place: str) -> None:
    of_text("report.html", *PAGES[place])(finished)
    checksums.reseal(finished, "report.html")
    (finding,) = check_run(finished).findings
    assert (finding.check, finding.part) == ("page", "report.html")
    assert "is not the page that this run gives: " in finding.message


def test_the_verdicts_of_a_page_of_another_version_are_compared(finished: Path) -> None:
    of_text("report.html", r'(name="cfsearch-maker" content=")[0-9a-f]', r"\g<1>x")(finished)
    checksums.reseal(finished, "report.html")
    result = check_run(finished)
    assert result.findings == ()
    assert "only its verdicts were compared" in result.notes[0]
    text = (finished / "report.html").read_text()
    headline = json.loads((finished / "audit.json").read_text())["verdicts"][0]["headline"]
    assert headline in text
    (finished / "report.html").write_text(text.replace(headline, "The model is fair."))
    checksums.reseal(finished, "report.html")
    (finding,) = check_run(finished).findings
    assert "does not hold the verdict" in finding.message


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_changed_by_hand_is_found(finished: Path, kind: str) -> None:
    tamper, _ = KINDS[kind]
    tamper(finished)
    findings = check_run(finished).findings
    assert "checksums" in {finding.check for finding in findings}, findings
    with pytest.raises(DamagedError, match=r"is not what was written: .* Give --unchecked"):
        require_intact(finished)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_found_also_where_its_checksum_was_renewed(finished: Path, kind: str) -> None:
    tamper, checks = KINDS[kind]
    tamper(finished)
    checksums.seal(finished)
    assert {finding.check for finding in check_run(finished).findings} >= checks


def test_a_setting_that_differs_is_found_in_the_document(finished: Path) -> None:
    KINDS["practical size in the config"][0](finished)
    checksums.seal(finished)
    found = {(one.check, one.part) for one in check_run(finished).findings if "practical size" in one.message}
    assert found == {("config", "audit.json")}


def test_an_edited_page_a_missing_file_and_a_broken_schema_are_found(finished: Path) -> None:
    of_text("report.html", "</body>", "<p>fair</p></body>")(finished)
    (finished / "groups.json").unlink()
    of_json("audit.json", lambda d: d["effects"][0].update(n="many"))(finished)
    found = {(finding.check, finding.part): finding.message for finding in check_run(finished).findings}
    assert "another SHA-256" in found["checksums", "report.html"]
    assert "is gone" in found["checksums", "groups.json"]
    assert "effects.0.n" in found["schema", "audit.json"]


def test_figures_without_what_they_were_computed_from_are_found(finished: Path) -> None:
    (finished / "effects.safetensors").unlink()
    (finished / "groups.json").unlink()
    checksums.seal(finished)
    parts = {finding.part for finding in check_run(finished).findings}
    assert {"effects.safetensors", "groups.json"} <= parts


def test_a_finding_names_the_figure_and_both_values(finished: Path) -> None:
    of_json("audit.json", group)(finished)
    messages = [finding.message for finding in check_run(finished).findings if finding.check == "figures"]
    assert len(messages) == 1
    assert re.search(
        r"`groups` differ\S* at `\[0\]\.with\.instances`: \d+ stands there, \d+ follows", messages[0]
    )


def test_an_untouched_run_is_not_accused(finished: Path) -> None:
    result = check_run(finished)
    assert (result.findings, result.notes) == ((), ())
    assert result.checked["fronts"] == 24
    write_report(finished)
    assert check_run(finished).findings == ()


def test_a_run_without_checksums_is_not_accused(finished: Path) -> None:
    (finished / "checksums.json").unlink()
    result = check_run(finished)
    assert result.findings == ()
    assert "has no checksums" in result.notes[0]


@pytest.mark.slow
def test_fifty_untouched_runs_are_not_accused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bright_net.py").write_text(
        "import numpy as np\n"
        "def predict(images):\n"
        "    p = 1 / (1 + np.exp(-12 * (images.mean((1, 2, 3)) - 0.5)))\n"
        "    return np.stack([1 - p, p], axis=1)\n"
    )
    (tmp_path / "model.toml").write_text('labels = ["dark", "bright"]\nscores = "probabilities"\n')
    monkeypatch.syspath_prepend(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for i in range(3):
        pixels = rng.integers(0, 160, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    accused = 0
    for number in range(50):
        config = Config.check(
            {
                "model": {"path": "bright_net:predict", "sidecar": str(tmp_path / "model.toml")},
                "generator": f"pixels:grid={1 + number % 3}",
                "data": {"images": str(tmp_path / "images")},
                "search": {
                    "solver": "random",
                    "objectives": ["adversarial", "intensity"],
                    "evaluations": 20,
                    "population": 10,
                    "seed": number,
                },
            }
        )
        run = tmp_path / f"run{number}"
        Audit(config, directory=run).run()
        if number % 10 == 0:
            write_report(run)
        accused += bool(check_run(run).findings)
    assert accused == 0


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such directory"):
        check_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match="no run directory"):
        check_run(tmp_path)
