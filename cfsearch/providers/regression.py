"""Models of tables that predict one number, as classifiers of a target range."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import ScoreKind
from cfsearch.contracts.target_range import TargetRange
from cfsearch.datasets.tables import Encoding, TableSchema
from cfsearch.errors import ProviderError
from cfsearch.providers.onnx.columns import ColumnProvider

from .answering import AnsweringProvider
from .sklearn import SklearnProvider
from .tabular import EncodedProvider, TabularProvider

if TYPE_CHECKING:
    import pandas as pd


def within_range(
    model: TabularProvider, target: TargetRange | None, *, probes: Float[Tensor, "p d"]
) -> TabularProvider:
    """The model, or where it predicts one number and a range is the target, a classifier of that range.

    Args:
        model: as it was opened; a classifier is given back.
        target: the range; None for no range.
        probes: rows to ask about.
    """
    if target is None or target.text in model.labels or not _predicts_one_number(model, probes[:2]):
        return model
    return RangeProvider(model, target)


def _predicts_one_number(model: TabularProvider, rows: Tensor) -> bool:
    if isinstance(model, SklearnProvider):
        return model.regression
    if isinstance(model, EncodedProvider):
        inner, numbers = model.inner, model.numbers(rows)
    elif isinstance(model, ColumnProvider):
        inner, numbers = model.inner, rows.double()
    else:
        return False
    if not isinstance(inner, AnsweringProvider) or inner.scores is ScoreKind.LABELS:
        return False
    return inner.raw(numbers).reshape(len(rows), -1).shape[1] == 1


@final
class RangeProvider(TabularProvider):
    """A model that predicts one number, with the classes below, within and above a range.

    Args:
        inner: the model, whose number was widened to two scores.
        target: the range.

    Example:
        >>> import numpy as np
        >>> from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
        >>> from cfsearch.providers.live import live_tabular
        >>> schema = TableSchema(columns=(Column(name="area", kind=ColumnKind.REAL, high=200.0),))
        >>> rows = torch.tensor([[40.0], [100.0]], dtype=torch.float64)
        >>> price = lambda frame: 2000.0 * frame["area"].to_numpy()
        >>> model = live_tabular(price, schema=schema, probes=rows, target="150000..")
        >>> model.labels, model.predict(rows).argmax(1).tolist()
        (('below 150000', '150000..'), [0, 1])
    """

    def __init__(self, inner: TabularProvider, target: TargetRange) -> None:
        self.inner: Final = inner
        self.target: Final = target
        self.name: str = inner.name
        self.labels: tuple[str, ...] = target.labels
        self.scores: ScoreKind = ScoreKind.LOGITS
        self.max_batch: int = inner.max_batch
        self.schema: TableSchema = inner.schema
        self.encoding: Encoding = inner.encoding

    @property
    def known_numbers(self) -> Mapping[str, tuple[float, ...]]:
        """Those of the model; see ``TabularProvider``."""
        return self.inner.known_numbers

    @property
    def batch_invariant(self) -> bool:
        """That of the model."""
        return self.inner.batch_invariant

    @property
    def white_box(self) -> bool:
        """That of the model."""
        return self.inner.white_box

    @property
    def fingerprint(self) -> str:
        """The model and the range."""
        text = f"{self.inner.fingerprint}:{self.target.text}"
        return f"range:{hashlib.sha256(text.encode()).hexdigest()}"

    @property
    def note(self) -> str:
        """What its classes are."""
        classes = ", ".join(repr(label) for label in self.labels)
        own = (
            f"{self.name} predicts a number; its classes are {classes}, and their scores how far the number lies "
            f"within each, by {self.target.scale:g}."
        )
        # of other models the note is of scores and classes, which a number has not
        return f"{own} {self.inner.note}".strip() if isinstance(self.inner, SklearnProvider) else own

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Scores of the classes; see ``Provider``."""
        return self.target.scores(self.numbers(x))

    def numbers(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The model's numbers.

        Args:
            x: rows.
        """
        return self._number(self.inner.predict(x))

    def predict_frame(self, frame: "pd.DataFrame") -> Float[Tensor, "n k"] | None:
        """The answers for rows as pandas reads them; see ``TabularProvider``."""
        answer = self.inner.predict_frame(frame)
        return None if answer is None else self.target.scores(self._number(answer))

    def given(self, x: Float[Tensor, "n d"]) -> "pd.DataFrame":
        """The rows as the model is given them; see ``TabularProvider``."""
        return self.inner.given(x)

    def network(self, u: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
        """Log-scores of encoded rows; see ``TabularProvider``."""
        logits = self.inner.network(u)
        number = logits[:, 1] - logits[:, 0]
        if self.inner.scores is ScoreKind.PROBABILITIES:
            number = torch.sigmoid(number)
        return torch.log_softmax(self.target.scores(number), dim=1)

    def _number(self, answer: Tensor) -> Tensor:
        """The one number that was widened to two scores."""
        if answer.shape[1] != 2:
            raise ProviderError(
                f"{self.name}: predicted one number a row at first, and answers with {answer.shape[1]} now. Check it "
                "with `cfsearch doctor`."
            )
        return answer[:, 1] - (0.0 if self.inner.scores is ScoreKind.PROBABILITIES else answer[:, 0])
