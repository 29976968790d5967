"""Known pictures for ``doctor``: a folder a class, given to the model in several forms."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cfsearch.errors import CfsearchError, DataError

from ._opened import open_pictured, preparation_of

if TYPE_CHECKING:
    from torch import Tensor

    from cfsearch.contracts.provider import Provider
    from cfsearch.providers.forms import FormTrial

_MOST = 64
"""Pictures of a class at most."""
_SHOWN = 3


def known_pictures(
    folder: Path, *, labels: tuple[str, ...], size: tuple[int, int]
) -> "tuple[Tensor, Tensor]":
    """Pictures and the numbers of their classes, from a folder that has one folder a class.

    Args:
        folder: it.
        labels: of the model: the names of the folders.
        size: height and width that all are brought to.

    Raises:
        DataError: no folder has the name of a label, or one cannot be read.
    """
    import torch
    from torch.nn.functional import interpolate

    from cfsearch.datasets.images import find_images, read_image

    found = [i for i, label in enumerate(labels) if (folder / label).is_dir()]
    if not found:
        have = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        raise DataError(
            f"doctor: {str(folder)!r} must have a folder of pictures for each class, named after the model's labels "
            f"({', '.join(labels[:8])}), got {', '.join(have[:8]) or 'no folders'}."
        )
    pictures: list[Tensor] = []
    classes: list[int] = []
    for i in found:
        for ref in find_images(folder / labels[i])[:_MOST]:
            x = read_image(ref).x[None]
            fits = tuple(x.shape[2:]) == size
            pictures.append(x if fits else interpolate(x, size, mode="bilinear", antialias=True))
            classes.append(i)
    return torch.cat(pictures), torch.tensor(classes)


def tried(
    provider: "Provider", model: str, folder: Path, flags: dict[str, Any], *, size: tuple[int, int]
) -> "tuple[FormTrial, ...]":
    """A trial for each form of pictures that a model takes: ranges, orders of channels, and layouts where it takes both.

    Args:
        provider: the model, opened.
        model: what the user named.
        folder: of known pictures.
        flags: as for ``open_pictured``.
        size: height and width of pictures where the model does not say.

    Raises:
        CfsearchError: the pictures cannot be read, or the model failed.
    """
    from cfsearch.providers.forms import tried_forms

    taken = preparation_of(provider)[1]
    if taken is None:
        raise DataError(
            f"doctor: {model!r} takes pictures as they come; there are no forms to try. Leave --images out."
        )
    x, classes = known_pictures(folder, labels=provider.labels, size=taken.size or size)
    trials = tried_forms(provider.predict, x, classes, taken=taken)
    other = _turned(model, flags, layout="nhwc" if taken.layout == "nchw" else "nchw")
    second = None if other is None else preparation_of(other)[1]
    if other is not None and second is not None and second.layout != taken.layout:
        with contextlib.suppress(CfsearchError):  # it does not take pictures so
            trials += tried_forms(other.predict, x, classes, taken=second)
    return trials


def _turned(model: str, flags: dict[str, Any], *, layout: str) -> "Provider | None":
    """The model with the channels at the other end; None where it does not take pictures so, or says itself how."""
    import tempfile

    import tomli_w

    from cfsearch.places import is_file
    from cfsearch.providers.served.address import is_address
    from cfsearch.providers.sidecar import Sidecar, read_sidecar, sidecar_path

    if Path(model).suffix.lower() == ".onnx" or flags.get("arch") is not None:
        return None  # the file, or torch, says it
    given = flags.get("sidecar")
    path = Path(given) if given is not None else None if is_address(model) else sidecar_path(Path(model))
    declared = read_sidecar(path) if path is not None and is_file(path) else Sidecar()
    if declared.input.layout is not None or (
        declared.served is not None and declared.served.form != "tensor"
    ):
        return None
    document = declared.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    with tempfile.TemporaryDirectory() as place:
        turned = Path(place) / "turned.toml"
        turned.write_text(
            tomli_w.dumps({**document, "input": {**document.get("input", {}), "layout": layout}})
        )
        try:
            return open_pictured(model, {**flags, "sidecar": turned})
        except CfsearchError:
            return None


def entries(trials: "tuple[FormTrial, ...]") -> list[dict[str, Any]]:
    """Trials as plain JSON values, the present form first."""
    made: list[dict[str, Any]] = []
    for trial in trials:
        share, form = trial.share, trial.form
        made.append(
            {
                "range": form.range,
                "mean": list(form.mean),
                "std": list(form.std),
                "order": form.order,
                "layout": form.layout,
                "right": trial.count,
                "n": len(trial.right),
                "interval": None if share is None else [share.low, share.high],
            }
        )
    return made


def lines(trials: "tuple[FormTrial, ...]") -> list[str]:
    """The present form and the best others, a line each."""
    from cfsearch.providers.forms import words_of

    others = sorted(trials[1:], key=lambda trial: -trial.count)[:_SHOWN]
    return [
        f"{trial.count} of {len(trial.right)} right as {words_of(trial.form)}"
        for trial in (trials[0], *others)
    ]
