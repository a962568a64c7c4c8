"""Calls of functions through a server: ``remote``, ``remote_gen``, ``map``, ``starmap``, ``spawn``."""

import collections
import concurrent.futures
import http.client
import json
import time
import urllib.parse

from . import _encoding, _server
from ._errors import DormouseError, RemoteCancelled, RemoteError

#: Calls of ``map`` at once, unless said otherwise.
PARALLEL = 16
_CONNECT_SECONDS_MAX = 30.0
_WAIT_SECONDS = 30.0
_LINE_BYTES_MAX = 1 << 30


def remote(function, args, kwargs):
    """The result of one call; a list of the values of a generator."""
    path, body, content_type = request_of(function, args, kwargs)
    with Exchange(_server.find(), "POST", path, body, content_type, _accept(function)) as exchange:
        return exchange.result()


def remote_gen(function, args, kwargs):
    """The values of one call of a generator, as they come."""
    if not function.stream:
        raise DormouseError("%s is no generator: call it with .remote()" % function.name)
    path, body, content_type = request_of(function, args, kwargs)
    return _values(_server.find(), path, body, content_type)


def _values(server, path, body, content_type):
    with Exchange(server, "POST", path, body, content_type, "text/event-stream") as exchange:
        yield from exchange.events()


def map_calls(function, items, ordered, return_exceptions, parallel):
    """One call for each tuple of arguments, ``parallel`` at once; results in the order of the items, or as they end."""
    at_once = PARALLEL if parallel is None else parallel
    if type(at_once) is not int or not 1 <= at_once <= 1000:
        raise DormouseError("parallel is %r: a whole number from 1 to 1000 is needed" % (at_once,))

    def one(arguments):
        try:
            return remote(function, tuple(arguments) if not isinstance(arguments, dict) else (), arguments if isinstance(arguments, dict) else {})
        except DormouseError as error:
            if return_exceptions:
                return error
            raise

    return _in_window(one, iter(items), at_once, ordered)


def _in_window(one, items, at_once, ordered):
    threads = concurrent.futures.ThreadPoolExecutor(at_once, thread_name_prefix="dormouse-map")
    running = collections.deque()
    try:
        while True:
            # A few more than run, so that no thread waits for the reader; never all of a long input.
            while len(running) < 2 * at_once:
                try:
                    arguments = next(items)
                except StopIteration:
                    break
                running.append(threads.submit(one, arguments))
            if not running:
                return
            if ordered:
                ended = running.popleft()
            else:
                ended = next(iter(concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED).done))
                running.remove(ended)
            yield ended.result()
    finally:
        for future in running:
            future.cancel()
        threads.shutdown(wait=False)


def spawn(function, args, kwargs):
    """Queues a call and returns its handle."""
    path, body, content_type = request_of(function, args, kwargs)
    server = _server.find()
    with Exchange(server, "POST", path, body, content_type, _accept(function), [("Dormouse-Mode", "async")]) as exchange:
        if exchange.response.status != 202:
            exchange.result()
            raise RemoteError("the server ran the call at once instead of queueing it (status %d): it knows no asynchronous calls" % exchange.response.status)
        identity = exchange.invocation_id or _member(exchange.body(), "id") or _member(exchange.body(), "invocation_id")
    if not identity:
        raise RemoteError("the server queued the call without telling its id", status=202)
    return Handle(identity, server)


class Handle:
    """A queued call. ``Handle(id)`` finds one again in another program."""

    def __init__(self, id, server=None):
        self.id = id
        self._server = server or _server.find()

    def state(self):
        """``queued``, ``running``, ``succeeded``, ``failed``, ``dead``, ``cancelled`` or ``expired``."""
        return self._state(0)

    def get(self, timeout=None):
        """The result. TimeoutError when it is not there after ``timeout`` seconds (the call goes on), RemoteError when it failed,
        RemoteCancelled when it was cancelled."""
        ends = None if timeout is None else time.monotonic() + timeout
        while True:
            left = _WAIT_SECONDS if ends is None else min(_WAIT_SECONDS, max(0.0, ends - time.monotonic()))
            state = self._state(left)
            if state in ("queued", "running"):
                if ends is not None and time.monotonic() >= ends:
                    raise TimeoutError("the call %s is %s after %s s" % (self.id, state, timeout))
                continue
            if state == "cancelled":
                raise RemoteCancelled("the call %s was cancelled" % self.id, "cancelled", invocation_id=self.id)
            with Exchange(self._server, "GET", self._path("/result")) as exchange:
                return exchange.result()

    def cancel(self):
        """Cancels it. False when it had ended before."""
        with Exchange(self._server, "POST", self._path("/cancel"), b"") as exchange:
            if exchange.response.status == 409:
                return False
            exchange.check()
            return True

    def _state(self, seconds):
        wait = "?wait=%dms" % max(1, int(seconds * 1000)) if seconds > 0 else ""
        with Exchange(self._server, "GET", self._path(wait)) as exchange:
            exchange.check()
            document = exchange.body()
        return _member(_member(document, "queue"), "state") or _member(document, "outcome") or "running"

    def _path(self, end):
        return "/api/v1/invocations/%s%s" % (urllib.parse.quote(self.id, safe=""), end)

    def __repr__(self):
        return "<Handle %s>" % self.id


