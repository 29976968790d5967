"""``audit.json`` as objects: what an older or a later version may hold, and what is refused with its place."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cfsearch.audits.reading import AuditDocument, finite
from cfsearch.audits.reading_parts import Estimate
from cfsearch.errors import DamagedError, RunError

RATE = {"value": 0.5, "low": 0.2, "high": 0.8}


def oldest() -> dict[str, Any]:
    """The least that a document of this format holds, with one entry of each part."""
    return {
        "format": "cfsearch-audit/1",
        "title": "t",
        "run_id": "r",
        "created": "2026-01-01T00:00:00+00:00",
        "finished": None,
        "versions": {"cfsearch": "0.1"},
        "command": "cfsearch audit",
        "models": [
            {
                "id": "m", "name": "net", "file": "m.onnx", "fingerprint": "f", "labels": ["a", "b"],
                "scores": "logits", "note": "", "device": "cpu",
            }
        ],
        "generator": {"name": "g", "fingerprint": "f", "critic": "", "size": [0, 3], "variables": ["Male"]},
        "search": {
            "solver": "s", "population": 1, "evaluations": 1, "target": None, "immutable": [], "seed": 0,
            "objectives": [{"name": "o"}], "constraints": [],
        },
        "counts": [
            {
                "model": "m", "instances": 0, "searched": 0, "found": 0, "not_found": 0, "already_target": 0,
                "failed": 0, "found_rate": None,
            }
        ],
        "instances": [
            {
                "key": "k", "model": "m", "name": "n", "status": "found", "reason": "budget", "reason_text": "",
                "message": "", "source": "a", "sha256": "00", "notes": [],
            }
        ],
        "changes": [{"model": "m", "variable": "v", "direction": "+", "count": 0, "n": 0, "rate": RATE}],
        "effects": [{"model": "m", "variable": "v", "estimate": None, "truth": RATE, "n": 0}],
        "groups": [{"model": "m", "attribute": "Young"}],
        "transitions": [{"model": "m", "from": "a", "to": "b", "count": 1}],
        "verdicts": [
            {
                "model": "m", "variable": "v", "protected": True, "reading": "leans", "because": "", "headline": "h",
                "detail": "d",
            }
        ],
        "genuine": [],
        "warnings": [],
        "reproduce": {"command": "c", "python": "p", "hashes": [{"what": "w", "sha256": "00"}]},
    }  # fmt: skip


def test_what_an_old_document_does_not_hold_has_its_default() -> None:
    bare = oldest()
    for part in ("groups", "transitions", "verdicts"):
        del bare[part]
    document = AuditDocument.parsed(bare)
    assert (document.inputs, document.practical, document.protected) == ("pictures", 0.25, ())
    assert (document.groups, document.transitions, document.verdicts) == ((), (), ())
    about = document.about
    assert (about.who, about.why, about.data_source, about.data_date, about.remarks) == ("",) * 5
    assert document.generator.terms == ""
    (instance,) = document.instances
    assert instance.truth is None
    effect = AuditDocument.parsed(oldest()).effects[0]
    known = (
        effect.between,
        effect.probability,
        effect.flips_alone,
        effect.p,
        effect.reading,
        effect.edit_success,
    )
    assert known == (None,) * 6
    assert (effect.family, effect.because) == (0, "")


def test_groups_are_read_under_their_names_in_json() -> None:
    document = oldest()
    figures = {"instances": 12, "decided": RATE, "searched": 11, "found_rate": None}
    document["groups"] = [
        {
            "model": "m", "attribute": "Young", "with": figures, "without": figures | {"instances": 3},
            "difference": {"decided": RATE, "found_rate": None}, "p": {"decided": 0.5},
            "effects": [{"variable": "v", "with": RATE, "without": None, "difference": None}],
        },
        {
            "model": "m", "attribute": "race", "groups": [figures | {"name": "a"}],
            "comparisons": [
                {"name": "a", "against": "b", "difference": {"decided": None, "found_rate": None}, "p": {}}
            ],
        },
    ]  # fmt: skip
    image, column = AuditDocument.parsed(document).groups
    assert image.inside is not None and image.outside is not None and image.p is not None
    assert (image.inside.instances, image.outside.instances, image.p.decided) == (12, 3, 0.5)
    assert (image.p.found_rate, image.note, image.groups, image.comparisons) == (None, "", (), ())
    (effect,) = image.effects
    assert effect.inside == Estimate(value=0.5, low=0.2, high=0.8)
    assert (effect.outside, effect.p) == (None, None)
    assert (column.inside, column.outside, column.difference, column.p, column.effects) == (*(None,) * 4, ())
    assert (column.groups[0].name, column.comparisons[0].p.decided) == ("a", None)
    (transition,) = AuditDocument.parsed(oldest()).transitions
    assert (transition.source, transition.target) == ("a", "b")


def test_what_a_later_version_adds_is_kept_and_nothing_can_be_changed() -> None:
    document = AuditDocument.parsed(oldest() | {"later": {"x": 1}})
    assert document.model_dump()["later"] == {"x": 1}
    with pytest.raises(ValidationError):
        document.title = "other"


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d.update(format="cfsearch-audit/2"), "format"),
        (lambda d: d.update(title=3), "title"),
        (lambda d: d.update(inputs="videos"), "inputs"),
        (lambda d: d.update(models=[]), "models"),
        (lambda d: d.update(practical=0.0), "practical"),
        (lambda d: d["models"][0].update(labels=[1]), "models.0.labels.0"),
        (lambda d: d["generator"].update(size=[-1]), "generator.size.0"),
        (lambda d: d["search"].update(population=0), "search.population"),
        (lambda d: d["search"].update(evaluations=0), "search.evaluations"),
        (lambda d: d["search"].update(seed=-1), "search.seed"),
        (lambda d: d["counts"][0].update(found=-1), "counts.0.found"),
        (lambda d: d["counts"][0].update(found_rate=RATE | {"low": 0.6}), "counts.0.found_rate"),
        (lambda d: d["counts"][0].update(found_rate=RATE | {"high": 0.4}), "counts.0.found_rate"),
        (lambda d: d["instances"][0].update(status="lost"), "instances.0.status"),
        (lambda d: d["changes"][0].update(direction="*"), "changes.0.direction"),
        (lambda d: d["changes"][0].update(rate=None), "changes.0.rate"),
        (lambda d: d["effects"][0].update(p=1.01), "effects.0.p"),
        (lambda d: d["effects"][0].update(p=-0.01), "effects.0.p"),
        (lambda d: d["effects"][0].update(edit_success=1.5), "effects.0.edit_success"),
        (lambda d: d["effects"][0].update(reading="maybe"), "effects.0.reading"),
        (
            lambda d: d["effects"][0].update(between={"low": float("inf"), "high": 1.0}),
            "effects.0.between.low",
        ),
        (lambda d: d["transitions"][0].update(count=0), "transitions.0.count"),
        (lambda d: d["reproduce"].pop("hashes"), "reproduce.hashes"),
    ],
)
def test_a_broken_document_is_refused_with_the_place(change: Change, place: str) -> None:
    document = oldest()
    AuditDocument.parsed(document)
    change(document)
    with pytest.raises(DamagedError) as raised:
        AuditDocument.parsed(document, where="'run/audit.json'")
    assert str(raised.value).startswith(f"'run/audit.json' breaks its schema: `{place}`: ")
    with pytest.raises(DamagedError, match=r"^audit\.json breaks"):
        AuditDocument.parsed(document)


@pytest.mark.parametrize("value", [0.2, 0.8, 0.2 - 9e-7, 0.8 + 9e-7])
def test_rounding_at_the_ends_of_an_interval_is_no_damage(value: float) -> None:
    assert Estimate(value=value, low=0.2, high=0.8).value == value


@pytest.mark.parametrize("value", [0.2 - 2e-6, 0.8 + 2e-6])
def test_a_value_outside_of_its_interval_is(value: float) -> None:
    with pytest.raises(ValidationError, match="does not lie in its interval, 0.2 to 0.8"):
        Estimate(value=value, low=0.2, high=0.8)


def test_a_run_that_has_not_ended_has_no_document(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="has not ended yet"):
        AuditDocument.read(tmp_path)
    (tmp_path / "audit.json").write_text(json.dumps(oldest()))
    assert AuditDocument.read(str(tmp_path)).title == "t"
    (tmp_path / "audit.json").write_text(json.dumps(oldest() | {"title": None}))
    with pytest.raises(DamagedError, match=r"audit\.json' breaks its schema: `title`"):
        AuditDocument.read(tmp_path)


def test_a_model_is_found_by_its_id() -> None:
    document = AuditDocument.parsed(oldest())
    assert document.model_named("m").name == "net"
    with pytest.raises(RunError, match="no model 'net'; it has m"):
        document.model_named("net")


@pytest.mark.parametrize(("value", "known"), [(0.0, True), (None, False), (float("nan"), False)])
def test_a_number_is_one(value: float | None, known: bool) -> None:
    assert finite(value) is known
