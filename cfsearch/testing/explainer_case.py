"""What every explainer must do: subclass, give the fixture."""

from typing import final

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Explanation
from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import DifferentiableProvider, ScoreKind
from cfsearch.datasets.tables import Encoding, TableSchema
from cfsearch.explainers.subjects import image_subject, row_subject
from cfsearch.numerics.percent import percent

from ._watch import CARD, CARD_TOLERANCE, assert_same, global_randomness_untouched, need_card
from .fakes import FakeProvider, FakeWhiteBox
from .tables import broken_rules, random_rows, random_schema

_PARTS = ("counterfactuals", "scores", "flipped", "attributions", "chosen", "segments")


class ExplainerCase:
    """Subclass it and give the fixture ``explainer``; pytest does the rest.

    A method that takes no pictures, or no rows, says so with ``pictures`` or ``rows`` False.

    Example:
        >>> import pytest
        >>> from cfsearch.explainers import Wachter
        >>> class TestWachter(ExplainerCase):
        ...     @pytest.fixture
        ...     def explainer(self) -> Wachter:
        ...         return Wachter()
        >>> "test_the_verdict_is_the_models_own" in dir(TestWachter)
        True
    """

    pictures: bool = True
    rows: bool = True

    least_flipped: float = 0.5
    """Share of the inputs of a linear model that a method of counterfactuals must turn."""

    @pytest.fixture
    def explainer(self) -> Explainer:
        raise NotImplementedError("give the fixture `explainer`")

    @pytest.fixture(params=["pictures", "rows"])
    def case(self, request: pytest.FixtureRequest) -> "Case":
        """Something to explain, with inputs to learn from."""
        if not getattr(self, request.param):
            pytest.skip(f"this method takes no {request.param}")
        return picture_case() if request.param == "pictures" else row_case()

    def test_it_has_a_name_and_says_something(self, explainer: Explainer, case: "Case") -> None:
        assert explainer.name, "explainer: `name` must not be empty."
        explanation = self.explanation(explainer, case)
        assert (
            explanation.counterfactuals is not None
            or explanation.attributions is not None
            or explanation.chosen is not None
        ), f"{explainer.name}: must give counterfactuals, attributions or chosen features, gave none."
        assert explanation.method == explainer.name

    def test_the_verdict_is_the_models_own(self, explainer: Explainer, case: "Case") -> None:
        explanation = self.explanation(explainer, case)
        if explanation.counterfactuals is None or explanation.flipped is None:
            pytest.skip("gives no counterfactuals")
        again = case.subject.provider.predict(explanation.counterfactuals).argmax(1)
        assert torch.equal(explanation.flipped, again != explanation.source), (
            f"{explainer.name}: `flipped` must be what the model says of the counterfactuals."
        )
        share = float(explanation.flipped.float().mean())
        assert share >= self.least_flipped, (
            f"{explainer.name}: flipped {percent(share)} of a linear model's verdicts, expected "
            f"{percent(self.least_flipped)} or more."
        )

    def test_what_it_proposes_is_a_valid_input(self, explainer: Explainer, case: "Case") -> None:
        explanation = self.explanation(explainer, case)
        if explanation.counterfactuals is None:
            pytest.skip("gives no counterfactuals")
        if case.schema is None:
            assert (
                float(explanation.counterfactuals.min()) >= 0.0
                and float(explanation.counterfactuals.max()) <= 1.0
            ), f"{explainer.name}: pixels must stay in [0, 1]."
            return
        for before, after in zip(case.x.tolist(), explanation.counterfactuals.tolist(), strict=True):
            broken = broken_rules(case.schema, before=before, after=after)
            assert not broken, f"{explainer.name}: broke a rule of the table: {broken[0]}."

    def test_the_same_seed_gives_the_same(self, explainer: Explainer, case: "Case") -> None:
        first, second = self.explanation(explainer, case), self.explanation(explainer, case)
        for part in _PARTS:
            one, other = getattr(first, part), getattr(second, part)
            assert (one is None) == (other is None)
            assert one is None or torch.equal(one, other), (
                f"{explainer.name}: the same seed must give the same {part}."
            )

    def test_it_leaves_alone_what_it_does_not_own(self, explainer: Explainer, case: "Case") -> None:
        kept = case.x.clone(), case.reference.clone()
        settings = dict(vars(explainer)) if hasattr(explainer, "__dict__") else {}
        with global_randomness_untouched(explainer.name):
            self.explanation(explainer, case)
        assert torch.equal(case.x, kept[0]) and torch.equal(case.reference, kept[1]), (
            f"{explainer.name}: inputs must not be changed in place."
        )
        for name, value in settings.items():
            assert getattr(explainer, name) is value, (
                f"{explainer.name}: `fit` and `explain` must not change the setting {name!r}."
            )

    def test_one_input_and_none(self, explainer: Explainer, case: "Case") -> None:
        fitted = explainer.fit(case.subject, case.reference, seed=1)
        one = fitted.explain(case.x[:1], subject=case.subject, seed=1)
        assert len(one) == 1
        none = fitted.explain(case.x[:0], subject=case.subject, seed=1)
        assert len(none) == 0 and none.queries == 0, (
            f"{explainer.name}: an empty batch is an empty explanation, and asks nothing."
        )

    @pytest.mark.gpu
    def test_it_explains_where_inputs_are(self, explainer: Explainer, case: "Case") -> None:
        need_card()
        fitted = explainer.fit(case.subject, case.reference, seed=1)
        here = fitted.explain(case.x, subject=case.subject, seed=1)
        there = fitted.explain(case.x.to(CARD), subject=case.subject, seed=1)
        for part in ("counterfactuals", "attributions"):
            one, other = getattr(here, part), getattr(there, part)
            if one is None:
                continue
            assert other.is_cuda, f"{explainer.name}: {part} must stay on the card, got {other.device}."
            assert_same(
                other.cpu(),
                one,
                who=explainer.name,
                what=f"{part} must be the same on CPU and card",
                tolerance=CARD_TOLERANCE,
            )

    def explanation(self, explainer: Explainer, case: "Case") -> Explanation:
        """The explanation of the case's inputs, fitted first."""
        fitted = explainer.fit(case.subject, case.reference, seed=1)
        return fitted.explain(case.x, subject=case.subject, seed=1)


