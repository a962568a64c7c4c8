"""A folder in the shape of Hugging Face's inference toolkit: ``handler.py`` with ``EndpointHandler(path)`` and ``__call__(data)``.

Calls never overlap: handlers are written as if alone. Every failure is 400 ``{"error": …}``, as the toolkit's clients expect.
"""

import json
import os
import urllib.parse

from .. import _encoding
from . import secrets_given, serving
from .problems import problem
from .serving import Answered, FunctionService, describe, left, log_failure
from .targets import Target

_JSON = [("content-type", "application/json")]


def set_environment(folder):
    """The variables that handlers read, unless the deployer set them."""
    os.environ.setdefault("HF_MODEL_DIR", folder.path)
    os.environ.setdefault("HF_DEFAULT_PIPELINE_NAME", "handler.py")
    os.environ.setdefault("HF_MODULE_NAME", "handler.EndpointHandler")


def target(handler_class, folder):
    """The target of the class; its object is made when the instance gets ready."""
    made = Target("handler", "huggingface", handler_class.__call__, doc=handler_class.__doc__,
                  schema={"input": {"type": "object", "properties": {"inputs": {}, "parameters": {"type": "object"}}, "required": ["inputs"]}, "output": None},
                  stream=False)
    made.overlap_max = 1
    made.service = HuggingFaceService

    def make():
        made.function = handler_class(folder.path)

    made.hooks.append(make)
    return made


class HuggingFaceService(FunctionService):
    """``POST /`` and ``/predict``; ``GET /`` and ``/health`` say ``Ok``."""

    async def arguments(self, exchange, invocation):
        head = exchange.head
        if head.method in ("GET", "HEAD") and head.raw_path in ("/", "/health"):
            raise Answered(200, [("content-type", "text/plain")], b"Ok")
        if head.raw_path not in ("/", "/predict"):
            raise Answered(*problem(404, "route_not_found", "The handler is called with POST / or POST /predict.", invocation.invocation_id))
        if head.method != "POST":
            raise Answered(*problem(405, "method_not_allowed", "The handler is called with POST, not %s." % head.method, invocation.invocation_id,
                                    headers=[("allow", "POST, GET" if head.raw_path == "/" else "POST")]))
        body = await serving.read_body(exchange)
        kind = head.content_type()
        try:
            data = self._data(body, kind)
        except ValueError as error:
            raise Answered(400, _JSON, _error(str(error))) from None
        if head.query and "parameters" not in data:
            data["parameters"] = {name: _converted(text) for name, text in urllib.parse.parse_qsl(head.query)}
        return [data], {}

    def failure(self, run, error, invocation):
        if run.cancelled:
            return left(invocation)
        log_failure(error, invocation, self._root)
        text = secrets_given.mask(str(error))
        return 400, _JSON, _error(text if text else describe(error, self._root))

    @staticmethod
    def _data(body, kind):
        if kind.startswith("image/"):
            return {"inputs": _encoding.image_from_bytes(body) if _encoding.pil_image_class(load=True) is not None else body}
        if kind.startswith("audio/") or kind == "application/octet-stream":
            return {"inputs": body}
        if kind.startswith("text/"):
            return {"inputs": body.decode("utf-8", "replace")}
        data = _encoding.loads(body)
        if not isinstance(data, dict) or ("inputs" not in data and "instances" not in data):
            raise ValueError("Body needs to provide a inputs key")
        return data


def _error(text):
    return json.dumps({"error": text}).encode("utf-8")


def _converted(text):
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
