"""Rows of a table: changes of columns under the rules of a schema."""

from .generator import Rows

__all__ = ["Rows"]
