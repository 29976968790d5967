"""What a model's own code raises, through each provider that calls it."""

import asyncio
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import DeadlineError, ModelMemoryError, ProviderCrashedError, ProviderError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.foreign import foreign_code
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.providers.torch_module import TorchProvider

Raise = Callable[[], None]


class Fault:
    """Does nothing until it is told what to raise."""

    error: BaseException | None = None

    def __call__(self, x: object) -> object:
        if self.error is not None:
            raise self.error
        return x


class Network(torch.nn.Module):
    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault = [fault]

    def __deepcopy__(self, memo: object) -> "Network":
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.fault[0](x)
        return torch.stack([x.sum(1), -x.sum(1)], 1)


def function(fault: Fault) -> Provider:
    def predict(rows: np.ndarray) -> np.ndarray:
        fault(rows)
        return np.stack([rows.sum(1), -rows.sum(1)], 1)

    return CallableProvider(predict, labels=("a", "b"), scores=ScoreKind.LOGITS, name="m")


def network(fault: Fault) -> Provider:
    return TorchProvider(Network(fault), labels=("a", "b"), scores=ScoreKind.LOGITS, name="m")


def estimator(fault: Fault) -> Provider:
    rows = np.arange(12.0).reshape(6, 2)
    model = make_pipeline(FunctionTransformer(fault), LogisticRegression()).fit(rows, [0, 1] * 3)
    columns = tuple(Column(name=n, kind=ColumnKind.REAL, low=0.0, high=12.0) for n in ("p", "q"))
    return SklearnProvider(model, schema=TableSchema(columns=columns), name="m")


@pytest.mark.parametrize("made", [function, network, estimator], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("error", "expected", "shown"),
    [
        (ValueError("no  such\nlevel."), ProviderError, "ValueError: no such level."),
        (KeyError("x"), ProviderError, "KeyError: 'x'."),
        (MemoryError(), ModelMemoryError, "out of memory for 2 inputs at once. Lower `max_batch`."),
        (RuntimeError("CUDA out of memory. Tried"), ModelMemoryError, "out of memory for 2 inputs at once."),
        (RuntimeError("can't allocate memory: you"), ModelMemoryError, "out of memory for 2 inputs at once."),
        (SystemExit(3), ProviderCrashedError, "called sys.exit(3)."),
        (GeneratorExit(), ProviderCrashedError, "raised GeneratorExit, which ends a program"),
        (asyncio.CancelledError(), ProviderCrashedError, "raised CancelledError, which ends a program"),
        (DeadlineError("served: too late."), DeadlineError, "served: too late."),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, BaseException) else None,
)
def test_every_error_names_the_model(
    made: Callable[[Fault], Provider], error: BaseException, expected: type[Exception], shown: str
) -> None:
    fault = Fault()
    model = made(fault)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert model.predict(x).shape == (2, 2)
    fault.error = error
    with pytest.raises(expected) as caught:
        model.predict(x)
    assert type(caught.value) is expected and shown in str(caught.value)
    assert caught.value is error or str(caught.value).startswith("m: ")


@pytest.mark.parametrize("made", [function, network, estimator], ids=lambda f: f.__name__)
def test_an_interruption_by_the_user_is_none_of_the_model(made: Callable[[Fault], Provider]) -> None:
    fault = Fault()
    model = made(fault)
    fault.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        model.predict(torch.zeros(2, 2))


def test_a_long_message_is_cut() -> None:
    with pytest.raises(ProviderError) as caught, foreign_code("m", part="the function", given="2 rows", n=2):
        raise ValueError("x" * 1000)
    assert str(caught.value) == f"m: the function failed on 2 rows: ValueError: {'x' * 240}."


class Asserting(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert x.shape[1] == 3, "three columns are expected,\nand no others"
        return x


class Raising(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] != 3:
            raise ValueError("three\nwanted")
        return x


def scripted(module: torch.nn.Module) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has deprecated it; people's files go on
        made: torch.nn.Module = torch.jit.script(module)
    return made


def traced(module: torch.nn.Module) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made: torch.nn.Module = torch.jit.trace(module, torch.zeros(2, 3))  # type: ignore[no-untyped-call]  # untyped
    return made


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        (lambda: scripted(Asserting()), "AssertionError: three columns are expected, and no others."),
        (lambda: scripted(Raising()), "ValueError: three wanted."),
        (lambda: scripted(torch.nn.Linear(3, 2)), "shapes cannot be multiplied (2x4 and 3x2)."),
        (lambda: traced(torch.nn.Linear(3, 2)), "shapes cannot be multiplied (2x4 and 3x2)."),
    ],
    ids=["assert", "raise", "operation", "traced"],
)
def test_the_cause_is_what_is_shown_of_a_torchscript_program(
    program: Callable[[], torch.nn.Module], shown: str
) -> None:
    network = program()
    with pytest.raises(ProviderError) as caught, foreign_code("m", part="the network", given="2 rows", n=2):
        network(torch.zeros(2, 4))
    text = str(caught.value)
    assert text.endswith(shown) and "TorchScript" not in text and "return" not in text
