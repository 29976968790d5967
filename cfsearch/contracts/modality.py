"""Modalities of inputs: pictures, rows of a table, texts, recordings.

What differs from kind to kind is decided here, and nowhere else: how an input is
kept in a front and brought back for the model, how far a change goes, which changes count, what there
is to look at, and what things are called. Where inputs are read is ``cfsearch.assembly.inputs``.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, final

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from cfsearch.numerics.gower import gower

from ._picture_changes import perturbed_pictures
from ._spectrogram import drawn

Pieces = tuple[str, ...]
"""A text cut into words with the space in front of each; joined they are the text again."""

_VISIBLE: Final = 0.25  # changes of an attribute or of brightness that are smaller are hardly seen


class Modality(ABC):
    """A kind of input, and everything that depends on the kind alone.

    Example:
        >>> from cfsearch.contracts.modality import ROWS, modality_named
        >>> modality_named("texts").noun, ROWS.objectives(critic=False)
        ('text', ('adversarial', 'gower', 'changed'))
    """

    name: ClassVar[str]
    """In the plural, as in settings and documents: "images"."""
    noun: ClassVar[str]
    """One of them: "image"."""
    thing: ClassVar[str]
    """What a page calls one of them: "picture"."""
    parts: ClassVar[tuple[str, str]]
    """The fields of a front that keep the original and the members."""
    generator: ClassVar[str]
    """The generator where the settings name none."""
    pictured: ClassVar[bool] = False
    """Whether an input is a grid of channels, height and width."""
    reconstructed: ClassVar[bool] = False
    """Whether a front keeps the generator's output without a change."""
    categorical: ClassVar[bool] = False
    """Whether variables may have values without an order."""
    own_variables: ClassVar[bool] = False
    """Whether each input has variables of its own: the words of a text."""
    traced: ClassVar[bool] = True
    """Whether an input that an explainer made is read as changes of variables, not measured as a whole."""
    together: ClassVar[int] = 4
    """Inputs that are searched together on a CPU where one call of the model answers for all of them."""
    files: ClassVar[str] = ""
    """The format of ``cfsearch export`` that writes each input to a file; empty where there is none."""
    distance: ClassVar[str]
    """The default objective that says how far a change goes."""
    perturbed: ClassVar[Callable[..., Tensor] | None] = None
    """Makes small changes of inputs of this kind, called as ``Perturber.perturbed``; None where the kind alone does not say."""
    caveats: ClassVar[tuple[str, ...]] = ()
    """What a reader of any result must know."""

    @abstractmethod
    def stored(self, x: Float[Tensor, "*x"]) -> Tensor:
        """Inputs in the form in which a front keeps them."""

    def restored(self, stored: Tensor) -> Tensor:
        """Stored inputs as the model takes them."""
        return stored

    def fingerprint(self, x: Float[Tensor, "*x"]) -> str:
        """SHA-256 of one input in its stored form.

        Args:
            x: one model input.
        """
        return hashlib.sha256(self.stored(x).contiguous().cpu().numpy().tobytes()).hexdigest()

    def sizes(self, z: Float[Tensor, "n d"], *, categories: Bool[Tensor, " d"]) -> Float[Tensor, " n"]:
        """Size of each change: the L2 norm.

        Args:
            z: changes.
            categories: which variables have values without an order.
        """
        length: Tensor = z.double().norm(dim=1)
        return length

    def directions(self, z: Float[Tensor, " n"], *, category: bool) -> dict[str, Bool[Tensor, " n"]]:
        """Which changes of one variable count, by direction: "+", "-", and "~" where there is none.

        Args:
            z: changes of the variable.
            category: whether its values have no order.
        """
        return {"+": z >= _VISIBLE, "-": z <= -_VISIBLE}

    def counted(self, variable: str, direction: str) -> str:
        """A change that many inputs share, in words: "+Eyeglasses", "job changes".

        Args:
            variable: what changes.
            direction: a key of ``directions``.
        """
        return f"{variable} changes" if direction == "~" else f"{direction}{variable}"

    @abstractmethod
    def picture(self, stored: Tensor) -> UInt8[Tensor, "c h w"] | None:
        """What there is to look at of one stored input; None where it is read instead."""

    def levels(self, stored: Tensor) -> Tensor:
        """A stored picture in 8 bits whose differences mean something.

        Args:
            stored: of a modality that is ``pictured``.
        """
        return stored

    def bounded(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n *x"]:
        """Inputs moved by noise, brought back to values that an input can have.

        Args:
            x: as the model takes them.
        """
        return x.clamp(0.0, 1.0) if self.pictured else x

    def fields(
        self,
        members: Tensor | Sequence[Pieces],
        *,
        original: Tensor | Pieces,
        reconstruction: Tensor | Pieces,
    ) -> dict[str, Tensor | Sequence[Pieces] | Pieces | None]:
        """Inputs as the fields of a front that keep them.

        Args:
            members: in stored form.
            original: likewise.
            reconstruction: the generator's output without a change.
        """
        first, rest = self.parts
        none = {"images": None, "original": None, "reconstruction": None}
        kept = {"reconstruction": reconstruction} if self.reconstructed else {}
        return none | {first: original, rest: members} | kept

    @property
    def entry(self) -> dict[str, str]:
        """How a document says what its inputs are; images are what it means where it says nothing."""
        return {"inputs": self.name}

    def objectives(self, *, critic: bool) -> tuple[str, ...]:
        """Names of the default objectives.

        Args:
            critic: whether the generator can say how plausible an input is.
        """
        return ("adversarial", self.distance, "changed", *(["plausibility"] if critic else []))

    def restrictions(self, *, reference: bool) -> tuple[str, ...]:
        """Limitations of results of this modality, one sentence each.

        Args:
            reference: whether reference inputs were given.
        """
        return self.caveats


@final
class Pictures(Modality):
    """Images ``(3, height, width)``: float32 RGB in [0, 1], kept in 8 bits a channel.

    Example:
        >>> import torch
        >>> Pictures().stored(torch.tensor([0.0, 0.5, 1.0])).tolist()
        [0, 128, 255]
    """

    name = "images"
    noun = "image"
    thing = "picture"
    parts: ClassVar[tuple[str, str]] = ("original", "images")
    generator = "pixels"
    pictured = True
    reconstructed = True
    traced = False
    perturbed: ClassVar[Callable[..., Tensor] | None] = staticmethod(perturbed_pictures)
    files = "pictures"
    distance = "intensity"
    caveats: ClassVar[tuple[str, ...]] = (
        "Counterfactuals are made by a generator. A flip shows that the model reacts to the generated "
        "image; whether it would react to a real photograph changed alike is not measured here.",
    )

    def stored(self, x: Float[Tensor, "*x"]) -> UInt8[Tensor, "*x"]:
        return (x.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8)

    def restored(self, stored: Tensor) -> Tensor:
        return stored.float() / 255.0

    @property
    def entry(self) -> dict[str, str]:
        return {}

    def picture(self, stored: Tensor) -> UInt8[Tensor, "c h w"] | None:
        return stored

    def objectives(self, *, critic: bool) -> tuple[str, ...]:
        return ("adversarial", "plausibility" if critic else "perceptual", self.distance)


@final
class Rows(Modality):
    """Rows of a table ``(columns,)``: numbers in their own units, levels as their index, in float64.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.5, 2.0], [0.0, 0.0]])
        >>> Rows().sizes(z, categories=torch.tensor([False, True])).tolist()  # (0.5 + 1) / 2
        [0.75, 0.0]
    """

    name = "rows"
    noun = "row"
    thing = "row"
    parts: ClassVar[tuple[str, str]] = ("row", "rows")
    categorical = True
    generator = "rows"
    together = 32
    distance = "gower"
    caveats: ClassVar[tuple[str, ...]] = (
        "Counterfactuals are rows that a search put together. Every rule of the schema holds, but whether "
        "anybody could change so, and why the columns hang together, is not known here.",
    )

    def stored(self, x: Float[Tensor, "*x"]) -> Float[Tensor, "*x"]:
        return x.double()

    def sizes(self, z: Float[Tensor, "n d"], *, categories: Bool[Tensor, " d"]) -> Float[Tensor, " n"]:
        """Gower's distance over the variables, where any change of a category is 1.

        Args:
            z: changes.
            categories: which variables have values without an order.
        """
        return gower(z.double(), categorical=categories)

    def directions(self, z: Float[Tensor, " n"], *, category: bool) -> dict[str, Bool[Tensor, " n"]]:
        return {"~": z != 0} if category else {"+": z > 0, "-": z < 0}

    def picture(self, stored: Tensor) -> UInt8[Tensor, "c h w"] | None:
        return None

    def restrictions(self, *, reference: bool) -> tuple[str, ...]:
        if reference:
            return self.caveats
        lacking = "No training table was given (--reference), so nothing held rows to what occurs together."
        return (*self.caveats, lacking)


@final
class Texts(Modality):
    """Texts ``(words,)``: numbers of pieces, see ``cfsearch.datasets.text.Lexicon``, in float64.

    A replaced word counts between 1/2, for its nearest neighbour, and 1.

    Example:
        >>> import torch
        >>> Texts().stored(torch.tensor([3, 7])).tolist()
        [3.0, 7.0]
    """

    name = "texts"
    noun = "text"
    thing = "text"
    parts: ClassVar[tuple[str, str]] = ("text", "texts")
    own_variables = True
    generator = "words"
    distance = "word_distance"
    caveats: ClassVar[tuple[str, ...]] = (
        "Counterfactual texts are made by putting near words in the place of words. Nearness is that of the "
        "contexts that words stand in, not of their meaning: read a text before you rely on it.",
    )

    def stored(self, x: Float[Tensor, "*x"]) -> Float[Tensor, "*x"]:
        return x.double()

    def sizes(self, z: Float[Tensor, "n d"], *, categories: Bool[Tensor, " d"]) -> Float[Tensor, " n"]:
        return torch.where(z != 0, 0.5 + 0.5 * z.double().abs().clamp_max(1.0), 0.0).sum(1)

    def directions(self, z: Float[Tensor, " n"], *, category: bool) -> dict[str, Bool[Tensor, " n"]]:
        return {"~": z != 0}

    def counted(self, variable: str, direction: str) -> str:
        return f"{variable} replaced"

    def picture(self, stored: Tensor) -> UInt8[Tensor, "c h w"] | None:
        return None

    def restrictions(self, *, reference: bool) -> tuple[str, ...]:
        if reference:
            return self.caveats
        near = "No reference texts were given (--reference), so near words are those of film reviews, and nothing"
        return (*self.caveats, f"{near} held the texts to what people write.")


@final
class Sounds(Modality):
    """Spectrograms ``(1, frequencies, frames)``: float32 in [0, 1], decibels over a fixed depth.

    Example:
        >>> import torch
        >>> Sounds().noun, Sounds().stored(torch.tensor([0.5])).tolist()
        ('recording', [0.5])
    """

    name = "sounds"
    noun = "recording"
    thing = "recording"
    parts: ClassVar[tuple[str, str]] = ("sound", "sounds")
    files = "sounds"
    generator = "bands"
    pictured = True
    distance = "intensity"
    caveats: ClassVar[tuple[str, ...]] = (
        "Counterfactual recordings are louder or softer in bands of time and frequency. What is kept is the "
        "spectrogram that the model takes; as sound it is only an estimate, with the phases of the recording.",
    )

    def stored(self, x: Float[Tensor, "*x"]) -> Float[Tensor, "*x"]:
        return x.float()

    def directions(self, z: Float[Tensor, " n"], *, category: bool) -> dict[str, Bool[Tensor, " n"]]:
        return {"+": z > 0, "-": z < 0}

    def counted(self, variable: str, direction: str) -> str:
        return f"{variable} {'louder' if direction == '+' else 'softer'}"

    def levels(self, stored: Tensor) -> UInt8[Tensor, "*x"]:
        """Loudness in 8 bits, low frequencies at the bottom.

        Args:
            stored: a spectrogram.
        """
        return PICTURES.stored(stored.flip(-2))

    def picture(self, stored: Tensor) -> UInt8[Tensor, "c h w"] | None:
        """Low frequencies at the bottom, loud parts bright, enlarged to 128 pixels or more."""
        return drawn(stored)


PICTURES: Final = Pictures()
ROWS: Final = Rows()
TEXTS: Final = Texts()
SOUNDS: Final = Sounds()
MODALITIES: Final[tuple[Modality, ...]] = (PICTURES, ROWS, TEXTS, SOUNDS)


def modality_named(name: str) -> Modality:
    """The modality of a document that says what its ``inputs`` are; pictures where it says nothing.

    Args:
        name: in the plural; empty for pictures.

    Example:
        >>> modality_named("rows").name, modality_named("").name
        ('rows', 'images')
    """
    return next((modality for modality in MODALITIES if modality.name == name), PICTURES)


def modality_of(shape: Sequence[int]) -> Modality:
    """The modality of inputs of a shape, where a generator declares nothing: pictures have three dimensions.

    Args:
        shape: of one input.

    Example:
        >>> modality_of((3, 64, 64)).name, modality_of((12,)).name
        ('images', 'rows')
    """
    return PICTURES if len(shape) == 3 else ROWS


def joined(pieces: Pieces) -> str:
    """The text of pieces, of which some may have been removed.

    Args:
        pieces: in order, "" for one that was removed.

    Example:
        >>> joined(["A", " fine", "", " film"])
        'A fine film'
    """
    text = "".join(pieces)
    return text if pieces and pieces[0] else text.lstrip()
