"""Digests of what was audited and of what it was audited with."""

import hashlib
import re
from typing import Final

from cfsearch.audits.reading import AuditDocument, Model

from .commitment import digest_set

_SHA256: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")

NON_CLAIMS: Final = (
    "It says nothing about inputs that were not audited, about other generators, or about harms outside the model's answers.",
    "An effect is that of the generator's edits: what the editor cannot change, or changes besides, is not separated.",
    "It supports evidence for an assessment; it is no statement of conformity with any law or standard.",
)
"""What an audit does not claim, stated in every format that has a place for it."""


def digest_of(model: Model) -> dict[str, str]:
    """The digest of an audited model: SHA-256 of its file where the fingerprint holds it, else of the fingerprint.

    Args:
        model: of the document.

    Example:
        >>> from cfsearch.audits.reading import Model
        >>> model = Model(id="m", name="m", file="m.onnx", fingerprint="onnx:" + "ab" * 32, labels=("a", "b"),
        ...               scores="", note="", device="cpu")
        >>> digest_of(model)["sha256"][:4]
        'abab'
    """
    return sha256_of(model.fingerprint, key=None)


def sha256_of(fingerprint: str, *, key: bytes | None) -> dict[str, str]:
    """The digest of a model by its fingerprint, as it stands in a statement.

    Args:
        fingerprint: of the model.
        key: of a salted commitment; None where nothing is private.
    """
    found = _SHA256.search(fingerprint)
    plain = hashlib.sha256(fingerprint.encode()).hexdigest() if found is None else found.group()
    return digest_set(plain, key=key)


def materials(document: AuditDocument) -> list[tuple[str, str]]:
    """Name and SHA-256 of what the audit was made of: generator, inputs, settings.

    Args:
        document: the content of ``audit.json``.
    """
    return [(row.what, row.sha256) for row in document.reproduce.hashes if _SHA256.fullmatch(row.sha256)]


def generators(document: AuditDocument) -> str:
    """What painted the pictures, and what had to agree, as it stands in a sentence; names are not escaped.

    Args:
        document: the content of ``audit.json``.
    """
    second = document.second_generator
    if second is None:
        return document.generator.name
    agreed = f"and only what a second generator ({second.name}, {second.fingerprint}) agrees on counts"
    return f"{document.generator.name} ({document.generator.fingerprint}), {agreed}"


def limits(document: AuditDocument) -> list[str]:
    """What weakens the result, and what is not claimed.

    Args:
        document: the content of ``audit.json``.
    """
    return [*document.warnings, *NON_CLAIMS]


def text_of(value: float) -> str:
    """A figure as text, six digits: the form in which thresholds and metrics travel.

    Args:
        value: finite.
    """
    return f"{value:.6g}"
