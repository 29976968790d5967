"""The setting of ``peers.py``: UCI Adult, one forest and one MLP, and the rows that are explained."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import Tensor, nn

from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Encoding, Table, TableSchema, infer_schema, read_table, read_text_table
from cfsearch.providers.sklearn import SklearnProvider

IMMUTABLE: Final = ("sex", "race")
REFUSED, WANTED = "<=50K", ">50K"
_SEED: Final = 0
_TUNED: Final = 100
"""Rows that our budgets and settings were chosen on; the reported ones come after them."""
_TREES: Final = 100
_HIDDEN: Final = (64, 64)
_EPOCHS: Final = 8


@final
@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One audited model, as everybody is given it.

    Args:
        name: "forest" or "mlp".
        pipeline: scikit-learn's, on data frames.
        provider: the same fitted classifier on the same numbers, encoded by cfsearch.
        network: the same function in torch, on encoded numbers; None for the forest.
        accuracy: on the test part.
    """

    name: str
    pipeline: Pipeline
    provider: SklearnProvider
    network: nn.Module | None
    accuracy: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What all methods share.

    Args:
        schema: the columns; sex and race immutable, education and education-num linked.
        train: 32,561 rows with their outcome.
        rows: test rows with the outcome <=50K, to which both models give <=50K.
        encoding: from a row to the models' numbers.
        models: the forest and the MLP.
    """

    schema: TableSchema
    train: Table
    rows: Float[Tensor, "n d"]
    encoding: Encoding
    models: tuple[Model, ...]


def read(path: Path, *, rows: int) -> Setting:
    """The official split; models trained with a fixed seed; rows drawn with a fixed seed, none that settings were chosen on."""
    schema = infer_schema(path, target="income", ignore=("fnlwgt", "split"), immutable=IMMUTABLE).schema
    whole = read_table(path, schema=schema)
    part = read_text_table(path).column("split")
    train = whole.take([i for i, scores in enumerate(part) if scores == "train"])
    test = whole.take([i for i, scores in enumerate(part) if scores == "test"])
    encoding = Encoding.standard(schema, train.x)
    before = ColumnTransformer(
        [
            (c.name, OneHotEncoder(categories=[list(c.levels)], sparse_output=False), [c.name])
            if c.has_levels
            else (c.name, StandardScaler(), [c.name])
            for c in schema.columns
        ]
    ).fit(train.frame())
    models = tuple(_model(kind, before, train, test, encoding) for kind in ("forest", "mlp"))
    fits = (test.target == schema.labels.index(REFUSED)) & torch.stack(
        [m.provider.predict(test.x).argmax(1) == schema.labels.index(REFUSED) for m in models]
    ).all(0)
    drawn = np.random.default_rng(_SEED).permutation(fits.nonzero().flatten().numpy())[_TUNED:][:rows]
    return Setting(schema, train, test.x[torch.from_numpy(drawn)], encoding, models)


def _model(kind: str, before: ColumnTransformer, train: Table, test: Table, encoding: Encoding) -> Model:
    if kind == "forest":
        made: Any = RandomForestClassifier(_TREES, min_samples_leaf=3, random_state=_SEED)
    else:
        made = MLPClassifier(_HIDDEN, max_iter=_EPOCHS, random_state=_SEED)
    assert train.target is not None
    assert test.target is not None
    names = np.array(train.schema.labels)
    made.fit(before.transform(train.frame()), names[train.target.numpy()])
    pipeline = Pipeline([("encode", before), ("model", made)])
    provider = SklearnProvider(made, schema=train.schema, form=encoding, name=kind)
    scores = provider.predict(test.x)
    theirs = pipeline.predict_proba(test.frame())
    gap = float((scores - torch.from_numpy(theirs)).abs().max())
    if gap > 1e-9:
        raise SystemExit(f"{kind}: our encoding and scikit-learn's differ by {gap:.3g} in probability.")
    network = _copied(made) if kind == "mlp" else None
    return Model(kind, pipeline, provider, network, float((scores.argmax(1) == test.target).double().mean()))


def _copied(mlp: MLPClassifier) -> nn.Module:
    """The MLP's own weights in torch: logits ``[0, t]``."""
    layers: list[nn.Module] = []
    for weight, bias in zip(mlp.coefs_, mlp.intercepts_, strict=True):
        layer = nn.Linear(*weight.shape)
        layer.weight.data = torch.from_numpy(weight.T.copy()).float()
        layer.bias.data = torch.from_numpy(bias.copy()).float()
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1], _Widened()).eval().requires_grad_(False)


@final
class _Widened(nn.Module):
    """One logit as two classes."""

    def forward(self, t: Float[Tensor, "n 1"]) -> Float[Tensor, "n 2"]:
        return torch.cat([torch.zeros_like(t), t], dim=1)


def framed(model: Model) -> Provider:
    """The model queried as scikit-learn's pipeline on data frames, as dice-ml queries it."""
    return SklearnProvider(model.pipeline, schema=model.provider.schema, name=f"{model.name} pipeline")
