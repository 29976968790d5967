"""``audit.json`` as typed objects: the one reading model that gates, comparisons and exports use.

Each class mirrors a part of the JSON Schema ``cfsearch schema audit``; what a later version adds is kept
and passed over.
"""

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from cfsearch.errors import DamagedError, RunError
from cfsearch.runs.guard import read_object
from cfsearch.secrecy import redacted_audit

from .reading_columns import ColumnRow
from .reading_contributions import ContributionsRow
from .reading_parts import (
    About,
    AgreementRow,
    AttainmentP,
    Correction,
    Count,
    Dataset,
    Ends,
    Estimate,
    FlipsAlone,
    GeneratorErrorPart,
    Leaning,
    Part,
    RobustnessRow,
    SecondGeneratorPart,
    Share,
    Text,
    TwoShares,
)
from .reading_shared import SharedRow


class Model(Part):
    """An audited model."""

    id: Text
    name: Text
    file: Text
    fingerprint: Text
    labels: tuple[Text, ...]
    scores: Text
    note: Text
    device: Text


class GeneratorPart(Part):
    """What edited the inputs."""

    name: Text
    fingerprint: Text
    critic: Text
    size: tuple[Count, ...]
    variables: tuple[Text, ...]
    terms: Text = ""


class SearchPart(Part):
    """How counterfactuals were searched."""

    solver: Text
    population: int = Field(ge=1)
    evaluations: int = Field(ge=1)
    target: str | None
    decided: str | None = None
    immutable: tuple[Text, ...]
    seed: Count
    objectives: tuple[dict[str, Any], ...]  # Any: settings of a plug-in, whatever they are
    constraints: tuple[Text, ...]


class Counts(Part):
    """How many inputs of one model were given, searched and flipped."""

    model: Text
    instances: Count
    searched: Count
    found: Count
    not_found: Count
    already_target: Count
    failed: Count
    found_rate: Estimate | None


class Instance(Part):
    """What became of one input."""

    key: Text
    model: Text
    name: Text
    status: Literal["found", "not_found", "already_target", "failed"]
    reason: Text
    reason_text: Text
    message: Text
    source: Text
    sha256: Text
    notes: tuple[Text, ...]
    truth: str | None = None


class ChangeRow(Part):
    """How often the sparsest flips change one variable in one direction."""

    model: Text
    variable: Text
    direction: Literal["+", "-", "~"]
    count: Count
    n: Count
    rate: Estimate


class EffectRow(Part):
    """What one variable alone does to a model.

    Args:
        estimate: in logits of the last class.
        truth: the same as it truly is, where that is known.
        n: inputs it was measured on.
        between: from which value to which.
        probability: the same in probability of the last class.
        flips_alone: verdicts that it changes alone.
        p: of the signed-rank test, after Holm over all variables.
        reading: what that lets one say.
        because: why one cannot tell.
        edit_success: how often the generator's edit was seen.
        edit_strength: how strong it was seen to be, of the difference that labels make.
        raw: in logits, through the generator as it is; of runs that measured the generator's error, as the next two.
        correction: what ``estimate`` was corrected by; None where the error was not measured.
        detectable: size from which such an audit finds an effect with a chance of 80 %, in logits.
    """

    model: Text
    variable: Text
    estimate: Estimate | None
    truth: Estimate | None
    n: Count
    between: Ends | None = None
    probability: Estimate | None = None
    flips_alone: FlipsAlone | None = None
    p: Share | None = None
    family: Count = 0
    reading: Leaning | None = None
    because: Text = ""
    edit_success: Share | None = None
    edit_strength: float | None = None
    raw: Estimate | None = None
    correction: Correction | None = None
    detectable: float | None = None


class GroupFigures(Part):
    """The figures of one group; None where it is too small to have any."""

    instances: Count
    decided: Estimate | None
    searched: Count
    found_rate: Estimate | None


class NamedGroup(GroupFigures):
    """The figures of one group of a column."""

    name: Text


class Difference(Part):
    """Differences of the figures of two groups."""

    decided: Estimate | None
    found_rate: Estimate | None


class DifferenceP(Part):
    """P-values of these differences, after Holm over all that the audit compares of the model."""

    decided: Share | None = None
    found_rate: Share | None = None


class Comparison(Part):
    """One group compared with another, or with all others."""

    name: Text
    against: Text
    difference: Difference
    p: DifferenceP


class GroupEffect(Part):
    """One effect in a group and outside it."""

    variable: Text
    inside: Estimate | None = Field(alias="with")
    outside: Estimate | None = Field(alias="without")
    difference: Estimate | None
    p: Share | None = None


class ImpactGroup(Part):
    """Selection rate of a group, and its ratio to that of the most selected group."""

    name: Text
    n: Count
    rate: Estimate | None
    ratio: Estimate | None


