"""Memory: points are the same to the last bit, values come back as they were."""

import torch

from cfsearch.engine.memory import Memory


def test_new_points_are_those_not_known_and_of_equal_ones_the_first() -> None:
    memory = Memory(1)
    memory.add(torch.tensor([[1.0, 2.0]]), torch.tensor([[7.0]]))
    points = torch.tensor([[1.0, 2.0], [3.0, 0.0], [3.0, -0.0], [1.0, 2.0 + 1e-6]])
    assert memory.new(points) == [1, 3], "minus zero is zero, a bit more is another point"
    assert memory.known(points).tolist() == [True, False, False, False]
    assert len(memory) == 1


def test_values_come_back_in_the_order_that_is_wanted() -> None:
    memory = Memory(2)
    memory.add(torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0, 10.0], [2.0, 20.0]], dtype=torch.float64))
    memory.add(torch.tensor([[3.0]]), torch.tensor([[3.0, 1.0 / 3.0]], dtype=torch.float64))
    found = memory.recall(torch.tensor([[3.0], [1.0], [3.0]]))
    assert found.dtype is torch.float64
    assert found.tolist() == [[3.0, 1.0 / 3.0], [1.0, 10.0], [3.0, 1.0 / 3.0]]


def test_points_of_any_shape_are_remembered() -> None:
    memory = Memory(1)
    pictures = torch.rand(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    memory.add(pictures[:2], torch.tensor([[0.0], [1.0]]))
    assert memory.known(pictures).tolist() == [True, True, False]
