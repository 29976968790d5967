"""``cfsearch export``: a run as a table, as pictures or as sounds."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from cfsearch.errors import ConfigError, RunError
from cfsearch.places import check_place

from ._help import Command
from ._options import FILE, UNCHECKED, json_option
from ._output import Outcome, plain
from ._places import EITHER_PLACE, check_either

if TYPE_CHECKING:
    from cfsearch.audits.reading import AuditDocument
    from cfsearch.runs.export import Format

FORMAT = "cfsearch-export/1"
_FORMATS = ("jsonl", "csv", "parquet")
_WHOLE = ("figures", "shared")
"""Tables of the whole audit, from audit.json."""
_PICTURES, _SOUNDS = "pictures", "sounds"
_RECORDS = (
    *("in-toto", "svr", "cyclonedx", "aiverify", "aiverify-plugin", "model-card", "ll144", "annex-iv"),
)
"""Projections of audit.json for other tools."""


@click.command(
    cls=Command,
    short_help="Write a run as a table, pictures, sounds or records.",
    examples=(
        "cfsearch export runs/one --format csv --out one.csv",
        "cfsearch export runs/one --format jsonl --table instances --out images.jsonl",
        "cfsearch export runs/one --format csv --table figures --out figures.csv",
        "cfsearch export runs/one --format pictures --out one",
        "cfsearch export runs/digits --format sounds --out heard",
        "cfsearch export runs/one --format cyclonedx --out one.cdx.json",
        "cfsearch export runs/people --format ll144 --out ratios.csv",
    ),
)
@click.argument("run", type=FILE, metavar="RUN")
@click.option(
    "--format",
    "kind",
    type=click.Choice([*_FORMATS, _PICTURES, _SOUNDS, *_RECORDS]),
    required=True,
    help="What the file is; pictures are a folder of PNG files, sounds of wave files, the last eight are records for other tools.",
)
@click.option(
    "--out", type=EITHER_PLACE, required=True, metavar="FILE", help="The file to write, or the folder."
)
@click.option(
    "--table",
    type=click.Choice(["members", "instances", *_WHOLE]),
    default="members",
    show_default=True,
    help="One line for each member of each front, for each input, for each figure of the audit, or for each change that many share.",
)
@click.option(
    "--private",
    is_flag=True,
    help="Of in-toto and svr: salted commitments (HMAC-SHA256) in place of digests and names; the key is written to FILE.key.",
)
@UNCHECKED
@json_option
def export(run: Path, kind: str, out: Path, table: str, private: bool, unchecked: bool) -> Outcome:
    """Write a run as one table: JSON lines, CSV or parquet; or its exact pictures, with a table of them.

    `--table figures` are all figures that a gate can name, `--table shared` the changes that many inputs share.

    Records hold the figures of the whole audit: an in-toto test result or verification result (unsigned), a CycloneDX
    1.6 model card, a test result of AI Verify 2 (a zip) and the plugin that its gateway must have before, a model card in Markdown; selection rates and impact ratios by group as
    New York's Local Law 144 asks for (ll144: .csv, .json or .md), and a map to the headings of the EU AI Act and of ISO/IEC TS 12791
    (annex-iv, Markdown). They support evidence; none is a statement of conformity.

    Pictures are the original, the generator's copy of it without any change, and the picked members, as the
    model saw them: 8 bits a channel, no compression that loses anything. Sounds are the recordings, and the picked
    members with the phases of the recording: what the model saw is their spectrogram, so sounds.csv says by how many
    decibels that of the sound is off.
    """
    from cfsearch.audits.checking import require_intact
    from cfsearch.audits.pages import open_run
    from cfsearch.runs.export import Format, Table, export_run

    check_either(out, folder=kind in (_PICTURES, _SOUNDS))
    if private and kind not in ("in-toto", "svr"):
        raise ConfigError("export: --private goes with --format in-toto or svr.")
    if private:
        from cfsearch.audits.exchange.commitment import key_place

        check_place(key_place(out))
    if not unchecked:
        require_intact(run, page=False)
    if kind in (_PICTURES, _SOUNDS):
        return _folder(run, out, kind)
    if kind in _RECORDS:
        return _record(run, out, kind=kind, private=private)
    formats: dict[str, Format] = {name: name for name in get_args(Format)}
    if table in _WHOLE:
        return _of_the_audit(run, out, kind=formats[kind], table=table)
    tables: dict[str, Table] = {name: name for name in get_args(Table)}
    with open_run(run) as opened:
        count = export_run(opened, out, kind=formats[kind], table=tables[table])
    return Outcome(
        document={"format": FORMAT, "file": str(out), "rows": count, "table": table},
        show=lambda console: console.print(f"{count} rows in {plain(str(out))}", soft_wrap=True),
    )


def _of_the_audit(run: Path, out: Path, *, kind: "Format", table: str) -> Outcome:
    """The figures of the whole audit, or its shared changes, as one file."""
    from cfsearch.audits.pages import read_audit
    from cfsearch.audits.reading import AuditDocument
    from cfsearch.audits.shared.cells import shared_cells
    from cfsearch.audits.tables import figure_rows
    from cfsearch.runs.export import export_rows

    rows = list(figure_rows(AuditDocument.read(run))) if table == "figures" else shared_cells(read_audit(run))
    if not rows:
        raise RunError(
            f"run {str(run)!r}: has no shared changes to export. They take 20 searched inputs of one class and "
            "`--shared-queries` above 0."
        )
    count = export_rows(rows, out, kind=kind)
    return Outcome(
        document={"format": FORMAT, "file": str(out), "rows": count, "table": table},
        show=lambda console: console.print(f"{count} rows in {plain(str(out))}", soft_wrap=True),
    )


def _folder(run: Path, out: Path, kind: str) -> Outcome:
    from cfsearch.audits.pages import open_run
    from cfsearch.runs.pictures import export_pictures
    from cfsearch.runs.sounds import export_sounds

    with open_run(run) as opened:
        count = export_pictures(opened, out) if kind == _PICTURES else export_sounds(opened, out)
    return Outcome(
        document={"format": FORMAT, "file": str(out), "rows": count, "table": kind},
        show=lambda console: console.print(f"{count} {kind} in {plain(str(out))}", soft_wrap=True),
    )


def _record(run: Path, out: Path, *, kind: str, private: bool) -> Outcome:
    from cfsearch.audits.exchange.aiverify import write_plugin, write_result
    from cfsearch.audits.exchange.commitment import key_place, new_key
    from cfsearch.audits.reading import AuditDocument
    from cfsearch.files import write_atomically

    document = AuditDocument.read(run)
    if kind == "aiverify":
        write_result(document, out, page=run / "report.html")
    elif kind == "aiverify-plugin":
        write_plugin(out)
    else:
        key = new_key(key_place(out)) if private else None
        write_atomically(out, _text(document, kind=kind, ending=out.suffix.lower(), key=key))
    return Outcome(
        document={"format": FORMAT, "file": str(out), "rows": len(document.models), "table": kind},
        show=lambda console: console.print(
            f"{kind} of {len(document.models)} models in {plain(str(out))}", soft_wrap=True
        ),
    )


def _text(document: "AuditDocument", *, kind: str, ending: str, key: bytes | None) -> str:
    """The record as text; ``ending`` of the file decides between the forms of one that has several."""
    import json

    from cfsearch.audits.exchange.annex import annex_map
    from cfsearch.audits.exchange.card import model_card
    from cfsearch.audits.exchange.cyclonedx import bill_of_materials
    from cfsearch.audits.exchange.ll144 import impact_ratios, ll144_csv, ll144_json, ll144_markdown
    from cfsearch.audits.exchange.statement import statement

    if kind == "model-card":
        return model_card(document)
    if kind == "annex-iv":
        return annex_map(document)
    if kind == "ll144":
        if ending not in (".csv", ".json", ".md"):
            raise ConfigError(
                f"export: ll144 is written as .csv, .json or .md, got a file ending in {ending!r}."
            )
        if not document.groups:
            raise ConfigError(
                "export: the audit has no groups, so there are no impact ratios. Audit with --by race,sex."
            )
        ratios = impact_ratios(document)
        if ending == ".json":
            return json.dumps(ll144_json(ratios), indent=1, allow_nan=False) + "\n"
        return ll144_csv(ratios) if ending == ".csv" else ll144_markdown(ratios)
    record = (
        bill_of_materials(document)
        if kind == "cyclonedx"
        else statement(document, predicate="svr" if kind == "svr" else "test-result", key=key)
    )
    return json.dumps(record, indent=1, allow_nan=False) + "\n"
