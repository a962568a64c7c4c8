"""Answers the requests of function, method, handle and web targets."""

import asyncio
import contextvars
import datetime
import sys
import traceback
import urllib.parse
import zlib

from .. import _context, _response
from .._errors import EncodingError, InputError
from .._signature import read_value
from .._values import clear_files
from . import refusal, results
from .http_head import BadRequest, BodyTooLarge, PeerGone
from .problems import problem
from .running import End, Failed, NoSlot, Result


class Answered(Exception):
    """Ends the handling of a request with this answer."""

    def __init__(self, *answer):
        super().__init__()
        self.answer = answer


class FunctionService:
    """Serves one target. ``handle`` is what the HTTP server calls for each request."""

    #: Where a function without a route of its own is called.
    paths = ("/", "")

    def __init__(self, target, runner, memory_mib, root):
        self._target = target
        self._runner = runner
        self._memory_mib = memory_mib
        self._root = root
        self._runs = {}
        self._on_loop = target.is_async or target.is_async_generator

    def warm(self):
        """What the first call would wait for and can be done before it comes."""
        if not self._on_loop:
            self._runner.warm()

    async def handle(self, exchange):
        cancelled = exchange.head.header("dormouse-cancel")
        if cancelled is not None:
            self.cancel(cancelled)
            await exchange.respond(204, [], b"")
            return
        await self.serve(exchange, self.invocation(exchange.head))

    def cancel(self, invocation_id):
        """Ends a run whose caller has left as soon as it really can; its answer tells when that was. Unknown ids are ended already."""
        run = self._runs.get(invocation_id)
        if run is not None:
            run.cancel()

    async def serve(self, exchange, invocation):
        """Answers a call."""
        try:
            arguments = await self.arguments(exchange, invocation)
            run = self.start(exchange, arguments, invocation)
        except Answered as refused:
            await exchange.respond(*refused.answer)
            return
        self._runs[invocation.invocation_id] = run
        try:
            await self.answer(exchange, run, invocation)
        finally:
            if self._runs.get(invocation.invocation_id) is run:
                del self._runs[invocation.invocation_id]

    def invocation(self, head):
        """The invocation that a request is."""
        headers = {}
        for name, value in head.headers:
            headers[name] = headers[name] + ", " + value if name in headers else value
        return _context.Invocation(headers.get("dormouse-invocation-id"), self._target.name, headers.get("dormouse-model-name"),
                                   headers.get("dormouse-model-version"), self._memory_mib, headers, _seconds(headers.get("dormouse-deadline")))

    async def arguments(self, exchange, invocation):
        """Positional and keyword arguments of the call, or Answered when they do not fit."""
        head = exchange.head
        if self._target.route is None:
            if head.raw_path not in self.paths:
                raise Answered(*problem(404, "route_not_found", "The function is called with POST / only.", invocation.invocation_id))
            if head.method != "POST":
                raise Answered(*problem(405, "method_not_allowed", "The function is called with POST, not %s." % head.method, invocation.invocation_id,
                                        headers=[("allow", "POST")]))
            pairs = None
        else:
            pairs = self._route_pairs(head, invocation)
        body = await read_body(exchange)
        try:
            if pairs is None:
                return self._read_call(body, head, invocation)
            return self._read_web(exchange, body, pairs)
        except InputError as error:
            raise Answered(*problem(422, "input_invalid", _sentence(error), invocation.invocation_id, field=error.field)) from None
        except ValueError as error:
            raise Answered(*problem(400, "request_invalid", _sentence(error), invocation.invocation_id)) from None

    def start(self, exchange, arguments, invocation):
        """Begins the run, or Answered when no slot is free."""
        streams = results.stream_format(exchange.head.header("accept"))
        finish = None
        if self._target.signature is not None:
            values = list(arguments[0]) + list(arguments[1].values())
            finish = lambda: clear_files(values)  # noqa: E731
        try:
            return self._runner.start(self._target.function, arguments, invocation, results.Encoding(streams), finish, self._on_loop)
        except NoSlot as error:
            if finish is not None:
                finish()
            raise Answered(*problem(503, "capacity_exhausted", str(error), invocation.invocation_id, retryable=True)) from None

    async def answer(self, exchange, run, invocation):
        """Sends what the run gives. A caller that hangs up cancels it."""
        item = await next_item(exchange, run)
        if isinstance(item, Result):
            status, headers, body = item.value
            await exchange.respond(status, headers + timing(item), body)
        elif isinstance(item, Failed):
            await self.fail(exchange, run, item, invocation)
        else:
            await self._stream(exchange, run, item, invocation)

    async def fail(self, exchange, run, item, invocation):
        answer = self.failure(run, item.error, invocation)
        await exchange.respond(answer[0], answer[1] + timing(item), answer[2])

    def failure(self, run, error, invocation):
        """The answer for a run that raised; its traceback goes to the log."""
        if isinstance(error, asyncio.CancelledError) and run.cancelled:
            return left(invocation)
        if isinstance(error, InputError):  # The function's own way to refuse its arguments.
            return problem(422, "input_invalid", _sentence(error), invocation.invocation_id, field=error.field)
        log_failure(error, invocation, self._root)
        return problem(500, "run_failed", describe(error, self._root), invocation.invocation_id)

    async def _stream(self, exchange, run, item, invocation):
        streams = results.stream_format(exchange.head.header("accept"))
        try:
            await exchange.start(200, [("content-type", streams.content_type), ("cache-control", "no-store")])
            while not isinstance(item, (End, Failed)):
                await exchange.write(item.value)
                item = await next_item(exchange, run)
            if isinstance(item, End) or run.cancelled:
                await exchange.end()
                return
            answer = self.failure(run, item.error, invocation)
            await exchange.write(streams.failure(answer[2]))
            exchange.abort()
        except PeerGone:
            run.cancel()
            raise

    def _route_pairs(self, head, invocation):
        path, method = self._target.route
        pairs = match_path(path, head.raw_path)
        if pairs is None:
            raise Answered(*problem(404, "route_not_found", "This function is served at %s." % path, invocation.invocation_id))
        if head.method != method and not (method == "GET" and head.method == "HEAD"):
            raise Answered(*problem(405, "method_not_allowed", "%s takes %s, not %s." % (path, method, head.method), invocation.invocation_id,
                                    headers=[("allow", method if method != "GET" else "GET, HEAD")]))
        return pairs

    def _read_call(self, body, head, invocation):
        if self._target.kind == "handle":
            value = read_value(body, head.content_type())
            return ([value, invocation] if self._target.wants_context else [value]), {}
        signature = self._target.signature
        return signature.split(signature.from_body(body, head.content_type(), filename_of(head)))

    def _read_web(self, exchange, body, pairs):
        head, signature = exchange.head, self._target.signature
        request = _response.Request(head.method, head.path, head.query, _joined(head.headers), body)
        given = {name: request for name, hint in signature.hints.items() if hint is _response.Request and name in signature.parameters}
        query = urllib.parse.parse_qsl(head.query, keep_blank_values=True)
        # What strangers add to a query (a campaign, a cache key) is none of the function's business.
        known = [pair for pair in query if pair[0] in signature.parameters or signature.takes_more]
        values = signature.from_text([pair for pair in known + pairs if pair[0] not in given])
        open_names = [name for name in signature.parameters if name not in given and name not in values]
        if body and not given and open_names:
            raw = signature.shapes[open_names[0]].raw if len(open_names) == 1 else None
            kind = head.content_type()
            if raw is not None and kind not in ("", "application/json", "application/x-www-form-urlencoded"):
                ready = {open_names[0]: raw(body, kind, filename_of(head))}
                return signature.split(signature.from_object(values, ready))
            value = read_value(body, kind)
            if isinstance(value, dict) and not (len(open_names) == 1 and open_names[0] not in value and signature.shapes[open_names[0]].takes_object):
                values = dict(value, **values)
            elif len(open_names) == 1:
                values[open_names[0]] = value
            else:
                raise InputError("the body must be an object with the arguments %s" % ", ".join(open_names))
        return signature.split(signature.from_object(values, given))


