"""Genuineness in an audit: written into fronts, deciding what was found, and said to the reader."""

import json
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.audits.checking import check_run
from cfsearch.audits.document import error_entry
from cfsearch.audits.genuineness_check import (
    GENUINENESS,
    generator_error,
    genuineness_check,
    genuineness_note,
)
from cfsearch.audits.run import Audit
from cfsearch.config import Config
from cfsearch.contracts.provider import ScoreKind
from cfsearch.contracts.records import Reason
from cfsearch.datasets import faces
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.percent import rounded_down
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.runs.directory import RunDirectory
from cfsearch.solvers.random import RandomSearch

from .painting import Bright, Painter, photographs


class Plain(Painter):
    """Takes every picture to show nothing."""

    def encode(
        self, x: torch.Tensor, *, attributes: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return x, torch.zeros(len(x), 2) if attributes is None else attributes


def searched(level: float, *, immutable: tuple[str, ...] = ()) -> ParetoFront:
    """The front of a grey picture."""
    search = Search(
        Bright(),
        Plain(),
        [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population),
        evaluations=200,
        immutable=immutable,
    )
    [front] = search.run(torch.full((1, 3, 8, 8), level), names=["grey"])
    assert isinstance(front, ParetoFront)
    return front


def test_a_front_of_painted_flips_is_found_no_longer_and_says_why() -> None:
    x, attributes = photographs()
    check, note = genuineness_check(Bright(), Painter(), photographs=lambda: (x, attributes), count=len(x))
    assert check is not None and "on 400 images" in note
    painted = searched(0.49, immutable=("light",))
    assert painted.found
    marked = check.marked(painted)
    assert not marked.found and marked.picks() == {}
    assert marked.reason is Reason.NOT_GENUINE
    assert marked.genuineness is not None
    clearest = int(marked.genuineness.nan_to_num(-torch.inf).argmax())
    assert f"The nearest miss changes {', '.join(marked.words(clearest))}: " in marked.note[-1]
    assert (
        f"{rounded_down(float(marked.genuineness[clearest]))} standard errors past the boundary, 1 are needed"
        in marked.note[-1]
    )
    assert marked.queries is not None and painted.queries is not None
    assert marked.queries - painted.queries == 11 + 20 * int(painted.verified.sum())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_front_whose_members_could_not_be_measured_says_so(value: float) -> None:
    x, attributes = photographs()
    check, _ = genuineness_check(Bright(), Painter(), photographs=lambda: (x, attributes), count=len(x))
    assert check is not None
    front = check.measured(searched(0.49, immutable=("light",)))
    assert front.genuineness is not None
    same = replace(front, genuineness=torch.full_like(front.genuineness, value))
    json.dumps(same.to_dict(), allow_nan=False)
    concluded = check.concluded(same)
    if value > 0:
        assert concluded is same and same.found
        return
    assert "how far its true counterfactual is past the boundary could not be estimated" in concluded.note[-1]
    assert concluded.reason is Reason.NOT_GENUINE


def test_a_true_flip_is_found_and_the_unverified_are_not_measured() -> None:
    x, attributes = photographs()
    check, _ = genuineness_check(Bright(), Painter(), photographs=lambda: (x, attributes), count=len(x))
    assert check is not None
    true = searched(0.45, immutable=("ghost",))
    marked = check.marked(true)
    assert marked.found and marked.reason is true.reason
    assert marked.genuineness is not None
    assert marked.genuineness.isnan().equal(~true.verified)
    again = ParetoFront.from_bytes(marked.to_bytes())
    assert again.valid.equal(marked.valid) and again.to_bytes() == marked.to_bytes()
    member = marked.to_dict()["members"][int(marked.verified.nonzero()[0])]
    assert member["genuineness"] > 0 and isinstance(member["valid"], bool)


def test_members_of_a_front_that_was_not_measured_do_not_hold_after_a_merge() -> None:
    x, attributes = photographs()
    check, _ = genuineness_check(Bright(), Painter(), photographs=lambda: (x, attributes), count=len(x))
    assert check is not None
    front = searched(0.49, immutable=("light",))
    for merged in (check.marked(front).merge(front), front.merge(check.marked(front))):
        assert not merged.found


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"count": 12}, "at least 20 images to measure, and there are 12"),
        ({"labels only": True}, "labels only, which have no lead"),
        ({"attributes": False}, "neither known nor estimated"),
    ],
)
def test_what_cannot_be_measured_is_reported(change: dict[str, object], why: str) -> None:
    x, attributes = photographs(40)
    model = Bright()
    if "labels only" in change:
        model.scores = ScoreKind.LABELS
    known = attributes if "attributes" not in change else None
    count = 12 if "count" in change else 40
    check, note = genuineness_check(model, Painter(), photographs=lambda: (x, known), count=count)
    assert check is None and why in note


