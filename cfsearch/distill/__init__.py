"""Surrogates: local networks that learn a provider's answers."""
