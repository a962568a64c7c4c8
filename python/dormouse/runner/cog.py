"""A folder in the shape of Cog: ``cog.yaml`` names a predictor or runner class (or a function); predictions in Cog's own JSON.

What needs more than one instance knows (webhooks, ``Prefer: respond-async``, upload addresses, trainings) is refused.
"""

import asyncio
import base64
import contextvars
import datetime
import inspect
import io
import json
import os
import pathlib
import re
import sys
import typing
import urllib.parse
import urllib.request
import uuid

from .. import _encoding, _types
from .._errors import EncodingError, InputError
from . import cog_module, serving
from .http import PeerGone
from .problems import problem
from .refusal import Refused
from .running import End, Failed, NoSlot, Result, Value
from .serving import Answered, FunctionService, describe, log_failure, next_item
from .targets import Package, Target
from .yaml_subset import YamlRefused, read

_WANTED = ("predict", "run", "environment", "concurrency.max", "build.python_version", "build.python_packages", "build.python_requirements",
           "build.system_packages", "build.run")
_JSON = [("content-type", "application/json")]
_LOG_BYTES_MAX = 1 << 20
_DOWNLOAD_SECONDS_MAX = 60.0
_prediction_log = contextvars.ContextVar("cog_prediction_log")


def load(folder, path):
    """The package of a ``cog.yaml``."""
    with open(os.path.join(folder.path, path), encoding="utf-8") as file:
        try:
            keys, _ = read(file.read(), _WANTED)
        except (YamlRefused, UnicodeDecodeError) as error:
            raise Refused("cog.yaml: %s." % error) from None
    reference = keys.get("run") or keys.get("predict")
    if not isinstance(reference, str) or reference.count(":") != 1:
        raise Refused('cog.yaml: run or predict must name a file and a class, like "predict.py:Predictor".')
    if keys.get("build.run"):
        raise Refused("cog.yaml: build.run is not supported: no commands are run in the system here. Take it out, or use what the system has.")
    if keys.get("build.system_packages"):
        sys.stderr.write("cog.yaml: build.system_packages are not installed here; the system must have them: %s\n" % ", ".join(map(str, keys["build.system_packages"])))
    file, _, name = reference.partition(":")
    sys.modules["cog"] = cog_module
    for kind, shape in _shapes().items():
        _types.register(kind, shape)
    module = folder.load(os.path.join(os.path.dirname(path), file))
    found = getattr(module, name, None)
    if not callable(found):
        raise Refused("cog.yaml names %s, but %s has no such class." % (reference, file))
    return Package(None, [_target(found, name, _settings(keys), folder)])


def _settings(keys):
    settings = {}
    if keys.get("build.python_packages"):
        settings["pip"] = [str(item) for item in keys["build.python_packages"]]
    if keys.get("build.python_requirements"):
        settings["requirements"] = str(keys["build.python_requirements"])
    version = re.match(r"^(3\.\d+)", str(keys.get("build.python_version") or ""))
    if version:
        settings["python"] = version.group(1)
    if keys.get("concurrency.max") is not None:
        if type(keys["concurrency.max"]) is not int or keys["concurrency.max"] < 1:
            raise Refused("cog.yaml: concurrency.max must be a whole number of at least 1.")
        settings["concurrency"] = keys["concurrency.max"]
    if keys.get("environment"):
        entries = [str(entry).partition("=") for entry in keys["environment"]]
        if not all(equals for _, equals, _ in entries):
            raise Refused("cog.yaml: environment must be a list of NAME=value.")
        settings["environment"] = {name: value for name, _, value in entries}
    return settings


def _target(found, name, settings, folder):
    function = found
    if isinstance(found, type):
        function = getattr(found, "run", None) or getattr(found, "predict", None)
        if function is None:
            raise Refused("%s has neither run nor predict." % name)
    inputs = Inputs(function, skip=1 if isinstance(found, type) else 0)
    target = Target("predict", "cog", function, settings=settings, doc=found.__doc__ or function.__doc__, schema={"input": inputs.schema(), "output": inputs.output_schema()})
    target.inputs = inputs
    target.service = CogService
    if not (target.is_async or target.is_async_generator):
        target.overlap_max = 1
    target.cog_setup = ("starting", _now(), None)

    def setup():
        predictor = found()
        target.function = getattr(predictor, function.__name__)
        if callable(getattr(predictor, "setup", None)):
            takes_weights = "weights" in inspect.signature(predictor.setup).parameters
            return predictor.setup(**({"weights": os.environ.get("COG_WEIGHTS")} if takes_weights else {}))
        return None

    if isinstance(found, type):
        target.hooks.append(setup)
    return target


