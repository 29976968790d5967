"""Robustness of members: against a linear model whose share is a closed form, counted, kept, and refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.engine.robustness import measured_robustness
from cfsearch.engine.search import Search
from cfsearch.errors import CapabilityError, ConfigError, ProviderError
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.reading import robust, shown
from cfsearch.generators.rows.generator import Rows
from cfsearch.generators.words import Words
from cfsearch.objectives import Adversarial, Changed, Gower
from cfsearch.providers.budget import CountingProvider
from cfsearch.providers.wrapping import WrappedProvider
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeProvider

WEIGHTS = (40.0, 30.0)
BOUNDARY = 35.0
SCHEMA = TableSchema(
    columns=tuple(Column(name=n, kind=ColumnKind.REAL, low=0.0, high=1.0) for n in ("a", "b"))
)
LINEAR = FakeProvider(weight=((0.0, 0.0), WEIGHTS), bias=(0.0, -BOUNDARY), labels=("no", "yes"))


def search(**settings: object) -> Search:
    return Search(
        LINEAR, Rows(SCHEMA), [Adversarial(), Gower(), Changed()], lambda n: RandomSearch(population=n),
        evaluations=200, population=20, **settings,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture(scope="module")
def front() -> ParetoFront:
    [found] = search().run(torch.tensor([[0.2, 0.2]], dtype=torch.float64), names=["row"])
    assert isinstance(found, ParetoFront)
    return found


def share_of(lead: float) -> float:
    """Probability that ``lead + 40 u + 30 v > 0`` with u and v uniform on [-.005, .005], by areas of the square."""
    low = max(0.0, min(lead, 0.35) + 0.35)  # how far the sum stands above its smallest value
    corner = [max(0.0, low - 2 * w * 0.005) ** 2 for w in WEIGHTS]
    far = max(0.0, low - 0.7) ** 2
    return (low**2 - sum(corner) + far) / (2 * 0.4 * 0.3)


@pytest.mark.parametrize("lead", [0.001, 0.1, 0.2, 0.3, 3.0])
def test_the_share_is_the_one_of_a_linear_model(front: ParetoFront, lead: float) -> None:
    b = (BOUNDARY + lead - 40.0 * 0.5) / 30.0
    rows = front.rows.clone() if front.rows is not None else torch.empty(0)
    rows[0] = torch.tensor([0.5, b], dtype=torch.float64)
    shares = [
        float(found.robustness[0])
        for seed in range(20)
        for found in [
            measured_robustness(
                replace(front, rows=rows, extra={**front.extra, "seed": seed}), LINEAR, Rows(SCHEMA), changes=100, members=[0]
            )
        ]
        if found.robustness is not None
    ]  # fmt: skip
    truth = share_of(lead)
    assert sum(shares) / 20 == pytest.approx(truth, abs=4 * (max(truth * (1 - truth), 1e-9) / 2000) ** 0.5)
    assert share_of(0.001) == pytest.approx(0.5, abs=0.01) and share_of(3.0) == 1.0


def test_what_is_shown_is_tried_and_each_try_is_counted(front: ParetoFront, tmp_path: Path) -> None:
    model = CountingProvider(LINEAR, 10_000)
    found = measured_robustness(front, model, Rows(SCHEMA), changes=10)
    members = shown(found)
    assert found.robustness is not None and front.queries is not None
    assert found.robustness.isfinite().nonzero().flatten().tolist() == sorted(members)
    assert 10_000 - (model.remaining or 0) == 10 * len(members) == (found.queries or 0) - front.queries
    assert robust(found, members[0]) == f"{round(10 * float(found.robustness[members[0]]))}/10"
    assert robust(front, members[0]) == "" == robust(found, int(found.robustness.isnan().nonzero()[0]))
    found.save(tmp_path / "a.front")
    back = ParetoFront.load(tmp_path / "a.front")
    assert back.robustness is not None and back.extra["robustness"]["changes"] == 10
    assert torch.equal(back.robustness.nan_to_num(-1), found.robustness.nan_to_num(-1))
    again = measured_robustness(front, LINEAR, Rows(SCHEMA), changes=10, members=members[:1])
    assert again.robustness is not None
    assert again.robustness[members[0]] == found.robustness[members[0]], "whoever else is tried"


def test_it_stands_in_documents_frames_and_merged_fronts(front: ParetoFront) -> None:
    found = measured_robustness(front, LINEAR, Rows(SCHEMA), changes=10)
    first = shown(found)[0]
    assert found.robustness is not None
    document = found.to_dict()
    assert document["members"][first]["robustness"] == pytest.approx(float(found.robustness[first]))
    assert sum("robustness" in member for member in document["members"]) == len(shown(found))
    assert "robustness" not in front.to_dict()["members"][first]
    assert found.to_frame()["robustness"][first] == pytest.approx(float(found.robustness[first]))
    merged = front.merge(found)
    assert merged.robustness is not None and merged.extra["robustness"]["changes"] == 10


def test_a_search_measures_it_once_it_has_ended_and_keeps_queries_back() -> None:
    x = torch.tensor([[0.2, 0.2]], dtype=torch.float64)
    [found] = search(robustness=5).run(x, names=["row"])
    assert isinstance(found, ParetoFront) and found.robustness is not None
    assert int(found.robustness.isfinite().sum()) == len(shown(found))
    [limited] = search(robustness=5, max_queries=100).run(x, names=["row"])
    assert isinstance(limited, ParetoFront) and (limited.queries or 0) <= 100
    most = 100 - 3 - 8 * 5 - (100 - 3 - 8 * 5) // 5
    assert most - 5 <= limited.evaluations <= most
    with pytest.raises(ConfigError, match="`max_queries` must be at least 45, .* got 44"):
        search(robustness=5, max_queries=44).run(x, names=["row"])


def test_a_check_comes_before_what_is_shown_is_tried() -> None:
    x = torch.tensor([[0.2, 0.2]], dtype=torch.float64)

    def none_genuine(front: ParetoFront) -> ParetoFront:
        return replace(
            front,
            genuineness=torch.zeros(len(front), dtype=torch.float64),
            extra={**front.extra, "genuineness": {"threshold": 1.0}},
        )

    [found] = search(robustness=5).run(x, names=["row"], check=none_genuine)
    assert isinstance(found, ParetoFront) and found.robustness is not None
    assert bool(found.robustness.isnan().all()), "nothing is shown, so nothing is tried"


def test_a_model_that_fails_leaves_the_front_with_a_note(front: ParetoFront) -> None:
    class Failing(WrappedProvider):
        def predict(self, x: torch.Tensor) -> torch.Tensor:
            raise ProviderError("the model is out.")

    found = measured_robustness(front, Failing(LINEAR), Rows(SCHEMA), changes=5)
    assert found.robustness is None and found.note[-1] == "Robustness was not measured: the model is out."
    spent = measured_robustness(front, CountingProvider(LINEAR, 0), Rows(SCHEMA), changes=5)
    assert spent.robustness is None and "Robustness was not measured" in spent.note[-1]


@pytest.mark.parametrize("changes", [-1, 101, True, 1.5])
def test_a_number_that_is_none_is_refused(front: ParetoFront, changes: int) -> None:
    with pytest.raises(ConfigError, match="robustness: .* whole number from 0 to 100, got"):
        measured_robustness(front, LINEAR, Rows(SCHEMA), changes=changes)


def test_texts_are_refused_before_anything_is_searched() -> None:
    words = Words.of_texts(["a dull film"], settings={})
    with pytest.raises(CapabilityError, match="small changes are known of pictures, rows and recordings"):
        replace(search(), generator=words, robustness=3)
