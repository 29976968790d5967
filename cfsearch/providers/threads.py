"""Threads of the numerical libraries of a process: torch's, and those of OpenMP and BLAS behind other models."""

import importlib
import os
from typing import Any, Final

import torch

THREAD_VARIABLES: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)
"""What numerical libraries read when they are loaded."""


def limit_threads(count: int) -> None:
    """Bound the threads of torch, OpenMP and BLAS in this process, of libraries that are loaded and of those to come.

    For a process of our own (a command, a worker, a model's process), not for a program that calls cfsearch: it holds
    for everything in the process, for as long as it runs, and for what it starts. Libraries that are loaded already are bound where
    threadpoolctl is installed, as it is with scikit-learn.

    Args:
        count: at least 1.
    """
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(count)))
    try:
        pools: Any = importlib.import_module("threadpoolctl")  # Any: it carries no types
    except ImportError:
        pools = None
    if pools is not None:
        pools.threadpool_limits(limits=count)
    torch.set_num_threads(count)
