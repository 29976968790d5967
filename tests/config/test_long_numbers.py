"""Numbers of more digits than Python reads are refused in a sentence, in every file of settings."""

from pathlib import Path

import pytest

from cfsearch.config import Config
from cfsearch.datasets.tables import read_schema
from cfsearch.errors import CfsearchError
from cfsearch.providers.sidecar import read_sidecar


@pytest.mark.parametrize("read", [Config.read, read_schema, read_sidecar])
def test_a_number_of_five_thousand_digits_is_refused(read: object, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("seed = " + "9" * 5000 + "\n", encoding="utf-8")
    assert callable(read)
    with pytest.raises(CfsearchError, match=r"a\.toml"):
        read(path)
