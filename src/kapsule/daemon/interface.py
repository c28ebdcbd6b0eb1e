# SPDX-License-Identifier: GPL-3.0-or-later
"""D-Bus interfaces that also tell what their results and signal arguments are called."""

import inspect
from collections.abc import Mapping
from typing import ClassVar

from dbus_fast import introspection
from dbus_fast.service import ServiceInterface


class NamedInterface(ServiceInterface):
    """A ServiceInterface whose introspection has names for what comes out of it.

    results: method -> the names of its results. Signal arguments are called as the parameters of
    the signal's function.
    """

    results: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def introspect(self) -> introspection.Interface:
        """Return dbus-fast's introspection with the names put in."""
        interface = super().introspect()
        for method in interface.methods:
            _name(method.out_args, self.results.get(method.name, ()))
        for signal in interface.signals:
            _, *parameters = inspect.signature(getattr(type(self), signal.name)).parameters
            _name(signal.args, tuple(parameters))
        return interface


def _name(arguments: list[introspection.Arg], names: tuple[str, ...]) -> None:
    for argument, name in zip(arguments, names, strict=True):
        argument.name = name
