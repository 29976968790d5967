"""What the terminal and JSON say of an explanation, worked by hand."""

from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.target_range import TargetRange
from cfsearch.report.explained import _where, _which, document, shown
from cfsearch.report.explanations import Word
from cfsearch.schemas import schema


def test_at_most_three_words_are_named_the_strongest_first() -> None:
    strengths = {"a": 0.1, "b": 0.9, "c": 0.5, "d": 0.7, "e": 0.0}
    words = [Word(text, strength=strength) for text, strength in strengths.items()]
    explained = SimpleNamespace(attributions=object())
    assert _which(explained, words) == (  # type: ignore[arg-type] # it looks at the attributions alone
        "Counts most: b (90\u202f% of the most), d (70\u202f% of the most), c (50\u202f% of the most).",
    )
    assert _which(explained, words[-1:]) == ("No word counts.",)  # type: ignore[arg-type] # likewise


def explained(**changes: Any) -> Any:
    """What is read of an explanation of one input, whose model says no at 0.75."""
    found: dict[str, Any] = {
        "labels": ("no", "yes"),
        "source": torch.tensor([0]),
        "target": torch.tensor([-1]),
        "original_scores": torch.tensor([[0.75, 0.25]]).log(),
        "scores": torch.tensor([[0.2, 0.8]]).log(),
        "flipped": torch.tensor([True]),
        "counterfactuals": None,
        "attributions": None,
        "chosen": None,
        "features": (),
        "layout": (),
    }
    return SimpleNamespace(**{**found, **changes})


def text() -> Any:
    """What is read of one text of three words."""
    words = {1: "a", 2: "dull", 3: "film", 4: "fine"}

    def split(x: Tensor, *, origin: list[str]) -> list[list[str]]:
        assert origin == ["a dull film"]
        return [[words[int(number)] for number in row] for row in x.tolist()]

    reader = SimpleNamespace(vocabulary=SimpleNamespace(split=split))
    return SimpleNamespace(
        kind="text", names=("one",), x=torch.tensor([[1.0, 2.0, 3.0]]), texts=("a dull film",), reader=reader
    )


def test_a_text_without_attributions_has_none_and_says_what_changed() -> None:
    [entry] = document(explained(counterfactuals=torch.tensor([[1.0, 4.0, 3.0]])), text(), stored=None)
    assert entry == {
        "name": "one",
        "source": "no",
        "target": None,
        "flipped": True,
        "original": {"no": 0.75, "yes": 0.25},
        "counterfactual": {"no": 0.2, "yes": 0.8},
        "words": [
            {"word": "a", "becomes": None, "attribution": 0.0, "chosen": False},
            {"word": "dull", "becomes": "fine", "attribution": 0.0, "chosen": False},
            {"word": "film", "becomes": None, "attribution": 0.0, "chosen": False},
        ],
    }


def test_attributions_of_words_keep_their_sign_in_json_and_their_share_on_the_page() -> None:
    found = explained(
        attributions=torch.tensor([[0.5, -2.0, 0.0]]),
        chosen=torch.tensor([[False, True, False]]),
        scores=None,
        flipped=None,
        target=torch.tensor([1]),
    )
    [entry] = document(found, text(), stored=None)
    assert [(w["word"], w["attribution"], w["chosen"]) for w in entry["words"]] == [
        ("a", 0.5, False),
        ("dull", -2.0, True),
        ("film", 0.0, False),
    ]
    assert (entry["target"], entry["counterfactual"], entry["flipped"]) == ("yes", None, None)
    [page] = shown(found, text(), stored=None)
    assert [(w.text, w.strength, w.chosen) for w in page.words] == [
        ("a", 0.25, False),
        ("dull", 1.0, True),
        ("film", 0.0, False),
    ]
    assert page.says == (
        "The model says no (p 0.750); wanted: yes.",
        "This method says what counts, and gives no counterfactual.",
        "Counts most: dull (100\u202f% of the most), a (25\u202f% of the most).",
    )


