"""Networks for methods that follow gradients: the MLP as dice-ml wants it, and subjects of our explainers."""

from dataclasses import replace
from functools import cache
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float
from peers_setting import Model, Setting
from torch import Tensor, nn

from cfsearch.contracts.explainer_task import Subject
from cfsearch.datasets.tables import Style
from cfsearch.distill import BEST, DistillRequest, Hyper, Tuning, distil
from cfsearch.explainers.subjects import row_subject
from cfsearch.providers.surrogate import SurrogateProvider

_INPUTS: Final = 1000
_QUERIES: Final = 20_000
_RECIPE: Final = replace(BEST, networks=("mlp_64_64",), hyper=Hyper(2e-3, 10, 128), tuning=Tuning(trials=0))


@final
class Rescaled(nn.Module):
    """The MLP on numbers in another order and scale; answers P(>50K), as dice-ml wants it."""

    def __init__(
        self, network: nn.Module, *, index: list[int], factor: list[float], shift: list[float]
    ) -> None:
        super().__init__()
        self.network = network
        self.index = torch.tensor(index)
        self.factor, self.shift = torch.tensor(factor), torch.tensor(shift)

    def forward(self, v: Float[Tensor, "*n v"]) -> Float[Tensor, "*n 1"]:
        flat = v.reshape(-1, v.shape[-1])
        zero = flat.new_zeros(len(flat), 1)
        u = torch.cat([flat, zero], dim=1)[:, self.index] * self.factor + self.shift
        p: Tensor = self.network(u.float()).softmax(dim=1)[:, 1:]
        return p.reshape(*v.shape[:-1], 1)


def rescaled(setting: Setting, model: Model, data: Any) -> Rescaled:  # Any: dice-ml has no types
    """The MLP on dice-ml's one-hot columns, its numbers brought to [0, 1] by their range."""
    assert model.network is not None
    names = data.get_ohe_min_max_normalized_data(data.data_df[data.feature_names].iloc[[0]]).columns.tolist()
    index, factor, shift = [], [], []
    for column, part in zip(setting.schema.columns, setting.encoding.parts, strict=True):
        if part.style is Style.ONE_HOT:
            names_ = [f"{column.name}_{level}" for level in column.levels]
            index += [names.index(one) if one in names else len(names) for one in names_]
            factor += [1.0] * len(names_)
            shift += [0.0] * len(names_)
        else:
            low, high = data.permitted_range[column.name]
            index.append(names.index(column.name))
            factor.append((high - low) / part.scale)
            shift.append((low - part.centre) / part.scale)
    made = Rescaled(model.network, index=index, factor=factor, shift=shift)
    some = setting.train.take(range(200))
    v = torch.from_numpy(
        data.get_ohe_min_max_normalized_data(some.frame()).to_numpy(dtype=np.float64)
    ).float()
    gap = float((made(v)[:, 0] - model.provider.predict(some.x)[:, 1]).abs().max())
    if gap > 1e-4:
        raise SystemExit(f"the MLP for dice-ml differs from scikit-learn's by {gap:.3g} in probability.")
    return made


@cache
def subject_of(setting: Setting, model: Model, seed: int) -> Subject:
    """The model with a network to follow: its own in torch, or one distilled from its answers."""
    if model.network is not None:
        return row_subject(model.provider, setting.encoding, model.network, white_box=True)
    some = np.random.default_rng(seed).permutation(len(setting.train))[:_INPUTS]
    request = DistillRequest(recipe=_RECIPE, queries=_QUERIES, seed=seed)
    made = distil(
        setting.train.x[torch.from_numpy(some)], model.provider, request=request, schema=setting.schema
    )
    surrogate = SurrogateProvider(made.surrogate, audited=model.provider)
    assert surrogate.encoding is not None
    return row_subject(model.provider, surrogate.encoding, surrogate.network)
