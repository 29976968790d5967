"""Cache of a provider's answers, in memory and in a file."""

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.errors import ConfigError

from .cache_file import CacheFile
from .wrapping import WrappedProvider

_NUMBERS: Final = {1: torch.float32, 2: torch.float64, 3: torch.float16}
_CODES: Final = {dtype: code for code, dtype in _NUMBERS.items()}


@final
class CachedProvider(WrappedProvider):
    """Provider that caches answers by the exact bytes of the input and the provider's fingerprint.

    Only what is not known is queried, each different input once, in the order in which it
    came. Answers that are not finite are not kept. No gradients pass. What is remembered
    was answered in some batch: for a model whose last bits depend on the batch, a remembered
    answer may differ by those bits from a fresh one; a model that is not repeatable
    (``Handshake.repeatable``) must not be cached.

    Args:
        path: a file to share among processes and runs; None remembers in memory only. A file
            that is damaged or not ours is moved aside with a warning.
        in_memory: most answers held in memory, the least recently used go first; >= 1.

    Raises:
        ConfigError: ``in_memory`` is out of range, or the file cannot be made.
    """

    def __init__(
        self, provider: Provider, path: str | Path | None = None, *, in_memory: int = 100_000
    ) -> None:
        super().__init__(provider)
        if in_memory < 1:
            raise ConfigError(f"cache: `in_memory` must be at least 1, got {in_memory!r}.")
        self.hits: int = 0
        self.misses: int = 0
        self._in_memory: Final = in_memory
        self._recent: Final[OrderedDict[bytes, bytes]] = OrderedDict()
        self._file: Final = None if path is None else CacheFile(Path(path))
        self._lock: Final = threading.Lock()

    @property
    def batch_invariant(self) -> bool:
        """That of the wrapped provider."""
        return self.provider.batch_invariant

    def close(self) -> None:
        """Closes the file; what is remembered in memory stays."""
        if self._file is not None:
            self._file.close()

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The answers, computed only where they are not cached; no gradients."""
        if x.shape[0] == 0:
            return self.provider.predict(x)
        keys = self._keys(x)
        with self._lock:
            known = self._recall(keys)
        first: dict[bytes, int] = {}
        for i, key in enumerate(keys):
            if key not in known:
                first.setdefault(key, i)
        self.misses += len(first)
        self.hits += len(keys) - len(first)
        if first:
            places = torch.tensor(list(first.values()), device=x.device)
            fresh = self.provider.predict(x.detach()[places]).detach()
            if len(first) == len(keys):
                self._keep(list(first), fresh)
                return fresh
            known |= self._keep(list(first), fresh)
        return torch.stack([known[key] for key in keys]).to(x.device)

    def _keys(self, x: Tensor) -> list[bytes]:
        head = f"{self.provider.fingerprint}|{x.dtype}|{tuple(x.shape[1:])}|".encode()
        base = hashlib.blake2b(head, digest_size=20)
        rows = x.detach().cpu().contiguous().flatten(1).view(torch.uint8).numpy()
        keys = []
        for row in rows:
            digest = base.copy()
            digest.update(row.data)
            keys.append(digest.digest())
        return keys

    def _recall(self, keys: list[bytes]) -> dict[bytes, Tensor]:
        known: dict[bytes, Tensor] = {}
        wanted: list[bytes] = []
        for key in dict.fromkeys(keys):
            value = self._recent.get(key)
            if value is None:
                wanted.append(key)
            else:
                self._recent.move_to_end(key)
                known[key] = self._unpacked(value)
        if self._file is not None and wanted:
            for key, value in self._file.read(wanted).items():
                if len(value) > 1 and value[0] in _NUMBERS:
                    known[key] = self._unpacked(value)
                    self._remember(key, value)
        return {key: row for key, row in known.items() if len(row) == len(self.labels)}

    def _keep(self, keys: list[bytes], answers: Tensor) -> dict[bytes, Tensor]:
        if answers.dtype in _CODES:
            code = bytes([_CODES[answers.dtype]])
            table = answers.cpu().contiguous()
            finite = torch.isfinite(table).all(dim=1).tolist()
            packed = {
                key: code + row.tobytes()
                for key, row, good in zip(keys, table.numpy(), finite, strict=True)
                if good
            }
            with self._lock:
                for key, value in packed.items():
                    self._remember(key, value)
                if self._file is not None and packed:
                    self._file.write(packed)
        return dict(zip(keys, answers.cpu(), strict=True))

    def _remember(self, key: bytes, value: bytes) -> None:
        self._recent[key] = value
        self._recent.move_to_end(key)
        while len(self._recent) > self._in_memory:
            self._recent.popitem(last=False)

    @staticmethod
    def _unpacked(value: bytes) -> Tensor:
        dtype = _NUMBERS[value[0]]
        number = {torch.float32: np.float32, torch.float64: np.float64, torch.float16: np.float16}
        return torch.from_numpy(np.frombuffer(value[1:], dtype=number[dtype]).copy())
