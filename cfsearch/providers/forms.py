"""Forms of pictures that a model may want: known pictures are given in each of them, and the answers compared with their classes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.numerics.intervals import Interval, mcnemar, wilson

from .pixel_clues import IMAGENET_MEAN, IMAGENET_STD
from .preprocessing import Preprocessing

_CAFFE_MEAN: Final = (123.68, 116.779, 103.939)
_LEVEL: Final = 0.05
_LAYOUTS: Final = {"nchw": "first", "nhwc": "last", "flat": "first, in one row"}


@final
@dataclass(frozen=True, slots=True)
class FormTrial:
    """How many known pictures a model takes for what they are in one form.

    Args:
        form: how they were brought to it.
        right: of each, whether its class won.
    """

    form: Preprocessing
    right: tuple[bool, ...]

    @property
    def count(self) -> int:
        """How many won."""
        return sum(self.right)

    @property
    def share(self) -> Interval | None:
        """Their share, with its Wilson interval of 95 %."""
        return wilson(self.count, len(self.right))


def forms_of(taken: Preprocessing) -> tuple[Preprocessing, ...]:
    """Ranges, means and orders of channels in which pictures are commonly given, that of ``taken`` first.

    Args:
        taken: how pictures are brought to the model now; size, layout and type stay.
    """
    plain = replace(taken, mean=(), std=(), order="rgb")
    ranged: list[Preprocessing] = [taken]
    if taken.dtype != "uint8":
        ranged += [
            replace(plain, range="0..1"),
            replace(plain, range="-1..1"),
            replace(plain, range="0..255"),
        ]
        if taken.channels == 3:
            ranged.append(replace(plain, range="0..1", mean=IMAGENET_MEAN, std=IMAGENET_STD))
            ranged.append(replace(plain, range="0..255", mean=_CAFFE_MEAN))
    if taken.channels == 1:
        return tuple(dict.fromkeys(ranged))
    turned = [
        replace(form, order="bgr" if form.order == "rgb" else "rgb", mean=form.mean[::-1], std=form.std[::-1])
        for form in ranged
    ]
    return tuple(dict.fromkeys([*ranged, *turned]))


def tried_forms(
    predict: Callable[[Tensor], Tensor],
    x: Float[Tensor, "n c h w"],
    classes: Int[Tensor, " n"],
    *,
    taken: Preprocessing,
) -> tuple[FormTrial, ...]:
    """Known pictures given to a model in each form.

    Args:
        predict: the model, which brings pictures into the form ``taken`` by itself.
        x: the pictures, in [0, 1].
        classes: of each.
        taken: that form.

    Returns:
        One trial a form, that of ``taken`` first.
    """
    bare = replace(taken, range="0..1", mean=(), std=(), dtype="float64", layout="nchw", order="rgb")
    pictures = bare.apply(x)
    trials: list[FormTrial] = []
    for form in forms_of(taken):
        wanted = replace(bare, range=form.range, mean=form.mean, std=form.std, order=form.order)
        given = x if form == taken else _undone(wanted.apply(pictures), taken).float()
        answers = predict(given)
        known = torch.isfinite(answers).all(dim=1).cpu()
        right = known & (answers.nan_to_num(-math.inf).argmax(dim=1).cpu() == classes.cpu())
        trials.append(FormTrial(form, tuple(map(bool, right.tolist()))))
    return tuple(trials)


def _undone(pixels: Tensor, taken: Preprocessing) -> Tensor:
    """What becomes ``pixels`` when it is brought into the form ``taken``."""
    if taken.std:
        pixels = pixels * torch.tensor(taken.std, dtype=pixels.dtype).view(-1, 1, 1)
    if taken.mean:
        pixels = pixels + torch.tensor(taken.mean, dtype=pixels.dtype).view(-1, 1, 1)
    if taken.range == "-1..1":
        pixels = (pixels + 1) / 2
    elif taken.range == "0..255":
        pixels = pixels / 255
    return pixels.flip(1) if taken.order == "bgr" else pixels


def best_form(trials: Sequence[FormTrial], *, name: str, where: str, classes: int) -> str:
    """A warning where another form fits known pictures better than the present one, or none fits; empty otherwise.

    Exact tests of the paired answers, with Bonferroni's correction for the forms that were tried.

    Args:
        trials: that of the present form first.
        name: of the model.
        where: its sidecar.
        classes: how many it has.

    References:
        McNemar 1947, Note on the sampling error of the difference between correlated proportions or percentages.
    """
    now, n = trials[0], len(trials[0].right)
    best = max(trials, key=lambda trial: trial.count)
    won = sum(b and not a for a, b in zip(now.right, best.right, strict=True))
    lost = sum(a and not b for a, b in zip(now.right, best.right, strict=True))
    if best.count > now.count and mcnemar(lost, won) * (len(trials) - 1) < _LEVEL:
        return (
            f"{name} gives {best.count} of {n} known pictures their class when it gets them as {words_of(best.form)}, and "
            f"{now.count} as it gets them now ({words_of(now.form)}). Write {_lines(best.form, now.form)} under [input] in {where}."
        )
    share = best.share
    if share is not None and share.low <= 1 / classes:
        return (
            f"{name} gives no more than {best.count} of {n} known pictures their class in any of {len(trials)} forms, which "
            f"chance could give with {classes} classes. Check that the folders are named after its labels, and its other settings."
        )
    return ""


def words_of(form: Preprocessing) -> str:
    """A form in words.

    Args:
        form: how pictures are brought to a model.
    """
    less = f" less {_numbers(form.mean)}" if form.mean else ""
    over = f" over {_numbers(form.std)}" if form.std else ""
    colours = "" if form.channels == 1 else f", {form.order.upper()}"
    return f"{form.range}{less}{over}{colours}, channels {_LAYOUTS[form.layout]}"


def _lines(best: Preprocessing, now: Preprocessing) -> str:
    """What stands under ``[input]`` for a form."""
    wanted = {"range": f'"{best.range}"', "mean": list(best.mean), "std": list(best.std)}
    wanted |= {"order": f'"{best.order}"', "layout": f'"{best.layout}"'}
    changed = [key for key in wanted if getattr(best, key) != getattr(now, key)]
    kept = [f"{key} = {wanted[key]}" for key in changed if wanted[key] != []]
    gone = [f"no {key}" for key in changed if wanted[key] == []]
    return ", ".join([*kept, *gone])


def _numbers(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" for value in values)
