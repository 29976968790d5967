"""What a counterfactual is judged by: one objective or constraint a file.

Objectives (all minimised): ``adversarial``, ``margin`` (has the class changed), ``plausibility``
(does it look real), ``intensity``, ``sparsity``, ``perceptual`` (how much changed) and
``logit_closeness`` (is it like the inputs of its new class). Constraints (kept where <= 0):
``flip``, ``max_changed``.
"""
