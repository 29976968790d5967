"""Genuineness of the fronts of an audit: measured on its own photographs, written into each front."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.assembly.images import read_fitting
from cfsearch.assembly.inputs import InputRecord
from cfsearch.assembly.search import Assembly
from cfsearch.contracts.generator import AttributeEstimator, AttributeTaker, Generator
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import UNTARGETED, Reason
from cfsearch.datasets.images import ImageRef
from cfsearch.datasets.images.labelled import LabelledPhotographs
from cfsearch.errors import DataError, listed
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.percent import rounded_down
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.guard import guarded, read_object

from .correction import LEAST_STRENGTH, GeneratorError
from .effects import known_attributes
from .genuineness import FEWEST_PHOTOGRAPHS, Calibration, Genuineness
from .verdict import LEAST_EDITED

GENUINENESS: Final = "genuineness.json"
"""File of a run directory: what was measured of model and generator, and the sentence for the reader."""

MOST_PHOTOGRAPHS: Final = 600
"""Photographs that a model and a generator are measured on; more hardly change the figures."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class GenuinenessCheck:
    """Marks which members of a front are genuine.

    Args:
        provider: the audited model.
        generator: what painted the fronts.
        calibration: measured with both.
        device: of the computation.
        second: the check by a second generator, which must agree; None where there is one generator only.
    """

    provider: Provider
    generator: Generator[Any]  # Any: a generator's state is its own business
    calibration: Calibration
    device: str = "cpu"
    second: "GenuinenessCheck | None" = None

    def document(self) -> dict[str, Any]:  # Any: plain JSON
        """What was measured: of each class the reconstruction's error and the associations, in logits."""
        names = self.generator.attribute_names if isinstance(self.generator, AttributeTaker) else ()
        return self.calibration.to_json(labels=self.provider.labels, names=names)

    def of(self, front: ParetoFront, z: Float[Tensor, "n d"]) -> Genuineness:
        """Genuineness of changes of one input, by this generator alone.

        Args:
            front: of the input; its variables may stand in another order than the generator's attributes.
            z: the changes, in the order of the front's variables.

        Raises:
            DataError: the front keeps no picture.
        """
        if front.original is None:
            raise DataError(f"genuineness: front {front.name!r} holds no picture. Give a front of pictures.")
        order = _places(self.generator, front.variables)
        return self.calibration.genuineness(
            self.provider,
            self.generator,
            front.original.to(self.device).float() / 255.0,
            origin=front.origin_values[order],
            z=z[:, order],
            source=front.source,
            target=UNTARGETED if front.target is None else front.target,
            seed=int(str(front.extra["input_sha256"])[:8], 16),
        )

    def measured(self, front: ParetoFront) -> ParetoFront:
        """The front with the genuineness of its verified members.

        Members that are not verified are not measured (NaN). Queries are added to the front's. Where a second generator must
        agree, members that hold by the first are measured again by its edits, and count by the smaller of both: the two errors are
        of different trainings, and what one of them paints wrongly is in no variance, so that a mean would let the
        surer of the two overrule the other.

        Args:
            front: of one input.
        """
        verified = torch.nonzero(front.verified).flatten()
        z = torch.full((len(front),), torch.nan, dtype=torch.float64)
        queries = 0
        if len(verified) and front.original is not None:
            found = self.of(front, front.z[verified])
            z[verified], queries = found.z, found.queries
        each = None
        if self.second is not None:
            each = torch.stack([z, torch.full_like(z, torch.nan)], dim=1)
            holds = torch.nonzero(z >= self.calibration.threshold).flatten()
            if len(holds):
                again = self.second.of(front, front.z[holds])
                each[holds, 1], queries = again.z, queries + again.queries
                z = z.index_copy(0, holds, torch.minimum(z[holds], again.z))
        return replace(
            front,
            genuineness=z,
            genuineness_each=each,
            queries=None if front.queries is None else front.queries + queries,
            extra={
                **front.extra,
                "genuineness": {
                    "threshold": self.calibration.threshold,
                    "photographs": self.calibration.photographs,
                    "associations": self.calibration.association is not None,
                    **({} if self.second is None else {"second": self.second.generator.fingerprint}),
                },
            },
        )

    def concluded(self, front: ParetoFront) -> ParetoFront:
        """The front; where members flip the model and none holds, with the reason and the nearest miss.

        Args:
            front: with the genuineness of its members.
        """
        if front.found or front.genuineness is None or not bool(front.verified.any()):
            return front
        z = front.genuineness.nan_to_num(-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        each, least = front.genuineness_each, self.calibration.threshold
        held = 0 if each is None else int((each[:, 0] >= least).sum())
        if held and each is not None:  # of these the nearest miss is one
            z = torch.where(each[:, 0] >= least, z, -torch.inf)
        nearest = int(z.argmax())
        why = (
            f"and {held} of them hold by the first generator, none by the second"
            if held
            else "but none of them clearly"
        )
        past = float(z[nearest])
        estimated = (
            f"its true counterfactual is estimated {rounded_down(past)} standard errors past the boundary, {least:g} are needed"
            if math.isfinite(past)
            else "how far its true counterfactual is past the boundary could not be estimated"
        )
        note = (
            f"{int(front.verified.sum())} members flip the model on the generated image, {why}. The nearest "
            f"miss changes {', '.join(front.words(nearest)) or 'nothing'}: {estimated}."
        )
        return replace(front, reason=Reason.NOT_GENUINE, note=(*front.note, note))

    def marked(self, front: ParetoFront) -> ParetoFront:
        """The front with the genuineness of its verified members; ``not_genuine`` where none holds.

        Args:
            front: of one input.
        """
        return self.concluded(self.measured(front))


def genuineness_note(run: Path) -> str:
    """The sentence on genuineness of a run directory; empty where nothing was measured."""
    path = run / GENUINENESS
    if not path.exists():
        return ""
    document = read_object(path)
    with guarded(repr(str(path))):
        return str(document["note"])


def generator_error(run: Path, *, label: str) -> GeneratorError | None:
    """The generator's error on one class as it was measured for a run directory; None where it was not.

    Args:
        run: the directory.
        label: of the class.
    """
    path = run / GENUINENESS
    if not path.exists():
        return None
    document = read_object(path)
    with guarded(repr(str(path))):
        measured = document["measured"]
        return None if measured is None else GeneratorError.of_calibration(measured, label=label)


def measured_error(
    provider: Provider,
    generator: Generator[Any],  # Any: a generator's state is its own business
    x: Float[Tensor, "n c h w"],
    *,
    attributes: Float[Tensor, "n a"] | None = None,
) -> GeneratorError | None:
    """The generator's error on a model's last class, measured on images; None of fewer than 20, or without attributes.

    Args:
        provider: the audited model.
        generator: what edits the images.
        x: the images, in the generator's size.
        attributes: as for ``Calibration.fit``.
    """
    if len(x) < FEWEST_PHOTOGRAPHS or not isinstance(generator, AttributeTaker):
        return None
    fitted = Calibration.fit(provider, generator, x, attributes=attributes)
    measured = fitted.to_json(labels=provider.labels, names=generator.attribute_names)
    return GeneratorError.of_calibration(measured, label=provider.labels[-1])


def genuineness_check(
    provider: Provider,
    generator: Generator[Any],  # Any: a generator's state is its own business
    *,
    photographs: Callable[[], tuple[Float[Tensor, "n c h w"], Float[Tensor, "n a"] | None]],
    count: int,
    device: str = "cpu",
    second: Generator[Any] | None = None,  # Any: as above
) -> tuple[GenuinenessCheck | None, str]:
    """The check of an audit, or None where it cannot be made; and what a reader must know of it.

    Args:
        provider: the audited model.
        generator: what edits the images.
        photographs: reads at most 600 of the audit's images and what is known of their attributes.
        count: images of the audit.
        device: of the computation.
        second: another training of the same attributes, which must agree.
    """
    if not isinstance(generator, AttributeTaker):
        return None, ""
    if provider.scores is ScoreKind.LABELS:
        return None, "Genuineness was not measured: the model gives labels only, which have no lead."
    if count < FEWEST_PHOTOGRAPHS:
        return None, (
            f"Genuineness was not measured: the generator's own error takes at least {FEWEST_PHOTOGRAPHS} images to "
            f"measure, and there are {count}. Which flips are the generator's doing is not known."
        )
    x, attributes = photographs()
    if attributes is None and not isinstance(generator, AttributeEstimator):
        return None, "Genuineness was not measured: what the images show is neither known nor estimated."
    if len(x) < FEWEST_PHOTOGRAPHS:
        return None, f"Genuineness was not measured: only {len(x)} images could be read."
    if second is not None and attributes is None and not isinstance(second, AttributeEstimator):
        return (
            None,
            "Genuineness was not measured: the second generator does not estimate what the images show.",
        )
    calibration = Calibration.fit(provider, generator, x.to(device), attributes=attributes)
    column = len(provider.labels) - 1
    by = (
        "the edit and associations in photographs"
        if calibration.association is not None
        else "the edit alone"
    )
    note = (
        f"Genuineness was measured by {by}, on {len(x)} images of this audit: a member counts from {calibration.threshold:g} "
        f"standard errors on. The generator's reconstruction moves the log-odds of {provider.labels[column]!r} by "
        f"{float(calibration.offset.spread[column]):.2f} logits (standard deviation, beyond what attributes explain)."
    )
    if second is None:
        return GenuinenessCheck(provider, generator, calibration, device), note
    known = None if attributes is None else attributes[:, _places(second, generator.attribute_names)]
    other = Calibration.fit(provider, second, x.to(device), attributes=known)
    note += f" A second generator must agree on what holds; its reconstruction moves them by {float(other.offset.spread[column]):.2f} logits."
    faint = [
        name
        for name, success in second.edit_success.items()
        if success < LEAST_EDITED or second.edit_strength.get(name, 1.0) < LEAST_STRENGTH
    ]
    if faint:
        note += f" It hardly edits {listed(faint)}: what flips by these alone hardly holds by both."
    unknown = [name for name in generator.attribute_names if name not in second.edit_success]
    if unknown:
        note += f" Whether its edits of {listed(unknown)} are seen is not known: no figure of these stands in its file."
    opinion = GenuinenessCheck(provider, second, other, device)
    return GenuinenessCheck(provider, generator, calibration, device, opinion), note


def _places(
    generator: Generator[Any],  # Any: a generator's state is its own business
    names: Sequence[str],
) -> list[int]:
    """Where the attributes of a generator stand among names; as they are, where these are others."""
    if not isinstance(generator, AttributeTaker) or set(generator.attribute_names) != set(names):
        return list(range(len(names)))
    return [list(names).index(name) for name in generator.attribute_names]


def prepare_check(
    run: RunDirectory,
    assembly: Assembly,
    *,
    refs: Sequence[ImageRef | InputRecord],
    photographs: LabelledPhotographs,
) -> GenuinenessCheck | None:
    """The check of an audit, measured on its own images and kept beside the run; None where it cannot be made or is switched off.

    What was measured corrects effects as well, so that it is measured and kept where the check is switched off, too.

    Args:
        run: where ``genuineness.json`` is written.
        assembly: the audited model and its search.
        refs: the inputs of the audit.
        photographs: what is known of them.
    """
    images = {i: ref for i, ref in enumerate(refs) if isinstance(ref, ImageRef)}
    if not images:
        return None
    wanted = assembly.config.search.genuineness
    device = assembly.config.run.device
    check, note = genuineness_check(
        assembly.model,
        assembly.search.generator,
        photographs=lambda: _spread(images, photographs, assembly),
        count=len(images),
        device=device,
        second=assembly.second_generator,
    )
    if check is None and note and assembly.second_generator is not None:
        note += " The second generator was not used."
    if check is not None or (note and wanted):
        run.write(
            GENUINENESS,
            {
                "note": note if wanted else "",
                "measured": None if check is None else check.document(),
                **({} if check is None or check.second is None else {"second": check.second.document()}),
            },
        )
    return check if wanted else None


def _spread(
    images: Mapping[int, ImageRef], photographs: LabelledPhotographs, assembly: Assembly
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n a"] | None]:
    """At most 600 of the images that can be read, evenly spread, and what is known of them."""
    shape, places = assembly.search.generator.shape, list(images)
    count = min(len(places), MOST_PHOTOGRAPHS)
    pictures, read = [], []
    for at in torch.linspace(0, len(places) - 1, count).round().long().tolist():
        try:
            record = read_fitting(images[places[at]], shape, crop=photographs.crop(shape[-1]))
        except DataError:
            continue  # reported where the image itself is searched
        pictures.append(record.x)
        read.append(places[at])
    x = torch.stack(pictures) if pictures else torch.zeros(0, *shape)
    return x, known_attributes(assembly, photographs, read)
