"""Types of scikit-learn in a skops file that are let in without ``--trust``, beside skops' own list."""

from typing import Final

_KERNELS: Final = (
    "CompoundKernel",
    "ConstantKernel",
    "DotProduct",
    "Exponentiation",
    "ExpSineSquared",
    "Matern",
    "PairwiseKernel",
    "Product",
    "RBF",
    "RationalQuadratic",
    "Sum",
    "WhiteKernel",
)
_SPLITTERS: Final = (
    "GroupKFold",
    "GroupShuffleSplit",
    "KFold",
    "LeaveOneOut",
    "RepeatedKFold",
    "RepeatedStratifiedKFold",
    "ShuffleSplit",
    "StratifiedGroupKFold",
    "StratifiedKFold",
    "StratifiedShuffleSplit",
    "TimeSeriesSplit",
)
PLAIN: Final = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer._RemainderColsList",  # of 1.6 to 1.8
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.metrics._scorer._PassthroughScorer",
        "sklearn.multiclass._ConstantPredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.utils._bunch.Bunch",
        "sklearn.utils._metadata_requests.MetadataRequest",
        "sklearn.utils._metadata_requests.MethodMetadataRequest",
        *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS),
        *(f"sklearn.model_selection._split.{name}" for name in _SPLITTERS),
    }
)
"""Python classes that hold numbers, texts and each other, and names of number types.

No function, method or scorer is among them: what they do is not seen from their name alone.
"""
TREE: Final = "sklearn.tree._tree.Tree"
PREDICTOR: Final = "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
NEIGHBOURS: Final = ("sklearn.neighbors._ball_tree.BallTree", "sklearn.neighbors._kd_tree.KDTree")
DISTANCES: Final = tuple(
    f"sklearn.metrics._dist_metrics.{name}Distance{bits}"
    for name in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
    for bits in (32, 64)
)
COMPILED: Final = frozenset({TREE, PREDICTOR, *NEIGHBOURS, *DISTANCES})
"""Compiled classes: a forged index in them reads foreign memory, so that their content is checked (``skops_contents``)."""
