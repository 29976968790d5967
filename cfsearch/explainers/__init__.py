"""Gradient-based explainers, one family a file, on the contract of ``cfsearch.contracts.explainer``."""
