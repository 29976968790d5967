"""Effects of protected columns against models whose answer is a formula."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import cfsearch
from cfsearch.audits.columns.moving import moved, sampling_error
from cfsearch.audits.columns.querying import clip
from cfsearch.audits.columns.result import ColumnEffects
from cfsearch.errors import ConfigError

DIRECT, HOURS, INCOME = 0.8, 0.1, 0.05
Frame = pd.DataFrame
Scores = NDArray[np.float64]


def people(n: int = 300, *, seed: int = 0) -> Frame:
    """Men work longer; income and job have nothing to do with sex."""
    draw = np.random.default_rng(seed)
    sex = np.where(np.arange(n) % 2 == 0, "f", "m")
    return pd.DataFrame(
        {
            "sex": sex,
            "hours": (30 + 6 * (sex == "m") + 5 * draw.normal(size=n)).round(1),
            "income": (40 + 10 * draw.normal(size=n)).round(1),
            "job": draw.choice(["a", "b", "c"], n),
        }
    )


def logit(frame: Frame, *, direct: float = DIRECT, hours: float = HOURS) -> Scores:
    return (
        direct * (frame["sex"] == "m").to_numpy(float)
        + hours * (frame["hours"].to_numpy(float) - 33)
        + INCOME * (frame["income"].to_numpy(float) - 40)
    )


def two(odds: Scores) -> Scores:
    p = 1 / (1 + np.exp(-odds))
    return np.stack([1 - p, p], axis=1)


def effects(frame: Frame, direct: float, hours: float, **settings: object) -> ColumnEffects:
    return cfsearch.column_effects(
        lambda f: two(logit(f, direct=direct, hours=hours)),
        frame,
        labels=["no", "yes"],
        scores="probabilities",
        protected=["sex"],
        **settings,  # type: ignore[arg-type]
    )


def test_of_a_logistic_model_the_direct_effect_is_its_coefficient() -> None:
    frame = people()
    [row] = effects(frame, DIRECT, HOURS).rows
    [c] = row["comparisons"]
    assert (c["name"], c["against"]) == ("f", "m")
    assert c["effect"]["logits"] == pytest.approx(
        {"value": -DIRECT, "low": -DIRECT, "high": -DIRECT}, abs=1e-6
    )
    assert [g["logits"]["value"] for g in c["by_group"]] == pytest.approx([-DIRECT] * 2, abs=1e-6)
    male = frame["sex"] == "m"
    gap = {name: frame[name][~male].mean() - frame[name][male].mean() for name in ("hours", "income")}
    through = HOURS * gap["hours"] + INCOME * gap["income"]
    assert c["through"]["logits"]["value"] == pytest.approx(through, abs=1e-5)
    proxies = {p["column"]: p for p in c["proxies"]}
    assert proxies["hours"]["logits"]["value"] == pytest.approx(HOURS * gap["hours"], abs=0.02)
    assert proxies["income"]["logits"]["value"] == pytest.approx(INCOME * gap["income"], abs=0.02)
    assert proxies["job"]["logits"]["value"] == 0
    assert (row["reading"], row["through"]["reading"]) == ("leans", "leans")


def test_flips_alone_are_the_rows_on_whose_side_of_one_half_the_column_decides() -> None:
    frame = people()
    [row] = effects(frame, DIRECT, HOURS).rows
    bare = logit(frame, direct=0.0)
    assert row["flips_alone"]["count"] == int(((bare > 0) != (bare + DIRECT > 0)).sum())


@pytest.mark.parametrize(
    ("direct", "hours", "expected", "words"),
    [
        (0.8, 0.0, ("leans", "does not lean"), "leans on sex directly, and not through"),
        (0.0, 0.2, ("does not lean", "leans"), "does not lean on sex directly by more than 0.25 logits, but through other columns (hours)"),
        (0.0, 0.0, ("does not lean", "does not lean"), "neither directly nor through other columns"),
        (0.8, 0.2, ("leans", "leans"), "leans on sex directly, and through other columns (hours)"),
    ],
)  # fmt: skip
def test_direct_and_proxy_are_distinguished(
    direct: float, hours: float, expected: tuple[str, str], words: str
) -> None:
    found = effects(people(1000), direct, hours)
    [verdict] = found.verdicts
    assert (verdict["reading"], verdict["through"]) == expected
    assert words in verdict["headline"]
    assert found["sex"]["column"] == "sex" and "alone" in set(found.frame["path"])


def test_a_column_that_the_model_does_not_take_goes_through_others_alone() -> None:
    frame = people(400)
    chance = np.random.default_rng(3).random(400)
    frame["answer"] = np.where(chance < two(logit(frame, hours=0.3))[:, 1], "yes", "no")
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(frame[["hours", "income"]], frame["answer"])
    [row] = cfsearch.column_effects(model, frame, protected=["sex"], label="answer", target="no").rows
    [c] = row["comparisons"]
    assert not row["taken"] and c["effect"] is None and row["flips_alone"] is None
    odds = -model.decision_function(frame[["hours", "income"]])
    female = (frame["sex"] == "f").to_numpy()
    assert row["label"] == "no"
    assert c["through"]["logits"]["value"] == pytest.approx(
        odds[female].mean() - odds[~female].mean(), rel=1e-4
    )
    assert row["reading"] == "does not lean" and row["through"]["reading"] == "leans"


def test_several_groups_are_compared_with_all_others_and_small_or_unknown_ones_left_out() -> None:
    n = 240
    race = np.array(["a", "b", "c"])[np.arange(n) % 3].astype(object)
    race[:6] = "rare"
    race[6:20] = ""
    frame = people(n).assign(race=race)

    def model(f: Frame) -> Scores:
        return two(0.01 * f["income"].to_numpy(float) + 1.5 * (f["race"] == "b").to_numpy(float))

    [row] = cfsearch.column_effects(model, frame, labels=["no", "yes"], protected=["race"]).rows
    assert row["left_out"] == ["rare"] and row["unknown"] == 14 and row["n"] == n - 20
    found = {c["name"]: c["effect"]["logits"]["value"] for c in row["comparisons"]}
    share = {g["name"]: g["instances"] / row["n"] for g in row["groups"]}
    assert {c["against"] for c in row["comparisons"]} == {"all others"}
    assert found["b"] == pytest.approx(1.5, abs=1e-5)
    assert found["a"] == pytest.approx(-1.5 * share["b"] / (1 - share["a"]), abs=1e-5)


def test_numbers_are_compared_by_quarters_with_the_values_that_each_quarter_has() -> None:
    frame = people(400).assign(age=np.arange(400) % 48 + 18)

    def model(f: Frame) -> Scores:
        return two(0.05 * f["age"].to_numpy(float))

    [row] = cfsearch.column_effects(
        model, frame, labels=["no", "yes"], protected=["age"], rows_measured=10_000
    ).rows
    assert len(row["comparisons"]) == 4 and row["note"].startswith("age is split")
    values = np.sort(frame["age"].to_numpy(float))
    edges = np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf")
    part = np.searchsorted(edges, values)
    means = [values[part == k].mean() for k in range(4)]
    sizes = np.bincount(part)
    first = 0.05 * (means[0] - np.average(means[1:], weights=sizes[1:]))
    assert row["comparisons"][0]["effect"]["logits"]["value"] == pytest.approx(first, abs=0.02)


def test_guessed_columns_are_marked_and_few_rows_say_nothing() -> None:
    found = cfsearch.column_effects(lambda f: two(logit(f)), people(30), labels=["no", "yes"], rows=range(18))
    [row] = found.rows
    assert row["column"] == "sex" and row["guessed"]
    assert row["comparisons"] == [] and row["reading"] == "cannot tell"
    assert "10 rows" in row["because"] and found.verdicts == []


def test_of_labels_alone_no_size_is_stated() -> None:
    found = cfsearch.column_effects(
        lambda f: (logit(f) > 0).astype(int),
        people(),
        labels=["no", "yes"],
        scores="labels",
        protected=["sex"],
    )
    [row] = found.rows
    assert row["reading"] == "cannot tell" and "labels only" in row["because"]
    assert row["comparisons"][0]["effect"]["logits"] is None
    assert row["comparisons"][0]["effect"]["probability"]["value"] < 0


def test_probabilities_of_0_and_1_count_as_a_two_hundredth() -> None:
    def model(f: Frame) -> Scores:
        p = (f["sex"] == "m").to_numpy(float)
        return np.stack([1.0 - p, p], axis=1).astype(np.float64)

    [row] = cfsearch.column_effects(
        model, people(), labels=["no", "yes"], scores="probabilities", protected=["sex"]
    ).rows
    assert row["clipped"]
    assert row["comparisons"][0]["effect"]["logits"]["value"] == pytest.approx(-2 * np.log(199), abs=1e-5)


def test_unknown_protected_columns_and_inputs_that_are_no_table_are_refused() -> None:
    with pytest.raises(cfsearch.CfsearchError, match="did you mean|Did you mean|sex"):
        cfsearch.column_effects(lambda f: two(logit(f)), people(), labels=["no", "yes"], protected=["sexx"])


def test_values_move_by_rank_and_levels_as_little_as_they_need() -> None:
    one, other = np.arange(100.0), np.arange(100.0) * 2 + 5
    assert moved(one, one, other, ordered=True, seed=0).tolist() == other.tolist()
    same = moved(one, one, one, ordered=True, seed=3)
    assert same.tolist() == one.tolist()
    levels, there = np.repeat([0.0, 1.0], [60, 40]), np.repeat([0.0, 1.0, 2.0], [30, 40, 30])
    after = moved(levels, levels, there, ordered=False, seed=1)
    assert set(after[levels == 1]) == {1.0}
    assert set(after[levels == 0]) == {0.0, 2.0}
    assert np.mean(after == 2) == pytest.approx(0.3, abs=0.1)
    gone = moved(np.array([np.nan, 1.0]), one, other, ordered=True, seed=0)
    assert np.isnan(gone[0]) and not np.isnan(gone[1])


def test_the_sampling_error_of_a_line_is_its_slope_times_that_of_the_means() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=200), draw.normal(1.0, 2.0, size=300)
    after = moved(one, one, other, ordered=True, seed=0)
    error = sampling_error(3.0 * (after - one), one, after, (one, other), ordered=True)
    expected = 3.0 * np.sqrt(one.var(ddof=1) / 200 + other.var(ddof=1) / 300)
    assert error == pytest.approx(expected, rel=1e-6)
    import torch

    assert clip(torch.tensor([1e3])).item() == pytest.approx(np.log(199), rel=1e-6)


def test_linked_columns_move_along_and_what_they_add_is_stated(tmp_path: Path) -> None:
    frame = people(400)
    title = np.where(frame["sex"] == "m", "Mr", np.where(np.arange(400) % 4 == 0, "Mrs", "Ms"))
    frame.assign(title=title).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "t.schema.toml").write_text(
        """format = "cfsearch-table/1"
