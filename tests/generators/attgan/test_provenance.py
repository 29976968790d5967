"""A training goes on in its folder with its own data and settings, and with no others."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from cfsearch.datasets.held_out import split
from cfsearch.errors import CfsearchWarning, RunError
from cfsearch.generators.attgan.training import StepMetrics, train, train_critic

from .test_training import HINGE, SPECTRAL, Photographs, same


class Darker(Photographs):
    """As many other pictures with the same labels."""

    def _paint(self, indices: Sequence[int], values: Tensor) -> Tensor:
        return super()._paint(indices, values) * 0.5


class Fewer(Photographs):
    """Other pictures, and not as many."""

    def __len__(self) -> int:
        return 11


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        (Darker(), {}, "other images or labels"),
        (Fewer(), {}, "12 images instead of 11"),
        (Photographs(), {"seed": 5, "rate": 0.01}, "seed was 0, now 5; rate was 0.0002, now 0.01"),
    ],
)
def test_another_training_does_not_go_on(
    tmp_path: Path, source: Photographs, changes: dict[str, Any], message: str
) -> None:
    train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(RunError, match="holds another training .* or remove that folder") as caught:
        train(source, config=SPECTRAL, training=replace(HINGE, **changes), folder=tmp_path)
    said = str(caught.value).replace("'", "")
    assert sorted(message.split("; ")) == sorted(said.split("(")[1].split(")")[0].split("; "))
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_more_steps_and_other_intervals_go_on(tmp_path: Path) -> None:
    train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path)
    longer = replace(HINGE, steps=5, minutes=9.0, log_every=2, sheet_every=1, checkpoint_every=1)
    assert train(Photographs(), config=SPECTRAL, training=longer, folder=tmp_path).step == 5


def test_settings_may_change_after_a_stage_and_not_within_one(tmp_path: Path) -> None:
    first, second = replace(HINGE, until=0.5), replace(HINGE, rate=0.01)
    for stage, step in ((first, 2), (second, 4), (first, 4), (second, 4)):  # the second time both are over
        assert train(Photographs(), config=SPECTRAL, training=stage, folder=tmp_path).step == step
    calls: list[StepMetrics] = []
    train(
        Photographs(),
        config=SPECTRAL,
        training=first,
        folder=tmp_path / "cut",
        watch=calls.append,
        stop=lambda: bool(calls),
    )
    with pytest.raises(RunError, match="rate was"):
        train(Photographs(), config=SPECTRAL, training=second, folder=tmp_path / "cut")


def test_a_critic_goes_on_with_its_own_generator(tmp_path: Path) -> None:
    """With another one the old generator would have stood in the new file."""
    made = [
        train(
            Photographs(), config=SPECTRAL, training=replace(HINGE, seed=seed), folder=tmp_path / str(seed)
        ).editor
        for seed in (0, 1)
    ]

    def critic(which: int, folder: Path) -> Any:
        return train_critic(made[which], Photographs(), config=SPECTRAL, training=HINGE, folder=folder)

    critic(0, tmp_path / "c")
    assert same(critic(0, tmp_path / "c").editor, made[0])
    with pytest.raises(RunError, match="the critic of another generator"):
        critic(1, tmp_path / "c")
    with pytest.raises(RunError, match="a generator with its critic"):
        critic(0, tmp_path / "0")


def test_an_older_checkpoint_goes_on_with_a_warning(tmp_path: Path) -> None:
    train(Photographs(), config=SPECTRAL, training=HINGE, folder=tmp_path)
    path = tmp_path / "checkpoints" / "step-00000004" / "state.json"
    state = json.loads(path.read_text())
    del state["provenance"], state["stage_over"]
    path.write_text(json.dumps(state))
    with pytest.warns(CfsearchWarning, match="cannot be compared"):
        done = train(Photographs(), config=SPECTRAL, training=replace(HINGE, steps=5), folder=tmp_path)
    assert done.step == 5


def test_parts_of_a_source_differ_by_what_they_hold() -> None:
    def prints(source: Photographs) -> list[str]:
        return [part.fingerprint for part in split(source, held_out=3)]

    assert prints(Photographs()) == prints(Photographs())
    assert len({*prints(Photographs()), *prints(Darker())}) == 4
