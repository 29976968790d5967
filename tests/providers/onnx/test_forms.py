"""ONNX models of one of several independent outputs, and of pictures in one row of numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper

from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ConfigError, ModelFileError
from cfsearch.providers.differentiable import differentiable
from cfsearch.providers.forms import words_of
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.preprocessing import Preprocessing

LinearModel = Callable[..., Path]
Numbers = Callable[..., NDArray[np.float32]]


def images(n: int = 5, *, side: int = 4) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def sidecar(path: Path, text: str) -> Path:
    path.with_suffix(".toml").write_text(text)
    return path


def linear(x: torch.Tensor, weight: Any, bias: Any) -> torch.Tensor:
    return torch.from_numpy(x.numpy().reshape(len(x), -1) @ weight.T + bias)


@pytest.mark.parametrize("tail", ["Sigmoid", None], ids=["probabilities", "logits"])
@pytest.mark.parametrize("place", [0, 3])
def test_one_of_several_outputs_is_a_model_of_two_classes(
    linear_model: LinearModel, numbers: Numbers, tail: str | None, place: int
) -> None:
    weight, bias = numbers(4, 48) / 9, numbers(4)
    path = sidecar(linear_model(weight, bias, tail=tail), f'output = "scores[{place}]"')
    provider = OnnxProvider.open(path)
    logit = linear(images(), weight, bias)[:, place]
    expected = torch.sigmoid(logit) if tail else logit
    rest = 1 - expected if tail else torch.zeros_like(expected)
    assert provider.labels == ("0", "1") and provider.column == place
    assert provider.scores is (ScoreKind.PROBABILITIES if tail else ScoreKind.LOGITS)
    assert torch.allclose(provider.predict(images()), torch.stack([rest, expected], dim=1), atol=1e-6)
    followed = differentiable(provider)
    assert torch.allclose(followed.predict(images()), provider.predict(images()), atol=1e-5)


def test_each_of_them_is_another_model_and_can_be_named(linear_model: LinearModel, numbers: Numbers) -> None:
    path = linear_model(numbers(3, 48), numbers(3), tail="Sigmoid")
    prints = {OnnxProvider.open(path).fingerprint}
    for place in range(3):
        sidecar(path, f'output = "scores[{place}]"\nlabels = ["no beard", "beard"]')
        provider = OnnxProvider.open(path)
        assert provider.labels == ("no beard", "beard")
        prints.add(provider.fingerprint)
    assert len(prints) == 4


def test_the_note_on_independent_outputs_names_the_way_to_read_one(
    linear_model: LinearModel, numbers: Numbers
) -> None:
    provider = OnnxProvider.open(linear_model(numbers(4, 48), numbers(4), tail="Sigmoid"))
    assert "(independent outputs)" in provider.note
    assert (
        "The largest of them counts as the class" in provider.note
        and 'output = "NAME[0]" in ' in provider.note
    )
    alone = OnnxProvider.open(linear_model(numbers(3, 48), numbers(3), tail="Softmax"))
    assert "largest of them" not in alone.note


def test_a_number_that_is_not_there_is_refused(linear_model: LinearModel, numbers: Numbers) -> None:
    path = linear_model(numbers(3, 48), numbers(3))
    with pytest.raises(ModelFileError, match=r"number 3 of 'scores', which has 3 a row.*Name one of 0 to 2"):
        OnnxProvider.open(sidecar(path, 'output = "scores[3]"'))
    with pytest.raises(ModelFileError, match=r"has no output 'other\[1\]'. It has: scores"):
        OnnxProvider.open(sidecar(path, 'output = "other[1]"'))


def test_an_output_of_that_very_name_is_meant(linear_model: LinearModel, numbers: Numbers) -> None:
    path = linear_model(numbers(3, 48), numbers(3))
    model = onnx.load(path)
    model.graph.node.append(helper.make_node("Identity", ["scores"], ["scores[1]"]))
    model.graph.output.append(helper.make_tensor_value_info("scores[1]", onnx.TensorProto.FLOAT, ["n", 3]))
    onnx.save(model, path)
    provider = OnnxProvider.open(sidecar(path, 'output = "scores[1]"'))
    assert provider.column is None and len(provider.labels) == 3


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fixed", [True, False], ids=["width", "any width"])
def test_pictures_go_in_as_one_row_of_numbers(
    linear_model: LinearModel, numbers: Numbers, channels: int, fixed: bool
) -> None:
    weight, bias = numbers(2, channels * 35), numbers(2)
    path = linear_model(weight, bias, shape=("n", channels * 35 if fixed else "w"))
    said = "" if fixed else f"channels = {channels}\n"
    provider = OnnxProvider.open(sidecar(path, f'[input]\nlayout = "flat"\nsize = [5, 7]\n{said}'))
    assert provider.columns is None and provider.preprocessing is not None
    assert (provider.preprocessing.size, provider.preprocessing.channels) == ((5, 7), channels)
    x = torch.rand(4, 3, 5, 7, generator=torch.Generator().manual_seed(2))
    known = x if channels == 3 else torch.tensor([0.299, 0.587, 0.114])[None, :, None, None].mul(x).sum(1)
    assert torch.allclose(provider.predict(x), linear(known, weight, bias), atol=1e-5)
    smaller = provider.predict(images(side=16))  # of another size: resized, as others are
    assert smaller.shape == (5, 2) and bool(smaller.isfinite().all())
    assert torch.allclose(differentiable(provider).predict(x), provider.predict(x), atol=1e-5)


@pytest.mark.parametrize(
    ("width", "text", "says"),
    [
        (784, "", r"their size is not declared. Write size = \[height, width\] under \[input\]"),
        (
            784,
            "size = 27",
            "takes 784 numbers a picture, but 27 x 27 pixels of 1 or 3 channels make 729 or 2187",
        ),
        (784, "size = 28\nchannels = 3", "takes 784 numbers a picture, but 28 x 28 pixels"),
        (1568, "size = 28", "takes 1568 numbers a picture"),
    ],
)
def test_rows_of_numbers_that_make_no_picture_are_refused(
    linear_model: LinearModel, numbers: Numbers, width: int, text: str, says: str
) -> None:
    path = linear_model(numbers(2, width), numbers(2), shape=("n", width))
    with pytest.raises(ModelFileError, match=says):
        OnnxProvider.open(sidecar(path, f'[input]\nlayout = "flat"\n{text}'))


def test_a_flat_layout_needs_a_size_and_has_words() -> None:
    with pytest.raises(ConfigError, match=r"layout 'flat' needs `size`: size = \[height, width\]"):
        Preprocessing(layout="flat")
    form = Preprocessing(layout="flat", size=(2, 2), order="bgr")
    x = torch.arange(12.0).reshape(1, 3, 2, 2) / 12
    assert torch.equal(form.apply(x), x.flip(1).flatten(1))
    assert words_of(form) == "0..1, BGR, channels first, in one row"
