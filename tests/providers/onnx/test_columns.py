"""ONNX models with one input a column: numpy's answers, how inputs find columns, every refusal.

The model is ``logit = (pay - 3000) / 500 + (hours - 40) / 4 + bonus of the job + grade / 10 - home``
over inputs of five types; it answers with its label and a map of probabilities, as skl2onnx writes it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cfsearch.cli import main
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, Missing, TableSchema
from cfsearch.errors import CapabilityError, ConfigError, DataError, ModelFileError
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.onnx.columns import ColumnInputs, ColumnProvider
from cfsearch.providers.onnx.inputs import graph_inputs
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.probes import kind_of
from cfsearch.providers.tabular_opening import columns_taken, open_tabular

BONUS = {"clerk": 0.0, "cook": -1.0, "pilot": 2.0, "?": 0.5}
PAY = Column(name="pay (EUR)", kind=ColumnKind.REAL, low=0.0, high=9000.0)
JOB = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=tuple(BONUS), missing=Missing.LEVEL)
HOURS = Column(name="hours-per-week", kind=ColumnKind.INTEGER, low=0, high=80)
GRADE = Column(name="grade", kind=ColumnKind.ORDINAL, levels=("10", "20", "40"))
HOME = Column(name="home", kind=ColumnKind.CATEGORICAL, levels=("False", "True"))
SCHEMA = TableSchema(columns=(JOB, PAY, HOME, HOURS, GRADE))
INPUTS = {
    "pay__EUR_": TensorProto.FLOAT,
    "hours_per_week": TensorProto.INT64,
    "job": TensorProto.STRING,
    "grade": TensorProto.DOUBLE,
    "home": TensorProto.BOOL,
}
"""In another order than the schema's."""
LOOKED_UP = {
    "job": BONUS,
    "grade": {"10": 10.0, "20": 20.0, "40": 40.0},
    "hours_per_week": {f"{v:03d}": float(v) for v in (30, 36, 40, 44, 50)},
}
"""What texts are turned to; every other one to 99."""
X = torch.tensor(
    [
        [0.0, 2500.0, 0.0, 36.0, 0.0],
        [1.0, 4200.5, 1.0, 40.0, 1.0],
        [2.0, 1800.0, 1.0, 50.0, 2.0],
        [3.0, 3100.0, 0.0, 30.0, 1.0],
        [2.0, 3900.0, 0.0, 44.0, 0.0],
    ],
    dtype=torch.float64,
)


def truth(x: torch.Tensor) -> NDArray[np.float64]:
    """The probabilities of (refuse, approve), written down apart from the graph."""
    job, pay, home, hours, grade = x.numpy().T
    bonus = np.array(list(BONUS.values()))[job.astype(int)]
    marks = np.array([10.0, 20.0, 40.0])[grade.astype(int)]
    p = 1 / (1 + np.exp(-((pay - 3000) / 500 + (hours - 40) / 4 + bonus + marks / 10 - home)))
    return np.stack([1 - p, p], axis=1)


