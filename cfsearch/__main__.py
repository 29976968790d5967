"""``python -m cfsearch``: the command line."""

from cfsearch.cli import main

main()
