"""Seconds an explanation: AXAI against LIME and SHAP's GradientExplainer, on a ResNet-34.

Weights are drawn at random: the time of a convolution does not depend on its weights, and nothing
here looks at what is explained. All three ask the same frozen network on one thread, on the same
photographs of 224 x 224 pixels that come with scikit-image, turn by turn. LIME has its defaults:
1,000 samples in batches of 10, its own QuickShift, but one label instead of five. GradientExplainer
has its defaults, 200 samples in batches of 50, but for the winning class alone (all 1,000 would take
a thousand times as long), on eight background pictures. AXAI has its defaults: 20 steps, and
QuickShift with LIME's settings; for one picture, and for four at once (the picture and its mirror
images), which it takes as one batch where the others take one after the other. Seconds are of CPU
time, as other work may share the machine.
"""

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torchvision.models import resnet34

from cfsearch.contracts.provider import ScoreKind
from cfsearch.explainers.axai import Axai
from cfsearch.explainers.segments import Quickshift
from cfsearch.explainers.subjects import image_subject
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.torch_module import TorchProvider

SIDE: Final = 224
FOUR: Final = "AXAI, four at once, each"
PICTURES: Final = ("astronaut", "chelsea", "coffee")
MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)


class Timed(NamedTuple):
    """Seconds of one explanation: of CPU, and by the clock on the wall."""

    cpu: float
    wall: float


def timed(work: Callable[[], object]) -> Timed:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timed(time.process_time() - cpu, time.perf_counter() - wall)


def photograph(name: str) -> Float[Tensor, "3 s s"]:
    """A picture that comes with scikit-image, its middle square."""
    import skimage.data

    pixels = torch.from_numpy(np.asarray(getattr(skimage.data, name)())).permute(2, 0, 1).float() / 255.0
    side = min(pixels.shape[1:])
    top, left = (pixels.shape[1] - side) // 2, (pixels.shape[2] - side) // 2
    square = pixels[None, :, top : top + side, left : left + side]
    small = functional.interpolate(square, (SIDE, SIDE), mode="bilinear", antialias=True)
    return small[0].clamp(0.0, 1.0)


def compare(*, pictures: int, repeats: int = 3) -> dict[str, list[Timed]]:
    """Seconds of each method for each picture; AXAI the mean of ``repeats``, and its parts."""
    shap, explained = import_module("shap"), import_module("lime.lime_image")

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = resnet34(weights=None)
    network.eval().requires_grad_(False)
    provider = TorchProvider(
        network,
        labels=tuple(map(str, range(1000))),
        scores=ScoreKind.LOGITS,
        preprocessing=Preprocessing(size=(SIDE, SIDE), mean=MEAN, std=STD),
        name="resnet34",
    )
    subject = image_subject(provider, (3, SIDE, SIDE))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    background = torch.rand(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    gradient = shap.GradientExplainer(network, (background - mean) / std)

    @torch.no_grad()
    def classify(images: Any) -> Any:  # Any: numpy arrays of LIME's own making
        x = torch.from_numpy(np.asarray(images, np.float32)).permute(0, 3, 1, 2)
        return network((x - mean) / std).softmax(1).numpy()

    found: dict[str, list[Timed]] = {
        name: [] for name in ("AXAI", FOUR, "AXAI, segments alone", "LIME", "GradientExplainer")
    }
    axai = Axai()
    axai.explain(photograph(PICTURES[0])[None], subject=subject)  # the first call loads and allocates
    for name in PICTURES[:pictures]:
        x = photograph(name)
        flat = x.permute(1, 2, 0).double().numpy()
        runs = [timed(lambda x=x: axai.explain(x[None], subject=subject)) for _ in range(repeats)]
        found["AXAI"].append(Timed(*(sum(column) / repeats for column in zip(*runs, strict=True))))
        four = torch.stack([x, x.flip(-1), x.flip(-2), x.flip(-1, -2)])
        together = timed(lambda four=four: axai.explain(four, subject=subject))
        found[FOUR].append(Timed(together.cpu / 4, together.wall / 4))
        found["AXAI, segments alone"].append(timed(lambda x=x: Quickshift()(x[None])))
        found["GradientExplainer"].append(
            timed(lambda x=x: gradient.shap_values(((x - mean) / std)[None], ranked_outputs=1, rseed=0))
        )
        print(
            f"  {name}: AXAI {runs[0].cpu:.1f} s, SHAP {found['GradientExplainer'][-1].cpu:.1f} s", flush=True
        )
        lime = explained.LimeImageExplainer(random_state=0, verbose=False)
        found["LIME"].append(
            timed(lambda flat=flat, lime=lime: lime.explain_instance(flat, classify, top_labels=1))
        )
        print(f"  {name}: LIME {found['LIME'][-1].cpu:.1f} s", flush=True)
    return found
