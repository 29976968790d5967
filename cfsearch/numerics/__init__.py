"""Mathematics on tensors: dominance, crowding, hypervolume, intervals, similarity. Knows no model."""
