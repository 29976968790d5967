"""Options that several commands share, and the settings that they make."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ._completion import classes, column, columns, conditions, generators, plugins

if TYPE_CHECKING:
    from cfsearch.config import Config
    from cfsearch.providers.isolated.session import Isolation

Function = TypeVar("Function", bound=Callable[..., Any])  # Any: click calls with what was parsed
WHOLE = click.IntRange(min=1)
FILE = click.Path(path_type=Path)


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

_THREADS = click.option("--threads", type=WHOLE, help="CPU threads of torch; its own choice when left out.")


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
        "--sigma", type=float, help="Size of the perturbations of these votes, on [0, 1]; default 0.05."
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
ENCODING = click.option(
    "--encoding", metavar="NAME", help="Of the table's text (cp1252, gbk, ...); found out when left out."
)
DELIMITER = click.option(
    "--delimiter", metavar="CHAR", help="Between the table's cells; found out when left out."
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
    SCHEMA,
    LABEL,
    ENCODING,
    DELIMITER,
    TRUST,
    click.option(
        "--critic",
        type=click.Choice(["density", "trained"]),
        help="How plausible a row is, against --reference: nearness, or a trained network.",
    ),
    click.option(
        "--seed-with",
        metavar="A,B",
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
        "--evaluations", type=WHOLE, help="Most candidates for each input; default 5000, of a row 900."
    ),
    click.option("--population", type=WHOLE, help="Candidates in a generation; default 100, of a row 50."),
    click.option(
        "--patience",
        type=click.IntRange(min=0),
        metavar="GENERATIONS",
        help="End a search whose front holds a flip and stood still so long; default 0 (never), of a row 6.",
    ),
    click.option("--capacity", type=WHOLE, help="Most members of a front; default 100."),
    click.option(
        "--max-queries",
        type=WHOLE,
        help="Most queries to the model for one input, verification included.",
    ),
    click.option(
        "--max-time",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Time limit of a batch of inputs: no generation begins after it.",
    ),
    click.option("--answers", type=WHOLE, help="Different counterfactuals that are shown first; default 4."),
    click.option("--seed", type=click.IntRange(min=0), help="Seed of all random numbers; default 0."),
    click.option(
        "--target",
        metavar="LABEL",
        shell_complete=classes,
        help="The class to reach; any other class when left out.",
    ),
    click.option(
        "--immutable",
        metavar="A,B",
        shell_complete=columns,
        help="Variables, columns or words that must not change.",
    ),
    click.option(
        "--reference",
        type=FILE,
        help="Inputs of the same kind: examples of the classes and of what is plausible.",
    ),
)
GENUINENESS = click.option(
    "--genuineness/--no-genuineness",
    default=None,
    help="Measure which flips are the generator's own doing (generators of attributes; default on).",
)
_RUN = (
    click.option("--device", metavar="DEVICE", help="cpu, cuda or cuda:1; default cpu."),
    click.option("--batch-size", type=WHOLE, help="Inputs searched together; default 4 on a CPU."),
    _THREADS,
)
DEADLINE = click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    metavar="SECONDS",
    help="What one call of the model may take; default 300, without its own process no limit.",
)
MEMORY = click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    metavar="GIB",
    help="Memory that the model's process may take; default nine tenths of the machine's.",
)
ISOLATION = click.option(
    "--isolation/--no-isolation",
    "isolate",
    default=None,
    help="Keep the model in a process of its own, which it may crash alone (default on).",
)
ISOLATED_BY_DEFAULT = True
"""Whether commands that offer ``--no-isolation`` isolate where neither flag nor file says."""
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
    click.option(
        "--by",
        metavar="A,B",
        shell_complete=columns,
        help="Attributes of that table, or columns of --data, by which results are compared.",
    ),
)
_SOLVER = (
    click.option(
        "--solver",
        metavar="NAME[:k=v]",
        shell_complete=plugins("solvers"),
        help="nsga2 (default), agemoea2, spea2, ..., or pymoo:MODULE.CLASS.",
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


_PLACE = {
    "model": ("model", "path"),
    "sidecar": ("model", "sidecar"),
    "arch": ("model", "arch"),
    "votes": ("model", "votes"),
    "sigma": ("model", "sigma"),
    "surrogate": ("model", "surrogate"),
    "images": ("data", "images"),
    "recursive": ("data", "recursive"),
    "limit": ("data", "limit"),
    "attributes": ("data", "attributes"),
    "split": ("data", "split"),
    "by": ("data", "by"),
    "reference": ("data", "reference"),
    "data": ("data", "table"),
    "text": ("data", "texts"),
    "texts": ("data", "texts"),
    "column": ("data", "column"),
    "sounds": ("data", "sounds"),
    "row": ("data", "rows"),
    "where": ("data", "where"),
    "schema": ("data", "schema"),
    "label": ("data", "label"),
    "encoding": ("data", "encoding"),
    "delimiter": ("data", "delimiter"),
    "trust": ("model", "trust"),
    "trust_model": ("model", "trust_model"),
    "protected": ("audit", "protected"),
    "practical": ("audit", "practical"),
    "device": ("run", "device"),
    "batch_size": ("run", "batch_size"),
    "threads": ("run", "threads"),
    "isolate": ("run", "isolate"),
    "deadline": ("run", "deadline"),
    "memory": ("run", "memory"),
}


def settings(file: Path | None, flags: dict[str, Any]) -> "Config":
    """The settings of a file with the flags that were given on top.

    Raises:
        ConfigError: as ``Config.read``; or neither says what is needed.
    """
    from cfsearch.config import INPUTS, Config
    from cfsearch.errors import ConfigError

    if flags.get("text") and flags.get("texts") is not None:
        raise ConfigError("--text and --texts were both given; give one.")
    over: dict[str, Any] = {}
    for name, value in flags.items():
        if value is None or value == ():
            continue
        if name == "generator":
            over["generator"] = value
            continue
        table, key = _PLACE.get(name, ("search", name))
        over.setdefault(table, {})[key] = _toml(name, value)
    if file is not None:
        config = Config.read(file, over=over)
    else:
        given = [kind for kind in INPUTS if kind in over.get("data", {})]
        if len(given) > 1:
            flags_of = {"images": "--images", "table": "--data", "texts": "--texts", "sounds": "--sounds"}
            raise ConfigError(f"{' and '.join(flags_of[kind] for kind in given)} were both given; give one.")
        inputs = given[0] if given else "images"
        wanted = (
            ("model", "path", "--model is missing: give it"),
            ("data", inputs, "inputs are missing: give --images, --data, --text, --texts or --sounds"),
        )
        for table, key, missing in wanted:
            if table == "model" and inputs in ("texts", "sounds"):
                continue  # they have a model that ships
            if key not in over.get(table, {}):
                raise ConfigError(f"{missing}, or a cfsearch.toml (`cfsearch init` writes one).")
        config = Config.check(over, where="command line")
    if "isolate" in flags and config.run.isolate is None:
        config = config.model_copy(
            update={"run": config.run.model_copy(update={"isolate": ISOLATED_BY_DEFAULT})}
        )
    if config.run.isolate and "isolate" in flags:
        from cfsearch.providers.isolated.process import stand_by

        stand_by()  # while torch is imported here
    if config.run.threads is not None:
        use_threads(config.run.threads)
    return config


def isolation_of(
    isolate: bool | None,
    *,
    model: str,
    deadline: float | None,
    memory: float | None,
    offline: bool = False,
) -> "Isolation | None":
    """The limits of the model's own process, which stands by from here on; None where it is opened here.

    Args:
        isolate: ``--isolation`` or ``--no-isolation``; None where neither was given.
        model: what the user named; one behind an address runs elsewhere already.
        deadline: seconds that one call may take.
        memory: GiB that it may take.
        offline: whether its process gives up the network.
    """
    from cfsearch.providers.served.address import is_address

    if is_address(model) or not (ISOLATED_BY_DEFAULT if isolate is None else isolate):
        return None
    from cfsearch.providers.isolated.process import stand_by

    stand_by()  # while torch is imported here
    from cfsearch.providers.isolated.session import Isolation

    return Isolation(deadline_s=deadline, memory_gib=memory, offline=offline)


def kind_of_inputs(file: Path | None, flags: dict[str, Any]) -> str:
    """Which setting of ``[data]`` the flags, or else the file, name: images, table, texts or sounds.

    Args:
        file: a ``cfsearch.toml``.
        flags: by name.
    """
    named = {"data": "table", "text": "texts", "texts": "texts", "sounds": "sounds"}
    found = [kind for flag, kind in named.items() if flags.get(flag) not in (None, ())]
    if found or file is None:
        return found[0] if found else "images"
    import tomllib

    try:
        declared = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return "images"  # the reader of the file reports what is wrong with it
    data = declared.get("data")
    if not isinstance(data, dict):
        return "images"
    return next((kind for kind in ("table", "texts", "sounds") if kind in data), "images")


def is_recording(path: Path) -> bool:
    """Whether an argument is a recording by its ending; of these only wave files are read, others are refused as such.

    Args:
        path: the argument.
    """
    from cfsearch.datasets.sound import SUFFIXES

    return path.suffix.lower() in (".wav", *SUFFIXES)


def with_model(given: Sequence[str], flags: dict[str, Any]) -> dict[str, Any]:
    """The flags with the argument of a command on a table, texts or sounds as the model.

    Raises:
        UsageError: two models, or another argument besides ``--model``.
    """
    if flags.get("model") is not None and given:
        raise click.UsageError(
            f"With --data and --model there is nothing left for the argument {given[0]!r}; the rows are "
            "chosen with --row and --where."
        )
    if len(given) > 1:
        raise click.UsageError(
            f"With --data the argument is one model, got {len(given)}: {', '.join(given)}."
        )
    return {**flags, "model": given[0]} if given else flags


def use_threads(count: int | None) -> None:
    """Tell torch how many CPU threads to use."""
    if count is not None:
        import torch

        torch.set_num_threads(count)


def _toml(name: str, value: Any) -> Any:  # Any: whatever click parsed
    if name in ("immutable", "by", "seed_with", "protected"):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
