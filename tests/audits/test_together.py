"""Queries about many inputs in few calls: each gets its own answers, and little waits."""

import pytest
import torch

from cfsearch.audits import together
from cfsearch.audits.together import Together
from cfsearch.contracts.provider import Provider, ScoreKind


class Doubling(Provider):
    """Answers with what it is given, and twice that."""

    name, labels = "doubling", ("one", "two")
    scores, max_batch = ScoreKind.LOGITS, 7

    def __init__(self) -> None:
        self.calls: list[int] = []

    @property
    def fingerprint(self) -> str:
        return "d"

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(len(x))
        first = x.flatten(1)[:, :1]
        return torch.cat([first, 2 * first], dim=1)


def test_everybody_gets_the_answers_to_what_was_put() -> None:
    model, found = Doubling(), dict[int, torch.Tensor]()
    queries = Together(model)
    parts = {i: torch.arange(n, dtype=torch.float64)[:, None] + 100 * i for i, n in enumerate((3, 1, 9, 2))}
    for i, part in parts.items():
        queries.add(part, lambda scores, i=i: found.update({i: scores}))  # type: ignore[misc]  # of a default
    assert not model.calls
    queries.finish()
    assert model.calls == [7, 7, 1]
    for i, part in parts.items():
        assert torch.equal(found[i], torch.cat([part, 2 * part], dim=1))


@pytest.mark.parametrize("limit", ["MOST_INPUTS", "MOST_NUMBERS"])
def test_the_model_is_queried_as_soon_as_enough_waits(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, limit, 4 if limit == "MOST_INPUTS" else 12)
    model, order = Doubling(), list[int]()
    queries = Together(model)
    for i in range(5):
        queries.add(torch.zeros(2, 3), lambda _, i=i: order.append(i))  # type: ignore[misc]  # as above
    assert model.calls == [4, 4] and order == [0, 1, 2, 3]
    queries.finish()
    queries.finish()
    assert model.calls == [4, 4, 2] and order == [0, 1, 2, 3, 4]


def test_what_the_model_raises_is_raised_and_nothing_is_put_twice() -> None:
    class Failing(Doubling):
        def predict(self, x: torch.Tensor) -> torch.Tensor:
            super().predict(x)
            raise ValueError("down")

    model = Failing()
    queries = Together(model)
    queries.add(torch.zeros(2, 1), lambda _: pytest.fail("there is no answer"))
    with pytest.raises(ValueError, match="down"):
        queries.finish()
    queries.finish()
    assert model.calls == [2]