def graph_of(
    path: Path,
    *,
    ends: str = "map",
    flat: bool = False,
    rows: int | str = "n",
    rename: dict[str, str] | None = None,
    types: dict[str, int] | None = None,
    shapes: dict[str, Sequence[int | str]] | None = None,
    classes: tuple[str, str] = ("refuse", "approve"),
) -> Path:
    """The model as a file; ``ends`` with a map, a tensor beside a looked-up label, or bare logits."""
    name = {key: (rename or {}).get(key, key) for key in INPUTS}
    kinds = INPUTS | (types or {})
    shape: Sequence[int | str] = [rows] if flat else [rows, 1]
    inputs = [
        helper.make_tensor_value_info(name[key], kinds[key], (shapes or {}).get(key, shape)) for key in INPUTS
    ]
    # one that has a value already need not be given
    inputs.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, [5, 2]))
    nodes = []
    for key in INPUTS:
        source = name[key]
        if kinds[key] == TensorProto.STRING:
            words, values = list(LOOKED_UP[key]), list(LOOKED_UP[key].values())
            nodes.append(
                helper.make_node(
                    "LabelEncoder",
                    [source],
                    [f"{key}_code"],
                    domain="ai.onnx.ml",
                    keys_strings=words,
                    values_floats=values,
                    default_float=99.0,
                )
            )
            source = f"{key}_code"
        nodes += [
            helper.make_node("Cast", [source], [f"{key}_cast"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", [f"{key}_cast", "column"], [f"{key}_ready"]),
        ]
    nodes += [
        helper.make_node("Concat", [f"{key}_ready" for key in INPUTS], ["row"], axis=1),
        helper.make_node("Gemm", ["row", "weight", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
        helper.make_node("ArgMax", ["p"], ["best"], axis=1, keepdims=0),
        helper.make_node("ArrayFeatureExtractor", ["classes", "best"], ["picked"], domain="ai.onnx.ml"),
        helper.make_node("Reshape", ["picked", "list"], ["label"]),
    ]
    label = helper.make_tensor_value_info("label", TensorProto.STRING, [None])
    outputs: list[Any] = [label, helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 2])]
    if ends == "logits":
        nodes, outputs = nodes[:-4], [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 2])]
    if ends in ("label", "words"):
        outputs = [label]
    if ends == "words":  # which the graph makes in a way that names no classes
        turned: dict[str, Any] = {"keys_strings": classes, "values_strings": classes, "default_string": ""}
        nodes[-1] = helper.make_node("LabelEncoder", ["picked"], ["label"], domain="ai.onnx.ml", **turned)
    if ends == "map":
        nodes.append(
            helper.make_node("ZipMap", ["p"], ["maps"], domain="ai.onnx.ml", classlabels_strings=classes)
        )
        one = helper.make_map_type_proto(
            TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        )
        outputs = [label, helper.make_value_info("maps", helper.make_sequence_type_proto(one))]
    slope = np.array([1 / 500, 1 / 4, 1.0, 0.1, -1.0], dtype=np.float32)
    kept = [
        numpy_helper.from_array(np.stack([np.zeros(5, np.float32), slope], axis=1), "weight"),
        numpy_helper.from_array(np.array([0.0, -16.0], np.float32), "bias"),
        numpy_helper.from_array(np.array([-1, 1]), "column"),
        numpy_helper.from_array(np.array([-1]), "list"),
        numpy_helper.from_array(np.array(classes, dtype=object), "classes"),
    ]
    graph = helper.make_graph(nodes, "columns", inputs, outputs, kept)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def opened(path: Path, schema: TableSchema = SCHEMA, **settings: Any) -> ColumnProvider:
    model = open_tabular(str(path), schema=schema, probes=X, threads=1, **settings)
    assert isinstance(model, ColumnProvider)
    return model


def changed(column: str, **settings: Any) -> TableSchema:
    """The schema with one column set otherwise."""
    return replace(
        SCHEMA, columns=tuple(replace(c, **settings) if c.name == column else c for c in SCHEMA.columns)
    )


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("ends", ["map", "tensor", "logits", "label"])
def test_it_answers_what_numpy_answers(tmp_path: Path, ends: str, flat: bool) -> None:
    path = graph_of(tmp_path / "m.onnx", ends=ends, flat=flat)
    if ends == "logits":
        path.with_suffix(".toml").write_text('labels = ["refuse", "approve"]\nscores = "logits"\n')
    model = opened(path, max_batch=2)
    assert model.labels == ("refuse", "approve")
    answer = model.predict(X)
    assert answer.dtype == torch.float64
    if ends == "logits":
        assert model.scores is ScoreKind.LOGITS
        answer = answer.softmax(dim=1)
    expected = truth(X)
    if ends == "label":
        assert model.scores is ScoreKind.LABELS
        expected = np.eye(2)[expected.argmax(axis=1)]
    assert np.abs(answer.numpy() - expected).max() < 1e-5
    assert np.abs(model.predict(X.flip(0)).flip(0).numpy() - model.predict(X).numpy()).max() == 0.0


def test_text_inputs_get_levels_as_they_stand_there(tmp_path: Path) -> None:
    path = graph_of(tmp_path / "m.onnx", types={"grade": TensorProto.STRING})
    assert np.abs(opened(path).predict(X).numpy() - truth(X)).max() < 1e-5


def test_levels_that_are_numbers_go_in_as_whole_numbers_and_missing_as_nan(tmp_path: Path) -> None:
    path = graph_of(tmp_path / "m.onnx", types={"grade": TensorProto.INT32})
    assert np.abs(opened(path).predict(X).numpy() - truth(X)).max() < 1e-5
    gone = changed("grade", levels=("10", "20", "?"), missing=Missing.LEVEL)
    answer = opened(graph_of(tmp_path / "f.onnx"), gone).predict(X)
    missing = X[:, 4] == 2
    assert bool(answer[missing].isnan().all())
    assert np.abs((answer.numpy() - truth(X))[~missing.numpy()]).max() < 1e-5
    with pytest.raises(ConfigError, match=r"takes whole numbers \(tensor\(int32\)\), but '\?' is a level"):
        opened(path, gone)


