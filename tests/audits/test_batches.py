"""Batches of an audit's inputs: which part of a picture is searched, and what becomes of what cannot be read."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.audits.batches import Batches
from cfsearch.datasets.images import find_images
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.engine.progress import Failure
from cfsearch.errors import CfsearchError, ProviderError
from cfsearch.providers.served.messages import ServerDownError
from cfsearch.testing import FakeGenerator


class Searched:
    """Keeps the pictures that it is given, and fails each with an error."""

    def __init__(self, error: CfsearchError) -> None:
        self.generator, self.error = FakeGenerator(shape=(3, 64, 64)), error
        self.x = torch.zeros(0)

    def run(
        self, x: torch.Tensor, *, names: Sequence[str], attributes: object, check: object
    ) -> list[Failure]:
        assert check is None  # genuineness is not measured here
        self.x = x
        return [Failure(name, self.error) for name in names]


def batches(folder: Path, search: Searched, *, aligned: bool) -> Batches:
    refs = find_images(folder)
    photographs = LabelledPhotographs(refs, None, "", aligned=aligned, note="")
    settings = SimpleNamespace(run=SimpleNamespace(device="cpu", batch_size=None))
    assembly = SimpleNamespace(config=settings, search=search)
    return Batches(cast("Any", assembly), cast("Any", search), refs, photographs, None)


@pytest.fixture
def face(tmp_path: Path) -> Path:
    """White but for the 148 pixels around the face of an aligned photograph of 178 x 218."""
    pixels = np.full((218, 178, 3), 255, np.uint8)
    pixels[40:188, 15:163] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path


@pytest.mark.parametrize(("aligned", "black"), [(True, True), (False, False)])
def test_of_an_aligned_face_the_part_is_searched_that_generators_know(
    face: Path, aligned: bool, black: bool
) -> None:
    search = Searched(ProviderError("away"))
    result = batches(face, search, aligned=aligned).searched([0])
    assert search.x.shape == (1, 3, 64, 64)
    assert bool((search.x == 0).all()) is black
    [row] = result.rows
    assert (row.name, row.position, row.status, row.code) == ("a.png", 0, "failed", ProviderError.code)
    assert result.gone is None


def test_what_cannot_be_read_fails_alone(face: Path) -> None:
    (face / "b.png").write_bytes(b"no picture")
    search = Searched(ProviderError("away"))
    rows = batches(face, search, aligned=True).searched([1, 0]).rows
    assert [(row.name, row.position, row.code) for row in rows] == [
        ("b.png", 1, "unreadable"),
        ("a.png", 0, ProviderError.code),
    ]
    assert len(search.x) == 1
    alone = Searched(ProviderError("away"))
    assert [row.name for row in batches(face, alone, aligned=True).searched([1]).rows] == ["b.png"]
    assert not len(alone.x), "there is nothing to search"


def test_inputs_are_left_for_later_where_the_server_is_gone(face: Path) -> None:
    (face / "b.png").write_bytes(b"no picture")
    gone = ServerDownError("no answer")
    result = batches(face, Searched(gone), aligned=True).searched([0, 1])
    assert result.gone is gone
    assert [row.name for row in result.rows] == ["b.png"]