@pytest.mark.parametrize(
    ("target", "flipped", "says"),
    [
        (-1, True, ("wanted: any other class.", "Of the counterfactual the model says yes (p 0.800).")),
        (1, False, ("wanted: yes.", "the model still says yes (p 0.800).")),
        (0, False, ("wanted: no.", "It already has the wanted class; nothing was changed.")),
    ],
)
def test_what_became_of_an_input_is_one_sentence(target: int, flipped: bool, says: tuple[str, str]) -> None:
    found = explained(target=torch.tensor([target]), flipped=torch.tensor([flipped]))
    [page] = shown(found, text(), stored=None)
    assert len(page.says) == 2
    for sentence, end in zip(page.says, says, strict=True):
        assert sentence.endswith(end)


def test_a_picture_names_its_strongest_places_and_how_far_it_changed() -> None:
    x = torch.zeros(1, 3, 2, 4)
    moved = x.clone()
    moved[0, :, 0, 3] = 0.5
    places = torch.tensor([[0.0, 0.0, 0.0, -3.0, 0.0, 1.0, 0.0, 0.0]])
    found = explained(x=x, counterfactuals=moved, attributions=places, chosen=places != 0, layout=(2, 4))
    picture: Any = SimpleNamespace(kind="image", names=("face",), x=x)
    [entry] = document(found, picture, stored=[False])
    assert entry["change"] == {"rms": 0.176777, "largest": 0.5}  # an eighth of all values by 0.5
    assert entry["layout"] == [2, 4]
    assert entry["strongest"] == [
        {"row": 0, "column": 3, "attribution": -3.0},
        {"row": 1, "column": 1, "attribution": 1.0},
    ]
    assert (entry["chosen_share"], entry["stored_flipped"]) == (0.25, False)
    assert "stored_flipped" not in document(found, picture, stored=None)[0]


@pytest.mark.parametrize(("kind", "up"), [("image", "75\u202f%"), ("sound", "25\u202f%")])
def test_the_strongest_place_is_named_from_the_left_and_from_the_bottom(kind: str, up: str) -> None:
    """The first row of a picture is its top; that of a sound its lowest pitch."""
    places = torch.tensor([[0.0, 0.0, 0.0, -3.0, 0.0, 1.0, 0.0, 0.0]])
    inputs: Any = SimpleNamespace(kind=kind)
    where = _where(explained(attributions=places, chosen=places != 0, layout=(2, 4)), inputs, 0)
    assert where == (
        f"Counts most: around 88\u202f% from the left, {up} from the bottom. The explanation covers 25\u202f%.",
    )
    assert _where(explained(attributions=0 * places, layout=(2, 4)), inputs, 0) == ("No place counts.",)
    assert _where(explained(layout=(2, 4)), inputs, 0) == ()


def test_a_predicted_number_stands_in_place_of_the_probability() -> None:
    wanted = TargetRange("250..270", 250.0, 270.0)
    found = explained(
        labels=wanted.labels,
        target=torch.tensor([1]),
        original_scores=wanted.scores(torch.tensor([218.5])),
        scores=wanted.scores(torch.tensor([252.25])),
        counterfactuals=torch.tensor([[1.0, 4.0, 3.0]]),
    )
    [entry] = document(found, text(), stored=None)
    assert entry["predicted"] == {"before": 218.5, "after": 252.25}
    jsonschema.validate(
        entry, {**schema("explain")["$defs"]["explanation"], "$defs": schema("explain")["$defs"]}
    )
    [one] = shown(found, text(), stored=None)
    assert one.says[:2] == (
        "The model says 218.5 (below 250); wanted: 250..270.",
        "Of the counterfactual the model says 252.25 (250..270).",
    )
    [entry] = document(explained(**{**vars(found), "scores": None, "flipped": None}), text(), stored=None)
    assert entry["predicted"] == {"before": 218.5, "after": None}
