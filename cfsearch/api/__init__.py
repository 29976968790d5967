"""The Python front door: ``cfsearch.search`` and ``cfsearch.audit`` on objects of the running program."""
