# SPDX-License-Identifier: GPL-3.0-or-later
"""The table as JSON (`GetCreateSchema`), and option values to and from D-Bus variants.

No D-Bus library is imported: the daemon and the command line use different ones.
"""

from collections.abc import Mapping
from typing import Any

from kapsule.options.schema import ARRAY, BOOLEAN, STRING, Option, OptionValue, Schema, Section

FORMAT_VERSION = 1

_SIGNATURES = {bool: "b", str: "s", tuple: "as"}


def to_json(schema: Schema) -> str:
    """Return the table as compact JSON, format version 1: what settings forms are made from."""
    import json  # here, because the command line wants only the variants below

    document = {
        "version": FORMAT_VERSION,
        "sections": [_section(section) for section in schema.sections],
    }
    if schema.presets:
        document["presets"] = {
            "option": schema.preset_key,
            "values": {preset.name: dict(preset.values) for preset in schema.presets},
        }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def from_variants(values: Mapping[str, object]) -> dict[str, object]:
    """Return what is in a received a{sv}, with variants peeled at every depth.

    values: key -> anything; whatever has `.signature` and `.value` counts as a variant. Callers
    from Qt wrap once more, and send lists of variants (`av`) for lists of strings.
    """
    return {key: _peel(value) for key, value in values.items()}


def to_variants(values: Mapping[str, OptionValue]) -> dict[str, tuple[str, object]]:
    """Return option values as an a{sv} to send: key -> (signature, value)."""
    return {
        key: (_SIGNATURES[type(value)], list(value) if isinstance(value, tuple) else value)
        for key, value in values.items()
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "id": section.id,
        "title": section.title,
        "options": [_option(option) for option in section.options],
    }


def _option(option: Option) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "key": option.key,
        "type": option.type,
        "title": option.title,
        "description": option.description,
        "default": option.default,
    }
    if option.type == ARRAY:
        descriptor["items"] = {"type": STRING}
        if option.item_format:
            descriptor["items"]["format"] = option.item_format
    elif option.item_format:
        descriptor["format"] = option.item_format
    if option.requires and option.type == BOOLEAN:
        descriptor["requires"] = dict(option.requires)
    elif option.requires:
        descriptor["requires_for"] = {
            value: dict(option.requires) for value in option.choices if option.needs_others(value)
        }
    if option.choices:
        descriptor["choices"] = option.choices
    if option.unavailable:
        descriptor["unavailable"] = option.unavailable
    return descriptor


def _peel(value: object) -> object:
    while hasattr(value, "signature") and hasattr(value, "value"):
        value = value.value
    if isinstance(value, list | tuple):
        return [_peel(item) for item in value]
    return value
