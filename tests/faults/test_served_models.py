"""Faults of served models, F49 to F60 and what stands next to them, against a server on this machine."""

import email.utils
import gzip
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.errors import CfsearchError, ConfigError, DeadlineError, ModelFileError, ProviderError
from cfsearch.providers.opening import open_provider
from cfsearch.providers.served.contact import ServedProvider, ledger_of
from cfsearch.testing.loopback import Loopback, Reply, Seen, json_reply, serving

METADATA = {
    "name": "m",
    "versions": ["3"],
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 4, 4]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}
Answering = Callable[[Seen], Reply]


def scores_of(x: np.ndarray) -> list[list[float]]:
    """A model: how bright, against a half."""
    bright = x.reshape(len(x), -1).mean(axis=1)
    return [[0.0, float(8 * (b - 0.5))] for b in bright]


def pictures_in(seen: Seen) -> np.ndarray:
    entry = seen.json["inputs"][0]
    return np.asarray(entry["data"], dtype=np.float32).reshape(entry["shape"])


def answered(seen: Seen) -> Reply:
    """The healthy answer of an Open Inference server."""
    if seen.method == "GET":
        return json_reply(METADATA)
    rows = scores_of(pictures_in(seen))
    flat = [value for row in rows for value in row]
    return json_reply({"outputs": [{"name": "y", "datatype": "FP32", "shape": [len(rows), 2], "data": flat}]})


def first_of_posts(replies: list[Reply]) -> Answering:
    """These replies to the first requests for scores, healthy ones afterwards."""
    left = list(replies)
    lock = threading.Lock()

    def answer(seen: Seen) -> Reply:
        with lock:
            return left.pop(0) if seen.method == "POST" and left else answered(seen)

    return answer


def sidecar(
    folder: Path, served: str = "", top: str = 'labels = ["dark", "bright"]\nscores = "logits"'
) -> Path:
    path = folder / "model.toml"
    path.write_text(f"{top}\n[served]\n{served}\n", encoding="utf-8")
    return path


def opened(server: Loopback, folder: Path, served: str = "") -> ServedProvider:
    provider = open_provider(f"{server.url}/v2/models/m", sidecar=sidecar(folder, served))
    assert isinstance(provider, ServedProvider)
    server.seen.clear()
    return provider


def pictures(n: int) -> Tensor:
    return torch.linspace(0.1, 0.9, n)[:, None, None, None].expand(n, 3, 4, 4).contiguous()


def truth(x: Tensor) -> Tensor:
    return torch.tensor(scores_of(x.numpy()), dtype=torch.float32)


def test_f49_retry_after_in_seconds_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    import asyncio

    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    with serving(answered) as server:
        provider = opened(server, tmp_path)
        server.answer = first_of_posts([Reply(429, b"slow down", {"retry-after": "2"})])
        monkeypatch.setattr("cfsearch.providers.served.transport.asyncio.sleep", sleep)
        assert torch.equal(provider.predict(pictures(3)), truth(pictures(3)))
    assert max(slept) >= 2.0


def test_f49_retry_after_as_a_date(tmp_path: Path) -> None:
    date = email.utils.formatdate(time.time() - 5, usegmt=True)
    with serving(answered) as server:
        provider = opened(server, tmp_path)
        server.answer = first_of_posts([Reply(503, b"", {"retry-after": date})])
        assert torch.equal(provider.predict(pictures(2)), truth(pictures(2)))
        assert len(server.posts) == 2


def test_f49_a_wait_beyond_the_deadline_is_an_error_at_once(tmp_path: Path) -> None:
    with serving(answered) as server:
        provider = opened(server, tmp_path)
        server.answer = first_of_posts([Reply(429, b"", {"retry-after": "1000000000"})] * 9)
        with pytest.raises(
            ProviderError, match=r"wants a wait of 1e\+09 s, which is more than .* deadline"
        ) as caught:
            provider.predict(pictures(2))
        assert caught.value.exit_code == 3
        assert len(server.posts) == 1


def test_f50_two_failures_and_an_answer_are_three_tries(tmp_path: Path) -> None:
    with serving(answered) as server:
        provider = opened(server, tmp_path)
        before = provider.ledger.document()
        server.answer = first_of_posts([Reply(500, b"oops")] * 2)
        assert torch.equal(provider.predict(pictures(3)), truth(pictures(3)))
        after = provider.ledger.document()
        assert len(server.posts) == 3
    assert (after["tries"], before["tries"]) == (int(str(before["tries"])) + 3, before["tries"])
    assert after["failures"] == {"500": 2}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 418])
