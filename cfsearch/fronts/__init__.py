"""Pareto fronts: the members, their file, their document, their data frame."""
