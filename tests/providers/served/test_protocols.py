"""Each protocol of served models: what is sent, and what is made of the answer, worked out by hand."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Table, frame_of, infer_schema, read_table
from cfsearch.errors import ConfigError, ModelFileError, ProviderError
from cfsearch.providers.opening import open_provider
from cfsearch.providers.served.opening import open_served_texts
from cfsearch.providers.tabular_opening import open_tabular
from cfsearch.testing.loopback import Reply, Seen, json_reply, serving

PICTURES = torch.tensor([0.2, 0.6, 0.8])[:, None, None, None].expand(3, 3, 4, 4).contiguous()


def sidecar(folder: Path, text: str) -> Path:
    path = folder / "model.toml"
    path.write_text(text, encoding="utf-8")
    return path


def bright(values: Any) -> list[float]:
    """A probability an input: its mean."""
    return [float(np.mean(value)) for value in values]


def pair(p: float) -> list[float]:
    return [1.0 - p, p]


BARE = 'labels = ["dark", "bright"]\n[input]\nsize = [4, 4]\n'
LABELS = 'labels = ["dark", "bright"]\n[input]\nsize = [4, 4]\nrange = "0..1"\n'


def test_tensorflow_serving_takes_instances_and_its_metadata_says_the_form(tmp_path: Path) -> None:
    dims = [{"size": size} for size in ("-1", "4", "4", "3")]
    signature = {"inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": dims}}}, "outputs": {}}

    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            assert seen.path == "/v1/models/m/metadata"
            inner = {"signature_def": {"serving_default": signature}}
            return json_reply(
                {"model_spec": {"name": "m", "version": "7"}, "metadata": {"signature_def": inner}}
            )
        assert seen.path == "/v1/models/m:predict"
        instances = np.asarray(seen.json["instances"])
        assert instances.shape[1:] == (4, 4, 3)
        return json_reply({"predictions": [pair(p) for p in bright(instances)]})

    with serving(answer) as server:
        provider = open_provider(
            f"{server.url}/v1/models/m", sidecar=sidecar(tmp_path, 'labels = ["dark", "bright"]')
        )
        assert provider.scores is ScoreKind.PROBABILITIES
        assert torch.allclose(provider.predict(PICTURES)[:, 1], torch.tensor([0.2, 0.6, 0.8]), atol=1e-6)


def test_tensorflow_serving_with_named_outputs_needs_a_choice(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            return Reply(404, b"{}")
        rows = seen.json["instances"]
        return json_reply({"predictions": [{"a": pair(p), "b": [p, 0.0, 1.0 - p]} for p in bright(rows)]})

    with serving(answer) as server:
        with pytest.raises(
            (ModelFileError, ProviderError), match="outputs 'a', 'b', and it is not clear which"
        ):
            open_provider(f"{server.url}/v1/models/m", sidecar=sidecar(tmp_path, LABELS))
        told = sidecar(tmp_path, 'output = "a"\n' + LABELS)
        provider = open_provider(f"{server.url}/v1/models/m", sidecar=told)
        assert torch.allclose(provider.predict(PICTURES)[:, 1], torch.tensor([0.2, 0.6, 0.8]), atol=1e-6)


def _png(part: str | bytes) -> np.ndarray:
    data = base64.b64decode(part) if isinstance(part, str) else part
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=np.float32) / 255


@pytest.mark.parametrize(
    ("protocol", "read"),
    [
        ("tfserving", lambda seen: [_png(one["b64"]) for one in seen.json["instances"]]),
        ("mlflow", lambda seen: [_png(one["b64"]) for one in seen.json["inputs"]]),
        ("template", lambda seen: [_png(one) for one in seen.json["inputs"]]),
    ],
)
def test_pictures_as_png_files_are_exact(
    tmp_path: Path, protocol: str, read: Callable[[Seen], list[np.ndarray]]
) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            return Reply(404, b"")
        return json_reply({"predictions": [pair(p) for p in bright(read(seen))]})

    pointer = 'pointer = "/predictions"' if protocol == "template" else ""
    text = f'{BARE}[served]\nform = "png"\n{pointer}\n'
    with serving(answer) as server:
        provider = open_provider(f"{protocol}+{server.url}/score", sidecar=sidecar(tmp_path, text))
        assert torch.allclose(provider.predict(PICTURES)[:, 1], torch.tensor([0.2, 0.6, 0.8]), atol=1e-6)


def test_torchserve_takes_one_file_a_request_and_names_its_classes(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        assert seen.headers["content-type"] == "image/png"
        p = float(_png(seen.body).mean())
        return json_reply({"bright": p, "dark": 1.0 - p})

    text = '[input]\nsize = [4, 4]\nrange = "0..255"\n[served]\nform = "png"\n'
    with serving(answer) as server:
        provider = open_provider(f"{server.url}/predictions/faces", sidecar=sidecar(tmp_path, text))
        assert provider.labels == ("bright", "dark")
        assert torch.allclose(provider.predict(PICTURES)[:, 0], torch.tensor([0.2, 0.6, 0.8]), atol=1e-6)


def test_hugging_face_names_the_best_classes_and_the_rest_is_an_interval(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        p = float(_png(seen.json["inputs"]).mean())
        return json_reply([{"label": "bright", "score": p}, {"label": "dark", "score": (1 - p) * 0.75}])

    labels = 'labels = ["bright", "dark", "grey", "odd"]\n'
    text = (
        labels
        + '[input]\nsize = [4, 4]\nrange = "0..255"\n[served]\nform = "png"\nprotocol = "huggingface"\n'
    )
    with serving(answer) as server:
        provider = open_provider(f"{server.url}/any", sidecar=sidecar(tmp_path, text))
        got = provider.predict(PICTURES)
    expected = [[p, (1 - p) * 0.75, (1 - p) / 8, (1 - p) / 8] for p in (0.2, 0.6, 0.8)]
    assert torch.allclose(got, torch.tensor(expected), atol=1e-6)
    assert "names only its best classes" in provider.note
    assert provider.scores is ScoreKind.PROBABILITIES


def test_best_classes_alone_need_declared_labels(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        p = float(_png(seen.json["inputs"]).mean())
        return json_reply([{"label": "bright" if p > 0.5 else "dark", "score": max(p, 1 - p)}])

    text = '[input]\nsize = [4, 4]\n[served]\nform = "png"\nprotocol = "huggingface"\n'
    with serving(answer) as server, pytest.raises(ModelFileError, match="Give `labels` in the sidecar"):
        open_provider(f"{server.url}/any", sidecar=sidecar(tmp_path, text))


def test_best_classes_with_logits_cannot_be_bounded(tmp_path: Path) -> None:
    labels = 'labels = ["a", "b", "c"]\n'
    text = labels + '[input]\nsize = [4, 4]\n[served]\nform = "png"\nprotocol = "huggingface"\n'
    with (
        serving(
            lambda _: json_reply([{"label": "a", "score": 3.0}, {"label": "b", "score": -1.0}])
        ) as server,
        pytest.raises(ModelFileError, match="no probabilities"),
    ):
        open_provider(f"{server.url}/any", sidecar=sidecar(tmp_path, text))


def test_a_class_that_is_no_label_is_named(tmp_path: Path) -> None:
    text = 'labels = ["a", "b"]\n[input]\nsize = [4, 4]\n[served]\nform = "png"\nprotocol = "huggingface"\n'
    with (
        serving(
            lambda _: json_reply([{"label": "cat", "score": 0.9}, {"label": "b", "score": 0.1}])
        ) as server,
        pytest.raises(ProviderError, match="names the class 'cat', which is none of the labels 'a', 'b'"),
    ):
        open_provider(f"{server.url}/any", sidecar=sidecar(tmp_path, text))


def test_a_template_is_filled_and_rows_are_matched_by_their_numbers(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        assert seen.json["model"] == "m1"
        rows = list(zip(seen.json["rows"]["of"], bright(seen.json["rows"]["data"]), strict=True))
        rows.reverse()
        return json_reply({"out": [{"numbers": [i for i, _ in rows], "p": [pair(p) for _, p in rows]}]})

    served = (
        '[served]\ntemplate = \'{"model": "m1", "rows": {"of": "$ids", "data": "$inputs"}}\'\n'
        'pointer = "/out/0/p"\nids = "/out/0/numbers"\n'
    )
    with serving(answer) as server:
        provider = open_provider(f"template+{server.url}/x", sidecar=sidecar(tmp_path, LABELS + served))
        assert torch.allclose(provider.predict(PICTURES)[:, 1], torch.tensor([0.2, 0.6, 0.8]), atol=1e-6)


def test_a_template_of_one_input_a_request(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        return json_reply({"scores": pair(float(np.mean(seen.json["x"])))})

    served = '[served]\ntemplate = \'{"x": "$input"}\'\npointer = "/scores"\n'
    with serving(answer) as server:
        provider = open_provider(f"template+{server.url}/x", sidecar=sidecar(tmp_path, LABELS + served))
        assert torch.allclose(provider.predict(PICTURES)[:, 1], torch.tensor([0.2, 0.6, 0.8]), atol=1e-6)


@pytest.mark.parametrize(
    ("served", "message"),
    [
        ("template = '{\"x\": 1}'", "must hold either"),
        ("template = '{x}'", "must be JSON text"),
        ('pointer = "scores"', "must be a JSON pointer"),
        ('ids = "/ids"', '"\\$ids"'),
    ],
)
def test_templates_that_cannot_be_used(tmp_path: Path, served: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_provider(
            "template+http://127.0.0.1:9/x", sidecar=sidecar(tmp_path, f"{LABELS}[served]\n{served}\n")
        )


def test_a_pointer_to_nothing_shows_the_answer(tmp_path: Path) -> None:
    served = '[served]\npointer = "/scores/values"\nattempts = 1\n'
    with (
        serving(lambda _: json_reply({"scores": {"data": []}})) as server,
        pytest.raises((ModelFileError, ProviderError), match=r"nothing at /scores/values .*'data'"),
    ):
        open_provider(f"template+{server.url}/x", sidecar=sidecar(tmp_path, LABELS + served))


def test_the_binary_extension_carries_the_same_numbers(tmp_path: Path) -> None:
    described = {
        "name": "m",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 4, 4]}],
        "outputs": [],
    }

    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            return json_reply(described)
        length = int(seen.headers["inference-header-content-length"])
        head, blob = json.loads(seen.body[:length]), seen.body[length:]
        entry = head["inputs"][0]
        assert entry["parameters"]["binary_data_size"] == len(blob)
        assert head["parameters"]["binary_data_output"] is True
        x = np.frombuffer(blob, "<f4").reshape(entry["shape"])
        p = np.asarray([pair(value) for value in bright(x)], "<f4")
        out = {
            "name": "y",
            "datatype": "FP32",
            "shape": list(p.shape),
            "parameters": {"binary_data_size": p.nbytes},
        }
        text = json.dumps({"outputs": [out]}).encode()
        return Reply(200, text + p.tobytes(), {"inference-header-content-length": str(len(text))})

    text = 'labels = ["dark", "bright"]\n[served]\nbinary = true\n'
    with serving(answer) as server:
        provider = open_provider(f"{server.url}/v2/models/m/infer", sidecar=sidecar(tmp_path, text))
        assert torch.allclose(provider.predict(PICTURES)[:, 1], torch.tensor([0.2, 0.6, 0.8]), atol=1e-6)


def test_a_layout_that_is_refused_is_not_taken(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        x = np.asarray(seen.json["inputs"])
        return (
            json_reply({"predictions": [pair(p) for p in bright(x)]})
            if x.shape[3] == 3
            else Reply(400, b"NHWC!")
        )

    with serving(answer) as server:
        provider = open_provider(f"mlflow+{server.url}", sidecar=sidecar(tmp_path, LABELS))
        assert torch.allclose(provider.predict(PICTURES)[:, 1], torch.tensor([0.2, 0.6, 0.8]), atol=1e-6)
    assert "channels last" in provider.note


@pytest.fixture
def loans(tmp_path: Path) -> Table:
    path = tmp_path / "loans.csv"
    path.write_text(
        "income,member,purpose\n100,True,car\n250.5,False,home\n75,True,home\n300,False,car\n180,True,car\n"
    )
    return read_table(path, schema=infer_schema(path).schema)


def _decide(income: float, member: bool, purpose: str) -> float:
    return (income / 400 + (0.1 if member is True else 0.0) + (0.2 if purpose == "home" else 0.0)) / 1.4


def _truth(table: Table) -> torch.Tensor:
    frame = frame_of(table.x, schema=table.schema)
    return torch.tensor([_decide(float(a), bool(b), str(c)) for a, b, c in frame.itertuples(index=False)])


def _rows_of_oip(seen: Seen) -> list[tuple[float, bool, str]]:
    columns = {one["name"]: one["data"] for one in seen.json["inputs"]}
    return list(zip(columns["income"], columns["member"], columns["purpose"], strict=True))


@pytest.mark.parametrize(
    ("path", "rows", "reply"),
    [
        (
            "/invocations",
            lambda seen: seen.json["dataframe_split"]["data"],
            lambda ps: {"predictions": [pair(p) for p in ps]},
        ),
        (
            "/v1/models/m:predict",
            lambda seen: [tuple(one.values()) for one in seen.json["instances"]],
            lambda ps: {"predictions": ps},
        ),
        (
            "/v2/models/m",
            _rows_of_oip,
            lambda ps: {"outputs": [{"name": "p", "datatype": "FP64", "shape": [len(ps), 1], "data": ps}]},
        ),
    ],
)
def test_rows_of_a_table_go_by_column_with_the_types_of_the_file(
    loans: Table, path: str, rows: Callable[[Seen], Any], reply: Callable[[list[float]], Any]
) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            return Reply(404, b"")
        return json_reply(reply([_decide(*row) for row in rows(seen)]))

    with serving(answer) as server:
        provider = open_tabular(f"{server.url}{path}", schema=loans.schema, probes=loans.x)
        assert torch.allclose(provider.predict(loans.x)[:, 1].double(), _truth(loans).double(), atol=1e-6)
        framed = provider.predict_frame(frame_of(loans.x, schema=loans.schema))
        assert framed is not None
        assert torch.allclose(framed[:, 1].double(), _truth(loans).double(), atol=1e-6)


def test_a_server_of_scikit_learn_models_is_queried_for_probabilities(loans: Table) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            return json_reply({"name": "m", "inputs": [], "outputs": []})
        assert seen.json["parameters"] == {"content_type": "pd"}
        ps = [_decide(*row) for row in _rows_of_oip(seen)]
        wanted = [one["name"] for one in seen.json.get("outputs", [])] or ["predict"]
        if wanted == ["predict"]:
            values: list[Any] = [int(p > 0.5) for p in ps]
            out = {"name": "predict", "datatype": "INT64", "shape": [len(ps), 1], "data": values}
        else:
            values = [value for p in ps for value in pair(p)]
            out = {"name": "predict_proba", "datatype": "FP64", "shape": [len(ps), 2], "data": values}
        return json_reply({"outputs": [out]})

    with serving(answer) as server:
        provider = open_tabular(f"{server.url}/v2/models/m", schema=loans.schema, probes=loans.x)
        assert provider.scores is ScoreKind.PROBABILITIES
        assert torch.allclose(provider.predict(loans.x)[:, 1].double(), _truth(loans).double(), atol=1e-6)


def test_a_column_that_the_server_does_not_know_is_named(loans: Table) -> None:
    inputs = [{"name": name, "datatype": "FP64", "shape": [-1, 1]} for name in ("income", "member", "age")]
    with (
        serving(lambda _: json_reply({"name": "m", "inputs": inputs, "outputs": []})) as server,
        pytest.raises(ConfigError, match="column 'purpose' is none of them"),
    ):
        open_tabular(f"{server.url}/v2/models/m", schema=loans.schema, probes=loans.x)


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ("/v2/models/m", lambda seen: seen.json["inputs"][0]["data"]),
        ("/invocations", lambda seen: seen.json["inputs"]),
    ],
)
def test_texts_are_sent_as_texts(path: str, texts: Callable[[Seen], list[str]]) -> None:
    words = ["a good film", "a bad film", "good good"]

    def answer(seen: Seen) -> Reply:
        if seen.method == "GET":
            return Reply(404, b"")
        ps = [text.split().count("good") / 4 for text in texts(seen)]
        if path.startswith("/v2"):
            data = [value for p in ps for value in pair(p)]
            return json_reply(
                {"outputs": [{"name": "p", "datatype": "FP64", "shape": [len(ps), 2], "data": data}]}
            )
        return json_reply({"predictions": [pair(p) for p in ps]})

    with serving(answer) as server:
        provider = open_served_texts(
            f"{server.url}{path}",
            decode=lambda x: [words[int(i)] for i in x[:, 0]],
            probes=torch.arange(3.0)[:, None],
        )
        got = provider.predict(torch.arange(3.0)[:, None])
    assert got[:, 1].tolist() == pytest.approx([0.25, 0.0, 0.5])


def test_files_have_no_range(tmp_path: Path) -> None:
    text = f'{LABELS}[served]\nform = "png"\n'
    with pytest.raises(ConfigError, match="sent as files .* Leave these out"):
        open_provider("mlflow+http://127.0.0.1:9/x", sidecar=sidecar(tmp_path, text))
