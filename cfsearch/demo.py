"""The main job on what the package carries: two classifiers of "Male", one blind spot apart.

Both networks have the architecture of Barredo-Arrieta and Del Ser 2020; one was trained on
faces with the natural skew of hair colour, the other on the same faces without blond women
(their experiment 2). The faces are drawn by ``cfsearch.datasets.faces``, so that every
counterfactual can be drawn again as it should look, and every effect has a known true value.
"""

import io
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from cfsearch.assembly.provenance import model_entry, versions
from cfsearch.assembly.search import Assembly, assemble
from cfsearch.audits.correction import GeneratorError
from cfsearch.audits.document import audit_document
from cfsearch.audits.effects import estimate_effects
from cfsearch.audits.figures import Figures
from cfsearch.audits.genuineness_check import measured_error
from cfsearch.audits.measured import EFFECTS, Measured, save_effects
from cfsearch.audits.run import Audit, AuditProgress
from cfsearch.audits.verdict import PRACTICAL
from cfsearch.config import Config
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import UNTARGETED, flipped
from cfsearch.contracts.scores import log_odds, verdict_scores
from cfsearch.datasets import faces
from cfsearch.errors import ConfigError, RunError
from cfsearch.files import dump_json, write_atomically
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import wilson
from cfsearch.places import is_folder
from cfsearch.report.page import ReportInstance, build_page
from cfsearch.runs.checksums import seal
from cfsearch.runs.directory import InstanceRow, RunDirectory, now
from cfsearch.runs.reservation import check_own_files

MODELS: Final = {
    "natural": "gender_natural.onnx",
    "without-blond-women": "gender_without_blond_women.onnx",
}
TITLES: Final = {
    "natural": "Trained on all faces",
    "without-blond-women": "Trained without blond women",
}
GENERATOR: Final = "faces64"
FROZEN: Final = ("Male",)
_SEED: Final = 2020
_GENUINENESS: Final = (
    "How far each flip stands clear of the generator's own error (genuineness) is not estimated on this page: that needs an "
    "audit of 20 images or more, best of 100 with labels (this page searches {count} faces). Here it is known instead: every "
    "face was drawn again with the same change, and “genuine” says what the classifier made of that true picture."
)
_PYTHON: Final = """\
from pathlib import Path

from cfsearch.demo import run_demo

document = run_demo(Path("again"), count={count}, evaluations={evaluations}, seed={seed})
"""


