"""ONNX models: numpy's answers, every form of input and output, what is found out and said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ConfigError, ModelFileError, ProviderError, ShapeError
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.testing.provider_case import ProviderCase

LinearModel = Callable[..., Path]
Numbers = Callable[..., NDArray[np.float32]]


def images(n: int = 5, *, size: int = 4, seed: int = 1) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def by_numpy(x: torch.Tensor, weight: Any, bias: Any) -> torch.Tensor:
    return torch.from_numpy(x.numpy().reshape(len(x), -1) @ weight.T + bias)


class TestOnnxContract(ProviderCase):
    shape = (3, 8, 8)

    @pytest.fixture(params=["logits", "probabilities"])
    def provider(
        self, request: pytest.FixtureRequest, linear_model: LinearModel, numbers: Numbers
    ) -> Provider:
        tail = "Softmax" if request.param == "probabilities" else None
        return OnnxProvider.open(linear_model(numbers(3, 48), numbers(3), tail=tail), threads=1)


def test_a_linear_model_gives_what_numpy_gives(linear_model: LinearModel, numbers: Numbers) -> None:
    weight, bias = numbers(3, 48), numbers(3, seed=1)
    provider = OnnxProvider.open(linear_model(weight, bias))
    x = images()
    assert torch.allclose(provider.predict(x), by_numpy(x, weight, bias), atol=1e-5)
    assert provider.scores is ScoreKind.LOGITS
    assert provider.labels == ("0", "1", "2")
    assert provider.name == "model"
    assert "does not say what its scores are; they were taken for logits" in provider.note
    assert "give `labels` in" in provider.note


def test_a_sidecar_says_it_and_nothing_is_noted(linear_model: LinearModel, numbers: Numbers) -> None:
    path = linear_model(numbers(2, 48), numbers(2))
    path.with_suffix(".toml").write_text(
        'name = "pair"\nlabels = ["no", "yes"]\nscores = "logits"\nmax_batch = 3\n[input]\nrange = "0..1"'
    )
    provider = OnnxProvider.open(path)
    assert (provider.name, provider.labels, provider.max_batch, provider.note) == (
        "pair",
        ("no", "yes"),
        3,
        "",
    )
    assert provider.predict(images(8)).shape == (8, 2)


def test_a_single_probability_is_widened(linear_model: LinearModel, numbers: Numbers) -> None:
    weight, bias = numbers(1, 48) / 9, numbers(1)
    provider = OnnxProvider.open(linear_model(weight, bias, tail="Sigmoid"))
    x = images()
    p = torch.sigmoid(by_numpy(x, weight, bias))
    assert provider.scores is ScoreKind.PROBABILITIES
    assert "a softmax or sigmoid stands at its end" in provider.note
    assert torch.allclose(provider.predict(x), torch.cat([1 - p, p], dim=1), atol=1e-6)


def test_a_single_logit_is_widened_even_where_it_lies_between_0_and_1(
    linear_model: LinearModel, numbers: Numbers
) -> None:
    weight, bias = np.zeros((1, 48), np.float32), np.array([0.5], np.float32)
    provider = OnnxProvider.open(linear_model(weight, bias))
    assert provider.scores is ScoreKind.LOGITS
    assert "no softmax or sigmoid stands at its end" in provider.note
    assert provider.predict(images(2)).tolist() == [[0.0, 0.5], [0.0, 0.5]]


def test_independent_outputs_are_no_probabilities(linear_model: LinearModel, numbers: Numbers) -> None:
    provider = OnnxProvider.open(linear_model(numbers(4, 48), numbers(4), tail="Sigmoid"))
    assert provider.scores is ScoreKind.LOGITS
    assert "do not sum to 1 (independent outputs)" in provider.note


def test_labels_only_gives_one_for_the_winner(linear_model: LinearModel, numbers: Numbers) -> None:
    weight, bias = numbers(3, 48), numbers(3)
    path = linear_model(weight, bias)
    path.with_suffix(".toml").write_text('scores = "labels"')
    provider = OnnxProvider.open(path)
    x = images()
    winner = by_numpy(x, weight, bias).argmax(1)
    assert torch.equal(provider.predict(x), torch.nn.functional.one_hot(winner, 3).float())


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_a_fixed_batch_is_filled_up_and_cut(
    linear_model: LinearModel, numbers: Numbers, batch: int, n: int
) -> None:
    weight, bias = numbers(3, 48), numbers(3)
    provider = OnnxProvider.open(linear_model(weight, bias, shape=(batch, 3, 4, 4)))
    assert (provider.fixed_batch, provider.max_batch) == (batch, batch)
    x = images(n)
    assert torch.allclose(provider.predict(x), by_numpy(x, weight, bias), atol=1e-5)


def test_grey_channels_last_and_whole_numbers_are_read_from_the_file(
    linear_model: LinearModel, numbers: Numbers
) -> None:
    weight, bias = numbers(2, 16) / 255, numbers(2)
    path = linear_model(weight, bias, shape=(None, 4, 4, 1), number=TensorProto.UINT8, nhwc=True)
    provider = OnnxProvider.open(path)
    form = provider.preprocessing
    assert form is not None
    assert (form.channels, form.layout, form.dtype, form.range) == (1, "nhwc", "uint8", "0..255")
    x = torch.rand(3, 1, 4, 4)
    rounded = (x * 255).round().reshape(3, -1).numpy()
    expected = torch.from_numpy(rounded @ weight.T + bias)
    assert torch.allclose(provider.predict(x), expected, atol=1e-4)


@pytest.mark.parametrize("number", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_half_and_double_precision_answer_in_the_type_of_the_input(
    linear_model: LinearModel, numbers: Numbers, number: int
) -> None:
    weight, bias = numbers(2, 48) / 8, numbers(2)
    provider = OnnxProvider.open(linear_model(weight, bias, number=number))
    x = images()
    answer = provider.predict(x)
    assert answer.dtype == torch.float32
    assert torch.allclose(answer, by_numpy(x, weight, bias), atol=2e-2)
    assert provider.predict(x.double()).dtype == torch.float64


def test_images_of_another_size_are_brought_to_the_models(
    linear_model: LinearModel, numbers: Numbers
) -> None:
    provider = OnnxProvider.open(linear_model(numbers(2, 48), numbers(2)))
    assert provider.predict(images(size=11)).shape == (5, 2)


def test_images_of_another_size_are_refused_where_resizing_is_off(
    linear_model: LinearModel, numbers: Numbers
) -> None:
    path = linear_model(numbers(2, 48), numbers(2))
    path.with_suffix(".toml").write_text('[input]\nresize = "none"')
    with pytest.raises(ShapeError, match="takes images of 4 x 4 pixels, got 11 x 11"):
        OnnxProvider.open(path).predict(images(size=11))


def test_a_model_of_any_size_is_tried_at_a_usual_one(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        ],
        "mean",
        [helper.make_tensor_value_info("x", 1, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("mean", 1, ["n", 3, 1, 1])],
    )
    path = saved(tmp_path, graph)
    provider = OnnxProvider.open(path)
    x = images(size=9)
    assert provider.preprocessing is not None
    assert provider.preprocessing.size is None
    assert torch.allclose(provider.predict(x), x.mean((2, 3)), atol=1e-6)


def test_a_table_goes_in_as_it_comes(linear_model: LinearModel, numbers: Numbers) -> None:
    weight, bias = numbers(3, 7), numbers(3)
    provider = OnnxProvider.open(linear_model(weight, bias, shape=("n", 7)))
    x = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    assert provider.preprocessing is None
    assert torch.allclose(provider.predict(x), by_numpy(x, weight, bias), atol=1e-5)


def saved(folder: Path, graph: onnx.GraphProto, *, ml: bool = False) -> Path:
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])
    path = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def two_outputs(folder: Path) -> Path:
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "w"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["prob"]),
        ],
        "two",
        [helper.make_tensor_value_info("x", 1, ["n", 3, 2, 2])],
        [helper.make_tensor_value_info(o, 1, ["n", 2]) for o in ("logits", "prob")],
        [numpy_helper.from_array(np.ones((12, 2), np.float32), "w")],
    )
    return saved(folder, graph)


def test_of_several_outputs_the_sidecar_names_one(tmp_path: Path) -> None:
    path = two_outputs(tmp_path)
    with pytest.raises(ModelFileError, match=r"has 2 outputs \(logits tensor\(float\), prob .*output = "):
        OnnxProvider.open(path)
    path.with_suffix(".toml").write_text('output = "prob"')
    assert OnnxProvider.open(path).scores is ScoreKind.PROBABILITIES
    path.with_suffix(".toml").write_text('output = "probs"')
    with pytest.raises(ModelFileError, match=r"has no output 'probs'. It has: logits"):
        OnnxProvider.open(path)


def sklearn_like(folder: Path, *, words: bool) -> Path:
    """A label output beside a ZipMap, as skl2onnx writes a classifier."""
    classes: dict[str, Any] = (
        {"classlabels_strings": ["no", "yes"]} if words else {"classlabels_ints": [0, 1]}
    )
    zipped: dict[str, Any] = (
        {"classlabels_strings": ["no", "yes"]} if words else {"classlabels_int64s": [0, 1]}
    )
    graph = helper.make_graph(
        [
            helper.make_node(
                "LinearClassifier",
                ["x"],
                ["label", "raw"],
                domain="ai.onnx.ml",
                coefficients=[-1.0, 0.0, 1.0, 0.0],
                intercepts=[0.0, 0.0],
                post_transform="SOFTMAX",
                **classes,
            ),
            helper.make_node("ZipMap", ["raw"], ["probabilities"], domain="ai.onnx.ml", **zipped),
        ],
        "sklearn",
        [helper.make_tensor_value_info("x", 1, ["n", 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING if words else TensorProto.INT64, ["n"]),
            helper.make_value_info(
                "probabilities",
                helper.make_sequence_type_proto(
                    helper.make_map_type_proto(
                        TensorProto.STRING if words else TensorProto.INT64,
                        helper.make_tensor_type_proto(TensorProto.FLOAT, []),
                    )
                ),
            ),
        ],
    )
    return saved(folder, graph, ml=True)


@pytest.mark.parametrize("words", [False, True])
def test_the_maps_of_scikit_learn_are_read(tmp_path: Path, words: bool) -> None:
    provider = OnnxProvider.open(sklearn_like(tmp_path, words=words))
    x = torch.tensor([[1.0, 5.0], [-2.0, 0.0]])
    p = torch.sigmoid(2 * x[:, 0])
    assert provider.scores is ScoreKind.PROBABILITIES
    assert torch.allclose(provider.predict(x), torch.stack([1 - p, p], dim=1), atol=1e-6)


def test_maps_follow_the_order_of_the_labels(tmp_path: Path) -> None:
    path = sklearn_like(tmp_path, words=True)
    path.with_suffix(".toml").write_text('labels = ["yes", "no"]')
    assert OnnxProvider.open(path).predict(torch.tensor([[3.0, 0.0]]))[0].argmax() == 0


def test_label_words_are_found_among_the_labels(tmp_path: Path) -> None:
    path = sklearn_like(tmp_path, words=True)
    path.with_suffix(".toml").write_text('output = "label"')
    assert OnnxProvider.open(path).labels == ("no", "yes")  # as the graph lists them
    path.with_suffix(".toml").write_text('output = "label"\nlabels = ["yes", "no"]')
    provider = OnnxProvider.open(path)
    assert provider.scores is ScoreKind.LABELS
    assert provider.predict(torch.tensor([[3.0, 0.0], [-3.0, 0.0]])).tolist() == [[1.0, 0.0], [0.0, 1.0]]
    path.with_suffix(".toml").write_text('output = "label"\nlabels = ["oui", "non"]')
    with pytest.raises(ProviderError, match="answered 'yes', expected one of the labels 'oui', 'non'"):
        OnnxProvider.open(path)


def test_labels_of_the_metadata_are_a_hint_and_no_more(linear_model: LinearModel, numbers: Numbers) -> None:
    path = linear_model(numbers(2, 48), numbers(2), metadata={"names": "{0: 'cat', 1: 'dog'}"})
    provider = OnnxProvider.open(path)
    assert provider.labels == ("0", "1")
    assert "mention the names cat, dog: a hint, not used" in provider.note


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[input]\nsize = 5", "takes images of height 4, but model.toml says 5"),
        ("[input]\nchannels = 1", "takes images of channels 3, but model.toml says 1"),
        ('[input]\ndtype = "uint8"', "takes float32, but model.toml says uint8"),
    ],
)
def test_a_sidecar_that_contradicts_the_file_is_refused(
    linear_model: LinearModel, numbers: Numbers, text: str, says: str
) -> None:
    path = linear_model(numbers(2, 48), numbers(2))
    path.with_suffix(".toml").write_text(text)
    with pytest.raises(ModelFileError, match=says):
        OnnxProvider.open(path)


def test_four_channels_are_refused(linear_model: LinearModel, numbers: Numbers) -> None:
    with pytest.raises(ModelFileError, match="takes 4 channels"):
        OnnxProvider.open(linear_model(numbers(2, 64), numbers(2), shape=("n", 4, 4, 4)))


def test_a_gpu_that_onnxruntime_cannot_use_is_refused(linear_model: LinearModel, numbers: Numbers) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime can use a GPU")
    path = linear_model(numbers(2, 48), numbers(2))
    with pytest.raises(ConfigError, match="pip install onnxruntime-gpu"):
        OnnxProvider.open(path, device="cuda")
    with pytest.raises(ConfigError, match="must be 'cpu', 'cuda' or 'cuda:N', got 'gpu'"):
        OnnxProvider.open(path, device="gpu")


def test_nan_is_passed_on_in_its_row_alone(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Log", ["mean"], ["scores"]),
        ],
        "log",
        [helper.make_tensor_value_info("x", 1, ["n", 3, 2, 2])],
        [helper.make_tensor_value_info("scores", 1, ["n", 3])],
    )
    provider = OnnxProvider.open(saved(tmp_path, graph))
    x = torch.ones(3, 3, 2, 2)
    x[1] = -1.0
    assert torch.isfinite(provider.predict(x)).all(1).tolist() == [True, False, True]


def test_the_fingerprint_follows_file_and_preprocessing(linear_model: LinearModel, numbers: Numbers) -> None:
    first = linear_model(numbers(2, 48), numbers(2), name="a.onnx")
    same = linear_model(numbers(2, 48), numbers(2), name="b.onnx")
    other = linear_model(numbers(2, 48, seed=5), numbers(2), name="c.onnx")
    prints = [OnnxProvider.open(path).fingerprint for path in (first, same, other)]
    assert prints[0] == prints[1] != prints[2]
    first.with_suffix(".toml").write_text('[input]\nrange = "-1..1"')
    assert OnnxProvider.open(first).fingerprint != prints[0]


def test_an_empty_batch_is_refused(linear_model: LinearModel, numbers: Numbers) -> None:
    provider = OnnxProvider.open(linear_model(numbers(2, 48), numbers(2)))
    with pytest.raises(ShapeError, match="batch of 0 rows"):
        provider.predict(torch.zeros(0, 3, 4, 4))


@pytest.mark.parametrize(
    ("declared", "assumed"),
    [
        ("", True),
        ("size = 4", True),
        ('range = "0..1"', False),
        ('range = "-1..1"', False),
        ("mean = 0.5", False),
        ("std = [0.2, 0.2, 0.2]", False),
    ],
)
def test_a_range_that_nobody_declared_is_reported_as_assumed(
    linear_model: LinearModel, numbers: Numbers, declared: str, assumed: bool
) -> None:
    path = linear_model(numbers(2, 48), numbers(2))
    path.with_suffix(".toml").write_text(f"[input]\n{declared}\n")
    note = OnnxProvider.open(path).note
    assert ("Its range of pixels is assumed, not declared: they are given on 0..1" in note) == assumed
    assert (f'Say range = "0..1" under [input] in {path.with_suffix(".toml")}' in note) == assumed
    assert ("mean = [0.485, 0.456, 0.406] and std = [0.229, 0.224, 0.225]" in note) == assumed
