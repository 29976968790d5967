"""Where numbers differ, of which some may be missing: NaN is the same as NaN, and another than any number."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def differing(a: Float[Tensor, "*n"], b: Float[Tensor, "*m"]) -> Bool[Tensor, "*k"]:
    """Where two tensors differ, which broadcast as usual.

    Args:
        a: numbers; NaN where one is missing.
        b: likewise.

    Example:
        >>> nan = float("nan")
        >>> differing(torch.tensor([1.0, 2.0, nan, nan]), torch.tensor([1.0, 3.0, nan, 1.0])).tolist()
        [False, True, False, True]
    """
    return (a != b) & ~(torch.isnan(a) & torch.isnan(b))


def differs(a: float, b: float) -> bool:
    """Whether two numbers differ, of which one or both may be missing.

    Args:
        a: a number, or NaN.
        b: likewise.

    Example:
        >>> differs(1.0, 1.0), differs(math.nan, math.nan), differs(math.nan, 1.0)
        (False, False, True)
    """
    return a != b and not (math.isnan(a) and math.isnan(b))
