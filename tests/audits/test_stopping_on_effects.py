"""Conditions on what attributes do: less the generator's error, with room for what of it stays open, and only where effects tell."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cfsearch import schemas
from cfsearch.assembly.parts import Parts
from cfsearch.audits.checking import check_run
from cfsearch.audits.conditions import fail_if
from cfsearch.audits.correction import GeneratorError
from cfsearch.audits.effects import Effects
from cfsearch.audits.forecast import forecasts
from cfsearch.audits.measured import Measured
from cfsearch.audits.run import Audit
from cfsearch.audits.stopping import Stopping, corrected, judged_again
from cfsearch.audits.streams import Observation, Watch
from cfsearch.audits.watching import watches
from cfsearch.cli._until_decided import standing
from cfsearch.config import Config
from cfsearch.contracts.generator import AttributeEstimator
from cfsearch.report.stopping import notes

from .painting import ARTEFACT, SLOPE, Bright, Painter
from .test_attainment import row

ERROR = GeneratorError({"Hat": 1.0}, sd=0.6, unexplained=0.4, photographs=64)
SEEN: Mapping[str, float] = {"Hat": 0.9}


def effects(logits: float, *, n: int = 1) -> Effects:
    """An effect in logits, a tenth of it in probability, intended to be 1."""
    one = torch.full((n, 1), logits, dtype=torch.float64)
    zero = torch.zeros(n, 1, dtype=torch.float64)
    no = torch.zeros(n, 1, dtype=torch.bool)
    return Effects(("Hat",), one, one / 10, no, torch.ones(n, dtype=torch.bool), zero, zero + 1.0)


def watched(line: str) -> Watch:
    [watch] = watches([fail_if(line)], attributes=("Hat",), protected=("Hat",), members=None)
    return watch


def judged(line: str, logits: float, *, n: int = 400, error: GeneratorError | None = ERROR) -> Watch:
    watch = watched(line)
    if error is not None:
        corrected([watch], measured=True, success=SEEN, strength={})
    seen = Observation.of(row(0, cost=0.2), effects(logits), error=error)
    for i in range(n):
        watch.add(f"{i}", seen, inputs=i + 1)
    return watch


def test_the_offset_is_subtracted_from_what_the_generator_shows() -> None:
    line, error = "probability:Hat > 0.15", dataclasses.replace(ERROR, unexplained=0.1)
    through, less = judged(line, 2.0, error=None), judged(line, 2.0, error=error)
    assert through.interval is not None
    assert through.interval.value == pytest.approx(0.2)
    assert less.interval is not None
    assert less.interval.value == pytest.approx(0.1)
    assert (through.result, less.result) == ("fail", "pass")


def test_the_interval_never_ends_within_the_generators_own_error() -> None:
    """The sequence shrinks with the inputs; half of what is unexplained, times the steepness, stays."""
    watch = judged("probability:Hat > 0.1", 1.6, n=1500)
    exact = judged("probability:Hat > 0.1", 1.6, n=1500, error=dataclasses.replace(ERROR, unexplained=0.0))
    assert watch.interval is not None
    assert exact.interval is not None
    own = 2.241403 * 0.1 * 0.4 / 2  # the normal quantile of 1 - 0.025 / 2: half of 5 % is the error's
    assert watch.interval.high - exact.interval.high == pytest.approx(own, abs=1e-6)
    assert exact.interval.low - watch.interval.low == pytest.approx(own, abs=1e-6)


def test_a_share_keeps_all_of_its_chance() -> None:
    bare, with_error = watched("flip_rate:Hat > 5%"), watched("flip_rate:Hat > 5%")
    corrected([with_error], measured=True, success=SEEN, strength={})
    for watch in (bare, with_error):
        for i in range(30):
            watch.add(f"{i}", Observation(False, flips={"Hat": i % 3 == 0}), inputs=i + 1)
    assert bare.interval == with_error.interval


@pytest.mark.parametrize(
    ("known", "because"),
    [
        ({"success": {}, "strength": {}, "measured": True}, "edits were never measured"),
        (
            {"success": {"Hat": 0.3}, "strength": {}, "measured": True},
            "the generator hardly edits it (30\u202f% of edits were seen)",
        ),
        (
            {"success": SEEN, "strength": {"Hat": 0.4}, "measured": True},
            "the generator hardly edits it (by 40\u202f% of the difference that labels make)",
        ),
        (
            {"success": SEEN, "strength": {}, "measured": False},
            "the generator's own error was not measured on this model",
        ),
    ],
)
def test_what_a_gate_cannot_tell_ends_no_audit(known: dict[str, Any], because: str) -> None:
    watch, found = watched("flip_rate:Hat > 5%"), watched("found_rate < 5%")
    corrected([watch, found], **known)
    for i in range(200):
        watch.add(f"{i}", Observation(False, flips={"Hat": True}), inputs=i + 1)
        found.add(f"{i}", Observation(False, found=True), inputs=i + 1)
    assert (watch.result, watch.decided_at, watch.to_dict()["because"]) == ("cannot tell", None, because)
    assert found.result == "pass" and "because" not in found.to_dict()
    [forecast] = forecasts([watch], inputs=50, seed=0)
    assert forecast.sentence == f"flip_rate:Hat <= 0.05: never decided, for {because}"
    stopping = {"stopped": False, "judged": 200, "of": 200, "result": "cannot tell", "corrected": True}
    stopping["judgements"] = [watch.to_dict()]
    assert any(line.endswith(f"cannot be decided: {because}.") for line in standing(stopping, noun="image"))


def test_the_document_says_which_effects_it_went_by_and_is_computed_again() -> None:
    names = [f"{i}" for i in range(40)]
    stopping = Stopping(
        [watched("probability:Hat > 0.9")], names=names, seed=1, measure=lambda _: effects(1.6)
    )
    stopping.correct(ERROR, success=SEEN, strength={"Hat": 0.7})
    every = [row(i, cost=0.2) for i in range(40)]
    stopping.take(every)
    document = json.loads(json.dumps(stopping.document()))
    jsonschema.validate(document, schemas.schema("audit")["properties"]["stopping"])
    assert document["corrected"] is True
    assert document["judgements"][0]["estimate"]["value"] == pytest.approx(0.06 / (0.7 / 0.85), abs=1e-6)
    assert any("less the generator's own error" in text for text in notes(document))
    names_in_order = tuple(document["order"])
    kept = Measured(
        effects(1.6, n=40),
        names_in_order,
        edit_success=SEEN,
        edit_strength={"Hat": 0.7},
        error=ERROR,
    )
    assert judged_again(document, every, members=None, measured=kept) == document
    # one of an earlier version went by effects as they are
    before = {key: value for key, value in document.items() if key != "corrected"}
    again = judged_again(before, every, members=None, measured=kept)
    assert again["judgements"][0]["estimate"]["value"] == pytest.approx(0.16)
    assert any("as they are through the generator" in text for text in notes(again))


class Guessing(Painter, AttributeEstimator):  # type: ignore[misc]  # both name the same attributes
    """Says of a picture what its brightness lets one guess, and of its edits that they were seen."""

    edit_success: Mapping[str, float] = {"light": 1.0, "ghost": 1.0}

    def encode(self, x: Tensor, *, attributes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return x, self.attributes(x) if attributes is None else attributes

    def attributes(self, x: Tensor) -> Tensor:
        mean = x.double().flatten(1).mean(1)
        return torch.stack([(mean > 0.45).double(), (mean * 255.0).round() % 2], dim=1)


def test_an_audit_ends_by_what_the_model_does_and_not_by_what_the_generator_adds(tmp_path: Path) -> None:
    """Painting "ghost" brightens each picture by mistake, and so its reconstruction."""
    levels = np.random.default_rng(3).integers(90, 120, 48)
    (tmp_path / "pictures").mkdir()
    for i, level in enumerate(levels.tolist()):
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(tmp_path / "pictures" / f"{i:02d}.png")
    config = Config.check(
        {
            "model": {"path": "given below"},
            "data": {"images": str(tmp_path / "pictures")},
            "search": {
                "objectives": ["adversarial", "intensity"],
                "evaluations": 20,
                "population": 10,
                "genuineness": False,
            },
            "audit": {
                "until_decided": True,
                "fail_if": ["|probability:ghost| > 90%"],
                "shared_queries": 0,
            },
        }
    )
    parts = Parts(model=Bright(), generator=Guessing())
    document = Audit(config, directory=tmp_path / "run", parts=parts).run()
    stopping = document["stopping"]
    assert stopping["corrected"] is True and stopping["result"] == "pass"
    [judgement] = stopping["judgements"]
    raw = SLOPE * ARTEFACT  # what it shows, in logits
    measured = json.loads((tmp_path / "run" / "genuineness.json").read_text())["measured"]
    assert measured["reconstruction_error"]["by_attribute"]["ghost"]["bright"] > 0.3 * raw
    effect = next(e for e in document["effects"] if e["variable"] == "ghost")
    assert effect["raw"]["value"] == pytest.approx(raw, abs=1e-3)
    assert judgement["estimate"]["value"] == pytest.approx(effect["probability"]["value"], abs=0.02)
    assert not check_run(tmp_path / "run", page=False).findings
