# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks: Kapsule beside its peers, and beside its budgets. They run inside the test box."""

import sys

# What is measured and what is imported to measure it are the same installed package.
sys.path.insert(0, "/usr/lib/kapsule/python")
