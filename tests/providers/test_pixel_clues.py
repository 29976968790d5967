"""Clues to the pixels that a model takes: each against a network whose training pictures are known."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from cfsearch.contracts.provider import ScoreKind
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.handshake import handshake
from cfsearch.providers.onnx import OnnxProvider
from cfsearch.providers.pixel_clues import IMAGENET_MEAN, IMAGENET_STD, affine_clue, answers_clue, stem_clue
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.probes import known_inputs
from cfsearch.providers.torch_module import TorchProvider

MEAN, STD = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
TINT = torch.tensor([1.0, 0.92, 0.84])[:, None, None]
FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "0..1": lambda x: x,
    "imagenet": lambda x: (x - MEAN) / STD,
    "0..255": lambda x: x * 255,
    "blue first": lambda x: x.flip(1) * 255,
}


def trained(form: str) -> nn.Sequential:
    """A convolution and a batch normalisation that saw pictures in one form; red is their brightest channel."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 24, 3), nn.BatchNorm2d(24, momentum=None), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(24, 3),
    )  # fmt: skip
    with torch.no_grad():
        for seed in range(6):
            net(FORMS[form](known_inputs((3, 32, 32), n=16, seed=seed) * TINT))
    return net.eval()


def opened(net: nn.Module, preprocessing: Preprocessing) -> TorchProvider:
    return TorchProvider(
        net, labels=("a", "b", "c"), scores=ScoreKind.LOGITS, preprocessing=preprocessing, name="net"
    )


def warning(net: nn.Module, **settings: object) -> str:
    taken = Preprocessing(size=(32, 32), **settings)  # type: ignore[arg-type]  # by name
    return " ".join(handshake(opened(net, taken), (3, 32, 32)).warnings)


def test_the_mean_of_the_training_pictures_is_solved_for_exactly() -> None:
    rng = np.random.default_rng(0)
    weight = torch.from_numpy(rng.normal(size=(16, 3, 5, 5)))
    bias = torch.from_numpy(rng.normal(size=16))
    smooth, rough = weight.sum((1, 2, 3)).square(), weight.square().sum((1, 2, 3))
    for mean, deviation, form, turned in (
        ((0.5, 0.45, 0.4), 0.3, "0..1", False),
        ((0.13, 0.13, 0.13), 0.3, "0..1", False),  # dark pictures
        ((104.0, 117.0, 124.0), 60.0, "0..255", True),
    ):
        means = weight.sum((2, 3)) @ torch.tensor(mean).double() + bias
        variance = deviation**2 * (0.9 * smooth + 0.1 * rough)
        clue = stem_clue(weight, bias, mean=means, variance=variance)
        assert clue is not None and clue.range == form and clue.reversed is turned and clue.known
        assert f"a deviation of about {deviation:.2g}" in clue.because


def test_bright_normalised_pictures_are_distinguished_from_those_in_0_to_1() -> None:
    weight = torch.randn(16, 3, 5, 5, generator=torch.Generator().manual_seed(2)).double()
    means = weight.sum((2, 3)) @ torch.tensor([0.5, 0.5, 0.5]).double()
    smooth = weight.sum((1, 2, 3)).square()
    normalised = stem_clue(weight, None, mean=means, variance=smooth)
    assert normalised is not None and not normalised.known and normalised.mean == IMAGENET_MEAN
    unit = stem_clue(weight, None, mean=means, variance=0.06 * smooth)
    assert unit is not None and unit.known and not unit.mean
    assert stem_clue(weight, None, mean=means, variance=0.3 * smooth) is None  # between the two


def test_statistics_that_fit_no_mean_say_nothing() -> None:
    rng = torch.Generator().manual_seed(1)
    weight = torch.randn(16, 3, 3, 3, generator=rng)
    one = torch.ones(16)
    assert stem_clue(weight, None, mean=40 * torch.randn(16, generator=rng), variance=one) is None
    assert stem_clue(weight, None, mean=torch.zeros(16), variance=one) is None  # never trained
    assert stem_clue(weight[:5], None, mean=one[:5], variance=one[:5]) is None  # too few filters
    assert stem_clue(torch.ones(16, 3, 3, 3), None, mean=one, variance=one) is None  # of no rank
    assert stem_clue(weight, None, mean=one * torch.inf, variance=one) is None


@pytest.mark.parametrize(
    ("form", "given", "line"),
    [
        ("imagenet", {}, "mean = [0.485, 0.456, 0.406] and std = [0.229, 0.224, 0.225]"),
        ("0..255", {}, 'range = "0..255"'),
        ("0..1", {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}, 'range = "0..1" and no mean and std'),
    ],
)
def test_a_network_says_what_it_was_trained_on(form: str, given: dict[str, object], line: str) -> None:
    said = warning(trained(form), **given)
    assert f"If so, write {line}" in said and "the statistics behind its first layer" in said
    assert "blue" not in said


@pytest.mark.parametrize(
    ("form", "given"),
    [
        ("0..1", {}),
        ("imagenet", {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}),
        ("imagenet", {"range": "-1..1"}),
        ("0..255", {"range": "0..255"}),
    ],
)
def test_a_network_that_gets_what_it_was_trained_on_is_not_doubted(
    form: str, given: dict[str, object]
) -> None:
    assert "probably wants" not in warning(trained(form), **given)


def test_blue_green_red_is_noticed_also_where_the_range_is_right() -> None:
    said = warning(trained("blue first"), range="0..255")
    assert "seems to want its channels as blue, green, red" in said and "probably" not in said
    assert "Its channels seem to come as blue, green, red" in warning(trained("blue first"))


