# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own desktop, without which no other test here would say anything."""

import pytest

from tests.system.desktop.desktop import NAMES, Desktop

GREEN = 0x20C040


@pytest.mark.parametrize("name", NAMES)
def test_every_server_answers(desktop: Desktop, name: str) -> None:
    """A program on the host reaches each of them, also after its restart."""
    server = desktop.server(name)
    for _ in range(2):
        result = desktop.user.run(*server.program, env=desktop.environment)
        assert server.answer in result.text, result.error
        server.restart()


def test_the_x_server_asks_for_a_cookie(desktop: Desktop) -> None:
    """Without it nobody draws."""
    env = {**desktop.environment, "XAUTHORITY": "/dev/null"}
    assert desktop.user.run("xdpyinfo", env=env).code != 0
