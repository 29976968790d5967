"""TorchScript and torch.export programs as people save them, and networks that return more than scores."""

import hashlib
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ModelFileError, ProviderError
from cfsearch.providers.opening import open_provider
from cfsearch.providers.torch_module import TorchProvider

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own remarks on what it will drop


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(x))
        return scores


class Dropping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(48, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.dropout(self.layer(x.flatten(1)), 0.5, train=True)


def images(n: int = 5) -> Tensor:
    return torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(2))


def opened(path: Path, *, size: bool = True) -> Provider:
    form = "[input]\nsize = 4\nrange = '0..1'\n" if size else "[input]\nrange = '0..1'\n"
    path.with_suffix(".toml").write_text(f'labels = ["a", "b", "c"]\nscores = "logits"\n{form}')
    return open_provider(path, trust_model=f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")


def export(
    module: nn.Module, path: Path, *, n: int = 2, free: bool = True, dtype: torch.dtype = torch.float32
) -> Path:
    shapes = ({0: torch.export.Dim("n", min=1, max=512)},) if free else None
    torch.export.save(
        torch.export.export(module, (torch.rand(n, 3, 4, 4, dtype=dtype),), dynamic_shapes=shapes), path
    )
    return path


def test_a_program_that_was_exported_in_training_is_set_to_evaluation(tmp_path: Path) -> None:
    model = opened(export(Net().train(), tmp_path / "m.pt2"))
    assert torch.allclose(model.predict(images()), Net().eval()(images()), atol=1e-5)
    assert "exported in training; its batch normalisation and dropout were set to evaluation" in model.note
    assert opened(export(Net().eval(), tmp_path / "e.pt2")).note == ""


@pytest.mark.parametrize("n", [1, 3])
def test_a_fixed_batch_is_filled_and_cut(tmp_path: Path, n: int) -> None:
    model = opened(export(Net().eval(), tmp_path / "m.pt2", n=n, free=False))
    assert torch.allclose(model.predict(images(7)), Net().eval()(images(7)), atol=1e-5)


def test_an_exported_program_states_the_size_of_its_pictures(tmp_path: Path) -> None:
    model = opened(export(Net().eval(), tmp_path / "m.pt2"), size=False)
    assert isinstance(model, TorchProvider)
    assert model.preprocessing is not None and model.preprocessing.size == (4, 4)
    assert model.predict(torch.rand(2, 3, 9, 9)).shape == (2, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("form", ["export", "script", "frozen", "live"])
def test_numbers_reach_a_network_in_the_type_that_it_computes_in(
    tmp_path: Path, dtype: torch.dtype, form: str
) -> None:
    network = Net().eval().to(dtype)
    model: Provider
    if form == "export":
        model = opened(export(network, tmp_path / "m.pt2", dtype=dtype))
    elif form in ("script", "frozen"):
        scripted = torch.jit.script(network)
        torch.jit.save(torch.jit.freeze(scripted) if form == "frozen" else scripted, str(tmp_path / "m.pt"))
        model = opened(tmp_path / "m.pt")
    else:
        model = TorchProvider.inferred(
            network, labels=("a", "b", "c"), scores=ScoreKind.LOGITS, where="the call", probe=images()
        )
    answer = model.predict(images())
    assert answer.dtype == torch.float32
    assert torch.allclose(
        answer, network(images().to(dtype)).float(), atol=2e-2 if dtype != torch.float64 else 1e-6
    )
    short = dtype is not torch.float64
    assert (f"computes in {str(dtype).removeprefix('torch.')}" in model.note) is short


def test_a_trace_in_training_is_refused_where_batches_decide_and_noted_where_dropout_does(
    tmp_path: Path,
) -> None:
    torch.jit.save(torch.jit.trace(Net().train(), images(), check_trace=False), tmp_path / "m.pt")  # type: ignore[no-untyped-call]  # untyped
    with pytest.raises(ModelFileError, match="traced in training: its batch normalisation .*Call model.eval"):
        opened(tmp_path / "m.pt")
    torch.jit.save(torch.jit.trace(Dropping(), images(), check_trace=False), tmp_path / "d.pt")  # type: ignore[no-untyped-call]  # untyped
    assert "its dropout is always at work" in opened(tmp_path / "d.pt").note
    torch.jit.save(torch.jit.script(Net().train()), str(tmp_path / "s.pt"))
    scripted = opened(tmp_path / "s.pt")  # training was a switch there, and is off
    assert torch.allclose(scripted.predict(images()), Net().eval()(images()), atol=1e-5)
    assert scripted.note == ""


class Masked(Net):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]  # of two inputs on purpose
        return super().forward(x * mask)


def test_a_program_of_two_inputs_is_refused_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Masked().eval(), (images(), torch.ones(1))), path)
    with pytest.raises(ModelFileError, match=r"is a program of 2 inputs \(x, mask\), expected one"):
        opened(path)


