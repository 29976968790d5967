"""What the benchmark of effects is computed from: the bank's answers to edited and to re-rendered faces.

Edits are decoded once a generator and rendered once for the truth; every classifier of the bank then scores them. All of it is
kept beside the bank (``effects/``) and not made again.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from bank import Model, generator, provider
from jaxtyping import Float
from torch import Tensor

from cfsearch.audits.effects import Effects, ends
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.scores import log_odds, verdict_scores
from cfsearch.contracts.space import SearchSpace
from cfsearch.datasets import faces
from cfsearch.datasets.faces.training import RenderedFaces
from cfsearch.files import dump_json, write_atomically
from cfsearch.generators.attgan.generator import AttGAN
from cfsearch.measurement import AttributeJudge, measure, train_judge

PEOPLE: Final = 256
"""Faces whose effects are measured and known; four audits of 64."""

PHOTOGRAPHS: Final = 250
"""Other faces, which nobody edits but to reconstruct them."""

_PEOPLE_SEED: Final = 715_001
_PHOTOGRAPHS_SEED: Final = 715_002
_JUDGED_SEED: Final = 41
_HELD_OUT: Final = 300
_AT_ONCE: Final = 32


@final
@dataclass(frozen=True, eq=False)
class Answers:
    """What one classifier says of the faces, and of what one generator makes of them.

    Args:
        people: log-odds of the target on the faces that are audited.
        rebuilt: the same of their reconstructions.
        effects: through the generator, face by face.
        truth: effects of the re-rendered faces, face by face; attributes in the order of ``faces.ATTRIBUTES``.
        photographs: log-odds on other faces.
        photographs_rebuilt: the same of their reconstructions.
    """

    people: Float[Tensor, " n"]
    rebuilt: Float[Tensor, " n"]
    effects: Effects
    truth: Float[Tensor, "n a"]
    photographs: Float[Tensor, " m"]
    photographs_rebuilt: Float[Tensor, " m"]


@final
class Pool:
    """Faces, their edits and their re-renders, made when they are first needed.

    Args:
        folder: of the bank.
        people: how many faces.
        photographs: how many others.
    """

    def __init__(self, folder: Path, *, people: int = PEOPLE, photographs: int = PHOTOGRAPHS) -> None:
        self._bank, self._folder = folder, folder / "effects"
        self._folder.mkdir(parents=True, exist_ok=True)
        self.people = faces.faces(people, seed=_PEOPLE_SEED)
        self.photographs = faces.faces(photographs, seed=_PHOTOGRAPHS_SEED)
        self._name = f"{people}_{photographs}"
        self._held: dict[str, Tensor] = {}

    def answers(self, model: Model, name: str) -> Answers:
        """The answers of one classifier through one generator.

        Args:
            model: of the bank.
            name: of the generator.
        """
        editor = generator(self._bank, name)
        true = self._odds(model, "renders", self._renders)
        made = self._odds(model, f"{name}_{editor.fingerprint[:8]}", lambda: self._edits(editor))
        n, m, a = len(self.people), len(self.photographs), len(faces.ATTRIBUTES)
        space = self.space(editor)
        place = _places(space)
        odds = made[:-m].view(n, -1).gather(1, place)
        labels = torch.from_numpy(self.people.attributes) > 0.5
        other = true[n + m :].view(n, a)
        own = true[:n, None].expand(n, a)
        return Answers(
            people=true[:n],
            rebuilt=odds[:, 0],
            effects=Effects.between(
                space, odds=odds, decided=(odds > 0.0).long(), source=(true[:n] > 0.0).long()
            ),
            truth=torch.where(labels, own - other, other - own),
            photographs=true[n : n + m],
            photographs_rebuilt=made[-m:],
        )

    def space(self, editor: AttGAN) -> SearchSpace:
        """The changes that a generator can make of the faces."""
        return _space(editor, torch.from_numpy(self.people.attributes))

    def measurement(self, name: str) -> Mapping[str, Any]:  # Any: plain JSON
        """What ``cfsearch measure generator`` says of a generator, by a judge that is trained once."""
        editor = generator(self._bank, name)
        path = self._folder / f"measured_{name}_{editor.fingerprint[:8]}.json"
        if not path.exists():
            found = measure(
                editor,
                training=RenderedFaces(2, seed=1),
                held_out=RenderedFaces(_HELD_OUT, seed=_JUDGED_SEED + 1),
                judge=self._judge(),
            )
            write_atomically(path, dump_json(found.to_json()))
        return dict(json.loads(path.read_text(encoding="utf-8")))

    def _judge(self) -> AttributeJudge:
        path = self._folder / "judge.pt"
        judge = AttributeJudge(3, attributes=len(faces.ATTRIBUTES))
        if not path.exists():
            judge = train_judge(RenderedFaces(4000, seed=_JUDGED_SEED))
            torch.save(judge.state_dict(), path)
        judge.load_state_dict(torch.load(path, weights_only=True))
        return judge.eval().requires_grad_(False)

    def _odds(self, model: Model, what: str, pictures: Callable[[], Tensor]) -> Float[Tensor, " k"]:
        """Log-odds of the target on all pictures of a kind; kept with the classifier's fingerprint."""
        audited = provider(self._bank, model)
        known = hashlib.sha256(audited.fingerprint.encode()).hexdigest()[:8]
        path = self._folder / f"{self._name}_{what}_{model.name}_{known}.npy"
        if not path.exists():
            if what not in self._held:
                self._held[what] = pictures()
            with path.with_suffix(".part").open("wb") as file:
                np.save(file, _queried(audited, self._held[what]).numpy())
            path.with_suffix(".part").replace(path)
        return torch.from_numpy(np.load(path))

    def _renders(self) -> Float[Tensor, "k 3 s s"]:
        """People, photographs, then each face with each attribute as it is not."""
        drawn = [self.people.images, self.photographs.images]
        labels = self.people.attributes
        changed = np.stack(
            [
                np.stack(
                    [
                        faces.do(row[None], name=name, value=1.0 - row[j])[0]
                        for j, name in enumerate(faces.ATTRIBUTES)
                    ]
                )
                for row in labels
            ]
        )
        for i in range(len(labels)):
            same = self.people.nuisances[np.full(len(faces.ATTRIBUTES), i)]
            drawn.append(faces.quantise(faces.render(changed[i], same)))
        return torch.from_numpy(np.concatenate(drawn)).half() / 255.0

    @torch.no_grad()
    def _edits(self, editor: AttGAN) -> Float[Tensor, "k 3 s s"]:
        """Each face at each end of each attribute, ends alike once; then the photographs' reconstructions."""
        made = []
        for data, edited in ((self.people, True), (self.photographs, False)):
            x = torch.from_numpy(data.images).float() / 255.0
            labels = torch.from_numpy(data.attributes)
            for at in range(0, len(x), _AT_ONCE):
                state = editor.encode(x[at : at + _AT_ONCE], attributes=labels[at : at + _AT_ONCE])
                space = editor.space(state)
                z = _different(space) if edited else torch.zeros(space.b, 1, space.d)
                made.append(editor.decode(state, z).flatten(0, 1).half())
        return torch.cat(made)


def _space(editor: AttGAN, labels: Float[Tensor, "n a"]) -> SearchSpace:
    """The space of faces with these labels."""
    blank = torch.zeros(1, *editor.shape)
    state = editor.encode(blank, attributes=labels[:1])
    return editor.space(type(state)(state.folded, labels))


def _different(space: SearchSpace) -> Float[Tensor, "n k d"]:
    """Of the ends of each input those that differ: no change, and each variable at its other end."""
    return torch.stack([row.unique(dim=0) for row in ends(space)])


def _places(space: SearchSpace) -> Tensor:
    """Where each end stands among those that differ."""
    return torch.stack([row.unique(dim=0, return_inverse=True)[1] for row in ends(space)])


@torch.no_grad()
def _queried(audited: Provider, pictures: Float[Tensor, "k 3 s s"]) -> Float[Tensor, " k"]:
    found = []
    for part in pictures.split(128):
        scores = verdict_scores(audited.predict(part.float()), audited)
        found.append(log_odds(scores[None], index=torch.tensor([1]))[0].double())
    return torch.cat(found)
