# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's locale in a guest. Pure."""

from collections.abc import Collection, Mapping

from kapsule.host.settings import DEFAULT_LOCALE, LOCALE_CONF, HostSettings, Locale, parse_locale
from kapsule.session.guest_actions import FILE, SYMLINK, Action, GuestFile, WriteFile
from kapsule.session.locales import BUILT_IN, DIRECTORIES, FALLBACK

_DEBIAN = "/etc/debian_version"
_DEFAULTS = "/etc/default"
_LANGUAGES = "LANGUAGE"  # of translations, in order of preference: no locale

PATHS = (LOCALE_CONF, DEFAULT_LOCALE, _DEFAULTS, _DEBIAN, *DIRECTORIES)


def locales_of(settings: HostSettings) -> frozenset[str]:
    """Return the locales that the settings name, without those that every guest has."""
    named = (value for name, value in settings.locale if name != _LANGUAGES)
    return frozenset(named) - BUILT_IN


def plan_locale(
    files: Mapping[str, GuestFile | None], settings: HostSettings, missing: Collection[str]
) -> tuple[Action, ...]:
    """Return what gives the guest the host's locale.

    files: what is at PATHS. missing: those locales that the guest does not have; C.UTF-8 takes
    their place. A host that sets none leaves the guest's own.
    """
    wanted = tuple(
        (name, FALLBACK if name != _LANGUAGES and value in missing else value)
        for name, value in settings.locale
    )
    text = "".join(f"{name}={value}\n" for name, value in wanted)
    return tuple(
        WriteFile(path, text)
        for path in _places(files)
        if wanted and _set_by(files.get(path)) != wanted
    )


def _places(files: Mapping[str, GuestFile | None]) -> list[str]:
    """Return the files from which this guest takes its locale, where it has such a thing."""
    found = [path for path in (LOCALE_CONF, DEFAULT_LOCALE) if _is_file(files.get(path))]
    if found:
        return found
    default, has_defaults = files.get(DEFAULT_LOCALE), files.get(_DEFAULTS)
    leads_elsewhere = default and default.kind == SYMLINK  # to LOCALE_CONF, in a newer Debian
    if files.get(_DEBIAN) and has_defaults and not leads_elsewhere:
        return [DEFAULT_LOCALE]
    return [LOCALE_CONF] if any(map(files.get, DIRECTORIES)) else []


def _is_file(file: GuestFile | None) -> bool:
    return file is not None and file.kind == FILE and not file.mounted


def _set_by(file: GuestFile | None) -> Locale | None:
    return parse_locale(file.content) if file and file.content else None
