"""Options that several commands share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ._completion import classes, column, columns, conditions, generators, plugins
from ._reals import Real
from ._repeated import list_option

Function = TypeVar("Function", bound=Callable[..., Any])  # Any: click calls with what was parsed
WHOLE = click.IntRange(min=1, max=10**9)
SEED = click.IntRange(min=0, max=2**63 - 1)


class FilePath(click.Path):
    """A path of a file or folder; what is no name of one is refused before anything is written under it."""

    def convert(
        self,
        value: Any,  # Any: click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """The path.

        Args:
            value: as it was given.
            param: of which option.
            ctx: of the command.
        """
        text = os.fspath(value)
        if isinstance(text, str):
            if not text.strip():
                self.fail("expected a path, got an empty text. Is a variable of the shell empty?", param, ctx)
            if text == "-":
                self.fail(
                    "'-' is no file: nothing is read from or written to a pipe. Give a path.", param, ctx
                )
            if "\0" in text:
                self.fail("a NUL is no part of a path. Name another one.", param, ctx)
            if "://" in text:
                self.fail(
                    f"{text!r} is an address, and only models are opened by theirs. Download it, and give the file.",
                    param,
                    ctx,
                )
        return super().convert(value, param, ctx)


FILE = FilePath(path_type=Path)


def json_option(command: Function) -> Function:
    """``--json``; what it does is decided where results are printed."""
    return click.option(
        "--json", is_flag=True, expose_value=False, help="Print one JSON document, on failure too."
    )(command)


UNCHECKED = click.option(
    "--unchecked",
    is_flag=True,
    help="Use the run although `cfsearch check` finds that it is not what was written.",
)

_THREADS = click.option(
    "--threads",
    type=click.IntRange(min=1, max=1024),
    help="CPU threads of torch; its own choice when left out.",
)


def threads_option(command: Function) -> Function:
    """``--threads``."""
    return _THREADS(command)


def _one_model(_: click.Context, option: click.Parameter, value: tuple[str, ...]) -> str | None:
    if len(value) > 1:
        raise click.BadParameter(
            f"takes one model here, got {len(value)}: {', '.join(value)}. `cfsearch audit` compares several.",
            param=option,
        )
    return value[0] if value else None


def _some_models(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> str | list[str] | None:
    return list(value) if len(value) > 1 else value[0] if value else None


_MODEL_HELP = "The audited model: MODEL.onnx, weights.safetensors, https://..., pkg.mod:predict; of tables also MODEL.skops."
_ONE_MODEL = click.option("--model", multiple=True, metavar="MODEL", callback=_one_model, help=_MODEL_HELP)
_SOME_MODELS = click.option(
    "--model",
    multiple=True,
    metavar="MODEL",
    callback=_some_models,
    help=f"{_MODEL_HELP} Repeat it to audit several side by side.",
)
PROTOCOL = click.option(
    "--protocol",
    metavar="NAME",
    help="Of a model behind an address: oip, tfserving, mlflow, huggingface, torchserve, template.",
)
TRUST_MODEL = click.option(
    "--trust-model",
    metavar="sha256:HASH",
    help="Let in a model file that runs code when loaded, by the hash that its refusal prints.",
)
_MODEL = (
    PROTOCOL,
    click.option(
        "--sidecar", type=FILE, help="TOML with its labels and preprocessing; beside it by default."
    ),
    click.option("--arch", metavar="PKG.MOD:BUILD", help="What builds the network of a file of weights."),
    TRUST_MODEL,
    click.option(
        "--votes",
        type=click.IntRange(2, 1024),
        help="Queries a candidate, to a model that gives labels only; default 16.",
    ),
    click.option(
        "--sigma",
        type=Real(min=0, min_open=True, max=1),
        metavar="NUMBER",
        help="Size of the perturbations of these votes, on [0, 1]; default 0.05.",
    ),
    click.option(
        "--surrogate",
        type=FILE,
        help="A file of `cfsearch distill`, queried about candidates instead of the model.",
    ),
)
TRUST = click.option(
    "--trust", multiple=True, metavar="TYPE", help="A type in a skops file that you trust; repeat for each."
)
SCHEMA = click.option(
    "--schema", type=FILE, help="TOML that says what the columns mean; DATA.schema.toml by default."
)
LABEL = click.option(
    "--label",
    metavar="COLUMN",
    shell_complete=column,
    help="The column with the true class, which is no input.",
)
TARGET_RANGE = click.option(
    "--target",
    metavar="LOW..HIGH",
    help="Of a model of tables that predicts a number: the range to reach; one end may be left out.",
)
ENCODING = click.option(
    "--encoding", metavar="NAME", help="Of the table's text (cp1252, gbk, ...); found out when left out."
)
DELIMITER = click.option(
    "--delimiter",
    metavar="CHAR",
    help="Between the table's cells, 'tab' for a tabulator; found out when left out.",
)
_TABLE = (
    click.option(
        "--data", type=FILE, metavar="TABLE.csv", help="A table whose rows are searched, instead of images."
    ),
    click.option(
        "--row",
        type=click.IntRange(min=0),
        multiple=True,
        help="A row, counted from 0; repeat for more rows.",
    ),
    click.option(
        "--where",
        multiple=True,
        metavar="COLUMN=VALUE",
        shell_complete=conditions,
        help="Rows with this cell; repeat for more conditions.",
    ),
    click.option(
        "--decided",
        metavar="LABEL",
        shell_complete=classes,
        help="Only rows that the model puts into this class; --limit counts those.",
    ),
    SCHEMA,
    LABEL,
    ENCODING,
    DELIMITER,
    TRUST,
    click.option(
        "--critic",
        type=click.Choice(["density", "forest", "trained"]),
        help="How plausible a row is, against --reference: nearness, an adversarial forest, or a trained network.",
    ),
    list_option(
        "--seed-with",
        shell_complete=plugins("explainers", listed=True, more=("nearest", "none")),
        help="What the first population holds: nearest (rows of the target class, the default with "
        "--reference), explainers (gradient, wachter, ...), or none.",
    ),
)
_OTHERS = (
    click.option("--text", multiple=True, metavar="TEXT", help="A text to search; repeat for more."),
    click.option(
        "--texts", type=FILE, metavar="FILE", help="Texts to search: a line each, or a column of a .csv file."
    ),
    click.option("--column", metavar="NAME", help="Which column of a .csv file of --texts holds them."),
    click.option(
        "--sounds", type=FILE, metavar="FILE", help="Recordings to search: a wave file, a folder or a zip."
    ),
)
_SEARCH = (
    click.option(
        "--generator",
        metavar="G",
        help="A file, a shipped checkpoint (faces64) or a plug-in; default pixels, rows, words or bands.",
        shell_complete=generators,
    ),
    click.option(
        "--objective",
        "objectives",
        multiple=True,
        shell_complete=plugins("objectives"),
        metavar="NAME[:k=v]",
        help="What is minimised; repeat for two or more. Default adversarial, intensity and plausibility.",
    ),
    click.option(
        "--constraint",
        "constraints",
        multiple=True,
        shell_complete=plugins("constraints"),
        metavar="NAME[:k=v]",
        help="A condition on candidates (flip, max_changed, ...); repeat for more.",
    ),
    click.option(
        "--evaluations",
        type=WHOLE,
        help="Most candidates for each input; default 5000, of a row 900, with a reference table 600, of bayesian 300.",
    ),
    click.option(
        "--population",
        type=WHOLE,
        help="Candidates in a generation; default 100, of a row 50, of bayesian 10.",
    ),
    click.option(
        "--patience",
        type=click.IntRange(min=0),
        metavar="GENERATIONS",
        help="End a search whose front holds a flip and stood still so long; default 0 (never), of a row 6.",
    ),
    click.option(
        "--gradients",
        is_flag=True,
        default=None,
        help="Follow gradients of the model, or of --surrogate, in two generations of three.",
    ),
    click.option("--capacity", type=WHOLE, help="Most members of a front; default 100."),
    click.option(
        "--max-queries",
        type=WHOLE,
        help="Most queries to the model for one input, verification included.",
    ),
    click.option(
        "--max-time",
        type=Real(min=0, min_open=True),
        metavar="SECONDS",
        help="Time limit of a batch of inputs: no generation begins after it.",
    ),
    click.option("--answers", type=WHOLE, help="Different counterfactuals that are shown first; default 4."),
    click.option(
        "--robustness",
        type=click.IntRange(min=0, max=100),
        metavar="N",
        help="Try N small changes of each counterfactual that is shown, a query each; default 0.",
    ),
    click.option("--seed", type=SEED, help="Seed of all random numbers; default 0."),
    click.option(
        "--target",
        metavar="LABEL",
        shell_complete=classes,
        help="The class to reach; any other class when left out.",
    ),
    list_option(
        "--immutable",
        shell_complete=columns,
        help="Variables, columns or words that must not change.",
    ),
    click.option(
        "--reference",
        type=FILE,
        help="Inputs of the same kind: examples of the classes and of what is plausible.",
    ),
)
_RUN = (
    click.option("--device", metavar="DEVICE", help="cpu, cuda or cuda:1; default cpu."),
    click.option(
        "--batch-size", type=WHOLE, help="Inputs searched together; default 4 on a CPU, of rows 32."
    ),
    _THREADS,
)
WORKERS = click.option(
    "--workers",
    metavar="N|ray[:N]",
    help="Processes that search inputs side by side, one thread each: N here, or on a ray cluster.",
)
DEADLINE = click.option(
    "--deadline",
    type=Real(min=0, min_open=True, max=1e6),
    metavar="SECONDS",
    help="What one call of the model may take; default 300, without its own process no limit.",
)
MEMORY = click.option(
    "--memory",
    type=Real(min=0, min_open=True, max=1e6),
    metavar="GIB",
    help="Memory that the model's process may take; default nine tenths of the machine's.",
)
ISOLATION = click.option(
    "--isolation/--no-isolation",
    "isolate",
    default=None,
    help="Keep the model in a process of its own, which it may crash alone (default on).",
)
_IMAGES = (
    click.option("--images", type=FILE, help="A file, folder or zip of images."),
    click.option("--recursive", is_flag=True, default=None, help="Look into sub-folders."),
    click.option("--limit", type=WHOLE, help="At most N inputs."),
    click.option(
        "--attributes", type=FILE, metavar="CSV", help="What each image shows: a row an image, -1, 0 or 1."
    ),
    click.option(
        "--split",
        type=click.Choice(["train", "valid", "test", "all"]),
        help="Part of CelebA in its official layout; default test.",
    ),
    list_option(
        "--by",
        shell_complete=columns,
        help="Attributes of that table, or columns of --data, by which results are compared; race*sex crosses two.",
    ),
)
_SOLVER = (
    click.option(
        "--solver",
        metavar="NAME[:k=v]",
        shell_complete=plugins("solvers"),
        help="nsga2 (default), bayesian (few queries), agemoea2, ..., or pymoo:MODULE.CLASS.",
    ),
)


def search_options(
    *,
    images: bool,
    solver: bool = True,
    tables: bool = False,
    several: bool = False,
    isolated: bool = False,
) -> Callable[[Function], Function]:
    """The flags that make a search; their values arrive as keywords for ``settings``.

    Args:
        images: whether the inputs are given as an option.
        solver: whether one solver is chosen.
        tables: whether rows of a table are taken, too.
        several: whether several models are.
        isolated: whether the model lives in a process of its own.
    """

    def add(command: Function) -> Function:
        model = _SOME_MODELS if several else _ONE_MODEL
        options = (model, *_MODEL, *_SEARCH[:1], *(_SOLVER if solver else ()), *_SEARCH[1:], *_RUN)
        inputs = (*(_IMAGES if images else ()), *((*_TABLE, *_OTHERS) if tables else ()))
        own = (ISOLATION, DEADLINE, MEMORY) if isolated else ()
        for option in reversed((*inputs, *options, *own)):
            command = option(command)
        return command

    return add
