# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.containers.container import Container


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"security.privileged": "true"}, True),
        ({"security.privileged": "true", "user.kapsule.x11": "false"}, False),
        ({}, False),
        ({"user.kapsule.x11": "true"}, True),
        ({"user.kapsule.x11": "true", "user.kapsule.desktop": "false"}, False),
    ],
)
def test_x11_is_not_taken_for_granted(config: dict[str, str], expected: bool) -> None:
    """An isolated container has it only where that is written down."""
    assert Container("dev", "Running", 1000, "", "", config).has_x11 is expected
