# SPDX-License-Identifier: GPL-3.0-or-later
"""The table as a page of documentation: docs/options.md."""

from kapsule.options.parse import describe
from kapsule.options.schema import ARRAY, BOOLEAN, Option, OptionValue, Schema

_HEAD = """\
<!-- SPDX-License-Identifier: CC0-1.0 -->
<!-- Made from src/kapsule/options/table.py by scripts/generate: edit that. -->
# Creation options

What `kapsule create` takes, by section. The key is the name on D-Bus (`CreateContainer`) and in an
image's own defaults. A flag on the command line wins over the image, the image over the table.
"""


def to_markdown(schema: Schema) -> str:
    """Return the page."""
    parts = [_HEAD]
    for section in schema.sections:
        parts.append(f"\n## {section.title}\n")
        parts += [_entry(schema, option) for option in section.options]
    return "".join([*parts, *_presets(schema)])


def _entry(schema: Schema, option: Option) -> str:
    facts = [
        f"key `{option.key}`",
        f"{option.type}",
        f"default {_value(option.default)}",
    ]
    if option.choices:
        facts.append("one of " + ", ".join(f"`{choice}`" for choice in option.choices))
    facts += _requirements(schema, option)
    if option.unavailable:
        facts.append(f"refused for now: {option.unavailable}")
    return (
        f"\n### {option.title}: {_flags(option)}\n\n{option.description}.\n\n{'; '.join(facts)}\n"
    )


def _requirements(schema: Schema, option: Option) -> list[str]:
    named = ", ".join(f"`{_value_word(value)}`" for value in option.requiring)
    prefix = f"{named} requires" if named else "requires"
    required = [f"{prefix} {_described(schema, *other)}" for other in option.requires]
    if option.instead is None:
        return required
    instead = f"`{_value_word(option.instead)}` by default without"
    return required + [f"{instead} {_described(schema, *other)}" for other in option.wants]


def _described(schema: Schema, key: str, value: OptionValue) -> str:
    other = schema.find(key)
    return f"`{describe(other, value)}`" if other else f"`{key}`"


def _presets(schema: Schema) -> list[str]:
    """Return a table of what each preset sets."""
    if not schema.presets:
        return []
    option = schema.find(schema.preset_key)
    assert option is not None
    tables = [dict(preset.values) for preset in schema.presets]
    lines = [
        f"\n## Presets\n\n`{option.flag}` sets these; each can be set otherwise beside it.\n\n",
        "| option | " + " | ".join(f"`{preset.name}`" for preset in schema.presets) + " |\n",
        "|---" * (len(schema.presets) + 1) + "|\n",
    ]
    for each in schema.options:
        if any(each.key in table for table in tables):
            cells = " | ".join(_value(table.get(each.key, each.default)) for table in tables)
            lines.append(f"| `{each.key}` | {cells} |\n")
    return lines


def _flags(option: Option) -> str:
    if option.type == BOOLEAN:
        return f"`{describe(option, True)}`, `{describe(option, False)}`"
    repeated = ", can be repeated" if option.type == ARRAY else ""
    return f"`{option.flag} {option.metavar}`{repeated}"


def _value(value: OptionValue) -> str:
    return f"`{value}`" if value and not isinstance(value, bool) else _value_word(value)


def _value_word(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) if value else "none"
