"""Descriptions of data sets in Croissant; ``croissant/`` was written by mlcroissant 1.1.1, which also reads it back."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from cfsearch.datasets.croissant import read_croissant
from cfsearch.errors import DataError

HERE = Path(__file__).parent / "croissant"


def written(path: Path, **changes: Any) -> Path:  # Any: JSON
    value = json.loads((HERE / "croissant.json").read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in value.items() if v is not None}))
    return path


def test_what_mlcroissant_wrote_is_read() -> None:
    found = read_croissant(HERE / "croissant.json")
    assert found.sha256 == hashlib.sha256((HERE / "croissant.json").read_bytes()).hexdigest()
    assert dict(found.about) == {
        "name": "people",
        "description": "Made applicants.",
        "version": "1.0.0",
        "licence": "https://creativecommons.org/publicdomain/zero/1.0/",
        "cite_as": "Nobody 2026, Made applicants.",
        "url": "https://example.org/people",
        "creator": "A. Maker",
        "date_published": "2026-01-02",
        "conforms_to": "http://mlcommons.org/croissant/1.0",
    }
    table, archive = found.files
    assert table.sha256 == hashlib.sha256((HERE / "people.csv").read_bytes()).hexdigest()
    assert (table.names, archive.names) == (("people.csv", "people-file"), ("extra.zip", "extra"))
    assert {c.name: (c.types, c.levels, c.is_category) for c in found.columns} == {
        "age": (("Integer",), (), False),
        "income": (("Float",), (), False),
        "region": (("Integer",), ("1", "2", "3"), True),
        "approved": (("Text",), (), True),
    }
    assert found.columns_of(HERE / "people.csv") == found.columns
    assert found.columns_of(Path("other.csv")) == found.columns  # the only table there is


def test_other_forms_of_the_same_json_ld(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    value = {
        "@type": "https://schema.org/Dataset",
        "dct:conformsTo": {"@id": "http://mlcommons.org/croissant/1.1"},
        "sc:name": {"@value": "people", "@language": "en"},
        "sc:license": [{"@type": "sc:CreativeWork", "name": "CC0-1.0"}, "MIT"],
        "sc:creator": [{"name": "A"}, {"name": "B"}],
        "sc:distribution": {
            "@type": "cr:FileObject",
            "@id": "data/a.csv",
            "sc:contentUrl": "https://example.org/d/a.csv?raw=1",
            "sc:sha256": "AB" * 32,
            "cr:containedIn": {"@id": "z"},
        },
    }
    path.write_text(json.dumps(value))
    found = read_croissant(path)
    assert (found.about["name"], found.about["licence"], found.about["creator"]) == (
        "people",
        "CC0-1.0; MIT",
        "A; B",
    )
    [file] = found.files
    assert (file.sha256, file.inside, file.names) == ("ab" * 32, True, ("a.csv", "data/a.csv"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"@type": "sc:Person"}, "expected the description of a data set"),
        ({"conformsTo": None}, "expected `conformsTo` http://mlcommons.org/croissant/1.0, got nothing"),
        ({"conformsTo": "http://example.org/x"}, "got http://example.org/x"),
    ],
)
def test_another_document_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_croissant(written(tmp_path / "c.json", **changes))


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("name: people")
    with pytest.raises(DataError, match="expected JSON, got something else"):
        read_croissant(path)
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match="expected JSON"):
        read_croissant(path)
    with pytest.raises(DataError, match="cannot be read: there is no such file"):
        read_croissant(tmp_path / "none.json")
