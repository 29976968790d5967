"""Few changes that flip many inputs at once, by group: tried on every input, with honest intervals."""