class Impact(Part):
    """Impact ratios of the groups of a column."""

    label: Text
    most_selected: str | None
    unknown: Count
    groups: tuple[ImpactGroup, ...]


class GroupRow(Part):
    """Figures by group: of images with an attribute and without it, or of rows by the values of a column."""

    model: Text
    attribute: Text
    inside: GroupFigures | None = Field(default=None, alias="with")
    outside: GroupFigures | None = Field(default=None, alias="without")
    difference: Difference | None = None
    p: DifferenceP | None = None
    effects: tuple[GroupEffect, ...] = ()
    note: Text = ""
    groups: tuple[NamedGroup, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    impact: Impact | None = None


class AttainmentRow(Part):
    """How the fronts of one group differ from those of another, of inputs of one class.

    Args:
        gap: largest difference of the shares that attain a goal, its size.
        attained: the two shares there.
        hypervolume: mean hypervolume of each group, as a share of the box of all points.
        hypervolume_difference: the first less the second.
    """

    model: Text
    attribute: Text
    name: Text
    against: Text
    source: Text = Field(alias="from")
    gap: Estimate
    attained: TwoShares
    hypervolume: TwoShares
    hypervolume_difference: Estimate
    p: AttainmentP


class VerdictRow(Part):
    """The first sentence on one effect."""

    model: Text
    variable: Text
    protected: bool
    reading: Leaning
    because: Text
    headline: Text
    detail: Text


class Transition(Part):
    """How many flips went from one class to another."""

    model: Text
    source: Text = Field(alias="from")
    target: Text = Field(alias="to")
    count: int = Field(ge=1)


class HashRow(Part):
    """SHA-256 of what the audit was made of."""

    what: Text
    sha256: Text


class Reproduce(Part):
    """How the audit is made again."""

    command: Text
    python: Text
    hashes: tuple[HashRow, ...]


class AuditDocument(Part):
    """The content of ``audit.json``."""

    format: Literal["cfsearch-audit/1"]
    title: Text
    about: About = About()
    dataset: Dataset | None = None
    run_id: Text
    created: Text
    finished: str | None
    versions: dict[str, str]
    command: Text
    inputs: Literal["pictures", "rows", "texts", "sounds"] = "pictures"
    models: tuple[Model, ...] = Field(min_length=1)
    generator: GeneratorPart
    second_generator: SecondGeneratorPart | None = None
    search: SearchPart
    practical: float = Field(default=0.25, gt=0.0)
    protected: tuple[Text, ...] = ()
    verdicts: tuple[VerdictRow, ...] = ()
    counts: tuple[Counts, ...]
    instances: tuple[Instance, ...]
    changes: tuple[ChangeRow, ...]
    transitions: tuple[Transition, ...] = ()
    effects: tuple[EffectRow, ...]
    generator_error: tuple[GeneratorErrorPart, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    attainment: tuple[AttainmentRow, ...] = ()
    columns: tuple[ColumnRow, ...] = ()
    shared: tuple[SharedRow, ...] = ()
    contributions: tuple[ContributionsRow, ...] = ()
    robustness: tuple[RobustnessRow, ...] = ()
    agreement: tuple[AgreementRow, ...] = ()
    genuine: tuple[dict[str, Any], ...]  # Any: counts with a rate, of the demo alone
    warnings: tuple[Text, ...]
    reproduce: Reproduce

    @classmethod
    def read(cls, directory: str | Path) -> Self:
        """The document of a run that has ended.

        Args:
            directory: the run directory.

        Raises:
            RunError: it has not ended.
            DamagedError: the document is none, or breaks its schema.
        """
        path = Path(directory) / "audit.json"
        if not path.exists():
            raise RunError(f"run {str(directory)!r}: has no audit.json; it has not ended yet.")
        return cls.parsed(redacted_audit(read_object(path)), where=repr(str(path)))

    @classmethod
    def parsed(cls, document: dict[str, Any], *, where: str = "audit.json") -> Self:
        """The document of plain JSON values.

        Args:
            document: the values.
            where: how errors name it.

        Raises:
            DamagedError: it breaks its schema.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DamagedError(f"{where} breaks its schema: `{place}`: {first['msg']}.") from error

    def model_named(self, name: str) -> Model:
        """One of the audited models.

        Args:
            name: its id.

        Raises:
            RunError: there is none.
        """
        known = {model.id: model for model in self.models}
        if name not in known:
            raise RunError(f"the audit has no model {name!r}; it has {', '.join(known)}.")
        return known[name]


def finite(value: float | None) -> bool:
    """Whether there is a number, and it is one.

    Args:
        value: of a figure.
    """
    return value is not None and math.isfinite(value)
