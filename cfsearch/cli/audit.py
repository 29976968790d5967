"""``cfsearch audit``: a folder of images, one run directory, resumable."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import CfsearchError, DeadlineError, NonFiniteError, PartialFailure, ProviderError

from ._invocation import Invocation
from ._options import FILE, Command, json_option, search_options, settings
from ._output import Outcome, note, plain
from ._progress import AuditMeter, progress
from ._signals import interruptible

if TYPE_CHECKING:
    from rich.console import Console

_MOST_SHOWN = 12


@click.command(cls=Command, short_help="Search a folder of images; resumable.")
@click.argument("config", required=False, type=FILE, metavar="[CONFIG.toml]")
@click.option(
    "--out",
    type=FILE,
    required=True,
    metavar="DIR",
    help="The run directory; an interrupted run in it goes on.",
)
@search_options(images=True)
@click.option("--title", default="Counterfactual audit", show_default=True, help="What the report is called.")
@click.option("--allow-partial", is_flag=True, help="Exit with 0 although some images failed.")
@json_option
def audit(
    config: Path | None,
    out: Path,
    title: str,
    allow_partial: bool,
    **flags: Any,  # Any: the shared options, by name
) -> Outcome:
    """Search a folder of images and write down what the model reacts to.

    Flags win over CONFIG.toml. The same command on the same directory goes on with a run that
    was interrupted. Writes report.html, audit.json and run.sqlite under --out.

    \b
    cfsearch audit --images photos --model model.onnx --generator faces64 --out runs/one
    """  # noqa: D301  # click reads the backspace
    chosen = settings(config, flags)
    call = Invocation.current()
    from cfsearch.audit.run import Audit, AuditProgress

    from ._report import write_report

    words = f"interrupted; what is done is saved in {str(out)!r}. To go on: {call.command}"
    with interruptible(words):
        with progress("audit") as line:
            meter = AuditMeter(line, evaluations=chosen.search.evaluations)
            first: list[AuditProgress] = []

            def watch(state: AuditProgress) -> None:
                if not first:
                    first.append(state)
                    if state.done:
                        note(f"{state.done} of {state.total} images were done before; going on.")
                meter(state)

            document = Audit(chosen, directory=out, title=title, command=call.command, watch=watch).run()
        page = write_report(out)
    for text in document["models"][0]["note"].splitlines():
        note(text)
    return Outcome(
        document=document,
        show=lambda console: _show(console, document, page),
        error=_verdict(document, allowed=allow_partial),
    )


def _show(console: "Console", document: dict[str, Any], page: Path) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for count in document["counts"]:
        rate = count["found_rate"]
        share = "" if rate is None else f" ({_percent(rate)})"
        console.print(
            f"{count['found']} of {count['searched']} searched images have a verified counterfactual{share}; "
            f"{count['already_target']} had the target class already, {count['failed']} failed."
        )
    if document["changes"]:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="")
        table.add_column("the sparsest flip changes", overflow="fold")
        table.add_column("images", justify="right")
        table.add_column("share, 95 % interval", justify="right")
        for row in document["changes"][:_MOST_SHOWN]:
            table.add_row(
                Text(plain(f"{row['direction']}{row['variable']}")),
                f"{row['count']}/{row['n']}",
                _percent(row["rate"]),
            )
        console.print(table)
    for row in document["instances"]:
        if row["status"] == "failed":
            console.print(Text(f"failed: {plain(row['name'])}: {plain(row['message'])}"))
    console.print(Text(f"The page: {page}"), soft_wrap=True)


def _percent(interval: dict[str, float]) -> str:
    return f"{interval['value']:.0%}, {interval['low']:.0%} to {interval['high']:.0%}"


def _verdict(document: dict[str, Any], *, allowed: bool) -> CfsearchError | None:
    rows = document["instances"]
    failed = [row for row in rows if row["status"] == "failed"]
    if not failed:
        return None
    first = f"{failed[0]['name']}: {failed[0]['message']}"
    by_provider = {ProviderError.code, NonFiniteError.code, DeadlineError.code}
    if len(failed) == len(rows) and all(row["reason"] in by_provider for row in failed):
        return ProviderError(f"the model failed for all {len(rows)} images; {first}")
    if allowed:
        return None
    return PartialFailure(
        f"{len(failed)} of {len(rows)} images failed; {first} Give --allow-partial to accept that."
    )
