"""What a run keeps beside its store, to be fuzzed: measured effects, columns, shared changes, contributions and groups."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
from tests.audits.kept_files import FILES  # the same files as the tests read


def kept() -> dict[str, tuple[Callable[[Path], object], bytes]]:
    """The loader of each kind of file by its name, and a file that it takes."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for name, (save, load) in FILES.items():
            save(path := Path(place) / "kept")
            found[f"kept {name}"] = (load, path.read_bytes())
    return found
