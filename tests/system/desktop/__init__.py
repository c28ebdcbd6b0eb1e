# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphical programs, sound, buses and agents of the host, used from inside containers."""