def _png(pixels: UInt8[np.ndarray, "3 s s"]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(content, format="PNG")
    return content.getvalue()


@final
class Demo:
    """Searches fronts on rendered faces for both classifiers and writes one page.

    Args:
        directory: where everything goes; an interrupted demo goes on there.
        count: how many faces, half of them men.
        evaluations: candidates a face and model.
        seed: seed of the searches; as many faces are always the same ones.
        effect_faces: further faces on which effects are measured.
        watch: called with progress, with the name of the model that is searched.
    """

    def __init__(
        self,
        directory: Path,
        *,
        count: int = 12,
        evaluations: int = 3000,
        seed: int = 7,
        effect_faces: int = 100,
        command: str = "cfsearch demo",
        watch: Callable[[str, AuditProgress], None] | None = None,
    ) -> None:
        if not 2 <= count <= 200:
            raise ConfigError(f"demo: the number of faces must lie in 2 to 200, got {count}.")
        self._directory, self._count, self._evaluations, self._seed = directory, count, evaluations, seed
        self._effect_faces, self._command, self._watch = effect_faces, command, watch

    @property
    def page(self) -> Path:
        """Where the page is written."""
        return self._directory / "report.html"

    def run(self) -> dict[str, Any]:
        """Search what is left, write the page, and return the audit document."""
        check_own_files(self._directory)
        shown = demo_faces(self._count)
        self._write_faces(shown)
        assemblies: dict[str, Assembly] = {}
        rows: dict[str, list[InstanceRow]] = {}
        started = now()
        for model, file in MODELS.items():
            with as_file(files("cfsearch.models").joinpath(file)) as path:
                config = self._config(path)
                Audit(
                    config,
                    directory=self._directory / model,
                    title=f"Demo: {TITLES[model]}",
                    command=self._command,
                    effects=False,
                    watch=self._watcher(model),
                ).run()
                assemblies[model] = assemble(config)
            with RunDirectory.read(self._directory / model) as run:
                rows[model] = list(run.rows())
        document, instances = self._document(shown, assemblies, rows, started)
        write_atomically(self._directory / "audit.json", dump_json(document), follow=False)
        write_atomically(self.page, build_page(document, instances), follow=False)
        seal(self._directory, inside=MODELS)
        return document

    def _config(self, model: Path) -> Config:
        return Config.check(
            {
                "model": {"path": str(model)},
                "generator": {"source": GENERATOR},
                "data": {"images": str(self._directory / "faces")},
                "search": {
                    "solver": "smpso",
                    "objectives": ["adversarial", "plausibility", "intensity"],
                    "evaluations": self._evaluations,
                    "population": 60,
                    "capacity": 60,
                    "seed": self._seed,
                    "immutable": list(FROZEN),
                },
            }
        )

    def _watcher(self, model: str) -> Callable[[AuditProgress], None] | None:
        watch = self._watch
        return None if watch is None else lambda progress: watch(model, progress)

    def _write_faces(self, shown: faces.FaceSet) -> None:
        folder = self._directory / "faces"
        drawn = {face_name(i): _png(pixels) for i, pixels in enumerate(shown.images)}
        before = sorted(folder.iterdir()) if is_folder(folder) else []
        # looked at before anything is written: what one number of faces adds would spoil the folder for the other
        if any(path.name not in drawn or path.read_bytes() != drawn[path.name] for path in before):
            raise RunError(
                f"demo: {str(folder)!r} holds other faces than the {len(drawn)} of this demo, from one with another "
                "`--faces` perhaps. Give the number from before, or a new directory."
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in drawn.items():
            if not (folder / name).exists():
                write_atomically(folder / name, content)

    def _document(
        self,
        shown: faces.FaceSet,
        assemblies: dict[str, Assembly],
        rows: dict[str, list[InstanceRow]],
        started: str,
    ) -> tuple[dict[str, Any], list[ReportInstance]]:
        further = faces.faces(self._effect_faces, seed=_SEED + 1)
        pairs = switched(further)
        effects, genuine, instances = list[dict[str, Any]](), [], []
        errors: dict[str, GeneratorError] = {}
        for model, assembly in assemblies.items():
            x = torch.from_numpy(further.images).float() / 255.0
            estimated, truths = estimate_effects(assembly, x), true_effects(assembly.model, pairs)
            generator = assembly.search.generator
            if estimated is not None:
                error = measured_error(assembly.model, generator, x)
                kept = Measured(
                    estimated,
                    edit_success=generator.edit_success,
                    truths=truths,
                    edit_strength=generator.edit_strength,
                    error=error,
                )
                save_effects(self._directory / f"{model}.{EFFECTS}", kept)
                effects += kept.rows(model, practical=PRACTICAL)
                errors |= {} if error is None else {model: error}
            counted = [0, 0]
            for row in rows[model]:
                if row.front is None:
                    continue
                index = face_index(row.name)
                again = rerender(row.front, shown[np.array([index])])
                marks = survives(row.front, again, assembly.model)
                picked = row.front.pick("sparsest")
                if picked is not None and not row.front.reconstruction_flips:
                    counted[0] += bool(marks[picked])
                    counted[1] += 1
                instances.append(
                    ReportInstance(
                        key=f"{model}/{row.name}",
                        model=model,
                        front=row.front,
                        genuine=tuple(marks),
                        rerenders=again,
                    )
                )
            rate = wilson(counted[0], counted[1])
            genuine.append(
                {
                    "model": model,
                    "count": counted[0],
                    "n": counted[1],
                    "rate": None if rate is None else rate.to_dict(),
                }
            )
        models = [
            model_entry(model, assembly) | {"name": TITLES[model]} for model, assembly in assemblies.items()
        ]
        hashes = {
            f"{what} ({model})": digest
            for model, assembly in assemblies.items()
            for what, digest in assembly.hashes.items()
        }
        document = audit_document(
            run_id="demo",
            title="Two classifiers of “Male”: what would change their mind?",
            created=started,
            finished=now(),
            command=self._command,
            assemblies=assemblies,
            models=models,
            figures={model: Figures.of(model, part) for model, part in rows.items()},
            effects=effects,
            errors=errors,
            versions=versions(),
            hashes=hashes,
            genuine=genuine,
            python=_PYTHON.format(count=self._count, evaluations=self._evaluations, seed=self._seed),
        )
        document["warnings"].insert(0, _GENUINENESS.format(count=self._count))
        return document, instances


def run_demo(
    directory: Path,
    *,
    count: int = 12,
    evaluations: int = 3000,
    seed: int = 7,
    command: str = "cfsearch demo",
    watch: Callable[[str, AuditProgress], None] | None = None,
) -> dict[str, Any]:
    """``Demo(...).run()``: the audit document of both classifiers; the page is in ``directory``."""
    return Demo(
        directory, count=count, evaluations=evaluations, seed=seed, command=command, watch=watch
    ).run()


def demo_faces(count: int) -> faces.FaceSet:
    """The faces of the demo: half men, half women, the first ones of a natural sample."""
    drawn = faces.faces(20 * count, seed=_SEED)
    male = drawn.attributes[:, faces.ATTRIBUTES.index("Male")] > 0.5
    women = np.flatnonzero(~male)[: count - count // 2]
    men = np.flatnonzero(male)[: count // 2]
    order = np.empty(len(women) + len(men), dtype=np.int64)
    order[0::2], order[1::2] = women, men
    return drawn[order]


def face_name(i: int) -> str:
    """File name of the demo's face ``i``."""
    return f"face-{i + 1:02d}.png"


def face_index(name: str) -> int:
    """Which face a file name means."""
    return int(name.removeprefix("face-").removesuffix(".png")) - 1


def rerender(front: ParetoFront, face: faces.FaceSet) -> UInt8[Tensor, "n 3 s s"]:
    """The same face, drawn with the attributes that each member of a front asks for.

    A changed attribute is drawn at the strength the counterfactual gives it, held to [0, 1];
    an unchanged one as it truly is. Everything else, noise included, is the same.
    """
    n = len(front)
    size = face.images.shape[-1]
    if n == 0:
        return torch.zeros(0, 3, size, size, dtype=torch.uint8)
    wanted = np.repeat(face.attributes, n, axis=0)
    values = (front.origin_values + front.z).clamp(0.0, 1.0).numpy()
    changed = front.changed.numpy()
    for j, name in enumerate(front.variables):
        at = faces.ATTRIBUTES.index(name)
        wanted[:, at] = np.where(changed[:, j], values[:, j], wanted[:, at])
    nuisances = face.nuisances[np.zeros(n, dtype=np.int64)]
    return torch.from_numpy(faces.quantise(faces.render(wanted.astype(np.float32), nuisances, size=size)))


def survives(front: ParetoFront, again: UInt8[Tensor, "n 3 s s"], model: Provider) -> list[bool | None]:
    """Whether each verified member's flip also happens on the true re-render; None if unverified."""
    if len(front) == 0:
        return []
    with torch.no_grad():
        scores = verdict_scores(model.predict(again.float() / 255.0), model)
    n = len(front)
    hit = flipped(
        scores,
        source=torch.full((n,), front.source),
        target=torch.full((n,), UNTARGETED if front.target is None else front.target),
    )
    return [bool(h) if v else None for h, v in zip(hit, front.verified, strict=True)]


Pairs = dict[str, tuple[UInt8[Tensor, "n 3 s s"], UInt8[Tensor, "n 3 s s"]]]


def switched(data: faces.FaceSet) -> Pairs:
    """The same faces drawn with each attribute on and off, all else held fixed, noise included."""
    size = data.images.shape[-1]

    def drawn(name: str, value: float) -> Tensor:
        attributes = faces.do(data.attributes, name=name, value=value)
        return torch.from_numpy(faces.quantise(faces.render(attributes, data.nuisances, size=size)))

    return {name: (drawn(name, 1.0), drawn(name, 0.0)) for name in faces.ATTRIBUTES}


def true_effects(model: Provider, pairs: Pairs) -> dict[str, Float[Tensor, " n"]]:
    """Interventional effect of each attribute on the log-odds of the last class.

    Shapes:
        each value ``(n,)``, logits: on less off, pair by pair.
    """

    def odds(images: Tensor) -> Tensor:
        with torch.no_grad():
            scores = verdict_scores(model.predict(images.float() / 255.0), model)
        return log_odds(scores[None], index=torch.tensor([len(model.labels) - 1]))[0]

    return {name: odds(on) - odds(off) for name, (on, off) in pairs.items()}
