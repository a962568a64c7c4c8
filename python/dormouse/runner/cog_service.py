"""Answers the requests of a Cog predictor in Cog's own shapes."""

import asyncio
import contextvars
import datetime
import io
import json
import re
import sys
import urllib.parse
import uuid

from .. import _encoding, _values
from .._errors import InputError
from . import cog_inputs, cog_module, secrets_given, serving
from .cog_outputs import Output, Prediction
from .http_head import PeerGone
from .problems import problem
from .running import End, Failed, NoSlot, Result, Value
from .serving import Answered, FunctionService, describe, log_failure, next_item

_JSON = [("content-type", "application/json")]
_LOG_BYTES_MAX = 1 << 20
_prediction_log = contextvars.ContextVar("cog_prediction_log")


class CogService(FunctionService):
    """``POST /predictions`` and its relatives; ``POST /`` also takes the bare object of inputs and gives the bare output."""

    def __init__(self, target, runner, memory_mib, root):
        super().__init__(target, runner, memory_mib, root)
        self._inputs = target.inputs
        self._limit = memory_mib * 1024 * 1024 // 4
        self._ready_at = _now()
        capture_output()

    async def serve(self, exchange, invocation):
        head = exchange.head
        path = head.raw_path
        single = re.match(r"^/predictions/([^/]+)(/cancel)?$", path)
        if head.method in ("GET", "HEAD") and path in ("/", "/health-check", "/openapi.json"):
            await exchange.respond(200, _JSON, json.dumps(self._discovery(path)).encode())
        elif single and single.group(2) and head.method == "POST":
            run = self._runs.get(urllib.parse.unquote(single.group(1)))
            if run is not None:
                run.cancel()
            await exchange.respond(200 if run is not None else 404, _JSON, b"{}")
        elif path in ("/", "/predictions") and head.method == "POST":
            await self._predict(exchange, invocation, None)
        elif single and not single.group(2) and head.method == "PUT":
            await self._predict(exchange, invocation, urllib.parse.unquote(single.group(1)))
        elif path in ("/", "/predictions") or single:
            await exchange.respond(*problem(405, "method_not_allowed", "%s is not called with %s." % (path, head.method), invocation.invocation_id,
                                            headers=[("allow", "PUT" if single and not single.group(2) else "POST")]))
        else:
            await exchange.respond(*problem(404, "route_not_found", "Predictions are made with POST /predictions.", invocation.invocation_id))

    async def _predict(self, exchange, invocation, identity):
        bare = False
        try:
            body = await serving.read_body(exchange)
            document = _encoding.loads(body) if body else {}
            if not isinstance(document, dict):
                raise ValueError("the body must be an object")
            bare = exchange.head.raw_path == "/" and not (isinstance(document.get("input"), dict) and "input" not in self._inputs.fields)
            prediction = {"input": document} if bare else document
            self._refuse_what_is_not_built(exchange, prediction, identity)
            identity = str(identity or prediction.get("id") or invocation.invocation_id or uuid.uuid4())
            given = prediction.get("input", {})
            if not isinstance(given, dict):
                raise Answered(422, _JSON, _details([InputError("Input should be an object", None)]))
            if identity in self._runs:
                raise Answered(202, _JSON, json.dumps({"id": identity, "status": "processing"}).encode())
            loop = asyncio.get_running_loop()
            arguments, errors = await loop.run_in_executor(None, self._convert, given)
            if errors:
                raise Answered(422, _JSON, _details(errors))
            streams = not bare and "text/event-stream" in (exchange.head.header("accept") or "")
            if streams and not self._target.stream:
                raise Answered(406, _JSON, json.dumps({"detail": "This model does not stream."}).encode())
            log, metrics = io.StringIO(), {}
            run = self._start(arguments, invocation, log, metrics)
        except Answered as refused:
            await exchange.respond(*refused.answer)
            return
        except ValueError as error:
            await exchange.respond(*problem(400, "request_invalid", str(error), invocation.invocation_id))
            return
        names = {identity, invocation.invocation_id}
        self._runs.update({name: run for name in names})
        try:
            made = Prediction(identity, given, log, metrics)
            await (self._events if streams else self._whole)(exchange, run, made, bare, invocation)
        finally:
            for name in names:
                self._runs.pop(name, None)

    def _convert(self, given):
        download = contextvars.copy_context()
        download.run(cog_inputs.download_limit.set, self._limit)
        return download.run(self._inputs.convert, given)

    def _start(self, arguments, invocation, log, metrics):
        function = self._target.function
        values = list(arguments.values())

        def begin(**named):
            # In the thread or task of the run: what it prints belongs to this prediction.
            _prediction_log.set(log)
            cog_module._metrics.set(metrics)
            return function(**named)

        try:
            return self._runner.start(begin, ((), arguments), invocation, Output(), lambda: _values.clear_files(values), self._on_loop)
        except NoSlot as error:
            raise Answered(409, _JSON, json.dumps({"error": str(error), "status": "failed"}).encode()) from None

    async def _whole(self, exchange, run, made, bare, invocation):
        item = await next_item(exchange, run)
        while isinstance(item, Value):
            made.add(item.value)
            item = await next_item(exchange, run)
        self._end(made, run, item, invocation)
        timing = serving.timing(item) if isinstance(item, (Result, Failed)) else []
        if not bare:
            await exchange.respond(200, _JSON + timing, made.bytes())
        elif made.status == "succeeded":
            await exchange.respond(200, _JSON + timing, json.dumps(made.output).encode())
        elif made.status == "canceled":
            await exchange.respond(*serving.left(invocation))
        else:
            status, headers, body = problem(500, "run_failed", made.error, invocation.invocation_id)
            await exchange.respond(status, headers + timing, body)

    async def _events(self, exchange, run, made, bare, invocation):
        try:
            await exchange.start(200, [("content-type", "text/event-stream"), ("cache-control", "no-store")])
            await exchange.write(_event("start", {"id": made.id, "status": "processing"}))
            item = await next_item(exchange, run)
            while isinstance(item, Value):
                await exchange.write(_event("output", {"chunk": item.value, "index": len(made.output or [])}))
                made.add(item.value)
                item = await next_item(exchange, run)
            self._end(made, run, item, invocation)
            await exchange.write(_event("completed", made.document()), last=True)
        except PeerGone:
            run.cancel()
            raise

    def _end(self, made, run, item, invocation):
        if isinstance(item, Failed) and not (run.cancelled and isinstance(item.error, asyncio.CancelledError)):
            log_failure(item.error, invocation, self._root)
            made.finish("failed", error=secrets_given.mask(str(item.error)) or describe(item.error, self._root))
        elif run.cancelled:
            made.finish("canceled")
        elif isinstance(item, End):
            made.output = made.output or []
            made.finish("succeeded")
        else:
            made.output = item.value
            made.finish("succeeded")

    def _discovery(self, path):
        if path == "/health-check":
            busy = len(self._runs) > 0
            return {"status": "BUSY" if busy else "READY", "setup": {"started_at": self._target.setup_began, "completed_at": self._ready_at, "status": "succeeded", "logs": ""},
                    "version": {"python": "%d.%d.%d" % sys.version_info[:3]}}
        if path == "/openapi.json":
            return self._openapi()
        return {"openapi_url": "/openapi.json", "predictions_url": "/predictions", "health_check_url": "/health-check"}

    def _openapi(self):
        output = self._target.schema["output"] or {}
        return {"openapi": "3.0.2", "info": {"title": "Cog", "version": "0.1.0"}, "paths": {"/predictions": {"post": {"summary": "Predict", "requestBody": {
            "content": {"application/json": {"schema": {"type": "object", "properties": {"input": {"$ref": "#/components/schemas/Input"}}}}}},
            "responses": {"200": {"description": "The prediction", "content": {"application/json": {"schema": {"type": "object", "properties": {
                "output": {"$ref": "#/components/schemas/Output"}}}}}}}}}},
            "components": {"schemas": {"Input": dict(self._target.schema["input"], title="Input"), "Output": dict(output, title="Output")}}}

    @staticmethod
    def _refuse_what_is_not_built(exchange, prediction, identity):
        if (exchange.head.header("prefer") or "").strip() == "respond-async" or prediction.get("webhook"):
            raise Answered(*problem(501, "not_supported", "Asynchronous predictions and webhooks are not made by an instance: send the call to the server with 'Dormouse-Mode: async'."))
        if identity is not None and prediction.get("id") not in (None, identity):
            raise Answered(422, _JSON, _details([InputError("The id of the body is another than that of the address", "id")], inside=False))


class _Tee(io.TextIOBase):
    """Passes on what is printed, and keeps a copy with the prediction that printed it."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        log = _prediction_log.get(None)
        if log is not None and log.tell() < _LOG_BYTES_MAX:
            log.write(text)
        return self._stream.write(text)

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def flush(self):
        self._stream.flush()


def capture_output():
    sys.stdout, sys.stderr = _Tee(sys.stdout), _Tee(sys.stderr)


def _details(errors, inside=True):
    return json.dumps({"detail": [{"loc": (["body", "input"] if inside else ["body"]) + ([error.field] if error.field else []), "msg": str(error),
                                   "type": "missing" if str(error) == "Field required" else "value_error"} for error in errors]}).encode()


def _event(name, document):
    return ("event: %s\ndata: %s\n\n" % (name, json.dumps(document, ensure_ascii=False))).encode("utf-8")


def _now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()
