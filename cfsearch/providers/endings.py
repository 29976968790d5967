"""Endings of model files that no plug-in opens, and what they are; imports nothing, so that a command can look before torch is there."""

from collections.abc import Mapping
from typing import Final

RUNS_CODE: Final[Mapping[str, str]] = {
    ".pkl": "a pickle",
    ".pickle": "a pickle",
    ".joblib": "a joblib pickle",
    ".sav": "a pickle",
    ".pt2": "a torch.export archive",
    ".ptl": "a TorchScript archive",
    ".torchscript": "a TorchScript archive",
    ".npy": "an array that may hold pickles",
}
"""Endings of files that can run code when they are loaded, and what they are."""

OTHER_FRAMEWORKS: Final[Mapping[str, str]] = {
    ".h5": "Keras",
    ".hdf5": "Keras",
    ".keras": "Keras",
    ".pb": "TensorFlow",
    ".tflite": "TensorFlow Lite",
    ".mlmodel": "Core ML",
    ".mlpackage": "Core ML",
    ".engine": "TensorRT",
    ".plan": "TensorRT",
    ".trt": "TensorRT",
    ".gguf": "llama.cpp",
    ".pdmodel": "PaddlePaddle",
    ".caffemodel": "Caffe",
    ".pmml": "PMML",
    ".mojo": "H2O",
    ".rds": "R",
    ".xml": "OpenVINO or PMML",
}
"""Frameworks by the endings of their files."""

BOOSTED: Final[Mapping[str, tuple[str, str]]] = {
    ".json": ("XGBoost", "onnxmltools.convert_xgboost(model, ...)"),
    ".ubj": ("XGBoost", "onnxmltools.convert_xgboost(model, ...)"),
    ".txt": ("LightGBM", "onnxmltools.convert_lightgbm(model, ...)"),
    ".bst": ("XGBoost", "onnxmltools.convert_xgboost(model, ...)"),
    ".lgb": ("LightGBM", "onnxmltools.convert_lightgbm(model, ...)"),
    ".cbm": ("CatBoost", 'model.save_model("model.onnx", format="onnx")'),
}
"""Libraries of boosted trees by the endings of their own files, and what exports these to ONNX."""

WEIGHTS: Final = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".th")
"""Endings of files of torch weights; others are known by their bytes."""

UNOPENED: Final = frozenset((*WEIGHTS, *RUNS_CODE, *OTHER_FRAMEWORKS, ".ubj", ".cbm", ".bst", ".lgb"))
"""Endings that are models and nothing else, besides those of plug-ins; tables and texts end in the others of boosted trees."""
