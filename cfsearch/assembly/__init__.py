"""From settings to a search that is ready: the model, the generator, the inputs, the plug-ins."""
