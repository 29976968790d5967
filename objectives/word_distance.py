"""Word distance objective: cosine distance of replaced words."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates
from cfsearch.errors import ConfigError


@final
@dataclass(frozen=True, slots=True, eq=False)
class WordDistance(Objective):
    """Cosine distance between each word and what stands in its place, summed over the text.

    A word that was removed, or that has no vector, counts 1. Unit: words, since a replacement without
    any likeness counts 1 as well.

    Args:
        vectors: of each number of the search's lexicon; a search of texts fills it in.

    Shapes:
        ``x`` ``(b, n, t)`` against ``queries.x`` ``(b, t)`` -> ``(b, n)``, each value >= 0.

    Raises:
        ConfigError: there are no vectors.

    Example:
        >>> import torch
        >>> from cfsearch.testing import make_candidates, make_queries
        >>> vectors = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # number 0 is no word
        >>> queries = make_queries(x=torch.tensor([[1.0, 2.0]]))
        >>> x = torch.tensor([[[1.0, 2.0], [2.0, 2.0], [0.0, 2.0]]])
        >>> WordDistance(vectors=vectors)(make_candidates(queries=queries, x=x)).tolist()
        [[0.0, 1.0, 1.0]]
    """

    vectors: Any = None  # Any: a tensor; settings of a file hold none
    name: ClassVar[str] = "word_distance"
    unit: ClassVar[str] = "words"

    def __post_init__(self) -> None:
        if not isinstance(self.vectors, Tensor) or self.vectors.ndim != 2:
            raise ConfigError(
                "word_distance: expected the vectors of a search's words, got none. It goes with texts (--text, "
                "--texts) and generator 'words', which bring them; leave it out otherwise."
            )

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        vectors = torch.nn.functional.normalize(self.vectors.to(candidates.x.device), dim=1)
        old, new = candidates.queries.x[:, None].long(), candidates.x.long()
        cosine = (vectors[old] * vectors[new]).sum(-1)
        apart = torch.where(old == new, torch.zeros_like(cosine), (1.0 - cosine).clamp_min(0.0))
        return apart.sum(-1).to(candidates.z.dtype)
