# SPDX-License-Identifier: GPL-3.0-or-later
"""What an option is. Plain value types: the command line imports them on its hot path."""

from typing import NamedTuple

OptionValue = bool | str | tuple[str, ...]

BOOLEAN = "boolean"
STRING = "string"
ARRAY = "array"


class Option(NamedTuple):
    """One creation option: a row of the table that every surface is made from.

    key: snake_case; the D-Bus key, and with dashes the flag.
    type: BOOLEAN, STRING or ARRAY (of strings).
    default: a value of that type.
    title: a few words, for forms. description: one sentence, for help.
    choices: what a STRING may be; empty for anything.
    requires: other options and the values that they must have when this one has a value of
    `requiring`; those are all but its default where nothing is said. wants: the same for those
    that it only has by default; who asks for it gets it without. instead: the value that it takes
    for want of either, when nobody chose it.
    item_format: what a STRING or an ARRAY's elements are ("directory-path"), for completion and
    file pickers.
    metavar: the word for the value in help.
    unavailable: why the option is refused in this version; "" for an option that works.
    """

    key: str
    type: str
    default: OptionValue
    title: str
    description: str
    choices: tuple[str, ...] = ()
    requires: tuple[tuple[str, OptionValue], ...] = ()
    requiring: tuple[OptionValue, ...] = ()
    wants: tuple[tuple[str, OptionValue], ...] = ()
    instead: OptionValue | None = None
    item_format: str = ""
    metavar: str = "VALUE"
    unavailable: str = ""

    @property
    def flag(self) -> str:
        """The option's flag on the command line."""
        return "--" + self.key.replace("_", "-")

    def needs_others(self, value: OptionValue) -> bool:
        """Whether what `requires` says counts for this value."""
        return value in self.requiring if self.requiring else value != self.default


class Section(NamedTuple):
    """A group of options with a title, in display order."""

    id: str
    title: str
    options: tuple[Option, ...]


class Preset(NamedTuple):
    """Values that belong together, under one name. about: a few words for help.

    values: of some options. The others keep their defaults.
    """

    name: str
    about: str
    values: tuple[tuple[str, OptionValue], ...]


class Schema(NamedTuple):
    """The whole table. preset_key: of the option that chooses one of the presets, or ""."""

    sections: tuple[Section, ...]
    presets: tuple[Preset, ...] = ()
    preset_key: str = ""

    @property
    def options(self) -> tuple[Option, ...]:
        """All options in display order."""
        return tuple(option for section in self.sections for option in section.options)

    def find(self, key: str) -> Option | None:
        """Return the option with this key, or None."""
        return next((option for option in self.options if option.key == key), None)

    def preset(self, name: object) -> dict[str, OptionValue]:
        """Return the values of a preset by option; none where there is no such preset."""
        return next((dict(each.values) for each in self.presets if each.name == name), {})
