"""What every provider must do: subclass, give the fixture."""

from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.contracts.provider import DifferentiableProvider, Provider, ScoreKind

from ._watch import CARD, CARD_TOLERANCE, FEW, assert_same, global_randomness_untouched, need_card

_SUM = 1e-3
"""How far probabilities may be from summing to 1."""


class ProviderCase:
    """Subclass it and give the fixture ``provider``; pytest does the rest.

    Example:
        >>> import pytest
        >>> from cfsearch.testing import FakeProvider
        >>> class TestFake(ProviderCase):
        ...     @pytest.fixture
        ...     def provider(self) -> FakeProvider:
        ...         return FakeProvider()
        >>> "test_one_finite_score_per_class" in dir(TestFake)
        True
    """

    shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    """Of one input; set it to what the model takes."""

    tolerance: float = 1e-4
    """How far an answer may move when other inputs are in the same call."""

    @pytest.fixture
    def provider(self) -> Provider:
        raise NotImplementedError("give the fixture `provider`")

    def inputs(self, *, n: int, seed: int = 0) -> Tensor:
        """Inputs that the model takes: uniform random entries in [0, 1]."""
        return torch.rand(n, *self.shape, generator=torch.Generator().manual_seed(seed))

    def test_it_says_what_it_is(self, provider: Provider) -> None:
        assert provider.name, "provider: `name` must not be empty."
        labels = provider.labels
        assert len(labels) >= 2 and len(set(labels)) == len(labels), (
            f"{provider.name}: labels must be two or more, all different, got {labels!r}."
        )
        assert isinstance(provider.scores, ScoreKind), (
            f"{provider.name}: `scores` must be a ScoreKind, got {provider.scores!r}."
        )
        assert provider.max_batch >= 1, (
            f"{provider.name}: `max_batch` must be >= 1, got {provider.max_batch}."
        )

    @pytest.mark.parametrize("n", [1, 2, 7])
    def test_one_finite_score_per_class(self, provider: Provider, n: int) -> None:
        answer = provider.predict(self.inputs(n=n))
        expected = (n, len(provider.labels))
        bad = int((~torch.isfinite(answer)).sum())
        assert tuple(answer.shape) == expected and not bad, (
            f"{provider.name}: must give one finite score per class: expected shape {expected}, got "
            f"{tuple(answer.shape)} with {bad} non-finite values."
        )
        assert answer.is_floating_point(), (
            f"{provider.name}: must answer in floating point, got {answer.dtype}."
        )

    @pytest.mark.gpu
    def test_it_answers_on_the_device_of_its_input(self, provider: Provider) -> None:
        need_card()
        x = self.inputs(n=3)
        answer = provider.predict(x.to(CARD))
        assert answer.is_cuda, f"{provider.name}: must answer on the card, got {answer.device}."
        assert_same(
            answer.cpu(),
            provider.predict(x),
            who=provider.name,
            what="answers must be the same on CPU and card",
            tolerance=CARD_TOLERANCE,
        )

    def test_its_numbers_are_what_it_calls_them(self, provider: Provider) -> None:
        answer = provider.predict(self.inputs(n=7)).double()
        if provider.scores is not ScoreKind.LOGITS:
            off = float((answer.sum(-1) - 1.0).abs().max())
            assert float(answer.min()) >= 0.0 and off <= _SUM, (
                f"{provider.name}: probabilities and labels must be >= 0 and sum to 1 over the classes, got "
                f"a least value of {float(answer.min()):.3g} and a sum that is off by {off:.3g}. "
                "Did you mean logits?"
            )
        if provider.scores is ScoreKind.LABELS:
            assert bool(((answer == 0) | (answer == 1)).all()), (
                f"{provider.name}: labels must be one for the chosen class and zero for the others."
            )

    @FEW
    @given(seed=st.integers(0, 2**16), n=st.integers(2, 6), data=st.data())
    def test_rows_do_not_see_each_other(
        self, provider: Provider, seed: int, n: int, data: st.DataObject
    ) -> None:
        j = data.draw(st.integers(0, n - 1), label="row")
        x = self.inputs(n=n, seed=seed)
        answer = provider.predict(x)
        alone = provider.predict(x[j : j + 1])[0]
        last = provider.predict(x.flip(0))[n - 1 - j]
        for got, where in ((alone, "alone"), (last, "at another place")):
            assert_same(
                got,
                answer[j],
                who=provider.name,
                what=f"an input must get the same answer {where}",
                tolerance=self.tolerance,
            )

    def test_it_answers_the_same_twice(self, provider: Provider) -> None:
        x = self.inputs(n=3)
        with global_randomness_untouched(provider.name):
            first, second = provider.predict(x), provider.predict(x)
        assert torch.equal(first, second), f"{provider.name}: must answer the same twice."

    def test_inputs_are_left_alone(self, provider: Provider) -> None:
        x = self.inputs(n=3)
        before = x.clone()
        provider.predict(x)
        assert torch.equal(x, before), f"{provider.name}: must leave its inputs alone, but changed them."

    def test_its_fingerprint_stays(self, provider: Provider) -> None:
        before = provider.fingerprint
        provider.predict(self.inputs(n=1))
        assert before and provider.fingerprint == before, (
            f"{provider.name}: the fingerprint must be a text that stays, got {before!r} and "
            f"{provider.fingerprint!r}."
        )

    def test_gradients_reach_the_inputs_where_promised(self, provider: Provider) -> None:
        if not isinstance(provider, DifferentiableProvider):
            pytest.skip("this provider promises no gradients")
        x = self.inputs(n=2).requires_grad_()
        answer = provider.predict(x)
        assert answer.requires_grad, f"{provider.name}: promises gradients, but its answer carries none."
        # each class weighs differently: a plain sum of probabilities has no gradient
        weight = torch.arange(1.0, answer.shape[1] + 1.0, dtype=answer.dtype)
        (answer * weight).sum().backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        grad = x.grad
        assert grad is not None and bool(torch.isfinite(grad).all()) and bool((grad != 0).any()), (
            f"{provider.name}: promises gradients, but none that is finite and not zero reached the inputs."
        )
