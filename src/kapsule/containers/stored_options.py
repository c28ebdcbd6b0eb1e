# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that a container was made with, as its configuration has them. Pure."""

import json
from collections.abc import Mapping

from kapsule.containers.container import Container
from kapsule.options.schema import ARRAY, BOOLEAN, Option, OptionValue
from kapsule.options.table import CREATE_OPTIONS

_PREFIX = "user.kapsule."


def key_of(option: str) -> str:
    """Return the configuration key of an option. option: its key in the table."""
    return _PREFIX + option.replace("_", "-")


def stored_options(config: Mapping[str, str]) -> dict[str, OptionValue]:
    """Return a value for every option of the table; its default where nothing is stored.

    config: of the instance. Others may have written there.
    """
    return {option.key: _value(option, config) for option in CREATE_OPTIONS.options}


def options_of(container: Container) -> dict[str, OptionValue]:
    """Return a container's options, with what Incus does in place of what was written down."""
    actual = {"privileged": not container.is_isolated, "x11": container.has_x11}
    return stored_options(container.config) | actual


def to_text(value: OptionValue) -> str:
    """Return a value as the configuration has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def stored_list(raw: str | None) -> tuple[str, ...]:
    """Return a list as the configuration has it; what is no text in it, or no list, is left out.

    raw: the value of its key, None where there is none.
    """
    try:
        values = json.loads(raw or "[]")
    except (ValueError, RecursionError):
        return ()
    if not isinstance(values, list):
        return ()
    return tuple(value for value in values if isinstance(value, str))


def _value(option: Option, config: Mapping[str, str]) -> OptionValue:
    raw = config.get(key_of(option.key))
    if option.type == ARRAY:
        return stored_list(raw)
    if raw is None:
        return option.default
    return raw == "true" if option.type == BOOLEAN else raw