async def next_item(exchange, run):
    """The run's next item; when the caller hangs up first the run is cancelled, and PeerGone is raised after its end."""
    waiting = asyncio.ensure_future(run.next())
    await asyncio.wait((waiting, exchange.gone), return_when=asyncio.FIRST_COMPLETED)
    if waiting.done():
        return waiting.result()
    run.cancel()
    while not isinstance(await waiting, (Result, End, Failed)):
        waiting = asyncio.ensure_future(run.next())
    raise PeerGone()


async def read_body(exchange):
    """The body, unpacked when it is compressed; its limit counts unpacked."""
    body = await exchange.read()
    coding = (exchange.head.header("content-encoding") or "identity").strip().lower()
    if coding == "identity" or not body:
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise BadRequest(415, "The content coding '%s' is not known here: gzip and deflate are." % coding)
    unpack = zlib.decompressobj(47)  # gzip or zlib, by what the data says.
    try:
        data = unpack.decompress(body, exchange.body_limit + 1)
    except zlib.error:
        raise BadRequest(400, "The body is not %s." % coding) from None
    if len(data) > exchange.body_limit:
        raise BodyTooLarge(exchange.body_limit)
    if not unpack.eof:
        raise BadRequest(400, "The compressed body is cut off.")
    return data


def left(invocation):
    """The answer of a run that was cancelled: nobody reads it but the gateway, which learns that the run has ended."""
    return problem(499, "caller_left", "The caller left and the run was cancelled.", invocation.invocation_id)


