"""Queries of an audit beside its searches: what is foreseen holds what a model counts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfsearch.assembly.parts import Parts
from cfsearch.assembly.search import assemble
from cfsearch.audits.genuineness import queries_of
from cfsearch.audits.run import Audit
from cfsearch.audits.spending import queries_beside
from cfsearch.config import Config

from .painting import Bright
from .test_stopping_on_effects import Guessing


@pytest.mark.parametrize("genuineness", [True, False])
def test_what_is_foreseen_is_no_less_than_what_is_queried(tmp_path: Path, genuineness: bool) -> None:
    (tmp_path / "pictures").mkdir()
    for i, level in enumerate(np.linspace(100, 119, 20).round().astype(int).tolist()):
        picture = np.full((8, 8, 3), level, np.uint8)
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{i:02d}.png")
    search = {
        "objectives": ["adversarial", "intensity"],
        "evaluations": 40,
        "population": 20,
        "genuineness": genuineness,
    }
    config = Config.check(
        {
            "model": {"path": "given below"},
            "data": {"images": str(tmp_path / "pictures")},
            "search": search,
            "audit": {"shared_queries": 300},
        }
    )
    parts = Parts(model=Bright(), generator=Guessing())
    assembly = assemble(config, parts=parts)
    beside = queries_beside(assembly, inputs=20, members=assembly.search.capacity)
    assert beside["effects"] == 20 * (1 + 2 * 2) and beside["shared changes"] == 300
    model = Bright()
    parts = Parts(model=model, generator=Guessing())
    opened = assemble(config, parts=parts)
    handshake = model.queries
    assert opened.search.capacity == assembly.search.capacity
    document = Audit(config, directory=tmp_path / "run", parts=parts).run()
    # what fronts count holds the marks of their members; the rest is beside
    rest = model.queries - 2 * handshake - document["counts"][0]["questions"]["all"]
    calibration = 2 * 20
    at_an_end = 20 * (1 + 2)  # each input is at one end of both attributes already, which is queried once
    assert at_an_end + calibration <= rest <= beside["effects"] + calibration + 300
    marks = 20 * queries_of(assembly.search.capacity)
    assert beside["genuineness"] == calibration + genuineness * marks
