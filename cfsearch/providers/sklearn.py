"""scikit-learn models on tables: objects of the running program, and skops files."""

import hashlib
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.labels import check_distinct
from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Encoding, TableSchema, bare_name, frame_of_codes
from cfsearch.errors import ConfigError, DataError, ProviderError, ShapeError, cause_of, listed

from .answers import ask_in_pieces, indices_of, scores_of
from .batch_invariance import block_for, by_row, in_blocks, large_block_for, tried_rows
from .foreign import foreign_code
from .plain_array import plain_array
from .sklearn_categories import way_out
from .sklearn_frame import FittedFrames
from .sklearn_scores import disagreement, scores_of_estimator
from .skops_file import check_skops, load_skops
from .tabular import TabularProvider, numbers_of

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["frame", "codes"]
"""How rows reach an estimator: a data frame, or an array with levels as their index."""

_MAX_BATCH: Final = 4096
_TRIED: Final = 128
"""Rows on which ``predict`` and the scores are compared."""


@final
class SklearnProvider(TabularProvider):
    """A fitted scikit-learn classifier, or a pipeline that ends in one, on rows of a table.

    Scores come from ``predict_proba``, else ``decision_function`` (numbers as logits), else
    ``predict``. Its classes come in its own order, ``classes_``.

    Args:
        estimator: what was fitted.
        schema: what the columns of a row mean.
        form: "frame" (columns by name, cells typed as pandas reads them from a file, or as the
            estimator's own encoders learned them), "codes" (an array of numbers, levels as their
            index) or an ``Encoding`` (one-hot, scaled). When left out, "frame" if it was fitted on
            a data frame, else "codes".
        labels: names of its classes, in the order of ``classes_``; the classes themselves when
            left out.
        name: for messages and results.
        max_batch: most rows a call.
        fingerprint: what tells this model from another; by default a hash of the pickled object.
        regression: whether a regressor may stand here, whose number is widened to two scores, 0 and itself.

    Raises:
        ConfigError: it was not fitted, is no classifier, or the labels do not fit.
        DataError: the table's classes stand in another order than the model's.

    Example:
        >>> import torch
        >>> from sklearn.linear_model import LogisticRegression
        >>> from cfsearch.datasets.tables import Column, ColumnKind
        >>> schema = TableSchema(columns=(Column(name="age", kind=ColumnKind.REAL, high=100.0),))
        >>> estimator = LogisticRegression().fit([[20.0], [30.0], [60.0], [70.0]], [0, 0, 1, 1])
        >>> model = SklearnProvider(estimator, schema=schema, labels=("young", "old"))
        >>> model.predict(torch.tensor([[25.0], [65.0]], dtype=torch.float64)).argmax(1).tolist()
        [0, 1]
    """

    def __init__(
        self,
        estimator: Any,  # Any: scikit-learn has no type for what it calls an estimator
        *,
        schema: TableSchema,
        form: Form | Encoding | None = None,
        labels: Sequence[str] = (),
        name: str = "sklearn",
        max_batch: int = _MAX_BATCH,
        fingerprint: str | None = None,
        regression: bool = False,
    ) -> None:
        found = scores_of_estimator(estimator, regression=regression, who=name)
        self.regression: Final = found.regression
        if max_batch < 1:
            raise ConfigError(f"{name}: `max_batch` must be at least 1, got {max_batch!r}.")
        self.name: str = name
        self.estimator: Final = estimator
        self.max_batch: int = max_batch
        self.schema: TableSchema = schema
        self._classes: Final = tuple(_word(c) for c in found.classes)
        self.labels: tuple[str, ...] = _labels(
            self._classes, given=tuple(labels) or found.labels, schema=schema, who=name
        )
        self.scores: ScoreKind = found.kind
        self._ask: Final = found.ask
        named = getattr(estimator, "feature_names_in_", None)
        self.form: Final = form if form is not None else ("codes" if named is None else "frame")
        if self.form == "frame" and named is not None:
            _check_names([bare_name(str(n)) for n in named], schema, who=name)
        elif self.form not in ("frame", "codes") and not isinstance(self.form, Encoding):
            raise ConfigError(f"{name}: `form` must be 'frame', 'codes' or an Encoding, got {self.form!r}.")
        elif self.form == "codes":
            _check_count(getattr(estimator, "n_features_in_", None), schema, who=name)
        self.encoding: Encoding = self.form if isinstance(self.form, Encoding) else Encoding.ranged(schema)
        self._frames: Final = FittedFrames(estimator, schema=schema) if self.form == "frame" else None
        self._fingerprint: Final = fingerprint or _hash_of(estimator)

        def ask(rows: Tensor) -> Any:  # Any: an array
            return self._ask(self._ready(rows))

        self._block: Final = (
            0
            if by_row(estimator) or self.scores is ScoreKind.LABELS
            else block_for(estimator, schema=schema, most=max_batch, ask=ask)
        )
        tried = self.scores is ScoreKind.PROBABILITIES and not by_row(estimator) and not self._block
        self._about: Final = found.note or (self._disagreement(schema) if tried else "")
        self._large: Final = large_block_for(schema, block=self._block, most=max_batch, ask=ask)
        self._batch_invariant: Final = by_row(estimator) or self._block > 0

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        schema: TableSchema,
        form: Form | Encoding | None = None,
        labels: Sequence[str] = (),
        trusted: Sequence[str] = (),
        max_batch: int = _MAX_BATCH,
        regression: bool = False,
    ) -> Self:
        """The model in a skops file; nothing in it runs unless its type is known to be safe.

        Args:
            path: ``model.skops``, as ``skops.io.dump`` writes it.
            schema: what the columns of a row mean.
            form: how rows are handed over, as for the class.
            labels: the classes in the order of the model's columns; those of the file when left out.
            max_batch: most rows queried at once.
            trusted: types besides skops' own list that you know and let in, by their full name.
            regression: as for the class.

        Raises:
            UnsafeModelError: it holds types that nobody vouched for, and lists them; or it is a
                pickle or joblib file, which are never read.
            ModelFileError: there is no such file, or it is no skops file.
            MissingExtraError: skops or scikit-learn is not installed.
            ConfigError, DataError: as for the class.
        """
        path = Path(path)
        digest = check_skops(path)
        return cls(
            load_skops(path, trusted=tuple(trusted)),
            schema=schema,
            form=form,
            labels=labels,
            name=path.name,
            max_batch=max_batch,
            fingerprint=digest,
            regression=regression,
        )

    @property
    def fingerprint(self) -> str:
        """The model, how rows reach it, and its classes."""
        form = self.form.fingerprint[:16] if isinstance(self.form, Encoding) else self.form
        parts = f"{self._fingerprint}:{form}:{self.schema.fingerprint[:16]}:{self.labels}"
        return f"sklearn:{hashlib.sha256(parts.encode()).hexdigest()}"

    @property
    def batch_invariant(self) -> bool:
        """True of trees, linear models and MLPs behind transformers of single columns.

        Those that multiply matrices are queried in blocks of one size; see ``cfsearch.providers.batch_invariance``.
        """
        return self._batch_invariant

    @property
    def note(self) -> str:
        """What its numbers are, where they are no probabilities, and levels that it never saw."""
        notes = []
        if self._about:
            notes.append(self._about.format(self.name))
        if self._frames is not None and self._frames.note:
            notes.append(f"{self.name}: {self._frames.note}")
        return " ".join(notes)

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The model's answer for each row; see ``Provider``."""
        if x.ndim != 2 or x.shape[1] != self.schema.d:
            raise ShapeError(
                f"{self.name}: expected rows of shape (n, {self.schema.d}), got {tuple(x.shape)}."
            )
        answer = ask_in_pieces(x, max_batch=self.max_batch, ask=self._piece)
        return answer.to(device=x.device, dtype=x.dtype if x.is_floating_point() else torch.float32)

    def _piece(self, x: Tensor) -> Tensor:
        if not self._block:
            return self._answers(x)
        return in_blocks(x, block=self._block, ask=self._answers, large=self._large)

    def _answers(self, x: Tensor) -> Tensor:
        return self._scores(self._ready(x.detach().cpu().double()), n=len(x))

    def _disagreement(self, schema: TableSchema) -> str:
        """That ``predict`` names other classes than the largest probability, where it does."""
        own = getattr(self.estimator, "predict", None)
        if own is None:
            return ""
        try:
            rows = self._ready(tried_rows(schema, n=_TRIED))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of rows that nobody gave
                named = [_word(value) for value in np.asarray(own(rows)).reshape(-1).tolist()]
                return disagreement(named, np.asarray(self._ask(rows)), classes=self._classes)
        except Exception:  # noqa: BLE001  # whatever a model raises at rows that nobody supplied
            return ""

    @property
    def known_numbers(self) -> Mapping[str, tuple[float, ...]]:
        """Those of its encoders and boosters; see ``TabularProvider``."""
        return {} if self._frames is None else self._frames.known_numbers

    def given(self, x: Float[Tensor, "n d"]) -> "pd.DataFrame":
        """The rows as the estimator is given them; see ``TabularProvider``."""
        if self._frames is None:
            return frame_of_codes(x, schema=self.schema)
        return self._frames.of_rows(x.detach().cpu().double())

    def predict_frame(self, frame: "pd.DataFrame") -> Float[Tensor, "n k"] | None:
        """The answers for rows as pandas reads them from a file; see ``TabularProvider``."""
        if self._frames is not None:
            return self._scores(self._frames.of_file(frame), n=len(frame))
        numbers = None if isinstance(self.form, Encoding) else numbers_of(frame)
        return None if numbers is None else self._scores(numbers, n=len(frame))

    def _scores(self, ready: Any, *, n: int) -> Tensor:  # Any: an array or a data frame
        try:
            with foreign_code(self.name, part="the model", given=f"{n} rows", n=n):
                answer = self._ask(ready)
        except ProviderError as error:
            advice = way_out(str(error))
            refusal = None if self._frames is None else self._frames.refusal(str(error))
            if refusal is not None:
                raise refusal from error
            if not advice:
                raise
            raise ProviderError(f"{error} {advice}") from error
        raw = plain_array(answer, labels=self.labels, who=self.name)
        if self.regression:
            raw = raw.astype(np.float64, copy=False)
        if self.scores is ScoreKind.LABELS:
            words = np.array([_word(v) for v in raw.reshape(-1).tolist()])
            raw = indices_of(words, labels=self._classes, who=self.name)
        return scores_of(
            torch.from_numpy(np.ascontiguousarray(raw)),
            n=n,
            labels=self.labels,
            kind=self.scores,
            who=self.name,
        )

    def ready(self, x: Float[Tensor, "n d"]) -> Any:  # Any: an array or a data frame
        """The rows as ``estimator`` takes them.

        Args:
            x: rows in canonical form.
        """
        return self._ready(x.detach().cpu().double())

    def _ready(self, rows: Tensor) -> Any:  # Any: an array or a data frame
        if isinstance(self.form, Encoding):
            return self.form.apply(rows).numpy()
        return rows.numpy() if self._frames is None else self._frames.of_rows(rows)


