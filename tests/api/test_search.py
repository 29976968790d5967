"""``cfsearch.search``: the same fronts as the command line, from whatever a program holds."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper
from PIL import Image
from torch import Tensor, nn

import cfsearch
from cfsearch import Fronts, ParetoFront, ScoreKind
from cfsearch.cli import main
from cfsearch.errors import ConfigError, DataError, ModelFileError, PluginError
from cfsearch.objectives import Adversarial, Intensity
from cfsearch.providers import CallableProvider
from cfsearch.solvers import RandomSearch

FAST: Any = {"evaluations": 120, "population": 20}
FLAGS = ("--evaluations", 120, "--population", 20)
MODULE = """
import numpy as np

def dark(x):
    return 1 / (1 + np.exp(30 * (x.mean((1, 2, 3)) - 0.5)))

def approve(frame):
    return 1 / (1 + np.exp(-(frame["income"] - 40000) / 5000 - (frame["job"] == "cook")))

def brightness(candidates):
    return candidates.x.flatten(2).mean(-1)
"""


def dark(x: Any) -> Any:
    return 1 / (1 + np.exp(30 * (x.mean((1, 2, 3)) - 0.5)))


def grey(value: float = 0.55) -> Image.Image:
    rng = np.random.default_rng(3)
    pixels = (value * 255 + rng.integers(-20, 20, (12, 12, 3))).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def applicants() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 70, 60),
            "income": rng.normal(36000, 6000, 60).round(1),
            "job": rng.choice(["clerk", "cook"], 60),
        }
    )


def console(*words: object) -> None:
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # Any: a module written here
    (tmp_path / "door_models.py").write_text(MODULE)
    (tmp_path / "model.toml").write_text('labels = ["no", "yes"]\nscores = "probabilities"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "door_models", raising=False)
    return importlib.import_module("door_models")


def test_a_picture_gives_the_front_of_the_command_line(module: Any, tmp_path: Path) -> None:
    grey().save(tmp_path / "0.png")
    console(
        "search", tmp_path / "0.png", "--model", f"{module.__name__}:dark", "--sidecar", tmp_path / "model.toml",
        "--generator", "pixels:grid=4", "--solver", "smpso", "--seed", 5,
        "--objective", "adversarial", "--objective", f"{module.__name__}:brightness", "--objective", "intensity:norm=l1",
        "--save", tmp_path / "line.front", *FLAGS,
    )  # fmt: skip
    [front] = cfsearch.search(
        module.dark,
        grey(),
        labels=["no", "yes"],
        scores="probabilities",
        generator="pixels:grid=4",
        solver="smpso",
        seed=5,
        objectives=[Adversarial, module.brightness, Intensity(norm="l1")],
        **FAST,
    )
    assert front.found
    assert front.objectives == ("adversarial", "brightness", "intensity")
    assert front.to_bytes() == (tmp_path / "line.front").read_bytes()


def test_rows_of_which_nothing_may_change_are_refused_with_a_way_out(module: Any) -> None:
    table = applicants()
    settings: dict[str, Any] = {
        "rows": [17], "labels": ["no", "yes"], "scores": "probabilities", "target": "no", **FAST
    }  # fmt: skip
    with pytest.raises(ConfigError, match="no column may change: 'age', .* must not change.*--immutable"):
        cfsearch.search(module.approve, table, immutable=list(table.columns), **settings)
    same = table.iloc[[17] * 30]
    with pytest.raises(ConfigError, match="can only stay, by the schema.*give --reference or --schema"):
        cfsearch.search(module.approve, same, **settings)


def test_a_row_gives_the_front_of_the_command_line(module: Any, tmp_path: Path) -> None:
    table = applicants()
    table.to_csv(tmp_path / "applicants.csv", index=False)
    console(
        "search", f"{module.__name__}:approve", "--sidecar", tmp_path / "model.toml", "--data", tmp_path / "applicants.csv",
        "--row", 17, "--target", "no", "--immutable", "age", "--seed", 2,
        "--save", tmp_path / "line.front", *FLAGS,
    )  # fmt: skip
    [front] = cfsearch.search(
        module.approve, table, rows=[17], labels=["no", "yes"], scores="probabilities", target="no",
        immutable=["age"], seed=2, **FAST,
    )  # fmt: skip
    assert front.found
    assert front.name == "row 17"
    assert front.to_bytes() == (tmp_path / "line.front").read_bytes()


def test_settings_reach_the_search() -> None:
    [front] = cfsearch.search(dark, grey(), labels=["no", "yes"], evaluations=60, population=20, capacity=3)
    assert front.evaluations == 60
    assert len(front) <= 3
    seen: list[int] = []
    cfsearch.search(
        dark,
        grey(),
        labels=["no", "yes"],
        watch=lambda p: seen.append(p.generations),
        evaluations=60,
        population=20,
    )
    assert seen == [3, 3, 3]


@pytest.mark.parametrize(
    "x",
    [
        np.asarray(grey()),
        np.asarray(grey()) / 255.0,
        np.asarray(grey()).transpose(2, 0, 1).astype(np.float32) / 255.0,
        torch.from_numpy(np.asarray(grey()).copy()).permute(2, 0, 1) / 255.0,
        [grey()],
        (torch.from_numpy(np.asarray(grey()).copy()).permute(2, 0, 1)[None] / 255.0).double(),
    ],
    ids=["hwc uint8", "hwc float", "chw float", "tensor", "list", "batch"],
)
def test_every_form_of_a_picture_gives_the_same_front(x: object) -> None:
    known: Any = {"labels": ["no", "yes"], "scores": "probabilities", **FAST}
    [first], [other] = cfsearch.search(dark, grey(), **known), cfsearch.search(dark, x, **known)
    assert other.to_bytes() == first.to_bytes()


def test_several_pictures_and_a_folder(tmp_path: Path) -> None:
    pictures = [grey(0.55), grey(0.6), grey(0.3)]
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, picture in enumerate(pictures):
        picture.save(folder / f"{i}.png")
    known: Any = {"labels": ["no", "yes"], "scores": "probabilities", "target": "yes", **FAST}
    fronts = cfsearch.search(dark, pictures, **known)
    assert [front.name for front in fronts] == ["0.png", "1.png", "2.png"]
    assert [front.reason.code for front in fronts][2] == "already_target"
    again = cfsearch.search(dark, str(folder), **known)
    assert [front.digest for front in again] == [front.digest for front in fronts]
    listed = cfsearch.search(dark, sorted(folder.iterdir()), **known)
    assert [front.digest for front in listed] == [front.digest for front in fronts]


@pytest.mark.parametrize(
    ("scale", "shift", "words"),
    [
        (255.0, 0.0, r"Write x / 255\."),
        (4.0, -2.0, r"look normalised: .*mean=\(\.\.\.\)"),
        (1e5, 0.0, "Write x / "),
    ],
)
def test_pictures_outside_their_range_are_refused_with_the_line_to_change(
    scale: float, shift: float, words: str
) -> None:
    x = torch.linspace(0.01, 1, 3 * 64).reshape(3, 8, 8) * scale + shift
    with pytest.raises(DataError, match=words):
        cfsearch.search(dark, x, labels=["no", "yes"])


class Shapes(nn.Module):
    """Takes grey pictures of one size."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(28 * 28, 3)
        nn.init.normal_(self.head.weight, std=0.2, generator=torch.Generator().manual_seed(0))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (1, 28, 28):
            raise ValueError(f"expected (1, 28, 28), got {tuple(x.shape[1:])}")
        answer: Tensor = self.head(x.flatten(1))
        return answer


