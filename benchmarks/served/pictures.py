"""The same fronts of pictures from an ONNX file and from four serving programs that serve this very file.

The shipped classifier of 64 x 64 faces is served by MLServer and KServe (Open Inference Protocol, as JSON and as bytes), by
``mlflow models serve`` (its ONNX flavour) and by BentoML (a JSON template; PNG files in base64), each from an environment of its own.
Each face is searched through each of them and in memory. Where pictures go as files they are rounded to 256 steps, so the file in memory
is given rounded pictures too. Printed, a line a server: how many fronts equal those of the file in memory, the
largest difference of a score, and requests and inputs by our ledger beside the inputs that the server itself counted.

    uv run python benchmarks/served/pictures.py [--faces 3] [--evaluations 200] [--env FOLDER] [--only KServe,BentoML]
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from servers import PACKAGES, environment, free_port, running

import cfsearch
from cfsearch.datasets import faces
from cfsearch.providers.opening import open_provider
from cfsearch.providers.served.contact import ledger_of

SERVING: Final = {
    "servers": (*PACKAGES, "onnx", "onnxruntime"),
    "kserve": ("kserve==0.21.0", "onnxruntime"),
    "bentoml": ("bentoml==1.4.40", "onnxruntime", "pillow"),
}
"""Packages by the environment that holds them."""
_INPUT: Final = '[input]\nsize = [64, 64]\nrange = "0..1"\nlayout = "nchw"\n'
_HEAD: Final = 'labels = ["not Male", "Male"]\nscores = "probabilities"\nmax_batch = 32\n'
_COUNTED: Final = """
import numpy as np, onnxruntime
_SESSION = onnxruntime.InferenceSession("model.onnx")

def scored(x):
    with open("inputs.txt", "a") as file:
        file.write(f"{len(x)}\\n")
    return _SESSION.run(["male"], {"image": np.ascontiguousarray(x, dtype=np.float32)})[0]
"""
_MLSERVER: Final = """
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from counted import scored

class Faces(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        x = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("male", scored(x))])
"""
_KSERVE: Final = """
import sys
from kserve import InferOutput, InferResponse, Model, ModelServer
from counted import scored

class Faces(Model):
    def __init__(self):
        super().__init__("faces")
        self.ready = True

    async def get_input_types(self):
        return [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 64, 64]}]

    async def get_output_types(self):
        return [{"name": "male", "datatype": "FP32", "shape": [-1, 1]}]

    def predict(self, payload, headers=None, response_headers=None):
        y = scored(payload.inputs[0].as_numpy())
        out = InferOutput(name="male", shape=list(y.shape), datatype="FP32")
        out.set_data_from_numpy(y, binary_data=bool((payload.parameters or {}).get("binary_data_output")))
        return InferResponse(response_id=payload.id or "0", model_name="faces", infer_outputs=[out])

ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1).start([Faces()])
"""
_BENTOML: Final = """
import base64, io
import bentoml, numpy as np
from PIL import Image
from counted import scored

