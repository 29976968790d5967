"""make_queries and make_candidates: what is given stays, the rest is random and repeatable."""

import sys
from importlib import import_module

import pytest
import torch

from cfsearch import testing
from cfsearch.contracts.records import UNTARGETED
from cfsearch.errors import MissingExtraError
from cfsearch.testing import make_candidates, make_queries


def test_what_is_given_stays_and_the_rest_fits_it() -> None:
    scores = torch.tensor([[[1.0, 2.0, 3.0, 4.0]] * 6])
    c = make_candidates(scores=scores)
    assert torch.equal(c.scores, scores)
    assert c.z.shape[:2] == c.x.shape[:2] == c.realism.shape == (1, 6)
    assert c.queries.scores.shape == (1, 4)
    assert c.reference.shape[1] == 4


def test_queries_decide_the_shapes_of_their_candidates() -> None:
    c = make_candidates(n=3, queries=make_queries(x=torch.zeros(4, 1, 8, 9), k=5))
    assert c.x.shape == (4, 3, 1, 8, 9)
    assert c.scores.shape == (4, 3, 5)


def test_targets_of_both_sorts_stand_in_one_batch() -> None:
    queries = make_queries(b=4)
    assert queries.target[::2].tolist() == [UNTARGETED, UNTARGETED]
    assert (queries.target[1::2] == (queries.source[1::2] + 1) % 3).all()
    assert torch.equal(queries.source, queries.scores.argmax(-1))


def test_every_class_has_references() -> None:
    assert make_candidates(k=4).reference.argmax(-1).bincount().tolist() == [12, 12, 12, 12]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_one_seed_makes_one_batch(dtype: torch.dtype) -> None:
    one, two, other = (make_candidates(seed=seed, dtype=dtype) for seed in (1, 1, 2))
    assert torch.equal(one.x, two.x)
    assert torch.equal(one.scores, two.scores)
    assert not torch.equal(one.z, other.z)
    assert {t.dtype for t in (one.z, one.x, one.scores, one.realism, one.queries.x)} == {dtype}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        testing.Nothing  # noqa: B018  # reading it is the test


def test_every_public_name_is_there() -> None:
    assert all(isinstance(getattr(testing, name), object) for name in testing.__all__)
    assert sorted(testing.__all__) == testing.__all__


@pytest.mark.parametrize("tool", ["pytest", "hypothesis"])
def test_fakes_need_no_test_tools_and_cases_say_which_they_need(
    monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    for room in ("fakes", "candidates", "measure_case", "_watch"):
        monkeypatch.setattr(testing, room, import_module(f"cfsearch.testing.{room}"))
        monkeypatch.delitem(sys.modules, f"cfsearch.testing.{room}")
    monkeypatch.setitem(sys.modules, tool, None)
    assert testing.FakeProvider().name == "fake"
    assert testing.make_candidates().z.ndim == 3
    with pytest.raises(
        MissingExtraError, match=rf"ObjectiveCase needs the package '{tool}'.*pip install pytest"
    ):
        testing.ObjectiveCase  # noqa: B018  # reading it is the test
