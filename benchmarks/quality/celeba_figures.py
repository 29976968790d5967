"""The figures of a generator of photographs: as a table, as a card beside its file, and within the file."""

import textwrap
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np

from cfsearch.files import write_atomically
from cfsearch.generators.attgan.files import save_attgan
from cfsearch.generators.attgan.generator import AttGAN

SUCCESS: Final = 0.70
KEPT: Final = 0.90
"""What the project asks of edits at 64 px."""


@final
@dataclass(frozen=True, slots=True)
class Flips:
    """What one attribute's flip does, as shares.

    Args:
        faces: those whose label the judge agreed with.
        success: flips that it confirms; ``on`` and ``off`` for one direction alone.
        kept: decisions on the other attributes that stay as on the photograph.
        kept_reconstruction: that stay as on the reconstruction.
        kept_unknown: of the attributes that the generator does not know, as on the photograph.
        identity: mean cosine between photograph and edit.
        same_person: share above the threshold.
        moved: by how much switching it on changes the share of faces that have each other attribute,
            against the reconstruction; the largest change first.
    """

    faces: int
    success: float
    on: float
    off: float
    kept: float
    kept_reconstruction: float
    kept_unknown: float
    identity: float
    same_person: float
    moved: dict[str, float]

    def dragged(self, most: int = 3) -> str:
        """What is dragged along, in words."""
        return ", ".join(f"{name} {100 * by:+.0f}" for name, by in list(self.moved.items())[:most])


@final
@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; ``interval`` is the bootstrap interval of the mean edit success over faces."""

    generator: str
    attribute_range: tuple[float, float]
    faces: int
    flips: dict[str, Flips]
    interval: tuple[float, float]
    unedited_kept: float
    reconstruction: float
    frechet: dict[str, float]
    identity: dict[str, float]
    estimated: float | None
    judge: dict[str, float]
    seconds: float

    @property
    def success(self) -> float:
        return float(np.mean([f.success for f in self.flips.values()]))

    @property
    def kept(self) -> float:
        return float(np.mean([f.kept for f in self.flips.values()]))

    @property
    def weakest(self) -> str:
        return min(self.flips, key=lambda name: self.flips[name].success)

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "mean_success": self.success, "mean_kept": self.kept}


def table(figures: Figures) -> str:
    """The figures for a terminal."""
    head = f"{'attribute':20s} {'faces':>5s} {'success':>8s} {'on':>7s} {'off':>7s} {'kept':>7s} {'kept/rec':>9s} {'kept 27':>8s} {'cosine':>7s} {'person':>7s}  drags along, points"
    off, on = figures.attribute_range
    lines = [f"{figures.faces} faces of the validation part, attributes set to {off:g} and {on:g}", head]
    lines += [
        f"{name:20s} {f.faces:5d} {f.success:8.1%} {f.on:7.1%} {f.off:7.1%} {f.kept:7.1%} "
        f"{f.kept_reconstruction:9.1%} {f.kept_unknown:8.1%} {f.identity:7.3f} {f.same_person:7.1%}  {f.dragged()}"
        for name, f in figures.flips.items()
    ]
    low, high = figures.interval
    d, i = figures.frechet, figures.identity
    lines += [
        f"mean edit success {figures.success:.1%} ({low:.1%} to {high:.1%}), target {SUCCESS:.0%}; weakest "
        f"{figures.weakest} {figures.flips[figures.weakest].success:.1%}",
        f"others kept {figures.kept:.1%}, target {KEPT:.0%}; on unedited reconstructions {figures.unedited_kept:.1%}",
        f"reconstruction L1 {figures.reconstruction:.4f} on [-1, 1]",
        f"Frechet distance to photographs of the other half: edits {d['edits']:.2f}, reconstructions "
        f"{d['reconstructions']:.2f}, photographs {d['photographs']:.2f}; edits to their own photographs "
        f"{d['edits_to_their_photographs']:.2f}",
        f"identity: cosine of edits {i['edits']:.3f} ({i['edits_same_person']:.1%} one person), of reconstructions "
        f"{i['reconstruction']:.3f} ({i['reconstruction_same_person']:.1%}); of two photographs of one person "
        f"{i['one_person']:.3f}, of two persons {i['two_persons']:.3f}",
        f"judges: attributes right {figures.judge['accuracy_40']:.1%} (the thirteen {figures.judge['accuracy_13']:.1%}); "
        f"persons distinguished with area {figures.judge['auc']:.3f}, equal error {figures.judge['error']:.1%}",
    ]
    if figures.estimated is not None:
        lines.append(f"labels that the generator itself estimates right {figures.estimated:.1%}")
    return "\n".join([*lines, f"{figures.seconds:.0f} s"])


def card(generator: AttGAN, figures: Figures, at_labels: Figures, *, name: str, size_mib: float) -> str:
    """What to know of this file, in Markdown."""
    c, details = generator.config, generator.card
    low, high = figures.interval
    d, i = figures.frechet, figures.identity
    rows = "\n".join(
        f"| {attribute} | {f.success:.1%} | {f.on:.1%} | {f.off:.1%} | {f.kept:.1%} | {f.kept_unknown:.1%} | {f.same_person:.1%} | {f.dragged()} |"
        for attribute, f in figures.flips.items()
    )
    trained = "\n".join(
        f"| {key.replace('_', ' ')} | {value} |"
        for key, value in details.items()
        if key not in ("edit_success", "remark")
    )
    return f"""\
