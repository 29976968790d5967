"""The case of generators catches each way of breaking the contract."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.generator import AttributeEstimator, Critic, Generator
from cfsearch.contracts.space import SearchSpace
from cfsearch.testing import FakeGenerator, GeneratorCase

CASE = GeneratorCase()
FAKE = FakeGenerator(shape=(3, 8, 8))


class Trial(Generator[Tensor], Critic, AttributeEstimator):
    """The fake generator, but for what is replaced."""

    name = "trial"
    critic_kind = "a trial"
    attribute_names = ("red", "green", "blue")

    def __init__(
        self,
        *,
        encode: Callable[[Tensor], Tensor] = FAKE.encode,
        decode: Callable[[Tensor, Tensor], Tensor] = FAKE.decode,
        select: Callable[[Tensor, int], Tensor] = FAKE.select,
        realism: Callable[[Tensor], Tensor] = FAKE.realism,
        attributes: Callable[[Tensor], Tensor] = lambda x: x.mean((-2, -1)),
        fingerprint: Callable[[], str] = lambda: "one",
    ) -> None:
        self.shape = FAKE.shape
        self._encode, self._decode, self._select = encode, decode, select
        self._realism, self._attributes, self._fingerprint = realism, attributes, fingerprint

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> Self:
        return cls(**settings)

    def encode(self, x: Tensor) -> Tensor:
        return self._encode(x)

    def space(self, state: Tensor) -> SearchSpace:
        return FAKE.space(state)

    def decode(self, state: Tensor, z: Tensor) -> Tensor:
        return self._decode(state, z)

    def select(self, state: Tensor, i: int) -> Tensor:
        return self._select(state, i)

    def to(self, device: str) -> Self:
        return self

    @property
    def fingerprint(self) -> str:
        return self._fingerprint()

    def realism(self, x: Tensor) -> Tensor:
        return self._realism(x)

    def attributes(self, x: Tensor) -> Tensor:
        return self._attributes(x)


class TestGoodGeneratorPasses(GeneratorCase):
    @pytest.fixture
    def generator(self) -> Trial:
        return Trial()


@pytest.mark.parametrize(
    ("decode", "complaint"),
    [
        (lambda s, z: FAKE.decode(s, z).flatten(0, 1), r"shape \(2, 3, 3, 8, 8\) .*, got \(6, 3, 8, 8\)"),
        (lambda s, z: FAKE.decode(s, z) / 0, r"with \d+ non-finite values"),
        (lambda s, z: FAKE.decode(s, z).double(), "must decode to float32, got torch.float64"),
        (lambda s, z: 2 * FAKE.decode(s, z) - 1, r"images must lie in \[0, 1\], got -"),
    ],
    ids=["shape", "not finite", "dtype", "range"],
)
def test_a_wrong_form_is_caught(decode: Callable[[Tensor, Tensor], Tensor], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_decoded_inputs_have_the_promised_form(Trial(decode=decode), 2, 3)


def test_a_space_of_other_queries_is_caught() -> None:
    with pytest.raises(AssertionError, match="the space must hold 2 queries, got 1"):
        CASE.test_decoded_inputs_have_the_promised_form(Trial(encode=lambda x: x[:1]), 2, 3)


def test_ignoring_the_change_is_caught() -> None:
    with pytest.raises(AssertionError, match="decodes the same whatever the change is"):
        CASE.test_changes_change_what_is_decoded(Trial(decode=lambda s, z: FAKE.decode(s, 0 * z)))


def test_rows_that_see_each_other_are_caught() -> None:
    def normed(state: Tensor, z: Tensor) -> Tensor:
        return FAKE.decode(state, z - z.mean(1, keepdim=True))

    with pytest.raises(AssertionError, match="a row alone must come out the same"):
        CASE.test_rows_do_not_see_each_other(Trial(decode=normed))


def test_queries_that_see_each_other_are_caught() -> None:
    with pytest.raises(AssertionError, match="a query alone must come out the same"):
        CASE.test_queries_do_not_see_each_other(Trial(encode=lambda x: x - x.mean(0)))


def test_selecting_another_query_is_caught() -> None:
    with pytest.raises(AssertionError, match="a selected query must come out the same"):
        CASE.test_a_selected_query_decodes_as_in_its_batch(Trial(select=lambda s, i: s[:1]))


def test_a_state_that_decoding_wears_out_is_caught() -> None:
    def worn(state: Tensor, z: Tensor) -> Tensor:
        x = FAKE.decode(state, z)
        state.mul_(0.5)
        return x

    with pytest.raises(AssertionError, match="the same change, decoded again, must come out the same"):
        CASE.test_one_state_serves_many_decodings(Trial(decode=worn))


def test_a_state_that_borrows_its_input_is_caught() -> None:
    with pytest.raises(AssertionError, match="decoded again, must come out the same"):
        CASE.test_one_state_serves_many_decodings(Trial(encode=lambda x: x))


@pytest.mark.parametrize(
    ("trial", "complaint"),
    [
        (Trial(encode=lambda x: x.mul_(0.5)), "`encode` changed the queries"),
        (Trial(decode=lambda s, z: FAKE.decode(s, z.mul_(0.5))), "`decode` changed the changes"),
        (Trial(realism=lambda x: FAKE.realism(x.mul_(0.5))), "`realism` changed its inputs"),
    ],
    ids=["encode", "decode", "realism"],
)
def test_changing_an_input_is_caught(trial: Trial, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_inputs_are_left_alone(trial)


@pytest.mark.parametrize(
    "trial",
    [
        Trial(encode=lambda x: x + 0 * torch.rand(())),
        Trial(decode=lambda s, z: FAKE.decode(s, z + 0 * torch.rand(()))),
        Trial(realism=lambda x: FAKE.realism(x) + 0 * torch.rand(())),
    ],
    ids=["encode", "decode", "realism"],
)
def test_global_randomness_is_caught(trial: Trial) -> None:
    with pytest.raises(AssertionError, match="that of torch moved"):
        CASE.test_global_randomness_is_left_alone(trial)


def test_a_fingerprint_that_moves_is_caught() -> None:
    count = iter(range(100))
    with pytest.raises(AssertionError, match="the fingerprint must be a text that stays"):
        CASE.test_its_fingerprint_stays(Trial(fingerprint=lambda: str(next(count))))
    with pytest.raises(AssertionError, match="the fingerprint must be a text that stays, got ''"):
        CASE.test_its_fingerprint_stays(Trial(fingerprint=lambda: ""))


@pytest.mark.parametrize(
    ("realism", "complaint"),
    [
        (lambda x: FAKE.realism(x)[..., None], r"expected shape \(2, 3\), got \(2, 3, 1\)"),
        (lambda x: FAKE.realism(x) / 0, "with 6 non-finite values"),
        (
            lambda x: FAKE.realism(x) - FAKE.realism(x).mean(),
            "the realism of a row alone must come out the same",
        ),
    ],
    ids=["shape", "not finite", "sees others"],
)
def test_a_wrong_realism_is_caught(realism: Callable[[Tensor], Tensor], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_realism_is_one_finite_value_per_row(Trial(realism=realism))


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        (lambda x: x.mean((-3, -2, -1)), r"probabilities of shape \(1, 3, 3\), got \(1, 3\)"),
        (lambda x: 9 * x.mean((-2, -1)), "must be probabilities of shape"),
        (lambda x: x.mean((-2, -1)) / 2 + x.mean() / 9 * x.shape[1], "the attributes of a row must come out"),
    ],
    ids=["shape", "range", "sees others"],
)
def test_wrong_attributes_are_caught(attributes: Callable[[Tensor], Tensor], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_attributes_are_probabilities(Trial(attributes=attributes))
