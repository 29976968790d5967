"""The group: finds commands by name without importing the others, and catches every error."""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, final

import click

from cfsearch.engine.allocation import keep_freed_memory
from cfsearch.errors import CfsearchWarning
from cfsearch.registry import unknown
from cfsearch.secrecy import redacted

from ._errors import INTERRUPTED, Fault, Interrupted, report, say
from ._invocation import Invocation
from ._output import Outcome, deliver, discarded, diverted, lenient_streams, occupied_streams, plain
from ._signals import attentive, ignored

COMMANDS = {
    "demo": "demo",
    "init": "init",
    "doctor": "doctor",
    "plan": "plan",
    "search": "search",
    "audit": "audit",
    "explain": "explain",
    "distill": "distill",
    "show": "show",
    "explore": "pages",
    "report": "pages",
    "export": "export",
    "verify": "verify",
    "check": "check",
    "gate": "gate",
    "judge": "judge",
    "diff": "diff",
    "bench": "bench",
    "train": "train",
    "measure": "measure",
    "schema": "schema",
}
"""In which module of this package each command lives, in the order of the help."""


@final
class CommandGroup(click.Group):
    """The ``cfsearch`` group."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"cfsearch.cli.{COMMANDS[cmd_name]}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(unknown("command", args[0], list(COMMANDS)), ctx=ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # Any: click's own signature
        """Run the command; a signal is one of our errors before click prints an empty line for it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted.") from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,  # Any: click's own signature
    ) -> Any:
        occupied_streams()
        lenient_streams()
        call = Invocation(tuple(sys.argv[1:] if args is None else args))

        def work() -> object:
            return super(CommandGroup, self).main(
                list(call.argv),
                prog_name or "cfsearch",
                complete_var,
                standalone_mode=False,
                obj=call,
                **extra,
            )

        try:
            with attentive(call):
                code = _guarded(work, call=call)
                if args is None:
                    ignored()  # all is done; what libraries do at the end is not to be torn
        except KeyboardInterrupt as error:  # it came while the result was printed or an error reported
            code = report(error, json_mode=False, debug=False)
        if args is None:
            ignored(for_good=True)
        discarded()
        if code == INTERRUPTED and args is None:
            # the user waits; libraries that take their time to shut down have nothing to save
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _guarded(work: Callable[[], object], *, call: Invocation) -> int:
    """The exit code of a call; nothing but it comes out."""
    with warnings.catch_warnings():
        warnings.showwarning = _warn(call)
        warnings.simplefilter("always", CfsearchWarning)
        try:
            _check_words(call)
            with diverted() if call.json else contextlib.nullcontext():
                result = work()
            if isinstance(result, Outcome):
                deliver(result, json_mode=call.json)
                if result.error is not None:
                    fault = Fault.of(result.error)
                    say(fault)
                    return fault.exit_code
            sys.stdout.flush()
            return result if isinstance(result, int) else 0
        except BrokenPipeError:
            # whoever read our result has seen enough; leave nothing for the interpreter to flush
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else 2
        except BaseException as error:  # noqa: BLE001  # nothing may end in a traceback
            return report(error, json_mode=call.json, debug=call.debug)


def _check_words(call: Invocation) -> None:
    """Refuse words that a configuration, a page and a document of a run could not hold.

    Raises:
        UsageError: a word is no UTF-8 text.
    """
    for word in call.argv:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            shown = word.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            raise click.UsageError(
                f"{shown!r} is no UTF-8 text, and files of a run hold nothing else. Rename the file, or reach it through "
                "a link with another name."
            )


def _warn(call: Invocation) -> Callable[..., None]:
    shown: set[str] = (
        set()
    )  # a folder is listed again where a step needs it again, and a model is opened twice

    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        ours, text = issubclass(category, CfsearchWarning) and not call.quiet, " ".join(str(message).split())
        if (ours or call.debug) and text not in shown:
            shown.add(text)
            print(f"note: {plain(redacted(text))}", file=sys.stderr, flush=True)

    return show


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"cfsearch {version('cfsearch')}")
        ctx.exit()


@click.group(
    "cfsearch",
    cls=CommandGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Multi-objective search for plausible counterfactuals of black-box classifiers.

    Begin with `cfsearch demo`. For a model of your own: `cfsearch doctor MODEL`, then
    `cfsearch search FACE.png --model MODEL`, then `cfsearch audit`.
    """
    keep_freed_memory()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