def _labels(
    classes: tuple[str, ...], *, given: tuple[str, ...], schema: TableSchema, who: str
) -> tuple[str, ...]:
    check_distinct(given, where=f"{who}: labels")
    if given and len(given) != len(classes):
        raise ConfigError(f"{who}: {len(given)} labels are given, but the model has {len(classes)} classes.")
    if given and set(given) == set(classes) and given != classes:
        raise DataError(
            f"{who}: the labels {listed(given)} stand in another order than the model's classes, "
            f"{listed(classes)}. Write them in the model's order."
        )
    labels = given or classes
    if set(labels) == set(schema.labels) and labels != schema.labels:
        raise DataError(
            f"{who}: the model's classes {listed(labels)} stand in another order than those of the table, "
            f"{listed(schema.labels)}. Write the labels of [target] in the model's order."
        )
    return labels


def _check_names(named: list[str], schema: TableSchema, *, who: str) -> None:
    if named == list(schema.names):
        return
    ours, theirs = frozenset(schema.names), frozenset(named)
    lacking = [name for name in named if name not in ours]
    extra = [name for name in schema.names if name not in theirs]
    what = (
        f"the schema lacks {', '.join(lacking[:4])}"
        if lacking
        else f"it was not fitted on {', '.join(extra[:4])}"
        if extra
        else "they stand in another order"
    )
    ignored = [name for name in lacking if name in schema.ignore]
    way = (
        f"Describe {'it' if len(lacking) == 1 else 'them'} under [[columns]] (`immutable = true` holds a column fixed)"
        f"{f', and take {listed(ignored)} out of `ignore`' if ignored else ''}; without a schema it is guessed so."
        if lacking
        else "List them under `ignore`."
        if extra
        else "Write them in the model's order."
    )
    raise ConfigError(
        f"{who}: the columns of the schema must be those that the model was fitted on, but {what}. {way} It was "
        f"fitted on {listed(named, most=30)}."
    )


def _check_count(taken: object, schema: TableSchema, *, who: str) -> None:
    """Refuses a table of more or fewer columns than an estimator takes that was fitted on arrays."""
    if isinstance(taken, int) and taken != schema.d:
        raise ConfigError(
            f"{who}: takes {taken} columns, without their names, but the table gives it {schema.d}: {listed(schema.names, most=30)}. "
            "Name the one with the class (--label), write a schema that lists the others under `ignore`, or fit the model "
            "on a data frame."
        )


def _word(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _hash_of(estimator: Any) -> str:
    # written, never read: a pickle is only unsafe to load
    try:
        return hashlib.sha256(pickle.dumps(estimator, protocol=4)).hexdigest()
    except Exception as error:  # what an object's own pickling may raise
        raise ConfigError(
            f"sklearn: {type(estimator).__name__} cannot be hashed ({cause_of(error)}). Give `fingerprint`, a text that "
            "tells it from other models."
        ) from error
