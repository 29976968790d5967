"""Networks that are audited, one family a file, and the checkpoints that ship with their cards."""
