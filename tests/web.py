"""A small web server on this machine, with the troubles that real ones have."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Web:
    """What the server serves and how badly; what it was asked.

    Attributes:
        files: Bytes by path, without the query.
        etag, modified: Sent with each file unless empty.
        ranges: Whether it can send the rest of a file.
        if_range: Whether it heeds If-Range.
        cuts: Number of bytes after which each of the next answers breaks off.
        statuses: Sent instead of each of the next answers.
        kind: Content-Type.
        pause: Seconds between pieces of an answer.
        requests: Path and headers of each request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etag, self.modified = '"one"', ''
        self.ranges = self.if_range = True
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.kind = 'application/octet-stream'
        self.pause = 0.0
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ''

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        self.requests.append((handler.path, dict(handler.headers)))
        content = self.files.get(handler.path.partition('?')[0])
        if self.statuses or content is None:
            handler.send_error(self.statuses.pop(0) if self.statuses else 404)
            return
        start = self._start(handler.headers)
        handler.send_response(206 if start else 200)
        if start:
            last, total = len(content) - 1, len(content)
            handler.send_header('Content-Range', f'bytes {start}-{last}/{total}')
        body = content[start:]
        for name, value in (('ETag', self.etag), ('Last-Modified', self.modified)):
            if value:
                handler.send_header(name, value)
        handler.send_header('Content-Type', self.kind)
        handler.send_header('Content-Length', str(len(body)))
        handler.end_headers()
        self._send(handler, body[: self.cuts.pop(0)] if self.cuts else body)

    def _start(self, headers: Any) -> int:
        if not self.ranges or 'Range' not in headers:
            return 0
        now = (self.etag, self.modified)
        if self.if_range and headers.get('If-Range') not in now:
            return 0
        return int(headers['Range'].removeprefix('bytes=').removesuffix('-'))

    def _send(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        step = len(body) if not self.pause else 1000
        for i in range(0, len(body), max(step, 1)):
            handler.wfile.write(body[i : i + step])
            handler.wfile.flush()
            time.sleep(self.pause)


@contextmanager
def serving() -> Iterator[Web]:
    """Serve until the end of the block."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                web.answer(self)
            except OSError:  # the client has gone
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    web.url = f'http://127.0.0.1:{server.server_port}'
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
