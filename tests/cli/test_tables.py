"""Tables on the command line: what is found, in which units, and every refusal.

The audited model is linear in the columns, so that each answer is known by hand:
``(income - 3000) / 500 + (hours - 40) / 4 + bonus of the job`` is the log-odds of "approve".
"""

import csv
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cfsearch.fronts.front import ParetoFront
from cfsearch.schemas import schema

from .conftest import Answer, Call

BONUS = {"clerk": 0.0, "cook": -1.0, "pilot": 2.0}
JOBS = ("pilot", "cook", "clerk")
"""The order in which the model was trained on them, which is not the alphabet's."""
HEADER = "id,age,income,job,hours,sex"
ROWS = (
    "a1,30,2500.00,clerk,36,female",
    "a2,41,4200.50,pilot,40,male",
    "a3,55,2100.00,cook,44,male",
    "a4,23,2900.00,clerk,38,female",
    "a5,61,3100.25,cook,30,female",
    "a6,35,1800.00,clerk,50,male",
)
FAST = ("--evaluations", 360, "--population", 36, "--threads", 1, "--seed", 3)
FUNCTION = """
import numpy as np
BONUS = {"clerk": 0.0, "cook": -1.0, "pilot": 2.0}

def logit(frame):
    bonus = frame["job"].map(BONUS).to_numpy()
    return (frame["income"].to_numpy() - 3000) / 500 + (frame["hours"].to_numpy() - 40) / 4 + bonus

def predict(frame):
    p = 1 / (1 + np.exp(-logit(frame)))
    return np.stack([1 - p, p], axis=1)

def labels(frame):
    return (logit(frame) > 0).astype(np.int64)

def always(frame):
    p = 0.1 + 0.1 / (1 + np.exp(-logit(frame)))
    return np.stack([1 - p, p], axis=1)

def broken(frame):
    return np.full((len(frame), 2), np.nan)

def build():
    import torch
    return torch.nn.Linear(5, 2)
"""
LABELS = 'labels = ["refuse", "approve"]\n'
ENCODING = (
    '[encoding]\ncolumns = [\n  {name = "hours", style = "standard", centre = 40.0, scale = 4.0},\n'
    '  {name = "job", style = "one_hot", levels = ["pilot", "cook", "clerk"]},\n'
    '  {name = "income", style = "standard", centre = 3000.0, scale = 500.0},\n]\n'
)
WEIGHT = np.array([1.0, *(BONUS[job] for job in JOBS), 1.0], dtype=np.float32)


def log_odds(cells: dict[str, str]) -> float:
    """What the model says, from the cells of a row."""
    return (float(cells["income"]) - 3000) / 500 + (float(cells["hours"]) - 40) / 4 + BONUS[cells["job"]]


@dataclass(frozen=True)
class Bank:
    """A folder with a table, a model in each form, and a call that knows both."""

    folder: Path
    call: Call

    @property
    def data(self) -> Path:
        return self.folder / "applicants.csv"

    @property
    def model(self) -> Path:
        return self.folder / "credit.onnx"

    def search(self, *words: object, model: object = None, target: str | None = "approve") -> Answer:
        wanted = () if target is None else ("--target", target)
        return self.call("search", model or self.model, "--data", self.data, *words, *wanted, *FAST)

    def front(self, *words: object, model: object = None) -> ParetoFront:
        saved = self.folder / "one.front"
        answer = self.search(*words, "--save", saved, model=model)
        assert answer.code == 0, answer.err
        return ParetoFront.load(saved)

    def write(self, rows: Sequence[str], *, name: str = "applicants.csv", header: str = HEADER) -> Path:
        path = self.folder / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    def schema(self, *words: object) -> Path:
        out = self.folder / "applicants.schema.toml"
        answer = self.call("schema", "table", self.data, "--ignore", "id,age,sex", "--out", out, *words)
        assert answer.code == 0, answer.err
        return out