@final
class Case:
    """A linear model, inputs on both sides of its boundary, and others to learn from."""

    def __init__(self, subject: Subject, x: Tensor, reference: Tensor, schema: TableSchema | None) -> None:
        self.subject: Subject = subject
        self.x: Tensor = x
        self.reference: Tensor = reference
        self.schema: TableSchema | None = schema


def picture_case(*, n: int = 6, side: int = 4) -> Case:
    """Pictures that a model calls bright by the mean of their channels."""
    provider = FakeWhiteBox(FakeProvider())
    rng = torch.Generator().manual_seed(7)
    level = torch.linspace(0.35, 0.65, n)[:, None, None, None]
    x = (level + 0.1 * (torch.rand(n, 3, side, side, generator=rng) - 0.5)).clamp(0.0, 1.0)
    reference = torch.rand(200, 1, 1, 1, generator=rng) * torch.ones(200, 3, side, side)
    noise = 0.1 * (torch.rand(reference.shape, generator=rng) - 0.5)
    return Case(
        image_subject(provider, (3, side, side)), x, (reference * 0.8 + 0.1 + noise).clamp(0.0, 1.0), None
    )


def row_case(*, n: int = 6, seed: int = 5) -> Case:
    """Rows of a random table with immutable, monotone and linked columns, and a linear model on them."""
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, columns=8, immutable=2, monotone=2, links=1)
    rows = random_rows(schema, n=64 + n, draw=draw)
    encoding = Encoding.standard(schema, rows)
    weight = torch.from_numpy(draw.normal(size=encoding.width)).float()
    provider = _LinearRows(encoding, weight, -float((encoding.apply(rows).float() * weight).sum(1).median()))
    subject = row_subject(provider, encoding, provider.network, white_box=True)
    return Case(subject, rows[:n], rows[n:], schema)


@final
class _LinearRows(DifferentiableProvider):
    """Two classes by the sign of a weighted sum of encoded columns."""

    name = "linear rows"
    labels = ("no", "yes")
    scores = ScoreKind.LOGITS
    max_batch = 1024

    def __init__(self, encoding: Encoding, weight: Tensor, bias: float) -> None:
        self._encoding, self._weight, self._bias = encoding, weight, bias

    def network(self, u: Float[Tensor, "n w"]) -> Float[Tensor, "n 2"]:
        """Scores of encoded rows, summed row by row so that a row does not see its batch."""
        lead = (u * self._weight.to(u)).sum(1) + self._bias
        return torch.stack([torch.zeros_like(lead), lead], dim=1)

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
        return self.network(self._encoding.apply(x.double()).float())

    @property
    def fingerprint(self) -> str:
        return self._encoding.fingerprint
