r"""Makes a table in the shape of a well-known one of home-equity credit, and a model on it, to audit as a user would.

23 integer columns with the codes -7, -8 and -9 ("no such record") and a class `risk`, from a seed (`codes.table`):
`training.csv`, `applicants.csv` and `credit.skops` (gradient boosting of scikit-learn). Nothing of it is of real people.

    uv run python benchmarks/tables/heloc.py --folder heloc
    cfsearch schema table heloc/training.csv --label risk --out heloc/applicants.schema.toml
    cfsearch audit --data heloc/applicants.csv --reference heloc/training.csv --model heloc/credit.skops \
        --trust sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor \
        --target Good --decided Bad --limit 30 --out heloc/run
"""

import argparse
from pathlib import Path

import pandas as pd
from codes import table

NAMES = (
    "risk_score", "months_since_first_account", "percent_paid_on_time", "delinquencies_60_days", "percent_of_limit",
    "second_score", "months_since_last_account", "percent_never_late", "delinquencies_90_days", "percent_of_instalments",
    "third_score", "months_on_file", "percent_with_balance", "inquiries_6_months", "percent_installment_burden",
    "fourth_score", "months_since_inquiry", "percent_satisfactory", "accounts_over_limit", "percent_revolving_burden",
    "fifth_score", "months_since_delinquency", "percent_open",
)  # fmt: skip


def main() -> None:
    """Write the three files."""
    import skops.io
    from sklearn.ensemble import HistGradientBoostingClassifier

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    cells, classes = table(args.rows, seed=args.seed)
    frame = pd.DataFrame(cells, columns=list(NAMES))
    args.folder.mkdir(parents=True, exist_ok=True)
    whole, cut = frame.assign(risk=classes), args.rows * 3 // 4
    whole.iloc[:cut].to_csv(args.folder / "training.csv", index=False)
    whole.iloc[cut:].to_csv(args.folder / "applicants.csv", index=False)
    model = HistGradientBoostingClassifier(max_iter=80, random_state=args.seed)
    skops.io.dump(model.fit(frame.iloc[:cut], classes[:cut]), args.folder / "credit.skops")
    print(f"{cut} rows to train on, {args.rows - cut} applicants, in {args.folder}")


if __name__ == "__main__":
    main()