@pytest.fixture
def bank(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> Bank:
    made = Bank(tmp_path, call)
    made.write(ROWS)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["rows", "weight", "bias"], ["logits"])],
        "linear",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 5])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [
            numpy_helper.from_array(np.stack([-WEIGHT / 2, WEIGHT / 2], axis=1), "weight"),
            numpy_helper.from_array(np.zeros(2, np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, made.model)
    (tmp_path / "credit.toml").write_text(f'{LABELS}scores = "logits"\n{ENCODING}')
    (tmp_path / "function.toml").write_text(f'{LABELS}scores = "probabilities"\n')
    (tmp_path / "bank_model.py").write_text(FUNCTION)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "bank_model", raising=False)
    return made


def approved(front: ParetoFront) -> None:
    """Each member's probability is the model's own, and verified is what the model approves."""
    assert front.found
    assert front.rows is not None
    names = [column["name"] for column in front.extra["schema"]["columns"]]
    levels = {c["name"]: c.get("levels") for c in front.extra["schema"]["columns"]}
    for i, row in enumerate(front.rows.tolist()):
        cells = {n: levels[n][int(v)] if levels[n] else str(v) for n, v in zip(names, row, strict=True)}
        p = 1 / (1 + np.exp(-log_odds(cells)))
        assert float(front.p[i, front.labels.index("approve")]) == pytest.approx(p, abs=1e-4)
        assert bool(front.verified[i]) == (p > 0.5 + 1e-4)


class TestSearch:
    def test_changes_are_written_in_the_units_of_the_columns(self, bank: Bank) -> None:
        answer = bank.search("--row", 0, "--immutable", "job", "--rows", 3)
        assert answer.code == 0, answer.err
        text = " ".join(answer.out.split())
        assert "row 0: refuse (p 0." in text
        assert "income 2500.00 ->" in text or "hours 36 ->" in text
        assert "job" not in text
        assert "guessed from 6 rows" in " ".join(answer.err.split())

    def test_every_member_is_what_the_model_says_of_the_encoded_row(self, bank: Bank) -> None:
        approved(bank.front("--row", 0))

    @pytest.mark.parametrize("form", ["function", "torch", "skops"])
    def test_the_same_model_in_another_form(self, bank: Bank, form: str) -> None:
        approved(bank.front("--row", 2, *_form(bank, form)[1:], model=_form(bank, form)[0]))

    def test_rows_are_chosen_by_number_or_by_a_cell(self, bank: Bank) -> None:
        document = bank.search("--row", 0, "--row", 3, "--json").document
        jsonschema.validate(document, schema("search"))
        assert [front["name"] for front in document["fronts"]] == ["row 0", "row 3"]
        assert document["search"]["config"]["data"]["rows"] == [0, 3]
        [front] = bank.search("--where", "id=a4", "--json").document["fronts"]
        assert front["name"] == "row 3"

    def test_a_labels_only_model_is_voted_on(self, bank: Bank) -> None:
        (bank.folder / "labels.toml").write_text(f'{LABELS}scores = "labels"\n')
        words = ("--sidecar", bank.folder / "labels.toml", "--row", 0, "--votes", 4, "--json")
        answer = bank.search(*words, model="bank_model:labels")
        assert answer.code == 0, answer.err
        assert answer.document["fronts"][0]["found"]
        assert any("votes" in note for note in answer.document["search"]["notes"])

    def test_a_config_file_names_the_table(self, bank: Bank) -> None:
        config = bank.folder / "cfsearch.toml"
        config.write_text(
            f'[model]\npath = "{bank.model}"\n[data]\ntable = "{bank.data}"\nrows = [2]\n'
            '[search]\ntarget = "approve"\n'
        )
        answer = bank.call("search", "--config", config, *FAST, "--json")
        assert answer.code == 0, answer.err
        assert [front["name"] for front in answer.document["fronts"]] == ["row 2"]
        assert answer.document["search"]["config"]["generator"]["source"] == "rows"

    def test_a_row_that_has_the_target_is_a_result(self, bank: Bank) -> None:
        answer = bank.search("--row", 1, "--json")
        assert answer.code == 0
        assert answer.document["fronts"][0]["reason"] == "already_target"

    def test_a_constraint_that_cannot_be_met_says_so_and_the_nearest_miss(self, bank: Bank) -> None:
        answer = bank.search("--row", 2, "--constraint", "flip:margin=0.999", "--immutable", "income,hours")
        assert answer.code == 0
        assert "Nothing found: constraints_infeasible" in answer.out
        assert "nearest miss" in answer.out

    def test_a_model_that_never_gives_another_class_is_noticed(self, bank: Bank) -> None:
        words = ("--row", 0, "--sidecar", bank.folder / "function.toml")
        answer = bank.search(*words, model="bank_model:always")
        assert answer.code == 0
        assert "one class, refuse" in " ".join(answer.err.split())
        assert "Nothing found: " in answer.out
        assert "nearest miss" in answer.out

    @pytest.mark.parametrize("critic", ["density", "forest", "trained"])
    def test_a_training_table_gives_a_plausibility(self, bank: Bank, critic: str) -> None:
        draw = np.random.default_rng(0)
        rows = [
            f"t{i},{30 + i % 30},{1500 + 40 * i}.00,{JOBS[i % 3]},{30 + int(draw.integers(20))},male"
            for i in range(90)
        ]
        train = bank.write([*rows, *ROWS], name="train.csv")
        words = ("--row", 0, "--reference", train, "--critic", critic, "--json")
        document = bank.search(*words).document
        assert document["search"]["objectives"] == ["adversarial", "gower", "changed", "plausibility"]
        kinds = {"density": "nearness", "forest": "adversarial random forest", "trained": "AUROC"}
        assert kinds[critic] in document["fronts"][0]["extra"]["critic"]

    def test_neighbours_take_the_training_table(self, bank: Bank) -> None:
        train = bank.write([row for row in ROWS for _ in range(3)], name="train.csv")
        words = ("--row", 0, "--reference", train, "--objective", "adversarial", "--objective")
        document = bank.search(*words, "neighbours:k=2", "--json").document
        assert document["search"]["objectives"] == ["adversarial", "neighbours"]


def _form(bank: Bank, form: str) -> tuple[object, ...]:
    if form == "function":
        return ("bank_model:predict", "--sidecar", bank.folder / "function.toml", *_plain(bank))
    if form == "torch":
        import torch
        from safetensors.torch import save_file

        weight = torch.from_numpy(np.stack([-WEIGHT / 2, WEIGHT / 2]))
        path = bank.folder / "net.safetensors"
        save_file({"weight": weight, "bias": torch.zeros(2)}, path)
        (bank.folder / "net.toml").write_text((bank.folder / "credit.toml").read_text())
        return (path, "--arch", "bank_model:build")
    return (_skops(bank), *_plain(bank))


def _plain(bank: Bank) -> tuple[object, ...]:
    path = bank.folder / "applicants.schema.toml"
    return ("--schema", path if path.exists() else bank.schema())


def _skops(bank: Bank) -> Path:
    """A pipeline on a data frame whose coefficients are set to the model's."""
    import pandas as pd
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"income": [1.0, 2.0, 3.0], "job": sorted(JOBS), "hours": [1, 2, 3]})
    encode = ColumnTransformer([("n", "passthrough", ["income", "hours"]), ("j", OneHotEncoder(), ["job"])])
    made = make_pipeline(encode, LogisticRegression()).fit(frame, ["approve", "refuse", "refuse"])
    made[1].coef_ = -np.array([[1 / 500, 1 / 4, *(BONUS[job] for job in sorted(JOBS))]])
    made[1].intercept_ = np.array([3000 / 500 + 40 / 4])
    path = bank.folder / "pipe.skops"
    skops.io.dump(made, path)
    return path


