"""Contracts (abstract base classes) of plug-ins, and the records that they exchange."""
