# SPDX-License-Identifier: GPL-3.0-or-later
"""All that crosses the border of a container, in an order that begins with the gravest. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kapsule.containers.container import Container
from kapsule.containers.stored_options import options_of
from kapsule.options.parse import describe
from kapsule.options.schema import OptionValue
from kapsule.options.table import CREATE_OPTIONS
from kapsule.trust import identities, shared
from kapsule.trust.crossing import Crossing
from kapsule.trust.identities import IdRange

_NO_BORDER = "It is no border against its own root: do not run in it what you would not run here."
_BORDER = "It is a border also against its own root."


@dataclass(frozen=True, slots=True)
class TrustReport:
    """How far a container is trusted.

    level: as chosen. dials: the options that are set otherwise than the level sets them, as
    flags. isolated: whether it has a user namespace. summary: one sentence. id_map: whose ids its
    ids are on the host, as far as it has run; empty where they are the same.
    """

    name: str
    level: str
    dials: Sequence[str]
    isolated: bool
    summary: str
    id_map: Sequence[IdRange]
    crossings: Sequence[Crossing]

    def to_json(self) -> str:
        """Return it for the bus and for programs; docs/dbus-api.md describes the form."""
        return json.dumps(
            {
                "name": self.name,
                "trust": self.level,
                "dials": list(self.dials),
                "isolated": self.isolated,
                "summary": self.summary,
                "id_map": [row._asdict() for row in self.id_map],
                "crossings": [crossing._asdict() for crossing in self.crossings],
            }
        )


def make_report(
    container: Container, devices: Mapping[str, Mapping[str, str]], bounding: int | None
) -> TrustReport:
    """Return the report. devices: of the instance, with its profiles'.

    bounding: the capability bounding set of its init, None where it does not run.
    """
    config, isolated = container.config, container.is_isolated
    options = options_of(container)
    crossings = (
        *identities.identities(config, isolated=isolated),
        identities.capabilities(bounding, isolated=isolated),
        *shared.mounts(config, options, devices),
        *shared.sockets(options),
        *shared.guest_interface(config),
        *shared.devices_of(devices),
        *shared.networks(options, devices),
    )
    return TrustReport(
        name=container.name,
        level=str(options["trust"]),
        dials=_dials(options),
        isolated=isolated,
        summary=_BORDER if isolated else _NO_BORDER,
        id_map=identities.id_map(config) if isolated else (),
        crossings=crossings,
    )


def _dials(options: Mapping[str, OptionValue]) -> list[str]:
    """Return what differs from the level, as flags."""
    preset = CREATE_OPTIONS.preset(options["trust"])
    flags: list[str] = []
    for option in CREATE_OPTIONS.options:
        value = options[option.key]
        if option.key not in preset or value == preset[option.key]:
            continue
        each = value if isinstance(value, tuple) else ()
        flags += [f"{option.flag} {item}" for item in each] or [describe(option, value)]
    return flags
