# SPDX-License-Identifier: GPL-3.0-or-later
"""A simplestreams server as slow as a test wants it."""

import asyncio
import contextlib
import hashlib
import io
import lzma
import ssl
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler


class ImageServer:
    """A simplestreams server of one container image, `tiny`, that is slow until told otherwise."""

    def __init__(self) -> None:
        self.hurry = asyncio.Event()
        self.is_half_sent = asyncio.Event()
        self.was_hung_up_on = asyncio.Event()
        self.breaks_off = False
        self.requested: list[str] = []  # paths, with what follows a question mark
        self.url = ""
        self.root = b"x" * 2_000_000
        metadata = io.BytesIO()
        with tarfile.open(fileobj=metadata, mode="w") as archive:
            text = b"architecture: x86_64\ncreation_date: 1700000000\n"
            member = tarfile.TarInfo("metadata.yaml")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
        self.metadata = lzma.compress(metadata.getvalue())
        self.fingerprint = hashlib.sha256(self.metadata + self.root).hexdigest()

    async def send_root(self, request: web.Request) -> web.StreamResponse:
        """Send one half at once and the other when there is a hurry."""
        response = web.StreamResponse()
        response.content_length = len(self.root)
        await response.prepare(request)
        half = len(self.root) // 2
        await response.write(self.root[:half])
        self.is_half_sent.set()
        await self.hurry.wait()
        if self.breaks_off and request.transport:
            request.transport.abort()
        try:
            await response.write(self.root[half:])
        except ConnectionResetError:
            self.was_hung_up_on.set()
        return response

    def index(self) -> object:
        """Return what there is: simplestreams' index:1.0."""
        images = {
            "datatype": "image-downloads",
            "path": "streams/v1/images.json",
            "format": "products:1.0",
            "products": ["tiny"],
        }
        return {"format": "index:1.0", "index": {"images": images}}

    def products(self) -> object:
        """Return the one image: simplestreams' products:1.0."""
        item = {
            "ftype": "incus.tar.xz",
            "path": "meta.tar.xz",
            "size": len(self.metadata),
            "sha256": hashlib.sha256(self.metadata).hexdigest(),
            "combined_squashfs_sha256": self.fingerprint,
        }
        root = {
            "ftype": "squashfs",
            "path": "root.squashfs",
            "size": len(self.root),
            "sha256": hashlib.sha256(self.root).hexdigest(),
        }
        product = {
            "aliases": "tiny",
            "arch": "amd64",
            "os": "Tiny",
            "release": "one",
            "variant": "default",
            "versions": {"20260101_0000": {"items": {"incus.tar.xz": item, "root": root}}},
        }
        return {
            "content_id": "images",
            "datatype": "image-downloads",
            "format": "products:1.0",
            "products": {"tiny": product},
        }


@contextlib.asynccontextmanager
async def image_server(
    port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ImageServer]:
    """Yield an image server on a port of its own, because Incus remembers what is where.

    port: another one. tls: speak https with this.
    """
    tiny = ImageServer()

    def sends(content: bytes) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=content)

        return answer

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        tiny.requested.append(request.raw_path)
        return await handler(request)

    application = web.Application(middlewares=[note])
    routes = application.router
    routes.add_get("/streams/v1/index.json", sends(msgspec.json.encode(tiny.index())))
    routes.add_get("/streams/v1/images.json", sends(msgspec.json.encode(tiny.products())))
    routes.add_get("/meta.tar.xz", sends(tiny.metadata))
    routes.add_get("/root.squashfs", tiny.send_root)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    host, port = runner.addresses[0]
    tiny.url = f"http://{host}:{port}"
    yield tiny
    await runner.cleanup()
