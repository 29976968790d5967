"""A scorecard of loans with German-credit-like columns: the model that dice-ml and cfsearch are both asked about.

Made for tests: coefficients are written down, so that the model is the same whatever library is installed.
"""

import numpy as np
import pandas as pd

LABELS = ["bad", "good"]
_SAVINGS = {"unknown": 0.2, "little": 0.0, "moderate": 0.5, "rich": 1.1}
_HOUSING = {"own": 0.5, "rent": 0.0, "free": -0.1}
_PURPOSE = {"car": 0.1, "furniture": 0.0, "radio/tv": 0.3, "education": -0.5, "business": -0.1}


def logit(rows: pd.DataFrame) -> np.ndarray:
    """Log-odds of a good risk."""
    return np.asarray(
        1.1
        - 0.045 * rows["duration"].astype(float)
        - 0.00012 * rows["amount"].astype(float)
        + 0.015 * (rows["age"].astype(float) - 35.0)
        + rows["savings"].map(_SAVINGS).astype(float)
        + rows["housing"].map(_HOUSING).astype(float)
        + rows["purpose"].map(_PURPOSE).astype(float)
        - 0.5 * (rows["sex"] == "female"),
        dtype=float,
    )


def predict(rows: pd.DataFrame) -> np.ndarray:
    """Probabilities of ``LABELS``, one row a row."""
    good = 1.0 / (1.0 + np.exp(-logit(rows)))
    return np.column_stack([1.0 - good, good])


def table(rows: int = 240, *, seed: int = 7) -> pd.DataFrame:
    """Rows of applicants with the class that the scorecard, with some noise, would have seen."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": draw.integers(19, 75, rows),
            "sex": draw.choice(["female", "male"], rows, p=[0.4, 0.6]),
            "housing": draw.choice(list(_HOUSING), rows, p=[0.7, 0.2, 0.1]),
            "savings": draw.choice(list(_SAVINGS), rows, p=[0.2, 0.5, 0.2, 0.1]),
            "purpose": draw.choice(list(_PURPOSE), rows, p=[0.3, 0.2, 0.3, 0.1, 0.1]),
            "amount": (np.exp(draw.normal(7.8, 0.7, rows)) / 10).astype(int) * 10,
            "duration": draw.choice([6, 9, 12, 15, 18, 24, 30, 36, 48, 60], rows),
        }
    )
    good = logit(frame) + draw.logistic(size=rows) > 0
    return frame.assign(risk=np.where(good, "good", "bad"))
