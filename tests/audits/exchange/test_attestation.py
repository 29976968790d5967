"""A statement checked against a run: each reason for which it may no longer hold, and what still does."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cfsearch.audits.exchange import attestation
from cfsearch.audits.exchange.attestation import check_statement, is_private, read_statement
from cfsearch.audits.exchange.statement import statement
from cfsearch.audits.reading import AuditDocument
from cfsearch.errors import ConfigError

from .conftest import made

FINGERPRINT = f"onnx:{'ab' * 32}:0011"


@pytest.fixture
def intact(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The document of the run, read from nowhere; findings of the check of its files can be added."""
    findings: list[str] = []
    document = made()
    monkeypatch.setattr(AuditDocument, "read", classmethod(lambda cls, run: document))
    monkeypatch.setattr(
        attestation, "check_run", lambda run, *, page: SimpleNamespace(findings=findings, page=page)
    )
    return findings


def checked(stated: dict[str, Any], **given: Any) -> dict[str, Any]:
    known = {"fingerprint": FINGERPRINT, "key": None, "members_then": 5, "members_still": 5}
    return check_statement(json.loads(json.dumps(stated)), Path("run"), **{**known, **given})


def stated(predicate: Any = "test-result", key: bytes | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(statement(made(), predicate=predicate, key=key)))
    return found


@pytest.mark.parametrize("predicate", ["test-result", "svr"])
def test_a_statement_of_the_run_holds_as_a_whole(intact: list[str], predicate: str) -> None:
    one = stated(predicate)
    found = checked(one)
    lists = {
        "passedTests": "passed",
        "warnedTests": "warned",
        "failedTests": "failed",
        "properties": "verified",
    }
    claims = [
        {"claim": str(claim), "stated": kind, "holds": True, "because": ""}
        for where, kind in lists.items()
        for claim in one["predicate"].get(where, [])
    ]
    assert claims
    assert found == {
        "predicate": predicate,
        "subjects": [{"name": s["name"], "of_run": True, "of_model": True} for s in one["subject"]],
        "materials": [{"name": c["name"], "same": True} for c in one["predicate"].get("configuration", [])],
        "intact": True, "claims": claims, "holds": True, "because": "",
    }  # fmt: skip


def reason(found: dict[str, Any]) -> str:
    assert found["holds"] is False
    assert {one["because"] for one in found["claims"]} == {found["because"]}
    assert not any(one["holds"] for one in found["claims"])
    return str(found["because"])


def test_each_reason_in_the_order_of_its_weight(intact: list[str]) -> None:
    one = stated()
    assert reason(checked(one, members_still=3)) == "2 of 5 stored members no longer flip"
    descriptor = one["predicate"]["configuration"][0]
    descriptor["digest"] = {"sha256": "00" * 32}
    found = checked(one, members_still=3)
    assert reason(found) == f"{descriptor['name']} of the run is another"
    assert [m["same"] for m in found["materials"]][:2] == [False, True]
    found = checked(one, members_still=3, fingerprint="another")
    assert reason(found) == "the statement speaks of another model than the one that was queried"
    assert found["subjects"][0] == {"name": one["subject"][0]["name"], "of_run": True, "of_model": False}
    one["subject"][0]["digest"] = {"sha256": "11" * 32}
    found = checked(one, members_still=3, fingerprint="another")
    assert reason(found) == "the statement speaks of another model than the run"
    assert found["subjects"][0]["of_run"] is False
    intact.append("changed")
    found = checked(one, members_still=3, fingerprint="another")
    assert reason(found) == "the run is not what was written; `cfsearch check` says where"
    assert found["intact"] is False


def test_a_claim_that_does_not_follow_is_named_alone(intact: list[str]) -> None:
    one = stated()
    before = len(checked(one)["claims"])
    one["predicate"].setdefault("passedTests", []).append("it is fair")
    found = checked(one)
    assert (found["holds"], found["because"]) == (False, "")
    wrong = [claim for claim in found["claims"] if not claim["holds"]]
    assert wrong == [
        {
            "claim": "it is fair",
            "stated": "passed",
            "holds": False,
            "because": "it does not follow from the run",
        }
    ]
    assert len(found["claims"]) == before + 1


def test_descriptors_that_are_none_are_no_materials(intact: list[str]) -> None:
    one = stated()
    one["predicate"]["configuration"] = [{"name": 3}]
    assert checked(one)["materials"] == []
    del one["predicate"]["configuration"]
    assert checked(one)["materials"] == []
    one["predicate"]["configuration"] = [{"name": "further", "digest": {"sha256": "22"}}]
    assert checked(one)["materials"] == [{"name": "further", "same": False}]


def test_commitments_need_their_key(intact: list[str]) -> None:
    private = stated(key=b"k")
    assert is_private(private) and not is_private(stated())
    assert checked(private, key=b"k")["holds"]
    assert checked(private, key=b"other")["because"] == "the statement speaks of another model than the run"
    mixed = {"subject": [*stated()["subject"], *private["subject"]]}
    assert is_private(mixed)


def written(folder: Path, value: object) -> Path:
    path = folder / "statement.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


@pytest.mark.parametrize("predicate", ["test-result", "svr"])
def test_statements_are_read_as_they_were_written(tmp_path: Path, predicate: str) -> None:
    assert read_statement(written(tmp_path, stated(predicate))) == stated(predicate)


def test_statements_of_earlier_versions_are_read(tmp_path: Path) -> None:
    earlier = stated("svr") | {"predicateType": "https://in-toto.io/attestation/svr/v0.1"}
    assert read_statement(written(tmp_path, earlier)) == earlier


@pytest.mark.parametrize(
    "broken",
    [
        {"_type": "x"}, {"predicateType": "x"}, {"predicate": []}, {"predicate": None}, {"subject": {}}, {"subject": None},
        {"subject": [3]}, {"subject": [{"name": 3, "digest": {}}]}, {"subject": [{"name": "a", "digest": "b"}]},
        {"subject": [{"name": "a", "digest": {}}, {"name": "a"}]}, {"subject": [{"digest": {}}]},
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused(tmp_path: Path, broken: dict[str, Any]) -> None:
    path = written(tmp_path, {**stated(), **broken})
    with pytest.raises(ConfigError) as caught:
        read_statement(path)
    assert str(caught.value) == (
        f"verify: {str(path)!r} is no in-toto statement of an audit. Give what `cfsearch export --format in-toto` or svr "
        "wrote; take a DSSE envelope off first."
    )


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for path in (written(tmp_path, "{"), tmp_path / "none"):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_statement(path)
    with pytest.raises(ConfigError, match="is no in-toto statement"):
        read_statement(written(tmp_path, [1]))
