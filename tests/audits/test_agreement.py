"""Two generators that must agree: a lie of one is caught, what is true is kept, and both stand in every document."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch

import cfsearch
from cfsearch.assembly.search import assemble
from cfsearch.audits.agreement import AgreementTally, two_generators
from cfsearch.audits.checking import check_run
from cfsearch.audits.conditions import fail_if
from cfsearch.audits.difference import Side, compare
from cfsearch.audits.document import _unmeasured
from cfsearch.audits.exchange.annex import annex_map
from cfsearch.audits.exchange.card import model_card
from cfsearch.audits.gate import judge
from cfsearch.audits.genuineness_check import GENUINENESS, genuineness_check, genuineness_note, prepare_check
from cfsearch.audits.inputs import audited_inputs
from cfsearch.audits.pages import write_report
from cfsearch.audits.reading import AuditDocument
from cfsearch.audits.result import AuditResult
from cfsearch.audits.run import Audit, AuditProgress
from cfsearch.audits.shared_pairs import pairs_of
from cfsearch.audits.workers.pool import Task
from cfsearch.audits.workers.searcher import Searcher
from cfsearch.config import Config
from cfsearch.contracts.records import Reason
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.fronts.front import ParetoFront
from cfsearch.mlflow.tracking import _parameters
from cfsearch.numerics.percent import rounded_down
from cfsearch.report.diff_page import build_diff_page
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.record import stored
from cfsearch.schemas import schema

from .painting import Bright
from .renders import Honest, Liar, Turned, check_by, front_by, photographs, truly_flips, write_photographs


def test_what_one_generator_lies_about_is_caught_and_what_is_true_is_kept() -> None:
    front = front_by(Liar())
    true = truly_flips(front)
    alone = check_by(Liar()).marked(front)
    assert bool((alone.valid & ~true).any()), "the lie must pass the generator that tells it"
    both = check_by(Liar(), Honest()).marked(front)
    assert not bool((both.valid & ~true).any())
    clear = alone.valid & check_by(Honest()).marked(front).valid
    assert both.valid.equal(clear) and bool(clear.any())
    assert both.picks() and all(bool(true[i]) for i in both.picks().values())


def test_a_front_of_lies_alone_is_found_no_longer_and_says_by_which_generator() -> None:
    front = front_by(Liar())
    lies = replace(front, verified=front.verified & ~truly_flips(front))
    alone, both = check_by(Liar()).marked(lies), check_by(Liar(), Honest()).marked(lies)
    assert alone.found and not both.found and both.reason is Reason.NOT_GENUINE
    held = int(alone.valid.sum())
    assert f"and {held} of them hold by the first generator, none by the second" in both.note[-1]
    assert both.genuineness is not None
    nearest = float(both.genuineness[alone.valid].max())
    assert f"is estimated {rounded_down(nearest)} standard errors past the boundary" in both.note[-1]


@pytest.mark.parametrize("one", [Honest(), Liar()], ids=lambda g: g.name)
def test_which_of_them_is_first_changes_no_verdict_and_no_joined_number(one: Honest) -> None:
    front, other = front_by(Liar()), Liar() if type(one) is Honest else Honest()
    a, b = check_by(one, other).marked(front), check_by(other, one).marked(front)
    assert a.valid.equal(b.valid)
    assert a.genuineness is not None and b.genuineness is not None
    assert a.genuineness_each is not None and b.genuineness_each is not None
    measured = ~(a.genuineness_each.isnan().any(1) | b.genuineness_each.isnan().any(1))
    assert bool(measured.any())
    torch.testing.assert_close(a.genuineness[measured], b.genuineness[measured], rtol=0, atol=0)
    torch.testing.assert_close(
        a.genuineness_each[measured], b.genuineness_each[measured].flip(1), rtol=0, atol=0
    )


def test_each_number_is_that_of_its_generator_and_only_what_holds_costs_more() -> None:
    front = front_by(Liar())
    alone, other = check_by(Liar()).marked(front), check_by(Honest()).marked(front)
    both = check_by(Liar(), Honest()).marked(front)
    each = both.genuineness_each
    assert each is not None and alone.genuineness is not None and other.genuineness is not None
    assert both.genuineness is not None and both.queries is not None and alone.queries is not None
    torch.testing.assert_close(each[:, 0], alone.genuineness, rtol=0, atol=0, equal_nan=True)
    assert each[:, 1].isnan().equal(~alone.valid), "of what does not hold by the first nothing is queried"
    torch.testing.assert_close(each[alone.valid, 1], other.genuineness[alone.valid])
    assert both.queries - alone.queries == 11 + 20 * int(alone.valid.sum())
    expected = torch.where(alone.valid, torch.minimum(each[:, 0], each[:, 1]), each[:, 0])
    torch.testing.assert_close(both.genuineness, expected, rtol=0, atol=0, equal_nan=True)


def test_attributes_in_another_order_are_the_same_edits() -> None:
    front = front_by(Liar())
    same, turned = (check_by(Liar(), second).marked(front) for second in (Honest(), Turned()))
    assert same.genuineness_each is not None and turned.genuineness_each is not None
    torch.testing.assert_close(same.genuineness_each, turned.genuineness_each, equal_nan=True)


def test_a_front_keeps_both_numbers_in_every_form_and_none_of_one_generator() -> None:
    front = front_by(Liar())
    both, alone = check_by(Liar(), Honest()).marked(front), check_by(Liar()).marked(front)
    again = ParetoFront.from_bytes(both.to_bytes())
    assert again.to_bytes() == both.to_bytes() and again.valid.equal(both.valid)
    keys = {"genuineness_first", "genuineness_second"}
    for member, row in zip(both.to_dict()["members"], both.to_frame().to_dict("records"), strict=True):
        pair = [member[f"genuineness_{which}"] for which in ("first", "second")]
        known = [z for z in pair if z is not None]
        assert (min(known) if known else None) == member["genuineness"]
        framed = [row[f"genuineness_{which}"] for which in ("first", "second")]
        assert framed == pytest.approx([math.nan if z is None else z for z in pair], rel=1e-6, nan_ok=True)
    assert not keys & set(alone.to_dict()["members"][0]) and not keys & set(alone.to_frame().columns)
    assert b"genuineness_each" not in alone.to_bytes()
    assert alone.merge(alone).genuineness_each is None
    with pytest.raises(ShapeError, match=r"genuineness_each of shape \(\d+, 2\)"):
        replace(both, genuineness_each=both.genuineness)


def test_what_one_generator_confirmed_holds_nowhere_beside_what_two_did() -> None:
    front = front_by(Liar())
    lies = front.verified & ~truly_flips(front)
    both, alone = check_by(Liar(), Honest()).marked(front), check_by(Liar()).marked(front)
    assert bool((alone.valid & lies).any())
    for merged in (both.merge(alone), alone.merge(both)):
        assert merged.genuineness_each is not None and len(merged.genuineness_each) == len(merged)
        assert merged.extra["genuineness"]["second"] == "honest"
        assert merged.found and not bool((merged.valid & ~truly_flips(merged)).any())
    strict = replace(alone, extra={**alone.extra, "genuineness": {"threshold": 2.5, "photographs": 24}})
    for merged in (strict.merge(alone), alone.merge(strict)):
        assert merged.genuineness is not None and merged.extra["genuineness"]["threshold"] == 2.5
        assert bool((merged.genuineness[merged.valid] >= 2.5).all())


def test_members_inputs_and_variables_are_counted_as_by_hand() -> None:
    front = front_by(Liar())
    assert {"light", "ghost"} == set(front.variables)
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.6]])
    four = replace(
        front,
        z=z,
        f=torch.zeros(4, 2),
        scores=torch.zeros(4, 2),
        verified=torch.tensor([True, True, True, False]),
        images=None,
        origins=("",) * 4,
        described=(),
        extra={**front.extra, "genuineness": {"threshold": 1.0, "second": "other"}},
    )
    kept = torch.tensor([[2.0, 1.5], [3.0, 0.2], [1.0, 1.0], [torch.nan, torch.nan]]).double()
    lost = torch.tensor([[0.5, torch.nan], [3.0, 0.2], [0.9, torch.nan], [torch.nan, torch.nan]]).double()

    def joined(each: torch.Tensor) -> ParetoFront:
        smaller = torch.where(each[:, 1].isnan(), each[:, 0], each.amin(1))
        return replace(four, genuineness=smaller, genuineness_each=each)

    tally = AgreementTally()
    assert tally.rows("m") == []
    for one in (front, joined(kept), joined(lost)):
        tally.add(one)
    [row] = tally.rows("m")
    assert (row["model"], row["count"], row["n"]) == ("m", 1, 2)
    assert row["members"] == {"count": 2, "n": 4}
    assert row["variables"] == [
        {"variable": "ghost", "count": 1, "n": 3},
        {"variable": "light", "count": 2, "n": 2},
    ]
    assert list(two_generators(joined(kept), "other")) == []
    [wrong] = two_generators(joined(kept), "another")
    assert "is 'other', that of the run 'another'" in wrong
    [wrong] = two_generators(replace(joined(kept), genuineness=kept[:, 0]), "other")
    assert "not the smaller one" in wrong


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """An audit through the liar, whom ``Honest`` must confirm."""
    write_photographs(tmp_path, n=24)
    here = Honest.__module__
    return Config.check(
        {
            "model": {"path": f"{here}:predict"},
            "generator": f"{here}:Liar",
            "data": {"images": str(tmp_path / "photos"), "attributes": str(tmp_path / "shown.csv")},
            "search": {
                "target": "1",
                "evaluations": 60,
                "population": 20,
                "solver": "random",
                "objectives": ["adversarial", "intensity"],
                "pruning": 0.0,
                "second_generator": f"{here}:Honest",
            },
            "run": {"batch_size": 8},
        }
    )


def blobs(directory: Path) -> dict[str, bytes]:
    with RunDirectory.read(directory) as run:
        return {row.name: row.front.to_bytes() for row in run.rows() if row.front is not None}


def test_an_audit_says_it_everywhere_and_goes_on_where_it_stood(config: Config, tmp_path: Path) -> None:
    document = Audit(config, directory=tmp_path / "run", effects=False).run()
    write_report(tmp_path / "run")
    assert document["second_generator"] == {"name": "honest", "fingerprint": "honest"}
    assert {"what": "second generator", "sha256": "honest"} in document["reproduce"]["hashes"]
    [agreed] = document["agreement"]
    assert 0 < agreed["count"] < agreed["n"], "the pictures that only a lie flips are lost, others are not"
    assert agreed["variables"][0]["variable"] == "ghost"
    sentence = (
        f"Of {agreed['n']} pictures with a flip that is genuine by the first generator, {agreed['count']} "
    )
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    lost = sum(row["reason"] == "not_genuine" for row in document["instances"])
    assert lost and f"On {lost} pictures the model flips too, but not clearly enough" in page
    assert "pictures with a verified and genuine counterfactual" in page
    assert "Searches without a verified and genuine counterfactual<" in page
    assert "pictures with a verified counterfactual" not in page
    assert '"now">z ' in page and '"now">z -' not in page, "numbers below nought have a minus, no hyphen"
    assert sentence in page and "Genuine by both generators</th>" in page
    assert f'<td class="num">{agreed["count"]} of {agreed["n"]}</td>' in page
    measured = json.loads((tmp_path / "run" / GENUINENESS).read_text())
    spread = measured["second"]["reconstruction_error"]["spread"]
    assert spread != measured["measured"]["reconstruction_error"]["spread"]
    label = document["models"][0]["labels"][-1]
    assert f"its reconstruction moves them by {spread[label]:.2f} logits" in genuineness_note(
        tmp_path / "run"
    )
    assert check_run(tmp_path / "run").findings == ()
    read = AuditDocument.read(tmp_path / "run")
    frame = AuditResult(tmp_path / "run").agreement.to_dict("records")
    assert [frame[0][key] for key in ("unit", "count", "n")] == ["input", agreed["count"], agreed["n"]]
    assert frame[0]["low"] == agreed["rate"]["low"]
    assert [frame[1][key] for key in ("unit", "count", "n")] == ["member", *agreed["members"].values()]
    assert [row["variable"] for row in frame[2:]] == [row["variable"] for row in agreed["variables"]]
    card = model_card(read)
    assert "second generator (honest, honest) agrees on counts" in card
    assert f"a verified and genuine counterfactual was found for {document['counts'][0]['found']} of" in card
    assert "have a verified and genuine counterfactual" in repr(AuditResult(tmp_path / "run"))
    assert f"| agreement | {agreed['rate']['value']:.3g} |" in card
    assert "second generator (honest, honest) agrees on counts" in annex_map(read)
    assert _parameters(read)["cfsearch.second_generator"] == "honest honest"
    low, high = agreed["rate"]["low"], agreed["rate"]["high"]
    for bound, passes in ((low / 2, True), ((1 + high) / 2, False)):
        [found] = judge(read, [fail_if(f"agreement < {bound:.4f}")])
        assert (found.result == "pass") is passes

    def stop(state: AuditProgress) -> None:
        if state.done == 8 and state.inside is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Audit(config, directory=tmp_path / "again", effects=False, watch=stop).run()
    assert len(blobs(tmp_path / "again")) == 8
    again = Audit(config, directory=tmp_path / "again", effects=False).run()
    assert blobs(tmp_path / "again") == blobs(tmp_path / "run") and again["agreement"] == [agreed]


def rows_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["figure"]: row for row in document["rows"]}


def test_two_audits_are_compared_by_what_is_genuine_and_by_what_both_generators_agree_on(
    config: Config, tmp_path: Path
) -> None:
    values = config.resolved()
    search = values["search"]
    single = {key: value for key, value in search.items() if key != "second_generator"}
    for name, own in (
        ("both", search),
        ("again", {**search, "seed": 1}),
        ("alone", single),
        ("none", {**single, "genuineness": False}),
    ):
        Audit(Config.check({**values, "search": own}), directory=tmp_path / name, effects=False).run()
    both, again, alone, none = (Side.read(tmp_path / name) for name in ("both", "again", "alone", "none"))

    document = compare(both, again, practical=0.25)
    jsonschema.validate(document, schema("diff"))
    genuine, agreed = (rows_of(document)[figure] for figure in ("genuine", "agreement"))
    held: list[list[bool]] = []  # flips, first, both; of each audit
    for key in both.rows:
        one = []
        for side in (both, again):
            front = side.rows[key].front
            assert front is not None and front.genuineness_each is not None
            first = front.genuineness_each[:, 0] >= 1.5
            joined = front.genuineness_each.nan_to_num(-9.0).amin(1) >= 1.5
            one += [bool(front.verified.any()), bool(first.any()), bool(joined.any())]
        held.append(one)
    flips = [one for one in held if one[0] and one[3]]
    firsts = [one for one in held if one[1] and one[4]]
    assert genuine["n"] == len(flips) > agreed["n"] == len(firsts) > 0
    for row, pairs in ((genuine, flips), (agreed, firsts)):
        assert [row["first"], row["second"]] == pytest.approx(
            [sum(one[at] for one in pairs) / len(pairs) for at in (2, 5)], abs=1e-6
        )
        assert row["only_first"] == sum(one[2] and not one[5] for one in pairs)
    page = build_diff_page(document, pairs_of(both, again))
    assert ">genuine</th>" in page and ">agreement</th>" in page
    assert (
        "of the inputs with a flip in both audits" in page and "genuine by both generators, of those" in page
    )
    assert not any("second generators" in note for note in document["notes"])

    document = compare(alone, both, practical=0.25)
    assert "agreement" not in rows_of(document)
    assert rows_of(document)["genuine"]["only_first"] > 0, "flips that only a lie makes are genuine in one"
    [note] = [text for text in document["notes"] if "second generators" in text]
    assert "other second generators (none and honest)" in note
    document = compare(none, alone, practical=0.25)
    assert not {"genuine", "agreement"} & set(rows_of(document))
    [note] = [text for text in document["notes"] if "rules of what is genuine" in text]
    assert "(none and z >= 1.5 by edits alone)" in note


def test_a_worker_measures_with_both_as_the_process_that_leads(config: Config, tmp_path: Path) -> None:
    Audit(config, directory=tmp_path / "run", effects=False).run()
    assembly = assemble(config)
    inputs = audited_inputs(assembly)
    with RunDirectory.start(tmp_path / "other", config={}, hashes={}) as run:
        check = prepare_check(run, assembly, refs=inputs.refs, photographs=inputs.photographs)
    assert check is not None and check.second is not None
    task = Task(config, inputs.hashes, check.calibration, second=check.second.calibration)
    rows, gone = Searcher(Task.unpacked(task.packed())).search(range(8))
    assert gone is None
    with RunDirectory.read(tmp_path / "run") as run:
        assert sorted(rows) == sorted(stored(row) for row in run.rows() if row.position < 8)


def test_python_takes_objects_of_the_program_as_both_generators(tmp_path: Path) -> None:
    write_photographs(tmp_path, n=20)
    result = cfsearch.audit(
        Bright(),
        tmp_path / "photos",
        out=tmp_path / "run",
        attributes=tmp_path / "shown.csv",
        generator=Liar(),
        second_generator=Honest,
        effects=False,
        objectives=["adversarial", "intensity"],
        evaluations=20,
        population=20,
    )
    assert result.document["second_generator"]["name"] == "honest"
    assert all(front.genuineness_each is not None for front in result.fronts)
    with pytest.raises(ConfigError, match="is the first generator again"):
        cfsearch.audit(
            Bright(),
            tmp_path / "photos",
            generator=Liar(),
            second_generator=Liar,
            attributes=tmp_path / "shown.csv",
        )
    with pytest.raises(ConfigError, match="workers: each worker opens the model by itself"):
        cfsearch.audit(
            f"{Honest.__module__}:predict",
            tmp_path / "photos",
            generator=f"{Honest.__module__}:Liar",
            second_generator=Honest(),
            attributes=tmp_path / "shown.csv",
            workers=2,
            objectives=["adversarial", "intensity"],
        )


@pytest.mark.parametrize(
    ("seen", "stated"),
    [
        ({"light": 1.0, "ghost": 1.0}, ""),
        (
            {"light": 1.0, "ghost": 0.3},
            " It hardly edits ghost: what flips by these alone hardly holds by both.",
        ),
        (
            {"ghost": 0.3},
            " Whether its edits of light are seen is not known: no figure of these stands in its file.",
        ),
    ],
)
def test_what_the_second_hardly_edits_is_distinguished_from_what_nobody_measured(
    seen: dict[str, float], stated: str
) -> None:
    second = Honest()
    second.edit_success = seen
    _, note = genuineness_check(
        Bright(), Liar(), photographs=lambda: photographs(40), count=40, second=second
    )
    assert note.endswith(stated or "logits.")
    assert ("hardly edits" in note) is (0.3 in seen.values())


def test_with_too_few_pictures_nothing_is_measured_and_the_second_is_named(
    config: Config, tmp_path: Path
) -> None:
    values = config.resolved()
    few = Config.check({**values, "data": {**values["data"], "limit": 3}})
    document = Audit(few, directory=tmp_path / "run", effects=False).run()
    note = genuineness_note(tmp_path / "run")
    assert "there are 3" in note and note.endswith("The second generator was not used.")
    assert note in document["warnings"] and "agreement" not in document
    assert check_run(tmp_path / "run").findings == ()


def test_only_the_attributes_without_a_figure_are_called_unmeasured() -> None:
    known = {"variable": "light", "truth": None, "edit_success": 0.9}
    unknown = {"variable": "ghost", "truth": None}
    assert _unmeasured([known]) == []
    [some] = _unmeasured([known, unknown])
    assert some.startswith("Whether the generator's edits of ghost can be seen was never measured;")
    [none] = _unmeasured([unknown])
    assert "its file carries no edit success" in none
