"""Search on a surrogate, with members verified on the audited model."""

from dataclasses import replace
from pathlib import Path

from cfsearch.engine.search import Search
from cfsearch.providers.surrogate import SurrogateProvider


def with_surrogate(search: Search, surrogate: Path | str, *, device: str = "cpu") -> Search:
    """The same search with candidates scored by a surrogate and members by the audited model.

    Whatever stands in a front then has the audited model's scores, and is called verified only
    where the audited model itself gives the target class.

    Args:
        search: a search of the audited model.
        surrogate: the file that ``cfsearch distill`` wrote.
        device: of the surrogate.

    Raises:
        ModelFileError: it is no surrogate.
        ConfigError: it has other classes than the audited model.
    """
    audited = search.verifier or search.provider
    queried = SurrogateProvider.open(surrogate, audited=audited, device=device)
    return replace(search, provider=queried, verifier=audited, note=(*search.note, queried.note))
