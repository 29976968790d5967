"""What is sent to a server is what was meant, and what makes two served models different; worked out by hand."""

import json
from typing import Any

import pytest
import torch

from cfsearch.datasets.tables import Column, ColumnKind, Missing, TableSchema, frame_of
from cfsearch.errors import ConfigError, DataError
from cfsearch.providers.served.address import Address
from cfsearch.providers.served.contact import Contact
from cfsearch.providers.served.json_protocols import answer_of
from cfsearch.providers.served.messages import BadAnswerError
from cfsearch.providers.served.oip import OpenInference
from cfsearch.providers.served.settings import ServedTable
from cfsearch.providers.served.wire import Metadata, Ranked, Scores, TensorInfo
from cfsearch.providers.tabular_opening import open_tabular
from cfsearch.testing.loopback import Reply, Seen, json_reply, serving

ADDRESS = Address.of("http://h/v2/models/m")


def protocol(kind: str) -> OpenInference:
    made = OpenInference(ADDRESS, ServedTable(), output=None)
    made.metadata = Metadata(inputs=() if not kind else (TensorInfo("n", kind, (-1, 1)),))
    return made


def sent(kind: str, value: float, **settings: Any) -> Any:
    column = Column(name="n", low=0, high=1000, **{"kind": ColumnKind.REAL, **settings})
    frame = frame_of(torch.tensor([[value]], dtype=torch.float64), schema=TableSchema(columns=(column,)))
    return json.loads(protocol(kind).request(frame).body or b"")["inputs"][0]["data"]


@pytest.mark.parametrize(
    ("kind", "value", "got"),
    [
        ("UINT8", 300.0, "300"),
        ("INT32", 3.7, "3.7"),
        ("INT64", float("nan"), "a missing number"),
        ("FP16", 1e6, "1e"),
    ],
)
def test_what_a_type_cannot_hold_is_refused(kind: str, value: float, got: str) -> None:
    with pytest.raises(DataError, match=f"input 'n' takes {kind}, which cannot hold {got}"):
        sent(kind, value, missing=Missing.KEEP)


def test_what_it_can_hold_is_sent() -> None:
    assert sent("UINT8", 255.0) == [255] and sent("FP32", 0.5) == [0.5] and sent("", 3.7) == [3.7]


@pytest.mark.parametrize("kind", ["", "FP64"])
def test_json_carries_no_missing_number(kind: str) -> None:
    with pytest.raises(ConfigError, match="NaN or infinity, which JSON cannot carry"):
        sent(kind, float("nan"), missing=Missing.KEEP)


ZIP_LEVELS = Column(name="zip", kind=ColumnKind.CATEGORICAL, levels=("02139", "10001"))
ZIP_DIGITS = Column(name="zip", kind=ColumnKind.INTEGER, low=501, high=99950, digits=5)


@pytest.mark.parametrize(
    ("column", "code"), [(ZIP_LEVELS, 0.0), (ZIP_DIGITS, 2139.0)], ids=["levels", "digits"]
)
def test_leading_zeros_reach_a_server_of_texts(column: Column, code: float) -> None:
    got: list[str] = []

    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            shape = {"name": "zip", "datatype": "BYTES", "shape": [-1, 1]}
            return json_reply({"name": "m", "versions": ["1"], "inputs": [shape], "outputs": []})
        cells = seen.json["inputs"][0]["data"]
        got.extend(cells)
        data = [p for cell in cells for p in ([0.9, 0.1] if cell == "02139" else [0.2, 0.8])]
        return json_reply(
            {"outputs": [{"name": "p", "datatype": "FP64", "shape": [len(cells), 2], "data": data}]}
        )

    schema = TableSchema(columns=(column,))
    x = torch.tensor([[code]], dtype=torch.float64)
    with serving(answer) as server:
        model = open_tabular(f"{server.url}/v2/models/m", schema=schema, probes=x)
        assert model.predict(x).tolist() == [[0.9, 0.1]]
        if column is ZIP_DIGITS:
            read = model.predict_frame(frame_of(x, schema=schema))  # pandas reads the number 2139
            assert read is not None and read.tolist() == [[0.9, 0.1]]
    assert set(got) == {"02139"}


@pytest.mark.parametrize("row", [{"prediction": 1, "probability": 0.83}, {"id": 17, "score": 0.83}])
def test_parts_of_an_answer_are_no_classes(row: dict[str, Any]) -> None:
    with pytest.raises(
        BadAnswerError, match=r"is no class. Name the entry .*: output = \.\.\. in the sidecar"
    ):
        answer_of([row, row], 2, output=None)
    named = answer_of([row, row], 2, output=list(row)[1])
    assert isinstance(named, Scores) and named.values.tolist() == [0.83, 0.83]


def test_classes_may_be_called_so_where_they_are_declared() -> None:
    rows = [{"score": 0.25, "id": 0.75}]
    found = answer_of(rows, 1, output=None, labels=("id", "score"))
    assert isinstance(found, Ranked) and found.rows == ((("score", 0.25), ("id", 0.75)),)
    assert isinstance(answer_of([{"cat": 0.25, "dog": 0.75}], 1, output=None), Ranked)


def test_query_and_headers_are_part_of_a_model_s_identity(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CF_TOKEN", "tok-very-secret-1234")
    side = tmp_path / "m.toml"

    def identity(query: str, headers: str) -> str:
        side.write_text(f'[served]\nprotocol = "template"\nheaders = {{{headers}}}\n')
        return Contact(f"http://h.invalid/score?{query}", sidecar=side, max_batch=None).identity()

    token = 'Authorization = "Bearer env:CF_TOKEN"'
    base = identity("name=a", token)
    monkeypatch.setenv("CF_TOKEN", "tok-renewed-5678")
    assert identity("name=a", token) == base
    assert len({base, identity("name=b", token), identity("name=a", 'deployment = "blue"')}) == 3
    assert identity("name=a", 'deployment = "blue"') != identity("name=a", 'deployment = "green"')
