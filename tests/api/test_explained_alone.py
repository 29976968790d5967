"""Inputs explained one by one where together the method fails: what is counted, and when it ends."""

from dataclasses import replace
from typing import final

import pytest
import torch
from torch import Tensor

from cfsearch.api.explained_alone import explained_or_failed
from cfsearch.contracts.explainer import Explainer, Proposal
from cfsearch.contracts.explainer_task import Task
from cfsearch.errors import PluginError
from cfsearch.explainers.subjects import image_subject
from cfsearch.providers.wrapping import WrappedProvider
from cfsearch.report.explained import ExplainedInputs
from cfsearch.testing import FakeProvider, FakeWhiteBox


@final
class Seen(WrappedProvider):
    """A model that counts what it is queried about."""

    inputs = 0

    def predict(self, x: Tensor) -> Tensor:
        self.inputs += len(x)
        return super().predict(x)


@final
class Fragile(Explainer):
    """A method that breaks its contract below a brightness, after two queries for each input."""

    name = "fragile"

    def __init__(self, least: float, *, alike: bool = True) -> None:
        self.least, self.alike = least, alike
        self.calls: list[int] = []

    def propose(self, task: Task) -> Proposal:
        self.calls.append(len(task.x))
        task.ask(task.x)
        task.ask(task.x)
        if float(task.x.mean((1, 2, 3)).min()) < self.least:
            raise PluginError(f"fragile: broken{'' if self.alike else len(self.calls)}.")
        return Proposal(counterfactuals=task.x)


def inputs(provider: Seen, means: list[float]) -> ExplainedInputs:
    subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
    return ExplainedInputs(
        kind="image",
        names=tuple(f"{i}.png" for i in range(len(means))),
        x=torch.tensor(means)[:, None, None, None].expand(-1, 3, 4, 4).clone(),
        subject=replace(subject, provider=provider),
        reference=None,
    )


def test_queries_of_what_failed_are_counted() -> None:
    seen = Seen(FakeProvider())
    found, kept, failures = explained_or_failed(
        Fragile(0.2), inputs(seen, [0.1, 0.4, 0.6]), target=None, seed=0
    )
    assert kept.names == ("1.png", "2.png") and list(failures) == ["0.png"]
    # of the three together 9, of the one that fails 3, of each that is explained 4
    assert found.queries == seen.inputs == 20


def test_a_method_that_breaks_in_one_way_is_stopped_early() -> None:
    method = Fragile(2.0)
    with pytest.raises(PluginError, match="broken"):
        explained_or_failed(method, inputs(Seen(FakeProvider()), [0.5] * 8), target=None, seed=0)
    assert method.calls == [8, 1, 1, 1]


def test_failures_that_differ_are_those_of_their_inputs() -> None:
    method = Fragile(0.2, alike=False)
    _, kept, _ = explained_or_failed(
        method, inputs(Seen(FakeProvider()), [0.1] * 4 + [0.5]), target=None, seed=0
    )
    assert kept.names == ("4.png",)
