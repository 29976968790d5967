"""The first paper on real faces, whole: one command that runs every measurement and goes on where it stood.

    python benchmarks/papers/faces.py GENERATOR --data DIR [--lanes 2] [--quick]

GENERATOR is what ``benchmarks/quality/train_celeba_generator.py`` made. In two lanes of one thread
each, every step with a log and a JSON beside it:

1. judges and audited classifiers, where they are missing (``celeba_judges.py``,
   ``train_celeba_classifiers.py``);
2. ``measure_celeba_generator.py``: edit success, others kept, identity, Frechet distance; the card;
3. the paper's two experiments and a third model as audits (``celeba_experiments.py``);
4. the paper's comparison of solvers (``celeba_solvers.py``);
5. the measures of visual counterfactuals (``visual.py``).

Results go into a folder that git ignores, named by the generator's weights. A step that is done is
not done again; one that was stopped goes on from its last image or run. ``--quick`` is a trial of a
few minutes with tiny sizes.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))
from celeba_photographs import FOLDER
from celeba_trial import ROOT, require_ignored

from cfsearch.generators.attgan.generator import AttGAN

QUALITY: Final = ROOT / "benchmarks" / "quality"
PAPERS: Final = ROOT / "benchmarks" / "papers"


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One command; ``after`` names steps that must be done before."""

    name: str
    script: Path
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    passing: tuple[int, ...] = (0,)


