# SPDX-License-Identifier: GPL-3.0-or-later
import json
from pathlib import Path

from kapsule.images.listing import list_usable_images
from kapsule.incus.client import IncusClient
from kapsule.testing.fake_incus import FakeIncus, sync

PUBLIC = {"fingerprint": "a", "public": True, "architecture": "x86_64"}
OF_1000 = {"fingerprint": "b", "public": False, "properties": {"user.kapsule.owner": "1000"}}


async def test_what_a_user_may_use(tmp_path: Path) -> None:
    """Users see whole objects of the images that they may use; administrators see all."""
    client = IncusClient(str(tmp_path / "unix.socket"))
    async with FakeIncus(str(tmp_path / "unix.socket")) as incus:
        incus.on("GET", "/1.0/images", sync([PUBLIC, OF_1000]))
        assert json.loads(await list_usable_images(client, 1000, False)) == [PUBLIC, OF_1000]
        assert json.loads(await list_usable_images(client, 1001, False)) == [PUBLIC]
        assert json.loads(await list_usable_images(client, 1001, True)) == [PUBLIC, OF_1000]
    await client.close()
