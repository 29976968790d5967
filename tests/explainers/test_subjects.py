"""Subjects of pictures: whose gradients are followed, and what is refused."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cfsearch.errors import CapabilityError, ConfigError
from cfsearch.explainers.subjects import picture_subject
from cfsearch.testing import FakeProvider, FakeWhiteBox


def test_a_model_without_gradients_is_refused_where_they_are_followed() -> None:
    bare: Any = SimpleNamespace(name="bare", labels=("a", "b"), note="")
    with pytest.raises(CapabilityError, match="bare"):
        picture_subject(bare, (3, 8, 8))
    model = FakeProvider()
    subject = picture_subject(model, (3, 8, 8), block=4, follow=False)
    assert subject.provider is model
    assert not subject.white_box
    assert len(set(subject.domain.owner.flatten().tolist())) == 4


def test_a_model_with_gradients_is_followed_itself() -> None:
    model = FakeWhiteBox(FakeProvider())
    subject = picture_subject(model, (3, 8, 8))
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert subject.white_box
    assert torch.equal(subject.network(x).argmax(1), model.predict(x).argmax(1))


def test_a_surrogate_of_rows_is_none_of_pictures() -> None:
    rows: Any = SimpleNamespace(encoding=object())
    with pytest.raises(ConfigError, match="distilled from rows of a table"):
        picture_subject(FakeProvider(), (3, 8, 8), surrogate=rows)
