# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the firewall's rules again when somebody takes them away: nftables.service, `nft flush`.

The kernel tells about every change of its tables: netlink(7), NFNLGRP_NFTABLES.
"""

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import Iterator

from kapsule import names
from kapsule.errors import NotSupported
from kapsule.host import firewall

# Python has no names for these. include/uapi/linux/netlink.h, netfilter/nfnetlink.h, nf_tables.h.
_NETLINK_NETFILTER = 12
_GROUP_NFTABLES = 7
_DELETED_TABLE = 10 << 8 | 2  # NFNL_SUBSYS_NFTABLES, NFT_MSG_DELTABLE
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_FAMILY_SIZE = 4  # struct nfgenmsg, before the attributes
_TABLE_NAME = 1  # NFTA_TABLE_NAME
_TYPE_MASK = 0x3FFF

_SIZE = 64 * 1024
_PAUSE = 0.1  # seconds: whoever reloads a firewall takes away first and adds then

log = logging.getLogger(__name__)


async def keep_guarding(incus_directory: str) -> None:
    """Do it for ever, as long as there is a bridge. incus_directory: of Incus's data."""
    try:
        listener = _listen()
    except OSError as error:
        log.warning("Changes of the firewall stay unseen: %s", error.strerror)
        return
    with listener:
        while True:
            if not await _is_about_us(listener):
                continue
            await asyncio.sleep(_PAUSE)
            if firewall.has_bridge(incus_directory) and not await firewall.is_guarding():
                await _guard_again()


def deleted_tables(packet: bytes) -> Iterator[str]:
    """Yield the names of the tables that a packet of the kernel's says were deleted. Pure."""
    for kind, body in _messages(packet):
        if kind == _DELETED_TABLE:
            yield from _names(body[_FAMILY_SIZE:])


def _listen() -> socket.socket:
    listener = socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER
    )
    try:
        listener.setblocking(False)
        listener.bind((0, 1 << _GROUP_NFTABLES - 1))
    except OSError:
        listener.close()
        raise
    return listener


async def _is_about_us(listener: socket.socket) -> bool:
    """Wait for news; say whether our table may be gone."""
    try:
        packet = await asyncio.get_running_loop().sock_recv(listener, _SIZE)
    except OSError as error:
        if error.errno == errno.ENOBUFS:  # there was more than we could take: netlink(7)
            return True
        raise
    return names.FIREWALL_TABLE in deleted_tables(packet)


async def _guard_again() -> None:
    try:
        await firewall.guard_host()
        log.info("The firewall's rules were gone, and are set again")
    except NotSupported as error:
        log.error("%s", error.message)


def _messages(packet: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + _HEADER.size <= len(packet):
        length, kind, *_ = _HEADER.unpack_from(packet, position)
        if length < _HEADER.size:
            return
        yield kind, packet[position + _HEADER.size : position + length]
        position += _aligned(length)


def _names(attributes: bytes) -> Iterator[str]:
    position = 0
    while position + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, position)
        if length < _ATTRIBUTE.size:
            return
        if kind & _TYPE_MASK == _TABLE_NAME:
            name = attributes[position + _ATTRIBUTE.size : position + length]
            yield name.rstrip(b"\0").decode(errors="replace")
        position += _aligned(length)


def _aligned(length: int) -> int:
    return length + 3 & ~3
