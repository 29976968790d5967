"""Opening a skops file as a model of rows of a table."""

from collections.abc import Sequence
from pathlib import Path

from cfsearch.contracts.provider import Provider
from cfsearch.errors import ConfigError

from .request import ModelRequest
from .sidecar import Sidecar, sidecar_at
from .sklearn import SklearnProvider
from .skops_file import fitted_columns
from .tabular import ColumnOrder


def open_skops(request: ModelRequest) -> Provider:
    """The estimator in a skops file.

    Args:
        request: with a schema; ``trusted`` types are let in.

    Raises:
        ConfigError: there is no schema, or ``[encoding]`` of the sidecar orders its columns otherwise.
        UnsafeModelError, ModelFileError, MissingExtraError, DataError: as ``SklearnProvider.open``.
    """
    path = Path(request.path)
    if request.schema is None:
        raise ConfigError(f"{path}: skops files hold models of tables. Give --data TABLE.csv with it.")
    declared, where = sidecar_at(path, given=request.sidecar)
    if request.sidecar is None:
        declared = of_arrays(declared, path, trusted=request.trusted)
    order = ColumnOrder.of(request.schema, declared.encoding, where=where)
    encoded = declared.encoding is not None
    if encoded and order.index.tolist() != list(range(order.encoding.width)):
        raise ConfigError(
            f"{where}, [encoding]: of a skops model the columns and levels must stand in the order of the "
            "table's schema. Save the whole pipeline, which takes a data frame, or export it to ONNX."
        )
    batch = request.max_batch or declared.max_batch
    return SklearnProvider.open(
        path,
        schema=order.encoding.schema,
        form=order.encoding if encoded else None,
        labels=declared.labels or (),
        trusted=request.trusted,
        regression=request.target is not None,
        **({} if batch is None else {"max_batch": batch}),
    )


def of_arrays(declared: Sidecar, path: Path, *, trusted: Sequence[str]) -> Sidecar:
    """The sidecar beside a skops file, less an ``[encoding]`` that is another model's.

    A pipeline that was fitted on a data frame takes one; ``credit.toml`` may belong to
    ``credit.onnx`` beside it.

    Args:
        declared: the sidecar as it was read.
        path: the skops file.
        trusted: types that are known and let in.
    """
    if declared.encoding is None or fitted_columns(path, trusted=trusted) is None:
        return declared
    return declared.model_copy(update={"encoding": None, "labels": None})
