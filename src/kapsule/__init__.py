# SPDX-License-Identifier: GPL-3.0-or-later
"""Kapsule: containers on Incus that feel like the machine itself."""

__version__ = "0.3.0"