def test_f51_refusals_are_not_repeated_and_quote_little(
    tmp_path: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CF_TOKEN", "tok-very-secret-1234")
    body = b"no: tok-very-secret-1234 " + b"x" * 5000
    with serving(answered) as server:
        provider = opened(server, tmp_path, 'headers = {Authorization = "Bearer env:CF_TOKEN"}')
        server.answer = lambda seen: Reply(status, body) if seen.method == "POST" else answered(seen)
        with pytest.raises(ProviderError) as caught:
            provider.predict(pictures(1))
        assert len(server.posts) <= 2  # the input, and for a 400 once more alone
        assert server.posts[0].headers["authorization"] == "Bearer tok-very-secret-1234"
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert str(status) in message and "tok-very-secret" not in message and "[redacted]" in message
    assert len(message) < 700


def test_f52_a_redirect_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CF_KEY", "key-very-secret-1234")
    with serving(answered) as other, serving(answered) as server:
        provider = opened(server, tmp_path, 'headers = {X-Api-Key = "env:CF_KEY"}')
        server.answer = lambda _: Reply(307, b"", {"location": f"{other.url}/v2/models/m/infer?token=abc"})
        with pytest.raises(ProviderError, match="redirects to .*, which is not followed") as caught:
            provider.predict(pictures(2))
        assert other.seen == []
    assert "token=abc" not in str(caught.value)


@pytest.mark.parametrize("chunk", [10_000_000, 200])
def test_f54_an_answer_larger_than_allowed_is_refused(tmp_path: Path, chunk: int) -> None:
    bomb = gzip.compress(b"0" * 40_000_000)
    body = bomb if chunk > 1000 else b"[" + b"1," * 2_000_000 + b"1]"
    headers = {"content-type": "application/json"} | ({"content-encoding": "gzip"} if body is bomb else {})
    with serving(answered) as server:
        provider = opened(server, tmp_path, "max_response = 1")
        server.answer = lambda _: Reply(200, body, headers)
        with pytest.raises(ProviderError, match="larger than 1 MiB") as caught:
            provider.predict(pictures(1))
    assert caught.value.code == "response_too_large"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(200, b'{"outputs": [{"na', length=5000), "no answer from"),
        (Reply(200, b"pong"), "no valid JSON: 'pong'"),
        (Reply(200, b"<html><body>Please sign in" + b"." * 500, {"content-type": "text/html"}), "web page"),
        (
            Reply(200, b"<html>Sign in", {"content-type": "application/json"}),
            "no valid JSON: '<html>Sign in'",
        ),
        (Reply(200, b"", {"content-type": "application/json"}), "empty body"),
        (Reply(200, b'{"outputs": 7}'), "expected `outputs`"),
        (Reply(200, b'{"error": "shape is wrong"}'), "shape is wrong"),
        (Reply(200, b"\xff\xfe\x00"), "no valid JSON"),
        (Reply(200, b"[" * 200_000), "no valid JSON"),
        (Reply(200, b"", cut=True), "no answer from"),
        (Reply(200, b"\x1f\x8bgarbage", {"content-encoding": "gzip"}), "decompressed"),
        (
            Reply(200, gzip.compress(b'{"outputs": []}')[:-9], {"content-encoding": "gzip"}),
            "ends before its end",
        ),
        (Reply(200, b"{}", {"content-encoding": "br"}), "encoding 'br'"),
    ],
)
def test_f55_what_is_no_answer_is_an_error_that_shows_its_beginning(
    tmp_path: Path, reply: Reply, message: str
) -> None:
    with serving(answered) as server:
        provider = opened(server, tmp_path, "attempts = 2")
        server.answer = lambda _: reply
        with pytest.raises(ProviderError, match=message) as caught:
            provider.predict(pictures(1))
    assert caught.value.exit_code == 3
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            {"name": "y", "datatype": "FP32", "shape": [3, 2], "data": [0.0] * 6},
            "3 rows of scores to 2 inputs",
        ),
        (
            {"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [0.0] * 3},
            "3 numbers for an output of shape",
        ),
        ({"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [0.0, None, 1.0, 2.0]}, "missing value"),
        ({"name": "y", "datatype": "FP32", "data": [0.0] * 4}, "without a shape"),
    ],
)
def test_answers_of_the_wrong_shape_are_errors(
    tmp_path: Path, output: dict[str, object], message: str
) -> None:
    with serving(answered) as server:
        provider = opened(server, tmp_path, "attempts = 1")
        server.answer = lambda _: json_reply({"outputs": [output]})
        with pytest.raises(ProviderError, match=message):
            provider.predict(pictures(2))


@pytest.mark.parametrize("token", ["NaN", "Infinity", "1e999"])
def test_f37_a_number_that_json_does_not_have_fails_its_input_alone(tmp_path: Path, token: str) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.method == "POST" and (pictures_in(seen).reshape(-1) > 0.89).any():
            return Reply(
                200, f'{{"outputs": [{{"name": "y", "shape": [1, 2], "data": [0, {token}]}}]}}'.encode()
            )
        return answered(seen)

    with serving(answered) as server:
        provider = opened(server, tmp_path, "attempts = 1")
        server.answer = answer
        got = provider.predict(pictures(5))
    assert torch.equal(got[:4], truth(pictures(5))[:4])
    assert bool(torch.isnan(got[4]).all())


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_an_input_that_the_server_cannot_take_is_found_by_halves(tmp_path: Path, status: int) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.method == "POST" and (abs(pictures_in(seen).reshape(-1) - 0.5) < 0.01).any():
            return Reply(status, b"cannot take this")
        return answered(seen)

    with serving(answered) as server:
        provider = opened(server, tmp_path, "attempts = 1")
        server.answer = answer
        got = provider.predict(pictures(9))
        assert len(server.posts) <= 12
    assert bool(torch.isnan(got[4]).all())
    keep = [i for i in range(9) if i != 4]
    assert torch.equal(got[keep], truth(pictures(9))[keep])
    assert provider.ledger.document()["refused"] == 1


@pytest.mark.parametrize(
    ("kind", "code", "low", "high"),
    [("UINT8", "u1", 0, 255), ("FP16", "f2", 0.0, 1.0), ("FP64", "f8", 0.0, 1.0)],
)
def test_f58_the_type_that_the_server_declares_is_what_it_gets(
    tmp_path: Path, kind: str, code: str, low: float, high: float
) -> None:
    described = {**METADATA, "inputs": [{"name": "x", "datatype": kind, "shape": [-1, 4, 4, 3]}]}
    values: list[np.ndarray] = []

    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            return json_reply(described)
        assert seen.json["inputs"][0]["datatype"] == kind
        x = pictures_in(seen)
        assert x.shape[1:] == (4, 4, 3)
        values.append(x)
        rows = [value for row in scores_of(x / high) for value in row]
        return json_reply(
            {"outputs": [{"name": "y", "datatype": "FP32", "shape": [len(x), 2], "data": rows}]}
        )

    with serving(answer) as server:
        provider = opened(server, tmp_path)
        got = provider.predict(pictures(5))
    assert torch.allclose(got, truth(pictures(5)), atol=0.02)
    assert low <= min(x.min() for x in values) and high * 0.8 < max(x.max() for x in values) <= high


def test_f58_an_input_of_another_form_is_refused(tmp_path: Path) -> None:
    described = {**METADATA, "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 30]}]}
    with (
        serving(lambda _: json_reply(described)) as server,
        pytest.raises(ConfigError, match=r"takes shape \[-1, 30\], expected pictures .* give --data"),
    ):
        open_provider(f"{server.url}/v2/models/m", sidecar=sidecar(tmp_path))


def test_f59_proxies_and_passwords_of_the_environment_are_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(answered) as server:
        provider = opened(server, tmp_path)
        assert torch.equal(provider.predict(pictures(2)), truth(pictures(2)))
        assert "authorization" not in server.posts[0].headers


def test_f60_after_a_failure_to_the_end_no_more_requests_are_sent(tmp_path: Path) -> None:
    with serving(answered) as server:
        provider = opened(server, tmp_path, "attempts = 2")
        server.answer = lambda _: Reply(503, b"gone")
        with pytest.raises(ProviderError, match="answered 503 each time") as caught:
            provider.predict(pictures(2))
        sent = len(server.posts)
        with pytest.raises(ProviderError, match="failed before .*503.* no more requests are sent"):
            provider.predict(pictures(2))
        assert (sent, len(server.posts)) == (2, 2)
    assert caught.value.code == "server_down"


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with serving(answered) as server:
        url = server.url
    with pytest.raises(ProviderError, match="no answer from .* Look whether the server runs") as caught:
        open_provider(f"{url}/v2/models/m", sidecar=sidecar(tmp_path, "attempts = 2"))
    assert caught.value.exit_code == 3


def test_a_server_that_drips_is_left_at_the_deadline(tmp_path: Path) -> None:
    with serving(answered) as server:
        provider = opened(server, tmp_path, "deadline = 0.3\nattempts = 1")
        server.answer = lambda seen: Reply(200, answered(seen).body, pieces=1000, pause=0.05)
        with pytest.raises(DeadlineError, match="within 0.3 s"):
            provider.predict(pictures(2))


def test_answers_are_the_same_from_a_server_that_fails_now_and_then(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    lock = threading.Lock()
    scored: list[int] = []

    def answer(seen: Seen) -> Reply:
        with lock:
            roll = rng.random()
        if seen.method == "GET":
            return answered(seen)
        if roll < 0.2:
            return [
                Reply(429, b""),
                Reply(500, b"oops"),
                Reply(200, b"", cut=True),
                Reply(200, answered(seen).body[:40], length=4000),
                Reply(200, answered(seen).body[:-3]),
            ][int(roll * 25)]
        with lock:
            scored.append(len(pictures_in(seen)))
        return answered(seen)

    with serving(answered) as server:
        provider = opened(server, tmp_path, "concurrency = 3")
        before = provider.ledger.document()
        server.answer = answer
        x = pictures(1600)
        got = torch.cat([provider.predict(x[i : i + 100]) for i in range(0, 1600, 100)])
        after = provider.ledger.document()
        tries = len(server.posts)
        sent = sum(len(pictures_in(one)) for one in server.posts)
    assert torch.equal(got, truth(x))
    assert int(str(after["tries"])) - int(str(before["tries"])) == tries
    assert int(str(after["sent"])) - int(str(before["sent"])) == sent
    assert sum(scored) == 1600


def test_no_more_requests_at_once_than_allowed(tmp_path: Path) -> None:
    gate = threading.Barrier(2, timeout=20)

    def answer(seen: Seen) -> Reply:
        if seen.method == "POST" and len(server.posts) > 4:
            try:
                gate.wait(0.2)  # two meet here only if two are under way
            except threading.BrokenBarrierError:
                gate.reset()
        return answered(seen)

    with serving(answered) as server:
        provider = opened(server, tmp_path, "concurrency = 2")
        server.answer = answer
        provider.predict(pictures(64 * 4))
        assert server.most_at_once == 2


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("http://user:pw@host/v2/models/m", "holds a user or a password"),
        ("ftp://host/v2/models/m", "begins with http:// or https://"),
        ("http:///v2/models/m", "names a host"),
        ("http://host:99999/v2/models/m", "no address"),
        ("http://host/score?key=abc", "does not tell which protocol"),
        ("oipp+http://host/score", "Did you mean 'oip'"),
    ],
)
def test_addresses_that_cannot_be_used(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_provider(spec)
    assert "pw" not in str(caught.value) and "abc" not in str(caught.value)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        ('headers = {Authorization = "Bearer abcdef"}', "must not stand in a file"),
        ('headers = {X-Api-Key = "env:CF_NOT_SET"}', "'CF_NOT_SET', which is not set"),
        ('headers = {X-Api-Key = "file:/no/such/file"}', "cannot be read"),
        ('headers = {"bad name" = "x"}', "no name of a header"),
        ("concurency = 3", "Did you mean 'concurrency'"),
        ("deadline = -1", "must be above 0.0, got -1"),
        ('protocol = "grpc"', "'oip'"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path: Path, served: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_provider("http://127.0.0.1:9/v2/models/m", sidecar=sidecar(tmp_path, served))
    assert "abcdef" not in str(caught.value) or "headers" not in message


def test_labels_that_do_not_fit_the_answers(tmp_path: Path) -> None:
    path = sidecar(tmp_path, top='labels = ["a", "b", "c"]')
    with serving(answered) as server, pytest.raises(ModelFileError, match="3 labels are declared"):
        open_provider(f"{server.url}/v2/models/m", sidecar=path)


def test_the_fingerprint_tells_versions_apart_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CF_TOKEN", "tok-very-secret-1234")
    described = dict(METADATA)

    def answer(seen: Seen) -> Reply:
        return json_reply(described) if seen.method == "GET" else answered(seen)

    with serving(answer) as server:
        plain = opened(server, tmp_path).fingerprint
        with_token = opened(server, tmp_path, 'headers = {Authorization = "Bearer env:CF_TOKEN"}').fingerprint
        described["versions"] = ["4"]
        newer = opened(server, tmp_path).fingerprint
    assert plain == with_token != newer


def test_an_error_is_one_of_ours_whatever_the_server_sends(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    healthy = json.dumps(
        {"outputs": [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [0.0, 1.0, 2.0, 3.0]}]}
    ).encode()

    def broken() -> bytes:
        body = bytearray(healthy)
        for _ in range(int(rng.integers(1, 4))):
            body[int(rng.integers(len(body)))] = int(rng.integers(256))
        return bytes(body)

    with serving(answered) as server:
        provider = opened(server, tmp_path, "attempts = 1")
        for _ in range(40):
            body = broken()
            server.answer = lambda _, body=body: Reply(200, body)  # type: ignore[misc]  # bound now
            try:
                answer = provider.predict(pictures(2))
            except CfsearchError:
                continue
            assert answer.shape == (2, 2)
    assert ledger_of(provider) is provider.ledger
