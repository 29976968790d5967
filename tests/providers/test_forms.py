"""Forms of pictures: the one that a model was made for is found from pictures whose class is known, and no other is advised."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from PIL import Image
from torch import Tensor

from cfsearch.cli import main
from cfsearch.errors import ConfigError
from cfsearch.providers.forms import best_form, forms_of, tried_forms, words_of
from cfsearch.providers.pixel_clues import IMAGENET_MEAN, IMAGENET_STD
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.schemas import schema

LABELS = ("dark red", "dark blue", "bright red", "bright blue")
TAKEN = Preprocessing(size=(8, 8))


def known(n: int = 12) -> tuple[Tensor, Tensor]:
    """Dark and bright, red and blue pictures, and what they are."""
    rng = torch.Generator().manual_seed(4)
    classes = torch.arange(n) % 4
    level = torch.where(classes < 2, 0.25, 0.75)[:, None, None, None]
    tint = torch.where(
        classes[:, None] % 2 == 0, torch.tensor([0.2, 0.0, -0.2]), torch.tensor([-0.2, 0.0, 0.2])
    )
    noise = 0.04 * torch.rand((n, 3, 8, 8), generator=rng)
    return (level + tint[:, :, None, None] + noise).clamp(0, 1), classes


def wants(form: Preprocessing) -> Callable[[Tensor], Tensor]:
    """A model of pictures in one form, which undoes it by arithmetic of its own."""

    def answer(y: Tensor) -> Tensor:
        x = y.double()
        if form.std:
            x = x * torch.tensor(form.std, dtype=torch.float64)[:, None, None]
        if form.mean:
            x = x + torch.tensor(form.mean, dtype=torch.float64)[:, None, None]
        x = {"0..1": x, "-1..1": (x + 1) / 2, "0..255": x / 255}[form.range]
        red, _, blue = (x.mean((2, 3))[:, c] for c in ((0, 1, 2) if form.order == "rgb" else (2, 1, 0)))
        bright = torch.sigmoid(60 * (x.mean((1, 2, 3)) - 0.5)).clamp(1e-9, 1 - 1e-9)
        warm = torch.sigmoid(60 * (red - blue)).clamp(1e-9, 1 - 1e-9)
        return torch.stack(
            [(1 - bright) * warm, (1 - bright) * (1 - warm), bright * warm, bright * (1 - warm)], 1
        )

    return answer


def test_each_form_is_found_among_all_from_each_other() -> None:
    x, classes = known(24)
    forms = forms_of(TAKEN)
    assert len(forms) == len(set(forms)) == 10 and forms[0] == TAKEN
    for made_for in forms:
        for taken in (
            TAKEN,
            replace(TAKEN, mean=IMAGENET_MEAN, std=IMAGENET_STD),
            replace(TAKEN, order="bgr", range="0..255"),
        ):
            model = wants(made_for)
            trials = tried_forms(lambda p, t=taken, m=model: m(t.apply(p)), x, classes, taken=taken)  # type: ignore[misc]
            right = {trial.form: trial.count for trial in trials}
            assert right[made_for] == 24
            advice = best_form(trials, name="m", where="m.toml", classes=4)
            assert (advice == "") == (right[taken] == 24)
            assert advice == "" or "m gives 24 of 24 known pictures their class" in advice


def test_what_is_advised_is_what_was_found() -> None:
    x, classes = known(24)
    made_for = replace(TAKEN, range="0..255", order="bgr")
    model = wants(made_for)
    trials = tried_forms(lambda p: model(TAKEN.apply(p)), x, classes, taken=TAKEN)
    assert trials[0].count == 0  # all are dark, and red is taken for blue
    text = best_form(trials, name="m", where="m.toml", classes=4)
    assert f"as it gets them now ({words_of(TAKEN)})" in text
    assert text.endswith('Write range = "0..255", order = "bgr" under [input] in m.toml.')


def test_no_form_is_advised_by_chance() -> None:
    """Models whose answers have nothing to do with the pictures: at most 5 % of them get another form advised."""
    x, classes = known(20)
    advised = 0
    for seed in range(200):
        rng = torch.Generator().manual_seed(seed)
        trials = tried_forms(lambda p, g=rng: torch.rand((len(p), 4), generator=g), x, classes, taken=TAKEN)  # type: ignore[misc]
        advised += "Write" in best_form(trials, name="m", where="m.toml", classes=4)
    assert advised <= 10


def test_a_model_that_knows_none_of_the_pictures_is_named() -> None:
    x, classes = known(24)
    trials = tried_forms(lambda p: torch.eye(4)[torch.zeros(len(p)).long()], x, classes, taken=TAKEN)
    assert "no more than 6 of 24 known pictures their class in any of 10 forms" in best_form(
        trials, name="m", where="m.toml", classes=4
    )


def test_grey_and_whole_numbers_have_fewer_forms() -> None:
    assert {form.order for form in forms_of(replace(TAKEN, channels=1))} == {"rgb"}
    whole = Preprocessing(size=(8, 8), dtype="uint8", range="0..255")
    assert forms_of(whole) == (whole, replace(whole, order="bgr"))


def test_order_turns_the_channels_before_mean_and_std() -> None:
    x = torch.tensor([0.1, 0.5, 0.9])[None, :, None, None].expand(1, 3, 2, 2)
    made = Preprocessing(order="bgr", mean=(0.9, 0.5, 0.1), std=(1.0, 2.0, 4.0)).apply(x)
    assert torch.allclose(made, torch.zeros(1, 3, 2, 2), atol=1e-7)
    assert Preprocessing().fingerprint != Preprocessing(order="bgr").fingerprint
    with pytest.raises(ConfigError, match="order 'bgr' with channels 1"):
        Preprocessing(channels=1, order="bgr")


MODEL = """
import numpy as np

