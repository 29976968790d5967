"""A finished audit of rendered faces with effects, groups and a page, made once."""

import csv
import shutil
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cfsearch.audits.pages import write_report
from cfsearch.audits.run import Audit
from cfsearch.config import Config
from cfsearch.datasets import faces


def audit_of_faces(folder: Path, *, model: str = "gender_natural", count: int = 24) -> Path:
    """Audit one of the demo's classifiers on rendered faces whose attributes are known.

    Args:
        folder: where pictures and the run stand.
        model: which classifier.
        count: how many faces.
    """
    shown = faces.faces(count, seed=11)
    images = folder / "faces"
    images.mkdir(exist_ok=True)
    table = folder / "attributes.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", *faces.ATTRIBUTES])
        for i, pixels in enumerate(shown.images):
            name = f"face-{i:02d}.png"
            Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(images / name)
            writer.writerow([name, *(int(v > 0.5) for v in shown.attributes[i])])
    with as_file(files("cfsearch.models").joinpath(f"{model}.onnx")) as path:
        config = Config.check(
            {
                "model": {"path": str(path)},
                "generator": {"source": "faces64"},
                "data": {"images": str(images), "attributes": str(table), "by": ["Young", "Male"]},
                "search": {
                    "solver": "random",
                    "objectives": ["adversarial", "intensity"],
                    "evaluations": 40,
                    "population": 20,
                    "genuineness": False,
                },
                "audit": {"protected": ["Blond_Hair"]},
            }
        )
        Audit(config, directory=folder / model).run()
    write_report(folder / model)
    return folder / model


@pytest.fixture(scope="session")
def kept_audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory that no test may change."""
    return audit_of_faces(tmp_path_factory.mktemp("audit"))


@pytest.fixture
def finished(kept_audit: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(kept_audit, tmp_path / "run")
