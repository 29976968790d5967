"""Assembly of a search from settings: model, generator, inputs, plug-ins."""
