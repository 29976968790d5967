"""An answer of a stranger's code as a plain numpy array, whatever library it is of."""

from numbers import Real
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from cfsearch.errors import ProviderError, cause_of

from .answers import RawArray

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = 160


def plain_array(answer: object, *, labels: tuple[str, ...] = (), who: str) -> RawArray:
    """The array of an answer: numbers in the byte order of this machine, or words.

    What an answer marks as missing becomes NaN (cells that a masked array masks, ``None`` and ``pandas.NA``): it
    is no number, whatever lies below the mask. Rows of a pandas object whose index is 0 to n-1 in another
    order are put into that order, and columns that are named as the labels into theirs.

    Args:
        answer: an array, a tensor, a data frame, a sparse matrix, or nested lists.
        labels: of the columns, where they are known.
        who: for messages.

    Raises:
        ProviderError: it is none of these, or holds neither numbers nor words.

    Example:
        >>> plain_array(np.ma.masked_array([0.25, 0.75], mask=[False, True]), who="m")
        array([0.25,  nan])
    """
    try:
        array = _array(answer, labels)
    except ProviderError:
        raise
    except Exception as error:  # a stranger's object may raise anything when it is made an array
        raise ProviderError(
            f"{who}: the answer must be an array of numbers, got {_kind(answer)} ({cause_of(error, most=_SHOWN)}). "
            "Return one row of scores an input, as numpy.asarray takes it."
        ) from error
    if array.dtype.kind == "O":
        array = _unboxed(array, answer, who=who)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        array = array.astype(np.float64)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _array(answer: Any, labels: tuple[str, ...]) -> RawArray:  # Any: whatever a stranger's code returns
    if isinstance(answer, torch.Tensor):
        dense = answer.detach().to_dense().cpu().resolve_conj()
        return np.asarray(dense.float() if dense.dtype is torch.bfloat16 else dense)
    if _is_pandas(answer):
        return _of_pandas(answer, labels)
    if callable(getattr(answer, "toarray", None)) and not isinstance(answer, np.ndarray):
        answer = answer.toarray()  # of scipy's sparse matrices
    if isinstance(answer, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(answer)
        if not masked.any():
            return np.asarray(answer.data)
        wide = answer.data.astype(np.float64 if answer.dtype.kind in "iub" else answer.dtype)
        return np.where(masked, np.nan, wide)
    return np.asarray(answer)


def _is_pandas(answer: object) -> bool:
    return type(answer).__module__.partition(".")[0] == "pandas" and hasattr(answer, "index")


def _of_pandas(answer: "pd.DataFrame | pd.Series[Any]", labels: tuple[str, ...]) -> RawArray:  # Any: cells
    index = answer.index.to_numpy()
    n = len(index)
    if index.dtype.kind in "iu" and not np.array_equal(index, np.arange(n)):
        order = np.argsort(index, kind="stable")
        if np.array_equal(index[order], np.arange(n)):
            answer = answer.iloc[order]
    named = [str(name) for name in getattr(answer, "columns", ())]
    if named != list(labels) and sorted(named) == sorted(labels) and len(set(named)) == len(named):
        place = {name: i for i, name in enumerate(named)}
        return np.asarray(answer)[:, [place[label] for label in labels]]
    return np.asarray(answer)


def _unboxed(array: RawArray, answer: object, *, who: str) -> RawArray:
    """An array of objects as one of numbers or of words."""
    cells = array.reshape(-1).tolist()
    if cells and all(isinstance(cell, str) for cell in cells):
        return array.astype(str)
    if not cells or array.ndim == 0 or not all(isinstance(cell, Real) or _is_missing(cell) for cell in cells):
        odd = next((cell for cell in cells if not isinstance(cell, Real)), None)
        held = "" if array.ndim == 0 or odd is None else f" that holds {type(odd).__name__}"
        raise ProviderError(
            f"{who}: the answer must be numbers, one row of scores an input (label words only with "
            f"scores = 'labels'), got {_kind(answer)}{held}."
        )
    numbers = [np.nan if _is_missing(cell) else float(cell) for cell in cells]
    return np.asarray(numbers, dtype=np.float64).reshape(array.shape)


def _is_missing(cell: object) -> bool:
    return cell is None or type(cell).__name__ in ("NAType", "NaTType", "MaskedConstant")


def _kind(answer: object) -> str:
    """What an answer is, for messages."""
    if answer is None:
        return "None"
    if isinstance(answer, dict):
        return f"a dictionary of {', '.join(repr(str(key)) for key in list(answer)[:4])}"
    name = type(answer).__name__
    return f"an array of {answer.dtype}" if isinstance(answer, np.ndarray) else f"{name!r}"
