"""Providers of models of tables: base class, and models that take encoded numbers."""

import hashlib
from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.contracts.provider import DifferentiableProvider, Provider, ScoreKind
from cfsearch.contracts.scores import objective_scores
from cfsearch.datasets.tables import (
    ColumnKind,
    Encoding,
    Part,
    Style,
    TableSchema,
    Variables,
    frame_of,
    frame_of_codes,
)
from cfsearch.errors import CapabilityError, ConfigError, DataError, ShapeError
from cfsearch.registry import unknown

from .sidecar import EncodedColumn, EncodingTable

if TYPE_CHECKING:
    import pandas as pd

_RARE: Final = 1.64
"""In standard deviations of the noise, from where a level changes: one time in ten."""


def numbers_of(frame: "pd.DataFrame") -> NDArray[np.float64] | None:
    """A data frame of numbers and truth values as one array; None where a column holds texts."""
    if any(kind.kind not in "biuf" for kind in frame.dtypes):
        return None
    return frame.to_numpy(
        dtype=np.float64, copy=True
    )  # a view of a frame may not be written, of which torch warns


class TabularProvider(Provider, ABC):
    """Base class of providers of rows in canonical form.

    ``encoding`` brings rows to numbers that gradients can follow: those of the model itself where it
    takes numbers, else every column on [0, 1]. ``white_box`` says whether ``network`` is to be had.
    """

    schema: TableSchema
    encoding: Encoding

    @property
    def white_box(self) -> bool:
        """Whether the model can be followed by gradients."""
        return False

    @property
    def known_numbers(self) -> Mapping[str, tuple[float, ...]]:
        """Of columns of numbers that the model learned as categories, the numbers that it knows, in order."""
        return {}

    def given(self, x: Float[Tensor, "n d"]) -> "pd.DataFrame":
        """The rows as the model is given them, one column a column, for messages."""
        return frame_of(x, schema=self.schema)

    def predict_frame(self, frame: "pd.DataFrame") -> Float[Tensor, "n k"] | None:
        """The model's answers for rows as pandas reads them from a file.

        Args:
            frame: the columns of the schema, in its order, typed as ``pandas.read_csv`` does.

        Returns:
            None where such rows cannot be given to the model without cfsearch's own encoding.

        Raises:
            ProviderError: the model failed on them.
        """
        del frame
        return None

    def network(self, u: Float[Tensor, "n w"]) -> Float[Tensor, "n k"]:
        """Log-scores of encoded rows, as objectives see them; gradients reach ``u``.

        Raises:
            CapabilityError: the model answers but gives no gradients.
        """
        raise CapabilityError(
            f"{self.name}: gives answers only, which gradients cannot follow. Distil it into a network first, "
            "or use a method without gradients."
        )


