# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon asks the session helper to mount in a container, or to take away there."""

import socket
from typing import Any

from kapsule.session import folders, protocol, shares, sharing
from kapsule.session.sharing import Plan, Shared
from kapsule.session.sources import Caller


def plan_to_wire(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON can carry it."""
    return {
        "caller": [plan.caller.uid, plan.caller.gid, list(plan.caller.groups)],
        "shares": shares.to_wire(plan.shares),
        "folders": folders.to_wire(plan.folders),
        "owned": list(plan.owned),
    }


def carry_out(message: protocol.Message, pidfd: int) -> Shared:
    """Share what a message's "plan" says with the container of its "init". pidfd: of that."""
    plan = _plan_from_wire(message["plan"])
    if not plan.shares and not plan.folders:
        return Shared({}, [])
    return sharing.share(plan, message["init"], pidfd)


def mount(channel: socket.socket, message: protocol.Message, descriptors: list[int]) -> None:
    """Put what a container shares in place.

    message: "init" (pid), "plan". descriptors: a pidfd of init. Answers with "notes".
    """
    protocol.send(channel, {"notes": carry_out(message, descriptors[0]).notes})


def unmount(channel: socket.socket, message: protocol.Message, descriptors: list[int]) -> None:
    """Take away what is mounted in a container.

    message: "init" (pid), "targets". descriptors: a pidfd of init. Answers with "notes".
    """
    notes = sharing.unshare(message["targets"], message["init"], descriptors[0])
    protocol.send(channel, {"notes": notes})


def _plan_from_wire(wire: dict[str, Any]) -> Plan:
    uid, gid, groups = wire["caller"]
    return Plan(
        caller=Caller(uid, gid, tuple(groups)),
        shares=shares.from_wire(wire["shares"]),
        folders=folders.from_wire(wire["folders"]),
        owned=tuple(wire["owned"]),
    )