@final
@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is done."""

    measured: int
    faces: int
    evaluations: int
    third: int
    solver_evaluations: int
    runs: int
    images: int
    solvers: tuple[str, ...]


NINE: Final = (
    *(
        "nsga2",
        "gde3",
        "smpso",
        "agemoea2",
        "spea2",
        "pymoo:sms.SMSEMOA",
        "nsga3",
        "pymoo:moead.ParallelMOEAD",
    ),
    "random",
)
WHOLE: Final = Sizes(1000, 200, 800, 200, 1500, 10, 5, NINE)
QUICK: Final = Sizes(50, 8, 100, 40, 200, 2, 2, NINE[:3])


def steps(generator: Path, data: Path, *, sizes: Sizes, out: Path) -> list[Step]:
    """Everything, in an order that two lanes can take from."""
    common = (str(generator), "--data", str(data))
    experiments = (
        *common,
        *("--faces", str(sizes.faces), "--evaluations", str(sizes.evaluations)),
        *("--third-evaluations", str(sizes.third), "--out", str(out / "runs")),
    )
    visual = (
        *common,
        *("--faces", str(sizes.faces), "--evaluations", str(sizes.third), "--out", str(out / "runs")),
    )
    script = QUALITY / "celeba_experiments.py"
    trained = ("classifiers",)
    return [
        Step("judges", QUALITY / "celeba_judges.py", ("--data", str(data))),
        Step("classifiers", QUALITY / "train_celeba_classifiers.py", ("--data", str(data))),
        Step(
            "measure",
            QUALITY / "measure_celeba_generator.py",
            (
                *common,
                "--faces",
                str(sizes.measured),
                "--json",
                str(out / "measure.json"),
                "--sheet",
                str(out / "sheet.png"),
            ),
            after=("judges",),
            passing=(0, 1),  # 1: a target was missed, which is a result
        ),
        Step("first", script, (*experiments, "--only", "gender_all"), after=trained),
        Step("second", script, (*experiments, "--only", "gender_without_blond_women"), after=trained),
        Step("third", script, (*experiments, "--only", "smiling_resnet18"), after=trained),
        Step(
            "solvers",
            QUALITY / "celeba_solvers.py",
            (
                *common,
                *("--evaluations", str(sizes.solver_evaluations), "--runs", str(sizes.runs)),
                *("--images", str(sizes.images), "--out", str(out / "solvers"), "--solvers", *sizes.solvers),
                *("--json", str(out / "solvers.json")),
            ),
            after=trained,
        ),
        Step("young", PAPERS / "visual.py", (*visual, "--only", "Young"), after=(*trained, "judges")),
        Step(
            "experiments",
            script,
            (*experiments, "--json", str(out / "experiments.json")),
            after=("first", "second", "third"),
        ),
        Step(
            "visual",
            PAPERS / "visual.py",
            (*visual, "--json", str(out / "visual.json")),
            after=("young", "third", "judges"),
        ),
    ]


@final
class Runner:
    """Takes steps from a list, in lanes; what failed stops what comes after it and nothing else."""

    def __init__(self, todo: list[Step], out: Path) -> None:
        self._todo, self._out = todo, out
        self._state = {step.name: "waits" for step in todo}
        self._turn = threading.Condition()
        self._began = time.monotonic()

    def run(self, *, lanes: int) -> dict[str, str]:
        """The state of each step in the end: done, failed or left out."""
        threads = [threading.Thread(target=self._lane) for _ in range(lanes)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._state

    def _next(self) -> Step | None:
        """A step whose turn it is; waits for one, None when there will be none."""
        with self._turn:
            while True:
                for step in self._todo:
                    if self._state[step.name] != "waits":
                        continue
                    before = [self._state[name] for name in step.after]
                    if "failed" in before or "left out" in before:
                        self._state[step.name] = "left out"
                        self._turn.notify_all()
                    elif all(state == "done" for state in before):
                        self._state[step.name] = "runs"
                        return step
                if "waits" not in self._state.values():
                    return None
                self._turn.wait()

    def _lane(self) -> None:
        while (step := self._next()) is not None:
            outcome = "failed"
            try:
                outcome = self._do(step)
            finally:
                with self._turn:
                    self._state[step.name] = outcome
                    self._turn.notify_all()

    def _do(self, step: Step) -> str:
        words = [sys.executable, str(step.script), *step.words]
        mark, log = self._out / f"{step.name}.done", self._out / f"{step.name}.log"
        text = json.dumps(words[1:])
        if mark.is_file() and mark.read_text(encoding="utf-8") == text:
            self._say(step.name, "was done before")
            return "done"
        self._say(step.name, "begins")
        with log.open("w", encoding="utf-8") as stream:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
            code = subprocess.run(
                words, stdout=stream, stderr=subprocess.STDOUT, env=environment, cwd=ROOT, check=False
            ).returncode
        if code not in step.passing:
            self._say(step.name, f"failed ({code}), see {log}")
            return "failed"
        mark.write_text(text, encoding="utf-8")
        self._say(step.name, "is done")
        return "done"

    def _say(self, name: str, what: str) -> None:
        # one write a line, as lanes speak at the same time
        print(f"{(time.monotonic() - self._began) / 60:6.1f} min  {name} {what}\n", end="", flush=True)


def main() -> int:
    """Run all steps, print their logs' tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("generator", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder with images-*.zip, attributes.csv")
    parser.add_argument("--lanes", type=int, default=2, help="processes of one thread at a time")
    parser.add_argument("--quick", action="store_true", help="a trial with tiny sizes")
    parser.add_argument("--out", type=Path, default=FOLDER / "results")
    options = parser.parse_args()
    require_ignored(options.out)
    mark = AttGAN.open(options.generator, settings={}).fingerprint[:8]
    out = options.out.resolve() / (f"{mark}-quick" if options.quick else mark)
    out.mkdir(parents=True, exist_ok=True)
    sizes = QUICK if options.quick else WHOLE
    todo = steps(options.generator.resolve(), options.data.resolve(), sizes=sizes, out=out)
    states = Runner(todo, out).run(lanes=options.lanes)
    for name in ("measure", "solvers", "experiments", "visual"):
        log = out / f"{name}.log"
        if states[name] == "done" and log.is_file():
            print(f"\n=== {name}\n{log.read_text(encoding='utf-8')}")
    print(f"\nlogs and JSON: {out}")
    return int(any(state != "done" for state in states.values()))


if __name__ == "__main__":
    raise SystemExit(main())
