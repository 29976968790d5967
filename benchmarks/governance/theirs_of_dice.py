"""Real output of dice-ml on rows of the scorecard, as `cfsearch judge` reads it.

Writes ``credit.csv`` and ``theirs.json`` (dice-ml's own ``to_json`` of five refused applicants, four counterfactuals
each, by its genetic or random search), in an environment of its own:

    uv run --no-project --python 3.11 --with dice-ml==0.12 --with "pandas<3" \
        python benchmarks/governance/theirs_of_dice.py --method random --out tests/cli/german
"""

import argparse
import random
import sys
from importlib import import_module
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli" / "german"))

scorecard = import_module("scorecard")  # stands beside what is written


class Model:
    """The scorecard as dice-ml wants it: classes 0 and 1."""

    classes_ = np.array([0, 1])

    def predict_proba(self, rows):
        return scorecard.predict(rows)

    def predict(self, rows):
        return self.predict_proba(rows).argmax(1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", choices=["random", "genetic", "kdtree"], default="random")
    parser.add_argument("--inputs", type=int, default=5)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    dice_ml = import_module("dice_ml")

    rows = scorecard.table()
    rows.to_csv(given.out / "credit.csv", index=False)
    frame = rows.assign(risk=(rows["risk"] == "good").astype(int))
    refused = rows[scorecard.predict(rows)[:, 1] < 0.5].drop(columns="risk").head(given.inputs)
    data = dice_ml.Data(
        dataframe=frame, continuous_features=["age", "amount", "duration"], outcome_name="risk"
    )
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - dice-ml draws from it
    explainer = dice_ml.Dice(data, dice_ml.Model(model=Model(), backend="sklearn"), method=given.method)
    found = explainer.generate_counterfactuals(refused, total_CFs=given.each, desired_class="opposite")
    (given.out / "theirs.json").write_text(found.to_json() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