def test_a_torch_module_in_memory_is_queried_in_the_form_that_it_takes() -> None:
    net = Shapes()
    fronts = cfsearch.search(net, grey(), **FAST)
    assert fronts[0].labels == ("0", "1", "2")
    notes = " ".join(fronts.notes)
    assert "Shapes is given grey pictures of 28 x 28 pixels" in notes
    assert "taken for logits" in notes
    declared = cfsearch.search(net, grey(), size=28, channels=1, labels=list("abc"), scores="logits", **FAST)
    assert torch.equal(declared[0].z, fronts[0].z)
    assert declared[0].labels == ("a", "b", "c")
    shifted = cfsearch.search(net, grey(), size=28, channels=1, mean=0.5, std=[0.25], **FAST)
    x = torch.from_numpy(np.asarray(grey()).copy()).permute(2, 0, 1)[None] / 255.0
    form = cfsearch.Preprocessing(size=(28, 28), channels=1, mean=(0.5,), std=(0.25,))
    expected = net(form.apply(x))[0].detach()
    assert torch.allclose(shifted[0].original_scores, expected, atol=1e-5)


def test_what_cannot_be_inferred_is_requested_in_one_sentence() -> None:
    def picky(x: Any) -> Any:
        raise ValueError("no")

    with pytest.raises(ConfigError, match=r"Say what it takes: size=\(height, width\).*ValueError: no"):
        cfsearch.search(picky, grey())
    with pytest.raises(ModelFileError, match="2 labels|labels"):
        cfsearch.search(Shapes(), grey(), labels=["a", "b"], size=28, channels=1)
    with pytest.raises(ConfigError, match="scores: expected 'logits', 'probabilities', 'labels', got 'soft'"):
        cfsearch.search(dark, grey(), scores="soft")
    with pytest.raises(ConfigError, match="unknown setting 'evaluation'. Did you mean 'evaluations'"):
        cfsearch.search(dark, grey(), evaluation=3)  # type: ignore[call-arg]  # the mistake that is tested
    with pytest.raises(ConfigError, match="expected a torch module, a function or a cfsearch.Provider"):
        cfsearch.search(3, grey())
    with pytest.raises(ConfigError, match="give it, or `size`, not both"):
        cfsearch.search(dark, grey(), size=8, preprocessing=cfsearch.Preprocessing())


