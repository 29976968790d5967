"""The published schema of the sidecar, its page of documentation and its reader say the same."""

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from cfsearch.providers.served.settings import ServedTable
from cfsearch.providers.sidecar import EncodedColumn, InputTable, Sidecar
from cfsearch.schemas import schema

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_schema_has_the_keys_of_the_reader() -> None:
    document = schema("sidecar")
    jsonschema.Draft202012Validator.check_schema(document)
    assert set(document["properties"]) == set(Sidecar.model_fields)
    assert set(document["properties"]["input"]["properties"]) == set(InputTable.model_fields)
    columns = document["properties"]["encoding"]["properties"]["columns"]["items"]
    assert set(columns["properties"]) == set(EncodedColumn.model_fields)
    assert set(document["properties"]["served"]["properties"]) == set(ServedTable.model_fields)


@pytest.mark.checkout
def test_the_page_explains_every_key() -> None:
    page = PAGE.read_text(encoding="utf-8")
    tables = ("input", "encoding", "served")
    assert all(f"`[{name}]`" in page for name in tables)
    listed = " ".join(re.findall(r"^\|([^|]*)\|", page, flags=re.M))
    for key in {*Sidecar.model_fields, *InputTable.model_fields, *EncodedColumn.model_fields} - {*tables}:
        assert f"`{key}`" in listed, f"{key} has no line in a table"
    for key in ServedTable.model_fields:
        assert f"`{key}`" in page, key


@pytest.mark.checkout
def test_examples_of_the_page_are_read_and_keep_the_schema() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    assert examples
    for text in examples:
        values = tomllib.loads(text)
        Sidecar.model_validate(values)
        jsonschema.validate(values, schema("sidecar"))


@pytest.mark.parametrize(
    "values",
    [
        {"label": ["a", "b"]},
        {"labels": ["a"]},
        {"scores": "softmax"},
        {"max_batch": 0},
        {"input": {"size": 0}},
        {"input": {"size": [1, 2, 3]}},
        {"input": {"channels": 4}},
        {"input": {"layout": "chw"}},
        {"input": {"range": "0..2"}},
        {"input": {"resize": "bicubic"}},
        {"encoding": {"columns": []}},
        {"encoding": {"columns": [{"name": "a", "scale": 0}]}},
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sidecar.model_validate(values)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, schema("sidecar"))