def timing(item):
    """Headers for the gateway: the run's time and CPU time, µs."""
    return [("Dormouse-Run", str(item.run_microseconds)), ("Dormouse-Cpu", str(item.cpu_microseconds))]


def describe(error, root):
    """``ValueError: text`` for the caller."""
    if isinstance(error, EncodingError):
        return _sentence(error)
    return refusal.shorten(refusal.one_line(error), root)


def log_failure(error, invocation, root):
    """The traceback, on standard error, with the invocation's id."""
    try:
        text = refusal.full(error, root)
    except Exception:  # An exception whose own text raises.
        text = "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__ + "\n"
    contextvars.copy_context().run(_tell, invocation, "invocation %s failed\n%s" % (invocation.invocation_id or "(no id)", text))


def _tell(invocation, text):
    _context.enter(invocation)  # Of a copy of the context: these lines are the invocation's.
    sys.stderr.write(text)
    sys.stderr.flush()


def match_path(pattern, raw_path):
    """Name and value pairs of the path's parameters, or None when it does not match."""
    wanted, given = pattern.split("/"), raw_path.split("/")
    if len(wanted) != len(given):
        return None
    pairs = []
    for part, text in zip(wanted, given):
        text = urllib.parse.unquote(text, errors="replace")
        if part.startswith("{"):
            if not text:
                return None
            pairs.append((part[1:-1], text))
        elif part != text:
            return None
    return pairs


def filename_of(head):
    """File name of ``Content-Disposition``, or None."""
    for piece in (head.header("content-disposition") or "").split(";")[1:]:
        name, _, value = piece.strip().partition("=")
        if name.lower() == "filename":
            return value.strip('"')
    return None


def _joined(headers):
    joined = {}
    for name, value in headers:
        joined[name] = joined[name] + ", " + value if name in joined else value
    return joined


def _sentence(error):
    text = str(error)
    return text if text.endswith((".", "…")) else text + "."


def _seconds(text):
    """Seconds from now of a Dormouse-Deadline header; None when there is none or it cannot be read."""
    if not text:
        return None
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)):
        if text.endswith(unit):
            try:
                return float(text[:-len(unit)]) * factor
            except ValueError:
                break
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
    except (ValueError, TypeError):
        return None