class TestAudit:
    @pytest.fixture
    def run(self, bank: Bank) -> Path:
        out = bank.folder / "run"
        answer = bank.call("audit", *self.words(bank, out))
        assert answer.code == 0, answer.err
        assert "searched rows have" in " ".join(answer.out.split())
        return out

    def words(self, bank: Bank, out: Path) -> tuple[object, ...]:
        words = ("--data", bank.data, "--model", bank.model, "--target", "approve", "--out", out)
        return (*words, *FAST, "--immutable", "hours", "--limit", 4)

    def test_names_counts_and_the_document(self, bank: Bank, run: Path) -> None:
        document = json.loads((run / "audit.json").read_text())
        jsonschema.validate(document, schema("audit"))
        status = {i["name"]: i["status"] for i in document["instances"]}
        assert status == {"row 0": "found", "row 1": "already_target", "row 2": "found", "row 3": "found"}
        assert document["inputs"] == "rows"
        assert document["search"]["immutable"] == ["hours"]
        assert {change["variable"] for change in document["changes"]} <= {"income", "job"}
        assert {c["direction"] for c in document["changes"] if c["variable"] == "job"} <= {"~"}

    def test_it_goes_on_where_it_stood_and_refuses_another_table(self, bank: Bank, run: Path) -> None:
        before = ParetoFront.from_bytes(_front(run, "row 0"))
        again = bank.call("audit", *self.words(bank, run))
        assert again.code == 0, again.err
        assert "4 of 4 rows were done before" in again.err
        assert ParetoFront.from_bytes(_front(run, "row 0")).digest == before.digest
        bank.write([ROWS[0].replace("2500.00", "2500.01"), *ROWS[1:]])
        assert bank.call("audit", *self.words(bank, run)).code == 2

    def test_exported_values_are_in_the_units_of_the_columns(self, bank: Bank, run: Path) -> None:
        out = bank.folder / "members.csv"
        assert bank.call("export", run, "--format", "csv", "--out", out).code == 0
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows
        for row in rows:
            assert row["original_job"] in BONUS
            cells = {name: row[f"value_{name}"] for name in ("income", "hours", "job")}
            assert float(row["p_approve"]) == pytest.approx(1 / (1 + np.exp(-log_odds(cells))), abs=1e-4)
            change = float(row["value_income"]) - float(row["original_income"])
            assert float(row["change_income"]) == pytest.approx(change, abs=1e-6)
            assert float(row["change_job"]) == float(row["value_job"] != row["original_job"])

    def test_it_is_shown_verified_and_described_without_pictures(self, bank: Bank, run: Path) -> None:
        assert "row 2" in bank.call("show", run).out
        again = bank.call("verify", run, "--model", bank.model, "--json").document
        jsonschema.validate(again, schema("verify"))
        assert again["members_still"] == again["members_then"] > 0
        assert again["originals_kept"]["count"] == 4
        assert bank.call("explore", run, "--no-open").code == 0
        page = (run / "report.html").read_text()
        import re

        seen = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
        seen = re.sub(r"<[^>]*>", " ", seen)
        assert not re.search(r"picture|pixel|image|re-render", seen, flags=re.IGNORECASE)
        assert "2500.00" in seen


