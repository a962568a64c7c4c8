"""HTTP/1.1 on the instance's Unix socket: keep-alive, Content-Length and chunked bodies both ways, Expect: 100-continue, on asyncio streams.

The only client is the gateway, but what it forwards was written by strangers: whatever is not plainly a request is refused with a status and
the connection is closed, and nothing waits without a limit. Limits of the head are those of the server in front (docs/spec/errors.md).
"""

import asyncio
import http

from .http_head import HEAD_BYTES_MAX, HEADERS_MAX, BadRequest, BodyTooLarge, PeerGone, parse_head

#: A head must be complete this long after its first byte, seconds.
HEAD_SECONDS_MAX = 30.0
#: A body must go on within this time, seconds. The gateway bounds slow callers; this one is for a broken peer.
STALL_SECONDS_MAX = 120.0
#: Of a body that nobody reads, so much is thrown away so that the refusal is read; beyond it the connection is closed.
UNREAD_BYTES_MAX = 256 * 1024
UNREAD_SECONDS_MAX = 2.0
_READ_BYTES = 256 * 1024
_CHUNK_LINE_MAX = 4 * 1024

_HEX = frozenset(b"0123456789abcdefABCDEF")
_BODILESS = (204, 304)
#: Set by this module alone, whatever the handler says.
_OWN_HEADERS = frozenset(("connection", "content-length", "transfer-encoding", "keep-alive", "upgrade", "trailer", "te", "proxy-connection"))


