"""LogitCloseness: the contract, worked distances, scipy's Mahalanobis, and the refusals."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis

from cfsearch.contracts.records import UNTARGETED, Candidates, Need
from cfsearch.errors import CapabilityError, ConfigError, DataError
from cfsearch.objectives.logit_closeness import LogitCloseness, Metric
from cfsearch.testing import ObjectiveCase, make_candidates, make_queries


class TestLogitClosenessContract(ObjectiveCase):
    @pytest.fixture(
        params=[("euclidean", True), ("euclidean", False), ("mahalanobis", True), ("mahalanobis", False)],
        ids=str,
    )
    def objective(self, request: pytest.FixtureRequest) -> LogitCloseness:
        metric, centred = request.param
        return LogitCloseness(metric=metric, centred=centred)


# two of class 0 around (4, 0, 0), two of class 1 around (0, 4, 0), one of class 2
REFERENCE = torch.tensor(
    [[5.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, 4.0, 1.0], [0.0, 4.0, -1.0], [0.0, 0.0, 8.0]]
)


def one(
    row: tuple[float, ...], *, source: int, target: int, reference: torch.Tensor = REFERENCE
) -> Candidates:
    scores = torch.tensor([[row]])
    queries = make_queries(scores=scores[:, 0], source=(source,), target=(target,), reference=reference)
    return make_candidates(scores=scores, queries=queries)


@pytest.mark.parametrize(
    ("target", "distance"),
    [(0, 0.0), (1, 32.0**0.5), (2, (16.0 + 64.0) ** 0.5)],
    ids=["at the mean", "at another mean", "far"],
)
def test_towards_a_class_it_is_the_distance_to_the_mean_of_its_scores(target: int, distance: float) -> None:
    c = one((4.0, 0.0, 0.0), source=1, target=target)
    assert LogitCloseness(centred=False)(c).item() == pytest.approx(distance)


def test_away_it_is_the_distance_to_the_nearest_other_mean() -> None:
    c = one((4.0, 0.0, 0.0), source=0, target=UNTARGETED)
    #  class 1 at sqrt(32) is nearer than class 2 at sqrt(80); class 0 at 0 does not count
    assert LogitCloseness(centred=False)(c).item() == pytest.approx(32.0**0.5)


def test_only_the_first_members_of_a_class_are_used() -> None:
    c = one((5.0, 0.0, 0.0), source=1, target=0)
    assert LogitCloseness(samples=1, centred=False)(c).item() == 0.0
    assert LogitCloseness(samples=2, centred=False)(c).item() == pytest.approx(1.0)


def test_the_level_of_the_logits_says_nothing_unless_set() -> None:
    plain = one((4.0, 0.0, 0.0), source=1, target=0)
    raised = one((9.0, 5.0, 5.0), source=1, target=0)
    assert LogitCloseness()(raised).item() == pytest.approx(LogitCloseness()(plain).item(), abs=1e-6)
    #  five on each of three logits
    assert LogitCloseness(centred=False)(raised).item() == pytest.approx(75.0**0.5)


def test_logits_and_log_probabilities_of_one_model_are_equally_far() -> None:
    logits = make_candidates(b=2, n=6, dtype=torch.float64)
    q = logits.queries
    assert q.reference is not None
    queries = make_queries(
        scores=q.scores.log_softmax(-1),
        target=q.target.tolist(),
        reference=q.reference.log_softmax(-1),
        dtype=torch.float64,
    )
    log_p = make_candidates(scores=logits.scores.log_softmax(-1), queries=queries, dtype=torch.float64)
    for metric in ("euclidean", "mahalanobis"):
        torch.testing.assert_close(
            LogitCloseness(metric=metric)(log_p), LogitCloseness(metric=metric)(logits)
        )


def test_mahalanobis_equals_scipy() -> None:
    c = make_candidates(b=2, n=5, dtype=torch.float64)
    got = LogitCloseness(metric="mahalanobis", centred=False)(c)
    reference = c.reference.numpy()
    label = reference.argmax(-1)
    means = np.stack([reference[label == t].mean(0) for t in range(3)])
    residual = reference - means[label]
    cov = residual.T @ residual / (len(reference) - 3)
    inverse = np.linalg.inv(0.9 * cov + 0.1 * np.trace(cov) / 3 * np.eye(3))
    target, source = c.queries.target.tolist(), c.queries.source.tolist()
    assert UNTARGETED in target
    assert max(target) > UNTARGETED
    for i in range(2):
        goals = [t for t in range(3) if (t == target[i] if target[i] != UNTARGETED else t != source[i])]
        for j in range(5):
            truth = min(mahalanobis(c.scores[i, j].numpy(), means[t], inverse) for t in goals)
            assert got[i, j].item() == pytest.approx(truth, rel=1e-9)


def test_it_declares_that_it_needs_references() -> None:
    assert LogitCloseness.needs == {Need.REFERENCE}


def test_without_references_it_says_what_would_do() -> None:
    with pytest.raises(
        CapabilityError, match=r"reference scores need scores of reference inputs \(give a folder"
    ):
        LogitCloseness()(make_candidates(references=False))


def test_a_class_without_references_is_named() -> None:
    c = one((4.0, 0.0, 0.0), source=0, target=2, reference=REFERENCE[:4])
    with pytest.raises(
        DataError, match=r"is classified as class 2, which query 'query0' asks for; .* cover classes \[0, 1\]"
    ):
        LogitCloseness()(c)


def test_nowhere_to_go_is_named() -> None:
    c = one((4.0, 0.0, 0.0), source=0, target=UNTARGETED, reference=REFERENCE[:2])
    with pytest.raises(DataError, match=r"classified as another class than 0, .* cover classes \[0\]"):
        LogitCloseness()(c)


def test_away_needs_one_other_class_only() -> None:
    c = one((4.0, 0.0, 0.0), source=0, target=UNTARGETED, reference=REFERENCE[2:4])
    assert LogitCloseness(centred=False)(c).item() == pytest.approx(32.0**0.5)


def test_mahalanobis_without_spread_is_refused() -> None:
    c = one((4.0, 0.0, 0.0), source=0, target=UNTARGETED, reference=REFERENCE[[0, 2, 4]])
    with pytest.raises(DataError, match="got 3 rows in 3 classes without any spread"):
        LogitCloseness(metric="mahalanobis")(c)


def test_metric_must_be_one_of_two() -> None:
    wrong: Any = "cosine"  # Any: what a configuration file may say
    with pytest.raises(ConfigError, match=r"`metric` must be one of euclidean, mahalanobis, got 'cosine'\."):
        LogitCloseness(metric=wrong)


@pytest.mark.parametrize("metric", ["euclidean", "mahalanobis"])
def test_samples_must_be_one_or_more(metric: Metric) -> None:
    with pytest.raises(ConfigError, match=r"logit_closeness: `samples` must be a whole number >= 1, got 0\."):
        LogitCloseness(metric=metric, samples=0)


def test_of_very_many_classes_only_those_with_references_are_held() -> None:
    k, reference = 200_000, torch.zeros(3, 200_000)
    reference[0, 7] = reference[1, 7] = 2.0
    reference[2, 150_000] = 4.0
    scores = torch.zeros(1, 1, k)
    scores[0, 0, 7] = 1.0
    queries = make_queries(scores=scores[:, 0], source=(7,), target=(150_000,), reference=reference)
    c = make_candidates(scores=scores, queries=queries)
    # classes by classes would be 298 GiB
    assert LogitCloseness(centred=False)(c).item() == pytest.approx(17.0**0.5)
    with pytest.raises(
        CapabilityError, match=r"this model has 200,000; it takes at most 4,096. Take the eucl"
    ):
        LogitCloseness(metric="mahalanobis")(c)
