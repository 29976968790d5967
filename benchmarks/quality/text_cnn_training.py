"""Training of a classifier of sentences."""

import copy
import time
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from cfsearch.datasets.text import PADDING, Part, Sentences, Vocabulary
from cfsearch.errors import DataError
from cfsearch.models.text_cnn import TextCnn, TextModel

_PIECE = 256


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TextRecipe:
    """Settings of a training.

    Args:
        epochs: passes over the training part; the one with the best validation accuracy is kept, as in
            Kim 2014.
        batch: texts a step.
        rate: of Adam.
        decay: weight decay.
        forget: share of words replaced by "unknown" while training, so that it means something.
        least: words that occur less often are unknown.
        seed: of all random numbers.
    """

    epochs: int = 5
    batch: int = 50
    rate: float = 1e-3
    decay: float = 1e-2
    forget: float = 0.02
    least: int = 2
    seed: int = 0


def train_text_model(data: Sentences, *, recipe: TextRecipe | None = None) -> TextModel:
    """A text model of the training part of a data set; the epoch is chosen on the validation part.

    Raises:
        DataError: a part is empty, or has one class only.
    """
    recipe = recipe or TextRecipe()
    train, check = data.part(Part.TRAIN), data.part(Part.VALIDATION)
    if len(set(train.classes)) < len(data.labels) or not len(check):
        raise DataError("texts: a training needs texts of every class, and some for validation.")
    vocabulary = Vocabulary.of(train.texts, least=recipe.least)
    ids, classes = vocabulary.encode(train.texts), torch.tensor(train.classes)
    check_ids, check_classes = vocabulary.encode(check.texts), torch.tensor(check.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)  # layers and dropout draw from the global generator
        network = TextCnn(words=vocabulary.size, classes=len(data.labels))
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
        best, hits, started = copy.deepcopy(network.state_dict()), [0.0], time.process_time()
        for _ in range(recipe.epochs):
            network.train()
            for rows in _batches(ids, size=recipe.batch):
                x = ids[rows]
                lost = (torch.rand(x.shape) < recipe.forget) & (x != PADDING)
                logits = network(x.masked_fill(lost, 1))
                loss = functional.cross_entropy(logits, classes[rows])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                optimizer.step()
            guess = answers(network.eval(), check_ids).argmax(1)
            hits.append(float((guess == check_classes).double().mean()))
            if hits[-1] > max(hits[:-1]):
                best = copy.deepcopy(network.state_dict())
    network.load_state_dict(best)
    card = {
        "recipe": {name: getattr(recipe, name) for name in recipe.__slots__},
        "epoch": hits.index(max(hits)),
        "validation": [round(share, 4) for share in hits[1:]],
        "seconds": round(time.process_time() - started),
    }
    return TextModel(network.eval().requires_grad_(False), vocabulary, data.labels, card)


@torch.no_grad()
def answers(network: TextCnn, ids: Int[Tensor, "n t"]) -> Float[Tensor, "n k"]:
    """Logits of many texts."""
    return torch.cat([network(ids[i : i + _PIECE]) for i in range(0, len(ids), _PIECE)])


def accuracy(model: TextModel, data: Sentences) -> float:
    """Accuracy: share of texts classified correctly."""
    guess = answers(model.network, model.vocabulary.encode(data.texts)).argmax(1)
    return float((guess == torch.tensor(data.classes)).double().mean())


def _batches(ids: Int[Tensor, "n t"], *, size: int) -> list[Tensor]:
    """A random order, but texts of like length together: less padding to compute."""
    n = len(ids)
    order = torch.randperm(n)
    pools = torch.split(order, size * 20)
    sorted_pools = [pool[(ids[pool] != PADDING).sum(1).argsort(stable=True)] for pool in pools]
    batches = [batch for pool in sorted_pools for batch in torch.split(pool, size)]
    return [batches[i] for i in torch.randperm(len(batches)).tolist()]
