"""What all parts of ``audit.json`` as typed objects are made of; see ``cfsearch.audits.reading``."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(strict=True)]
Leaning = Literal["leans", "does not lean", "cannot tell"]


class Part(BaseModel):
    """A part of the document, which cannot be changed."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)


class Estimate(Part):
    """A figure with the ends of its 95 % interval.

    Args:
        value: the estimate.
        low: the lower end.
        high: the upper end.
    """

    value: float
    low: float
    high: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low - 1e-6 <= self.value <= self.high + 1e-6:
            raise ValueError(f"{self.value} does not lie in its interval, {self.low} to {self.high}")
        return self


class FlipsAlone(Part):
    """How many verdicts one variable changes alone."""

    count: Count
    n: Count
    rate: Estimate | None


class Correction(Part):
    """What an effect was corrected by.

    Args:
        edit: the corrected effect by edits alone, in logits.
        photographs: the same by photographs that nobody edited; None where too few are labelled.
        offset: what was subtracted.
        strength: what was divided by; None where it was not measured.
        agree: whether edits and photographs differ by no more than their errors allow.
    """

    edit: Estimate
    photographs: Estimate | None
    offset: float
    strength: float | None
    agree: bool


class GeneratorErrorPart(Part):
    """The generator's error on one model, in logits of its last class.

    Args:
        model: id of the model.
        sd: standard deviation of what a reconstruction changes.
        unexplained: of what attributes do not explain of it.
        photographs: how many it was measured on.
        labelled: how many of those have all their labels.
        combined: whether effects are combined with associations in photographs.
    """

    model: Text
    sd: float
    unexplained: float
    photographs: Count
    labelled: Count
    combined: bool


class Ends(Part):
    """The two values of a variable between which its effect was measured, averages over the inputs."""

    low: float
    high: float


class About(Part):
    """What the user says of the audit."""

    who: Text = ""
    why: Text = ""
    data_source: Text = ""
    data_date: Text = ""
    remarks: Text = ""
    croissant: Text = ""


class DatasetFile(Part):
    """A file of a data set: its stated SHA-256, that of the file at hand, and whether they agree."""

    name: Text
    sha256: Text
    found: str | None
    same: bool | None


class Dataset(Part):
    """What the description of a data set says."""

    file: Text
    sha256: Text
    name: Text = ""
    version: Text = ""
    licence: Text = ""
    cite_as: Text = ""
    url: Text = ""
    creator: Text = ""
    date_published: Text = ""
    files: tuple[DatasetFile, ...]
    inputs: Literal["same", "other", "unsaid", "not named"]


class TwoShares(Part):
    """A share of each of two groups."""

    first: Share
    second: Share


class AttainmentP(Part):
    """P-values of two groups' fronts being alike, after Holm."""

    attainment: Share | None = None
    hypervolume: Share | None = None


class AgreementMembers(Part):
    """Members that are genuine by the first generator (``n``), and by both (``count``)."""

    count: Count
    n: Count


class AgreementVariable(AgreementMembers):
    """The same of members that change one variable."""

    variable: Text


class AgreementRow(Part):
    """How far two generators agree on what is genuine, of one model.

    Args:
        model: its id.
        count: inputs with a member that is genuine by both.
        n: inputs with a member that is genuine by the first.
        rate: their share; None where there are none.
        members: the same of members.
        variables: the same of members that change a variable, those on which more is lost than elsewhere first.
    """

    model: Text
    count: Count
    n: Count
    rate: Estimate | None
    members: AgreementMembers
    variables: tuple[AgreementVariable, ...]


class SecondGeneratorPart(Part):
    """The generator that must agree with the first."""

    name: Text
    fingerprint: Text
    terms: Text = ""


class RobustnessRow(Part):
    """How well the sparsest flips of one model stand small changes.

    Args:
        model: its id.
        changes: small changes that were tried of each.
        what: which they are.
        n: inputs whose sparsest flip was tried.
        left_out: inputs whose sparsest flip was not, as the model failed or no queries were left.
        mean: of the shares of small changes under which it still flips; None where none was tried.
    """

    model: Text
    changes: Count
    what: Text
    n: Count
    left_out: Count
    mean: Estimate | None
