# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing that crosses the border between a container and the host, as a value."""

from typing import NamedTuple


class Crossing(NamedTuple):
    """What crosses, in plain words.

    kind: identity, capability, mount, socket, device, network or other. what: its name, or where
    it is on the host. access: in a word or two how far it goes. meaning: what that means.
    """

    kind: str
    what: str
    access: str
    meaning: str
