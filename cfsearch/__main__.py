"""``python -m cfsearch`` and ``cfsearch``: the command line."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_JSON = '{\n  "error": {\n    "code": "interrupted",\n    "message": "interrupted.",\n    "exit_code": 130\n  }\n}\n'


def main() -> None:
    """The command line; from here on a signal ends it with exit code 130 and one line.

    Signals that the caller ignores (``nohup``, a job in the background) stay ignored.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if signal.getsignal(getattr(signal, name)) is not signal.SIG_IGN:
            signal.signal(getattr(signal, name), _end)
    from cfsearch.cli import main as group

    group()


def _end(_: int, __: FrameType | None) -> NoReturn:
    """Nothing has been begun: an exception here would come out of whatever is being imported."""
    for descriptor, text in (
        (1, _JSON if "--json" in sys.argv else ""),
        (2, "error: interrupted. [interrupted]\n"),
    ):
        try:
            os.write(descriptor, text.encode())
        except OSError:  # closed, or nobody reads
            continue
    os._exit(130)


if __name__ == "__main__":
    main()
