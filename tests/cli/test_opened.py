"""A model of pictures, here or in a process of its own: what the flags give it, and how it takes pictures."""

from pathlib import Path
from typing import Any

import pytest

from cfsearch.cli._opened import open_pictured, preparation_of, size_of
from cfsearch.providers.isolated.session import Isolation
from cfsearch.providers.opening import open_provider
from cfsearch.testing import FakeProvider

from .conftest import Toys

FLAGS: dict[str, Any] = {
    "sidecar": Path("s.toml"),
    "arch": "pkg:build",
    "device": "cuda:1",
    "threads": 3,
    "trust_model": "sha256:00",
    "isolate": False,
    "deadline": 7.0,
    "memory": None,
    "other": "an option of the command's own",
}


@pytest.mark.parametrize("isolated", [False, True])
def test_every_flag_reaches_the_model(monkeypatch: pytest.MonkeyPatch, isolated: bool) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    def note(spec: str, **given: Any) -> str:
        calls.append((spec, given))
        return "opened"

    isolation = Isolation(deadline_s=7.0)
    where = "isolated.provider.isolated_provider" if isolated else "opening.open_provider"
    monkeypatch.setattr(f"cfsearch.providers.{where}", note)
    limits: list[dict[str, Any]] = []

    def isolation_of(isolate: bool | None, **given: Any) -> Isolation | None:
        limits.append({"isolate": isolate, **given})
        return isolation if isolated else None

    monkeypatch.setattr("cfsearch.cli._opened.isolation_of", isolation_of)
    assert open_pictured("m.pt", FLAGS) == "opened"  # type: ignore[comparison-overlap]  # a note
    given = {
        "sidecar": "s.toml",
        "arch": "pkg:build",
        "device": "cuda:1",
        "threads": 3,
        "trust_model": "sha256:00",
    }
    assert calls == [
        ("m.pt", {**given, "isolation": isolation} if isolated else {**given, "deadline_s": 7.0})
    ]
    common = {"isolate": False, "model": "m.pt", "deadline": 7.0, "memory": None}
    assert limits == [{**common, "threads": 3, "offline": True}]
    open_pictured("m.pt", {"isolate": None, "deadline": None, "memory": 2.0})
    assert calls[1][1] == ({"isolation": isolation} if isolated else {"deadline_s": None}), (
        "what is left out is left out"
    )
    left_out = {
        "isolate": None,
        "model": "m.pt",
        "deadline": None,
        "memory": 2.0,
        "threads": None,
        "offline": False,
    }
    assert limits[1] == left_out


def test_the_size_of_pictures_is_what_the_model_says(toys: Toys) -> None:
    model = open_provider(str(toys.model(size=48)))
    said, taken = preparation_of(model)
    assert said and taken is not None
    assert size_of(model) == taken.size == (48, 48)
    assert preparation_of(FakeProvider()) == (False, None)
    assert size_of(FakeProvider()) is None


def test_it_is_the_same_in_a_process_of_its_own(toys: Toys) -> None:
    path = toys.model(size=48)
    flags = {**dict.fromkeys(FLAGS), "isolate": True, "deadline": 60.0}
    model = open_pictured(str(path), flags)
    assert size_of(model) == (48, 48)
    assert preparation_of(model) == preparation_of(open_provider(str(path)))
