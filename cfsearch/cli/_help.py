"""Commands and groups of commands with a readable help: grouped options, examples that run."""

import shlex
from collections.abc import Sequence
from typing import Any, Final, final

import click

from cfsearch.registry import unknown

from ._by_place import by_place
from ._invocation import Invocation
from ._output import note
from ._places import Place, check_places
from ._repeated import check_repeated

_FEW: Final = 12
"""Up to so many options stand in one list."""
_REST: Final = "Options"
_GENERAL: Final = "General"
_SECTIONS: Final = {
    "Model": (
        *("model", "sidecar", "protocol", "arch", "trust", "trust_model", "votes", "sigma", "surrogate"),
        *("isolate", "memory", "deadline"),
    ),
    "Inputs": (
        *("config", "images", "recursive", "limit", "attributes", "split", "celeba", "people", "names"),
        *(
            "originals",
            "data",
            "table",
            "row",
            "where",
            "decided",
            "schema",
            "label",
            "encoding",
            "delimiter",
            "ignore",
        ),
        *("categorical", "missing", "croissant", "text", "texts", "column", "sounds", "size", "identifier"),
    ),
    "Counterfactuals": (
        *("target", "immutable", "generator", "objectives", "constraints", "reference", "critic"),
        *("answers", "robustness"),
    ),
    "Search": (
        *("solver", "solvers", "evaluations", "population", "capacity", "patience", "max_queries"),
        *("max_time", "gradients"),
        *("seed_with", "seeds"),
    ),
    "Explanation": ("method", "chosen", "block"),
    "Findings": (
        *("by", "protected", "practical", "effect_rows", "shared_queries", "contribution_queries"),
        *("genuineness", "second_generator", "until_decided"),
        *("fail_if", "gates"),
        *("run", "attestation", "key"),
    ),
    "Networks": (
        *("layers", "width", "max_width", "upsampling", "scale", "critic_width", "critic_hidden"),
        *("network", "networks", "weights"),
    ),
    "Training": (
        *("recipe", "preset", "family", "steps", "minutes", "batch", "rate", "critic_rate", "precision"),
        *("uniform", "single", "queries", "trials", "held_out", "measure"),
    ),
    "Output": (
        *(
            "out",
            "folder",
            "resume",
            "save",
            "strip",
            "rows",
            "title",
            "allow_partial",
            "at_least",
            "pick",
            "json",
        ),
        *("unchecked", "write", "log_every", "sheet_every", "checkpoint_every", "opened", "pictures"),
    ),
    "Running": ("seed", "device", "batch_size", "threads", "workers", "isolate", "deadline"),
    _GENERAL: ("quiet", "verbose", "debug", "help"),
}
"""Under which heading the help lists an option, by the name of its parameter."""


class Command(click.Command):
    """A command with the options that all have (``-q``, ``-v``, ``--debug``), and with examples.

    Args:
        examples: command lines that run, shown below the description.
    """

    def __init__(
        self,
        *args: Any,  # Any: click's own signature
        examples: Sequence[str] = (),
        **kwargs: Any,  # Any: click's own signature
    ) -> None:
        super().__init__(*args, **kwargs)
        self.examples: tuple[str, ...] = tuple(examples)
        for param in self.params:
            if isinstance(param, click.Option) and param.metavar is None:
                param.metavar = _metavar(param)
        self.params: list[click.Parameter] = [*self.params, *_common()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an option that names what the command takes by its place is answered with the right form."""
        words = tuple(args)
        try:
            repeated = [] if ctx.resilient_parsing else check_repeated(self, ctx, words, written=Place)
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            sentence = by_place(error, self, path=ctx.command_path, words=words)
            if not sentence:
                raise
            raise click.UsageError(sentence, ctx=ctx) from error
        for text in repeated:  # whether notes are printed is known when all is parsed
            note(text)
        return rest

    def invoke(self, ctx: click.Context) -> Any:  # Any: click's own signature
        """Run the command; ``--protocol`` becomes part of the model's address."""
        protocol = ctx.params.pop("protocol", None)
        if protocol is not None:
            from cfsearch.providers.served.address import with_protocol

            given = ctx.params.get("model")
            several = given if isinstance(given, list) else [given or ""]
            named = [with_protocol(str(one), protocol) for one in several]
            ctx.params["model"] = named if isinstance(given, list) else named[0]
        check_places(ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under headings, where there are many."""
        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        many = len(options) > _FEW
        sections: dict[str, list[tuple[str, str]]] = {}
        for option in sorted(options, key=_place) if many else options:
            record = option.get_help_record(ctx)
            if record is not None:
                sections.setdefault(_section(option) if many else _REST, []).append(record)
        for title in (_REST, *_SECTIONS):
            if title in sections:
                with formatter.section(title):
                    formatter.write_dl(sections[title], col_max=26)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description, and below it the examples."""
        super().format_help_text(ctx, formatter)
        if self.examples:
            with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
                lines = (_broken(line, formatter.width - 4) for line in self.examples)
                formatter.write_text("\b\n" + "\n".join(lines))


@final
class Family(click.Group):
    """A command with commands of its own; an unknown one suggests the nearest.

    Args:
        default: the command that is meant where the first word names none; None where one must be named.
    """

    def __init__(
        self,
        *args: Any,  # Any: click's own signature
        default: str | None = None,
        **kwargs: Any,  # Any: click's own signature
    ) -> None:
        super().__init__(*args, **kwargs)
        self.default: str | None = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The words of the line, with the default command where none is named."""
        if self.default is not None and args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(unknown("command", args[0], list(self.commands)), ctx=ctx)
        return super().resolve_command(ctx, args)


def _common() -> list[click.Parameter]:
    return [
        click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=_quiet, help="Say less."),
        click.Option(
            ["-v", "--verbose"], count=True, expose_value=False, callback=_verbose, help="Say more."
        ),
        click.Option(["--debug"], is_flag=True, expose_value=False, help="Show tracebacks."),
    ]


def _metavar(option: click.Option) -> str | None:
    """What stands for the value of an option in the help, where click would say "INTEGER RANGE"."""
    match option.type:
        case click.types.IntParamType():
            return "N"
        case click.types.FloatParamType():
            return "NUMBER"
    return None


def _section(option: click.Option) -> str:
    """The heading of an option."""
    found = (title for title, names in _SECTIONS.items() if _name(option) in names)
    return next(found, _REST)


def _place(option: click.Option) -> int:
    """Where an option stands among all; those without a heading come first."""
    order = [name for names in _SECTIONS.values() for name in names]
    return order.index(_name(option)) if _name(option) in order else -1


def _name(option: click.Option) -> str:
    return "help" if "--help" in option.opts else str(option.name)


def _broken(line: str, width: int) -> str:
    """A command line over several where it is too long, with backslashes; options keep their values."""
    words = shlex.shlex(line, posix=False, punctuation_chars=False)
    words.whitespace_split, words.commenters = True, ""
    parts: list[str] = []
    for word in words:
        if parts and parts[-1].startswith("-") and " " not in parts[-1] and not word.startswith("-"):
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"    {part}")
        else:
            lines[-1] += f" {part}"
    return "\n".join(lines)


def _quiet(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if isinstance(ctx.find_root().obj, Invocation):
        ctx.find_root().obj.quiet = value


def _verbose(ctx: click.Context, _: click.Parameter, value: int) -> None:
    if isinstance(ctx.find_root().obj, Invocation):
        ctx.find_root().obj.verbose = value