def _front(run: Path, name: str) -> bytes:
    from cfsearch.runs.directory import RunDirectory

    with RunDirectory.read(run) as opened:
        return opened.front(name).to_bytes()


class TestFirstContact:
    def test_doctor_asks_about_real_rows(self, bank: Bank) -> None:
        answer = bank.call("doctor", bank.model, "--data", bank.data, "--json")
        assert answer.code == 0, answer.err
        jsonschema.validate(answer.document, schema("doctor"))
        assert list(answer.document["columns"]) == ["hours", "job", "income"]
        assert not answer.document["handshake"]["constant"]
        plain = bank.call("doctor", bank.model, "--data", bank.data)
        assert "rows/s in batches" in plain.out

    def test_doctor_without_a_table_says_what_to_give(self, bank: Bank) -> None:
        answer = bank.call("doctor", bank.model)
        assert answer.code == 2
        assert "--data TABLE.csv" in answer.error

    def test_plan_counts_rows(self, bank: Bank) -> None:
        answer = bank.call("plan", "--data", bank.data, "--model", bank.model, *FAST, "--json")
        assert answer.code == 0, answer.err
        jsonschema.validate(answer.document, schema("plan"))
        assert answer.document["rows"] == 6
        assert answer.document["candidates"] == 6 * 360

    def test_a_written_schema_beside_the_table_is_used(self, bank: Bank) -> None:
        path = bank.schema("--immutable", "job")
        text = path.read_text().replace('name = "hours"', 'name = "hours"\nunit = "hours a week"')
        path.write_text(text)
        answer = bank.search("--row", 2, "--json")
        assert "guessed" not in answer.err
        front = answer.document["fronts"][0]
        assert all("job" not in word for member in front["members"] for word in member["words"])
        assert any("hours a week" in word for member in front["members"] for word in member["words"])
        again = bank.call("schema", "table", bank.data, "--out", path)
        assert again.code == 2
        assert "exists already" in again.error

    def test_a_table_of_another_country_is_read_and_noted(self, bank: Bank) -> None:
        """Semicolons, decimal commas and Windows-1252; the same front as of the plain file."""
        known = bank.front("--row", 2).rows
        rows = [row.replace(",", ";").replace(".", ",") for row in ROWS]
        text = "\n".join([HEADER.replace(",", ";"), *rows]) + "\n"
        bank.data.write_bytes(text.replace("female", "weibl\u00efch").encode("cp1252"))
        answer = bank.search("--row", 2, "--json")
        assert answer.code == 0, answer.err
        assert "decimal commas in income" in answer.err and "semicolons stand between the cells" in answer.err
        found = bank.front("--row", 2).rows
        assert found is not None and known is not None and found.tolist() == known.tolist()

    def test_encoding_and_delimiter_reach_the_reader(self, bank: Bank) -> None:
        text = "\n".join([HEADER.replace("sex", "größe"), *ROWS]).replace(",", "^") + "\n"
        bank.data.write_bytes(text.encode("cp850"))
        answer = bank.call("schema", "table", bank.data, "--encoding", "cp850", "--delimiter", "^", "--json")
        assert answer.code == 0, answer.err
        assert "größe" in [column["name"] for column in answer.document["schema"]["columns"]]
        found = bank.search("--row", 2, "--encoding", "cp850", "--delimiter", "^", "--json")
        assert found.code == 0, found.err
        wrong = bank.search("--row", 2, "--encoding", "klingon", "--delimiter", "^")
        assert wrong.code == 2 and "`encoding` 'klingon' is unknown" in wrong.error
        assert bank.search("--row", 2, "--delimiter", "^^").code == 2

    def test_words_for_missing_are_declared(self, bank: Bank) -> None:
        rows = [f"b{i},{20 + i},{1000 + 17 * i},clerk,{30 + i % 9},male" for i in range(60)]
        rows[9] = rows[9].replace("1153", "soon")
        bank.write(rows)
        refused = bank.call("schema", "table", bank.data)
        assert refused.code == 2 and "line 11, column 'income': 'soon' is no finite number" in refused.error
        answer = bank.call("schema", "table", bank.data, "--missing", "soon", "--json")
        assert answer.code == 0, answer.err
        assert "soon" in answer.document["schema"]["missing_values"]

    def test_guesses_have_reasons_and_protected_columns_are_noted(self, bank: Bank) -> None:
        answer = bank.call("schema", "table", bank.data)
        assert "3 different texts" in answer.out and "sex look" in answer.out.replace("age, sex", "sex")
        searched = bank.search("--row", 2, "--json")
        assert "left free" not in searched.err, "the model takes none of them"

    def test_schemas_of_documents_are_still_printed(self, call: Call) -> None:
        assert call("schema", "plan").code == 0
        assert call("schema", "plan", "--label", "x").code == 2


