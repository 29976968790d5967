"""What every generator must do: subclass, give the fixture."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.contracts.generator import AttributeEstimator, Critic, Generator
from cfsearch.contracts.space import SearchSpace

from ._watch import CARD, CARD_TOLERANCE, FEW, assert_same, global_randomness_untouched, need_card

_IMAGE_NDIM = 3
AnyGenerator = Generator[Any]
"""Any: what a generator keeps as its state is its own business."""


class GeneratorCase:
    """Subclass it and give the fixture ``generator``; pytest does the rest.

    A critic and an attribute estimator are tried where the generator is one.

    Example:
        >>> import pytest
        >>> from cfsearch.testing import FakeGenerator
        >>> class TestFake(GeneratorCase):
        ...     @pytest.fixture
        ...     def generator(self) -> FakeGenerator:
        ...         return FakeGenerator()
        >>> "test_decoded_inputs_have_the_promised_form" in dir(TestFake)
        True
    """

    tolerance: float = 1e-4
    """How far an output may move when others are decoded with it."""

    @pytest.fixture
    def generator(self) -> AnyGenerator:
        raise NotImplementedError("give the fixture `generator`")

    def inputs(self, generator: AnyGenerator, *, b: int, seed: int = 0) -> Tensor:
        """Queries to try it on: uniform random entries in [0, 1]."""
        return torch.rand(b, *generator.shape, generator=torch.Generator().manual_seed(seed))

    def points(self, space: SearchSpace, *, n: int, seed: int = 0) -> Tensor:
        """Changes to try it on: uniform in the middle four fifths of the bounds, repaired."""
        draw = torch.Generator().manual_seed(seed)
        unit = 0.1 + 0.8 * torch.rand(space.b, n, space.d, generator=draw).to(space.lower)
        return space.repair(space.lower[:, None] + unit * (space.upper - space.lower)[:, None])

    @pytest.mark.parametrize(("b", "n"), [(1, 1), (2, 3)])
    def test_decoded_inputs_have_the_promised_form(self, generator: AnyGenerator, b: int, n: int) -> None:
        state = generator.encode(self.inputs(generator, b=b))
        space = generator.space(state)
        assert space.b == b, f"{generator.name}: the space must hold {b} queries, got {space.b}."
        x = generator.decode(state, self.points(space, n=n))
        expected = (b, n, *generator.shape)
        bad = int((~torch.isfinite(x)).sum())
        assert tuple(x.shape) == expected and not bad, (
            f"{generator.name}: must decode to shape {expected} of finite values, got {tuple(x.shape)} "
            f"with {bad} non-finite values."
        )
        assert x.dtype == torch.float32, f"{generator.name}: must decode to float32, got {x.dtype}."
        if len(generator.shape) == _IMAGE_NDIM:
            low, high = float(x.min()), float(x.max())
            assert low >= 0.0 and high <= 1.0, (
                f"{generator.name}: images must lie in [0, 1], got {low:.3g} to {high:.3g}."
            )

    @pytest.mark.gpu
    def test_it_decodes_the_same_on_a_graphics_card(self, generator: AnyGenerator) -> None:
        need_card()
        x = self.inputs(generator, b=2)
        state = generator.encode(x)
        z = self.points(generator.space(state), n=3)
        expected = generator.decode(state, z)
        moved = generator.to(CARD)
        decoded = moved.decode(moved.encode(x.to(CARD)), z.to(CARD))
        assert decoded.is_cuda, f"{generator.name}: must decode on the card, got {decoded.device}."
        assert_same(
            decoded.cpu(),
            expected,
            who=generator.name,
            what="outputs must be the same on CPU and card",
            tolerance=CARD_TOLERANCE,
        )

    def test_changes_change_what_is_decoded(self, generator: AnyGenerator) -> None:
        state = generator.encode(self.inputs(generator, b=1))
        z = self.points(generator.space(state), n=4)
        x, still = generator.decode(state, z), generator.decode(state, torch.zeros_like(z))
        assert not torch.allclose(x, still), f"{generator.name}: decodes the same whatever the change is."

    @FEW
    @given(seed=st.integers(0, 2**16), n=st.integers(2, 5), data=st.data())
    def test_rows_do_not_see_each_other(
        self, generator: AnyGenerator, seed: int, n: int, data: st.DataObject
    ) -> None:
        j = data.draw(st.integers(0, n - 1), label="row")
        state = generator.encode(self.inputs(generator, b=2, seed=seed))
        z = self.points(generator.space(state), n=n, seed=seed)
        x = generator.decode(state, z)
        self._same(generator, generator.decode(state, z[:, j : j + 1])[:, 0], x[:, j], "a row alone")

    def test_queries_do_not_see_each_other(self, generator: AnyGenerator) -> None:
        x = self.inputs(generator, b=3)
        state = generator.encode(x)
        z = self.points(generator.space(state), n=2)
        together = generator.decode(state, z)
        for i in range(3):
            alone = generator.encode(x[i : i + 1])
            self._same(generator, generator.decode(alone, z[i : i + 1])[0], together[i], "a query alone")

    def test_a_selected_query_decodes_as_in_its_batch(self, generator: AnyGenerator) -> None:
        state = generator.encode(self.inputs(generator, b=3))
        space = generator.space(state)
        z = self.points(space, n=2)
        together = generator.decode(state, z)
        for i in range(3):
            one = generator.select(state, i)
            self._same(generator, generator.decode(one, z[i : i + 1])[0], together[i], "a selected query")
            part = generator.space(one)
            assert part.names == space.names and torch.equal(part.lower, space.lower[i : i + 1]), (
                f"{generator.name}: the space of a selected query must be its part of the whole space."
            )

    def test_one_state_serves_many_decodings(self, generator: AnyGenerator) -> None:
        x = self.inputs(generator, b=2)
        state = generator.encode(x)
        z = self.points(generator.space(state), n=3)
        first = generator.decode(state, z)
        generator.decode(state, self.points(generator.space(state), n=5, seed=1))
        x.zero_()
        self._same(generator, generator.decode(state, z), first, "the same change, decoded again,")

    def test_inputs_are_left_alone(self, generator: AnyGenerator) -> None:
        x = self.inputs(generator, b=2)
        before = x.clone()
        state = generator.encode(x)
        z = self.points(generator.space(state), n=2)
        points = z.clone()
        decoded = generator.decode(state, z)
        assert torch.equal(x, before), f"{generator.name}: `encode` changed the queries."
        assert torch.equal(z, points), f"{generator.name}: `decode` changed the changes it was given."
        if isinstance(generator, Critic):
            kept = decoded.clone()
            generator.realism(decoded)
            assert torch.equal(decoded, kept), f"{generator.name}: `realism` changed its inputs."

    def test_global_randomness_is_left_alone(self, generator: AnyGenerator) -> None:
        x = self.inputs(generator, b=1)
        with global_randomness_untouched(generator.name):
            state = generator.encode(x)
            decoded = generator.decode(state, generator.space(state).lower[:, None] * 0)
            if isinstance(generator, Critic):
                generator.realism(decoded)

    def test_its_fingerprint_stays(self, generator: AnyGenerator) -> None:
        before = generator.fingerprint
        generator.encode(self.inputs(generator, b=1))
        assert before and generator.fingerprint == before and generator.to("cpu").fingerprint == before, (
            f"{generator.name}: the fingerprint must be a text that stays, got {before!r} and "
            f"{generator.fingerprint!r}."
        )

    @FEW
    @given(seed=st.integers(0, 2**16))
    def test_realism_is_one_finite_value_per_row(self, generator: AnyGenerator, seed: int) -> None:
        if not isinstance(generator, Critic):
            pytest.skip("this generator has no critic")
        assert generator.critic_kind, f"{generator.name}: `critic_kind` must say which plausibility this is."
        x = torch.stack([self.inputs(generator, b=3, seed=seed + i) for i in range(2)])
        value = generator.realism(x)
        bad = int((~torch.isfinite(value)).sum())
        assert tuple(value.shape) == (2, 3) and not bad, (
            f"{generator.name}: realism must give one finite value per row, expected shape (2, 3), got "
            f"{tuple(value.shape)} with {bad} non-finite values."
        )
        self._same(generator, generator.realism(x[1:, 2:])[0, 0], value[1, 2], "the realism of a row alone")

    def test_attributes_are_probabilities(self, generator: AnyGenerator) -> None:
        if not isinstance(generator, AttributeEstimator):
            pytest.skip("this generator estimates no attributes")
        x = self.inputs(generator, b=3)[None]
        value = generator.attributes(x)
        expected = (1, 3, len(generator.attribute_names))
        assert tuple(value.shape) == expected and bool(((value >= 0) & (value <= 1)).all()), (
            f"{generator.name}: attributes must be probabilities of shape {expected}, got "
            f"{tuple(value.shape)} from {float(value.min()):.3g} to {float(value.max()):.3g}."
        )
        self._same(generator, generator.attributes(x[:, 1:2])[0, 0], value[0, 1], "the attributes of a row")

    def _same(self, generator: AnyGenerator, got: Tensor, expected: Tensor, what: str) -> None:
        assert_same(
            got,
            expected,
            who=generator.name,
            what=f"{what} must come out the same",
            tolerance=self.tolerance,
        )
