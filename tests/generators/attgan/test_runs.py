"""The folder of a training: what is kept, what is dropped, and the pixels of a sheet."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.errors import ModelFileError
from cfsearch.generators.attgan.config import AttGANConfig
from cfsearch.generators.attgan.data import Faces, TargetRule
from cfsearch.generators.attgan.networks import Editor
from cfsearch.generators.attgan.progress import flips
from cfsearch.generators.attgan.runs import Checkpoint, TrainingFolder


@pytest.fixture
def folder(tmp_path: Path) -> TrainingFolder:
    made = TrainingFolder(tmp_path / "training")
    made.prepare()
    return made


def checkpoint(step: int, value: float = 0.5) -> Checkpoint:
    weights = {"editor.w": torch.full((2, 3), value).t()}
    return Checkpoint(
        step=step, weights=weights, optimizers={"editor": {"lr": value}}, state={"seconds": 1.5}
    )


def names(folder: TrainingFolder) -> list[str]:
    return sorted(path.name for path in (folder.path / "checkpoints").iterdir())


def test_a_checkpoint_comes_back_whole_and_the_last_two_are_kept(folder: TrainingFolder) -> None:
    assert folder.latest() is None
    for step in (3, 20, 100):
        folder.save(checkpoint(step, value=float(step)))
    assert names(folder) == ["step-00000020", "step-00000100"]
    found = folder.latest()
    assert found is not None
    assert (found.step, found.state, found.optimizers) == (100, {"seconds": 1.5}, {"editor": {"lr": 100.0}})
    assert torch.equal(found.weights["editor.w"], torch.full((3, 2), 100.0))
    folder.save(checkpoint(100, value=-1.0))
    again = folder.latest()
    assert again is not None and again.optimizers == {"editor": {"lr": 100.0}}, (
        "one of a step is not written again"
    )


def test_what_a_kill_left_behind_is_no_checkpoint(folder: TrainingFolder) -> None:
    draft = folder.path / "checkpoints" / ".draft-1"
    draft.mkdir()
    (draft / "state.json").write_text('{"step": 9}')
    assert folder.latest() is None
    folder.save(checkpoint(4))
    found = folder.latest()
    assert found is not None and found.step == 4


@pytest.mark.parametrize("file", ["state.json", "weights.safetensors", "optimizers.pt"])
def test_a_damaged_checkpoint_is_named_with_what_to_do(folder: TrainingFolder, file: str) -> None:
    folder.save(checkpoint(4))
    (folder.path / "checkpoints" / "step-00000004" / file).write_bytes(b"cut")
    with pytest.raises(ModelFileError, match=r"step-00000004 is damaged .* Delete that folder"):
        folder.latest()


def test_metrics_after_a_checkpoint_are_dropped_and_a_cut_line_too(folder: TrainingFolder) -> None:
    folder.rewind(3)
    path = folder.path / "metrics.jsonl"
    assert not path.exists()
    for step in range(1, 6):
        folder.log({"step": step, "loss": step / 2})
    with path.open("a") as file:
        file.write('{"step": 1, "lo')
    folder.rewind(3)
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": step, "loss": step / 2} for step in (1, 2, 3)]
    folder.log({"step": 4})
    assert len(path.read_text().splitlines()) == 4, "on a line of its own"


def test_a_sheet_has_two_white_pixels_around_each_image(folder: TrainingFolder) -> None:
    levels = torch.tensor([[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]])
    rows = levels[..., None, None, None].expand(2, 3, 3, 4, 4).clone()
    rows[0, 0, 0] = 1.0  # the first is red
    path = folder.sheet(7, rows)
    assert path.name == "step-00000007.png"
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (2 * 6 + 2, 3 * 6 + 2, 3)
    for i in range(2):
        for j in range(3):
            inside = pixels[2 + 6 * i : 6 + 6 * i, 2 + 6 * j : 6 + 6 * j]
            wanted = [255, 0, 0] if i == j == 0 else [round(255 * float(levels[i, j]))] * 3
            assert bool((inside == wanted).all())
    white = np.ones(pixels.shape[:2], dtype=bool)
    for i in range(2):
        for j in range(3):
            white[2 + 6 * i : 6 + 6 * i, 2 + 6 * j : 6 + 6 * j] = False
    assert bool((pixels[white] == 255).all())


def test_columns_are_the_original_its_copy_and_each_attribute_switched() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Editor(AttGANConfig(size=64, layers=3, width=4, attributes=("A", "B", "C"))).eval()
        images = torch.rand(2, 3, 64, 64) * 2 - 1
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    made = flips(net, Faces(images, labels), rule=TargetRule(groups=((0, 1),)))
    assert made.shape == (2, 5, 3, 64, 64)
    torch.testing.assert_close(made[:, 0], (images + 1) / 2)
    # A and B exclude each other: to switch one on clears the other
    wanted = {
        1: labels,
        2: torch.tensor([[0.0, 0, 0], [1.0, 0, 0]]),
        3: torch.tensor([[0.0, 1, 0], [0.0, 0, 0]]),
        4: torch.tensor([[1.0, 0, 1], [0.0, 1, 1]]),
    }
    for column, values in wanted.items():
        with torch.no_grad():
            edited = net(images, values)
        torch.testing.assert_close(made[:, column], ((edited + 1) / 2).clamp(0, 1), rtol=1e-4, atol=1e-5)