def predict(x):
    # as OpenCV's pictures: channels last, blue first, 0..255; whatever comes is read so, without a word
    pixels = np.asarray(x, dtype=np.float64).reshape(len(x), -1, 3) / 255
    blue, _, red = np.moveaxis(pixels.mean(1), 1, 0)
    bright, warm = 1 / (1 + np.exp(-60 * (pixels.mean((1, 2)) - 0.5))), 1 / (1 + np.exp(-60 * (red - blue)))
    return np.stack([(1 - bright) * warm, (1 - bright) * (1 - warm), bright * warm, bright * (1 - warm)], 1)
"""


def test_doctor_finds_range_order_and_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "opencv_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    sidecar = tmp_path / "m.toml"
    sidecar.write_text(
        f'labels = {json.dumps(LABELS)}\nscores = "probabilities"\n[input]\nsize = [6, 6]\nrange = "0..1"\n'
    )
    for i, (pixels, number) in enumerate(zip(*known(32), strict=True)):
        folder = tmp_path / "known" / LABELS[int(number)]
        folder.mkdir(parents=True, exist_ok=True)
        picture = (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(picture)).save(folder / f"{i}.png")
    words = [
        "doctor",
        "opencv_model:predict",
        "--sidecar",
        str(sidecar),
        "--images",
        str(tmp_path / "known"),
        "--no-isolation",
    ]
    done = CliRunner().invoke(main, [*words, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    Draft202012Validator(schema("doctor")).validate(document)
    assert len(document["forms"]) == 20
    best = max(document["forms"], key=lambda form: form["right"])
    assert (best["range"], best["order"], best["layout"], best["right"]) == ("0..255", "bgr", "nhwc", 32)
    assert not document["ok"]
    assert 'Write range = "0..255", order = "bgr", layout = "nhwc" under [input]' in document["warnings"][-1]

    sidecar.write_text(sidecar.read_text().replace('"0..1"', '"0..255"\norder = "bgr"\nlayout = "nhwc"'))
    shown = CliRunner().invoke(main, words)
    assert "pictures    32 of 32 right as 0..255, BGR, channels last" in shown.stdout
    assert "Write" not in shown.stdout

    empty = tmp_path / "empty"
    (empty / "cats").mkdir(parents=True)
    refused = CliRunner().invoke(main, [*words[:5], str(empty), "--no-isolation"])
    assert refused.exit_code == 2
    assert "named after the model's labels" in refused.stderr and "got cats" in refused.stderr
