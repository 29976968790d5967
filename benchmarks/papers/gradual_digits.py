"""Gradual construction on digits: do its counterfactuals look like the target class, in other eyes?

Figures 5, 6 and 8 of Jung et al. 2020 were judged by people; here another network of another
architecture judges. Three arms start from the same digits and the same noise: the method, the
method with cross-entropy in place of the logit term, and equation 12 as it is printed, with neither
the logit term nor total variation (in logarithms: of the probability itself there is no slope where
it is near 0). Differences are paired, digit by digit, over all seeds, and no digit is used twice.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import mnist
import torch
from gradual_networks import Figures, made, trained
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.provider import ScoreKind
from cfsearch.explainers.gradual import Gradual
from cfsearch.explainers.subjects import image_subject
from cfsearch.metrics.proximity import l2
from cfsearch.models.lenet import LeNet5
from cfsearch.models.stack_cnn import POOL, StackCnn
from cfsearch.numerics.intervals import paired_mean
from cfsearch.providers.torch_module import TorchProvider

PAIRS: Final = ((7, 9), (4, 9), (5, 8), (1, 5), (1, 7), (8, 3), (8, 2), (7, 3), (5, 3), (9, 8))
"""Figure 5."""
OURS: Final = "ours"
ARMS: Final = (
    (OURS, Gradual(patience=30)),
    ("without logits", Gradual(patience=30, logit_weight=0.0)),
    ("without logits and smoothing", Gradual(patience=30, logit_weight=0.0, smooth=0.0)),
)


@final
@dataclass
class Verdicts:
    """What the judge says of one arm's counterfactuals, over all seeds: one entry a digit."""

    agreed: list[Tensor]
    sure: list[Tensor]


def digits(folder: Path, *, seeds: int, each: int, cache: Path, sheet: Path) -> Figures:
    """The three arms on ``each`` digits of each pair, for each of the audited networks."""
    data = mnist.read(folder)
    figures = Figures(f"MNIST: {each} digits of each of {len(PAIRS)} pairs, P >= 0.9")
    judge = _network("judge", LeNet5, data, epochs=2, seed=100, cache=cache)
    figures.note("accuracy of the judge", mnist.accuracy(judge, data.test, data.test_labels))
    verdicts = {name: Verdicts([], []) for name, _ in ARMS}
    pictures: list[Tensor] = []
    for seed in range(seeds):
        network = _network("audited", audited, data, epochs=1, seed=seed, cache=cache)
        figures.note("accuracy", mnist.accuracy(network, data.test, data.test_labels), "0.984")
        provider = TorchProvider(network, labels=mnist.LABELS, scores=ScoreKind.LOGITS)
        subject = image_subject(provider, (1, 28, 28), block=4)
        x, goal = _digits(data, subject, each=each, part=seed, parts=seeds)
        rng = torch.Generator().manual_seed(seed)
        reference = data.train[torch.randperm(len(data.train), generator=rng)[:3000]]
        shown = [x]
        for name, method in ARMS:
            started = time.process_time()
            answer = method.fit(subject, reference, seed=seed).explain(
                x, subject=subject, target=[mnist.LABELS[g] for g in goal], seed=seed
            )
            seconds = time.process_time() - started
            assert answer.counterfactuals is not None
            assert answer.flipped is not None
            assert answer.chosen is not None
            with torch.no_grad():
                logits = judge(answer.counterfactuals)
            predicted, agreed = logits.argmax(1), logits.argmax(1) == goal
            verdicts[name].agreed.append(agreed.double())
            verdicts[name].sure.append(logits.softmax(1).gather(1, goal[:, None])[:, 0].double())
            figures.note(f"{name}: share flipped", float(answer.flipped.double().mean()))
            figures.note(f"{name}: the judge agrees", float(agreed.double().mean()))
            figures.note(f"{name}: probability that the judge gives", float(verdicts[name].sure[-1].mean()))
            figures.note(
                f"{name}: and keeps the old class", float((predicted == answer.source).double().mean())
            )
            figures.note(f"{name}: blocks opened", float(answer.chosen.sum(1).double().mean()))
            figures.note(f"{name}: L2", float(l2(x, answer.counterfactuals).mean()))
            figures.note(f"{name}: seconds", seconds)
            shown.append(answer.counterfactuals)
            print(f"MNIST seed {seed} {name}: {seconds:.0f} s {answer.note}", flush=True)
            by_pair = agreed.view(len(PAIRS), each).sum(1).tolist()
            print("  agreed by pair:", {f"{a}->{b}": n for (a, b), n in zip(PAIRS, by_pair, strict=True)})
        pictures.append(torch.stack(shown))
    _compare(figures, verdicts)
    _contact_sheet(torch.cat([p.unflatten(1, (len(PAIRS), each))[:, :, 0] for p in pictures]), sheet)
    return figures


