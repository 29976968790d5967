"""Names of a package that are imported when they are first used."""

from collections.abc import Callable, Mapping
from importlib import import_module


def lazy_names(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """The ``__getattr__`` of a package whose public names lie in its modules.

    Args:
        package: the package's ``__name__``.
        homes: for each public name the module, relative to the package, that defines it.

    Example:
        >>> find = lazy_names("cfsearch", {"ConfigError": "errors"})
        >>> find("ConfigError").__module__
        'cfsearch.errors'
        >>> find("Nothing")
        Traceback (most recent call last):
        AttributeError: module 'cfsearch' has no attribute 'Nothing'
    """

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find
