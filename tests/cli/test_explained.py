"""How ``explain`` opens a model and its inputs: what is given reaches the one who opens."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from cfsearch.cli import _explained
from cfsearch.cli._explained import open_explained
from cfsearch.errors import ConfigError, DataError
from cfsearch.providers.isolated.session import Isolation
from cfsearch.testing import FakeProvider

from .conftest import Toys


def flags(**more: Any) -> dict[str, Any]:
    """The options of ``explain`` as click leaves them where none is given."""
    return {
        "model": None, "sidecar": None, "arch": None, "device": "cpu", "threads": None, "trust_model": None,
        "deadline": None, "memory": None, "isolate": None, "follow": True, "surrogate": None, "size": None,
        "block": 1, "reference": None, "data": None,
    } | more  # fmt: skip


class TestKinds:
    """One kind of input, and a model for it."""

    @pytest.mark.parametrize(
        ("given", "texts", "more"),
        [((), (), {}), ((Path("a.png"),), ("good",), {}), ((Path("a.png"),), (), {"data": Path("t.csv")})],
    )
    def test_exactly_one(self, given: tuple[Path, ...], texts: tuple[str, ...], more: dict[str, Any]) -> None:
        with pytest.raises(ConfigError, match="one of them"):
            open_explained(given, texts, flags=flags(**more))

    def test_a_model_is_needed_but_of_texts_and_sounds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(ConfigError, match="--model is missing"):
            open_explained([Path("a.png")], (), flags=flags())
        with pytest.raises(ConfigError, match="--model is missing"):
            open_explained([Path("a.png"), Path("b.wav")], (), flags=flags())
        seen: list[dict[str, Any]] = []
        monkeypatch.setattr(_explained, "_sounds", lambda given, flags: seen.append(flags))
        open_explained([Path("b.wav")], (), flags=flags())
        open_explained([Path("b.wav")], (), flags=flags(arch="my:net"))
        open_explained([Path("b.wav")], (), flags=flags(model="m.onnx", arch="x:y"))
        assert [Path(one["model"]).exists() for one in seen] == [True, True, False]
        shipped, own, other = (one["arch"] for one in seen)
        assert ":" in shipped
        assert (own, other) == ("my:net", "x:y")

    def test_which_reader_gets_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("_images", "_sounds", "_texts"):
            monkeypatch.setattr(_explained, name, lambda given, flags, name=name: (name, tuple(given)))
        monkeypatch.setattr(_explained, "_rows", lambda flags: ("_rows", flags["data"]))
        model: Any = flags(model="m")
        found: list[Any] = [
            open_explained([Path("a.png"), Path("b.wav")], (), flags=model),
            open_explained([Path("b.wav")], (), flags=model),
            open_explained([], ("good",), flags=model),
            open_explained([], (), flags=model | {"data": Path("t.csv")}),
        ]
        assert found == [
            ("_images", (Path("a.png"), Path("b.wav"))),
            ("_sounds", (Path("b.wav"),)),
            ("_texts", ("good",)),
            ("_rows", Path("t.csv")),
        ]


class TestModel:
    """The model lives in a process of its own where nothing follows its gradients."""

    GIVEN: ClassVar[dict[str, Any]] = {
        "sidecar": "s.toml",
        "arch": "p:b",
        "device": "cpu",
        "threads": 3,
        "trust_model": "sha256:ab",
    }

    @pytest.fixture(autouse=True)
    def watched(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
        calls: list[tuple[Any, ...]] = []
        monkeypatch.setattr("cfsearch.providers.isolated.process.stand_by", lambda: None)
        monkeypatch.setattr(
            "cfsearch.providers.opening.open_provider",
            lambda spec, **more: calls.append(("here", spec, more)),
        )
        monkeypatch.setattr(
            "cfsearch.providers.isolated.provider.isolated_provider",
            lambda spec, *, isolation, **more: calls.append(("apart", spec, isolation, more)),
        )
        self.calls = calls
        return calls

    def test_one_that_is_queried_only_is_opened_apart_with_all_that_was_given(self) -> None:
        _explained._model(
            flags(model="pkg:f", follow=False, isolate=True, deadline=9.0, memory=2.0, **self.GIVEN)
        )
        limits = Isolation(deadline_s=9.0, memory_gib=2.0, offline=True, threads=3)
        assert self.calls == [("apart", "pkg:f", limits, self.GIVEN)]

    def test_only_a_file_that_runs_code_loses_the_network(self) -> None:
        _explained._model(flags(model="pkg:f", follow=False, isolate=True))
        assert self.calls[0][2].offline is False

    @pytest.mark.parametrize(
        ("more", "apart"),
        [
            ({"follow": True, "model": "pkg:f"}, False),
            ({"follow": False, "model": "pkg:f"}, True),
            ({"follow": False, "model": "m.ONNX"}, False),
            ({"follow": False, "model": "m.pt"}, False),
            ({"follow": False, "model": "m.pth"}, False),
            ({"follow": False, "model": "m.safetensors"}, False),
            ({"follow": True, "model": "m.onnx", "surrogate": Path("s")}, True),
        ],
    )
    def test_networks_and_what_is_followed_are_opened_here(self, more: dict[str, Any], apart: bool) -> None:
        _explained._model(flags(isolate=True, deadline=9.0, **(self.GIVEN | more)))
        (call,) = self.calls
        assert call[0] == ("apart" if apart else "here")
        if not apart:
            assert call[1:] == (more["model"], {**self.GIVEN, "deadline_s": 9.0})


class TestImages:
    """The size of pictures, and what they are compared with."""

    @pytest.fixture
    def opened(self, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
        provider = FakeProvider()
        monkeypatch.setattr(_explained, "_model", lambda flags: provider)
        return provider

    def test_the_size_is_what_was_given_or_the_models_or_the_pictures(
        self, opened: FakeProvider, toys: Toys, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        face = toys.picture(size=(48, 32))
        never = flags(model="m", follow=False)
        assert _explained._images([face], never).x.shape == (1, 3, 32, 48)
        assert _explained._images([face], never | {"size": 16}).x.shape == (1, 3, 16, 16)
        monkeypatch.setattr(_explained, "_size", lambda model: (12, 12))
        inputs = _explained._images([face], never)
        assert inputs.x.shape == (1, 3, 12, 12)
        assert (inputs.kind, inputs.names, inputs.reference, inputs.notes) == (
            "image",
            ("face.png",),
            None,
            (),
        )
        small = SimpleNamespace(
            surrogate=SimpleNamespace(shape=(3, 10, 10)), encoding=None, note="approximate"
        )
        monkeypatch.setattr(_explained, "_surrogate", lambda flags, model: small)
        monkeypatch.setattr("cfsearch.api.explained.picture_subject", lambda *given, **more: None)
        followed = _explained._images([face], never | {"size": 16})
        assert (followed.x.shape, followed.notes) == ((1, 3, 10, 10), ("approximate",))

    def test_references_have_the_same_size(self, opened: FakeProvider, toys: Toys) -> None:
        inputs = _explained._images(
            [toys.picture()], flags(model="m", follow=False, size=16, reference=toys.pictures(count=3))
        )
        assert inputs.reference is not None
        assert inputs.reference().shape == (3, 3, 16, 16)


class TestTexts:
    """Texts of the model that ships."""

    def test_references_are_lines_that_are_no_longer(self, tmp_path: Path) -> None:
        others = tmp_path / "others.txt"
        others.write_text("a wonderful film\n\n  so dull and so long that nobody stays awake  \nbad\n")
        inputs = _explained._texts(["a dull film"], flags(reference=others))
        assert (inputs.kind, inputs.names, inputs.texts) == ("text", ("text 0",), ("a dull film",))
        assert inputs.reference is not None
        found = inputs.reference()
        assert found.shape == (2, inputs.x.shape[1])
        assert torch.equal(found[0], inputs.reader.encode(["a wonderful film"])[0])  # type: ignore[union-attr] # it is there
        assert _explained._texts(["a dull film"], flags()).reference is None

    def test_references_that_do_not_fit_or_cannot_be_read_are_refused(self, tmp_path: Path) -> None:
        others = tmp_path / "others.txt"
        others.write_text("far too many words for this\n")
        inputs = _explained._texts(["dull film"], flags(reference=others))
        assert inputs.reference is not None
        with pytest.raises(DataError, match="no text has 2 words or fewer"):
            inputs.reference()
        others.write_bytes(b"\xff\xfe")
        for path in (others, tmp_path / "none.txt"):
            with pytest.raises(DataError, match="must be a UTF-8 file of one text a line"):
                _explained._texts(["dull film"], flags(reference=path))
        with pytest.raises(ConfigError, match="texts are followed as they are"):
            _explained._texts(["dull film"], flags(surrogate=Path("s")))


def test_rows_must_be_named() -> None:
    with pytest.raises(ConfigError, match="say which rows"):
        _explained._rows(flags(model="m.skops", data=Path("t.csv")))
