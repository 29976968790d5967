"""What an audit says of sex in Adult, and of the columns that stand for it, beside fairlearn's group metrics.

A forest is trained on the official training part, with `sex` and without it, and without `relationship` as well; 1,000
rows of the test part are measured by `cfsearch.column_effects` at its defaults, with the training part as reference.

    uv pip install -r benchmarks/requirements.txt
    uv run --no-sync python benchmarks/tables/adult.py --data adult.csv.gz
"""

import argparse
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

LEFT = ("fnlwgt", "education-num", "split")
TARGET = ">50K"
SHOWN = ("relationship", "marital-status", "occupation", "hours-per-week", "education", "age", "workclass")


def read(path: Path, *, rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training part, and rows of the test part, spread over it."""
    table = pd.read_csv(path)
    train = table[table["split"] == "train"].drop(columns=list(LEFT))
    test = table[table["split"] == "test"].drop(columns=list(LEFT))
    return train.reset_index(drop=True), test.iloc[:: max(1, len(test) // rows)].head(rows).reset_index(
        drop=True
    )


def forest(train: pd.DataFrame, left: list[str]) -> Any:
    """A random forest of scikit-learn on one-hot levels."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    x = train.drop(columns=["income", *left])
    words = [name for name in x if not pd.api.types.is_numeric_dtype(x[name])]
    columns = ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore"), words)], remainder="passthrough"
    )
    model = RandomForestClassifier(100, min_samples_leaf=3, random_state=0, n_jobs=1)
    return make_pipeline(columns, model).fit(x, train["income"])


def main() -> None:
    """Print the table."""
    import cfsearch

    measures = import_module("fairlearn.metrics")
    demographic_parity_difference = measures.demographic_parity_difference
    demographic_parity_ratio = measures.demographic_parity_ratio
    equalized_odds_difference = measures.equalized_odds_difference
    selection_rate = measures.selection_rate

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="UCI Adult with a header and a column `split`"
    )
    parser.add_argument("--rows", type=int, default=1_000, help="of the test part")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    train, test = read(args.data, rows=args.rows)
    results: dict[str, dict[str, str]] = {}
    for name, left in (
        ("all columns", []),
        ("no sex", ["sex"]),
        ("no sex, relationship", ["sex", "relationship"]),
    ):
        model = forest(train, left)
        decided = model.predict(test.drop(columns=["income", *left])) == TARGET
        truth, sex = test["income"] == TARGET, test["sex"]
        rates = {who: selection_rate(truth[sex == who], decided[sex == who]) for who in ("Male", "Female")}
        effects = cfsearch.column_effects(
            model, test, protected=["sex"], label="income", target=TARGET, reference=train
        )
        row = effects["sex"]
        [c] = row["comparisons"]
        cells = {
            "accuracy": f"{(decided == truth).mean():.3f}",
            "selected, men": f"{rates['Male']:.1%}",
            "selected, women": f"{rates['Female']:.1%}",
            "fairlearn: demographic parity difference": f"{demographic_parity_difference(truth, decided, sensitive_features=sex):.3f}",
            "fairlearn: demographic parity ratio": f"{demographic_parity_ratio(truth, decided, sensitive_features=sex):.3f}",
            "fairlearn: equalised odds difference": f"{equalized_odds_difference(truth, decided, sensitive_features=sex):.3f}",
            "audit: sex alone, logits": figure(c["effect"], c["name"]),
            "audit: verdicts that sex alone changes": "-"
            if row["flips_alone"] is None
            else f"{row['flips_alone']['rate']['value']:.1%}",
            "audit: all others together": figure(c["through"], c["name"]),
        }
        proxies = {p["column"]: p for p in c["proxies"]}
        cells |= {f"audit: {column} alone": figure(proxies.get(column), c["name"]) for column in SHOWN}
        results[name] = cells
        print(f"{name}: {effects.verdicts[0]['headline']}", flush=True)
    print(f"\n| men less women, for {TARGET} | " + " | ".join(results) + " |")
    print("|---|" + "--:|" * len(results))
    for line in next(iter(results.values())):
        print(f"| {line} | " + " | ".join(cells[line] for cells in results.values()) + " |")


def figure(entry: dict[str, Any] | None, first: str) -> str:
    """`+0.31 [+0.22, +0.40]` of men less women, with a star where it sets them apart."""
    if entry is None or entry["logits"] is None:
        return "-"
    logits = entry["logits"]
    value, low, high = logits["value"], logits["low"], logits["high"]
    if first != "Male":
        value, low, high = -value, -high, -low
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]{' *' if entry['reading'] == 'leans' else ''}"


if __name__ == "__main__":
    main()
