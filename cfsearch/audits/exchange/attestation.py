"""Whether an in-toto statement still holds of a run and a model: digests, claims, stored members."""

from pathlib import Path
from typing import Any, Final

from cfsearch.audits.checking import check_run
from cfsearch.audits.reading import AuditDocument
from cfsearch.errors import ConfigError
from cfsearch.files import read_file, reason
from cfsearch.parsing import JSONError, parse_json

from .commitment import ALGORITHM
from .statement import STATEMENT, TEST_RESULT, VERIFICATION, VERIFICATION_1, statement
from .subjects import sha256_of

_LISTS: Final = {
    "passedTests": "passed",
    "warnedTests": "warned",
    "failedTests": "failed",
    "properties": "verified",
}


def read_statement(path: Path) -> dict[str, Any]:
    """A statement that ``export --format in-toto`` or ``svr`` wrote.

    Args:
        path: of the file.

    Raises:
        ConfigError: it is no such statement.
    """
    try:
        value = parse_json(read_file(path))
    except OSError as error:
        raise ConfigError(
            f"verify: the statement {str(path)!r} cannot be read: {reason(error)}. Give what `cfsearch export --format "
            "in-toto` wrote."
        ) from error
    except JSONError as error:
        raise ConfigError(
            f"verify: the statement {str(path)!r} cannot be read as JSON: {error}. Give what `cfsearch export --format "
            "in-toto` wrote."
        ) from error
    kinds = (TEST_RESULT, VERIFICATION, VERIFICATION_1)
    known = (
        isinstance(value, dict) and value.get("_type") == STATEMENT and value.get("predicateType") in kinds
    )
    if not known or not isinstance(value.get("predicate"), dict) or not _described(value.get("subject")):
        raise ConfigError(
            f"verify: {str(path)!r} is no in-toto statement of an audit. Give what `cfsearch export --format in-toto` or "
            "svr wrote; take a DSSE envelope off first."
        )
    return dict(value)


def _described(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("digest"), dict)
        for one in value
    )


def is_private(stated: dict[str, Any]) -> bool:
    """Whether a statement holds commitments, which need their key.

    Args:
        stated: by ``read_statement``.
    """
    return any(ALGORITHM in subject["digest"] for subject in stated["subject"])


def check_statement(
    stated: dict[str, Any],
    run: Path,
    *,
    fingerprint: str,
    key: bytes | None,
    members_then: int,
    members_still: int,
) -> dict[str, Any]:
    """Each digest and each claim of a statement, and whether it still holds.

    A claim holds where the statement speaks of the model that was queried and of the settings, data and generator of the
    run, the run is what was written, the same verdict follows from it, and every stored member still flips.

    Args:
        stated: by ``read_statement``.
        run: the run directory.
        fingerprint: of the model that was queried.
        key: of the commitments; None of a statement without.
        members_then: members of the run that were verified.
        members_still: those of them that still flip the model.

    Raises:
        RunError: the run has not ended.
    """
    document = AuditDocument.read(run)
    predicate = "test-result" if stated["predicateType"] == TEST_RESULT else "svr"
    again = statement(document, predicate="test-result" if predicate == "test-result" else "svr", key=key)
    queried = sha256_of(fingerprint, key=key)
    own = [subject["digest"] for subject in again["subject"]]
    subjects = [
        {"name": one["name"], "of_run": one["digest"] in own, "of_model": one["digest"] == queried}
        for one in stated["subject"]
    ]
    descriptors = stated["predicate"].get("configuration", [])
    now = {one["name"]: one["digest"] for one in again["predicate"].get("configuration", [])}
    materials = [
        {"name": str(one.get("name")), "same": now.get(one.get("name")) == one.get("digest")}
        for one in (descriptors if _described(descriptors) else [])
    ]
    intact = not check_run(run, page=False).findings
    lost = members_then - members_still
    reason = ""
    if not intact:
        reason = "the run is not what was written; `cfsearch check` says where"
    elif not all(one["of_run"] for one in subjects):
        reason = "the statement speaks of another model than the run"
    elif not any(one["of_model"] for one in subjects):
        reason = "the statement speaks of another model than the one that was queried"
    elif not all(one["same"] for one in materials):
        reason = f"{next(one['name'] for one in materials if not one['same'])} of the run is another"
    elif lost:
        reason = f"{lost} of {members_then} stored members no longer flip"
    claims = []
    for where, kind in _LISTS.items():
        for claim in stated["predicate"].get(where, []):
            follows = claim in again["predicate"].get(where, [])
            because = reason or ("" if follows else "it does not follow from the run")
            claims.append({"claim": str(claim), "stated": kind, "holds": not because, "because": because})
    return {
        "predicate": predicate,
        "subjects": subjects,
        "materials": materials,
        "intact": intact,
        "claims": claims,
        "holds": not reason and all(one["holds"] for one in claims),
        "because": reason,
    }