def test_a_fixed_number_of_rows_is_filled_up(tmp_path: Path) -> None:
    model = opened(graph_of(tmp_path / "m.onnx", ends="tensor", rows=3))
    assert model.max_batch == 3
    assert np.abs(model.predict(X).numpy() - truth(X)).max() < 1e-5


def test_the_sidecar_still_says_it(tmp_path: Path) -> None:
    path = graph_of(tmp_path / "m.onnx", ends="map")
    side = tmp_path / "said.toml"
    side.write_text(
        'name = "bank"\nlabels = ["approve", "refuse"]\nscores = "probabilities"\nmax_batch = 2\n'
    )
    model = opened(path, sidecar=side)
    assert (model.name, model.labels, model.max_batch, model.note) == ("bank", ("approve", "refuse"), 2, "")
    # the maps say which number is whose, whatever the order of the labels
    assert np.abs(model.predict(X).numpy() - truth(X)[:, ::-1]).max() < 1e-5
    side.write_text('output = "label"\n')
    assert opened(path, sidecar=side).scores is ScoreKind.LABELS


def test_it_gives_no_gradients_and_says_so(tmp_path: Path) -> None:
    model = opened(graph_of(tmp_path / "m.onnx"))
    assert not model.white_box
    with pytest.raises(CapabilityError, match="Distil it into a network"):
        model.network(model.encoding.apply(X))


def test_the_fingerprint_knows_the_file_and_the_columns(tmp_path: Path) -> None:
    path = graph_of(tmp_path / "m.onnx")
    turned = replace(SCHEMA, columns=SCHEMA.columns[::-1])
    other = graph_of(tmp_path / "other.onnx", classes=("no", "yes"))
    prints = [
        opened(path).fingerprint,
        open_tabular(str(path), schema=turned, probes=X.flip(1)).fingerprint,
        opened(path, changed("grade", levels=("10", "20", "41"))).fingerprint,
        opened(other).fingerprint,
    ]
    path.with_suffix(".toml").write_text('labels = ["approve", "refuse"]\n')  # the order of a map's columns
    prints.append(opened(path).fingerprint)
    path.with_suffix(".toml").unlink()
    assert len(set(prints)) == 5
    assert opened(path).fingerprint == prints[0]


def test_words_that_the_graph_does_not_list(tmp_path: Path) -> None:
    path = graph_of(tmp_path / "m.onnx", ends="words")
    with pytest.raises(ModelFileError, match="answers in words; give `labels` in its sidecar"):
        opened(path)
    path.with_suffix(".toml").write_text('labels = ["refuse", "approve"]\n')
    assert opened(path).predict(X).argmax(dim=1).tolist() == truth(X).argmax(axis=1).tolist()


def test_numbered_classes_are_no_names(tmp_path: Path) -> None:
    model = opened(graph_of(tmp_path / "m.onnx", classes=("0", "1")))
    assert model.labels == ("0", "1")
    assert "have no names" in model.note


