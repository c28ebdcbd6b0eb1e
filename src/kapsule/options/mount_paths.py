# SPDX-License-Identifier: GPL-3.0-or-later
"""How a directory to share is written: `PATH`, `PATH:ro` or `PATH:rw`. Pure."""

READ_ONLY = ":ro"
_WRITABLE = ":rw"


def split_access(text: str) -> tuple[str, str]:
    """Return the path and how it is shared: READ_ONLY, ":rw", or "" where nothing is said.

    Only the last such ending counts, so a path that itself ends in ":ro" is written `PATH:ro:rw`.
    """
    for access in (READ_ONLY, _WRITABLE):
        if text.endswith(access):
            return text.removesuffix(access), access
    return text, ""
