"""F09 and F37 to F48: providers that answer badly, late or not at all, as the rest of the house sees them."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import (
    BudgetExhausted,
    CfsearchError,
    ConfigError,
    DeadlineError,
    ModelFileError,
    NonFiniteError,
    ProviderError,
)
from cfsearch.providers.budget import CountingProvider
from cfsearch.providers.cache import CachedProvider
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.handshake import handshake
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.opening import open_provider
from cfsearch.providers.torch_module import TorchProvider
from cfsearch.providers.votes import VotingProvider
from tests.nursery import forked

SHAPE = (3, 4, 4)


def saved(folder: Path, *nodes: onnx.NodeProto, sidecar: str = "") -> Path:
    """A model x (n, 3, 4, 4) -> scores (n, 3) from nodes; "w" (48, 3) and "nan" are there."""
    graph = helper.make_graph(
        nodes,
        "faulty",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
        [
            numpy_helper.from_array(np.linspace(-1, 1, 144, dtype=np.float32).reshape(48, 3), "w"),
            numpy_helper.from_array(np.array([np.nan], np.float32), "nan"),
            numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
        ],
    )
    path = folder / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    path.with_suffix(".toml").write_text(sidecar)
    return path


def dense(output: str = "scores") -> tuple[onnx.NodeProto, onnx.NodeProto]:
    return (
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], [output]),
    )


def test_f09_a_model_that_asks_for_terabytes_is_out_of_memory(tmp_path: Path) -> None:
    size = numpy_helper.from_array(np.array([1_000_000, 1_000_000], np.int64), "size")  # 4 TB of floats
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["zero"], keepdims=0),
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Add", ["mean", "zero"], ["scores"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", SHAPE[0]])],
        [size],
    )
    path = tmp_path / "large.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    with pytest.raises(ProviderError, match="out of memory") as caught:
        OnnxProvider.open(path)  # asks it once
    assert (caught.value.code, caught.value.exit_code) == ("out_of_memory", 3)


def test_f37_nan_in_one_row_leaves_the_others_alone(tmp_path: Path) -> None:
    made = saved(
        tmp_path,
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Sqrt", ["mean"], ["scores"]),
    )
    provider = CachedProvider(OnnxProvider.open(made))
    x = torch.full((4, *SHAPE), 0.25)
    x[2] = -1.0
    for _ in range(2):
        scores = provider.predict(x)
        assert torch.isfinite(scores).all(1).tolist() == [True, True, False, True]
        assert scores[0].tolist() == [0.5, 0.5, 0.5]


def test_f38_an_all_nan_model_is_refused_in_the_handshake(tmp_path: Path) -> None:
    made = saved(tmp_path, *dense("d"), helper.make_node("Add", ["d", "nan"], ["scores"]))
    with pytest.raises(NonFiniteError, match="answered NaN or infinity to all of 8") as caught:
        handshake(open_provider(str(made)), SHAPE)
    assert caught.value.exit_code == 3


def test_f39_logits_declared_as_probabilities_are_refused(tmp_path: Path) -> None:
    made = saved(tmp_path, *dense(), sidecar='scores = "probabilities"')
    with pytest.raises(ConfigError, match='say scores = "logits"') as caught:
        handshake(open_provider(str(made)), SHAPE)
    assert caught.value.exit_code == 2


def test_f43_a_constant_model_is_reported(tmp_path: Path) -> None:
    made = saved(tmp_path, *dense("d"), helper.make_node("Mul", ["d", "zero"], ["scores"]))
    assert "the model's output never changed" in handshake(open_provider(str(made)), SHAPE).warnings[0]


def test_f44_noise_inside_the_model_is_measured(tmp_path: Path) -> None:
    made = saved(
        tmp_path,
        *dense("d"),
        helper.make_node("RandomNormalLike", ["d"], ["noise"], scale=0.01),
        helper.make_node("Add", ["d", "noise"], ["scores"]),
    )
    seen = handshake(open_provider(str(made)), SHAPE)
    assert not seen.repeatable
    assert 0.005 < seen.eps_repeat < 0.1


def test_f45_a_model_that_normalises_over_the_batch_is_reported(tmp_path: Path) -> None:
    made = saved(
        tmp_path,
        *dense("d"),
        helper.make_node("ReduceMean", ["d"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["d", "mean"], ["scores"]),
    )
    seen = handshake(open_provider(str(made)), SHAPE)
    assert seen.batch_dependent
    assert seen.repeatable


def test_f47_a_program_is_not_held_up_by_a_call_that_hangs(tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text("import time\ndef predict(rows):\n    time.sleep(3600)\n")
    code = (
        "from cfsearch.providers.opening import open_provider\n"
        "from cfsearch.errors import DeadlineError\n"
        "try:\n    open_provider('hanging:predict', deadline_s=0.2)\n"
        "except DeadlineError as error:\n    print(error); raise SystemExit(error.exit_code)\n"
    )
    done = forked(code, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "")
    assert "did not answer 4 inputs within 0.2 s" in done.stdout


def test_f47_a_late_answer_is_not_mistaken_for_the_next_one() -> None:
    release, started = threading.Event(), threading.Event()

    def first_is_late(rows: Any) -> Any:
        if not started.is_set():
            started.set()
            release.wait(60)
            return np.full((len(rows), 2), 99.0)
        return np.zeros((len(rows), 2))

    provider = CallableProvider(first_is_late, labels=("a", "b"), scores=ScoreKind.LOGITS, deadline_s=0.2)
    with pytest.raises(DeadlineError):
        provider.predict(torch.zeros(1, *SHAPE))
    release.set()
    end = time.monotonic() + 30
    while True:  # until the late call has ended
        try:
            answer = provider.predict(torch.zeros(2, *SHAPE))
        except DeadlineError:
            assert time.monotonic() < end
        else:
            break
    assert answer.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_f48_a_budget_ends_a_search_without_a_query_too_many() -> None:
    asked = 0

    def count(rows: Any) -> Any:
        nonlocal asked
        asked += len(rows)
        return np.zeros(len(rows), dtype=int)

    judge = CallableProvider(count, labels=("a", "b"), scores=ScoreKind.LABELS, max_batch=2)
    provider = VotingProvider(CountingProvider(judge, 50), votes=8)

    def search() -> None:
        for _ in range(100):
            provider.predict(torch.rand(3, *SHAPE))

    with pytest.raises(BudgetExhausted) as caught:
        search()
    assert caught.value.exit_code == 0
    assert asked <= 50


@pytest.mark.parametrize("shape", [(3,), (48,), (2, 3, 4, 4, 4)], ids=str)
def test_inputs_that_are_no_images_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    provider = open_provider(str(saved(tmp_path, *dense())))
    with pytest.raises(CfsearchError, match="expected images of shape"):
        provider.predict(torch.zeros(2, *shape))


def test_a_model_that_fails_at_run_time_is_named_without_cpp_paths(tmp_path: Path) -> None:
    made = saved(
        tmp_path,
        helper.make_node("Constant", [], ["shape"], value_ints=[-1, 7]),
        helper.make_node("Reshape", ["x", "shape"], ["scores"]),
    )
    with pytest.raises((ProviderError, ModelFileError)) as caught:
        open_provider(str(made))
    text = str(caught.value)
    assert "\n" not in text
    assert not any(trace in text for trace in (".cc", "onnxruntime::"))
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (SystemExit(0), r"called sys\.exit\(0\)"),
        (GeneratorExit(), "raised GeneratorExit, which ends a program"),
        (asyncio.CancelledError(), "raised CancelledError, which ends a program"),
    ],
    ids=["exit", "generator", "cancelled"],
)
def test_a_model_that_raises_what_ends_a_program_has_crashed(raised: BaseException, says: str) -> None:
    def ends(x: np.ndarray) -> np.ndarray:
        raise raised

    class Ends(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise raised

    for provider in (
        CallableProvider(ends, labels=("a", "b"), scores=ScoreKind.LOGITS),
        TorchProvider(Ends(), labels=("a", "b"), scores=ScoreKind.LOGITS),
    ):
        with pytest.raises(CfsearchError, match=says) as caught:
            provider.predict(torch.zeros(1, *SHAPE))
        assert (caught.value.code, caught.value.exit_code) == ("provider_crashed", 3)


def test_an_interrupt_inside_a_model_is_the_users() -> None:
    def interrupted(x: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CallableProvider(interrupted, labels=("a", "b"), scores=ScoreKind.LOGITS).predict(
            torch.zeros(1, *SHAPE)
        )