@bentoml.service
class Faces:
    @bentoml.api
    def score(self, pictures: list[str]) -> list[list[float]]:
        read = [Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB") for one in pictures]
        x = np.stack([np.asarray(one) for one in read]).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        return scored(x).tolist()
"""


@dataclass(frozen=True, slots=True)
class Served:
    """How one serving program is started.

    Args:
        command: that starts it in its folder.
        ready: an address that answers when it is ready.
        spec: of the model, for us.
        sidecar: what its answers and its pictures are.
    """

    command: list[str]
    ready: str
    spec: str
    sidecar: str


def mlserver(env: Path, folder: Path) -> Served:
    """MLServer with a runtime of our own around the file."""
    http = free_port()
    ports = {"http_port": http, "grpc_port": free_port(), "metrics_port": free_port(), "parallel_workers": 0}
    (folder / "settings.json").write_text(json.dumps(ports))
    (folder / "faces_runtime.py").write_text(_MLSERVER)
    model = {
        "name": "faces",
        "implementation": "faces_runtime.Faces",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 3, 64, 64]}],
        "outputs": [{"name": "male", "datatype": "FP32", "shape": [-1, 1]}],
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    url = f"http://127.0.0.1:{http}/v2/models/faces"
    return Served([str(env / "bin" / "mlserver"), "start", "."], f"{url}/ready", url, _HEAD + _INPUT)


def mlflow(env: Path, folder: Path) -> Served:
    """``mlflow models serve`` of the file itself; it counts nothing."""
    import subprocess

    port = free_port()
    script = (
        "import mlflow.onnx, onnx\n"
        "mlflow.onnx.save_model(onnx.load('model.onnx'), 'model', pip_requirements=[])\n"
    )
    subprocess.run([str(env / "bin" / "python"), "-c", script], cwd=folder, check=True, capture_output=True)
    command = [str(env / "bin" / "mlflow"), "models", "serve", "-m", "model", "--env-manager", "local"]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    url = f"http://127.0.0.1:{port}"
    return Served(command, f"{url}/ping", f"{url}/invocations", _HEAD + _INPUT)


def kserve(env: Path, folder: Path, *, binary: bool) -> Served:
    """KServe's server of Python models."""
    port = free_port()
    (folder / "serve.py").write_text(_KSERVE)
    url = f"http://127.0.0.1:{port}/v2/models/faces"
    sidecar = _HEAD + _INPUT + f"[served]\nbinary = {str(binary).lower()}\n"
    return Served([str(env / "bin" / "python"), "serve.py", str(port)], url, url, sidecar)


def bentoml(env: Path, folder: Path) -> Served:
    """BentoML, which decodes PNG files itself."""
    port = free_port()
    (folder / "service.py").write_text(_BENTOML)
    command = [str(env / "bin" / "bentoml"), "serve", "service:Faces", "--port", str(port)]
    served = 'protocol = "template"\nform = "png"\ntemplate = \'{"pictures": "$inputs"}\'\npointer = ""\n'
    sidecar = f"{_HEAD}[input]\nsize = [64, 64]\n[served]\n{served}"
    url = f"http://127.0.0.1:{port}"
    return Served([*command, "--host", "127.0.0.1"], f"{url}/readyz", f"{url}/score", sidecar)


PROGRAMS: Final[dict[str, tuple[str, Callable[[Path, Path], Served], bool]]] = {
    "MLServer": ("servers", mlserver, False),
    "mlflow": ("servers", mlflow, False),
    "KServe": ("kserve", lambda env, folder: kserve(env, folder, binary=False), False),
    "KServe, bytes": ("kserve", lambda env, folder: kserve(env, folder, binary=True), False),
    "BentoML, PNG": ("bentoml", bentoml, True),
}
"""By name: environment, how it is prepared, whether pictures go as files."""


def rounded(path: Path, folder: Path) -> str:
    """The file in memory as a function that is given pictures of 256 steps, as a server that decodes files is."""
    (folder / "rounded_faces.py").write_text(
        "import numpy as np, onnxruntime\n"
        f"S = onnxruntime.InferenceSession({str(path)!r})\n"
        "def predict(x):\n"
        "    y = S.run(['male'], {'image': np.asarray(x).astype(np.float32) / np.float32(255)})[0]\n"
        "    return np.concatenate([1 - y, y], 1)\n"
    )
    (folder / "rounded.toml").write_text(
        f'{_HEAD}[input]\nsize = [64, 64]\ndtype = "uint8"\nlayout = "nchw"\n'
    )
    sys.path.insert(0, str(folder))
    return "rounded_faces:predict"


@contextmanager
def started(served: Served, env: Path, folder: Path) -> Iterator[None]:
    """The program, for the time of a block."""
    path = f"{env / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {"PATH": path, "PYTHONPATH": str(folder), "BENTOML_DO_NOT_TRACK": "True"}
    with running(served.command, ready=served.ready, folder=folder, **variables):
        yield


def main() -> int:
    """Start the programs, search, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--generator", default="pixels:grid=4")
    parser.add_argument("--env", type=Path, help="a folder for the environments, kept")
    parser.add_argument("--only", default="", help="programs, with commas")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    wanted = [name for name in PROGRAMS if not chosen.only or name.split(",")[0] in chosen.only.split(",")]
    off = 0
    with tempfile.TemporaryDirectory() as held, as_file(files("cfsearch.models")) as models:
        top = Path(held)
        images, path = top / "faces", models / "gender_natural.onnx"
        images.mkdir()
        for i, pixels in enumerate(faces.faces(chosen.faces, seed=99).images):
            Image.fromarray(np.asarray(pixels).transpose(1, 2, 0)).save(images / f"{i}.png")

        def fronts(model: Any, sidecar: Path | None = None) -> list[Any]:
            more: dict[str, Any] = {} if sidecar is None else {"sidecar": sidecar}
            found = cfsearch.search(
                model,
                images,
                generator=chosen.generator,
                evaluations=chosen.evaluations,
                population=40,
                seed=0,
                **more,
            )
            return list(found)

        base: dict[bool, list[Any]] = {False: fronts(path)}
        print(
            f"in memory: {len(base[False])} fronts, {sum(len(f.z) for f in base[False])} members", flush=True
        )
        for name in wanted:
            home, prepare, as_files = PROGRAMS[name]
            env = environment((chosen.env or top).absolute() / home, SERVING[home])
            folder = top / name.replace(", ", "_")
            folder.mkdir()
            shutil.copy(path, folder / "model.onnx")
            (folder / "counted.py").write_text(_COUNTED)
            served = prepare(env, folder)
            (folder / "served.toml").write_text(served.sidecar)
            if as_files and True not in base:
                base[True] = fronts(rounded(path, top), top / "rounded.toml")
            with started(served, env, folder):
                provider = open_provider(served.spec, sidecar=folder / "served.toml")
                found = fronts(provider)
            off += compared(name, base[as_files], found, ledger_of(provider), folder / "inputs.txt")
    return int(off > 0)


def compared(name: str, base: list[Any], found: list[Any], ledger: Any, counted: Path) -> int:
    """Print the line of a program; how many of its fronts are others."""
    pairs = list(zip(base, found, strict=True))
    same: int = sum(a.z.shape == b.z.shape and bool(torch.equal(a.z, b.z)) for a, b in pairs)
    gap = max(
        (float((a.scores - b.scores).abs().max()) for a, b in pairs if a.scores.shape == b.scores.shape),
        default=float("nan"),
    )
    own = sum(map(int, counted.read_text().split())) if counted.exists() else None
    print(
        f"{name}: {same} of {len(base)} fronts equal those in memory; largest difference of a score {gap:.2g}; "
        f"{ledger.requests} requests with {ledger.inputs} inputs"
        + ("" if own is None else f", {own} counted by the server"),
        flush=True,
    )
    return len(base) - same


if __name__ == "__main__":
    sys.exit(main())
