"""What the page is rendered from, part by part, and how the plan of its size is chosen."""

import base64
import hashlib
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch import report
from cfsearch.contracts.modality import PICTURES
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.files import json_digest
from cfsearch.numerics.attainment import PERMUTATIONS
from cfsearch.report import page, wording
from cfsearch.report.attainment import front_pairs
from cfsearch.report.becoming import becoming
from cfsearch.report.charts import count_chart, effect_chart
from cfsearch.report.columns import protected_columns
from cfsearch.report.contributions import contribution_tables
from cfsearch.report.failures import build_failures
from cfsearch.report.gallery import build_gallery, grouped, probabilities
from cfsearch.report.groups import groupings
from cfsearch.report.maker import page_maker
from cfsearch.report.page import ReportInstance, asset, breaking, build_page, policy, template
from cfsearch.report.payload import build_payload, script_json
from cfsearch.report.pictures import CIVIDIS, Codec
from cfsearch.report.plan import PLANS, Plan, ceiling, fitting
from cfsearch.report.shared import shared_classes
from cfsearch.report.stopping import standing
from cfsearch.report.story import tell

from .conftest import Audit, build_audit, build_front

PLAN = Plan(Codec("webp", 80, 64), strip=3, pictured=1, members=4)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Name of each template, with what it was given."""
    seen: list[tuple[str, dict[str, Any]]] = []

    class Environment:
        def get_template(self, name: str) -> "Environment":
            self.name = name
            return self

        def render(self, **given: Any) -> str:
            seen.append((self.name, given))
            return "the page"

    monkeypatch.setattr(page, "_environment", Environment)
    return seen


def render(made: Audit, plan: Plan, **parts: Any) -> str:
    return page._render({**made.document, **parts}, made.instances, plan, left_out=3, audit="digest")


def test_the_template_gets_every_part(audit: Audit, rendered: list[tuple[str, dict[str, Any]]]) -> None:
    assert render(audit, PLAN) == "the page"
    [(name, given)] = rendered
    assert name == "page.html"
    document = audit.document
    models = {"first": "Model first", "second": "Model second"}
    abouts = {about["key"]: about for about in document["instances"]}
    entries = [page._entry(one, PLAN, abouts[one.key]) for one in audit.instances]
    gallery = build_gallery(grouped(entries), plan=PLAN, models=models)
    failures = build_failures(document, {e.key: e for e in entries}, models)
    style, script = asset(page._STYLES), asset(page._SCRIPTS, wrap=True)
    assert given == {
        "doc": document, "listed": document["instances"], "audit": "digest", "maker": page_maker(), "models": models,
        "story": tell(document, gallery.articles), "effects": effect_chart(document["effects"], models),
        "changes": count_chart(document["changes"], models, modality=PICTURES), "becoming": becoming(document),
        "groupings": groupings(document), "front_pairs": front_pairs(document), "permutations": PERMUTATIONS,
        "stopping": standing(document, thing="picture"), "columns": protected_columns(document),
        "shared_classes": shared_classes(document), "contributions": contribution_tables(document), "thing": "picture",
        "of_rows": False, "kind": "images", "pictured": True, "predicts": False, "gallery": gallery, "plan": PLAN, "ramp": CIVIDIS,
        "complete": False, "lines": 200, "unnamed": False, "explored_all": False, "fronts_left_out": 3, "failures": failures, "failures_left_out": 0, "counted_as": "verified counterfactual",
        "members": {f"{model}/{i}.png": 5 for model in ("first", "second") for i in range(3)}, "has_rerenders": True,
        "has_genuine": True, "has_doubtful": False,
        "payload": script_json(build_payload(grouped(entries), plan=PLAN, models=models)), "style": style, "script": script,
        "policy": policy(style, script),
    }  # fmt: skip


def test_marks_that_depend_on_what_is_known(rendered: list[tuple[str, dict[str, Any]]]) -> None:
    plain = build_audit([build_front("a.png"), build_front("b.png", seed=1)])
    render(plain, PLANS[0])
    render(build_audit([build_front("a.png")], known=True), PLANS[-1])
    first, small = (given for _, given in rendered)
    names = ("complete", "explored_all", "has_rerenders", "has_genuine", "has_doubtful")
    assert [first[name] for name in names] == [True, True, False, False, False]
    assert [small[name] for name in names] == [False, True, False, True, False]
    front = build_front("a.png")
    object.__setattr__(front, "genuineness", torch.zeros(len(front)))
    front.extra["genuineness"] = {"threshold": 1.0}
    render(build_audit([build_front("b.png"), front]), PLAN)
    assert rendered[-1][1]["has_doubtful"] is True
    render(build_audit([front], known=True), PLAN)
    assert rendered[-1][1]["has_doubtful"] is False


def test_inputs_that_are_no_pictures_say_what_they_are(rendered: list[tuple[str, dict[str, Any]]]) -> None:
    made = build_audit([build_front("a", images=False)])
    for inputs in ("rows", "texts"):
        render(made, PLAN, inputs=inputs)
        given = rendered[-1][1]
        assert (given["thing"], given["of_rows"], given["kind"], given["pictured"]) == (
            {"rows": "row", "texts": "text"}[inputs], inputs == "rows", inputs, False,
        )  # fmt: skip
        assert '"pictured":false' in given["payload"] and f'"thing":"{given["thing"]}"' in given["payload"]


def test_long_lists_are_cut(
    rendered: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "MOST_LISTED", 2)
    monkeypatch.setattr(page, "MOST_ROWS", 1)
    made = build_audit([build_front(f"{i}.png", n=0) for i in range(3)])
    render(made, PLAN)
    given = rendered[-1][1]
    assert [about["name"] for about in given["listed"]] == ["0.png", "1.png"]
    assert (len(given["failures"]), given["failures_left_out"]) == (1, 2)


def test_an_entry_has_answers_first_and_a_description_of_its_own() -> None:
    front = build_front("a\u202e.png", n=6)
    one = ReportInstance(key="k\u202e", model="m", front=front, genuine=(None,) * 6)
    entry = page._entry(one, PLAN, None)
    answers = {f"answer {k}": i for k, i in enumerate(front.answers(), start=1)}
    assert entry.picks == {**answers, **front.picks()} and next(iter(entry.picks)) == "answer 1"
    assert entry.shown == tuple(PLAN.shown(front, picks=front.picks()))
    assert entry.explored == tuple(PLAN.explored(front, first=[*entry.shown, *entry.picks.values()]))
    assert (entry.key, entry.model, entry.genuine, entry.rerenders) == ("k⟨U+202E⟩", "m", (None,) * 6, None)
    assert (entry.p == probabilities(front.scores)).all()
    assert entry.about == {
        "name": "a⟨U+202E⟩.png",
        "sha256": "",
        "status": "found",
        "reason_text": front.reason.value,
    }
    missed = page._entry(ReportInstance(key="k", model="m", front=build_front(n=0)), PLAN, None)
    assert missed.about["status"] == "not_found"
    assert page._entry(one, PLAN, {"name": "x"}).about == {"name": "x"}


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Pages of as many bytes as the plan has members, times a million."""
    seen: list[Any] = []

    def made(document: Any, instances: Any, plan: Plan, *, left_out: int, audit: str) -> str:
        seen.append((PLANS.index(plan), len(instances), left_out, audit))
        return "x" * (plan.members * (len(instances) or 1))

    monkeypatch.setattr(page, "_render", made)
    return seen


