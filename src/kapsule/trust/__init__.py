# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a container is trusted: show it, and change it."""

from kapsule.trust.change import CHANGE_TRUST, TrustRequest, change_trust
from kapsule.trust.describe import describe_trust

__all__ = ["CHANGE_TRUST", "TrustRequest", "change_trust", "describe_trust"]
