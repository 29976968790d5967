"""Which second generators are taken, and what each refusal says."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch.assembly.generator import open_generator
from cfsearch.assembly.second_generator import open_second_generator
from cfsearch.config import Config
from cfsearch.contracts.generator import Generator
from cfsearch.errors import ConfigError, ModelFileError
from cfsearch.generators.attgan.config import AttGANConfig
from cfsearch.generators.attgan.files import AttGANFile, save_attgan
from cfsearch.generators.attgan.networks import Editor

SMALL = AttGANConfig(size=64, layers=2, width=2, attributes=("Hat", "Old"))
SEEN: dict[str, object] = {"edit_success": {"Hat": 0.9, "Old": 0.9}}


def trained(path: Path, *, seed: int, config: AttGANConfig = SMALL, card: dict[str, object] = SEEN) -> Path:
    """A file of an editor whose weights a seed decides."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        save_attgan(path, AttGANFile(Editor(config), None, card=card))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trainings of all kinds."""
    place = tmp_path_factory.mktemp("generators")
    trained(place / "first.safetensors", seed=1)
    trained(place / "other.safetensors", seed=2)
    trained(place / "turned.safetensors", seed=2, config=replace(SMALL, attributes=("Old", "Hat")))
    trained(place / "large.safetensors", seed=2, config=replace(SMALL, size=128))
    trained(
        place / "hats.safetensors",
        seed=2,
        config=replace(SMALL, attributes=("Hat", "Cap")),
        card={"edit_success": {"Hat": 1.0}},
    )
    trained(place / "unmeasured.safetensors", seed=2, card={})
    trained(place / "relabelled.safetensors", seed=1, card={"edit_success": {"Hat": 0.5, "Old": 0.5}})
    shutil.copy(place / "first.safetensors", place / "copy.safetensors")
    (place / "broken.safetensors").write_bytes(b"nothing")
    return place


def settings(folder: Path, second: Any, *, first: Any = "first.safetensors") -> Config:
    def where(name: Any) -> Any:
        return str(folder / name) if isinstance(name, str) and name.endswith(".safetensors") else name

    return Config.check(
        {
            "model": {"path": "m.onnx"},
            "data": {"images": "faces"},
            "generator": where(first),
            "search": {"second_generator": where(second)},
        }
    )


def opened(config: Config, *, given: Generator[Any] | None = None) -> Generator[Any] | None:
    first: Generator[Any] = open_generator(config)
    return open_second_generator(config, first, given=given)


@pytest.mark.parametrize("name", ["other.safetensors", "turned.safetensors"])
def test_another_training_of_the_same_attributes_is_taken(folder: Path, name: str) -> None:
    config = settings(folder, name)
    found = opened(config)
    assert found is not None
    expected: Generator[Any] = open_generator(settings(folder, None, first=name))
    assert found.fingerprint == expected.fingerprint
    assert Config.check(config.resolved()) == config
    given = opened(config, given=expected)
    assert given is not None and given.fingerprint == expected.fingerprint


def test_without_one_nothing_is_opened_and_the_settings_are_as_before(folder: Path) -> None:
    config = settings(folder, None)
    assert opened(config) is None and "second_generator" not in config.resolved()["search"]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ("first.safetensors", "is the first generator again, whose agreement with itself proves nothing"),
        ("copy.safetensors", "is the first generator again"),
        ("relabelled.safetensors", "is the first generator again"),
        ("hats.safetensors", r"edits other attributes than the first \(it lacks Old, the first lacks Cap\)"),
        ("large.safetensors", "makes pictures of 128 x 128 pixels, the first of 64 x 64"),
        ("unmeasured.safetensors", "was never measured.* run `cfsearch measure generator` on its file first"),
        ("pixels", "second generator 'pixels': it edits no named attributes"),
        ("words", "second generator 'words': it edits no named attributes"),
        ("rows", "second generator 'rows': it edits no named attributes"),
        ("nowhere.safetensors", "second generator: generator: there is no file"),
        ("faces65", "second generator: unknown generator 'faces65'. Did you mean 'faces64'"),
    ],
)
def test_what_proves_nothing_is_refused_in_a_sentence(folder: Path, second: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        opened(settings(folder, second))


def test_the_same_file_with_other_settings_is_the_first_again(folder: Path) -> None:
    first = {"source": str(folder / "first.safetensors"), "settings": {"low": -0.5}}
    with pytest.raises(ConfigError, match="is the first generator again"):
        opened(settings(folder, "copy.safetensors", first=first))


@pytest.mark.parametrize("key", ["generator", "second_generator"])
def test_a_number_is_no_generator(key: str) -> None:
    values: dict[str, Any] = {"model": {"path": "m.onnx"}, "data": {"images": "faces"}}
    with pytest.raises(ConfigError, match=f"{key}`: .*a table with `source` and `settings`, got 3"):
        Config.check({**values, **({key: 3} if key == "generator" else {"search": {key: 3}})})


def test_a_file_that_cannot_be_read_is_named_as_the_second(folder: Path) -> None:
    with pytest.raises(ModelFileError, match="second generator: attgan: .*broken.safetensors"):
        opened(settings(folder, "broken.safetensors"))


def test_a_first_generator_without_attributes_has_no_second(folder: Path) -> None:
    with pytest.raises(ConfigError, match="the first generator, 'pixels', edits no named attributes"):
        opened(
            settings(folder, "other.safetensors", first={"source": "pixels", "settings": {"size": [64, 64]}})
        )


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"data": {"table": "t.csv"}}, "`search.second_generator` goes with images"),
        (
            {"search": {"second_generator": "faces64", "genuineness": False}},
            "switches off. Leave one of them out",
        ),
    ],
)
def test_where_it_has_no_use_the_settings_are_refused(values: dict[str, Any], why: str) -> None:
    settings = {
        "model": {"path": "m.onnx"},
        "data": {"images": "faces"},
        "search": {"second_generator": "faces64"},
    }
    with pytest.raises(ConfigError, match=why):
        Config.check({**settings, **values})
