"""Which generator a name opens, with which settings, and what is refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cfsearch import registry
from cfsearch.assembly import generator as module
from cfsearch.assembly.generator import open_generator, open_words
from cfsearch.config import Config
from cfsearch.contracts.generator import Generator
from cfsearch.errors import ConfigError, DataError, PluginError
from cfsearch.testing import FakeGenerator

Call = tuple[Any, ...]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """What was opened with what; every name is a family of all kinds."""
    found: list[Call] = []

    class Family(Generator[Any]):
        source = ""

        @classmethod
        def open(cls, source: Path | None, *, settings: Any) -> Any:
            found.append((cls.source, "open", None if source is None else Path(source).name, dict(settings)))
            return "opened"

        @classmethod
        def of(cls, schema: Any, /, *, settings: Any) -> Any:
            found.append((cls.source, "of", schema, dict(settings)))
            return "rows"

        @classmethod
        def of_texts(cls, texts: Any, /, *, vectors: Any, settings: Any) -> Any:
            found.append((cls.source, "of_texts", texts, vectors, dict(settings)))
            return "texts"

        @classmethod
        def of_spectrograms(cls, form: Any, /, *, settings: Any) -> Any:
            found.append((cls.source, "of_spectrograms", form, dict(settings)))
            return "sounds"

    def load(kind: str, name: str) -> type:
        assert kind == "generators"
        return type("Named", (Family,), {"source": name})

    monkeypatch.setattr(registry, "load", load)
    monkeypatch.setattr(module, "spectrogram_of", lambda path: f"form of {path}")
    return found


def config(source: str, settings: dict[str, Any] | None = None, **parts: Any) -> Config:
    known = {"model": {"path": "m.onnx"}, "data": {"images": "faces"}}
    return Config.check(
        {**known, "generator": {"source": source, "settings": settings or {}}, **parts}, where="test"
    )


def test_rows_and_sounds_have_families_of_their_own(calls: list[Call]) -> None:
    table = SimpleNamespace(schema="schema")
    assert open_generator(config("rows", {"a": 1}, data={"table": "t.csv"}), table=table) == "rows"  # type: ignore[arg-type, comparison-overlap]
    assert open_generator(config("bands", {"b": 2}, data={"sounds": "s"})) == "sounds"  # type: ignore[comparison-overlap]
    assert calls == [
        ("rows", "of", "schema", {"a": 1}),
        ("bands", "of_spectrograms", "form of m.onnx", {"b": 2}),
    ]


def test_a_file_and_a_shipped_name_are_opened_by_the_family_of_faces(
    calls: list[Call], tmp_path: Path
) -> None:
    file = tmp_path / "own.safetensors"
    file.write_bytes(b"x")
    open_generator(config(str(file), {"a": 1}))
    open_generator(config("faces64", {"b": 2}))
    assert calls == [
        ("attgan", "open", "own.safetensors", {"a": 1}), ("attgan", "open", "attgan_faces64.safetensors", {"b": 2}),
    ]  # fmt: skip


def test_a_plug_in_is_opened_without_a_file(calls: list[Call]) -> None:
    open_generator(config("fake_plugin.module:Class", {"a": 1}))
    open_generator(config("bands", {"a": 2}))
    assert calls == [("fake_plugin.module:Class", "open", None, {"a": 1}), ("bands", "open", None, {"a": 2})]


def test_pixels_take_the_size_of_the_first_picture_that_can_be_read(
    calls: list[Call], tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    Image.fromarray(np.zeros((6, 9, 3), dtype=np.uint8)).save(tmp_path / "b.png")
    data = {"images": str(tmp_path)}
    open_generator(config("pixels", {"grid": 2}, data=data))
    open_generator(config("pixels", {"size": [1, 2]}, data=data))
    open_generator(config("words", data=data))
    assert calls == [
        ("pixels", "open", None, {"grid": 2, "size": (6, 9)}), ("pixels", "open", None, {"size": [1, 2]}),
        ("words", "open", None, {}),
    ]  # fmt: skip
    (tmp_path / "b.png").unlink()
    with pytest.raises(DataError) as caught:
        open_generator(config("pixels", data=data))
    assert str(caught.value) == (
        f"images: none of 1 under {str(tmp_path)!r} can be searched. The first: images: 'a.png' must be an undamaged PNG, JPEG, "
        "WEBP, BMP, GIF or TIFF file, but it cannot be read (its content is none of these formats). Save it again, or leave it out."
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("none.safetensors", "generator: there is no file 'none.safetensors'."), ("none.pth", "generator: there is no file 'none.pth'."),
        ("none.pt", "generator: there is no file 'none.pt'."), ("a/b", "generator: there is no file 'a/b'."),
        ("face64", "unknown generator 'face64'. Did you mean 'faces64'?"),
        ("pixel", "unknown generator 'pixel'. Did you mean 'pixels'?"),
    ],
)  # fmt: skip
def test_what_there_is_not_is_refused(calls: list[Call], source: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_generator(config(source))
    assert str(caught.value).startswith(message)
    assert calls == []


def test_a_checkpoint_that_is_not_shipped_says_where_it_is(
    calls: list[Call], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    with pytest.raises(ConfigError) as caught:
        open_generator(config("celeba64"))
    assert str(caught.value) == (
        "generator: 'celeba64' is not in the package, since it may be used for non-commercial research only; take "
        "attgan_celeba64.safetensors from the folder models/ of the repository and name the file."
    )


def test_families_of_other_inputs_are_refused() -> None:
    table = SimpleNamespace(schema="schema")
    with pytest.raises(
        ConfigError, match="^generator 'pixels' makes no rows of a table; leave it out, or give 'rows'.$"
    ):
        open_generator(config("pixels", data={"table": "t.csv"}), table=table)  # type: ignore[arg-type]
    with pytest.raises(
        ConfigError, match="^generator 'pixels' makes no recordings; leave it out, or give 'bands'.$"
    ):
        open_generator(config("pixels", data={"sounds": "s"}))
    with pytest.raises(
        ConfigError, match="^generator 'pixels' makes no texts; leave it out, or give 'words'.$"
    ):
        open_words(config("pixels", data={"texts": ["a"]}), SimpleNamespace(texts=(), vectors=None))  # type: ignore[arg-type]


def test_a_class_that_is_no_generator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", lambda kind, name: dict)
    with pytest.raises(
        PluginError, match="^generator 'words' must be a subclass of cfsearch.Generator, got <class 'dict'>"
    ):
        open_generator(config("words"))
    monkeypatch.setattr(registry, "load", lambda kind, name: FakeGenerator)
    assert open_generator(config("words")) == FakeGenerator()


@pytest.mark.parametrize(
    ("settings", "immutable", "expected"),
    [
        ({}, [], {}), ({"a": 1}, ["x"], {"a": 1, "keep": ["x"]}), ({"keep": "y"}, ["x"], {"keep": ["y", "x"]}),
        ({"keep": ["y", "z"]}, [], {"keep": ["y", "z"]}), ({"keep": []}, [], {}),
    ],
)  # fmt: skip
def test_words_that_must_not_change_are_kept(
    calls: list[Call], settings: dict[str, Any], immutable: list[str], expected: dict[str, Any]
) -> None:
    inputs = SimpleNamespace(texts=("a",), vectors="vectors")
    made = config("words", settings, data={"texts": ["a"]}, search={"immutable": immutable})
    assert open_words(made, inputs) == "texts"  # type: ignore[arg-type, comparison-overlap]
    assert calls == [("words", "of_texts", ("a",), "vectors", expected)]
