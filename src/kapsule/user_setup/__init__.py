# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a host user an account in a container."""

from kapsule.user_setup.pipeline import USER_SETUP, set_up_user

__all__ = ["USER_SETUP", "set_up_user"]