Refused = Callable[..., str]


class TestBadInput:
    @pytest.fixture
    def refused(self, bank: Bank) -> Refused:
        """The one line of a search that must end with this code, with nothing printed."""

        def run(*words: object, model: object = None, code: int = 2, target: str | None = "approve") -> str:
            answer = bank.search(*words, model=model, target=target)
            assert answer.code == code, answer.err
            assert answer.out == ""
            return answer.error

        return run

    def test_a_level_that_the_training_table_lacks(self, bank: Bank, refused: Refused) -> None:
        train = bank.write(ROWS * 4, name="train.csv")
        bank.write([ROWS[0], ROWS[3].replace("clerk", "clark")])
        said = refused("--row", 1, "--reference", train)
        assert "line 3, column 'job': 'clark' is none of its 3 levels" in said
        assert "Did you mean 'clerk'?" in said

    def test_a_number_as_text(self, bank: Bank, refused: Refused) -> None:
        bank.schema()
        bank.write([ROWS[0].replace("2500.00", "2.5k")])
        assert "column 'income': must be a number, got '2.5k'" in refused("--row", 0)

    def test_a_missing_column(self, bank: Bank, refused: Refused) -> None:
        bank.write(["a1,30,clerk,36,female"], header="id,age,job,hours,sex")
        assert "the model takes the column 'income'" in refused("--row", 0)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--row", 0, "--immutable", "incme"), "Did you mean 'income'?"),
            (("--row", 6), "has no row 6; it has 6 rows, counted from 0 (0 to 5)"),
            (("--row", 0, "--row", 0), "the same row was given twice"),
            ((), "say which rows: --row N"),
            (("--where", "idd=a1"), "Did you mean 'id'?"),
            (("--where", "id=none"), "no row of 'applicants.csv' has id=none"),
            (("--row", 0, "--label", "decison"), "unknown column 'decison'"),
            (("--row", 0, "--schema", "none.toml"), "none.toml: the table schema cannot be read"),
            (("--row", 0, "--generator", "pixels"), "generator 'pixels' makes no rows of a table"),
            (("--row", 0, "--critic", "trained"), "needs a table and its training table"),
            (("--row", 0, "--strip", "x.png"), "--strip draws pictures"),
        ],
        ids=lambda value: "" if isinstance(value, str) else " ".join(map(str, value)) or "no rows",
    )
    def test_a_flag_that_makes_no_sense(self, refused: Refused, words: tuple[object, ...], said: str) -> None:
        assert said in refused(*words)

    def test_an_unknown_target(self, refused: Refused) -> None:
        assert "Did you mean 'approve'?" in refused("--row", 0, target="aprove")

    def test_labels_that_are_not_the_tables(self, bank: Bank, refused: Refused) -> None:
        bank.write([f"{row},{'yes' if i % 2 else 'no'}" for i, row in enumerate(ROWS)], header=f"{HEADER},ok")
        said = refused("--row", 0, "--label", "ok")
        assert "classes refuse, approve are not those of column 'ok', no, yes" in said

    def test_an_onnx_file_of_another_width(self, bank: Bank, refused: Refused) -> None:
        (bank.folder / "credit.toml").write_text(f'{LABELS}scores = "logits"\n')
        bank.schema()
        assert "takes 5 numbers a row, but the columns of the table make 3" in refused("--row", 0)

    def test_an_encoding_with_an_unknown_column(self, bank: Bank, refused: Refused) -> None:
        bank.schema()
        sidecar = bank.folder / "credit.toml"
        sidecar.write_text(sidecar.read_text().replace('"income"', '"incom"'))
        assert "Did you mean 'income'?" in refused("--row", 0)

    def test_a_skops_file_with_a_type_that_nobody_vouched_for(self, bank: Bank, refused: Refused) -> None:
        import skops.io
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        path = bank.folder / "lines.skops"
        model = make_pipeline(FunctionTransformer(os.path.normpath), LogisticRegression())
        skops.io.dump(model, path)
        assert "--trust posixpath.normpath" in refused("--row", 0, model=path, code=5)

    def test_nan_from_the_model(self, bank: Bank, refused: Refused) -> None:
        words = ("--row", 0, "--sidecar", bank.folder / "function.toml")
        said = refused(*words, model="bank_model:broken", code=3)
        assert "answered NaN or infinity to all of" in said

    def test_two_models(self, bank: Bank) -> None:
        answer = bank.search("--row", 0, "--model", "other.onnx")
        assert answer.code == 2
        assert "nothing left for the argument" in answer.error

    def test_images_and_a_table(self, bank: Bank) -> None:
        words = ("--images", bank.folder, "--data", bank.data, "--model", bank.model)
        answer = bank.call("audit", *words, "--out", bank.folder / "run")
        assert answer.code == 2
        assert "--images and --data were both given" in answer.error

    def test_images_without_a_table_are_still_required(self, call: Call) -> None:
        answer = call("search", "--model", "m.onnx")
        assert answer.code == 2
        assert "Missing argument 'IMAGE...'" in answer.error


