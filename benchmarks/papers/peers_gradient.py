"""dice-ml's gradient method on a logistic regression, which is made again as a torch network of the same answers.

It takes networks alone. A logistic regression behind one-hot levels and standardised numbers is a linear function of
dice-ml's own encoding too (one-hot levels, numbers by their range), so that its answers are those of the pipeline
that all other methods query.
"""

import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any, final

import pandas as pd
import torch
from peers_methods import COUNT, Frame, Run, quiet, seeded
from peers_setting import Case
from torch import Tensor


@final
class Linear(torch.nn.Module):
    """The probability of the target from dice-ml's encoding, and how many inputs it was given.

    Args:
        weight: one number a column.
        bias: its constant.
    """

    def __init__(self, weight: Tensor, bias: float) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(len(weight), 1)
        self.queries = 0
        with torch.no_grad():
            self.layer.weight.copy_(weight[None])
            self.layer.bias.fill_(bias)

    def forward(self, x: Tensor) -> Tensor:
        self.queries += 1 if x.ndim == 1 else len(x)
        p: Tensor = torch.sigmoid(self.layer(x))
        return p


def linear(case: Case, names: list[str], frame: Frame) -> Linear:
    """The pipeline's logistic regression as a network of dice-ml's columns.

    Args:
        case: whose last step is a logistic regression.
        names: dice-ml's columns, a level as ``column_level``.
        frame: the training table, whose ranges dice-ml takes.
    """
    encode, last = case.pipeline.named_steps["encode"], case.pipeline.named_steps["model"]
    numbers = [c for c in case.columns if pd.api.types.is_numeric_dtype(frame[c])]
    texts = [c for c in case.columns if c not in numbers]
    coefficients, bias = iter(last.coef_[0].tolist()), float(last.intercept_[0])
    weight: dict[str, float] = {}
    if texts:
        for name, levels in zip(texts, encode.named_transformers_["levels"].categories_, strict=True):
            weight |= {f"{name}_{level}": next(coefficients) for level in levels}
    scaler = encode.named_transformers_["numbers"]
    for name, mean, scale in zip(numbers, scaler.mean_, scaler.scale_, strict=True):
        low, high, own = float(frame[name].min()), float(frame[name].max()), next(coefficients)
        weight[name] = own * (high - low) / scale
        bias += own * (low - mean) / scale
    sign = 1.0 if last.classes_[1] == case.data.target else -1.0
    return Linear(sign * torch.tensor([weight[name] for name in names]), sign * bias)


@final
@dataclass(frozen=True, slots=True)
class DiceGradient:
    """dice-ml's gradient method at its defaults, one row at a time.

    Args:
        cap: CPU seconds after which no further row begins.
    """

    cap: float

    def __call__(self, case: Case, seed: int) -> Run:
        dice_ml = import_module("dice_ml")
        with quiet(), seeded(seed):
            at = time.process_time()
            frame = pd.read_csv(case.folder / "train.csv", keep_default_na=False)
            label = case.data.label
            frame[label] = (frame[label] == case.data.target).astype(int)
            numbers = [c for c in case.columns if pd.api.types.is_numeric_dtype(frame[c])]
            data = dice_ml.Data(dataframe=frame, continuous_features=numbers, outcome_name=label)
            network = linear(case, self._columns(data, label), frame)
            model = dice_ml.Model(model=network, backend="PYT", func="ohe-min-max")
            explainer = dice_ml.Dice(data, model, method="gradient")
            once = time.process_time() - at
            free = [name for name in case.columns if name not in case.data.immutable]
            answers: list[Frame] = []
            network.queries, at = 0, time.process_time()
            for i in range(len(case.rows)):
                if time.process_time() - at > self.cap:
                    break
                made = explainer.generate_counterfactuals(
                    case.rows.iloc[i : i + 1], total_CFs=COUNT, desired_class=1, features_to_vary=free, verbose=False
                ).cf_examples_list[0]  # fmt: skip
                found = made.final_cfs_df if made.final_cfs_df_sparse is None else made.final_cfs_df_sparse
                answers.append(case.rows.iloc[:0] if found is None else self._typed(found, case))
            return Run(tuple(answers), time.process_time() - at, once, network.queries)

    @staticmethod
    def _columns(data: Any, label: str) -> list[str]:  # Any: dice-ml has no types
        """Its columns after encoding, in their order."""
        encoder = import_module("dice_ml.utils.helpers").DataTransfomer("ohe-min-max")
        encoder.feed_data_params(data)
        encoder.initialize_transform_func()
        return [name for name in encoder.transform(data.data_df.iloc[[0]]).columns if name != label]

    @staticmethod
    def _typed(found: Frame, case: Case) -> Frame:
        """Its answers with the types of the rows: numbers come as text where they were given back."""
        kinds = {c: case.rows[c].dtype for c in case.columns if pd.api.types.is_numeric_dtype(case.rows[c])}
        return found[case.columns].astype(kinds)
