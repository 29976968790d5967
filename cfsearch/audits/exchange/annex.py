"""An audit beside the headings that others ask for: EU AI Act Annex IV, Articles 10, 12, 13 and 15, ISO/IEC TS 12791."""

from dataclasses import dataclass
from typing import Final, Literal, final

from cfsearch.audits.reading import AuditDocument, GroupFigures
from cfsearch.audits.reading_shared import SharedRow
from cfsearch.numerics.percent import percent
from cfsearch.report.agreement import counted_as

from .card import plain
from .subjects import digest_of, generators, limits

Part = Literal["subject", "about", "procedure", "figures", "groups", "verdicts", "limits", "records", "none"]


@final
@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a text, and the part of an audit that supports evidence for it.

    Args:
        text: which text.
        place: its number there, or its topic.
        asks: what it asks for, in short.
        part: of the audit; "none" where an audit holds nothing.
    """

    text: str
    place: str
    asks: str
    part: Part


_ACT, _ISO = "Regulation (EU) 2024/1689", "ISO/IEC TS 12791:2024"
HEADINGS: Final = (
    Heading(_ACT, "Annex IV, 1 (a)", "intended purpose, provider, version", "about"),
    Heading(_ACT, "Annex IV, 1 (c)", "versions of relevant software", "subject"),
    Heading(_ACT, "Annex IV, 2 (b)", "design specifications, what the system is optimised for", "none"),
    Heading(_ACT, "Annex IV, 2 (d)", "data: provenance, scope, how obtained and selected", "about"),
    Heading(_ACT, "Annex IV, 2 (e)", "human oversight", "none"),
    Heading(
        _ACT,
        "Annex IV, 2 (g)",
        "validation and testing procedures, metrics, potentially discriminatory impacts, test logs and reports",
        "procedure",
    ),
    Heading(_ACT, "Annex IV, 2 (h)", "cybersecurity measures", "none"),
    Heading(
        _ACT, "Annex IV, 3", "capabilities and limitations, accuracy for specific groups of persons", "groups"
    ),
    Heading(
        _ACT, "Annex IV, 3", "foreseeable unintended outcomes, sources of risk of discrimination", "verdicts"
    ),
    Heading(_ACT, "Annex IV, 4", "appropriateness of the performance metrics", "limits"),
    Heading(_ACT, "Annex IV, 5 to 9", "risk management, changes, standards, declaration, monitoring", "none"),
    Heading(_ACT, "Article 10 (2) (f)", "examination in view of possible biases", "verdicts"),
    Heading(_ACT, "Article 10 (2) (h)", "data gaps or shortcomings", "limits"),
    Heading(_ACT, "Article 12", "automatic records of events", "records"),
    Heading(
        _ACT, "Article 13 (3) (b)", "performance for specific persons or groups, known limits of it", "groups"
    ),
    Heading(_ACT, "Article 15 (1), (3)", "level of accuracy and its metrics", "none"),
    Heading(_ACT, "Article 15 (4), (5)", "resilience to errors and to inputs made to mislead", "figures"),
    Heading(_ISO, "5.1.4 Data sources", "where data come from", "about"),
    Heading(_ISO, "5.1.6 Acceptance criteria", "from when bias counts as unwanted", "procedure"),
    Heading(_ISO, "5.2 Design and development", "features, annotations, adjustment of data", "none"),
    Heading(_ISO, "5.3.2 Static testing of data used in development", "tests of the data themselves", "none"),
    Heading(_ISO, "5.3.3 Dynamic testing", "whether unwanted bias is found, by which measures", "verdicts"),
    Heading(_ISO, "5.3.3 Dynamic testing", "measures by group", "groups"),
    Heading(
        _ISO,
        "5.4 Re-evaluation, continuous validation, operations and monitoring",
        "the same measures over time",
        "records",
    ),
    Heading(_ISO, "6 Techniques to address unwanted bias", "of algorithms, training and data", "none"),
    Heading(_ISO, "7 Handling bias in a distributed AI system life cycle", "parts made by others", "none"),
)
"""The headings, in the order of their texts: of the Act by its text, of the technical specification by its table of contents."""

_NAMES: Final[dict[Part, str]] = {
    "subject": "What was audited",
    "about": "Who, why, and the data",
    "procedure": "How it was tested",
    "figures": "How close a change of class lies",
    "groups": "Figures by group",
    "verdicts": "What the model leans on",
    "limits": "What weakens the result, and what is not claimed",
    "records": "Records",
}


def annex_map(document: AuditDocument) -> str:
    """Markdown: a table of headings with the sections below that support evidence for them, and these sections.

    Args:
        document: the content of ``audit.json``.

    References:
        Regulation (EU) 2024/1689, Annex IV and Articles 10, 12, 13, 15; ISO/IEC TS 12791:2024.
    """
    lines = [
        "# Evidence of one audit, by the headings of others",
        "",
        f"Counterfactual audit {document.run_id}: {plain(document.title)}. Each line says what the audit supports evidence for. "
        "It is no technical documentation, no assessment, and no statement of conformity; headings that an audit holds "
        "nothing for are listed too.",
        "",
        "| text | heading | asks for | this audit supports evidence for it by |",
        "| --- | --- | --- | --- |",
    ]
    filled: dict[Part, list[str]] = {
        part: section for part in _NAMES if (section := _section(part, document))
    }
    for heading in HEADINGS:
        name = _NAMES.get(heading.part, "")
        by = f"“{name}”" if heading.part in filled else "nothing: not in this audit"
        lines.append(f"| {heading.text} | {heading.place} | {heading.asks} | {by} |")
    for part, section in filled.items():
        lines += ["", f"## {_NAMES[part]}", "", *section]
    return "\n".join([*lines, ""])


def _section(part: Part, document: AuditDocument) -> list[str]:
    match part:
        case "subject":
            return [
                *(
                    f"- Model {plain(m.name)}, file {plain(m.file)}, SHA-256 `{digest_of(m)['sha256']}`, classes "
                    f"{', '.join(map(plain, m.labels))}."
                    for m in document.models
                ),
                f"- Versions: {', '.join(f'{name} {version}' for name, version in document.versions.items())}.",
            ]
        case "about":
            about = document.about
            given = (
                *(("By", about.who), ("Purpose", about.why), ("Source of the data", about.data_source)),
                *(("Date of the data", about.data_date), ("Remarks", about.remarks)),
            )
            return [f"- {label}: {plain(text)}." for label, text in given if text]
        case "procedure":
            search = document.search
            return [
                f"- {len(document.instances)} inputs; for each a multi-objective search for counterfactuals ({plain(search.solver)}, "
                f"at most {search.evaluations} candidates, seed {search.seed}) through {plain(generators(document))}; what is stored was "
                "queried again.",
                f"- A leaning counts from {document.practical:g} logits, whole 95 % interval beyond it, p below 0.05 after Holm.",
                f"- Protected attributes: {', '.join(map(plain, document.protected)) or 'none were named'}.",
            ]
        case "figures":
            flip = counted_as(row.reason for row in document.instances).replace(
                "counterfactual", "change of class"
            )
            return [
                f"- {plain(c.model)}: a {flip} was found for {c.found} of {c.searched} searched inputs"
                + (
                    f" (95 % interval {percent(c.found_rate.low)} to {percent(c.found_rate.high)})."
                    if c.found_rate
                    else "."
                )
                for c in document.counts
            ] + [line for row in document.shared for line in _shared(row)]
        case "groups":
            return _groups(document)
        case "verdicts":
            return [f"- {plain(v.headline)} {plain(v.detail)}" for v in document.verdicts]
        case "limits":
            return [f"- {plain(text)}" for text in limits(document)]
        case "records":
            return [
                f"- Run {document.run_id}, {document.created} to {document.finished or 'not finished'}; its files have checksums and a chain of "
                "events (`cfsearch check`).",
                *(f"- {plain(row.what)}: SHA-256 `{row.sha256}`." for row in document.reproduce.hashes),
            ]
        case "none":
            return []


def _shared(row: SharedRow) -> list[str]:
    """Which few changes flip many inputs of one class, where any do."""
    changes = row.sets[0].changes
    if not changes or changes[-1].together.rate is None:
        return []
    last, rate = changes[-1].together, changes[-1].together.rate
    return [
        f"- {plain(row.model)}: of inputs of {plain(row.source)}, {last.count} of {last.n} change class by "
        f"{' or '.join(plain(change.words) for change in changes)} (95 % interval {percent(rate.low)} to {percent(rate.high)})."
    ]


def _groups(document: AuditDocument) -> list[str]:
    found = []
    for row in document.groups:
        parts: list[tuple[str, GroupFigures]] = [(group.name, group) for group in row.groups]
        if row.inside is not None and row.outside is not None:
            parts = [("yes", row.inside), ("no", row.outside)]
        for name, part in parts:
            rate = part.decided
            words = (
                "too few for a share"
                if rate is None
                else f"{percent(rate.value)} decided as the last class (95 % interval {percent(rate.low)} to {percent(rate.high)})"
            )
            found.append(
                f"- {plain(row.model)}, {plain(row.attribute)} = {plain(name)}: {part.instances} inputs, {words}."
            )
    return found
