"""Solvers as tensor code: all queries advance together, each with random numbers of its own."""
