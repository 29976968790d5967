"""ONNX models: images, matrices of rows, and one input a column."""

from .provider import OnnxProvider

__all__ = ["OnnxProvider"]
