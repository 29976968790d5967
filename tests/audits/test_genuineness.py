"""Genuineness: against models and generators whose true lead can be written down."""

import math

import pytest
import torch
from torch import Tensor

from cfsearch.audits.genuineness import GENUINE, GENUINE_BY_EDIT, Calibration, _moved, _moved_back
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ConfigError, ShapeError

from .painting import ARTEFACT, SLOPE, STEP, Bright, Painter, photographs


def fitted(n: int = 400, *, labelled: bool = True, artefact: float = ARTEFACT) -> Calibration:
    x, attributes = photographs(n)
    if not labelled:
        attributes = attributes.clone()
        attributes[:-50] = torch.nan
        painter: Painter = Guessing(artefact)
    else:
        painter = Painter(artefact)
    return Calibration.fit(Bright(), painter, x, attributes=attributes)


class Guessing(Painter):
    """Estimates what it is not given as absent."""

    def encode(self, x: Tensor, *, attributes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert attributes is not None
        return x, attributes.nan_to_num(0.0)


def shrunk(values: Tensor, penalty: float) -> float:
    """By how much ridge regression shortens the coefficient of one column of an orthogonal design."""
    square = float((values - values.mean()).square().sum())
    return square / (square + penalty)


def test_the_lead_is_that_of_the_edit_on_the_photograph_less_what_the_reconstruction_explains() -> None:
    attributes = photographs()[1]
    member = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    face, origin = torch.full((3, 8, 8), 0.4), torch.zeros(2)
    found = fitted().genuineness(Bright(), Painter(), face, origin=origin, z=member, source=0)
    start, true = SLOPE * -0.1, SLOPE * STEP
    ghost = SLOPE * ARTEFACT
    left = ghost * (1.0 - shrunk(attributes[:, 1], 8.0))  # what the penalty leaves of the artefact
    expected = torch.tensor([start + true, start + true + left, start + left], dtype=torch.float64)
    torch.testing.assert_close(found.edit, expected, atol=0.02, rtol=0.0)


def test_a_flip_that_is_the_painters_own_is_no_genuine_one_and_a_true_flip_is() -> None:
    # painted "ghost" alone brings 0.49 over the boundary: the model says "bright" on the picture
    face, member = torch.full((3, 8, 8), 0.49), torch.tensor([[0.0, 1.0], [0.5, 0.0]])
    painter, model = Painter(), Bright()
    painted = painter.decode((face[None], torch.zeros(1, 2)), member[None])[0]
    assert (model.predict(painted)[:, 1] > 0).all()
    found = fitted().genuineness(model, painter, face, origin=torch.zeros(2), z=member, source=0)
    assert found.z[0] < GENUINE < found.z[1]


def test_without_enough_labels_associations_are_left_out_and_the_threshold_is_higher() -> None:
    whole, few = fitted(), fitted(labelled=False)
    assert whole.threshold == GENUINE and whole.association is not None
    assert few.threshold == GENUINE_BY_EDIT and few.association is None
    face, member = torch.full((3, 8, 8), 0.4), torch.tensor([[1.0, 0.0]])
    found = few.genuineness(Bright(), Painter(), face, origin=torch.zeros(2), z=member, source=0)
    torch.testing.assert_close(found.z, found.edit / found.edit_variance.sqrt())
    assert found.association is None


def test_both_leads_are_weighed_by_their_precisions() -> None:
    calibration = fitted()
    face, member = torch.full((3, 8, 8), 0.4), torch.tensor([[1.0, 0.0]])
    found = calibration.genuineness(Bright(), Painter(), face, origin=torch.zeros(2), z=member, source=0)
    assert found.association is not None and calibration.association is not None
    slope = calibration.association.coefficients[0, 1]
    torch.testing.assert_close(found.association, (SLOPE * -0.1 + slope).reshape(1), atol=1e-5, rtol=0.0)
    va, vb = found.edit_variance, (calibration.association.spread[1] / 2.0) ** 2
    mean = (found.edit / va + found.association / vb) / (1.0 / va + 1.0 / vb)
    torch.testing.assert_close(found.z, mean * (1.0 / va + 1.0 / vb).sqrt())


@pytest.mark.parametrize(
    ("source", "target", "sign"), [(0, -1, 1.0), (0, 1, 1.0), (1, 0, -1.0), (1, -1, -1.0)]
)
def test_the_lead_is_towards_the_class_that_is_searched_for(source: int, target: int, sign: float) -> None:
    face, member = torch.full((3, 8, 8), 0.4), torch.tensor([[1.0, 0.0]])
    found = fitted(artefact=0.0).genuineness(
        Bright(), Painter(0.0), face, origin=torch.zeros(2), z=member, source=source, target=target
    )
    torch.testing.assert_close(
        found.edit, torch.tensor([sign * SLOPE * 0.1], dtype=torch.float64), atol=1e-3, rtol=0.0
    )


def test_queries_are_counted() -> None:
    model = Bright()
    face, member = torch.full((3, 8, 8), 0.4), torch.rand(130, 2)
    calibration = fitted()
    found = calibration.genuineness(model, Painter(), face, origin=torch.zeros(2), z=member, source=0)
    assert found.queries == model.queries == 1 + 10 + 2 * 10 * 130


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("shift", [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)])
def test_copies_are_mapped_back_but_for_their_border(shift: tuple[int, int], mirrored: bool) -> None:
    x = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(2))
    copy = _moved(x, shift, mirrored=mirrored)
    back = _moved_back(copy, shift, mirrored=mirrored)
    torch.testing.assert_close(back[..., 1:-1, 1:-1], x[..., 1:-1, 1:-1])
    if shift == (0, 1) and not mirrored:
        torch.testing.assert_close(copy[..., 1:], x[..., :-1])


