# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs inside a container, as its root: the standard library only, and nothing of Kapsule."""
