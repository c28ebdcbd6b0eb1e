# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the host that its containers follow, while they run and whenever they start."""

from kapsule.settings import steps  # noqa: F401  # its step registers itself
from kapsule.settings.apply import apply_settings
from kapsule.settings.follower import Follower

__all__ = ["Follower", "apply_settings"]
