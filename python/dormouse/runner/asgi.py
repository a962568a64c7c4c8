"""Serves an ASGI application: every path and method of it, lifespan included. Web sockets are not offered."""

import asyncio
import inspect

from .. import _context
from . import lines
from .._response import check_header
from .http_head import BadRequest, PeerGone
from .problems import problem
from .refusal import Refused, UserFault
from .serving import FunctionService, describe, left, log_failure

_LIFESPAN_SECONDS_MAX = 5.0
#: An application has so long to end by itself when its caller has left, seconds.
_DISCONNECT_SECONDS_MAX = 1.0


class AsgiService(FunctionService):
    """One application. Requests beyond ``concurrency`` get 503; so many run at once on the event loop."""

    def __init__(self, target, concurrency, memory_mib, root):
        super().__init__(target, None, memory_mib, root)
        self._concurrency = concurrency
        self._running = 0
        self._application = None
        self._lifespan = None

    def load(self, run_async):
        """Makes the application and runs its start-up."""
        try:
            application = self._target.function
            if takes_nothing(application):
                application = application()
                if inspect.isawaitable(application):
                    application = run_async(application)
            if not callable(application):
                raise Refused("%s must return an ASGI application; it returned %s." % (self._target.name, type(application).__name__))
            self._application = application
            self._lifespan = Lifespan(application)
            run_async(self._lifespan.start())
        except Refused:
            raise
        except BaseException as error:
            raise UserFault() from error

    def warm(self):
        """Its calls need no thread."""

    async def stop(self):
        if self._lifespan is not None:
            await self._lifespan.stop()

    async def serve(self, exchange, invocation):
        if self._running >= self._concurrency:
            await exchange.respond(*problem(503, "capacity_exhausted", "Every slot of this instance is taken (%d of %d)." % (self._running, self._concurrency),
                                            invocation.invocation_id, retryable=True))
            return
        self._running += 1
        call = Call(exchange, self._release)
        self._runs[invocation.invocation_id] = call
        task = asyncio.ensure_future(self._run(call, invocation))
        left_by = asyncio.ensure_future(call.left())
        try:
            await asyncio.wait((task, left_by), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                # The application learns by http.disconnect first; one that does not listen is cancelled.
                await asyncio.wait((task,), timeout=_DISCONNECT_SECONDS_MAX)
                task.cancel()
                await asyncio.wait((task,))
            task.result()
        except (asyncio.CancelledError, PeerGone):
            if exchange.gone.done() or exchange.started:
                raise PeerGone() from None
            call.release()
            await exchange.respond(*left(invocation))
        finally:
            left_by.cancel()
            call.release()
            if self._runs.get(invocation.invocation_id) is call:
                del self._runs[invocation.invocation_id]

    async def _run(self, call, invocation):
        _context.enter(invocation)
        try:
            await self._application(scope(call.exchange.head), call.receive, call.send)
            if not call.exchange.started:
                raise RuntimeError("the application ended without an answer")
            if not call.exchange.finished:
                raise RuntimeError("the application ended in the middle of its answer")
        except (asyncio.CancelledError, PeerGone, BadRequest):
            raise
        except BaseException as error:
            call.release()
            if call.gone:
                raise PeerGone() from None
            log_failure(error, invocation, self._root)
            if call.exchange.started:
                call.exchange.abort()
            else:
                await call.exchange.respond(*problem(500, "run_failed", describe(error, self._root), invocation.invocation_id))
        finally:
            lines.end(invocation.invocation_id)

    def _release(self):
        self._running -= 1


class Call:
    """``receive`` and ``send`` of one request."""

    def __init__(self, exchange, release):
        self.exchange = exchange
        self.gone = False
        self._release = release
        self._parts = exchange.parts().__aiter__()
        self._body_ended = False
        self._disconnected = asyncio.Event()
        self._start = None

    def release(self):
        if self._release is not None:
            self._release()
            self._release = None

    async def left(self):
        """Ends when the caller has hung up or the run was cancelled."""
        ended = asyncio.ensure_future(self._disconnected.wait())
        try:
            await asyncio.wait((ended, self.exchange.gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
        self.cancel()

    def cancel(self):
        self.gone = True
        self._disconnected.set()

    async def receive(self):
        if not self._body_ended:
            try:
                return {"type": "http.request", "body": await self._parts.__anext__(), "more_body": True}
            except StopAsyncIteration:
                self._body_ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            except PeerGone:
                self.cancel()
        if not self.exchange.finished:
            await self._disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if self.gone:
            raise PeerGone()
        kind = message["type"]
        if kind == "http.response.start":
            if self._start is not None:
                raise RuntimeError("http.response.start was sent twice")
            self._start = message
            return
        if kind != "http.response.body" or self._start is None:
            raise RuntimeError("the message %r is not expected here" % kind)
        body, more = bytes(message.get("body", b"")), message.get("more_body", False)
        if not self.exchange.started:
            headers, length = _headers(self._start.get("headers", ()))
            if not more:
                self.release()
                if self.exchange.head.method == "HEAD" and length is not None:
                    await self.exchange.start(self._start["status"], headers, length)
                    await self.exchange.end()
                else:
                    await self.exchange.respond(self._start["status"], headers, body)
                return
            await self.exchange.start(self._start["status"], headers, length)
        if not more:
            self.release()
        await self.exchange.write(body, last=not more)


class Lifespan:
    """Start-up and shutdown of an application; one that does not know the protocol is fine as well."""

    def __init__(self, application):
        self._application = application
        self._task = None
        self._received = None
        self._answers = None

    async def start(self):
        self._received, self._answers = asyncio.Queue(), asyncio.Queue()
        self._task = asyncio.ensure_future(self._run())
        await self._received.put({"type": "lifespan.startup"})
        answer = await self._answers.get()
        if answer["type"] == "lifespan.startup.failed":
            raise Refused("The application's start-up failed: %s." % (answer.get("message") or "it does not say why"))

    async def stop(self):
        if self._task.done():
            return
        await self._received.put({"type": "lifespan.shutdown"})
        await asyncio.wait_for(self._answers.get(), _LIFESPAN_SECONDS_MAX)

    async def _run(self):
        try:
            await self._application({"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}, self._received.get, self._answers.put)
        except BaseException:  # By the specification this means that the application does not support it.
            pass
        await self._answers.put({"type": "unsupported"})


def takes_nothing(function):
    """Whether it is a factory, called without arguments, and not an application itself."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(parameter.default is not parameter.empty or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) for parameter in parameters)


def scope(head):
    """The http scope of a request."""
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": head.version, "method": head.method, "scheme": "http",
        "path": head.path, "raw_path": head.raw_path.encode("ascii"), "query_string": head.query.encode("ascii"), "root_path": "",
        "headers": [(name.encode("ascii"), value.encode("latin-1")) for name, value in head.headers], "client": None, "server": None,
    }


def _headers(pairs):
    headers, length = [], None
    for name, value in pairs:
        name, value = bytes(name).decode("latin-1"), bytes(value).decode("latin-1")
        check_header(name, value)
        if name.lower() == "content-length":
            length = int(value)
        else:
            headers.append((name, value))
    return headers, length