@dataclass
class Answer:
    logits: Tensor
    hidden: Tensor


Pair = namedtuple("Pair", ["scores", "image"])


class Shaped(nn.Module):
    """The scores of a Net in another form of answer."""

    def __init__(self, form: Any) -> None:  # Any: a lambda
        super().__init__()
        self.net, self.form = Net(), form

    def forward(self, x: Tensor) -> Any:  # Any: whatever people return
        return self.form(self.net(x), x)


FORMS: dict[str, Any] = {  # Any: functions of scores and inputs
    "dict": (lambda s, x: {"loss": s.sum(), "logits": s}, "'logits' was read as the scores"),
    "object": (lambda s, x: Answer(s, x.flatten(1)), "'logits' was read as the scores"),
    "tuple with a picture": (lambda s, x: (s, x), "'0' was read as the scores"),
    "named tuple": (Pair, "'scores' was read as the scores"),
    "list of one": (lambda s, x: [s], None),
}


def inferred(network: nn.Module, *, output: str | None = None) -> TorchProvider:
    return TorchProvider.inferred(
        network,
        labels=("a", "b", "c"),
        scores=ScoreKind.LOGITS,
        where="m.toml",
        name="net",
        probe=images(),
        output=output,
    )


@pytest.mark.parametrize("form", FORMS)
def test_scores_are_found_among_several_outputs_with_a_note(form: str) -> None:
    shape, note = FORMS[form]
    model = inferred(Shaped(shape))
    assert torch.allclose(model.predict(images()), Net().eval()(images()), atol=1e-6)
    assert note in model.note if note else model.note == ""


def test_of_outputs_alike_one_must_be_named() -> None:
    two = Shaped(lambda s, x: (s, -s))
    with pytest.raises(
        ProviderError, match=r'got tuple \(0 \(5, 3\), 1 \(5, 3\)\). Name .*output = "0", in the sidecar'
    ):
        inferred(two)
    assert torch.allclose(inferred(two, output="1").predict(images()), -Net().eval()(images()), atol=1e-6)
    with pytest.raises(
        ProviderError, match=r"has no output '2'; it returns 0 \(5, 3\), 1 \(5, 3\). Correct `output`"
    ):
        inferred(two, output="2")
    with pytest.raises(
        ProviderError, match="must return one tensor of scores, got str. Return the scores alone"
    ):
        inferred(Shaped(lambda s, x: "a"))


def test_an_output_of_a_file_is_named_in_its_sidecar(tmp_path: Path) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.net(x), -self.net(x)

    path = export(Two().eval(), tmp_path / "m.pt2")
    sidecar = 'labels = ["a", "b", "c"]\nscores = "logits"\noutput = "1"\n[input]\nsize = 4\nrange = "0..1"\n'
    path.with_suffix(".toml").write_text(sidecar)
    model = open_provider(path, trust_model=f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}")
    assert torch.allclose(model.predict(images()), -Net().eval()(images()), atol=1e-5)


def test_a_network_that_takes_one_input_at_a_time_is_queried_so_from_the_first() -> None:
    class One(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(1, -1)[:, :3]

    model = TorchProvider.inferred(
        One(), labels=("a", "b", "c"), scores=None, where="m.toml", probe=images(), max_batch=1
    )
    assert torch.equal(model.predict(images()), images().flatten(1)[:, :3])


def test_what_a_script_raises_is_shown_by_its_cause(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(7, 3))), str(tmp_path / "m.pt"))
    with pytest.raises(
        ProviderError, match=r"RuntimeError: .*mat1 and mat2 shapes cannot be multiplied"
    ) as caught:
        opened(tmp_path / "m.pt").predict(images())
    assert "Traceback" not in str(caught.value) and len(str(caught.value)) < 200