def test_torchvision_says_something_only_where_nothing_is_declared() -> None:
    from torchvision.models import squeezenet1_1

    net = squeezenet1_1(num_classes=3).eval()  # without a batch normalisation
    settings = {
        "labels": ("a", "b", "c"),
        "scores": ScoreKind.LOGITS,
        "preprocessing": Preprocessing(size=(32, 32)),
    }
    assumed = TorchProvider(net, **settings, assumed=True)  # type: ignore[arg-type]  # by name
    assert "torchvision's SqueezeNet" in assumed.pixel_clues[0].because
    assert TorchProvider(net, **settings).pixel_clues == ()  # type: ignore[arg-type]  # by name


def test_a_configuration_like_timms_is_read() -> None:
    net = trained("0..1")
    net.pretrained_cfg = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}  # type: ignore[assignment]  # as timm does
    assert "write mean = [0.5, 0.5, 0.5] and std = [0.5, 0.5, 0.5]" in warning(net)


@pytest.mark.parametrize(
    ("zero", "factor", "found"),
    [
        ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), ("0..1", False)),
        ((123.7, 116.8, 103.9), (1.0, 1.0, 1.0), ("0..255", False)),
        ((103.9, 116.8, 123.7), (1.0, 1.0, 1.0), ("0..255", True)),
        ((127.5,), (127.5,), ("0..255", False)),
        ((0.0,), (255.0,), ("0..255", False)),
        ((0.0,), (2.0,), None),
        ((-3.0,), (2.0,), None),
    ],
)
def test_the_first_arithmetic_is_read(
    zero: tuple[float, ...], factor: tuple[float, ...], found: tuple[str, bool] | None
) -> None:
    scale = 1 / torch.tensor(factor).double()
    clue = affine_clue(scale, -torch.tensor(zero).double() * scale)
    assert (None if clue is None else (clue.range, clue.reversed)) == found


def graph(path: Path, *nodes: onnx.NodeProto, **constants: np.ndarray) -> Path:
    """Those nodes from ``x`` to ``y``, then the mean of the picture, as a logit."""
    constants |= {"weight": np.array([[0.0, 1.0]] * 3)}
    end = [
        helper.make_node("GlobalAveragePool", ["y"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
    ]
    made = helper.make_graph(
        [*nodes, *end],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    path.with_suffix(".toml").write_text('labels = ["a", "b"]\nscores = "logits"\n')
    return path


def test_a_graph_that_divides_by_255_takes_0_to_255(tmp_path: Path) -> None:
    node = helper.make_node("Mul", ["x", "k"], ["y"])
    model = OnnxProvider.open(graph(tmp_path / "m.onnx", node, k=np.array([1 / 255])))
    assert 'write range = "0..255"' in " ".join(handshake(model, (3, 16, 16)).warnings)


def test_a_graph_that_normalises_itself_must_not_be_given_normalised_pixels(tmp_path: Path) -> None:
    mean, std = (np.array(v).reshape(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    nodes = (
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Sub", ["same", "mean"], ["less"]),
        helper.make_node("Div", ["less", "std"], ["y"]),
    )
    path = graph(tmp_path / "m.onnx", *nodes, mean=mean, std=std)
    assert handshake(OnnxProvider.open(path), (3, 16, 16)).warnings == ()
    lines = f"mean = {list(IMAGENET_MEAN)}\nstd = {list(IMAGENET_STD)}\n"
    path.with_suffix(".toml").write_text(f'labels = ["a", "b"]\nscores = "logits"\n[input]\n{lines}')
    assert "and no mean and std" in " ".join(handshake(OnnxProvider.open(path), (3, 16, 16)).warnings)


def test_a_batch_normalisation_that_was_not_folded_is_read(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(12, 3, 3, 3))
    one = np.ones(12)
    nodes = (
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "one", "one", "m", "v"], ["b"]),
        helper.make_node("Conv", ["b", "back"], ["y"]),
    )
    constants = {"w": weight, "one": one, "m": weight.sum((2, 3)) @ [118.0, 114.0, 110.0], "v": 9 * one}
    path = graph(tmp_path / "m.onnx", *nodes, **constants, back=np.ones((3, 12, 1, 1)))
    assert "a mean of 118, 114, 110" in " ".join(handshake(OnnxProvider.open(path), (3, 16, 16)).warnings)


def curve(slope: float, at: float) -> Callable[[np.ndarray], np.ndarray]:
    def predict(rows: np.ndarray) -> np.ndarray:
        p = 1 / (1 + np.exp(-slope * (rows.mean((1, 2, 3)) - at)))
        return np.stack([1 - p, p], 1)

    return predict


@pytest.mark.parametrize(("at", "slope", "line"), [(127.0, 0.05, 'range = "0..255"'), (0.0, 1.0, "")])
def test_answers_that_are_all_alike_are_compared_on_other_ranges(at: float, slope: float, line: str) -> None:
    model = CallableProvider(
        curve(slope, at), labels=("a", "b"), scores=ScoreKind.PROBABILITIES, preprocessing=Preprocessing()
    )
    seen = handshake(model, (3, 16, 16))
    said = " ".join(seen.warnings)
    assert (line in said and "all but the same" in said) if line else said == ""
    assert seen.queries == 4 * 8 + 32 + (3 * 8 if line else 0)


def test_a_model_that_is_constant_everywhere_gives_no_clue() -> None:
    x = known_inputs((3, 16, 16), n=8)
    flat = torch.tensor([[0.9, 0.1]]).expand(8, 2)
    assert answers_clue(lambda changed: flat, x, p=flat) is None