def test_the_first_plan_whose_page_fits_is_taken(sizes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made = build_audit([build_front(f"{i}.png") for i in range(2)])
    audit = json_digest(made.document)
    monkeypatch.setattr(page, "ceiling", lambda fronts: 2 * PLANS[3].members * (fronts == 2))
    assert len(build_page(made.document, made.instances, left_out=5)) == 2 * PLANS[3].members
    assert sizes == [(i, 2, 5, audit) for i in range(4)]
    sizes.clear()
    monkeypatch.setattr(page, "ceiling", lambda fronts: 0)
    assert len(build_page(made.document, made.instances)) == 2 * PLANS[-1].members
    assert [plan for plan, *_ in sizes] == list(range(len(PLANS)))


def test_fronts_beyond_the_most_are_left_out(sizes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_FRONTS", 2)
    made = build_audit([build_front(f"{i}.png") for i in range(5)])
    build_page(made.document, made.instances, left_out=4)
    assert sizes[0][1:3] == (2, 7)


def test_of_many_fronts_a_sample_foresees_the_size(sizes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MOST_SAMPLED", 2)
    made = build_audit([build_front(f"{i}.png") for i in range(6)])
    drawn = made.instances
    # of each plan the page has so many bytes as members a front; the page without fronts those of one more
    rest = PLANS[0].members
    foreseen = [rest + (2 * plan.members - rest) / 2 * 6 for plan in PLANS]
    for k in (0, 2, 5):
        monkeypatch.setattr(page, "ceiling", lambda fronts, k=k: foreseen[k] * (fronts == 6))
        first = next(i for i, bytes_ in enumerate(foreseen) if bytes_ <= foreseen[k])
        assert page._plans(made.document, drawn) == PLANS[first:]
    monkeypatch.setattr(page, "ceiling", lambda fronts: min(foreseen) - 1)
    assert page._plans(made.document, drawn) == PLANS[-1:]
    assert page._plans(made.document, drawn[:2]) == fitting([i.front for i in drawn[:2]], rerenders=False)


def test_documents_and_instances_that_do_not_fit_are_refused() -> None:
    made = build_audit([build_front("a.png")])
    with pytest.raises(ConfigError) as caught:
        build_page({**made.document, "format": "other/2"}, made.instances)
    assert str(caught.value) == (
        "report: expected a document of format 'cfsearch-audit/1', got 'other/2'. Write the page with the version of cfsearch "
        "that made the run."
    )
    with pytest.raises(DataError, match=r"^report: expected one instance a key, got 'first/a.png' twice\.$"):
        build_page(made.document, made.instances * 2)
    with pytest.raises(DataError) as unlisted:
        build_page(made.document, [ReportInstance(key="k", model="none", front=build_front())])
    assert str(unlisted.value) == (
        "report: instance 'k' is of model 'none', which the document does not list; it lists 'first'."
    )
    front = build_front(n=3)
    assert front.images is not None
    wrong: list[dict[str, Any]] = [{"genuine": (True,)}, {"rerenders": front.images[:2]}]
    for parts in wrong:
        [(what, part)] = parts.items()
        with pytest.raises(
            ShapeError, match=rf"expected 3 entries of {what}, one a member, got {len(part)}\."
        ):
            ReportInstance(key="k", model="m", front=front, **parts)


def test_a_policy_lets_in_its_own_style_and_script_alone() -> None:
    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    rest = "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    assert policy("é", "b") == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest('é')}'; script-src 'sha256-{digest('b')}'; {rest}"
    )
    assert policy("a") == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest('a')}'; script-src 'none'; {rest}"
    )