class Exchange:
    """One request and its answer."""

    def __init__(self, connection, head, body_limit):
        self.head = head
        self.body_limit = body_limit
        self.started = False
        self.finished = False
        #: Whether the peer can still be answered on this connection after this exchange.
        self.keep = head.keep
        self._connection = connection
        self._chunked_answer = False
        self._bodiless = head.method == "HEAD"
        self._body = self._read_parts()
        self._body_begun = False
        self._body_ended = not head.chunked and head.length == 0

    @property
    def gone(self):
        """Done when the peer has hung up."""
        return self._connection.gone

    async def parts(self):
        """The body in pieces. BodyTooLarge, BadRequest or PeerGone where it does not come as announced."""
        async for part in self._body:
            yield part

    async def read(self):
        """The whole body."""
        if self._body_ended:
            return b""
        return b"".join([part async for part in self._body])

    async def respond(self, status, headers, body):
        """A whole answer with its length."""
        self._begin()
        bare = self._bodiless or status in _BODILESS
        lines = [] if status in _BODILESS else [("content-length", str(len(body)))]
        data = self._head_bytes(status, headers, lines) + (b"" if bare else body)
        self.finished = True
        await self._connection.send(data)

    async def start(self, status, headers, length=None):
        """The head of an answer whose body follows in pieces; chunked unless ``length`` is known."""
        self._begin()
        lines = []
        self._bodiless = self._bodiless or status in _BODILESS
        if length is not None:
            lines.append(("content-length", str(length)))
        elif not self._bodiless:
            if self.head.version == "1.0":
                self.keep = False  # The end of the connection is the end of the body.
            else:
                self._chunked_answer = True
                lines.append(("transfer-encoding", "chunked"))
        await self._connection.send(self._head_bytes(status, headers, lines))

    async def write(self, data, last=False):
        """A piece of the body, sent at once; ``last`` ends the answer in the same packet."""
        if self._bodiless:
            data = b""
        if self._chunked_answer:
            data = (b"%x\r\n%b\r\n" % (len(data), data) if data else b"") + (b"0\r\n\r\n" if last else b"")
        self.finished = self.finished or last
        if data:
            await self._connection.send(data)

    async def end(self):
        await self.write(b"", last=True)

    def abort(self):
        """Cuts the connection, so that a half answer is not taken for the whole."""
        self.keep = False
        self._connection.abort()

    async def discard(self):
        """Reads away a body that nobody wanted. False when the connection cannot go on."""
        if self._body_ended:
            return True
        if self.head.expects and not self._body_begun:
            return False  # It was never asked for, and may or may not come.
        if not self.head.chunked and self.head.length > UNREAD_BYTES_MAX:
            return False

        async def read_away():
            seen = 0
            async for part in self._body:
                seen += len(part)
                if seen > UNREAD_BYTES_MAX:
                    return False
            return self._body_ended

        try:
            return await asyncio.wait_for(read_away(), UNREAD_SECONDS_MAX)
        except (asyncio.TimeoutError, BadRequest, PeerGone):
            return False

    def _begin(self):
        if self.started:
            raise RuntimeError("The answer has begun already.")
        self.started = True
        if not self._body_ended and (self.head.expects and not self._body_begun or not self.head.chunked and self.head.length > UNREAD_BYTES_MAX):
            self.keep = False

    def _head_bytes(self, status, headers, own):
        try:
            reason = http.HTTPStatus(status).phrase
        except ValueError:
            reason = "Status"
        lines = ["HTTP/1.1 %d %s" % (status, reason)]
        lines.extend("%s: %s" % (name, value) for name, value in headers if name.lower() not in _OWN_HEADERS)
        lines.extend("%s: %s" % pair for pair in own)
        if not self.keep:
            lines.append("connection: close")
        elif self.head.version == "1.0":
            lines.append("connection: keep-alive")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def _read_parts(self):
        head, connection = self.head, self._connection
        self._body_begun = True
        if not head.chunked and head.length > self.body_limit:
            raise BodyTooLarge(self.body_limit)
        if head.expects:
            await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if head.chunked:
            seen = 0
            async for part in self._read_chunks():
                seen += len(part)
                if seen > self.body_limit:
                    raise BodyTooLarge(self.body_limit)
                yield part
        else:
            left = head.length
            while left > 0:
                part = await connection.read(min(left, _READ_BYTES))
                left -= len(part)
                yield part
        self._body_ended = True

    async def _read_chunks(self):
        connection = self._connection
        while True:
            line = await connection.read_line(_CHUNK_LINE_MAX)
            digits = line.partition(b";")[0].strip(b" \t")
            if not digits or len(digits) > 15 or not _HEX.issuperset(digits):
                raise BadRequest(400, "A chunk's length is malformed.")
            left = int(digits, 16)
            if left == 0:
                break
            while left > 0:
                part = await connection.read(min(left, _READ_BYTES))
                left -= len(part)
                yield part
            if await connection.read_exactly(2) != b"\r\n":
                raise BadRequest(400, "A chunk does not end where its length says.")
        seen = 0
        while True:  # Trailers, which nobody here wants.
            line = await connection.read_line(_CHUNK_LINE_MAX)
            seen += len(line)
            if not line:
                return
            if seen > HEAD_BYTES_MAX:
                raise BadRequest(431, "The trailers are too long.")


