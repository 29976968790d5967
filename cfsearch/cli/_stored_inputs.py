"""What a front keeps of its inputs, and the model that is queried about them again."""

from pathlib import Path
from typing import TYPE_CHECKING

from cfsearch.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from cfsearch.contracts.provider import Provider
    from cfsearch.datasets.text import Lexicon
    from cfsearch.fronts.front import ParetoFront
    from cfsearch.providers.isolated.session import Isolation


def model_of_front(
    model: str,
    front: "ParetoFront | None",
    *,
    sidecar: str | None,
    arch: str | None,
    device: str,
    trusted: tuple[str, ...],
    trust_model: str | None,
    isolation: "Isolation | None",
    deadline: float | None,
) -> "Provider":
    """The model to query: one of images, or, where the fronts are of rows, one of their table."""
    from cfsearch.providers.opening import open_provider

    found = (
        None
        if front is None
        else text_model_of_front(front, model, sidecar=sidecar, device=device, isolation=isolation)
    )
    if found is not None:
        return found
    if front is None or front.row is None:
        from cfsearch.assembly.inputs import SHIPPED_SOUND, SHIPPED_SOUND_ARCH, shipped_sound_model

        shipped = model == SHIPPED_SOUND and front is not None and front.sound is not None
        path = str(shipped_sound_model()) if shipped else model
        arch = arch or (SHIPPED_SOUND_ARCH if shipped else None)
        if isolation is None:
            return open_provider(
                path, sidecar=sidecar, arch=arch, device=device, deadline_s=deadline, trust_model=trust_model
            )
        from cfsearch.providers.isolated.provider import isolated_provider

        return isolated_provider(
            path, isolation=isolation, sidecar=sidecar, arch=arch, device=device, trust_model=trust_model
        )
    import torch

    from cfsearch.contracts.target_range import TargetRange
    from cfsearch.datasets.tables import schema_of
    from cfsearch.providers.tabular_opening import open_tabular

    if "schema" not in front.extra:
        raise ConfigError(f"verify: the front of {front.name!r} does not say what its columns mean.")
    rows = front.row[None] if front.rows is None else torch.cat([front.row[None], front.rows])
    schema = schema_of(front.extra["schema"])
    if trust_model is not None and model.lower().endswith(".skops"):
        from cfsearch.providers.trust import trusted_types

        trusted = (*trusted, *trusted_types(Path(model), given=trust_model))
    wanted = TargetRange.of_labels(tuple(front.labels))
    target = None if wanted is None else wanted.text
    if isolation is None:
        return open_tabular(
            model,
            schema=schema,
            probes=rows,
            sidecar=sidecar,
            arch=arch,
            device=device,
            trusted=trusted,
            trust_model=trust_model,
            deadline_s=deadline,
            target=target,
        )
    from cfsearch.providers.isolated.provider import isolated_tabular

    return isolated_tabular(
        model,
        schema=schema,
        probes=rows,
        isolation=isolation,
        sidecar=sidecar,
        arch=arch,
        device=device,
        trusted=list(trusted),
        trust_model=trust_model,
        target=target,
    )


def text_model_of_front(
    front: "ParetoFront",
    model: str,
    *,
    sidecar: str | Path | None,
    device: str,
    isolation: "Isolation | None",
) -> "Provider | None":
    """The model queried by the pieces of one front; None where inputs are no texts."""
    lexicon = _lexicon(front)
    if lexicon is None:
        return None
    from cfsearch.providers.text import is_function_of_texts, open_text_model

    stored = stored_inputs(front)
    if isolation is None or not is_function_of_texts(model):
        return open_text_model(model, lexicon=lexicon, probes=stored, sidecar=sidecar, device=device)
    from cfsearch.providers.isolated.provider import isolated_text_model

    return isolated_text_model(
        model, lexicon=lexicon, probes=stored, isolation=isolation, sidecar=sidecar, device=device
    )


def _lexicon(front: "ParetoFront") -> "Lexicon | None":
    if front.text is None or front.texts is None:
        return None
    from cfsearch.datasets.text import Lexicon

    every = (piece for pieces in (front.text, *front.texts) for piece in pieces if piece)
    return Lexicon(tuple(dict.fromkeys(every)))


def stored_inputs(front: "ParetoFront") -> "Tensor":
    """The original and the members as the model takes them.

    Raises:
        ConfigError: the front keeps no inputs.
    """
    import torch

    lexicon = _lexicon(front)
    if lexicon is not None:
        numbers = [
            [lexicon.number(piece) if piece else 0 for piece in one]
            for one in (front.text or (), *(front.texts or ()))
        ]
        return torch.tensor(numbers, dtype=torch.float64)
    original, members = front.stored_original, front.stored_members
    if original is None or members is None:
        raise ConfigError(f"verify: the front of {front.name!r} holds no inputs to query about.")
    return front.modality.restored(torch.cat([original[None], members]))