@final
@dataclass(frozen=True, slots=True, eq=False)
class ColumnOrder:
    """Where the model's numbers stand among those of an ``Encoding``, whose columns are the schema's.

    Args:
        encoding: the same numbers in the order of the schema.
        index: for each number of the model its place there; ``encoding.width`` means 0.
    """

    encoding: Encoding
    index: Int[Tensor, " w"]

    @classmethod
    def of(cls, schema: TableSchema, table: EncodingTable | None, *, where: str) -> Self:
        """What ``[encoding]`` of a sidecar says; without one, rows as they are.

        Raises:
            ConfigError: a column is unknown, doubled or left out, or its style does not fit it.
        """
        if table is None:
            return cls(Encoding.plain(schema), torch.arange(schema.d))
        columns = {column.name: column for column in table.columns}
        known = frozenset(schema.names)
        strange = [name for name in columns if name not in known]
        if strange:
            raise ConfigError(f"{where}, [encoding]: {unknown('column', strange[0], list(schema.names))}")
        if len(columns) != len(table.columns):
            raise ConfigError(f"{where}, [encoding]: a column stands there twice.")
        left_out = [name for name in schema.names if name not in columns]
        if left_out:
            raise ConfigError(
                f"{where}, [encoding]: the column {left_out[0]!r} of the table is not there. Add it, or list it "
                "under `ignore` in the schema."
            )
        encoding = Encoding(schema, tuple(_part(columns[name], where) for name in schema.names))
        slots = dict(zip(schema.names, encoding.slots, strict=True))
        index: list[int] = []
        for column in table.columns:
            at = slots[column.name][0]
            levels = schema.column(column.name).levels
            wanted = levels if column.levels is None else column.levels
            if column.style != "one_hot":
                index.append(at)
                continue
            index += [at + levels.index(name) if name in levels else encoding.width for name in wanted]
            if not set(wanted) & set(levels):
                raise ConfigError(
                    f"{where}, [encoding]: `levels` of {column.name!r} are none of the table's, which are "
                    f"{', '.join(levels[:6])}. Write them as they stand in the table."
                )
        return cls(encoding, torch.tensor(index))

    def arranged(self, u: Float[Tensor, "n v"]) -> Float[Tensor, "n w"]:
        """Numbers in the order of the schema, as the model takes them."""
        zero = u.new_zeros(len(u), 1)
        return torch.cat([u, zero], dim=1)[:, self.index.to(u.device)]

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides the numbers."""
        text = f"{self.encoding.fingerprint}:{self.index.tolist()}"
        return hashlib.sha256(text.encode()).hexdigest()


@final
class EncodedProvider(TabularProvider):
    """A model that takes numbers for a row: encoded columns, or canonical rows as they are.

    Args:
        inner: the model on its own numbers, ``(n, w)``.
        order: how a row becomes them.
        probes: rows on which a converted network is compared with the model.
        dtype: of the numbers that it takes.
        convert: makes a network of the model where it is none itself; called at the first ``network``.
        on_frame: the model's answers for a data frame, where it takes one.
    """

    def __init__(
        self,
        inner: Provider,
        *,
        order: ColumnOrder,
        probes: Float[Tensor, "p d"],
        dtype: torch.dtype = torch.float32,
        convert: Callable[[Float[Tensor, "p w"]], DifferentiableProvider] | None = None,
        on_frame: Callable[["pd.DataFrame"], Float[Tensor, "n k"]] | None = None,
    ) -> None:
        self.inner: Final = inner
        self.name: str = inner.name
        self.labels: tuple[str, ...] = inner.labels
        self.scores: ScoreKind = inner.scores
        self.max_batch: int = inner.max_batch
        self.schema: TableSchema = order.encoding.schema
        self.encoding: Encoding = order.encoding
        self._order, self._probes, self._dtype, self._convert = order, probes, dtype, convert
        self._on_frame: Final = on_frame
        self._network: DifferentiableProvider | None = (
            inner if isinstance(inner, DifferentiableProvider) else None
        )

    @property
    def fingerprint(self) -> str:
        """The model, and how rows reach it."""
        return f"{self.inner.fingerprint}:rows:{self._order.fingerprint[:16]}"

    @property
    def note(self) -> str:
        """What was found out instead of declared."""
        return self.inner.note

    @property
    def white_box(self) -> bool:
        """Whether it is a network, or can be made one (which ``network`` may still refuse)."""
        return self._network is not None or self._convert is not None

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The model's answer for each row; see ``Provider``."""
        if x.ndim != 2 or x.shape[1] != self.schema.d:
            raise ShapeError(
                f"{self.name}: expected rows of shape (n, {self.schema.d}), got {tuple(x.shape)}."
            )
        answer = self.inner.predict(self.numbers(x))
        return answer.to(x.dtype) if x.is_floating_point() else answer

    def given(self, x: Float[Tensor, "n d"]) -> "pd.DataFrame":
        """The rows as the model is given them; see ``TabularProvider``."""
        if self._on_frame is not None or self.encoding != Encoding.plain(self.schema):
            return frame_of(x, schema=self.schema)
        return frame_of_codes(x, schema=self.schema)

    def predict_frame(self, frame: "pd.DataFrame") -> Float[Tensor, "n k"] | None:
        """The answers for rows as pandas reads them; see ``TabularProvider``."""
        if self._on_frame is not None:
            return self._on_frame(frame)
        numbers = numbers_of(frame) if self.encoding == Encoding.plain(self.schema) else None
        if numbers is None:
            return None
        return self.inner.predict(self._order.arranged(torch.from_numpy(numbers)).to(self._dtype))

    def numbers(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n w"]:
        """What the model takes for rows."""
        return self._order.arranged(self.encoding.apply(x.double())).to(self._dtype)

    def network(self, u: Float[Tensor, "n v"]) -> Float[Tensor, "n k"]:
        """Log-scores of encoded rows (``encoding``, in the order of the schema); gradients reach ``u``.

        Raises:
            CapabilityError: the model answers but gives no gradients.
            ModelFileError, MissingExtraError: it cannot be converted.
        """
        if self._network is None:
            if self._convert is None:
                return TabularProvider.network(self, u)
            self._network = self._convert(self.numbers(self._probes))
        answer = self._network.predict(self._order.arranged(u).to(torch.float32))
        return objective_scores(answer, kind=self._network.scores).to(u.dtype)


@final
class Framed:
    """A function of data frames as one of arrays (levels as their index), which ``CallableProvider`` takes.

    Args:
        function: a data frame (columns by name, cells typed as pandas reads them) -> scores.
        schema: what the columns mean.
    """

    def __init__(self, function: Callable[[Any], Any], schema: TableSchema) -> None:  # Any: a stranger's
        self._function, self._schema = function, schema

    def __call__(self, rows: NDArray[Any]) -> Any:  # Any: what comes back is checked by the provider
        frame = frame_of(torch.from_numpy(rows), schema=self._schema)
        try:
            return self._function(frame)
        except (KeyError, AttributeError, NameError, ValueError) as error:
            for name in self._schema.ignore:
                if _lacks(error, name, frame=frame):
                    raise DataError(
                        f"column {name!r}: the function takes it, and the schema leaves it out. Describe it under [[columns]]: "
                        f"`cfsearch schema table` with --categorical {name!r} --immutable {name!r} writes a schema that holds "
                        "it fixed, cells as they stand in the file."
                    ) from error
            raise


def _lacks(error: Exception, name: str, *, frame: "pd.DataFrame") -> bool:
    """Whether an error of a function says that a frame, or a part of it, has no column of this name."""
    if isinstance(error, AttributeError):
        return error.name == name and isinstance(error.obj, (type(frame), type(frame.iloc[:, 0])))
    wanted, raised = error.args[0] if error.args else None, error.__traceback__
    if isinstance(error, KeyError) and wanted == name:
        return True
    while raised is not None and raised.tb_next is not None:
        raised = raised.tb_next
    by = "" if raised is None else str(raised.tb_frame.f_globals.get("__name__")).partition(".")[0]
    if by == "sklearn":  # "columns are missing: {'a'}", and of names seen in fitting, one a line, "- a"
        return repr(name) in str(wanted) or f"- {name}" in str(wanted).splitlines()
    # of several columns pandas writes a sentence: "['a', 'b'] not in index", of an expression "name 'a' is not defined"
    return by == "pandas" and not isinstance(error, ValueError) and repr(name) in str(wanted)


@final
class Numbers:
    """A function whose whole numbers are numbers, not classes: what predicts a rounded price.

    Args:
        function: rows -> one number each, or anything else.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:  # Any: a stranger's
        self._function = function

    def __call__(self, rows: Any) -> Any:  # Any: what comes back is checked by the provider
        answer = self._function(rows)
        kind = getattr(getattr(answer, "dtype", None), "kind", "")
        return np.asarray(answer, dtype=np.float64) if kind in ("i", "u") else answer


@final
class FromFrame:
    """A function of data frames on rows of one of them: the provider for a file as pandas reads it.

    Args:
        function: a data frame -> scores.
        frame: the rows that are chosen from, by their place.
    """

    def __init__(self, function: Callable[[Any], Any], frame: "pd.DataFrame") -> None:  # Any: a stranger's
        self._function, self._frame = function, frame

    def __call__(self, places: NDArray[Any]) -> Any:  # Any: what comes back is checked by the provider
        return self._function(self._frame.iloc[places[:, 0].astype(int)].reset_index(drop=True))


@final
@dataclass(frozen=True, slots=True, eq=False)
class RowNoise:
    """Rows near others, for votes: numbers moved by a share of their range, levels now and then.

    Args:
        variables: of the schema; rules on changes are kept.
        sigma: the noise's standard deviation, in ranges.
    """

    variables: Variables
    sigma: float

    def __call__(self, x: Float[Tensor, "n d"], noise: Float[Tensor, " d"]) -> Float[Tensor, "n d"]:
        """The rows moved by one draw of noise; valid rows of the same schema."""
        values = self.variables.values(x)
        moved = []
        for i, variable in enumerate(self.variables.all):
            step, value = noise[i].double(), values[:, i]
            if variable.kind is ColumnKind.CATEGORICAL:
                count = variable.high - variable.low + 1
                jump = torch.where(step.abs() > _RARE * self.sigma, (step.abs() / self.sigma).floor(), 0.0)
                moved.append(torch.where(value <= variable.high, (value + jump) % count, value))
            else:
                moved.append((value + step * variable.span).clamp(variable.low, variable.high))
        near = self.variables.allowed(torch.stack(moved, dim=1), origin=values)
        return self.variables.rows(near).to(x.dtype)


def _part(column: EncodedColumn, where: str) -> Part:
    if column.style != "standard" and (column.centre, column.scale) != (0.0, 1.0):
        raise ConfigError(
            f"{where}, [encoding], column {column.name!r}: `centre` and `scale` go with style = 'standard'."
        )
    if column.style != "one_hot" and column.levels is not None:
        raise ConfigError(f"{where}, [encoding], column {column.name!r}: `levels` go with style = 'one_hot'.")
    return Part(style=Style(column.style), centre=column.centre, scale=column.scale)