def test_few_photographs_and_other_generators_are_refused() -> None:
    x, attributes = photographs(19)
    with pytest.raises(ConfigError, match="at least 20 photographs .* got 19"):
        Calibration.fit(Bright(), Painter(), x, attributes=attributes)
    with pytest.raises(ShapeError, match=r"changes of shape \(n, 2\) and 2 attributes, got \(1, 3\)"):
        fitted().genuineness(
            Bright(), Painter(), torch.zeros(3, 8, 8), origin=torch.zeros(2), z=torch.zeros(1, 3), source=0
        )


class Steps(Provider):
    """Answers a step of the mean, as a tree does: the same for every picture on one side of it."""

    name, labels, scores, max_batch = "steps", ("dark", "bright"), ScoreKind.LOGITS, 1000

    def __init__(self, edge: float) -> None:
        self.edge = edge

    def predict(self, x: Tensor) -> Tensor:
        t = torch.where(x.double().flatten(1).mean(1) > self.edge, 1.5, -1.5)
        return torch.stack([torch.zeros_like(t), t], dim=1)

    @property
    def fingerprint(self) -> str:
        return f"steps {self.edge}"


@pytest.mark.parametrize("labelled", [True, False])
def test_a_model_of_steps_is_not_infinitely_sure(labelled: bool) -> None:
    # nothing of what is measured crosses the edge but the true edit: no copy differs, no reconstruction moves it
    x, attributes = photographs(200)
    attributes = attributes if labelled else attributes.where(attributes > 5.0, torch.nan)
    model, painter = Steps(0.9), Guessing(0.0)
    calibration = Calibration.fit(model, painter, x, attributes=attributes)
    assert float(calibration.offset.spread[1]) == 0.0
    member = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    face = torch.full((3, 8, 8), 0.8)
    found = calibration.genuineness(model, painter, face, origin=torch.zeros(2), z=member, source=0)
    assert found.z.isfinite().all() and found.edit.tolist() == [-1.5, 1.5]
    if not labelled:  # a lead of 1.5 logits, known to a thousandth
        torch.testing.assert_close(found.z, torch.tensor([-1500.0, 1500.0], dtype=torch.float64))


def test_what_scatters_is_left_as_it_was_measured() -> None:
    face, member = torch.full((3, 8, 8), 0.45), torch.tensor([[1.0, 0.0]])
    calibration = fitted(labelled=False)
    found = calibration.genuineness(Bright(), Painter(), face, origin=torch.zeros(2), z=member, source=0)
    assert float(found.edit_variance) > float(calibration.offset.spread[1]) ** 2 > 0.0
    assert math.isclose(float(found.z), float(found.edit) / math.sqrt(float(found.edit_variance)))