class Inputs:
    """The annotated parameters of ``run`` or ``predict``, with their ``Input(…)``."""

    def __init__(self, function, skip):
        hints = _types.hints_of(function)
        self.returns = hints.get("return")
        self.fields = {}
        for name, parameter in list(inspect.signature(function).parameters.items())[skip:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise Refused("%s takes *%s: inputs need names." % (function.__name__, name))
            default = parameter.default
            if not isinstance(default, cog_module.FieldInfo):
                default = cog_module.Input() if default is parameter.empty else cog_module.Input(default)
            self.fields[name] = (_types.shape_of(hints.get(name, typing.Any)), default)

    def schema(self):
        schema = {"type": "object", "properties": {}}
        for name, (shape, field) in self.fields.items():
            member = dict(shape.schema)
            bounds = {"description": field.description, "minimum": field.ge, "maximum": field.le, "minLength": field.min_length, "maxLength": field.max_length,
                      "pattern": field.regex, "enum": field.choices, "deprecated": field.deprecated}
            member.update({key: value for key, value in bounds.items() if value is not None})
            if not field.required and isinstance(field.default, (str, int, float, bool)):
                member["default"] = field.default
            schema["properties"][name] = member
        required = [name for name, (_, field) in self.fields.items() if field.required]
        if required:
            schema["required"] = required
        return schema

    def output_schema(self):
        returns = self.returns
        if returns is None or returns is typing.Any:
            return None
        if typing.get_args(returns) and "Iterator" in getattr(typing.get_origin(returns), "__name__", ""):
            items = _types.shape_of(typing.get_args(returns)[0]).schema
            display = {"x-cog-array-display": "concatenate"} if "Concatenate" in typing.get_origin(returns).__name__ else {}
            return dict({"type": "array", "items": items, "x-cog-array-type": "iterator"}, **display)
        return _types.shape_of(returns).schema or None

    def convert(self, given):
        """Arguments from the object of inputs; unknown names are dropped, as Cog does. InputErrors as a list."""
        arguments, errors = {}, []
        for name, (shape, field) in self.fields.items():
            try:
                if name in given and not (given[name] is None and not field.required):
                    arguments[name] = shape.convert(given[name], name)
                    _check(name, arguments[name], field)
                elif field.required:
                    raise InputError("Field required", name)
                else:
                    arguments[name] = field.default
            except InputError as error:
                errors.append(error)
        return arguments, errors


def _check(name, value, field):
    def refuse(words):
        raise InputError("argument '%s': %s" % (name, words), name)

    if field.choices is not None and value not in field.choices:
        refuse("must be one of %s" % ", ".join(map(str, field.choices)))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if field.ge is not None and value < field.ge:
            refuse("must be at least %s" % field.ge)
        if field.le is not None and value > field.le:
            refuse("must be at most %s" % field.le)
    if isinstance(value, str):
        if field.min_length is not None and len(value) < field.min_length:
            refuse("must have at least %d characters" % field.min_length)
        if field.max_length is not None and len(value) > field.max_length:
            refuse("must have at most %d characters" % field.max_length)
        if field.regex is not None and not re.match(field.regex, value):
            refuse("must match %s" % field.regex)


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
        download.run(_download_limit.set, self._limit)
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
            return self._runner.start(begin, ((), arguments), invocation, Output(), lambda: _types.clear_files(values), self._on_loop)
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
            made.finish("failed", error=str(item.error) or describe(item.error, self._root))
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
            return {"status": "BUSY" if busy else "READY", "setup": {"started_at": self._target.cog_setup[1], "completed_at": self._ready_at, "status": "succeeded", "logs": ""},
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


class Prediction:
    """The object that a prediction is answered with."""

    def __init__(self, id, given, log, metrics):
        self.id = id
        self.output = None
        self.status = "processing"
        self.error = None
        self._input = given
        self._log = log
        self._metrics = metrics
        self._started = datetime.datetime.now(datetime.timezone.utc)
        self._completed = None

    def add(self, chunk):
        self.output = self.output or []
        self.output.append(chunk)

    def finish(self, status, error=None):
        self.status, self.error = status, error
        self._completed = datetime.datetime.now(datetime.timezone.utc)

    def document(self):
        document = {"id": self.id, "input": self._input, "logs": self._log.getvalue(), "status": self.status, "started_at": self._started.isoformat(),
                    "completed_at": self._completed.isoformat(),
                    "metrics": dict(self._metrics, predict_time=(self._completed - self._started).total_seconds())}
        if self.status == "succeeded":
            document["output"] = self.output
        if self.error is not None:
            document["error"] = self.error
        return document

    def bytes(self):
        return json.dumps(self.document(), ensure_ascii=False).encode("utf-8")


class Output:
    """Outputs as JSON values: files as data URLs."""

    def whole(self, value):
        return self.part(value)

    def part(self, value):
        return json.loads(_encoding.dumps(_without_files(value), "the output"))


def _without_files(value):
    if isinstance(value, (list, tuple)):
        return [_without_files(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_files(item) for key, item in value.items()}
    if isinstance(value, cog_module.BaseModel):
        return _without_files(value.model_dump())
    if isinstance(value, pathlib.PurePath):
        with open(value, "rb") as file:
            return _data_url(file.read(), value.name)
    if isinstance(value, io.IOBase):
        return _data_url(value.read(), getattr(value, "name", None))
    if isinstance(value, cog_module.Secret):
        raise EncodingError("a secret is not sent as output")
    image = _encoding.pil_image_class()
    if image is not None and isinstance(value, image):
        return _data_url(_encoding.image_bytes(value), "output.png")
    return value


def _data_url(data, name):
    data = data.encode("utf-8") if isinstance(data, str) else data
    return "data:%s;base64,%s" % (_encoding.guess_type(name if isinstance(name, str) else None), base64.b64encode(data).decode("ascii"))


_download_limit = contextvars.ContextVar("cog_download_limit", default=64 * 1024 * 1024)


def _file_bytes(value, place):
    """Content and name of a file input: a data URL, or an address that is fetched."""
    if not isinstance(value, str):
        raise _types.wrong(place, "a URL or data URL", value)
    if value.startswith("data:"):
        head, comma, text = value[5:].partition(",")
        try:
            data = _encoding.decode_base64(text) if head.endswith(";base64") else urllib.parse.unquote_to_bytes(text)
        except ValueError as error:
            raise InputError("argument '%s': %s" % (place, error), place) from None
        import mimetypes
        return data, "file" + (mimetypes.guess_extension(head.partition(";")[0]) or "")
    if not value.startswith(("http://", "https://")):
        raise InputError("argument '%s': a URL (http, https) or data URL is needed" % place, place)
    limit = _download_limit.get()
    try:
        with urllib.request.urlopen(value, timeout=_DOWNLOAD_SECONDS_MAX) as answer:
            data = answer.read(limit + 1)
    except (OSError, ValueError) as error:
        raise InputError("argument '%s': the file cannot be fetched: %s" % (place, getattr(error, "reason", None) or error), place) from None
    if len(data) > limit:
        raise InputError("argument '%s': the file is larger than %d bytes" % (place, limit), place)
    return data, os.path.basename(urllib.parse.urlsplit(value).path)


def _shapes():
    text = {"type": "string", "format": "uri"}

    def path(value, place):
        return cog_module.Path(_types.written_file(*_file_bytes(value, place)))

    def file(value, place):
        data, name = _file_bytes(value, place)
        stream = io.BytesIO(data)
        stream.name = name
        return stream

    def secret(value, place):
        if not isinstance(value, str):
            raise _types.wrong(place, "text", value)
        return cog_module.Secret(value)

    return {cog_module.Path: _types.Shape(text, path), cog_module.File: _types.Shape(text, file),
            cog_module.Secret: _types.Shape({"type": "string", "format": "password", "x-cog-secret": True}, secret)}


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
