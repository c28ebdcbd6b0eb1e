# SPDX-License-Identifier: GPL-3.0-or-later
"""The bus interface under calls that no client would make."""
