# SPDX-License-Identifier: GPL-3.0-or-later
"""A step of starting a container."""

import logging

from kapsule.containers.start import START, StartContext
from kapsule.errors import KapsuleError
from kapsule.settings.apply import apply_in_time

log = logging.getLogger(__name__)

_PATIENCE = 5.0  # seconds; a guest that hangs is still entered


@START.step(500)
async def follow_host_settings(context: StartContext) -> None:
    """Give it the host's time zone, locale and name servers, which may have changed meanwhile."""
    try:
        failures = (await apply_in_time(context.backend, context.name, _PATIENCE)).failures
    except KapsuleError as error:
        failures = (error.message,)
    for failure in failures:
        log.warning("%s does not follow the host in everything: %s", context.name, failure)
