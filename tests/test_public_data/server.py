"""A server of one folder on this machine, which knows Range, and can cut what it sends."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server:
    """Serves the files of a folder.

    Attributes:
        asked: (path, Range) of each request.
        cut: bytes after which a connection ends; one number a request, None: whole.
        ranges: whether Range is obeyed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.cut, self.ranges = folder, [], [], True
        self.url = ''

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get('Range')
        self.asked.append((handler.path, wanted))
        path = self.folder / handler.path.lstrip('/')
        if not path.is_file():
            handler.send_error(404)
            return
        content, start = path.read_bytes(), 0
        if wanted and self.ranges:
            start = int(re.fullmatch(r'bytes=(\d+)-', wanted)[1])
            if start >= len(content):
                handler.send_error(416)
                return
            handler.send_response(206)
            handler.send_header('Content-Range', f'bytes {start}-{len(content) - 1}/{len(content)}')
        else:
            handler.send_response(200)
        handler.send_header('Content-Length', str(len(content) - start))
        handler.end_headers()
        limit = self.cut.pop(0) if self.cut else None
        handler.wfile.write(content[start:][:limit])


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serve a folder while the block runs."""
    server = Server(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            server.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.url = f'http://127.0.0.1:{listening.server_port}'
    thread = threading.Thread(target=listening.serve_forever, kwargs=dict(poll_interval=0.01))
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()
