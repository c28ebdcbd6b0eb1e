# SPDX-License-Identifier: GPL-3.0-or-later
"""The test box: a whole Debian host in a container, built once and booted for each test run."""
