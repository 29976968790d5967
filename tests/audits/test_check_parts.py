"""The single checks of a run, each with what it reads in its place: what is found, and what is noted."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cfsearch.audits import checking
from cfsearch.audits.checking import check_run
from cfsearch.audits.findings import CheckResult, Finding
from cfsearch.audits.groups import AttributeTally, ColumnTally
from cfsearch.errors import DamagedError, RunError
from cfsearch.runs import checksums
from cfsearch.runs.directory import RunDirectory


class Run:
    """A run that is open."""

    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def rows(self) -> str:
        return "rows"


def check(path: Path, *, page: bool = True) -> Any:
    return checking._Check(path, page=page)


def found(one: Any) -> list[tuple[str, str, str]]:
    return [(f.check, f.part, f.message) for f in one.findings]


@pytest.mark.parametrize("measured", [False, True])
def test_conditions_are_judged_again_from_what_is_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, measured: bool
) -> None:
    asked: list[Any] = []

    def again(stated: Any, rows: Any, **given: Any) -> dict[str, Any]:
        asked.append((stated, rows, given))
        return {"result": "pass"}

    effects = SimpleNamespace(names=("Hat",)) if measured else None
    monkeypatch.setattr(checking, "judged_again", again)
    monkeypatch.setattr(
        checking, "load_effects", lambda path: effects if path == tmp_path / "effects.safetensors" else 1 / 0
    )
    monkeypatch.setattr(checking, "load_groups", lambda path: path.name)
    monkeypatch.setattr(RunDirectory, "read", classmethod(lambda cls, path: Run()))
    one = check(tmp_path)
    one._stopping({"result": "fail"})
    given = {"members": "groups.json", "measured": effects}
    assert asked == [({"result": "fail"}, "rows", given)]
    assert found(one) == [
        ("figures", "audit.json", "audit.json: `stopping` differ at `result`: 'fail' stands there, 'pass' follows from what is stored."),
    ]  # fmt: skip
    assert one.checked["figures"] == 1
    one = check(tmp_path)
    one._stopping({"result": "pass"})
    assert found(one) == []


def document(*groups: Any, target: str | None = None, decided: str | None = None, **parts: Any) -> Any:
    return SimpleNamespace(
        groups=groups, search=SimpleNamespace(target=target, decided=decided),
        model_named=lambda name: SimpleNamespace(labels=("no", "so", "yes")), **parts,
    )  # fmt: skip


def group(model: str = "m", impact: object = None) -> Any:
    return SimpleNamespace(model=model, impact=impact)


@pytest.mark.parametrize(
    ("given", "selected", "chosen"),
    [
        ({}, None, False), ({"impact": 1}, 2, False), ({"impact": 1, "target": "so"}, 1, False), ({"decided": "no"}, None, True),
    ],
)  # fmt: skip
def test_rows_are_counted_by_group_as_the_run_counted_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, Any], selected: int | None, chosen: bool
) -> None:
    by: Any = SimpleNamespace(names=("f", "m"), of=(0, 1), column="sex", note="")
    monkeypatch.setattr(
        checking, "load_groups", lambda path: SimpleNamespace(labels=None, columns=(by,), names=("a", "b"))
    )
    known = {key: value for key, value in given.items() if key != "impact"}
    tally = check(tmp_path)._groups(tmp_path, "m", document(group(impact=given.get("impact")), **known))
    assert isinstance(tally, ColumnTally)
    assert (tally._groups, tally._selected, tally._chosen, tally._place) == (
        (by,),
        selected,
        chosen,
        {"a": 0, "b": 1},
    )


def test_pictures_are_counted_by_attribute_and_runs_without_groups_by_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import torch

    from cfsearch.datasets.images import AttributeTable

    labels = AttributeTable(("a",), ("Hat",), torch.tensor([[True]]), {})
    monkeypatch.setattr(checking, "load_groups", lambda path: SimpleNamespace(labels=labels, by=("Hat",)))
    one = check(tmp_path)
    tally = one._groups(tmp_path, "m", document(group()))
    assert isinstance(tally, AttributeTally) and tally._by == ("Hat",)
    assert one._groups(tmp_path, "other", document(group())) is None
    assert one._groups(tmp_path, "m", document()) is None
    assert found(one) == []
    monkeypatch.setattr(checking, "load_groups", lambda path: None)
    assert one._groups(tmp_path, "m", document(group())) is None
    assert one.notes == [f"{str(tmp_path)!r} has no groups.json: its groups cannot be computed again."]


def test_columns_are_computed_again_from_what_was_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[Any] = []

    def rows_again(*args: Any, **given: Any) -> list[str]:
        asked.append((args, given))
        return ["row"]

    monkeypatch.setattr(
        checking,
        "load_columns",
        lambda path: ("kept", "members") if path.name == "columns.safetensors" else None,
    )
    monkeypatch.setattr(checking, "column_rows", rows_again)
    made = document(columns=(group(),), practical=0.5)
    one = check(tmp_path)
    assert one._columns(tmp_path, "m", made) == ["row"]
    assert asked == [(("m", "kept"), {"practical": 0.5, "members": "members"})]
    # what is kept of a model that the document names no columns of is computed too, and then missed there
    assert one._columns(tmp_path, "other", made) == ["row"]
    assert asked[1] == (("other", "kept"), {"practical": 0.5, "members": "members"})
    monkeypatch.setattr(checking, "load_columns", lambda path: None)
    assert one._columns(tmp_path, "other", made) == []
    assert one.findings == []
    monkeypatch.setattr(checking, "load_columns", lambda path: None)
    assert one._columns(tmp_path, "m", made) == []
    assert one.notes == [
        f"{str(tmp_path)!r} has no columns.safetensors: its protected columns cannot be computed again."
    ]


def test_what_is_missing_is_a_finding_where_the_run_is_sealed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checksums, "sums", lambda folder: {"audit.json": "00"})
    one = check(tmp_path)
    one._missing(tmp_path, "x.json", "things")
    assert found(one) == [
        ("figures", "x.json", f"{str(tmp_path)!r} has no x.json, from which its things were computed.")
    ]
    assert one.notes == []


def test_files_events_and_seals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known: dict[str, str] | None = {"a": "1", "b": "2", "report.html": "3"}
    happened: list[Any] = [1, 2]
    monkeypatch.setattr(checksums, "sums", lambda path: known)
    monkeypatch.setattr(checksums, "changed_files", lambda path: ["a", "report.html", "gone"])
    monkeypatch.setattr(checksums, "events", lambda path: happened)
    for name in ("a", "report.html"):
        (tmp_path / name).write_text("")
    other = "has another SHA-256 than when it was written."
    one = check(tmp_path)
    one._files(tmp_path)
    assert found(one) == [
        ("checksums", "a", f"{str(tmp_path / 'a')!r} {other}"), ("checksums", "report.html", f"{str(tmp_path / 'report.html')!r} {other}"),
        ("checksums", "gone", f"{str(tmp_path / 'gone')!r} is gone."),
    ]  # fmt: skip
    assert (one.checked["files"], one.checked["events"], one.notes) == (3, 2, [])
    without = check(tmp_path, page=False)
    without._files(tmp_path)
    assert [part for _, part, _ in found(without)] == ["a", "gone"]
    known, happened = None, []
    bare = check(tmp_path)
    bare._files(tmp_path)
    assert (
        bare.notes == [f"{str(tmp_path)!r} has no checksums: it has not ended."]
        and bare.checked["files"] == 0
    )
    (tmp_path / "audit.json").write_text("{}")
    (tmp_path / "run.sqlite").write_text("")
    ended = check(tmp_path)
    ended._files(tmp_path)
    assert ended.notes == [f"{str(tmp_path)!r} has no checksums: it was written by a cfsearch without them."]
    assert found(ended)[-1] == (
        "events",
        checksums.EVENTS,
        f"{str(tmp_path / 'events.jsonl')!r} holds no event.",
    )


def test_a_document_that_is_missing_is_noted_and_a_broken_one_found(tmp_path: Path) -> None:
    one = check(tmp_path)
    assert one._document() is None
    assert one.notes == [f"{str(tmp_path)!r} has no audit.json: it has not ended."]
    (tmp_path / "audit.json").write_text(json.dumps({"format": "x"}))
    assert one._document() is None
    [(kind, part, message)] = found(one)
    assert (kind, part) == ("schema", "audit.json") and "breaks its schema" in message


def test_the_page_is_checked_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def findings(directory: Path, document: Any, **given: Any) -> tuple[list[str], list[str]]:
        asked.append((directory, document, given))
        return ["wrong"], ["a note"]

    monkeypatch.setattr(checking, "page_findings", findings)
    one = check(tmp_path)
    one._page()
    assert one.notes == [f"{str(tmp_path)!r} has no report.html."]
    (tmp_path / "report.html").write_text("")
    (tmp_path / "audit.json").write_text('{"a": 1}')
    check(tmp_path, page=False)._page()
    assert asked == []
    one._page()
    assert asked == [(tmp_path, {"a": 1}, {"sealed": False, "again": True})]
    assert found(one) == [("page", "report.html", "wrong")] and one.notes[-1] == "a note"
    one._page()
    assert asked[-1][2] == {"sealed": False, "again": False}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no such directory"):
        check_run(tmp_path / "none")
    with pytest.raises(RunError, match=r"no run directory \(it has no run.sqlite\)"):
        check_run(str(tmp_path))


@pytest.mark.parametrize(("n", "more"), [(1, ""), (3, " And 2 more; `cfsearch check` lists them.")])
def test_damage_is_refused_with_its_first_finding(monkeypatch: pytest.MonkeyPatch, n: int, more: str) -> None:
    result = CheckResult("r", tuple(Finding("c", "p", f"finding {i}.") for i in range(n)), (), {})
    seen: list[Any] = []

    def checked(directory: str, *, page: bool) -> CheckResult:
        seen.append((directory, page))
        return result

    monkeypatch.setattr(checking, "check_run", checked)
    with pytest.raises(DamagedError) as caught:
        checking.require_intact("r", page=False)
    assert str(caught.value) == (
        f"run 'r' is not what was written: finding 0.{more} Give --unchecked to use it as it is."
    )
    assert seen == [("r", False)]


def test_groups_of_every_model_are_computed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Again:
        grouped = SimpleNamespace(rows=lambda model, **_: [{"model": model, "n": 3}])
        instances: tuple[()] = ()

        def counts(self) -> dict[str, int]:
            return {}

        def changes(self) -> tuple[()]:
            return ()

        transitions = changes
        robustness = changes

        agreement = changes

    for name in ("load_effects", "load_columns", "load_shared", "load_contributions"):
        monkeypatch.setattr(checking, name, lambda path: None)
    for name in ("verdicts", "column_verdicts"):
        monkeypatch.setattr(checking, name, lambda *_, **__: [])
    made = document(
        effects=(), attainment=(), columns=(), shared=(), practical=0.5, inputs="pictures", protected=()
    )
    both = [{"model": name, "n": 3} for name in ("a", "b")]
    for groups, differs in ((both, False), (both[1:], True), (both[:1], True)):
        one = check(tmp_path)
        plain = {"groups": groups, "effects": [], "counts": [{}, {}], "models": []}
        one._figures(made, plain, {"a": Again(), "b": Again()}, inside=True)
        assert [message for _, _, message in found(one) if "`groups`" in message] == [
            message for _, _, message in found(one)
        ]
        assert bool(found(one)) == differs
