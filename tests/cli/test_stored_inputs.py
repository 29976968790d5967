"""The model that is queried about stored inputs again: which door opens it, and with what."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final

import pytest
import torch

from cfsearch.assembly.inputs import SHIPPED_SOUND, SHIPPED_SOUND_ARCH, shipped_sound_model
from cfsearch.cli._stored_inputs import model_of_front, stored_inputs, text_model_of_front
from cfsearch.contracts.records import Reason
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ConfigError
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.isolated.session import Isolation

SCHEMA: Final = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.REAL, high=99.0),
        Column(name="debt", kind=ColumnKind.REAL, high=9.0),
    )
)
ISOLATION: Final = Isolation(deadline_s=3.0)
GIVEN: Final[dict[str, Any]] = {
    "sidecar": "s.toml",
    "arch": "pkg:build",
    "device": "cuda:1",
    "trusted": ("pkg.Type",),
    "trust_model": "sha256:00",
    "deadline": 7.0,
}
"""What a user can give with a model, each once; no value is a default."""


def front(**parts: Any) -> ParetoFront:
    """A front of two members, whose inputs are ``parts``."""
    nothing: dict[str, Any] = dict.fromkeys(("images", "original", "reconstruction"))
    return ParetoFront(
        name="one",
        labels=parts.pop("labels", ("no", "yes")),
        source=0,
        target=None,
        variables=("a",),
        objectives=("adversarial", "intensity"),
        units=("nat", "change"),
        z=torch.tensor([[0.1], [0.2]]),
        f=torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        origin_values=torch.zeros(1),
        scores=torch.zeros(2, 2),
        original_scores=torch.zeros(2),
        reconstruction_scores=torch.zeros(2),
        verified=torch.tensor([False, True]),
        origins=("nsga2",) * 2,
        reason=Reason.BUDGET,
        reference_point=torch.tensor([2.0, 2.0]),
        evaluations=10,
        **{**nothing, **parts},
    )


def of_rows(**parts: Any) -> ParetoFront:
    row, rows = torch.tensor([20.0, 3.0]), torch.tensor([[30.0, 3.0], [20.0, 1.0]])
    return front(row=row, rows=rows, extra={"schema": SCHEMA.to_dict()}, **parts)


def of_texts() -> ParetoFront:
    return front(text=("a", "dull", "film"), texts=(("a", "", "film"), ("a", "fine", "film")))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What reaches a function, named by its dotted path, when the model of a front is opened."""

    def run(door: str, model: str, found: ParetoFront | None, **changes: Any) -> dict[str, Any]:
        calls: list[dict[str, Any]] = []

        def note(spec: str, **given: Any) -> str:
            calls.append({"spec": spec, **given})
            return door

        place, _, name = door.rpartition(".")
        monkeypatch.setattr(resolve_name(place), name, note)
        made = model_of_front(model, found, **{**GIVEN, "isolation": None, **changes})
        assert made == door, "what the door opens is what is used"  # type: ignore[comparison-overlap]  # a note
        [call] = calls
        return call

    return run


@pytest.mark.parametrize("found", [None, front()])
def test_a_model_of_pictures_gets_all_that_was_given(opened: Any, found: ParetoFront | None) -> None:
    common = {key: GIVEN[key] for key in ("sidecar", "arch", "device", "trust_model")}
    here = opened("cfsearch.providers.opening.open_provider", "m.pt", found)
    assert here == {"spec": "m.pt", **common, "deadline_s": 7.0}
    apart = opened(
        "cfsearch.providers.isolated.provider.isolated_provider", "m.pt", found, isolation=ISOLATION
    )
    assert apart == {"spec": "m.pt", **common, "isolation": ISOLATION}


def test_a_model_of_rows_gets_all_that_was_given_and_the_rows_of_the_front(opened: Any) -> None:
    common = {key: GIVEN[key] for key in ("sidecar", "arch", "device", "trust_model")}
    for door, changes, more in (
        (
            "cfsearch.providers.tabular_opening.open_tabular",
            {},
            {"trusted": ("pkg.Type",), "deadline_s": 7.0},
        ),
        (
            "cfsearch.providers.isolated.provider.isolated_tabular",
            {"isolation": ISOLATION},
            {"trusted": ["pkg.Type"], "isolation": ISOLATION},
        ),
    ):
        call = opened(door, "m.pt", of_rows(), **changes)
        assert call.pop("probes").tolist() == [[20.0, 3.0], [30.0, 3.0], [20.0, 1.0]]
        assert call.pop("schema") == SCHEMA
        assert call == {"spec": "m.pt", "target": None, **common, **more}


