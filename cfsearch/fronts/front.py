"""The Pareto front of counterfactuals of one instance."""

import hashlib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cfsearch import registry
from cfsearch.contracts.modality import MODALITIES, PICTURES, Modality, Pieces, joined
from cfsearch.contracts.records import UNTARGETED, Reason
from cfsearch.contracts.scores import lead
from cfsearch.errors import ConfigError
from cfsearch.files import write_atomically
from cfsearch.numerics import pareto

from ._checking import check_parts
from ._choosing import answers, every_pick, flips, pick
from ._merging import merged
from ._shown import along, one_line, strip, words
from .file import pack, read_blob, unpack
from .picks import least_change
from .predicted import predicted_numbers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParetoFront:
    """The non-dominated counterfactuals of one query, in the form in which they are stored.

    Args:
        name: the query's name, as the user gave it.
        labels: the audited model's classes.
        source: index of the class that the model gives the original.
        target: index of the target class, None for "any other".
        variables: names of the search variables.
        objectives, units: names and units of the objectives, all minimised.
        z: the changes.
        f: objective values as the search measured them.
        origin_values: the variables' values at the query (``z = 0``), for words such as "Eyeglasses 0.02 -> 0.98".
        scores: log-probabilities or logits of the *stored* members.
        original_scores: the same of the original.
        reconstruction_scores: the same of the generator's output without any change; where
            it flips by itself, the flips of the front do not show what was changed.
        verified: whether the audited model, queried about the stored form, gives the class by a margin.
        images: the stored members, None for inputs that are no images.
        original, reconstruction: the original, and the generator's output without a change.
        origins: which solver or explainer found each member.
        reason: why the search stopped.
        reference_point: the point that hypervolumes are measured from.
        evaluations: candidates that were evaluated for this query.
        rows, row: the stored members and the original where inputs are rows of a table; None for images.
        texts, text: the stored members and the original where inputs are texts, cut into pieces; piece
            by piece they stand side by side, and a piece that was removed is "".
        sounds, sound: the stored members and the original where inputs are recordings, as spectrograms.
        scale: what a change of 1 means in each variable's own unit; ones when left out.
        categories: variables whose values have no order, so that any change of one counts alike.
        queries: to the audited model for this instance in all: the original, candidates (of a surrogate none), those of explainers
            before, and the verification; None where nobody counted. A query that serves many instances is not in it.
        seeding: how many of them explainers made, to find where the search begins.
        genuineness: how far, in standard errors, the lead of each member's *true* counterfactual is estimated to be above zero; NaN
            where a member was not measured, None where none was. From ``extra["genuineness"]["threshold"]`` on it is genuine.
        genuineness_each: the same by the first and by the second generator, of which ``genuineness`` is the smaller; None without a second.
        outlierness: local outlier factor of each member among known inputs of the wanted class, 1 where it is as
            dense as its neighbours; None where no objective knows any.
        robustness: share of ``extra["robustness"]["changes"]`` small changes (``cfsearch.engine.robustness``) under which
            each member still flips; NaN where a member was not tried, None where none was.
        described: what each member changes, in words of the generator; empty where it has none.
        note: what a reader must know, one sentence each.
        extra: plain JSON values that belong to the result (seed, fingerprints, settings).

    Shapes:
        z ``(n, d)``; f ``(n, m)``; scores ``(n, k)``; original_scores,
        reconstruction_scores ``(k,)``; verified, genuineness, outlierness, robustness ``(n,)``; genuineness_each ``(n, 2)``; images ``(n, c, h, w)`` uint8;
        original, reconstruction ``(c, h, w)`` uint8; origin_values, scale ``(d,)``; rows ``(n, c)``,
        row ``(c,)``; sounds ``(n, 1, f, t)``, sound ``(1, f, t)``; reference_point ``(m,)``. ``n`` may be 0.

    Raises:
        ShapeError: the parts do not fit each other.

    Example:
        >>> import torch
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> measures = [Adversarial(), Intensity()]
        >>> search = Search(FakeProvider(), FakeGenerator(), measures, lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> front.found, front.labels[front.source], front.objectives
        (True, 'dark', ('adversarial', 'intensity'))
    """

    name: str
    labels: tuple[str, ...]
    source: int
    target: int | None
    variables: tuple[str, ...]
    objectives: tuple[str, ...]
    units: tuple[str, ...]
    z: Float[Tensor, "n d"]
    f: Float[Tensor, "n m"]
    origin_values: Float[Tensor, " d"]
    scores: Float[Tensor, "n k"]
    original_scores: Float[Tensor, " k"]
    reconstruction_scores: Float[Tensor, " k"]
    verified: Bool[Tensor, " n"]
    images: UInt8[Tensor, "n c h w"] | None
    original: UInt8[Tensor, "c h w"] | None
    reconstruction: UInt8[Tensor, "c h w"] | None
    origins: tuple[str, ...]
    reason: Reason
    reference_point: Float[Tensor, " m"]
    evaluations: int
    note: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)  # Any: plain JSON, whatever it is
    rows: Float[Tensor, "n c"] | None = None
    row: Float[Tensor, " c"] | None = None
    scale: Float[Tensor, " d"] | None = None
    described: tuple[tuple[str, ...], ...] = ()
    categories: tuple[str, ...] = ()
    queries: int | None = None
    seeding: int = 0
    texts: tuple[Pieces, ...] | None = None
    text: Pieces | None = None
    sounds: Float[Tensor, "n 1 f t"] | None = None
    sound: Float[Tensor, "1 f t"] | None = None
    genuineness: Float[Tensor, " n"] | None = None
    outlierness: Float[Tensor, " n"] | None = None
    robustness: Float[Tensor, " n"] | None = None
    genuineness_each: Float[Tensor, "n 2"] | None = None

    def __post_init__(self) -> None:
        check_parts(self)

    def __len__(self) -> int:
        return len(self.z)

    def __repr__(self) -> str:
        """One line: name, classes or the predicted number, members, verified ones, why the search stopped."""
        return one_line(self)

    @property
    def modality(self) -> Modality:
        """Modality of the inputs."""
        return next((m for m in MODALITIES if getattr(self, m.parts[0]) is not None), PICTURES)

    @property
    def stored_original(self) -> Tensor | None:
        """The original in its stored form; None of a text, whose pieces are kept, or where it is not kept."""
        one = getattr(self, self.modality.parts[0])
        return one if isinstance(one, Tensor) else None

    @property
    def stored_members(self) -> Tensor | None:
        """The members in their stored form; None of texts, whose pieces are kept, or where they are not kept."""
        every = getattr(self, self.modality.parts[1])
        return every if isinstance(every, Tensor) else None

    @property
    def original_text(self) -> str | None:
        """What there is to read of the original: the text; None where inputs are no texts."""
        return None if self.text is None else joined(self.text)

    def text_of(self, i: int) -> str | None:
        """What there is to read of a member: the text; None where inputs are no texts.

        Args:
            i: the member.
        """
        return None if self.texts is None else joined(self.texts[i])

    def picture_of(self, i: int) -> "UInt8[Tensor, 'c h w'] | None":
        """What there is to look at of member ``i``; None where inputs are read instead."""
        every = self.stored_members
        return None if every is None else self.modality.picture(every[i])

    @property
    def picture(self) -> "UInt8[Tensor, 'c h w'] | None":
        """What there is to look at of the original; None where it is read instead."""
        one = self.stored_original
        return None if one is None else self.modality.picture(one)

    @property
    def found(self) -> bool:
        """True if any member is a valid counterfactual (``valid``)."""
        return bool(self.valid.any())

    @property
    def exact(self) -> bool:
        """Whether every candidate that the rules allow was evaluated, so that no front can be better."""
        return self.reason is Reason.EXACT

    @property
    def valid(self) -> Bool[Tensor, " n"]:
        """Mask of valid counterfactuals: verified and, where measured, genuine."""
        if self.genuineness is None:
            return self.verified
        return self.verified & (self.genuineness >= float(self.extra["genuineness"]["threshold"]))

    @property
    def p(self) -> Float[Tensor, "n k"]:
        """Probabilities of the stored members, softmax of ``scores``."""
        return torch.softmax(self.scores.double(), dim=-1)

    @property
    def predicted(self) -> list[float] | None:
        """The number that the model predicts of each member; None of a classifier."""
        return predicted_numbers(self.labels, self.scores)

    @property
    def changed(self) -> Bool[Tensor, "n d"]:
        """Mask of the variables that a member changes."""
        return self.z.abs() > least_change(self.z)

    @property
    def values(self) -> Float[Tensor, "n d"]:
        """Value of each variable after the change, in its own unit."""
        return self.origin_values + (self.z if self.scale is None else self.z * self.scale)

    @property
    def sizes(self) -> Float[Tensor, " n"]:
        """Distance of each member to the original, by its modality."""
        return self.distances(self.z)

    def distances(self, z: Float[Tensor, "p d"]) -> Float[Tensor, " p"]:
        """Distance of changes to none, by the modality: Gower's for rows, of the changes themselves for pictures.

        Args:
            z: the changes.
        """
        categories = torch.tensor([name in self.categories for name in self.variables])
        return self.modality.sizes(z, categories=categories)

    @property
    def reconstruction_flips(self) -> bool:
        """Whether the generator's output flips the model before anything is changed."""
        return flips(self, self.reconstruction_scores)

    def column(self, objective: str) -> Float[Tensor, " n"]:
        """The values of one objective.

        Raises:
            ConfigError: no objective has that name.
        """
        if objective not in self.objectives:
            raise ConfigError(
                f"front {self.name!r}: no objective {objective!r}; it has {', '.join(self.objectives)}."
            )
        return self.f[:, self.objectives.index(objective)]

    def hypervolume(self, reference: Float[Tensor, " m"] | None = None) -> float:
        """The volume that the front dominates, from its own reference point or another."""
        return pareto.hypervolume(self.f, self.reference_point if reference is None else reference)

    def lead(self) -> Float[Tensor, " n"]:
        """Margin of each stored member past the decision boundary, in probability; > 0 means flipped.

        Probability of the target less the best other class, or, where any other class will
        do, of the best other class less the source.
        """
        target = UNTARGETED if self.target is None else self.target
        return lead(self.p[None], source=torch.tensor([self.source]), target=torch.tensor([target]))[0]

    def pick(self, how: str) -> int | None:
        """One member, among the valid ones; None where there is none.

        - ``closest``: smallest change (``sizes``).
        - ``sparsest``: fewest changed variables, then smallest change.
        - ``knee``: nearest to the ideal point after scaling each objective to [0, 1].
        - ``crossing``: members sorted by the probability of leaving the source class; where
          that probability and the plausibility objective (scaled to [0, 1]) cross
          (Barredo-Arrieta and Del Ser 2020, section IV). Needs the objective "plausibility".

        Raises:
            ConfigError: an unknown way, or "crossing" without a plausibility objective.
        """
        return pick(self, how)

    def picks(self) -> dict[str, int]:
        """All ways to pick that give a member, by name."""
        return every_pick(self)

    def answers(self, count: int | None = None) -> list[int]:
        """The members to read first: the sparsest, and others that are better in something, or differ.

        Where the distance to known rows was an objective (``neighbours``), the first changes fewest of all. Other local outliers
        among known inputs (``outlierness``) come only after all others; no other member dominates those in the number of changes,
        the distance from the original and that to known rows, and together they dominate the most in the logarithms of these and in ``outlierness``
        (``cfsearch.fronts.picks.covering``). For other places a member's distance from those taken is weighed against its cost
        (``cfsearch.fronts.picks.diverse``): half its distance from the original, or one and a half times that and twice its
        distance to known rows, and a fifth of how far its outlier factor exceeds 1. All are valid; fewer where the front holds
        fewer. Distances are those of the modality: Gower's for rows, of the changes themselves for pictures.

        Args:
            count: how many, at least 1; what the search declared (``extra["answers"]``), else 4, when left out.

        Raises:
            ConfigError: ``count`` is below 1.
        """
        return answers(self, count)

    def words(self, i: int) -> tuple[str, ...]:
        """Changes of member ``i`` in words, strongest first: "+Eyeglasses 0.02 -> 0.98"; IndexError where there is none."""
        return words(self, i)

    def merge(self, other: "ParetoFront") -> "ParetoFront":
        """One front of the members of both, dominated ones dropped; origins are kept.

        Raises:
            ConfigError: the fronts are of different queries or objectives.
        """
        return merged(self, other)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; the document of ``cfsearch search --json``. Holds no pixels."""
        from .document import front_document

        return front_document(self)

    def to_frame(self) -> "pd.DataFrame":
        """One row a member: objectives, changes, probabilities, verified, origin.

        Raises:
            MissingExtraError: pandas is not installed (extra ``tables``).
        """
        from .frame import front_frame

        return front_frame(self)

    def to_bytes(self) -> bytes:
        """The front as one safetensors blob; the same front always gives the same bytes."""
        return pack({part.name: getattr(self, part.name) for part in fields(self)})

    @classmethod
    def from_bytes(cls, blob: bytes) -> "ParetoFront":
        """The front that ``to_bytes`` wrote.

        Raises:
            DataError: the bytes are no front, or one of another format.
        """
        return unpack(blob, make=cls)

    def save(self, path: str | Path) -> Path:
        """Write the front to a file (``.front``), all of it or nothing."""
        return write_atomically(Path(path), self.to_bytes())

    @classmethod
    def load(cls, path: str | Path) -> "ParetoFront":
        """Read a front from a file.

        Raises:
            DataError: there is no such file, or it is no front.
        """
        return cls.from_bytes(read_blob(Path(path)))

    @property
    def digest(self) -> str:
        """SHA-256 of ``to_bytes``."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def strip(self, *, most: int = 8) -> UInt8[np.ndarray, "h w c"]:
        """A picture: the original, then members along the front by how far they flip.

        Raises:
            DataError: the front holds nothing to look at.
        """
        return strip(self, most=most)

    def plot(self, path: str | Path | None = None, *, x: str | None = None, y: str | None = None) -> "Figure":
        """Two objectives as points, verified members filled; a matplotlib figure.

        Args:
            path: where to save it too, ``.svg``, ``.pdf`` or ``.png``.
            x: the objective along the first axis; the first one when left out.
            y: along the second axis; the second one when left out.

        Raises:
            ConfigError: no objective has that name, or the ending names no format.
            MissingExtraError: matplotlib is not installed (extra ``plots``).
        """
        from .plots import plot_front

        return plot_front(self, x=x, y=y, path=path)

    def along(self, *, most: int) -> list[int]:
        """At most ``most`` members, evenly spread by how far they flip, least first."""
        return along(self, most=most)

    def _repr_html_(self) -> str:
        html: str = registry.load_function("views", "front_html")(self)
        return html
