"""What depends on the kind of input alone: storing, measuring, counting, drawing."""

import hashlib

import numpy as np
import pytest
import torch

from cfsearch.contracts.modality import (
    MODALITIES,
    PICTURES,
    ROWS,
    SOUNDS,
    TEXTS,
    Modality,
    modality_named,
    modality_of,
)


def test_pictures_are_stored_as_the_nearest_of_256_values() -> None:
    x = torch.tensor([-0.1, 0.0, 0.0019, 0.0020, 0.5, 1.0, 1.7])
    assert PICTURES.stored(x).tolist() == [0, 0, 0, 1, 128, 255, 255]
    assert PICTURES.restored(PICTURES.stored(x)).tolist() == pytest.approx(
        [0, 0, 0, 1 / 255, 128 / 255, 1, 1], abs=1e-7
    )


def test_a_fingerprint_is_of_the_stored_picture() -> None:
    x = torch.full((3, 4, 4), 0.5)
    assert PICTURES.fingerprint(x) == hashlib.sha256(bytes([128] * 48)).hexdigest()
    assert PICTURES.fingerprint(x) == PICTURES.fingerprint(x + 0.001)
    assert PICTURES.fingerprint(x) != PICTURES.fingerprint(x + 0.01)


@pytest.mark.parametrize(
    ("modality", "kind"), [(ROWS, np.float64), (TEXTS, np.float64), (SOUNDS, np.float32)]
)
def test_other_inputs_are_stored_as_they_are(modality: Modality, kind: type) -> None:
    x = torch.tensor([0.1, 17.0])
    stored = modality.stored(x)
    assert torch.equal(modality.restored(stored).to(x), x)
    assert modality.fingerprint(x) == hashlib.sha256(x.numpy().astype(kind).tobytes()).hexdigest()


def test_sizes_follow_their_formulas() -> None:
    z = torch.tensor([[0.0, 0.0], [0.6, -0.8], [0.2, 3.0]])
    none, last = torch.tensor([False, False]), torch.tensor([False, True])
    assert PICTURES.sizes(z, categories=none).tolist() == pytest.approx([0, 1, 9.04**0.5])
    assert SOUNDS.sizes(z, categories=none).tolist() == pytest.approx([0, 1, 9.04**0.5])
    assert ROWS.sizes(z, categories=none).tolist() == pytest.approx([0, 0.7, 0.6])
    assert ROWS.sizes(z, categories=last).tolist() == pytest.approx([0, 0.8, 0.6])
    # a replaced word is at least one half, so that two near words are never nearer than one far word
    assert TEXTS.sizes(z, categories=none).tolist() == pytest.approx([0, 0.8 + 0.9, 0.6 + 1.0])


def test_what_counts_as_a_change() -> None:
    z = torch.tensor([-0.3, -0.1, 0.0, 0.1, 0.25])
    assert {way: hit.tolist() for way, hit in PICTURES.directions(z, category=False).items()} == {
        "+": [False, False, False, False, True],
        "-": [True, False, False, False, False],
    }
    for modality in (ROWS, SOUNDS):
        assert {way: int(hit.sum()) for way, hit in modality.directions(z, category=False).items()} == {
            "+": 2,
            "-": 2,
        }
    for ways in (ROWS.directions(z, category=True), TEXTS.directions(z, category=False)):
        assert {way: hit.tolist() for way, hit in ways.items()} == {"~": [True, True, False, True, True]}


def test_a_spectrogram_is_drawn_with_low_frequencies_at_the_bottom() -> None:
    stored = torch.zeros(1, 4, 8)
    stored[0, 0, 2] = 1.0
    picture = SOUNDS.picture(stored)
    assert picture is not None
    assert tuple(picture.shape) == (3, 64, 128)
    bright = (picture == torch.tensor([254, 232, 56], dtype=torch.uint8)[:, None, None]).all(0).nonzero()
    assert bright.amin(0).tolist() == [48, 32]
    assert bright.amax(0).tolist() == [63, 47]
    assert picture[:, 0, 0].tolist() == [0, 34, 78]