def test_assets_stand_one_after_the_other() -> None:
    folder = Path(report.__file__).parent
    one, two = ((folder / name).read_text(encoding="utf-8") for name in ("data.js", "plot.js"))
    assert asset(("data.js", "plot.js")) == f"{one}\n{two}"
    assert asset(("data.js",), wrap=True) == f'(() => {{\n"use strict";\n{one}}})();\n'


def test_templates_escape_fail_on_what_is_undefined_and_leave_no_blank_lines() -> None:
    environment = template("page.html").environment
    assert environment.from_string("{{ a }}").render(a="<b>") == "&lt;b&gt;"
    assert environment.from_string("a\n  {% if true %}\nb\n  {% endif %}\nc").render() == "a\nb\nc"
    with pytest.raises(Exception, match="'a' is undefined"):
        environment.from_string("{{ a }}").render()
    day = environment.filters["day"]
    assert (day("2026-03-01T10:20:30+00:00"), day(None), day("")) == (
        "2026-03-01 10:20",
        wording.MISSING,
        wording.MISSING,
    )
    for name in ("number", "percent", "span", "rate", "human", "direction", "counted"):
        assert environment.filters[name] is getattr(wording, name)
    assert environment.filters["breaking"] is breaking
    assert breaking("a_<b>_c") == "a_<wbr>&lt;b&gt;_<wbr>c"
    assert ceiling(1) > 0


def test_no_sentence_of_a_template_runs_into_the_next() -> None:
    """A tag at the end of a line takes the line's end with it."""
    names = [one.name for one in files("cfsearch.report").iterdir() if one.name.endswith(".html")]
    assert len(names) > 10
    for name in names:
        text = files("cfsearch.report").joinpath(name).read_text("utf-8")
        text = re.sub(r"\{#.*?#\}\n?|(?m:^[ \t]+(?=\{%))|(?<=%\})\n", "", text, flags=re.DOTALL)
        text = re.sub(r"\{%-?\s*(else|elif).*?%\}", "\n", text, flags=re.DOTALL)
        text = re.sub(r"\{%.*?%\}", "", re.sub(r"\{\{.*?\}\}", "·", text, flags=re.DOTALL), flags=re.DOTALL)
        assert re.findall(r".*[\w·)][.;:][A-Z“].*", text) == [], name