# {name}

AttGAN (He et al. 2019) for aligned photographs of faces, {c.size} px: {c.layers} layers, width {c.width},
shortcut {c.shortcut_layers}, inject {c.inject_layers}. One safetensors file, {size_mib:.1f} MiB, kernels in half precision.

**Terms: non-commercial research only.** It was trained on CelebA-HQ (Karras et al. 2018, from CelebA,
Liu et al. 2015), whose agreement extends to what is derived from it. It is not under the licence of
this project's code. No photograph is in it or beside it.

**What it is not for.** CelebA's labels are what annotators saw in pictures of celebrities; "Male",
"Young" and "Pale_Skin" are no facts about a person. The editor changes what went along with a label
in these photographs, not the attribute alone.

| | |
| --- | --- |
{trained}
| command | `benchmarks/quality/train_celeba_generator.py`, then `benchmarks/quality/measure_celeba_generator.py` |

## Measured

On {figures.faces:,} faces of the official validation part, whose persons training never saw and from which no
figure was taken while settings were chosen; edits start at the labels and set an attribute to
{figures.attribute_range[0]:g} or {figures.attribute_range[1]:g}, as AttGAN's authors do. Judged by a classifier of the forty attributes and an
embedding of persons, both trained on the train part alone, with another architecture and seed than
the critic's: attributes right {figures.judge["accuracy_40"]:.1%} on validation faces (the thirteen {figures.judge["accuracy_13"]:.1%}), persons distinguished
with an area under the curve of {figures.judge["auc"]:.3f} (equal error rate {figures.judge["error"]:.1%}).

| | |
| --- | ---: |
| mean edit success (of faces whose label the judge agreed with) | {figures.success:.1%} ({low:.1%} to {high:.1%}) |
| weakest attribute | {figures.weakest}, {figures.flips[figures.weakest].success:.1%} |
| mean edit success, others kept, where attributes are only set to the labels 0 and 1 | {at_labels.success:.1%}, {at_labels.kept:.1%} |
| other attributes of the thirteen kept, against the photograph | {figures.kept:.1%} |
| all thirteen kept in an unedited reconstruction | {figures.unedited_kept:.1%} |
| reconstruction, L1 on [-1, 1] | {figures.reconstruction:.4f} |
| Frechet distance of edits to photographs of other people, on the judge's features | {d["edits"]:.2f} |
| the same of reconstructions; of photographs (the floor) | {d["reconstructions"]:.2f}; {d["photographs"]:.2f} |
| edits taken for the same person; reconstructions | {i["edits_same_person"]:.1%}; {i["reconstruction_same_person"]:.1%} |
| mean cosine photograph to edit; two photographs of one person; of two persons | {i["edits"]:.3f}; {i["one_person"]:.3f}; {i["two_persons"]:.3f} |

| attribute flipped | success | switched on | switched off | others kept | 27 unknown attributes kept | same person | switched on, it drags along (points) |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |
{rows}
"""


def write_card(
    path: Path, generator: AttGAN, figures: Figures, at_labels: Figures, *, remark: str = ""
) -> None:
    """The card beside the file, and each attribute's edit success within it; weights stay as they are."""
    success = {name: round(f.success, 4) for name, f in figures.flips.items()}
    remarks = {"remark": remark} if remark else {}
    save_attgan(path, replace(generator.content, card={**generator.card, **remarks, "edit_success": success}))
    size = path.stat().st_size / 2**20
    text = card(generator, figures, at_labels, name=path.stem, size_mib=size)
    if remark:
        text += f"\n## Looked at\n\n{textwrap.fill(remark, 100)}\n"
    write_atomically(path.with_suffix(".md"), text.encode())
