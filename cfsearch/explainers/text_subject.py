"""Subject of explanation for classifiers of texts.

::

    model = TextProvider.open()                       # the shipped one, or a path
    x = model.encode(texts)                           # word numbers (b, t)
    subject = text_subject(model, length=x.shape[1])
    answer = explainer.explain(x, subject=subject)
    model.decode(answer.counterfactuals, origin=texts)
"""

from cfsearch.contracts.explainer_task import Subject
from cfsearch.providers.text import TextProvider

from .token_domain import TokenDomain


def text_subject(provider: TextProvider, *, length: int) -> Subject:
    """Subject of a classifier of texts, with gradients with respect to its word embeddings.

    Args:
        provider: the audited model.
        length: places of a text, ``provider.encode(texts).shape[1]``.
    """
    domain = TokenDomain(provider.embedding, length=length)
    return Subject(provider, provider.follow, domain, white_box=True)
