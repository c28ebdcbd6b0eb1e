# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the border between containers and the host, run for real; `make attack` counts them.

`inside` is what runs in a container, the other modules say what is tried and what came of it.
"""
