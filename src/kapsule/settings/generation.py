# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a guest make the host's locales that it lacks, where it can."""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from kapsule.containers.backend import Backend
from kapsule.errors import GuestError
from kapsule.session.guest_actions import FILE, SYMLINK, Action, GuestFile, WriteFile

_LIST = "/etc/locale.gen"  # locale.gen(5)
_PROGRAMS = ("/usr/sbin/locale-gen", "/usr/bin/locale-gen")
_DEFINITIONS = "/usr/share/i18n/locales/"
_UTF_8 = re.compile(r"([a-z]{2,3}_[A-Z]{2})\.(?:UTF-8|utf8)\Z")
_TIME_LIMIT = 300.0  # seconds


class Generation(NamedTuple):
    """program: the guest's. actions: what tells it which locales to make."""

    program: str
    actions: tuple[Action, ...]


def paths(missing: Collection[str]) -> tuple[str, ...]:
    """Return what plan_generation has to know of the guest."""
    definitions = (_DEFINITIONS + language for language in map(_language, missing) if language)
    return (_LIST, *_PROGRAMS, *definitions)


def plan_generation(
    files: Mapping[str, GuestFile | None], missing: Collection[str]
) -> Generation | None:
    """Return how the guest makes missing locales; None where it cannot. files: of paths()."""
    languages = [language for language in map(_language, sorted(missing)) if language]
    entries = [f"{each}.UTF-8 UTF-8" for each in languages if files.get(_DEFINITIONS + each)]
    programs = [path for path in _PROGRAMS if _is_executable(files.get(path))]
    now = files.get(_LIST)
    if not entries or not programs or (now and now.kind not in (FILE, SYMLINK)):
        return None
    if now and now.kind == SYMLINK:  # a list that somebody manages elsewhere
        return None
    return Generation(programs[0], _list(now, entries))


def _list(now: GuestFile | None, entries: list[str]) -> tuple[Action, ...]:
    text = (now.content or "") if now else ""
    present = {line.strip() for line in text.splitlines()}
    more = [entry for entry in entries if entry not in present]
    if not more:
        return ()
    separator = "" if not text or text.endswith("\n") else "\n"
    return (WriteFile(_LIST, text + separator + "".join(f"{each}\n" for each in more)),)


def _language(locale: str) -> str:
    match = _UTF_8.match(locale)
    return match[1] if match else ""


def _is_executable(file: GuestFile | None) -> bool:
    return file is not None and file.executable


async def generate_locales(backend: Backend, name: str, missing: Collection[str]) -> bool:
    """Have the guest make the locales; say whether it made any. It takes seconds to minutes.

    Raises GuestError when it fails; its list of locales is then as before.
    """
    files = await backend.guests.read(name, paths(missing))
    plan = plan_generation(files, missing)
    if plan is None:
        return False
    undo = await backend.guests.apply(name, plan.actions)
    try:
        status = await backend.guests.run(name, [plan.program], "", _TIME_LIMIT)
        if status != 0:
            raise GuestError(f"{plan.program} failed with status {status}")
    except GuestError:
        await backend.guests.apply(name, undo)
        raise
    return True