def request_of(function, args, kwargs):
    """Path, body and content type of a call."""
    if function.kind in ("web", "asgi"):
        raise DormouseError("%s is served over HTTP at /invoke/%s%s: call it with an HTTP client" % (function.name, function.endpoint, function.path or "/"))
    arguments = function.signature.bind(args, kwargs)
    path = "/invoke/" + function.endpoint
    only = next(iter(function.signature.parameters), None) if len(function.signature.parameters) == 1 else None
    if only in arguments and function.signature.hints.get(only) in (bytes, bytearray):
        value = arguments[only]
        if isinstance(value, (bytes, bytearray, memoryview)):
            return path, bytes(value), "application/octet-stream"
        raise DormouseError("argument '%s' is %s: bytes are needed" % (only, type(value).__name__))
    return path, _encoding.dumps(arguments, "the arguments"), "application/json"


class Exchange:
    """One request and its answer, on a connection of its own: a call is never sent twice."""

    def __init__(self, server, method, path, body=None, content_type=None, accept="application/json", headers=()):
        self._server = server
        kind = http.client.HTTPSConnection if server.secure else http.client.HTTPConnection
        self._connection = kind(server.host, server.port, timeout=_CONNECT_SECONDS_MAX)
        sent = dict(headers)
        sent["Accept"] = accept
        if server.key:
            sent["Authorization"] = "Bearer " + server.key
        if content_type:
            sent["Content-Type"] = content_type
        self._body = None
        try:
            self._connection.connect()
            self._connection.sock.settimeout(None)  # How long a call may take is the endpoint's setting.
            self._connection.request(method, server.prefix + path, body, sent)
            self.response = self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise RemoteError("no answer from %s: %s" % (server.address, error or type(error).__name__), "server_unreachable", retryable=True) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    @property
    def invocation_id(self):
        return self.response.getheader("Dormouse-Invocation-Id")

    @property
    def content_type(self):
        return (self.response.getheader("Content-Type") or "").partition(";")[0].strip().lower()

    def read(self):
        if self._body is None:
            try:
                self._body = self.response.read()
            except (OSError, http.client.HTTPException):
                raise self._cut() from None
        return self._body

    def body(self):
        """The body as JSON, or None."""
        try:
            return json.loads(self.read())
        except ValueError:
            return None

    def check(self):
        """RemoteError unless the status says success."""
        status = self.response.status
        if 200 <= status < 300:
            return
        document = self.body()
        document = document if isinstance(document, dict) else {}
        detail = document.get("detail") or document.get("error") or document.get("title") or "the server answered with status %d" % status
        raise RemoteError(str(detail), document.get("code", "http_%d" % status), status, bool(document.get("retryable")), document.get("field"),
                          document.get("invocation_id") or self.invocation_id)

    def result(self):
        """The value of the answer."""
        self.check()
        if self.content_type == "application/x-ndjson":
            return list(self.lines())
        if self.content_type == "text/event-stream":
            return list(self.events())
        data = self.read()
        if self.content_type == "application/json" or self.content_type.endswith("+json"):
            return _encoding.decode(self._parsed(data))
        if self.content_type.startswith("text/"):
            return data.decode("utf-8", "replace")
        if self.content_type.startswith("image/") and _encoding.pil_image_class(load=True) is not None:
            return _encoding.image_from_bytes(data)
        return data

    def lines(self):
        """The values of a stream of lines."""
        for line in self._raw_lines():
            if line.strip():
                yield _encoding.decode(self._parsed(line))

    def events(self):
        """The values of a stream of events (or of lines, from a server that knows no other)."""
        self.check()
        if self.content_type != "text/event-stream":
            if self.content_type == "application/x-ndjson":
                yield from self.lines()
            else:
                yield self.result()
            return
        kind, data = "message", []
        for line in self._raw_lines():
            line = line.rstrip(b"\r\n")
            if not line:
                if data:
                    value = self._parsed(b"\n".join(data))
                    if kind == "error":
                        raise RemoteError(str(_member(value, "detail") or "the function failed"), _member(value, "code") or "run_failed", 500,
                                          invocation_id=self.invocation_id)
                    yield _encoding.decode(value)
                kind, data = "message", []
                continue
            name, _, text = line.partition(b":")
            text = text[1:] if text.startswith(b" ") else text
            if name == b"data":
                data.append(text)
            elif name == b"event":
                kind = text.decode("utf-8", "replace")

    def _raw_lines(self):
        while True:
            try:
                line = self.response.readline(_LINE_BYTES_MAX)
            except (OSError, http.client.HTTPException):
                raise self._cut() from None
            if not line:
                return
            yield line

    def _parsed(self, data):
        try:
            return json.loads(data)
        except ValueError:
            raise RemoteError("the answer is no JSON: %r" % data[:100], "answer_invalid", self.response.status, invocation_id=self.invocation_id) from None

    def _cut(self):
        return RemoteError("the answer broke off: the function failed after it had begun to answer, or the connection was lost", "answer_incomplete",
                           self.response.status, invocation_id=self.invocation_id)


def _accept(function):
    return "text/event-stream" if function.stream else "*/*"


def _member(document, name):
    return document.get(name) if isinstance(document, dict) else None
