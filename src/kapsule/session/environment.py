# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session's process finds in its environment. Pure."""

from kapsule.session.accounts import Account

# The usual one, and where NixOS and Guix keep their programs.
DEFAULT_PATH = (
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    ":/run/wrappers/bin:/run/current-system/sw/bin:/run/current-system/profile/bin"
)
_LOGIN_OWN = {"_", "SHLVL", "PWD", "OLDPWD", "MAIL", "TERM", "container", "KAPSULE_CONTAINER"}


def compose(
    account: Account, shell: str, container: str, login: dict[str, str], passed: dict[str, str]
) -> dict[str, str]:
    """Return the environment of a session.

    login: that of the user's login session in the container, {} where there is none. passed: what
    came from the caller; it wins over the login's, but never over who and where the user is.
    """
    environment = {"PATH": DEFAULT_PATH}
    environment |= {name: value for name, value in login.items() if name not in _LOGIN_OWN}
    environment |= passed
    environment |= {
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": shell,
        "container": "lxc",  # as /run/systemd/container says in every guest of Incus
        "KAPSULE_CONTAINER": container,
    }
    return environment
