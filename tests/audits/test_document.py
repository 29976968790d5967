"""``audit.json`` of an assembly by hand, key by key and as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest

from cfsearch import schemas
from cfsearch.assembly.search import Assembly
from cfsearch.audits.document import audit_document, program
from cfsearch.audits.figures import Figures
from cfsearch.config import Config
from cfsearch.contracts.records import Reason
from cfsearch.engine.search import Search
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider, WithoutCritic

from .fronts import front_of, instance

PICTURES: dict[str, Any] = {"model": {"path": "m.onnx"}, "data": {"images": "faces"}}


@dataclass(frozen=True, slots=True, eq=False)
class Sized:
    """How large a change is.

    Args: more.
    """

    name: ClassVar[str] = "sized"
    unit: ClassVar[str] = "px"
    power: float = 2.0
    ways: tuple[str, ...] = ("a",)
    none: None = None
    odd: Any = dict


def assembly(
    settings: Mapping[str, Any] = PICTURES,
    *,
    generator: Any = None,
    notes: tuple[str, ...] = (),
    **search: Any,
) -> Assembly:
    config = Config.check({**PICTURES, **settings}, where="test")
    made = Search(
        **{
            "provider": FakeProvider(), "generator": FakeGenerator() if generator is None else generator,
            "objectives": [Adversarial(), Intensity()], "solver": lambda n: RandomSearch(population=n), "evaluations": 60,
            "population": 20, "seed": 5, **search,
        }
    )  # fmt: skip
    return Assembly(config, FakeProvider(), made, None, {}, notes)  # type: ignore[arg-type]  # nothing looks at the handshake


def figures(*rows: Any, model: str = "m") -> Figures:
    return Figures.of(model, rows, groups=None)


MODEL = {
    "id": "m", "name": "net", "file": "m.onnx", "fingerprint": "f", "labels": ["no", "yes"], "scores": "logits", "note": "",
    "device": "cpu",
}  # fmt: skip


def document(one: Assembly, *rows: Any, **parts: Any) -> dict[str, Any]:
    return audit_document(
        **{
            "run_id": "r", "title": "t", "created": "2026-01-01T00:00:00+00:00", "finished": None, "command": "cfsearch audit",
            "assemblies": {"m": one}, "models": [MODEL], "figures": {"m": figures(*rows)}, "effects": [],
            "versions": {"cfsearch": "1"}, "hashes": {"m.onnx": "ab", "inputs": "cd"}, "python": "import cfsearch", **parts,
        }
    )  # fmt: skip


def test_a_document_as_a_whole() -> None:
    one = assembly()
    rows = [instance(i, front_of(name=f"{i}")) for i in range(30)]
    found = document(one, *rows)
    counted = figures(*rows)
    generator = one.search.generator
    assert found == {
        "format": "cfsearch-audit/1", "title": "t", "run_id": "r", "created": "2026-01-01T00:00:00+00:00", "finished": None,
        "versions": {"cfsearch": "1"}, "command": "cfsearch audit", "models": [MODEL],
        "generator": {
            "name": generator.name, "fingerprint": generator.fingerprint, "critic": FakeGenerator().critic_kind,
            "size": list(generator.shape[1:]), "variables": ["Hat", "Beard"],
        },
        "search": {
            "solver": one.config.search.solver.name, "population": 20, "evaluations": 60,
            "objectives": found["search"]["objectives"], "constraints": [], "target": None, "immutable": [], "seed": 5,
        },
        "practical": 0.25, "protected": [], "verdicts": [], "counts": [counted.counts()], "instances": counted.instances,
        "changes": counted.changes(), "transitions": counted.transitions(), "effects": [], "genuine": [],
        "warnings": list(one.modality.restrictions(reference=False)),
        "reproduce": {
            "command": "cfsearch audit", "python": "import cfsearch",
            "hashes": [{"what": "m.onnx", "sha256": "ab"}, {"what": "inputs", "sha256": "cd"}],
        },
    }  # fmt: skip
    assert [(o["name"], o["unit"]) for o in found["search"]["objectives"]] == [
        (o.name, o.unit) for o in one.search.objectives
    ]
    jsonschema.validate(found, schemas.schema("audit"))


def test_objectives_state_their_meaning_and_their_settings() -> None:
    one = assembly(objectives=[Adversarial(), Sized()])
    assert document(one)["search"]["objectives"][1] == {
        "name": "sized", "unit": "px", "meaning": "How large a change is.",
        "settings": {"power": 2.0, "ways": ("a",), "none": None},
    }  # fmt: skip

    class Bare:
        """Two lines of ``code``
        in one."""

        name, unit = "bare", ""

    class Silent:
        name, unit = "silent", ""

    found = document(assembly(objectives=[Bare(), Silent()]))["search"]["objectives"]
    assert found == [
        {"name": "bare", "unit": "", "meaning": "Two lines of code in one.", "settings": {}},
        {"name": "silent", "unit": "", "meaning": "", "settings": {}},
    ]


def test_what_is_not_given_does_not_stand_there_and_what_is_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WithoutCritic, "terms", "for research only", raising=False)
    optional = {"about", "groups", "attainment", "stopping", "columns"}
    assert not optional & set(document(assembly()))
    settings = {
        "about": {"who": "we"}, "audit": {"protected": ["Hat"], "practical": 0.5},
    }  # fmt: skip
    one = assembly(
        settings,
        generator=WithoutCritic(FakeGenerator()),
        max_queries=90,
        max_time=2.5,
        target="bright",
        immutable=("Hat",),
    )
    stopping = {"stopped": False}
    found = document(
        one, groups=[{"g": 1}], attainment=[{"a": 1}], stopping=stopping, genuine=[{"n": 1}], finished="later"
    )
    assert (found["about"], found["practical"], found["protected"]) == ({"who": "we"}, 0.5, ["Hat"])
    assert (found["groups"], found["attainment"], found["stopping"]) == ([{"g": 1}], [{"a": 1}], stopping)
    assert (found["genuine"], found["finished"]) == ([{"n": 1}], "later")
    assert (found["generator"]["terms"], found["generator"]["critic"]) == ("for research only", "")
    assert found["generator"]["variables"] == []
    search = found["search"]
    assert (search["max_queries"], search["max_time"], search["target"]) == (90, 2.5, "bright")
    assert (search["immutable"], "seeded_with" in search) == (["Hat"], False)
    assert list(found)[:3] == ["format", "title", "about"]


def test_rows_say_what_decided_them_and_what_they_are() -> None:
    settings = {"data": {"table": "t.csv", "decided": "no"}, "search": {"seed_with": ["nearest"]}}
    one = Config.check({**PICTURES, **settings}, where="test")
    made = assembly()
    found = document(Assembly(one, made.model, made.search, made.handshake, {}, ()))
    assert (found["search"]["decided"], found["search"]["seeded_with"]) == ("no", ["nearest"])


def warnings(*rows: Any, notes: tuple[str, ...] = (), **parts: Any) -> list[str]:
    one = assembly(notes=notes)
    found = document(one, *rows, **{"genuine": [{"n": 1}], **parts})["warnings"]
    assert isinstance(found, list)
    return found


FEW = "the intervals are wide, and what they leave open is undecided."


def test_warnings_the_most_serious_first() -> None:
    many = [instance(i, front_of(name=f"{i}")) for i in range(30)]
    assert warnings(*many) == []
    assert warnings(*many[:29]) == [f"Few pictures (29 searched over 1 model): {FEW}"]
    failed, flips = instance("x", None, "failed"), instance("y", front_of(name="y", flips=True))
    constant = instance("z", front_of([], name="z"), "not_found")
    constant = type(constant)(
        **{**{k: getattr(constant, k) for k in constant.__slots__}, "code": Reason.CONSTANT.code}
    )
    found = warnings(failed, constant, flips, notes=("b", "a", "b"))
    assert found == [
        "1 of 3 pictures failed and are not in any figure.",
        "For 1 picture the model's output never changed.",
        "For 1 of 3 pictures the generator's reconstruction alone already changes the model's mind; their named changes are not "
        "what flips it.",
        f"Few pictures (2 searched over 1 model): {FEW}",
        "b",
        "a",
    ]


def test_warnings_of_several_models_and_of_an_early_end() -> None:
    rows = [instance(i, front_of(name=f"{i}")) for i in range(30)]
    one = assembly(notes=("n",))
    stopping = {"stopped": True, "judged": 30, "of": 90}
    found = document(
        one, assemblies={"m": one, "o": assembly(notes=("n", "k"))}, stopping=stopping,
        figures={"m": figures(*rows), "o": figures(*rows[:29], model="o")}, models=[MODEL, {**MODEL, "id": "o"}],
    )  # fmt: skip
    first, few, *rest = found["warnings"]
    assert first.startswith("The audit ended after 30 of 90 images, as soon as its conditions were decided.")
    assert few == f"Few pictures (59 searched over 2 models): {FEW}"
    assert rest == [*one.modality.restrictions(reference=False), "n", "k"]
    assert [c["model"] for c in found["counts"]] == ["m", "o"]
    assert len(found["instances"]) == 59
    enough = document(one, figures={"m": figures(*rows), "o": figures(*rows, model="o")}, genuine=[{"n": 1}])
    assert enough["warnings"] == ["n"]


@pytest.mark.parametrize(
    ("success", "truth", "warned"),
    [({}, None, True), ({"edit_success": 0.9}, None, False), ({}, {"value": 1, "low": 0, "high": 2}, False)],
)
def test_edits_that_nobody_measured_are_a_warning(
    success: dict[str, float], truth: Any, warned: bool
) -> None:
    effect = {
        "model": "m", "variable": "Hat", "estimate": {"value": 1.0, "low": 0.5, "high": 1.5}, "truth": truth, "n": 40,
        "between": {"low": 0.0, "high": 1.0}, "probability": {"value": 0.1, "low": 0.05, "high": 0.15}, "flips_alone": {"count": 4, "n": 40, "rate": {"value": 0.1, "low": 0.05, "high": 0.2}}, "p": 0.001, "family": 1, "reading": "leans", "because": "", **success,
    }  # fmt: skip
    seen = {**effect, "variable": "Smile", "edit_success": 0.9, "truth": None}
    one = assembly()
    alone, found = document(one, effects=[effect]), document(one, effects=[effect, seen])
    for warnings, sentence in (
        (alone["warnings"], "Whether the generator's edits can be seen was never measured"),
        (found["warnings"], "Whether the generator's edits of Hat can be seen was never measured"),
    ):
        assert any(text.startswith(sentence) for text in warnings) is warned
    assert found["effects"] == [effect, seen]
    [verdict, *_] = found["verdicts"]
    assert "picture" in verdict["detail"] and (verdict["model"], verdict["variable"]) == ("m", "Hat")


def test_the_program_reads_the_settings_that_were_kept() -> None:
    text = program(Path("runs") / "a b")
    assert text == (
        "import cfsearch\n\nresult = cfsearch.audit(cfsearch.Config.read('runs/a b/config.resolved.toml'), out=\"again\")\n"
        "fronts = {front.name: front for front in result.fronts}\n"
    )
    compile(text, "program", "exec")
