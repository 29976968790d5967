"""Audited models behind an address: served over HTTP, queried in the protocol of their server."""