class Connection(asyncio.StreamReaderProtocol):
    """One connection: reads requests one after the other and hands each to the server's handler."""

    def __init__(self, server):
        loop = asyncio.get_running_loop()
        self._server = server
        self._stream = asyncio.StreamReader(limit=HEAD_BYTES_MAX, loop=loop)
        super().__init__(self._stream, self._serve, loop=loop)
        self.gone = loop.create_future()
        self._writer = None
        self._timer = None

    def eof_received(self):
        self._left()
        return super().eof_received()

    def connection_lost(self, exc):
        self._left()
        super().connection_lost(exc)

    def abort(self):
        self._writer.transport.abort()

    async def send(self, data):
        if self._writer.transport.is_closing():
            raise PeerGone()
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError:
            raise PeerGone() from None

    async def read(self, most):
        with self._limit(STALL_SECONDS_MAX):
            data = await self._reading(self._stream.read(most))
        if not data:
            raise PeerGone()
        return data

    async def read_exactly(self, count):
        with self._limit(STALL_SECONDS_MAX):
            return await self._reading(self._stream.readexactly(count))

    async def read_line(self, most):
        """A line without its end, which must be CR LF."""
        with self._limit(STALL_SECONDS_MAX):
            try:
                line = await self._reading(self._stream.readuntil(b"\n"))
            except asyncio.LimitOverrunError:
                raise BadRequest(400, "A line is too long.") from None
        if len(line) > most or not line.endswith(b"\r\n"):
            raise BadRequest(400, "A line is too long or does not end in CR LF.")
        return line[:-2]

    async def read_head(self):
        """The next request's head, or None when the peer closed between requests."""
        try:
            first = await self._stream.read(1)
            while first in (b"\r", b"\n"):  # RFC 9112: an empty line before a request is to be passed over.
                first = await self._stream.read(1)
        except OSError:
            return None
        if not first:
            return None
        lines, seen = [], 1
        with self._limit(HEAD_SECONDS_MAX):
            while True:
                try:
                    line = await self._reading(self._stream.readuntil(b"\n"))
                except asyncio.LimitOverrunError:
                    raise BadRequest(431 if lines else 414, "The request's head is too long.") from None
                line, first = first + line, b""
                seen += len(line)
                if not line.endswith(b"\r\n"):
                    raise BadRequest(400, "A line of the request's head does not end in CR LF.")
                if line == b"\r\n":
                    return parse_head(b"\r\n".join(lines))
                if seen > HEAD_BYTES_MAX or len(lines) > HEADERS_MAX:
                    raise BadRequest(431, "The request's head is too long.")
                lines.append(line[:-2])

    def _left(self):
        if not self.gone.done():
            self.gone.set_result(None)

    def _limit(self, seconds):
        return _Limit(self, seconds)

    def expire(self):
        """Ends a wait for bytes that do not come."""
        self._stream.set_exception(BadRequest(408, "The request did not come in time."))

    async def _reading(self, read):
        try:
            return await read
        except (asyncio.IncompleteReadError, ConnectionError):
            raise PeerGone() from None

    async def _serve(self, reader, writer):
        self._writer = writer
        self._server.connections.add(self)
        try:
            while await self._serve_one():
                pass
        except PeerGone:
            pass
        except asyncio.CancelledError:
            self.abort()
        finally:
            self._server.connections.discard(self)
            writer.close()

    async def _serve_one(self):
        try:
            head = await self.read_head()
        except BadRequest as error:
            await self._refuse(error)
            return False
        if head is None:
            return False
        exchange = Exchange(self, head, self._server.body_limit)
        try:
            await self._server.handle(exchange)
        except BadRequest as error:
            if exchange.started:
                exchange.abort()
                return False
            exchange.keep = False
            await exchange.respond(*self._server.problem(error))
        except (PeerGone, asyncio.CancelledError):
            raise
        except Exception as error:
            # A fault of the runner itself: this request fails, the instance goes on.
            self._server.fault(error)
            exchange.keep = False
            if exchange.started:
                exchange.abort()
                return False
            await exchange.respond(*self._server.problem(BadRequest(500, "The runner failed; the log of the instance has the cause.")))
        if not exchange.finished:
            exchange.abort()
            return False
        if not exchange.keep:
            await exchange.discard()
            return False
        return await exchange.discard()

    async def _refuse(self, error):
        status, headers, body = self._server.problem(error)
        lines = ["HTTP/1.1 %d %s" % (status, http.HTTPStatus(status).phrase)] + ["%s: %s" % pair for pair in headers]
        lines += ["content-length: %d" % len(body), "connection: close"]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)


class _Limit:
    """Bounds the reads inside it by one timer."""

    def __init__(self, connection, seconds):
        self._timer = asyncio.get_running_loop().call_later(seconds, connection.expire)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._timer.cancel()


class Server:
    """Accepts connections of a socket that listens already."""

    def __init__(self, handle, problem, fault, body_limit):
        #: ``await handle(exchange)`` answers one request.
        self.handle = handle
        #: ``problem(BadRequest)`` → status, headers, body.
        self.problem = problem
        #: ``fault(exception)`` hears of what ``handle`` raised unexpectedly.
        self.fault = fault
        self.body_limit = body_limit
        self.connections = set()
        self._server = None

    async def open(self, listener):
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Connection(self), sock=listener)

    def close(self):
        """No new connections; those that are open go on."""
        self._server.close()
