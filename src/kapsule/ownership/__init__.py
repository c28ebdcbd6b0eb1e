# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a container to another user."""

from kapsule.ownership.change import CHOWN, change_owner

__all__ = ["CHOWN", "change_owner"]
