"""What a reader of a front sees first: which members, under how many small changes each still flips, and by which generator."""

from cfsearch.numerics.percent import rounded_down

from .document import each_genuineness
from .front import ParetoFront


def shown(front: ParetoFront) -> list[int]:
    """The members that are read first: answers and picks, each once; none where nothing holds.

    Args:
        front: whose members they are.

    Example:
        >>> from types import SimpleNamespace
        >>> shown(SimpleNamespace(answers=lambda: [4, 2], picks=lambda: {"closest": 2, "knee": 7}))
        [4, 2, 7]
    """
    return list(dict.fromkeys([*front.answers(), *front.picks().values()]))


def robust(front: ParetoFront, i: int) -> str:
    """Under how many small changes a member still flips, "19/20"; empty of one that was not tried.

    Args:
        front: whose member it is.
        i: the member.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> front = SimpleNamespace(robustness=torch.tensor([0.95, torch.nan]), extra={"robustness": {"changes": 20}})
        >>> robust(front, 0), robust(front, 1)
        ('19/20', '')
    """
    if front.robustness is None or bool(front.robustness[i].isnan()):
        return ""
    changes = int(front.extra["robustness"]["changes"])
    return f"{round(float(front.robustness[i]) * changes)}/{changes}"


def by_generator(front: ParetoFront, i: int) -> str:
    """Genuineness of a member by the first and by the second generator, "2.5, 1.4"; empty where that was not measured.

    Args:
        front: whose member it is.
        i: the member.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> each = torch.tensor([[2.5, 1.4], [0.5, torch.nan], [torch.nan, torch.nan]])
        >>> front = SimpleNamespace(genuineness_each=each)
        >>> by_generator(front, 0), by_generator(front, 1), by_generator(front, 2)
        ('2.5, 1.4', '0.5', '')
    """
    return ", ".join(rounded_down(z) for z in each_genuineness(front, i).values() if z is not None)
