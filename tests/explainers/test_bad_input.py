"""What cannot be explained: one clear line each, whichever explainer is asked."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Explanation
from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.records import Need
from cfsearch.datasets.tables import Encoding
from cfsearch.errors import CfsearchError, ConfigError, DataError, NonFiniteError, PluginError, ShapeError
from cfsearch.explainers.emap.explainer import Emap
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.gradual import Gradual
from cfsearch.explainers.pgd import Pgd
from cfsearch.explainers.row_domain import RowDomain
from cfsearch.explainers.wachter import Wachter
from cfsearch.registry import installed, load

from .walks import Queried, table_subject

METHODS = tuple(installed("explainers"))
QUICK: dict[str, Explainer] = {
    "emap": Emap(epochs=2, batch=4, hidden=(16,), surrogate="subject"),
    "gradient": Gradient(step=0.1, growth=1.5),
    "gradual": Gradual(steps=10),
    "pgd": Pgd(steps=5),
    "wachter": Wachter(steps=10, rounds=3, refinements=1),
}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> Explainer:
    """Every installed explainer, the slow ones with few steps."""
    name: str = request.param
    made = QUICK[name] if name in QUICK else load("explainers", name)()
    assert isinstance(made, Explainer)
    return made


@pytest.fixture
def fitted(method: Explainer) -> Explainer:
    """The explainer made ready on a healthy model of the same table."""
    subject, _, x = table_subject(1)
    return method.fit(subject, x) if Need.REFERENCE in method.needs else method


def answering(subject: Subject, *, answer: Callable[[Tensor], Tensor]) -> Subject:
    """The same subject with another provider."""
    return replace(subject, provider=Queried(answer))


def lines(text: str) -> int:
    return len(text.strip().splitlines())


def refused(call: Callable[[], object], error: type[CfsearchError], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        call()
    assert lines(str(caught.value)) == 1


def unchanged(made: Explanation, x: Tensor) -> bool:
    """Whether it left every input as it is; true of methods that only attribute."""
    return made.counterfactuals is None or torch.equal(made.counterfactuals, x)


def test_a_provider_that_answers_nan(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)

    def nan(rows: Tensor) -> Tensor:
        return torch.full((len(rows), 2), torch.nan)

    bad = answering(subject, answer=nan)
    refused(
        lambda: fitted.explain(x, subject=bad),
        NonFiniteError,
        r"asked: answered NaN or infinity for 12 of 12 inputs.*cfsearch doctor",
    )


def test_an_input_with_a_missing_number(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)

    def steady(rows: Tensor) -> Tensor:
        return torch.tensor([0.6, 0.4]).expand(len(rows), 2)

    x = x.clone()
    x[3, 0] = torch.nan
    refused(
        lambda: fitted.explain(x, subject=answering(subject, answer=steady)),
        DataError,
        "a number of 1 of 12 inputs is missing.*cfsearch search",
    )


def test_a_network_whose_logits_are_nan(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)
    spoilt = replace(subject, network=lambda u: subject.network(u) * torch.nan)
    refused(
        lambda: fitted.explain(x, subject=spoilt),
        PluginError,
        "network that is followed gave NaN or infinity for 12 of 12 inputs.*Train or distil it again",
    )


def test_a_network_of_another_width(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)
    wider = torch.nn.Linear(subject.domain.features + 50, 2)
    refused(
        lambda: fitted.explain(x, subject=replace(subject, network=wider)),
        ShapeError,
        r"network that is followed cannot take numbers of shape \(12, \d+\) \(.*\)\. Give one that was made",
    )


def test_a_network_of_other_classes(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)
    three = replace(subject, network=lambda u: torch.zeros(len(u), 3))
    refused(
        lambda: fitted.explain(x, subject=three), ShapeError, r"expected scores of shape \(12, 2\).*\(12, 3\)"
    )


def test_a_provider_of_one_class_turns_nothing_and_says_so(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)

    def no(rows: Tensor) -> Tensor:
        return torch.tensor([[1.0, 0.0]]).expand(len(rows), 2)

    made = fitted.explain(x, subject=answering(subject, answer=no))
    if made.counterfactuals is None:
        return
    assert made.flipped is not None and not bool(made.flipped.any())
    [said] = [note for note in made.note if "gave the class no to all" in note]
    assert f"all {made.queries} inputs" in said and lines(said) == 1


def test_a_method_that_learns_refuses_a_provider_of_one_class() -> None:
    subject, _, x = table_subject(1)
    bad = answering(subject, answer=lambda rows: torch.tensor([[1.0, 0.0]]).expand(len(rows), 2))
    refused(lambda: Emap(epochs=1).fit(bad, x), DataError, "class")


def test_a_target_that_does_not_exist(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)
    refused(
        lambda: fitted.explain(x, subject=subject, target="perhaps"),
        ConfigError,
        "explain: unknown class 'perhaps'; asked has no, yes",
    )


def test_rows_that_already_have_the_target(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)
    there = x[subject.provider.predict(x).argmax(1) == 1]
    assert 0 < len(there) < len(x)
    made = fitted.explain(there, subject=subject, target="yes")
    assert f"{len(there)} of {len(there)} inputs already have the target class." in made.note
    assert made.flipped is None or bool(made.flipped.all())
    alone = fitted.explain(there[:1], subject=subject, target="yes")
    assert "1 of 1 inputs already has the target class." in alone.note


def test_rows_of_which_nothing_may_change(fitted: Explainer) -> None:
    subject, schema, x = table_subject(1)
    assert isinstance(subject.domain, RowDomain)
    frozen = RowDomain(subject.domain.encoding, immutable=schema.names)
    made = fitted.explain(x, subject=replace(subject, domain=frozen))
    assert "No feature of 12 of 12 inputs may change, so there is no counterfactual of them." in made.note
    assert unchanged(made, x)
    assert made.flipped is None or not bool(made.flipped.any())


def test_a_healthy_subject_has_none_of_these_notes(fitted: Explainer) -> None:
    subject, _, x = table_subject(1)
    note = " ".join(fitted.explain(x, subject=subject).note)
    assert not any(part in note for part in ("already", "may change", "gave the class"))


def test_an_encoding_of_another_table() -> None:
    subject, _, x = table_subject(1)
    _, other, _ = table_subject(2)
    strange = replace(subject, domain=RowDomain(Encoding.ranged(other)))
    with pytest.raises(CfsearchError) as caught:
        Gradient().explain(x[:, :3], subject=strange)
    assert lines(str(caught.value)) == 1
