"""A user's program: a type checker has to see each type, from a wheel and from an editable install."""

from typing import assert_type

import cfsearch

fronts = cfsearch.search("model.onnx", "face.png", generator="faces64", target="hired")
assert_type(fronts, cfsearch.Fronts)
assert_type(fronts[0], cfsearch.ParetoFront)
assert_type(cfsearch.audit("model.onnx", "photos/", out="runs/first"), cfsearch.AuditResult)
cfsearch.search("model.onnx", "face.png", seed="one")  # type: ignore[arg-type]  # an unused ignore is an error here
cfsearch.serch("model.onnx", "face.png")  # type: ignore[attr-defined]