def _compare(figures: Figures, verdicts: dict[str, Verdicts]) -> None:
    """Ours less each other arm, digit by digit, with intervals; one figure for all seeds together."""
    for name, other in verdicts.items():
        if name == OURS:
            continue
        ours = verdicts[OURS]
        for what, mine, theirs in (
            ("agreement", ours.agreed, other.agreed),
            ("probability", ours.sure, other.sure),
        ):
            difference = paired_mean(torch.cat(mine) - torch.cat(theirs))
            assert difference is not None
            figures.note(f"ours less {name}: {what}, all digits", difference.value)
            figures.note(f"ours less {name}: {what}, low end of its 95 %", difference.low)
            figures.note(f"ours less {name}: {what}, high end", difference.high)
        gain = torch.cat(ours.agreed) - torch.cat(other.agreed)
        wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
        figures.note(f"ours against {name}: digits where only ours convinces", wins)
        figures.note(f"ours against {name}: where only the other does", losses)
        figures.note(f"ours against {name}: p of McNemar's exact test", mcnemar(wins, losses))


def mcnemar(wins: int, losses: int) -> float:
    """Two-sided exact p: how often a fair coin splits pairs that differ at least so unevenly."""
    n = wins + losses
    tail = sum(math.comb(n, i) for i in range(min(wins, losses) + 1)) / 2**n
    return min(1.0, 2.0 * tail)


def audited() -> StackCnn:
    """Twice convolution, convolution, maxima, then three dense layers: the paper's, its widths our choice."""
    return StackCnn(shape=(1, 28, 28), layers=(8, 8, POOL, 16, 16, POOL), dense=(64, 64))


def _network(
    name: str, build: Callable[[], nn.Module], data: mnist.Mnist, *, epochs: int, seed: int, cache: Path
) -> nn.Module:
    """A classifier of digits: from the cache, or trained and put there."""
    path = cache / f"digits_{name}_{seed}_{epochs}.safetensors"
    network = made(build, seed=seed)
    if path.exists():
        network.load_state_dict(load_file(path))
        return network.eval().requires_grad_(False)
    x, y = data.train, data.train_labels
    network = trained(network, x, y, epochs=epochs, batch=128, seed=seed)
    save_file(network.state_dict(), path)
    return network


def _digits(
    data: mnist.Mnist, subject: Subject, *, each: int, part: int, parts: int
) -> tuple[Tensor, Tensor]:
    """Random test digits of each pair, classified right by the network; others in each part, and in each pair."""
    size = min(2000, len(data.test) // parts)
    order = torch.randperm(len(data.test), generator=torch.Generator().manual_seed(0))
    order = order[part * size :][:size]
    x, y = data.test[order], data.test_labels[order]
    right = subject.provider.predict(x).argmax(1) == y
    rows = []
    for i, (source, _) in enumerate(PAIRS):
        before = sum(a == source for a, _ in PAIRS[:i]) * each
        rows.append((right & (y == source)).nonzero()[before : before + each, 0])
    return x[torch.cat(rows)], torch.tensor([b for _, b in PAIRS]).repeat_interleave(each)


def _contact_sheet(rows: Tensor, path: Path, *, scale: int = 3) -> None:
    """Originals and a line for each arm, for each seed; a column a pair."""
    lines = [
        torch.cat([functional.pad(tile, (2, 2, 2, 2), value=0.3) for tile in row[:, 0]], 1) for row in rows
    ]
    page = (torch.cat(lines, 0) * 255).round().byte().repeat_interleave(scale, 0).repeat_interleave(scale, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(page.numpy()).save(path)
