"""What a generator's card says reaches the reader: terms of use, and how often edits were seen."""

from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import jsonschema
import pytest

from cfsearch.assembly import generator as generator_opening
from cfsearch.generators.attgan.files import load_attgan, save_attgan
from cfsearch.schemas import schema

from .conftest import Call, Toys

_TERMS = "for trials of this test only"


@pytest.fixture
def generator(tmp_path: Path) -> Path:
    """The shipped faces with a card of the test's own."""
    with as_file(files("cfsearch.models").joinpath("attgan_faces64.safetensors")) as shipped:
        content = load_attgan(shipped)
    card = {"terms": _TERMS, "edit_success": {"Bald": 0.07, "Young": 0.9}}
    return save_attgan(tmp_path / "mine.safetensors", replace(content, card=card))


def test_terms_and_edit_success_stand_in_the_run(
    call: Call, toys: Toys, generator: Path, tmp_path: Path
) -> None:
    few = ("--evaluations", 20, "--population", 10, "--seed", 1, "--threads", 1)
    words = ("audit", "--images", toys.pictures(), "--model", toys.model(), "--generator", generator, *few)
    answer = call(*words, "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("audit"))
    assert f"Terms of the generator's weights: {_TERMS}." in answer.document["warnings"]
    assert answer.document["generator"]["terms"] == _TERMS
    seen = {e["variable"]: e.get("edit_success") for e in answer.document["effects"]}
    assert seen["Bald"] == 0.07
    assert seen["Young"] == 0.9
    assert seen["Bangs"] is None
    text = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert _TERMS in text
    assert "hardly edited" in text


def test_a_checkpoint_that_is_not_in_the_package_is_named_with_where_it_is(
    call: Call, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator_opening, "_APART", ("elsewhere64",))
    answer = call("search", toys.picture(), "--model", toys.model(), "--generator", "elsewhere64")
    assert answer.code == 2
    assert "attgan_elsewhere64.safetensors" in answer.error
    assert "non-commercial" in answer.error
