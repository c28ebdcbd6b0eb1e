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
    return "".join(parts)


def _entry(schema: Schema, option: Option) -> str:
    facts = [
        f"key `{option.key}`",
        f"{option.type}",
        f"default {_value(option.default)}",
    ]
    if option.choices:
        facts.append("one of " + ", ".join(f"`{choice}`" for choice in option.choices))
    for key, needed in option.requires:
        required = schema.find(key)
        if required is not None:
            facts.append(f"requires `{describe(required, needed)}`")
    if option.unavailable:
        facts.append(f"refused for now: {option.unavailable}")
    return (
        f"\n### {option.title}: {_flags(option)}\n\n{option.description}.\n\n{'; '.join(facts)}\n"
    )


def _flags(option: Option) -> str:
    if option.type == BOOLEAN:
        return f"`{describe(option, True)}`, `{describe(option, False)}`"
    repeated = ", can be repeated" if option.type == ARRAY else ""
    return f"`{option.flag} {option.metavar}`{repeated}"


def _value(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{value}`" if value else "none"
