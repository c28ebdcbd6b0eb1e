# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that may come from somebody who knows the interface, and from somebody who does not."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kapsule.options.table import CREATE_OPTIONS
from tests.system.fuzz import wire
from tests.system.fuzz.interfaces import MANAGER, MANAGER_PATH, OPERATION, STANDARD, Method
from tests.system.fuzz.values import Pools
from tests.system.fuzz.wire import Message

_OPTIONS = (
    *(option.key for option in CREATE_OPTIONS.options),
    *("terminal", "rows", "columns", "root", "nope", "", "Gpu"),
)
_KINDS = (
    *(
        "y",
        "b",
        "n",
        "q",
        "i",
        "u",
        "x",
        "t",
        "d",
        "s",
        "o",
        "g",
        "v",
        "as",
        "ay",
        "ab",
        "au",
        "av",
    ),
    *("a{sv}", "a{ss}", "(sv)", "a(ss)", "ah", "h", "aas", "a{oa{sa{sv}}}", "((((s))))", "aaaaai"),
)
_LIMITS = {"y": (0, 255), "n": (-(2**15), 2**15 - 1), "q": (0, 2**16 - 1)}
_LIMITS |= {"i": (-(2**31), 2**31 - 1), "u": (0, 2**32 - 1)}
_LIMITS |= {"x": (-(2**63), 2**63 - 1), "t": (0, 2**64 - 1)}
# Part of an argument's name -> what its text is like.
_TEXTS = {
    **{"container": "name", "username": "user", "name": "name"},
    **{"image": "image", "identifier": "image", "alias": "image"},
    **{"path": "path", "directory": "path", "home": "path", "command": "word"},
}
_DEEPEST = 62  # the bus takes 64 levels of everything together
_FORGED = (
    ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", "sss"),
    ("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameLost", "s"),
    *(
        (f"/org/freedesktop/{name}", "org.freedesktop.DBus.Properties", "PropertiesChanged", kind)
        for name in ("timedate1", "locale1", "resolve1")
        for kind in ("sa{sv}as", "s", "")
    ),
    (MANAGER_PATH, MANAGER, "ContainersChanged", ""),
    (MANAGER_PATH, OPERATION, "Completed", "bs"),
)


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls. dice: what decides. known: our own methods. targets: the daemon's names.

    operations: paths of operations; those who get answers may add to it. creates: how many calls of
    a hundred create a container that a user may have who is no administrator.
    """

    dice: random.Random
    pools: Pools
    known: Sequence[Method]
    targets: Sequence[str]
    operations: list[str]
    creates: int = 0

    def call(self) -> Message:
        """Return a method call."""
        weights: dict[Callable[[], Message], int] = {
            self._right: 50,
            self._other_types: 18,
            self._standard: 14,
            self._elsewhere: 10,
            self._deep: 3,
            self._large: 1,
            self._create: self.creates,
        }
        (make,) = self.dice.choices(list(weights), list(weights.values()))
        message = make()
        return replace(
            message,
            flags=self.dice.choice((0, 0, 0, 0, 2, 4, 0xF8)),
            order=self.dice.choice("<<<<>"),
            destination=self.dice.choice(self.targets),
            interface="" if self.dice.random() < 0.03 else message.interface,
            extra=((200, "a{sv}", {"x": ("s", "y")}),) if self.dice.random() < 0.02 else (),
        )

    def out_of_the_blue(self) -> Message:
        """Return what nobody asked for: a signal, or an answer to a call that may be under way."""
        destination = self.dice.choice(self.targets)
        if self.dice.random() < 0.5:
            path, interface, member, signature = self.dice.choice(_FORGED)
            body = tuple(self.value(kind) for kind in wire.types(signature))
            names = (path, interface, member, signature)
            return Message(*names, body, kind=wire.SIGNAL, destination=destination)
        kind = self.dice.choice((wire.METHOD_RETURN, wire.ERROR))
        return Message(
            kind=kind,
            signature="s",
            body=("org.kde.kapsule",),
            reply_serial=self.dice.randrange(1, 100_000),
            error_name="org.freedesktop.DBus.Error.Failed" if kind == wire.ERROR else "",
            destination=destination,
        )

    def garbage(self, serial: int) -> bytes:
        """Return bytes that are hardly a message."""
        data = bytearray(self.call().encode(serial))
        for _ in range(self.dice.randrange(1, 6)):
            place = self.dice.randrange(min(len(data), 400))
            change = self.dice.randrange(3)
            if change == 0:
                data[place] = self.dice.randrange(256)
            elif change == 1:
                del data[place : place + self.dice.randrange(1, 9)]
            else:
                data[place:place] = self.dice.choice((b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"../"))
            data += bytes(16)
        return bytes(data)

    def value(self, kind: str, name: str = "") -> Any:
        """Return a value of a complete type. name: of the argument that it is for."""
        first = kind[0]
        if first in _LIMITS:
            low, high = _LIMITS[first]
            return max(low, min(high, self._pick("number")))
        if kind == "a{sv}":
            return self._options()
        if kind == "a{ss}":
            return {self._pick("variable"): self._text("path") for _ in range(self._count())}
        if first == "a":
            return self._array(kind[1:], name)
        if first in "({":
            return tuple(self.value(each, name) for each in wire.types(kind[1:-1]))
        return self._simple(first, name)

    def _simple(self, kind: str, name: str) -> Any:
        if kind == "v":
            inner = self.dice.choice(_KINDS)
            return inner, self.value(inner)
        if kind == "b":
            return self.dice.randrange(2)
        if kind == "h":
            return self.dice.choice((0, 0, 1, 2, 3, 15, 2**31))
        if kind == "d":
            return self.dice.choice((0.0, -1.5, float("inf"), float("nan"), 1e308))
        if kind == "o":
            return self.dice.choice((*self.pools["object"], *self.operations[-5:]))
        if kind == "g":
            return self.dice.choice(_KINDS)
        return self._text(next((pool for part, pool in _TEXTS.items() if part in name), ""))

    def _array(self, kind: str, name: str) -> Any:
        values = [self.value(kind, name) for _ in range(self._count())]
        return dict(values) if kind[0] == "{" else values

    def _options(self) -> dict[str, Any]:
        """Return options by name, of the right type or another."""
        keys = {self.dice.choice(_OPTIONS) for _ in range(self._count())}
        return {key: self.value("v") for key in sorted(keys)}

    def _text(self, pool: str) -> str:
        return str(self._pick(pool or self.dice.choice(("name", "path", "word", "text", "image"))))

    def _pick(self, pool: str) -> Any:
        return self.dice.choice(self.pools[pool])

    def _count(self) -> int:
        return self.dice.choice((0, 1, 1, 2, 3, 3, 8))

    def _method(self) -> Method:
        return self.dice.choice(self.known)

    def _path(self, method: Method) -> str:
        if method.interface == MANAGER:
            return MANAGER_PATH
        guessed = f"{MANAGER_PATH}/operations/{self.dice.randrange(10**13)}"
        return self.dice.choice((*self.operations[-20:], guessed))

    def _right(self) -> Message:
        method = self._method()
        body = tuple(self.value(kind, name) for name, kind in method.arguments)
        if not self.dice.randrange(20):
            return self._of(method, "", ())
        return self._of(method, method.signature, body)

    def _other_types(self) -> Message:
        method = self._method()
        kinds = [kind for _, kind in method.arguments]
        place = self.dice.randrange(len(kinds) + 1)
        if self.dice.random() < 0.4:
            kinds[place : place + 1] = [self.dice.choice(_KINDS)]
        elif self.dice.random() < 0.5:
            del kinds[place:]
        else:
            kinds += self.dice.choices(_KINDS, k=self._count())
        return self._of(method, "".join(kinds), tuple(self.value(kind) for kind in kinds))

    def _standard(self) -> Message:
        method = self.dice.choice(STANDARD)
        body = tuple(self._standard_value(name, kind) for name, kind in method.arguments)
        paths = (MANAGER_PATH, "/", "/org/kde", *self.operations[-9:], self._pick("object"))
        return replace(self._of(method, method.signature, body), path=self.dice.choice(paths))

    def _standard_value(self, name: str, kind: str) -> Any:
        names = {
            "interface": (MANAGER, OPERATION, "org.freedesktop.DBus.Properties", "", "x"),
            "property": ("Version", "Status", "ErrorMessage", "", "__class__", "x" * 1000),
        }
        return self.dice.choice(names[name]) if name in names else self.value(kind)

    def _elsewhere(self) -> Message:
        message = self.dice.choice((self._right, self._standard))()
        changes = (
            {"path": "/org/kde/kapsule/operations"},
            {"path": "/" + "/".join("x" * 200 for _ in range(self.dice.randrange(1, 200)))},
            {"path": self.dice.choice(self.pools["object"])},
            {"interface": "org.freedesktop.DBus.Nothing"},
            {"interface": "org.kde.kapsule.Manager.Manager"},
            {"interface": "x.org.freedesktop.DBus.Properties"},
            {"member": "__init__"},
            {"member": "x" * 255},
        )
        return replace(message, **self.dice.choice(changes))

    def _create(self) -> Message:
        """Create a container that is isolated, which is not all that it may be."""
        trust = {"trust": ("s", self.dice.choice(("sealed", "project")))}
        options = trust if self.dice.random() < 0.6 else trust | self._options()
        body = (self.dice.choice(("bobs", "t", "a-b")), "local:busybox", options)
        return self._of(Method(MANAGER, "CreateContainer", ()), "ssa{sv}", body)

    def _deep(self) -> Message:
        kind = self.dice.choice(_KINDS)
        value = (kind, self.value(kind))
        for _ in range(self.dice.randrange(1, _DEEPEST - 22)):
            value = ("v", value)
        if self.dice.random() < 0.5:
            options = {self.dice.choice(_OPTIONS): value}
            body = (self._text("name"), self._text("image"), options)
            return self._of(Method(MANAGER, "CreateContainer", ()), "ssa{sv}", body)
        return self._of(self._method(), "v", (value,))

    def _large(self) -> Message:
        method = self._method()
        length = self.dice.choice(((1 << 16) - 300, 1 << 16, 1 << 17, 1 << 20))
        big = {
            "s": "x" * length,
            "as": ["x"] * (length // 8),
            "a{ss}": {f"{number}": "x" for number in range(length // 24)},
            "a{sv}": {f"{number}": ("b", 1) for number in range(length // 24)},
            "ay": bytes(length),
        }
        kinds = [kind for _, kind in method.arguments] or ["ay"]
        return self._of(
            method, "".join(kinds), tuple(big.get(kind, self.value(kind)) for kind in kinds)
        )

    def _of(self, method: Method, signature: str, body: tuple[Any, ...]) -> Message:
        return Message(self._path(method), method.interface, method.name, signature, body)
