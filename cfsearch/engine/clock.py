"""Time spent inside the networks of a search."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor


@final
@dataclass
class Clock:
    """Seconds spent inside the networks: ``decode``, ``provider`` and ``critic``."""

    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, what: str, work: Callable[[], Tensor]) -> Tensor:
        """The result of ``work``, its time added to ``what``.

        Args:
            what: which network it is.
            work: calls the network.
        """
        begin = time.perf_counter()
        result = work()
        if isinstance(result, Tensor) and result.is_cuda:
            # the only wait inside a generation, and only where somebody holds a clock
            torch.cuda.synchronize(result.device)
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - begin
        return result