[[columns]]
name = "sex"
kind = "categorical"
levels = ["f", "m"]
[[columns]]
name = "title"
kind = "categorical"
levels = ["Mr", "Mrs", "Ms"]
[[columns]]
name = "income"
kind = "real"
range = [0, 100]
[[links]]
columns = ["sex", "title"]
rows = [["m", "Mr"], ["f", "Mrs"], ["f", "Ms"]]
"""
    )

    def model(f: Frame) -> Scores:
        return two(0.5 * (f["sex"] == "m").to_numpy(float) + 0.7 * (f["title"] == "Mr").to_numpy(float))

    [row] = cfsearch.column_effects(
        model, tmp_path / "t.csv", labels=["no", "yes"], protected=["sex"], schema=tmp_path / "t.schema.toml"
    ).rows
    [c] = row["comparisons"]
    assert row["linked"] == ["title"]
    assert c["effect"]["logits"]["value"] == pytest.approx(-0.5, abs=1e-6)
    assert c["linked"]["logits"]["value"] == pytest.approx(-1.2, abs=1e-6)
    assert {p["column"] for p in c["proxies"]} == {"income", "title"}


@pytest.mark.parametrize("rows", [-1, 10**9 + 1, 2.5, True, None])
def test_rows_measured_is_a_number_of_rows(rows: object) -> None:
    with pytest.raises(
        ConfigError, match=r"`rows_measured` must be a whole number from 0 to 1,000,000,000, got"
    ):
        effects(people(), DIRECT, HOURS, rows_measured=rows)


@pytest.mark.parametrize("practical", [-1.0, 0, float("nan"), float("inf"), "0.25", True])
def test_practical_is_above_0(practical: object) -> None:
    with pytest.raises(ConfigError, match="`practical` must be a finite number of logits above 0, got"):
        effects(people(), DIRECT, HOURS, practical=practical)


def test_with_nothing_measured_the_frame_has_its_columns() -> None:
    names = ["column", "group", "against", "path", "logits", "low", "high", "p", "reading", "n"]
    empty = effects(people(), DIRECT, HOURS, rows_measured=0).frame
    assert (list(empty.columns), len(empty)) == (names, 0)
    assert list(effects(people(), DIRECT, HOURS).frame.columns) == names
