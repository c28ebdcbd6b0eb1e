# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that somebody asked for -> values that the table allows. Pure."""

from collections.abc import Collection, Mapping

from kapsule.errors import CallerError, InvalidArgument, NotSupported
from kapsule.options.schema import ARRAY, BOOLEAN, STRING, Option, OptionValue, Schema

_EXPECTED = {BOOLEAN: "true or false", STRING: "a text", ARRAY: "a list of texts"}


def parse_options(schema: Schema, values: Mapping[str, object]) -> dict[str, OptionValue]:
    """Check what a caller set against the table and return it, nothing added.

    values: option key -> value as it came in: bool, str, or list or tuple of str.
    Raises InvalidArgument for an unknown key, a wrong type or a value outside the choices, and
    NotSupported for an option that this version refuses.
    """
    unknown = sorted(key for key in values if schema.find(key) is None)
    if unknown:
        raise InvalidArgument(
            f"Unknown options: {', '.join(unknown)}",
            hint="There are: " + ", ".join(option.key for option in schema.options),
        )
    known = (option for option in schema.options if option.key in values)
    return {option.key: _parse_value(option, values[option.key]) for option in known}


def usable_defaults(
    schema: Schema, defaults: Mapping[str, object]
) -> tuple[dict[str, OptionValue], tuple[str, ...]]:
    """Return those of an image's own defaults that can be honoured, and a warning for each other.

    defaults: option key -> value as the image's properties have it.
    """
    usable: dict[str, OptionValue] = {}
    warnings = []
    for key, value in defaults.items():
        try:
            usable |= parse_options(schema, {key: value})
        except CallerError as error:
            warnings.append(f"The image's default for {key!r} is left out: {error.message}")
    return usable, tuple(warnings)


def merge_options(
    schema: Schema, image_defaults: Mapping[str, object], user_values: Mapping[str, OptionValue]
) -> dict[str, OptionValue]:
    """Return a value for every option of the table: table < image < user.

    What an image or the user sets one by one wins over the preset that the same one chose, and all
    that the user says wins over all that the image says. Only one preset counts.

    image_defaults: as the image has them; those that cannot be honoured are left out, and
    usable_defaults tells which. user_values: what parse_options returned.
    Raises InvalidArgument when an option lacks another one that it requires.
    """
    usable, _ = usable_defaults(schema, image_defaults)
    preset = schema.preset((usable | dict(user_values)).get(schema.preset_key))
    is_users = schema.preset_key in user_values
    chosen = usable | preset if is_users else preset | usable
    merged = {option.key: option.default for option in schema.options} | chosen | dict(user_values)
    one_by_one = (usable.keys() - preset.keys() if is_users else usable.keys()) | user_values.keys()
    for option in schema.options:
        lacks = any(merged[key] != wanted for key, wanted in option.wants)
        if lacks and option.instead is not None and option.key not in user_values:
            merged[option.key] = option.instead
        if option.needs_others(merged[option.key]):
            _meet_requirements(schema, option, merged, one_by_one, user_values)
    return merged


def describe(option: Option, value: OptionValue) -> str:
    """Return the flag that gives the option this value: `--gpu`, `--no-gpu`, `--network bridge`."""
    if option.type == BOOLEAN:
        return option.flag if value else option.flag.replace("--", "--no-", 1)
    if option.type == STRING:
        return f"{option.flag} {value}"
    return option.flag


def _parse_value(option: Option, value: object) -> OptionValue:
    parsed = _convert(option, value)
    if option.choices and parsed not in option.choices:
        raise InvalidArgument(
            f"{option.flag} cannot be {parsed!r}", hint="It can be: " + ", ".join(option.choices)
        )
    if option.unavailable and parsed != option.default:
        raise NotSupported(
            f"{describe(option, parsed)} is refused: {option.unavailable}", hint="Leave it out"
        )
    return parsed


def _convert(option: Option, value: object) -> OptionValue:
    if option.type == BOOLEAN and isinstance(value, bool):
        return value
    if option.type == STRING and isinstance(value, str):
        return value
    if option.type == ARRAY and isinstance(value, list | tuple):
        items = tuple(item for item in value if isinstance(item, str))
        if len(items) == len(value):
            return items
    raise InvalidArgument(f"{option.flag} must be {_EXPECTED[option.type]}, not {value!r:.60}")


def _meet_requirements(
    schema: Schema,
    option: Option,
    merged: dict[str, OptionValue],
    one_by_one: Collection[str],
    user_values: Mapping[str, OptionValue],
) -> None:
    """Check what an option requires.

    one_by_one: those that somebody chose for themselves; others give way where they can.
    """
    for key, needed in option.requires:
        required = schema.find(key)
        if required is None or merged[key] == needed:
            continue
        if option.key not in one_by_one and option.instead is not None:
            merged[option.key] = option.instead
            return
        asked, missing = describe(option, merged[option.key]), describe(required, needed)
        leave_out = f"leave out {asked}"
        if option.key not in user_values:
            otherwise = option.default if option.instead is None else option.instead
            leave_out = f"{describe(option, otherwise)}, because the image sets {asked}"
        raise InvalidArgument(f"{asked} requires {missing}", hint=f"Add {missing}, or {leave_out}")