class TestMissingCells:
    def test_a_policy_decides(self, bank: Bank) -> None:
        path = bank.schema()
        bank.write([ROWS[0].replace(",36,", ",?,"), ROWS[2]])
        refused = bank.search("--row", 0)
        assert refused.code == 2
        assert "column 'hours': the cell is missing" in refused.error
        text = path.read_text()
        assert 'name = "hours"\n' in text
        path.write_text(text.replace('name = "hours"\n', 'name = "hours"\nmissing = "drop"\n'))
        dropped = bank.search("--row", 0)
        assert dropped.code == 2
        assert "the schema drops such rows" in dropped.error
        assert bank.search("--row", 1).code == 0
        path.write_text(text.replace('name = "hours"\n', 'name = "hours"\nmissing = "fill"\nfill = 33\n'))
        front = bank.front("--row", 0)
        assert front.row is not None
        assert float(front.row[list(front.variables).index("hours")]) == 33.0


def test_enumerations_of_a_description_become_levels(call: Call, tmp_path: Path) -> None:
    """Regions are numbers in the file, and names of an enumeration in its description."""
    described = Path(__file__).parents[1] / "datasets" / "croissant"
    shutil.copytree(described, tmp_path / "data")
    words = ("schema", "table", tmp_path / "data" / "people.csv", "--label", "approved", "--json")
    kinds = {c["name"]: c["kind"] for c in call(*words).document["schema"]["columns"]}
    assert kinds["region"] == "integer"
    found = call(*words, "--croissant", tmp_path / "data" / "croissant.json").document
    column = next(c for c in found["schema"]["columns"] if c["name"] == "region")
    assert (column["kind"], column["levels"]) == ("categorical", ["1", "2"])
    (tmp_path / "data" / "people.csv").write_text("age,approved\n31,no\n45,yes\n")
    notes = call(*words, "--croissant", tmp_path / "data" / "croissant.json").document["notes"]
    assert "croissant.json describes columns that people.csv lacks: income, region." in notes
