# SPDX-License-Identifier: GPL-3.0-or-later
"""One of several processes that call the daemon, as the user that it runs as.

It reads what to do as JSON from standard input, and writes what came of it.
"""

import json
import os
import random
import sys
from collections import Counter
from dataclasses import dataclass, field, replace

from tests.system.fuzz import wire
from tests.system.fuzz.calls import Calls
from tests.system.fuzz.interfaces import Method
from tests.system.fuzz.peer import Gone, Peer
from tests.system.fuzz.values import pools
from tests.system.fuzz.wire import Message, Reply

_IN_FLIGHT = 24  # calls of one connection
_MOMENT = 0.05  # seconds for an answer to what is hardly a call
_OUR_ERRORS = "org.kde.kapsule.Error."
_BUS_ERRORS = "org.freedesktop.DBus.Error."
_BUG = _OUR_ERRORS + "Internal"
NO_MESSAGE = "(the bus ended the connection)"
# What the bus says when it was not the daemon that answered.
_DIED = (_BUS_ERRORS + "NoReply", _BUS_ERRORS + "ServiceUnknown", _BUS_ERRORS + "NameHasNoOwner")


@dataclass
class Outcome:
    """What came of the calls. answers: how often which. faults: what must not be."""

    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def fault(reply: Reply) -> str:
    """Return what is wrong with an answer, "" if nothing is."""
    if reply.kind != wire.ERROR:
        return ""
    if reply.error == _BUG or not reply.error.startswith((_OUR_ERRORS, _BUS_ERRORS)):
        return f"{reply.error}: {reply.text[:500]}"
    if reply.error in _DIED and reply.sender == "org.freedesktop.DBus":
        return f"the daemon has gone: {reply.text}"
    return f"a traceback: {reply.text}" if "Traceback" in reply.text else ""


class Worker:
    """Calls, and looks at the answers."""

    def __init__(self, calls: Calls, dice: random.Random) -> None:
        self._calls = calls
        self._dice = dice
        self._null = os.open("/dev/null", os.O_RDWR)
        self.outcome = Outcome()

    def run(self, count: int) -> None:
        """Make so many calls, and things in between that are none."""
        while count > 0:
            try:
                count -= self._session()
            except Gone:
                self.outcome.answers[NO_MESSAGE] += 1

    def _session(self) -> int:
        """Make calls on one connection, and return how many.

        Raises Gone when one of them was none for the bus: values can get too deep.
        """
        with Peer() as peer:
            count = sum(self._round(peer) for _ in range(self._dice.randrange(1, 12)))
            self._leave_early(peer)
        return count

    def _round(self, peer: Peer) -> int:
        """Make some calls at once, wait for their answers, and return how many there were."""
        sent: dict[int, Message] = {}
        for _ in range(_IN_FLIGHT):
            message, fds = self._with_fds(self._calls.call())
            if self._dice.random() < 0.05:
                peer.send(replace(message, flags=message.flags | wire.NO_REPLY_EXPECTED), fds)
                self.outcome.answers["(none wanted)"] += 1
            else:
                sent[peer.send(message, fds)] = message
        for _ in range(self._dice.randrange(3)):
            peer.send(self._calls.out_of_the_blue())
        for serial, message in sent.items():
            self._judge(peer, serial, message)
        if self._dice.random() < 0.3:
            self._throw_garbage()
        return _IN_FLIGHT

    def _with_fds(self, message: Message) -> tuple[Message, list[int]]:
        if self._dice.random() > (0.6 if "h" in message.signature else 0.03):
            return message, []
        fds = [self._null] * self._dice.choice((1, 2, 3, 3, 3, 16))
        return replace(message, fds=len(fds)), fds

    def _judge(self, peer: Peer, serial: int, message: Message) -> None:
        try:
            reply = peer.wait(serial)
        except TimeoutError:
            self._blame(message, "no answer")
            return
        self.outcome.answers[reply.error or "a result"] += 1
        if wrong := fault(reply):
            self._blame(message, wrong)
        if reply.signature == "o" and not reply.error:
            self._calls.operations.append(reply.text)

    def _blame(self, message: Message, wrong: str) -> None:
        if len(self.outcome.faults) < 10:
            self.outcome.faults.append(f"{message!r:.1500} -> {wrong}")

    def _throw_garbage(self) -> None:
        """The bus ends the connection of whoever sends no message: it is one of its own."""
        try:
            with Peer() as peer:
                peer.send_bytes(self._calls.garbage(1000))
                peer.wait(1000, _MOMENT)
        except (Gone, TimeoutError):
            pass  # it was half a message, or none
        self.outcome.answers["(garbage)"] += 1

    def _leave_early(self, peer: Peer) -> None:
        for _ in range(self._dice.randrange(8)):
            peer.send(self._calls.call())
        self.outcome.answers["(left before the answer)"] += 1


def main() -> None:
    """Do what standard input says."""
    order = json.load(sys.stdin)
    dice = random.Random(order["seed"])
    values = pools(order["seed"], order["pool"])
    known = [Method(each[0], each[1], tuple(map(tuple, each[2]))) for each in order["methods"]]
    worker = Worker(Calls(dice, values, known, order["targets"], [], order["creates"]), dice)
    worker.run(order["count"])
    json.dump({"answers": worker.outcome.answers, "faults": worker.outcome.faults}, sys.stdout)


if __name__ == "__main__":
    main()
