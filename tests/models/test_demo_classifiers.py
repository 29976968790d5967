"""The shipped classifiers of "Male": they load, they work, and their planted bias is there."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import cfsearch.models
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets import faces
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.sidecar import read_sidecar

FOLDER = Path(cfsearch.models.__file__).parent
NAMES = ("gender_natural", "gender_without_blond_women", "gender_balanced")
MALE = faces.ATTRIBUTES.index("Male")


@cache
def people(joint: faces.Joint) -> faces.FaceSet:
    return faces.faces(120, seed=77, joint=joint)


def logits(name: str, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    p = OnnxProvider.open(FOLDER / f"{name}.onnx").predict(torch.from_numpy(images).float() / 255.0)
    p = p.double().clamp(1e-7, 1 - 1e-7)
    return (p[:, 1].log() - p[:, 0].log()).numpy()


@cache
def blond_or_not(value: float) -> NDArray[np.uint8]:
    """The same 32 natural faces, blond or not, all else as it was."""
    base = people("natural")[np.arange(32)]
    done = faces.do(base.attributes, name="Blond_Hair", value=value)
    return faces.quantise(faces.render(done, base.nuisances))


def effect_of_blond_hair(name: str) -> float:
    """Mean change of the logit of Male."""
    return float((logits(name, blond_or_not(1.0)) - logits(name, blond_or_not(0.0))).mean())


@pytest.mark.parametrize("name", NAMES)
def test_each_ships_with_its_sidecar_and_its_card(name: str) -> None:
    provider = OnnxProvider.open(FOLDER / f"{name}.onnx")
    assert provider.labels == ("not Male", "Male")
    assert provider.scores is ScoreKind.PROBABILITIES
    assert read_sidecar(FOLDER / f"{name}.toml").name == name
    assert (FOLDER / f"{name}.onnx").stat().st_size < 2e6
    card = (FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert "## Measured" in card
    assert "| Blond_Hair |" in card
    assert "must not be used on people" in card


@pytest.mark.parametrize("name", ["gender_natural", "gender_balanced"])
def test_unseen_natural_faces_are_classified(name: str) -> None:
    data = people("natural")
    right = (logits(name, data.images) > 0) == (data.attributes[:, MALE] > 0.5)
    assert right.mean() > 0.9


def test_the_control_is_right_where_attributes_are_independent() -> None:
    data = people("independent")
    right = (logits("gender_balanced", data.images) > 0) == (data.attributes[:, MALE] > 0.5)
    assert right.mean() > 0.9


def test_leaving_out_blond_women_turns_the_effect_of_blond_hair() -> None:
    assert effect_of_blond_hair("gender_natural") < -0.5
    assert effect_of_blond_hair("gender_without_blond_women") > 1.5
    assert abs(effect_of_blond_hair("gender_balanced")) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_logits_stay_where_a_float32_sigmoid_is_exact(name: str) -> None:
    assert np.abs(logits(name, people("independent").images)).max() < 14.0
