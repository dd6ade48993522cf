"""A process that kills itself at its nth mined call: what a power cut there would leave."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")
_left = 0


def arm(at: int) -> None:
    """From now on the mined call number `at` (0: the next one) is not made any more."""
    global _left
    _left = at


def mine(function: Callable[..., R]) -> Callable[..., R]:
    """The function, of which every call counts."""

    def counted(*args: object, **options: object) -> R:
        global _left
        _left -= 1
        if _left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **options)

    return counted
