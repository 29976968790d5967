"""The same fronts from an estimator in memory, from MLServer and from ``mlflow models serve``.

A forest on a table of mixed columns is saved in the form that each of two serving programs of the registry loads; both
are started from an environment of their own, and each row is searched through each of them and through the estimator
in memory. Printed are, for each server, how many fronts equal the estimator's and the largest difference of a score.

    uv run python benchmarks/served/servers.py [--rows 6] [--evaluations 300] [--env FOLDER]
"""

import argparse
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import torch
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

import cfsearch

PACKAGES = (
    "mlserver==1.7.1",
    "mlserver-sklearn==1.7.1",
    "mlflow==3.17.2",
    "pandas",
    f"scikit-learn=={__import__('sklearn').__version__}",
)


def applicants(n: int, seed: int) -> pd.DataFrame:
    """Rows with numbers, whole numbers, truth values and words, and whether each was granted."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": rng.lognormal(10, 0.5, n).round(2),
            "months": rng.integers(6, 72, n),
            "member": rng.random(n) < 0.5,
            "purpose": rng.choice(["car", "home", "study"], n),
        }
    )
    score = frame.income / 30_000 - frame.months / 40 + frame.member * 0.7 + (frame.purpose == "home") * 0.5
    frame["granted"] = np.where(score + rng.normal(0, 0.3, n) > 0.3, "yes", "no")
    return frame


def trained(frame: pd.DataFrame) -> Pipeline:
    """A forest behind a one-hot encoder."""
    words = ColumnTransformer([("words", OneHotEncoder(), ["purpose"])], remainder="passthrough")
    forest = RandomForestClassifier(n_estimators=40, min_samples_leaf=5, random_state=0, n_jobs=1)
    return Pipeline([("columns", words), ("forest", forest)]).fit(
        frame.drop(columns="granted"), frame.granted
    )


def environment(folder: Path, packages: tuple[str, ...] = PACKAGES) -> Path:
    """An environment with serving programs, made where it is not there.

    Args:
        folder: where.
        packages: what is installed.
    """
    done = folder / "installed.txt"
    if not done.exists() or not set(packages) <= set(done.read_text().splitlines()):
        subprocess.run(["uv", "venv", "--quiet", "--clear", "--python", "3.11", str(folder)], check=True)
        subprocess.run(
            ["uv", "pip", "install", "--quiet", *packages],
            check=True,
            env={**os.environ, "VIRTUAL_ENV": str(folder)},
        )
        done.write_text("\n".join(packages))
    return folder


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], *, ready: str, folder: Path, **variables: str) -> Iterator[None]:
    """A server for the time of a block; ready when an address answers."""
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(
        command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **variables}
    )
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(ready, timeout=2):
                    break
            except OSError:
                if process.poll() is not None:
                    raise SystemExit((folder / "server.log").read_text()[-3000:]) from None
                time.sleep(0.5)  # between looks at a server that starts
        yield
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def mlserver(env: Path, folder: Path) -> tuple[list[str], str, str]:
    """The command, the address to wait for and the model's address."""
    http = free_port()
    (folder / "settings.json").write_text(
        json.dumps(
            {"http_port": http, "grpc_port": free_port(), "metrics_port": free_port(), "parallel_workers": 0}
        )
    )
    model = {
        "name": "loans",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v1"},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    url = f"http://127.0.0.1:{http}/v2/models/loans"
    return [str(env / "bin" / "mlserver"), "start", "."], f"{url}/ready", url


def mlflow(env: Path, folder: Path) -> tuple[list[str], str, str]:
    """The same of ``mlflow models serve``; its model answers probabilities (``pyfunc_predict_fn``)."""
    port = free_port()
    script = (
        "import joblib, mlflow.sklearn, sys\n"
        "mlflow.sklearn.save_model(joblib.load('model.joblib'), 'model', pyfunc_predict_fn='predict_proba',"
        " serialization_format='cloudpickle', pip_requirements=[])\n"
    )
    subprocess.run([str(env / "bin" / "python"), "-c", script], cwd=folder, check=True, capture_output=True)
    command = [str(env / "bin" / "mlflow"), "models", "serve", "-m", "model", "--env-manager", "local"]
    return (
        [*command, "-h", "127.0.0.1", "-p", str(port)],
        f"http://127.0.0.1:{port}/ping",
        f"http://127.0.0.1:{port}/invocations",
    )


def fronts(model: object, table: Path, arguments: argparse.Namespace, **more: Any) -> list[Any]:
    """One front a row, by the public function."""
    return list(
        cfsearch.search(
            model,
            table,
            evaluations=arguments.evaluations,
            population=40,
            seed=0,
            limit=arguments.rows,
            **more,
        )
    )


def main() -> None:
    """Start the servers, search, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--env", type=Path, help="an environment with the servers, kept")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        env = environment((arguments.env or folder / "env").absolute())
        data = applicants(1500, seed=1)
        model = trained(data)
        table = folder / "applicants.csv"
        data.drop(columns="granted").to_csv(table, index=False)
        joblib.dump(model, folder / "model.joblib")
        labels = 'labels = ["no", "yes"]\nscores = "probabilities"\n'
        (folder / "served.toml").write_text(labels)
        base = fronts(model, table, arguments)
        print(f"in memory: {len(base)} fronts, {sum(len(f.z) for f in base)} members", flush=True)
        for name, prepare in (("MLServer", mlserver), ("mlflow models serve", mlflow)):
            command, ready, url = prepare(env, folder)
            path = f"{env / 'bin'}{os.pathsep}{os.environ['PATH']}"
            with running(command, ready=ready, folder=folder, PATH=path):
                found = fronts(url, table, arguments, sidecar=folder / "served.toml")
            same = sum(
                a.z.shape == b.z.shape and bool(torch.equal(a.z, b.z))
                for a, b in zip(base, found, strict=True)
            )
            gap = max(
                float((a.scores - b.scores).abs().max())
                for a, b in zip(base, found, strict=True)
                if a.scores.shape == b.scores.shape
            )
            print(
                f"{name}: {same} of {len(base)} fronts equal those in memory; largest difference of a score {gap:.2g}",
                flush=True,
            )


if __name__ == "__main__":
    main()
