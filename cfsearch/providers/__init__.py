"""Ways to ask an audited model: one kind a file, and wrappers that count, cache and vote."""