def test_only_some_kinds_can_be_looked_at() -> None:
    image = torch.zeros(3, 4, 4, dtype=torch.uint8)
    assert PICTURES.picture(image) is image
    assert ROWS.picture(torch.zeros(4)) is None
    assert TEXTS.picture(torch.zeros(4)) is None
    assert [modality.pictured for modality in MODALITIES] == [True, False, False, True]


def test_default_objectives() -> None:
    assert PICTURES.objectives(critic=False) == ("adversarial", "perceptual", "intensity")
    assert PICTURES.objectives(critic=True) == ("adversarial", "plausibility", "intensity")
    assert ROWS.objectives(critic=True) == ("adversarial", "gower", "changed", "plausibility")
    assert TEXTS.objectives(critic=False) == ("adversarial", "word_distance", "changed")
    assert SOUNDS.objectives(critic=False) == ("adversarial", "intensity", "changed")


def test_what_weakens_a_result_depends_on_whether_there_were_reference_inputs() -> None:
    for modality in (ROWS, TEXTS):
        assert len(modality.restrictions(reference=False)) == len(modality.restrictions(reference=True)) + 1
    for kind in MODALITIES:
        assert kind.restrictions(reference=True) == kind.caveats


def test_a_shape_of_three_is_a_picture_unless_somebody_says_otherwise() -> None:
    assert modality_of((3, 8, 8)) is PICTURES
    assert modality_of((12,)) is ROWS


def test_changes_that_many_share_are_put_into_words() -> None:
    assert PICTURES.counted("Eyeglasses", "+") == "+Eyeglasses"
    assert ROWS.counted("job", "~") == "job changes"
    assert ROWS.counted("age", "-") == "-age"
    assert TEXTS.counted("dull", "~") == "dull replaced"
    assert SOUNDS.counted("0 to 1 s", "-") == "0 to 1 s softer"
    assert SOUNDS.counted("0 to 1 s", "+") == "0 to 1 s louder"


def test_a_document_names_its_modality() -> None:
    for modality in MODALITIES:
        assert modality_named(modality.name) is modality
        assert modality_named(modality.entry.get("inputs", "")) is modality
    assert PICTURES.entry == {}  # documents said nothing before there was more than one kind
    assert modality_named("") is PICTURES


@pytest.mark.parametrize(
    ("modality", "kept"),
    [
        (PICTURES, {"images": 1, "original": 2, "reconstruction": 3}),
        (ROWS, {"rows": 1, "row": 2, "images": None, "original": None, "reconstruction": None}),
        (TEXTS, {"texts": 1, "text": 2, "images": None, "original": None, "reconstruction": None}),
        (SOUNDS, {"sounds": 1, "sound": 2, "images": None, "original": None, "reconstruction": None}),
    ],
)
def test_the_fields_of_a_front_that_keep_inputs(modality: Modality, kept: dict[str, int | None]) -> None:
    members, original, reconstruction = torch.tensor([1.0]), torch.tensor(2.0), torch.tensor(3.0)
    fields = modality.fields(members, original=original, reconstruction=reconstruction)
    numbers = {1: members, 2: original, 3: reconstruction}
    assert fields == {name: None if number is None else numbers[number] for name, number in kept.items()}


def test_inputs_that_noise_moved_are_brought_back_to_what_they_can_be() -> None:
    moved = torch.tensor([-0.5, 0.5, 1.5])
    assert PICTURES.bounded(moved).tolist() == SOUNDS.bounded(moved).tolist() == [0.0, 0.5, 1.0]
    assert ROWS.bounded(moved).tolist() == TEXTS.bounded(moved).tolist() == moved.tolist()


def test_levels_of_a_spectrogram_have_low_frequencies_below() -> None:
    spectrogram = torch.tensor([[[0.0, 0.1], [0.5, 2.0]]])  # the first row is the lowest frequency
    assert SOUNDS.levels(spectrogram).tolist() == [[[128, 255], [0, 26]]]
    picture = torch.tensor([[[0, 9], [7, 255]]], dtype=torch.uint8)
    assert PICTURES.levels(picture) is picture
