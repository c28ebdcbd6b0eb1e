# SPDX-License-Identifier: GPL-3.0-or-later
"""The trust dial: what each level is, on a real Incus."""
