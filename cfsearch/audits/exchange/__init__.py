"""One audit in the formats of other tools: projections of ``audit.json``, each valid by the schema of its owner."""
