# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

from kapsule.host.facts import gather_facts


def _card(root: Path, name: str = "card0", *, device: bool = True, node: bool = True) -> None:
    card = root / "sys/class/drm" / name
    card.mkdir(parents=True)
    if device:
        (card / "device").mkdir()
    if node:
        (root / "dev/dri").mkdir(parents=True, exist_ok=True)
        (root / "dev/dri" / name).touch()


async def test_no_gpu(tmp_path: Path) -> None:
    """A host without graphics devices has no GPU."""
    assert not (await gather_facts(tmp_path)).has_gpu


async def test_card(tmp_path: Path) -> None:
    """A card with a device behind it and a node is a GPU."""
    _card(tmp_path)
    assert (await gather_facts(tmp_path)).has_gpu


async def test_card_of_somebody_else(tmp_path: Path) -> None:
    """A card that only /sys shows, as in a container, is no GPU of this host."""
    _card(tmp_path, node=False)
    assert not (await gather_facts(tmp_path)).has_gpu


async def test_virtual_card(tmp_path: Path) -> None:
    """A card without a device behind it is no GPU."""
    _card(tmp_path, device=False)
    assert not (await gather_facts(tmp_path)).has_gpu


async def test_connector(tmp_path: Path) -> None:
    """A connector is not a card."""
    _card(tmp_path, "card0-HDMI-A-1")
    assert not (await gather_facts(tmp_path)).has_gpu


async def test_nvidia_without_drm(tmp_path: Path) -> None:
    """NVIDIA's own driver may have no card in DRM."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    assert (await gather_facts(tmp_path)).has_gpu


async def test_nodes(tmp_path: Path) -> None:
    """Of the nodes that containers need, those that are there and not open to all are told."""
    assert (await gather_facts(tmp_path)).closed_nodes == ()
    (tmp_path / "dev/net").mkdir(parents=True)
    for node, mode in (("fuse", 0o666), ("net/tun", 0o600)):
        (tmp_path / "dev" / node).touch()
        (tmp_path / "dev" / node).chmod(mode)
    assert (await gather_facts(tmp_path)).closed_nodes == ("/dev/net/tun",)
