# SPDX-License-Identifier: GPL-3.0-or-later
"""Create a container: the request, and the one function that carries it out."""

from kapsule.create.create import create_container
from kapsule.create.request import CreateRequest

__all__ = ["CreateRequest", "create_container"]
