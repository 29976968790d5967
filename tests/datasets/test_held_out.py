"""Parts of a labelled source: nothing is lost, nothing stands on both sides."""

import pytest
import torch

from cfsearch.datasets.faces.training import RenderedFaces
from cfsearch.datasets.held_out import PairedPart, split
from cfsearch.errors import ConfigError


def test_both_parts_together_are_the_source() -> None:
    source = RenderedFaces(11, seed=3, size=64)
    rest, held = split(source, held_out=3)
    assert (len(rest), len(held), rest.attributes) == (8, 3, source.attributes)
    whole = source.batch(range(11)).images
    found = torch.cat([rest.batch(range(8)).images, held.batch(range(3)).images])
    assert {bytes(x.numpy().tobytes()) for x in found} == {bytes(x.numpy().tobytes()) for x in whole}
    # spread over both halves of the source, which are drawn from two distributions
    places = [int((whole == x).flatten(1).all(1).nonzero()) for x in held.batch(range(3)).images]
    assert places == [1, 5, 9]


def test_a_part_renders_its_own_faces_again() -> None:
    source = RenderedFaces(9, seed=3, size=64)
    _, held = split(source, held_out=2)
    assert isinstance(held, PairedPart)
    faces = held.batch([1, 0])
    again = (held.pairs([1, 0], faces.labels) * 255.0).round().to(torch.uint8)
    assert torch.equal(again, faces.images)


@pytest.mark.parametrize("held_out", [0, 9, -1])
def test_a_side_without_images_is_refused(held_out: int) -> None:
    with pytest.raises(ConfigError, match="expected 1 to 8 of 9"):
        split(RenderedFaces(9, seed=3, size=64), held_out=held_out)
