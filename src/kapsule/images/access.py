# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use an image that is here. Pure."""

from kapsule import names
from kapsule.images.resolve import SIMPLESTREAMS
from kapsule.incus.types import Image


def may_use_image(image: Image, uid: int, *, is_admin: bool) -> bool:
    """Say whether a user may know of an image and make containers of it.

    Everybody may use what is public by its origin or by an administrator's word, and their own.
    uid: the user's. is_admin: whether the user is an administrator, who may use all.
    """
    if is_admin or image.public:
        return True
    # Servers of this kind have no log-in: whatever they have, everybody can get from them.
    if image.update_source and image.update_source.protocol == SIMPLESTREAMS:
        return True
    return image.properties.get(names.IMAGE_OWNER) == str(uid)
