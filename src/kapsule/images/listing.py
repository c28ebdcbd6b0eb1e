# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that are here, as a user may see them."""

import json

from kapsule.images.access import may_use_image
from kapsule.incus import images
from kapsule.incus.client import IncusClient


async def list_usable_images(incus: IncusClient, uid: int, is_admin: bool) -> str:
    """Return the images that a user may use as JSON, each with all that Incus says of it.

    uid: the user's. is_admin: whether they are an administrator.
    Raises IncusError when Incus does not answer.
    """
    found = await images.list_images_whole(incus)
    # Whole objects: the interface promises more fields than we read ourselves.
    usable = [each for image, each in found if may_use_image(image, uid, is_admin=is_admin)]
    return json.dumps(usable)
