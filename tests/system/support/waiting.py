# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for what nothing tells of."""

import time
from collections.abc import Callable

_PATIENCE = 30.0


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so. Raises AssertionError when it does not come."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.02)
