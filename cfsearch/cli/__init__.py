"""The command line, ``cfsearch COMMAND``; the only place that imports click.

stdout is the result, stderr all else. Each command lives in a module that imports nothing
heavy before it runs, so that ``--help`` is instant.
"""

from ._group import main

__all__ = ["main"]
