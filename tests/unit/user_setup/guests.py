# SPDX-License-Identifier: GPL-3.0-or-later
"""Account files as distributions ship them, cut down to what matters."""

from kapsule.host.users import HostUser
from kapsule.user_setup.tables import Accounts, parse, render

DEBIAN = Accounts(
    passwd=parse(
        "root:x:0:0:root:/root:/bin/bash\n"
        "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
        "games:x:5:60:games:/usr/games:/usr/sbin/nologin\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        "systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin\n"
    ),
    group=parse(
        "root:x:0:\ndaemon:x:1:\nsudo:x:27:\naudio:x:29:pulse\nvideo:x:44:\nusers:x:100:\n"
        "games:x:60:\nnogroup:x:65534:\nrender:x:105:\n"
    ),
    shadow=parse(
        "root:*:19700:0:99999:7:::\ndaemon:*:19700:0:99999:7:::\ngames:*:19700:0:99999:7:::\n"
        "nobody:*:19700:0:99999:7:::\nsystemd-network:!*:19700::::::\n"
    ),
    gshadow=parse("root:*::\ndaemon:*::\nsudo:*::\naudio:*::pulse\nvideo:*::\nusers:*::\n"),
)

UBUNTU = Accounts(
    passwd=parse(
        "root:x:0:0:root:/root:/bin/bash\n"
        "sync:x:4:65534:sync:/bin:/bin/sync\n"
        "ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n"
        "tcpdump:x:102:105::/nonexistent:/usr/sbin/nologin\n"
    ),
    group=parse(
        "root:x:0:\nadm:x:4:syslog,ubuntu\ncdrom:x:24:ubuntu\nsudo:x:27:ubuntu\n"
        "users:x:100:\nubuntu:x:1000:\nlxd:x:110:ubuntu\n"
    ),
    shadow=parse("root:*:20000:0:99999:7:::\nsync:*:20000:0:99999:7:::\nubuntu:$6$known::0:::::\n"),
    gshadow=parse("root:*::\nadm:*::syslog,ubuntu\nsudo:*:ubuntu:ubuntu\nubuntu:!::\n"),
)

ALPINE = Accounts(
    passwd=parse(
        "root:x:0:0:root:/root:/bin/sh\n"
        "bin:x:1:1:bin:/bin:/sbin/nologin\n"
        "guest:x:405:100:guest:/dev/null:/sbin/nologin\n"
    ),
    group=parse("root:x:0:root\nbin:x:1:root,bin,daemon\nwheel:x:10:root\nusers:x:100:games\n"),
    shadow=parse("root:*::0:::::\nbin:!::0:::::\nguest:!::0:::::\n"),
)

BUSYBOX = Accounts(
    passwd=parse("root::0:0:root:/root:/bin/sh\ndefault:x:1000:1000::/home/default:/bin/sh\n"),
    group=parse("root:x:0:\nwheel:x:10:\ndefault:x:1000:\n"),
)

FEDORA = Accounts(
    passwd=parse(
        "root:x:0:0:Super User:/root:/bin/bash\n"
        "adm:x:3:4:adm:/var/adm:/usr/sbin/nologin\n"
        "+nisuser::::::\n"
        "systemd-coredump:x:999:997:systemd Core Dumper:/:/usr/sbin/nologin"  # no newline
    ),
    group=parse("root:x:0:\nwheel:x:10:\nvideo:x:39:\nalice:x:997:\n+:::\nbroken line\n\n"),
    shadow=parse("root:!locked::0:99999:7:::\nadm:*:19760:0:99999:7:::\n"),
    gshadow=parse("root:::\nwheel:::\n"),
)

NIXOS = Accounts(
    passwd=parse(
        "root:x:0:0:System administrator:/root:/run/current-system/sw/bin/bash\n"
        "nixbld1:x:30001:30000:Nix build user 1:/var/empty:/run/current-system/sw/bin/nologin\n"
    ),
    group=parse("root:x:0:\nwheel:x:1:\nnixbld:x:30000:nixbld1,nixbld2\nusers:x:100:\n"),
    shadow=parse("root:!:1::::::\nnixbld1:!:1::::::\n"),
)

EMPTY = Accounts()

GUESTS = {
    "debian": DEBIAN,
    "ubuntu": UBUNTU,
    "alpine": ALPINE,
    "busybox": BUSYBOX,
    "fedora": FEDORA,
    "nixos": NIXOS,
    "empty": EMPTY,
}


def host_user(
    name: str = "alice",
    uid: int = 1000,
    gid: int = 1000,
    *,
    home: str = "/home/alice",
    shell: str = "/bin/bash",
    group_name: str = "alice",
) -> HostUser:
    """Return an account of the host."""
    return HostUser(uid, gid, name, home, shell, (gid,), group_name)


def texts(accounts: Accounts) -> tuple[str | None, ...]:
    """Return the account files as text: passwd, group, shadow, gshadow."""
    tables = (accounts.passwd, accounts.group, accounts.shadow, accounts.gshadow)
    return tuple(None if table is None else render(table) for table in tables)
