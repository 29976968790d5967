"""Metrics of counterfactuals, explanations and surrogates, one a file.

They take tensors of pairs, one row an instance, and know neither models nor generators:
``validity``, ``proximity`` (L1, L2, MAD-scaled, Gower), ``changed``, ``ssim``, ``overlap``,
``plausibility`` (nearest rows, local outlier factor), ``diversity``, ``coherence``,
``stability``, ``fidelity``.
"""