class TestNames:
    def test_the_columns_taken_are_named_as_in_the_table(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx")
        table = tmp_path / "a.csv"
        table.write_text("id,job,pay (EUR),home,hours-per-week,grade,ok\na,cook,1,True,2,10,no\n")
        named = ("pay (EUR)", "hours-per-week", "job", "grade", "home")
        assert columns_taken(str(path), table=table) == named
        assert columns_taken(str(path)) == tuple(INPUTS)

    def test_a_name_that_is_open_is_left_to_the_schema(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx")
        table = tmp_path / "a.csv"
        table.write_text("hours-per-week,hours per week\n1,2\n")
        assert columns_taken(str(path), table=table) is None

    def test_an_exact_name_comes_first(self, tmp_path: Path) -> None:
        twin = replace(HOURS, name="hours_per_week")
        path = graph_of(tmp_path / "m.onnx")
        said = TableSchema(columns=(JOB, PAY, HOME, twin, GRADE))
        assert np.abs(opened(path, said).predict(X).numpy() - truth(X)).max() < 1e-5
        both = TableSchema(columns=(*said.columns, HOURS))
        with pytest.raises(
            ConfigError, match=r"'hours-per-week' of the table is none of them\. List it under"
        ):
            open_tabular(str(path), schema=both, probes=torch.cat([X, X[:, 3:4]], dim=1))

    def test_a_name_that_begins_with_a_digit(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx", rename={"grade": "_1st_grade"})
        said = changed("grade", name="1st grade")
        assert np.abs(opened(path, said).predict(X).numpy() - truth(X)).max() < 1e-5

    def test_two_columns_for_one_input(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx")
        both = TableSchema(columns=(*SCHEMA.columns, replace(HOURS, name="hours per week")))
        with pytest.raises(ConfigError, match="may be any of the columns 'hours-per-week', 'hours per week'"):
            open_tabular(str(path), schema=both, probes=torch.cat([X, X[:, 3:4]], dim=1))

    def test_an_input_without_a_column(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx", rename={"grade": "grades"})
        with pytest.raises(ConfigError, match=r"takes the input 'grades', which is no column.*mean 'grade'"):
            opened(path)


def test_codes_of_digits_go_to_an_input_of_text_with_their_zeros(tmp_path: Path) -> None:
    path = graph_of(tmp_path / "m.onnx", types={"hours_per_week": TensorProto.STRING})
    schema = changed("hours-per-week", digits=3)
    model = opened(path, schema)
    assert np.abs(model.predict(X).numpy() - truth(X)).max() < 1e-5
    read = pd.DataFrame(
        {
            "job": [list(BONUS)[int(i)] for i in X[:, 0]],
            "pay (EUR)": X[:, 1].numpy(),
            "home": X[:, 2].numpy() == 1.0,
            "hours-per-week": X[:, 3].numpy().astype(int),
            "grade": np.array([10, 20, 40])[X[:, 4].numpy().astype(int)],
        }
    )
    answer = model.predict_frame(read)
    assert answer is not None
    assert np.abs(answer.numpy() - truth(X)).max() < 1e-5


class TestRefused:
    @pytest.mark.parametrize(
        ("types", "schema", "said"),
        [
            (
                {"hours_per_week": TensorProto.STRING},
                SCHEMA,
                "takes text, but the column 'hours-per-week' is of",
            ),
            (
                {"job": TensorProto.FLOAT},
                SCHEMA,
                r"takes numbers \(tensor\(float\)\), but 'clerk' is a level",
            ),
            (
                {"grade": TensorProto.BOOL},
                SCHEMA,
                r"takes true or false \(tensor\(bool\)\), but '10' is a level",
            ),
            (
                {"pay__EUR_": TensorProto.INT64},
                SCHEMA,
                r"takes whole numbers .*but the column 'pay \(EUR\)' is real",
            ),
            ({"hours_per_week": TensorProto.BOOL}, SCHEMA, "takes true or false .*goes from 0 to 80"),
            (
                {"grade": TensorProto.INT64},
                changed("grade", levels=("10", "20", "40.5")),
                r"takes whole numbers .*but '40\.5' is a level",
            ),
        ],
        ids=["text", "numbers", "truth", "whole", "truth of numbers", "whole levels"],
    )
    def test_a_type_that_does_not_fit(
        self, tmp_path: Path, types: dict[str, int], schema: TableSchema, said: str
    ) -> None:
        with pytest.raises(ConfigError, match=said):
            opened(graph_of(tmp_path / "m.onnx", types=types), schema)

    def test_a_type_that_no_column_has(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx", types={"hours_per_week": TensorProto.UINT8})
        with pytest.raises(
            ModelFileError, match=r"'hours_per_week' is of type tensor\(uint8\), expected one of"
        ):
            opened(path)

    def test_an_input_of_several_numbers(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx", shapes={"grade": ["n", 4]})
        with pytest.raises(ModelFileError, match=r"'grade' has shape \['n', 4\], expected \(n, 1\) or \(n\)"):
            opened(path)

    def test_inputs_of_different_lengths(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx", rows=3)
        [first, *rest] = graph_inputs(onnx.load(path))
        assert [entry.shape for entry in rest] == [(3, 1)] * 4
        with pytest.raises(ModelFileError, match=r"different numbers of rows at once \(3, 4\)"):
            ColumnInputs.of(path, [replace(first, shape=(4, 1)), *rest], schema=SCHEMA)

    def test_an_encoding_beside_it(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx")
        path.with_suffix(".toml").write_text('[encoding]\ncolumns = [{name = "job"}]\n')
        said = r"\[encoding\]: 'm\.onnx' takes its columns as 5 inputs by name.*Take \[encoding\] out"
        with pytest.raises(ConfigError, match=said):
            opened(path)
        with pytest.raises(ConfigError, match=said):
            columns_taken(str(path))

    def test_without_a_table(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx")
        with pytest.raises(ModelFileError, match=r"takes one input a column .*Give one: --data TABLE\.csv"):
            OnnxProvider.open(path)

    def test_numbers_beyond_the_type_are_not_wrapped(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "m.onnx", types={"hours_per_week": TensorProto.INT32})
        far = X[:1].clone()
        far[0, 3] = 3e9
        with pytest.raises(
            DataError, match=r"column 'hours-per-week': the model takes -2147483648 to 2147483647"
        ):
            opened(path).predict(far)

    @pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL])
    def test_whole_numbers_have_no_missing_one(self, tmp_path: Path, kind: int) -> None:
        path = graph_of(tmp_path / "m.onnx", types={"hours_per_week": kind})
        low, high = (0, 1) if kind == TensorProto.BOOL else (0, 80)
        with pytest.raises(DataError, match=r"'hours_per_week' takes no missing numbers .* missing = 'drop'"):
            opened(path, changed("hours-per-week", missing=Missing.KEEP, low=low, high=high))

    def test_a_missing_number_is_refused_where_floats_come_in(self, tmp_path: Path) -> None:
        model = opened(graph_of(tmp_path / "m.onnx"))
        frame = model.given(X[:2]).astype({"hours-per-week": "float64"})
        assert model.predict_frame(frame) is not None
        frame.loc[1, "hours-per-week"] = np.nan
        with pytest.raises(DataError, match="column 'hours-per-week': .* got a missing number"):
            model.predict_frame(frame)


class TestCommandLine:
    """A table with more columns than the model takes, and no schema beside it."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> Callable[..., Result]:
        graph_of(tmp_path / "credit.onnx")
        lines = ["id,job,pay (EUR),home,hours-per-week,age,grade,decision"]
        for i, row in enumerate([*X.tolist(), *(X + torch.tensor([0, 75.5, 0, 3, 0])).tolist()]):
            job, pay, home, hours, grade = row
            cells = [JOB.levels[int(job)], f"{pay:.2f}", HOME.levels[int(home)], f"{hours:.0f}", str(20 + i)]
            cells = ["" if cell == "?" else cell for cell in cells]
            lines.append(f"a{i},{','.join(cells)},{GRADE.levels[int(grade)]},{('approve', 'refuse')[i % 2]}")
        (tmp_path / "applicants.csv").write_text("\n".join(lines) + "\n")

        def call(command: str, *words: object) -> Result:
            given = [command, tmp_path / "credit.onnx", "--data", tmp_path / "applicants.csv", *words]
            return CliRunner().invoke(main, [str(word) for word in given], catch_exceptions=False)

        return call

    def test_a_search_gives_a_front(self, run: Callable[..., Result], tmp_path: Path) -> None:
        saved = tmp_path / "one.front"
        words = ("--row", 0, "--target", "approve", "--immutable", "job", "--evaluations", 240)
        result = run(
            "search", *words, "--population", 24, "--seed", 3, "--threads", 1, "--save", saved, "--json"
        )
        assert result.exit_code == 0, result.stderr
        [told] = json.loads(result.stdout)["fronts"]
        assert told["found"]
        assert not any(name in result.stderr for name in ("grade real", "age integer"))
        front = ParetoFront.load(saved)
        assert front.rows is not None
        columns = front.extra["schema"]["columns"]
        assert [c["name"] for c in columns] == ["pay (EUR)", "hours-per-week", "job", "grade", "home"]
        for i, (pay, hours, job, grade, home) in enumerate(front.rows.tolist()):
            assert columns[2]["levels"][int(job)] == "clerk"
            at_home = float(columns[4]["levels"][int(home)] == "True")
            logit = (pay - 3000) / 500 + (hours - 40) / 4 + grade / 10 - at_home
            p = 1 / (1 + np.exp(-logit))
            assert float(front.p[i, front.labels.index("approve")]) == pytest.approx(p, abs=1e-4)

    def test_the_doctor_describes_it(self, run: Callable[..., Result]) -> None:
        result = run("doctor", "--json")
        assert result.exit_code == 0, result.stderr
        document = json.loads(result.stdout)
        assert document["columns"] == {
            "pay (EUR)": "real",
            "hours-per-week": "integer",
            "job": "categorical",
            "grade": "integer",
            "home": "categorical",
        }
        assert document["model"]["labels"] == ["refuse", "approve"]
        assert document["model"]["scores"] == "probabilities"
        assert "5 columns: pay (EUR) real, hours-per-week integer" in run("doctor").stdout

    def test_the_doctor_asks_for_a_table(self, tmp_path: Path) -> None:
        path = graph_of(tmp_path / "credit.onnx")
        result = CliRunner().invoke(main, ["doctor", str(path)])
        assert result.exit_code != 0
        assert "Give one: --data TABLE.csv." in result.stderr


def test_votes_that_add_up_to_a_little_more_than_one_are_probabilities() -> None:
    assert kind_of(torch.tensor([[1.0000001, 0.0], [0.5, 0.5]])) is ScoreKind.PROBABILITIES
    assert kind_of(torch.tensor([[1.01, -0.01], [0.5, 0.5]])) is ScoreKind.LOGITS
