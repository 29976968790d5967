"""A search that asks a surrogate, and believes the audited model alone."""

from dataclasses import replace
from pathlib import Path

from cfsearch.engine.search import Search
from cfsearch.providers.surrogate import SurrogateProvider


def with_surrogate(search: Search, surrogate: Path | str, *, device: str = "cpu") -> Search:
    """The same search with candidates asked of a surrogate, and all that is kept of the model.

    Whatever stands in a front then has the audited model's scores, and is called verified only
    where the audited model itself says the asked-for class.

    Args:
        search: a search of the audited model.
        surrogate: the file that ``cfsearch distill`` wrote.
        device: of the surrogate.

    Raises:
        ModelFileError: it is no surrogate.
        ConfigError: it has other classes than the audited model.
    """
    audited = search.verifier or search.provider
    asked = SurrogateProvider.open(surrogate, audited=audited, device=device)
    return replace(search, provider=asked, verifier=audited, note=(*search.note, asked.note))
