"""The Python interface: ``cfsearch.search`` and ``cfsearch.audit`` on objects of the running program."""
