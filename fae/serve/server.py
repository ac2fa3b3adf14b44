"""The server around the page: where it listens, what it answers, and where its files lie."""

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI, HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fae.machine.cache import cache_folder
from fae.serve.model import Model
from fae.serve.page import build

UPLOADS = Path("upload")
"""The folder of uploaded files, relative to the working directory, since Gradio's answers name it."""
_UPLOAD = "/gradio_api/upload"
_OPEN = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|robots\.txt|manifest\.json)|/(assets|static|svelte)/.*"
    r"|/gradio_api/(info|openapi\.json|app_id|startup-events|upload|upload_progress|cancel|reset)/?"
    r"|/gradio_api/(queue|call|heartbeat)/.*"
    rf"|/gradio_api/file={UPLOADS}/[0-9a-f]+/[^/]+"
)
"""What the page and the API need. Gradio has other routes: they fetch addresses, show runs, edit code."""
_MOST_WORDS = 1_000_000
"""The most bytes of a request that uploads nothing."""
_CSS = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


class Doors:
    """Middleware that answers only what the page and the API need, and bounds the size of a request.

    Args:
        app: application behind it.
        max_upload_mb: largest size of an upload in MB.
    """

    def __init__(self, app: ASGIApp, max_upload_mb: float) -> None:
        self.app, self.max_upload_mb = app, max_upload_mb

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif not _OPEN.fullmatch(scope["path"]):
            await PlainTextResponse("There is no such page.", 404)(scope, receive, send)
        else:
            uploads = scope["path"] == _UPLOAD
            most = int(self.max_upload_mb * 1e6) + _MOST_WORDS if uploads else _MOST_WORDS
            stated = dict(scope["headers"]).get(b"content-length", b"0")
            if int(stated) > most:
                await PlainTextResponse(self._too_much(), 413)(scope, receive, send)
            else:
                await self.app(scope, self._counted(receive, most), send)

    def _counted(self, receive: Receive, most: int) -> Receive:
        """Count the bytes of a request, which may state no length."""
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise HTTPException(413, self._too_much())
            return message

        return counted

    def _too_much(self) -> str:
        return (
            f"The upload holds more than max_upload_mb (={self.max_upload_mb:g}); send less at once, or start the "
            "server with a larger max_upload_mb."
        )


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        ValueError: the port is taken, or host or port cannot be used.
    """
    if not 1 <= port <= 65535:
        raise ValueError(f"port (={port}) must lie between 1 and 65535; 7860 is the default")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with ExitStack() as closed:
            opened = closed.enter_context(socket.socket(family, kind, protocol))
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind(address)
            opened.listen()
            closed.pop_all()
    except OSError as error:
        raise ValueError(
            f"port (={port}) of host (={host}) cannot be used ({error.strerror}); choose another port, or stop the "
            "program that uses it"
        ) from error
    return opened


@contextmanager
def workplace(cache_dir: Path) -> Iterator[None]:
    """Work in a new folder of the cache, which is deleted at the end: Gradio's answers name paths relative to it."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(UPLOADS)
    cache = cache_folder(cache_dir.absolute(), "serve")
    with TemporaryDirectory(dir=cache, ignore_cleanup_errors=True) as folder, chdir(folder):
        UPLOADS.mkdir()
        yield


def application(model: Model, max_megapixels: float, max_upload_mb: float) -> FastAPI:
    """Return the application; it is made and run in `workplace`."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Doors, max_upload_mb=max_upload_mb)
    fonts: Any = {"font": ("system-ui", "sans-serif"), "font_mono": ("ui-monospace", "monospace")}  # none of the web's
    gr.mount_gradio_app(
        app,
        build(model, max_megapixels, max_upload_mb, UPLOADS),
        "/",
        theme=gr.themes.Default(**fonts).set(block_info_text_color="*body_text_color"),
        css=_CSS,
        footer_links=["api"],
        show_error=False,  # only messages that are meant for users
        **dict.fromkeys(("run_history", "ssr_mode", "pwa", "mcp_server", "enable_monitoring"), False),
    )
    return app


def run(app: FastAPI, opened: socket.socket) -> None:
    """Serve until Ctrl-C, or a signal to terminate."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again when it has shut down
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[opened])
