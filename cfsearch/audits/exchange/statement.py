"""An audit as an in-toto Statement: a test result, or the properties that were verified. Signing is left to others."""

import hashlib
import json
from base64 import b64encode
from typing import Any, Final, Literal

from cfsearch.audits.reading import AuditDocument, VerdictRow

from .commitment import committed, digest_set
from .subjects import limits, materials, sha256_of, text_of

STATEMENT: Final = "https://in-toto.io/Statement/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
VERIFICATION: Final = "https://in-toto.io/attestation/svr/v0.2"
VERIFICATION_1: Final = "https://in-toto.io/attestation/svr/v0.1"
"""Of statements that earlier versions wrote: v0.2 requires ``verifier.policies`` besides."""
_VERIFIER: Final = "https://pypi.org/project/cfsearch"
_EXTENSION: Final = "https://pypi.org/project/cfsearch#audit"
Predicate = Literal["test-result", "svr"]


def statement(
    document: AuditDocument, *, predicate: Predicate = "test-result", key: bytes | None = None
) -> dict[str, Any]:
    """The document as an unsigned in-toto Statement v1 about the audited models.

    A test is a verdict on an attribute: passed where the model does not lean on it by more than the practical size,
    warned where one cannot tell, failed where it does. Without a verdict the result is WARNED: nothing was shown.

    Args:
        document: the content of ``audit.json``.
        predicate: "test-result" (passed, warned and failed tests) or "svr" (the passed ones as properties).
        key: of salted commitments, where model or data are private: digests, the id of the run and the names of files are replaced,
            the command is left out.

    References:
        https://github.com/in-toto/attestation: spec/v1, predicates test-result v0.1 and svr v0.2.
    """
    made = _test_result(document, key=key) if predicate == "test-result" else _verification(document, key=key)
    return {
        "_type": STATEMENT,
        "subject": [
            {
                "name": (model.file or model.name) if key is None else f"model {number}",
                "digest": sha256_of(model.fingerprint, key=key),
            }
            for number, model in enumerate(document.models, start=1)
        ],
        "predicateType": TEST_RESULT if predicate == "test-result" else VERIFICATION,
        "predicate": made,
    }


def verdict_name(verdict: VerdictRow, document: AuditDocument) -> str:
    """The name of a test, with its threshold as text: ``model does not lean on Male by 0.25 logits or more``.

    Args:
        verdict: on one attribute.
        document: the content of ``audit.json``.
    """
    return (
        f"{verdict.model} does not lean on {verdict.variable} by {text_of(document.practical)} logits or more"
    )


def _verdicts(document: AuditDocument) -> list[VerdictRow]:
    """Those of protected attributes where any are named, else all."""
    protected = [verdict for verdict in document.verdicts if verdict.protected]
    return protected if document.protected else list(document.verdicts)


def _named(document: AuditDocument, reading: str) -> list[str]:
    return [verdict_name(v, document) for v in _verdicts(document) if v.reading == reading]


def _test_result(document: AuditDocument, *, key: bytes | None) -> dict[str, Any]:
    passed, warned, failed = (_named(document, r) for r in ("does not lean", "cannot tell", "leans"))
    return {
        "result": "FAILED" if failed else "PASSED" if passed and not warned else "WARNED",
        "configuration": [
            {"name": what, "digest": digest_set(digest, key=key)} for what, digest in materials(document)
        ],
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
        _EXTENSION: _extension(document, key=key),
    }


def _verification(document: AuditDocument, *, key: bytes | None) -> dict[str, Any]:
    version = document.versions.get("cfsearch", "0")
    return {
        "verifier": {"id": f"{_VERIFIER}/{version}", "policies": [_policy(document, key=key)]},
        "timeCreated": document.finished or document.created,
        "properties": [f"CFSEARCH {name}" for name in _named(document, "does not lean")],
        _EXTENSION: _extension(document, key=key),
    }


def _policy(document: AuditDocument, *, key: bytes | None) -> dict[str, Any]:
    """The rule by which a verdict was reached, as a resource descriptor; of a private audit its commitment alone."""
    rule = {
        "practicalSizeInLogits": text_of(document.practical),
        "protected": list(document.protected),
        "verified": "the whole 95 % interval of an attribute's effect lies within the practical size",
    }
    text = json.dumps(rule, sort_keys=True).encode()
    digest = digest_set(hashlib.sha256(text).hexdigest(), key=key)
    content = (
        {} if key is not None else {"mediaType": "application/json", "content": b64encode(text).decode()}
    )
    return {"name": "verdicts on attributes", "digest": digest, **content}


def _extension(document: AuditDocument, *, key: bytes | None) -> dict[str, Any]:
    """What stands beside the predicate's own fields; consumers that do not know it pass it over."""
    named = {"run": document.run_id, "command": document.command}
    return {
        **(named if key is None else {"run": committed(document.run_id, key=key)}),
        "practicalSizeInLogits": text_of(document.practical),
        "inputs": len(document.instances),
        "nonClaims": limits(document),
    }
