"""``cfsearch explain``: one input explained by gradients, as a picture, a page, a table or JSON."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cfsearch.errors import ConfigError, PartialFailure
from cfsearch.parsing import parse_json

from ._completion import classes, columns, conditions, plugins
from ._help import Command
from ._invocation import Invocation
from ._options import (
    DEADLINE,
    DELIMITER,
    ENCODING,
    FILE,
    ISOLATION,
    LABEL,
    MEMORY,
    PROTOCOL,
    SCHEMA,
    SEED,
    TRUST,
    TRUST_MODEL,
    WHOLE,
    json_option,
    threads_option,
)
from ._output import Outcome, detail, note, plain
from ._places import PLACE
from ._progress import duration
from ._repeated import list_option
from ._settings import model_first, use_threads

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from cfsearch.api.explanation import ExplainResult
    from cfsearch.contracts.explainer import Explainer
    from cfsearch.report.explained import ExplainedInputs
    from cfsearch.report.explanations import Shown

FORMAT = "cfsearch-explain/1"
_SUFFIXES = (".html", ".png")


@click.command(
    cls=Command,
    short_help="Explain single inputs by gradients: counterfactual, heat map, words.",
    examples=(
        "cfsearch explain face.png --model model.onnx --target bright --out face.html",
        "cfsearch explain --data applicants.csv --row 17 --model credit.onnx --method gradual --reference train.csv",
        'cfsearch explain --text "a moving, funny film" --out words.html',
        "cfsearch explain seven.wav --model digits.safetensors --arch pkg.mod:build --method axai",
    ),
)
@click.argument("given", nargs=-1, type=FILE, metavar="[MODEL] [IMAGE|SOUND.wav]...")
@click.option(
    "--method",
    default="gradient",
    show_default=True,
    metavar="NAME",
    shell_complete=plugins("explainers"),
    help="gradient, wachter, pgd, emap, gradual, axai.",
)
@click.option("--model", metavar="MODEL", help="The model; of a text the shipped one when left out.")
@PROTOCOL
@click.option("--sidecar", type=FILE, help="TOML with its labels and preprocessing; beside it by default.")
@click.option("--arch", metavar="PKG.MOD:BUILD", help="What builds the network of a file of weights.")
@click.option("--text", "texts", multiple=True, help="A text instead of a file; repeat for more.")
@click.option("--data", type=FILE, metavar="TABLE.csv", help="A table whose rows are explained.")
@click.option(
    "--row", type=click.IntRange(min=0), multiple=True, help="A row, counted from 0; repeat for more."
)
@click.option(
    "--where",
    multiple=True,
    metavar="COLUMN=VALUE",
    shell_complete=conditions,
    help="Rows with this cell; repeat for more conditions.",
)
@SCHEMA
@LABEL
@ENCODING
@DELIMITER
@TRUST
@TRUST_MODEL
@list_option("--immutable", shell_complete=columns, help="Columns that must not change.")
@click.option(
    "--target",
    metavar="LABEL",
    shell_complete=classes,
    help="The class to reach; the second most probable when left out.",
)
@click.option("--surrogate", type=FILE, help="A file of `cfsearch distill`, whose gradients are followed.")
@click.option(
    "--reference", type=FILE, help="Images, a table, a text file or sounds to learn from or compare with."
)
@click.option(
    "--set",
    "chosen",
    multiple=True,
    metavar="SETTING=VALUE",
    help="A setting of the method; repeat for more.",
)
@click.option(
    "--size",
    type=click.IntRange(min=8),
    help="Side of images, where the model takes any; that of the first image when left out.",
)
@click.option(
    "--block", type=WHOLE, default=1, show_default=True, help="Side of a feature of a picture, in pixels."
)
@click.option("--out", type=PLACE, metavar="FILE.html|FILE.png", help="A page, or of pictures a strip.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of all random numbers.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:1.")
@threads_option
@ISOLATION
@DEADLINE
@MEMORY
@click.option("--allow-partial", is_flag=True, help="Exit with 0 although some inputs failed.")
@json_option
def explain(
    given: tuple[Path, ...],
    texts: tuple[str, ...],
    chosen: tuple[str, ...],
    out: Path | None,
    allow_partial: bool,
    **flags: Any,
) -> Outcome:
    """Explain what a model says of one or a few images, rows, texts or recordings.

    The methods follow gradients: those of the model where it can be opened, else of a --surrogate; of rows
    one is distilled on the way where none is given.
    A model that is followed is opened in this process; one that is only queried, in a process of its own.
    The model is queried again about whatever they find, before it is called a counterfactual.
    """
    use_threads(flags["threads"])
    _check_out(out)
    explainer = _explainer(flags["method"], chosen)
    from ._explained import open_explained

    begin = time.monotonic()
    named, flags = model_first([str(path) for path in given], flags)
    given = tuple(Path(name) for name in named)
    inputs = open_explained(given, texts, flags={**flags, "follow": explainer.follows_gradients})
    for text in inputs.notes:
        note(text)
    if out is not None and out.suffix == ".png" and inputs.kind in ("row", "text"):
        raise ConfigError(f"--out {out}: a {inputs.kind} makes no picture; name an .html file.")
    from cfsearch.api.explanation import ExplainResult

    result = ExplainResult.of(
        explainer,
        inputs,
        target=flags["target"],
        seed=flags["seed"],
        unlearned=f"--method {explainer.name} learns from reference inputs: give --reference, a folder of images or "
        "recordings, a table, or a text file.",
    )
    for text in result.explanation.note:
        note(text)
    for name, error in result.failures.items():
        note(f"{name} is not explained: {error}")
    written = _document(result, inputs, chosen, seed=flags["seed"], out=out)
    if out is not None:
        result.report(out, command=Invocation.current().command)
    detail(f"{result.explanation.queries} queries, {duration(time.monotonic() - begin)} in all")
    return Outcome(
        document=written,
        show=lambda console: _show(console, result, out),
        error=_verdict(result, allowed=allow_partial),
    )


def _verdict(result: "ExplainResult", *, allowed: bool) -> PartialFailure | None:
    if not result.failures or allowed:
        return None
    name, error = next(iter(result.failures.items()))
    count = len(result.failures)
    return PartialFailure(
        f"{count} of {count + len(result)} inputs failed; {name}: {error} Give --allow-partial to accept that."
    )


def _document(
    result: "ExplainResult", inputs: "ExplainedInputs", chosen: Sequence[str], *, seed: int, out: Path | None
) -> dict[str, Any]:
    """The result with what the call chose, its model and its file."""
    found, model = result.to_dict(), inputs.subject.provider
    return {
        "format": FORMAT,
        "method": found["method"],
        "settings": dict(_setting(one) for one in chosen),
        "kind": found["kind"],
        "model": {"name": model.name, "fingerprint": model.fingerprint},
        "labels": found["labels"],
        "surrogate": found["surrogate"],
        "queries": found["queries"],
        "seed": seed,
        "notes": found["notes"],
        "explanations": found["explanations"],
        "failures": found["failures"],
        "file": None if out is None else str(out),
    }


def _explainer(name: str, chosen: Sequence[str]) -> "Explainer":
    from cfsearch import registry
    from cfsearch.contracts.explainer import Explainer
    from cfsearch.errors import PluginError

    made = registry.create("explainers", name, dict(_setting(one) for one in chosen))
    if not isinstance(made, Explainer):
        raise PluginError(f"explainer {name!r} must be a cfsearch Explainer, got {type(made).__name__}.")
    return made


def _setting(text: str) -> tuple[str, Any]:  # Any: what the method takes
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise ConfigError(f"--set: expected SETTING=VALUE, got {text!r}.")
    parts = [_value(part.strip()) for part in value.split(",")]
    return name.strip(), parts[0] if len(parts) == 1 else tuple(parts)


def _value(text: str) -> Any:  # Any: a number, true, false, null or a word
    try:
        return parse_json(text)
    except ValueError:
        return text


def _check_out(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix not in _SUFFIXES:
        raise ConfigError(f"--out: expected a name ending in .html or .png, got {str(out)!r}.")


def _show(console: "Console", result: "ExplainResult", out: Path | None) -> None:
    from rich.text import Text

    from ._tables import ResultTable

    for one in result.shown:
        console.print(Text(plain(one.name), style="bold"))
        for sentence in (*one.says, *one.notes):
            console.print(Text(plain(sentence)))
        if one.words:
            console.print(_sentence(one))
        if one.lines:
            table = ResultTable(box=None, header_style="table.header")
            for heading in ("column", "is", "becomes", *([one.counts] if one.counts else [])):
                table.add_column(heading)
            for line in one.lines:
                count = "" if line.strength is None else f"{100 * line.strength:.0f}"
                cells = (line.name, line.before, line.after or "", *([count] if one.counts else []))
                first, *others = (Text(plain(cell)) for cell in cells)
                if line.chosen:
                    first.stylize("bold reverse")
                table.add_row(first, *others, style="" if line.after is not None else "dim")
            console.print(table)
        console.print()
    number = result.queries
    queries = f"{number:,} {'query' if number == 1 else 'queries'} to the model, method {result.method}."
    console.print(Text(queries if out is None else f"{queries} Wrote {plain(str(out))}."))


def _sentence(one: "Shown") -> "Text":
    """The words; what counts is bold, what is replaced is struck through before its new word."""
    from rich.text import Text

    line = Text()
    for word in one.words:
        if word.becomes is not None:
            line.append(plain(word.text), style="strike dim").append(" ")
            line.append(f"[{plain(word.becomes)}]", style="bold green")
        else:
            line.append(
                plain(word.text), style="bold reverse" if word.chosen else "bold" if word.shade >= 3 else ""
            )
        line.append(" ")
    return line