def test_an_audit_of_images_measures_itself_unless_switched_off(tmp_path: Path) -> None:
    data = faces.faces(20, seed=3)
    (tmp_path / "faces").mkdir()
    for i, pixels in enumerate(data.images):
        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(
            tmp_path / "faces" / f"{i:02d}.png"
        )
    with as_file(files("cfsearch.models").joinpath("gender_natural.onnx")) as model:
        config = Config.check(
            {
                "model": {"path": str(model)},
                "generator": "faces64",
                "data": {"images": str(tmp_path / "faces")},
                "search": {
                    "target": "Male",
                    "evaluations": 10,
                    "population": 10,
                    "capacity": 3,
                    "pruning": 0.0,
                },
            }
        )
        document = Audit(config, directory=tmp_path / "run").run()
        off = replace_genuineness(config)
        Audit(off, directory=tmp_path / "off", effects=False).run()
    note = genuineness_note(tmp_path / "run")
    assert "on 20 images of this audit: a member counts from 1.5 standard errors on" in note
    assert note in document["models"][0]["note"]
    measured = json.loads((tmp_path / "run" / GENUINENESS).read_text())["measured"]
    assert set(measured["reconstruction_error"]["by_attribute"]) == set(faces.ATTRIBUTES)
    error = generator_error(tmp_path / "run", label="Male")
    assert error is not None and document["generator_error"] == [error_entry("model", error)]
    assert error.offset["Bald"] == measured["reconstruction_error"]["by_attribute"]["Bald"]["Male"]
    for row in document["effects"]:
        correction = row["correction"]
        assert correction["photographs"] is None and row["estimate"] == correction["edit"]
        assert row["estimate"]["value"] == pytest.approx(row["raw"]["value"] - correction["offset"], abs=2e-6)
    assert check_run(tmp_path / "run").findings == ()
    with RunDirectory.read(tmp_path / "run") as run:
        fronts = [row.front for row in run.rows() if row.front is not None]
        assert all(f.genuineness is not None for f in fronts if bool(f.verified.any()))
        states = {row.name: row.status for row in run.rows()}
        assert all(
            (states[f.name] == "found") == f.found for f in fronts if states[f.name] != "already_target"
        )
    with RunDirectory.read(tmp_path / "off") as run:
        assert all(row.front is not None and row.front.genuineness is None for row in run.rows())
    assert genuineness_note(tmp_path / "off") == ""


def replace_genuineness(config: Config) -> Config:
    """The same settings on one image, without the measurement."""
    settings = config.resolved()
    return Config.check(
        {
            **settings,
            "data": {**settings["data"], "limit": 1},
            "search": {**settings["search"], "genuineness": False},
        }
    )


def test_the_document_holds_each_figure_by_class_and_attribute() -> None:
    """Of a ridge regression the spread and intercept of each class, and a coefficient for each attribute."""
    x, attributes = photographs()
    painter = Painter()
    check, _ = genuineness_check(Bright(), painter, photographs=lambda: (x, attributes), count=len(x))
    assert check is not None
    fit, document = check.calibration, check.document()
    assert fit.association is not None
    assert (document["threshold"], document["photographs"]) == (fit.threshold, len(x))
    for part, ridge in (("reconstruction_error", fit.offset), ("associations", fit.association)):
        assert document[part]["spread"] == {
            label: pytest.approx(float(v), abs=1e-6)
            for label, v in zip(Bright.labels, ridge.spread, strict=True)
        }
        assert list(document[part]["by_attribute"]) == ["light", "ghost"]
        for row, name in zip(ridge.coefficients, painter.attribute_names, strict=True):
            stated = document[part]["by_attribute"][name]
            assert list(stated) == ["dark", "bright"]
            assert list(stated.values()) == pytest.approx(row.tolist(), abs=1e-6)
    intercept = document["reconstruction_error"]["intercept"]
    assert list(intercept.values()) == pytest.approx(fit.offset.intercept.tolist(), abs=1e-6)
    # a reconstruction with "ghost" is brighter by what the painter adds, and by nothing else
    by_attribute = document["reconstruction_error"]["by_attribute"]
    assert by_attribute["ghost"]["bright"] > 10 * abs(by_attribute["light"]["bright"])
    few, _ = genuineness_check(Bright(), painter, photographs=lambda: (x[:40], attributes[:40]), count=40)
    assert few is not None and "associations" not in few.document()