def test_rows_without_members_ask_of_the_original_alone(opened: Any) -> None:
    call = opened("cfsearch.providers.tabular_opening.open_tabular", "m.pt", replace(of_rows(), rows=None))
    assert call["probes"].tolist() == [[20.0, 3.0]]


def test_a_range_that_was_searched_for_is_the_target_again(opened: Any) -> None:
    searched = of_rows(labels=("below 50000", "50000.."))
    for door, changes in (
        ("cfsearch.providers.tabular_opening.open_tabular", {}),
        ("cfsearch.providers.isolated.provider.isolated_tabular", {"isolation": ISOLATION}),
    ):
        assert opened(door, "m.pt", searched, **changes)["target"] == "50000.."


@pytest.mark.parametrize(
    ("file", "trusted"), [("m.skops", ("pkg.Type", "odd.Type")), ("m.pt", ("pkg.Type",))]
)
def test_types_of_a_skops_file_that_was_vouched_for_are_let_in(
    opened: Any, monkeypatch: pytest.MonkeyPatch, file: str, trusted: tuple[str, ...]
) -> None:
    asked: list[tuple[Path, str]] = []

    def types(path: Path, *, given: str) -> tuple[str, ...]:
        asked.append((path, given))
        return ("odd.Type",)

    monkeypatch.setattr("cfsearch.providers.trust.trusted_types", types)
    call = opened("cfsearch.providers.tabular_opening.open_tabular", file, of_rows())
    assert call["trusted"] == trusted
    assert asked == ([(Path(file), "sha256:00")] if file == "m.skops" else [])


def test_a_model_of_texts_gets_the_pieces_and_the_texts(opened: Any) -> None:
    for door, changes, more in (
        ("cfsearch.providers.text.open_text_model", {}, {}),
        (
            "cfsearch.providers.isolated.provider.isolated_text_model",
            {"isolation": ISOLATION},
            {"isolation": ISOLATION},
        ),
    ):
        call = opened(door, "pkg.mod:predict", of_texts(), **changes)
        assert call.pop("lexicon").pieces[:4] == ("a", "dull", "film", "fine")
        assert call.pop("probes").tolist() == [[1, 2, 3], [1, 0, 3], [1, 4, 3]]
        assert call == {"spec": "pkg.mod:predict", "sidecar": "s.toml", "device": "cuda:1", **more}
    file = opened("cfsearch.providers.text.open_text_model", "m.safetensors", of_texts(), isolation=ISOLATION)
    assert file["spec"] == "m.safetensors", "a file runs no code of its own, and needs no process"


def test_the_shipped_model_of_sounds_has_a_network_of_its_own(opened: Any) -> None:
    sound = front(sound=torch.zeros(1, 4, 4), sounds=torch.zeros(2, 1, 4, 4))
    door = "cfsearch.providers.opening.open_provider"
    call = opened(door, SHIPPED_SOUND, sound, arch=None)
    assert (call["spec"], call["arch"]) == (str(shipped_sound_model()), SHIPPED_SOUND_ARCH)
    assert opened(door, SHIPPED_SOUND, sound)["arch"] == "pkg:build", "unless another is named"
    for other in ("m.pt", SHIPPED_SOUND):
        call = opened(door, other, sound if other == "m.pt" else None, arch=None)
        assert (call["spec"], call["arch"]) == (other, None)


def test_inputs_are_restored_as_the_model_takes_them() -> None:
    grey = torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None, None].expand(3, 3, 2, 2)
    pictures = front(original=grey[0], reconstruction=grey[0], images=grey[1:])
    torch.testing.assert_close(stored_inputs(pictures)[:, 0, 0, 0], torch.tensor([0.0, 0.2, 1.0]))
    assert stored_inputs(of_rows()).tolist() == [[20.0, 3.0], [30.0, 3.0], [20.0, 1.0]]
    assert stored_inputs(of_texts()).dtype is torch.float64
    with pytest.raises(ConfigError, match="the front of 'one' holds no inputs"):
        stored_inputs(front())


def test_what_are_no_texts_have_no_model_of_texts() -> None:
    assert text_model_of_front(of_rows(), "m", sidecar=None, device="cpu", isolation=None) is None
