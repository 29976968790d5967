"""Truth values in a table: each verified member is a flip of the model as the user fitted it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cfsearch.fronts.front import ParetoFront

from .conftest import Call


def bank(folder: Path) -> tuple[Pipeline, pd.DataFrame]:
    draw = np.random.default_rng(0)
    x = pd.DataFrame(
        {
            "owner": draw.choice([True, False], 400),
            "grade": draw.choice([1, 2, 3], 400),
            "income": draw.integers(10, 90, 400),
        }
    )
    y = np.where(x["income"] + 25 * x["owner"] + 20 * (x["grade"] == 3) > 75, "grant", "refuse")
    encode = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), ["owner", "grade"]),
            ("numbers", StandardScaler(), ["income"]),
        ]
    )
    model = Pipeline([("encode", encode), ("model", LogisticRegression())]).fit(x, y)
    skops.io.dump(model, folder / "bank.skops")
    x.to_csv(folder / "bank.csv", index=False)
    return model, x


def test_every_verified_member_is_a_flip_of_the_fitted_pipeline(call: Call, tmp_path: Path) -> None:
    model, x = bank(tmp_path)
    chosen = [3, 7, 11, 19]
    rows = [word for i in chosen for word in ("--row", i)]
    fast = ("--evaluations", 120, "--population", 40, "--threads", 1, "--trust", "numpy.dtype")
    answer = call("search", tmp_path / "bank.skops", "--data", tmp_path / "bank.csv", *rows, *fast, "--json")
    assert answer.code == 0, answer.err
    seen = 0
    for i, front in zip(chosen, answer.document["fronts"], strict=True):
        before = model.predict(x.iloc[[i]])[0]
        assert front["source"] == before
        members = [m for m in front["members"] if m["verified"]]
        cells = pd.DataFrame([dict(x.iloc[i]) | m["values"] for m in members]).astype(dict(x.dtypes))
        assert (model.predict(cells) != before).all()
        reported = [m["probabilities"]["grant"] for m in members]
        assert np.allclose(reported, model.predict_proba(cells)[:, 0], atol=1e-6)
        seen += len(members)
    assert seen > 20


def kept(x: pd.DataFrame, y: np.ndarray, folder: Path, *, imputed: bool) -> Pipeline:
    """A model fitted on codes and an income, in m.skops, and the rows in x.csv."""
    encoder = OneHotEncoder(handle_unknown="ignore")
    words = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder) if imputed else encoder
    encode = ColumnTransformer([("words", words, ["code"]), ("numbers", StandardScaler(), ["income"])])
    model = Pipeline([("encode", encode), ("model", LogisticRegression())]).fit(x, y)
    skops.io.dump(model, folder / "m.skops")
    x.to_csv(folder / "x.csv", index=False)
    return model


@pytest.mark.parametrize("imputed", [False, True])
def test_texts_that_write_numbers_may_be_missing_where_the_encoder_learned_that(
    call: Call, tmp_path: Path, imputed: bool
) -> None:
    draw = np.random.default_rng(1)
    x = pd.DataFrame({"code": draw.choice(["007", "042"], 200), "income": draw.integers(10, 90, 200)})
    y = np.where(x["income"] + 30 * (x["code"] == "007") > 65, "grant", "refuse")
    x.loc[draw.choice(200, 20, replace=False), "code"] = np.nan
    model = kept(x, y, tmp_path, imputed=imputed)
    row = int((x["code"] == "042").to_numpy().argmax())
    fast = ("--evaluations", 60, "--population", 20, "--threads", 1)
    answer = call("search", tmp_path / "m.skops", "--data", tmp_path / "x.csv", "--row", row, *fast, "--json")
    assert answer.code == 0, answer.err
    truth = model.predict_proba(x.iloc[[row]])[0, 0]
    assert abs(answer.document["fronts"][0]["original"]["grant"] - truth) < 1e-6


@pytest.mark.parametrize(
    "codes",
    [["007", "042", "100"], ["1.0", "2.0", "3.0"], ["01e1", "+20", "5,000"]],
    ids=["leading zeros", "numbers as texts of a float", "other spellings"],
)
@pytest.mark.parametrize("imputed", [False, True])
def test_texts_that_write_numbers_reach_the_encoder_as_it_knows_them(
    call: Call, tmp_path: Path, codes: list[str], imputed: bool
) -> None:
    draw = np.random.default_rng(1)
    x = pd.DataFrame({"code": draw.choice(codes, 200), "income": draw.integers(10, 90, 200)})
    y = np.where(x["income"] + 30 * (x["code"] == codes[0]) > 65, "grant", "refuse")
    model = kept(x, y, tmp_path, imputed=imputed)
    chosen = [int((x["code"] == c).to_numpy().argmax()) for c in codes]
    rows = [word for i in chosen for word in ("--row", i)]
    fast = ("--evaluations", 60, "--population", 20, "--threads", 1)
    answer = call("search", tmp_path / "m.skops", "--data", tmp_path / "x.csv", *rows, *fast, "--json")
    assert answer.code == 0, answer.err
    for i, front in zip(chosen, answer.document["fronts"], strict=True):
        truth = model.predict_proba(x.iloc[[i]])[0, 0]
        assert abs(front["original"]["grant"] - truth) < 1e-6
        for member in front["members"]:
            codes_there = [word.split(" -> ")[1] for word in member["words"] if word.startswith("code")]
            cells = x.iloc[[i]].assign(income=member["values"].get("income", x["income"][i]))
            if codes_there:
                number = float(codes_there[0].replace(",", ""))
                cells["code"] = next(c for c in codes if float(c.replace(",", "")) == number)
            assert abs(member["probabilities"]["grant"] - model.predict_proba(cells)[0, 0]) < 1e-6


def postcodes(folder: Path) -> set[int]:
    """A model that learned 40 postcodes as categories, and a table with them as whole numbers."""
    draw = np.random.default_rng(2)
    places = draw.integers(1000, 99999, 40)
    x = pd.DataFrame({"zip": draw.choice(places, 300), "income": draw.integers(10, 90, 300)})
    y = np.where(x["income"] + 40 * (x["zip"] % 3 == 0) > 65, "grant", "refuse")
    encode = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), ["zip"]),
            ("numbers", StandardScaler(), ["income"]),
        ]
    )
    model = Pipeline([("encode", encode), ("model", LogisticRegression())]).fit(x, y)
    skops.io.dump(model, folder / "m.skops")
    x.to_csv(folder / "x.csv", index=False)
    return set(x["zip"].tolist())


@pytest.mark.parametrize("isolation", ["--isolation", "--no-isolation"])
def test_a_search_stays_among_the_numbers_that_an_encoder_knows(
    call: Call, tmp_path: Path, isolation: str
) -> None:
    known = postcodes(tmp_path)
    fast = ("--evaluations", 200, "--population", 40, "--threads", 1, "--row", 0, "--row", 1, isolation)
    answer = call("search", tmp_path / "m.skops", "--data", tmp_path / "x.csv", *fast, "--json")
    assert answer.code == 0, answer.err
    assert (
        "zip: m.skops learned 40 numbers as categories; a search goes to these alone (values)." in answer.err
    )
    found = [
        m["values"]["zip"] for f in answer.document["fronts"] for m in f["members"] if "zip" in m["values"]
    ]
    assert len(found) > 5
    assert known.issuperset(found)


def test_a_schema_that_was_written_is_kept_and_the_numbers_to_write_are_named(
    call: Call, tmp_path: Path
) -> None:
    known = sorted(postcodes(tmp_path))
    assert call("schema", "table", tmp_path / "x.csv", "--out", tmp_path / "x.schema.toml").code == 0
    fast = ("--evaluations", 60, "--population", 20, "--threads", 1, "--row", 0, "--no-isolation")
    search = ("search", tmp_path / "m.skops", "--data", tmp_path / "x.csv", *fast)
    answer = call(*search)
    assert answer.code == 0, answer.err
    text = " ".join(answer.err.split())
    assert f"learned 40 numbers as categories ({known[0]}, {known[1]}" in text
    assert "List those that it knows as `values` of this column." in text
    written = (tmp_path / "x.schema.toml").read_text()
    lines = [line for line in written.splitlines() if not line.startswith("gaps")]
    at = lines.index('name = "zip"')
    lines.insert(at + 1, f"values = {known}")
    (tmp_path / "x.schema.toml").write_text("\n".join(lines))
    answer = call(*search)
    assert answer.code == 0, answer.err
    assert "as categories" not in answer.err


def test_spaces_around_the_names_of_columns_are_no_other_names(call: Call, tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    x = pd.DataFrame({" job ": draw.choice(["cook", "clerk"], 60), "income ": draw.integers(10, 90, 60)})
    y = np.where(x["income "] + 30 * (x[" job "] == "cook") > 65, "grant", "refuse")
    encode = ColumnTransformer([("words", OneHotEncoder(), [" job "])], remainder="passthrough")
    model = Pipeline([("encode", encode), ("model", LogisticRegression(max_iter=500))]).fit(x, y)
    skops.io.dump(model, tmp_path / "m.skops")
    x.to_csv(tmp_path / "x.csv", index=False)
    fast = ("--evaluations", 40, "--population", 20, "--threads", 1, "--row", 0, "--no-isolation")
    answer = call("search", tmp_path / "m.skops", "--data", tmp_path / "x.csv", *fast, "--json")
    assert answer.code == 0, answer.err
    truth = model.predict_proba(x.iloc[[0]])[0, 0]
    assert abs(answer.document["fronts"][0]["original"]["grant"] - truth) < 1e-6


def test_a_model_of_nameless_columns_names_what_it_was_given_too_much(call: Call, tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    x = pd.DataFrame({"age": draw.integers(18, 80, 60), "income": draw.integers(10, 90, 60)})
    y = np.where(x["income"] > 50, "grant", "refuse")
    skops.io.dump(LogisticRegression().fit(x.to_numpy(), y), tmp_path / "m.skops")
    x.assign(decision=y).to_csv(tmp_path / "x.csv", index=False)
    fast = ("--evaluations", 40, "--population", 20, "--threads", 1, "--row", 0, "--no-isolation")
    search = ("search", tmp_path / "m.skops", "--data", tmp_path / "x.csv", *fast)
    answer = call(*search)
    assert answer.code == 2
    assert (
        "takes 2 columns, without their names, but the table gives it 3: age, income, decision"
        in " ".join(answer.err.split())
    )
    assert call(*search, "--label", "decision").code == 0


@pytest.mark.parametrize("dtype", [int, str])
def test_codes_keep_their_zeros_wherever_they_are_written(call: Call, tmp_path: Path, dtype: type) -> None:
    draw = np.random.default_rng(2)
    codes = ["02139", "00501", "90210"]
    x = pd.DataFrame({"zip": draw.choice(codes, 200), "income": draw.integers(10, 90, 200)})
    x.to_csv(tmp_path / "x.csv", index=False)
    y = np.where(x["income"] + 30 * (x["zip"] == "02139") > 65, "grant", "refuse")
    read = pd.read_csv(tmp_path / "x.csv", dtype={"zip": dtype})
    encode = ColumnTransformer(
        [("codes", OneHotEncoder(), ["zip"]), ("numbers", StandardScaler(), ["income"])]
    )
    model = Pipeline([("encode", encode), ("model", LogisticRegression())]).fit(read, y)
    skops.io.dump(model, tmp_path / "m.skops")
    rows = ("--row", 0, "--row", 1, "--row", 2, "--row", 3)
    fast = ("--evaluations", 120, "--population", 40, "--threads", 1, "--trust", "numpy.dtype")
    saved = tmp_path / "one.front"
    words = (tmp_path / "m.skops", "--data", tmp_path / "x.csv", *fast)
    answer = call("search", *words, *rows, "--json")
    assert answer.code == 0, answer.err
    seen = 0
    for i, front in enumerate(answer.document["fronts"]):
        for member in (m for m in front["members"] if "zip" in m["values"]):
            assert member["values"]["zip"] in codes
            assert f"zip {x['zip'][i]} -> {member['values']['zip']}" in member["words"]
            cells = pd.DataFrame([dict(x.iloc[i]) | member["values"]]).astype({"zip": dtype})
            reported = member["probabilities"]["grant"]
            assert model.predict_proba(cells)[0, 0] == pytest.approx(reported, abs=1e-6)
            seen += 1
    assert seen
    assert call("search", *words, "--row", 0, "--save", saved).code == 0
    frame = ParetoFront.load(saved).to_frame()
    assert set(frame["original_zip"]) == {x["zip"][0]}
    assert set(frame["value_zip"]) <= set(codes)
    assert call("audit", "--model", *words, "--limit", 3, "--out", tmp_path / "run").code == 0
    table = tmp_path / "run.csv"
    assert call("export", tmp_path / "run", "--format", "csv", "--out", table).code == 0
    assert set(pd.read_csv(table, dtype=str)["value_zip"].dropna()) <= set(codes)


def test_a_model_fitted_on_names_with_unseen_letters_takes_the_file_that_has_them(
    call: Call, tmp_path: Path
) -> None:
    draw = np.random.default_rng(3)
    x = pd.DataFrame({"\u200bage": draw.integers(18, 90, 60), "net\u00a0income": draw.integers(10, 90, 60)})
    y = np.where(x.sum(axis=1) > 100, "grant", "refuse")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    skops.io.dump(model, tmp_path / "m.skops")
    x.to_csv(tmp_path / "x.csv", index=False)
    fast = ("--evaluations", 40, "--population", 20, "--threads", 1)
    answer = call("search", tmp_path / "m.skops", "--data", tmp_path / "x.csv", "--row", 0, *fast, "--json")
    assert answer.code == 0, answer.err
    [front] = answer.document["fronts"]
    assert front["source"] == model.predict(x.iloc[[0]])[0]
    assert front["variables"] == ["age", "net income"]
