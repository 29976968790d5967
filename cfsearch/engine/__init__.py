"""The loop: problem, search, archive, pruning and verification of what is stored."""
