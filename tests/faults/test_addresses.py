"""Addresses that are none, and servers that answer 200 with something else than scores: one sentence, with a way out."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from cfsearch.cli import main
from cfsearch.providers.served.address import Address, address_meant
from cfsearch.providers.served.messages import complaint_of
from cfsearch.providers.served.transport import _origin
from cfsearch.testing.loopback import Reply, Seen, json_reply, serving

TENSORS = {"datatype": "FP32", "shape": [-1, 2]}
METADATA = {"name": "m", "inputs": [{"name": "x", **TENSORS}], "outputs": [{"name": "y", **TENSORS}]}
PATHS = ("v2/models/m", "v1/models/m", "invocations", "predictions/m")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 7},{i % 5},{'yes' if i % 7 > 3 else 'no'}" for i in range(30)]
    (tmp_path / "rows.csv").write_text("\n".join(["age,income,granted", *rows]))
    (tmp_path / "m.toml").write_text(
        'labels = ["no", "yes"]\nscores = "probabilities"\n[served]\nattempts = 1\n'
    )


def refused(model: str) -> tuple[int, str]:
    words = ("search", model, "--data", "rows.csv", "--label", "granted", "--sidecar", "m.toml", "--row", "1")
    done = CliRunner().invoke(main, [*words, "--no-isolation"], catch_exceptions=False)
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    return done.exit_code, line


WAY_OUT = "Look into the server's log, and whether it speaks this protocol (--protocol). [bad_answer]"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("metadata", ["none", "an error", "healthy"])
def test_an_error_object_with_200_is_named_as_one(path: str, metadata: str) -> None:
    replies: list[object] = []

    def answer(request: Seen) -> Reply:
        if request.method == "GET":
            described = METADATA if metadata == "healthy" else {"error": "no metadata here"}
            return json_reply(described, status=404 if metadata == "none" else 200)
        return json_reply(replies[-1])

    with serving(answer) as server:
        for document, shown in (
            ({"error": "model not loaded"}, "'\"model not loaded\"'"),
            ({"detail": "Not authorised", "status": 401}, "'\"Not authorised\"'"),
            ({"error": {"code": 5, "message": "no quota left"}}, "no quota left"),
            ({"error_code": "BAD_REQUEST", "message": "no such column"}, "no such column"),
        ):
            replies.append(document)
            code, line = refused(f"{server.url}/{path}")
            assert code == 3
            assert "answered with an error instead of scores: " in line
            assert shown in line
            assert line.endswith(WAY_OUT)
        for other in ({}, None, "ok", {"rows": 3}):
            replies.append(other)
            code, line = refused(f"{server.url}/{path}")
            assert code == 3
            assert line.endswith(WAY_OUT)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ({"error": "x"}, "x"),
        ({"error": "x", "estimated_time": 20.0}, "x"),
        ({"error": 0.25, "message": 0.75}, None),
        ({"error": 0.25, "fine": 0.75}, None),
        ({"message": "success", "data": [[0.5, 0.5]]}, None),
        ({"error": "", "predictions": [[0.5, 0.5]]}, None),
        ({"error": None, "message": None}, None),
        ([{"error": "x"}], None),
    ],
)
def test_scores_are_no_complaint(document: object, complaint: object) -> None:
    assert complaint_of(document) == complaint
    assert complaint_of(json.loads(json.dumps(document))) == complaint


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("http://127.0.0.1:9/v2/mod els/m", "holds a blank. Remove it, or write %20"),
        (" http://127.0.0.1:9/v2/models/m", "holds a blank"),
        ("http://127.0.0.1:9/v2/models/m ", "holds a blank"),
        ("https://exa mple/v2/models/m", "holds a blank"),
        ("http://::1:9/v2/models/m", "An IPv6 address stands in brackets: http://[::1]:8080/v2/models/m."),
        ("http://[::1/v2/models/m", "It is written https://HOST:PORT/PATH."),
        ("http://127.0.0.1:99999/v2/models/m", "It is written https://HOST:PORT/PATH."),
        ("http:///v2/models/m", "names a host"),
        ("127.0.0.1:9/v2/models/m", "Of a server, write its address: http://127.0.0.1:9/v2/models/m"),
        ("localhost:9", "Of a server, write its address: http://localhost:9"),
        ("models.example/v2/models/m", "Of a server, write its address: http://models.example/v2/models/m"),
        ("[::1]:9/invocations", "Of a server, write its address: http://[::1]:9/invocations"),
    ],
)
def test_what_is_no_address_says_what_one_is(spec: str, says: str) -> None:
    code, line = refused(spec)
    assert code == 2
    assert says in line


@pytest.mark.parametrize(
    "spec", ["models/m.onnx", "m.onnx", "pkg.mod:predict", "v2/models/m", "a b:9", "m.onnx/x"]
)
def test_files_and_functions_are_meant_as_such(spec: str) -> None:
    assert address_meant(spec) == ""


def test_addresses_are_shown_as_they_are_written() -> None:
    assert _origin("http://[::1]:9/v2/models/m?key=x") == "http://[::1]:9/v2/models/m"
    assert Address.of("http://[::1]:9/v2/models/m/").url == "http://[::1]:9/v2/models/m"
    for written in (
        "http://h/v2/models/m",
        "http://h/v2/models/m/",
        "http://h/v2/models/m/infer",
        "HTTP://h/v2/models/m",
    ):
        assert Address.of(written).url == "http://h/v2/models/m"