def test_a_provider_a_generator_and_a_solver_as_objects() -> None:
    provider = CallableProvider(dark, labels=("no", "yes"), scores=ScoreKind.PROBABILITIES, name="dark")
    from cfsearch.generators import Pixels

    generator = Pixels(size=(12, 12), grid=3)
    [front] = cfsearch.search(
        provider, grey(), generator=generator, solver=RandomSearch(population=20), **FAST
    )
    assert front.origins == ("random",) * len(front)
    assert len(front.variables) == 9
    [named] = cfsearch.search(provider, grey(), generator="pixels:grid=3", solver="random", **FAST)
    assert torch.equal(named.z, front.z)


def _onnx() -> bytes:
    node = helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2, 3], keepdims=0)
    graph = helper.make_graph(
        [
            node,
            helper.make_node("Sub", ["half", "m"], ["d"]),
            helper.make_node("Mul", ["d", "gain"], ["g"]),
            helper.make_node("Sigmoid", ["g"], ["p"]),
            helper.make_node("Unsqueeze", ["p"], ["y"], axes=[1]),
        ],
        "mean",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [
            helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
            helper.make_tensor("gain", TensorProto.FLOAT, [], [30.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()  # type: ignore[no-untyped-call]  # protobuf has no types
    return content


def test_an_onnx_model_as_path_bytes_and_session(tmp_path: Path) -> None:
    content = _onnx()
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    known: Any = {"labels": ["light", "dark"], **FAST}
    [file] = cfsearch.search(path, grey(), **known)
    assert file.labels == ("light", "dark")
    assert file.found
    for model in (
        str(path),
        content,
        onnxruntime.InferenceSession(content),
        onnxruntime.InferenceSession(path),
    ):
        [front] = cfsearch.search(model, grey(), **known)
        assert front.to_bytes() == file.to_bytes()


def test_a_pipeline_takes_its_own_columns_of_a_data_frame() -> None:
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = applicants()
    wanted = np.where(table["income"] > 36000, "yes", "no")
    columns = make_column_transformer((OneHotEncoder(), ["job"]), (StandardScaler(), ["income"]))
    pipeline = make_pipeline(columns, LogisticRegression()).fit(table[["income", "job"]], wanted)
    fronts = cfsearch.search(pipeline, table.assign(yes=wanted), rows=[3, 5], **FAST)
    assert [front.name for front in fronts] == ["row 3", "row 5"]
    assert set(fronts[0].variables) == {"income", "job"}
    assert fronts[0].labels == ("no", "yes")
    [one] = cfsearch.search(pipeline, table.iloc[3], reference=table, **FAST)
    assert one.origin_values.tolist()[0] == pytest.approx(table["income"].iloc[3])
    with pytest.raises(ConfigError, match="one row does not say what its columns may become"):
        cfsearch.search(pipeline, table.iloc[3])
    with pytest.raises(DataError, match="stand in another order than the model's classes, no, yes"):
        cfsearch.search(pipeline, table, rows=[1], labels=["yes", "no"])


def test_a_matrix_of_numbers_is_a_table() -> None:
    from sklearn.tree import DecisionTreeClassifier

    x = np.random.default_rng(1).normal(size=(40, 3)).round(3)
    tree = DecisionTreeClassifier(random_state=0).fit(x, x[:, 0] > 0)
    [front] = cfsearch.search(tree, x, rows=[0], **FAST)
    assert front.variables == ("x0", "x1", "x2")
    assert front.found


@pytest.fixture(scope="module")
def fronts() -> Fronts:
    return cfsearch.search(
        dark,
        [grey(0.55), grey(0.6)],
        labels=["no", "yes"],
        scores="probabilities",
        generator="pixels:grid=2",
        **FAST,
    )


class TestFronts:
    def test_it_is_a_list_that_shows_one_line_a_front(self, fronts: Fronts) -> None:
        assert isinstance(fronts, list)
        lines = repr(fronts).splitlines()
        assert lines[0].split() == ["input", "was", "becomes", "verified", "closest", "change"]
        assert len(lines) == 3
        closest = fronts[0].pick("closest")
        assert closest is not None
        assert lines[1].startswith("0.png  no   yes      ")
        assert fronts[0].words(closest)[0] in lines[1]
        assert f"{int(fronts[0].verified.sum())} of {len(fronts[0])}" in lines[1]

    def test_a_slice_is_one_too(self, fronts: Fronts) -> None:
        part = fronts[1:]
        assert isinstance(part, Fronts)
        assert len(part) == 1
        assert isinstance(part[0], ParetoFront)
        assert fronts.found == [front for front in fronts if front.found]

    def test_its_html_holds_the_same_cells_escaped(self, fronts: Fronts) -> None:
        html = fronts._repr_html_()
        assert html.count("<tr>") == 3
        assert "<td>1.png</td><td>no</td><td>yes</td>" in html
        failed = Fronts([], failures={"<b>": DataError("a & b")})._repr_html_()
        assert "&lt;b&gt; failed: a &amp; b" in failed

    def test_its_frame_has_one_row_a_member(self, fronts: Fronts) -> None:
        frame = fronts.to_frame()
        assert len(frame) == sum(len(front) for front in fronts)
        assert list(frame["name"].unique()) == ["0.png", "1.png"]


def test_a_failing_input_is_kept_beside_the_others() -> None:
    fronts = cfsearch.search(
        dark,
        [np.full((4, 6), 0.5), grey(), grey()],
        labels=["no", "yes"],
        generator="pixels:size=[12, 12]",
        **FAST,
    )
    assert len(fronts) + len(fronts.failures) == 3


def test_an_objective_without_a_name_is_refused() -> None:
    with pytest.raises(PluginError, match="expected a function with a name"):
        cfsearch.search(dark, grey(), labels=["no", "yes"], objectives=["adversarial", lambda c: c.z.sum(-1)])


def test_no_pictures_are_refused() -> None:
    empty: Sequence[object] = []
    with pytest.raises(DataError, match="expected one at least"):
        cfsearch.search(dark, empty)
