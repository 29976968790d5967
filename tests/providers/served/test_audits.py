"""Audits of served models: the same fronts as of the function itself, and what happens when the server goes."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cfsearch.audits.run import Audit
from cfsearch.cli import main
from cfsearch.config import Config
from cfsearch.errors import ProviderError
from cfsearch.runs.directory import RunDirectory
from cfsearch.testing.loopback import Loopback, Reply, Seen, json_reply, serving

SIDECAR = 'labels = ["dark", "bright"]\nscores = "logits"\n[input]\nsize = [12, 12]\nrange = "0..1"\nlayout = "nchw"\n'


def logits(x: np.ndarray) -> list[list[float]]:
    return [[0.0, float(20.0 * (v - 0.5))] for v in x.reshape(len(x), -1).mean(axis=1)]


def answered(seen: Seen) -> Reply:
    return json_reply({"predictions": logits(np.asarray(seen.json["inputs"], dtype=np.float32))})


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, level in enumerate((60, 90, 100)):
        noise = np.random.default_rng(i).integers(0, 20, (12, 12, 3))
        Image.fromarray((level + noise).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


def config(server: Loopback, photos: Path, sidecar: str = SIDECAR) -> Config:
    path = photos.parent / "model.toml"
    path.write_text(sidecar, encoding="utf-8")
    model = {"path": f"mlflow+{server.url}", "sidecar": str(path)}
    settings = {"evaluations": 80, "population": 20, "seed": 3}
    return Config.check(
        {"model": model, "data": {"images": str(photos)}, "search": settings, "run": {"batch_size": 1}},
        where="test",
    )


def fronts(folder: Path) -> list[Any]:
    with RunDirectory.read(folder) as run:
        return [(row.name, row.status, row.front.z.tolist()) for row in run.rows() if row.front is not None]


def test_a_run_goes_on_when_the_server_is_back_and_repeats_no_query(photos: Path, tmp_path: Path) -> None:
    alive = threading.Event()
    alive.set()
    left = [10**9]
    inputs: list[bytes] = []
    lock = threading.Lock()

    def answer(seen: Seen) -> Reply:
        with lock:
            left[0] -= 1
            if left[0] < 0:
                return Reply(503, b"shutting down")
            inputs.extend(np.asarray(row, dtype=np.float32).tobytes() for row in seen.json["inputs"])
        return answered(seen)

    slow = SIDECAR + "[served]\nattempts = 2\n"
    with serving(answer) as server:
        Audit(config(server, photos), directory=tmp_path / "whole").run()
        whole = list(inputs)
        document = json.loads((tmp_path / "whole" / "manifest.json").read_text())
        assert document["served"]["requests"] == len(server.posts)
        assert not (tmp_path / "whole" / "answers.sqlite").exists()

        requests = len(server.posts)
        inputs.clear()
        left[0] = requests // 2
        with pytest.raises(ProviderError) as caught:
            Audit(config(server, photos, slow), directory=tmp_path / "torn").run()
        assert caught.value.code == "server_down"
        assert caught.value.exit_code == 3
        before = list(inputs)
        assert len(before) < len(whole)

        inputs.clear()
        left[0] = 10**9
        Audit(config(server, photos, slow), directory=tmp_path / "torn").run()
    assert fronts(tmp_path / "torn") == fronts(tmp_path / "whole")
    handshake = 4 * 8 + 32 + 8  # asked again at each start: it is how a changed model is noticed
    assert len(before) + len(inputs) <= len(whole) + handshake + 4


def test_a_search_on_the_command_line_equals_that_of_the_function(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_model.py").write_text(
        "import numpy as np\n"
        "def predict(x):\n"
        "    return np.array([[0.0, float(20.0 * (v - 0.5))] for v in x.reshape(len(x), -1).mean(axis=1)])\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "model.toml").write_text(SIDECAR)
    budget = [
        "--evaluations",
        "60",
        "--population",
        "20",
        "--json",
        "--sidecar",
        str(tmp_path / "model.toml"),
    ]
    with serving(answered) as server:
        served = CliRunner().invoke(
            main,
            ["search", str(photos / "0.png"), "--model", server.url, "--protocol", "mlflow", *budget],
        )
    local = CliRunner().invoke(
        main, ["search", str(photos / "0.png"), "--model", "own_model:predict", *budget]
    )
    assert served.exit_code == local.exit_code == 0, served.output + local.output
    one, two = (json.loads(result.stdout)["fronts"][0] for result in (served, local))
    assert one["members"] == two["members"] and one["members"]


def test_a_secret_stands_nowhere(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CF_TOKEN", "tok-very-secret-1234")
    (tmp_path / "model.toml").write_text(
        SIDECAR + '[served]\nheaders = {Authorization = "Bearer env:CF_TOKEN"}\n'
    )
    out = tmp_path / "run"
    with serving(answered) as server:
        arguments = ["audit", "--images", str(photos), "--model", server.url, "--protocol", "mlflow"]
        arguments += ["--sidecar", str(tmp_path / "model.toml"), "--out", str(out), "-vv"]
        arguments += ["--evaluations", "40", "--population", "20"]
        done = CliRunner().invoke(main, arguments)
        assert done.exit_code == 0, done.output
        assert server.posts[0].headers["authorization"] == "Bearer tok-very-secret-1234"
    assert "very-secret" not in done.output
    for path in out.rglob("*"):
        if path.is_file():
            assert b"very-secret" not in path.read_bytes(), path


def test_protocol_needs_an_address(photos: Path) -> None:
    done = CliRunner().invoke(
        main, ["search", str(photos / "0.png"), "--model", "m.onnx", "--protocol", "oip"]
    )
    assert done.exit_code == 2
    assert "--protocol: goes with a model behind an address" in done.output


def test_doctor_says_what_a_served_model_takes_and_where_to_declare_it() -> None:
    with serving(answered) as server:
        done = CliRunner().invoke(main, ["doctor", server.url, "--protocol", "mlflow", "--size", "12"])
    assert done.exit_code == 0, done.output
    assert "a TOML given with --sidecar" in done.output
    assert "channels first" in done.output
