"""From what a function returned to the bytes of an answer."""

import pathlib

from .. import _encoding
from .._response import Response, check_header


def encode_result(value):
    """Status, headers and body. EncodingError when the value cannot be sent."""
    if isinstance(value, Response):
        headers = [("content-type", value.content_type)] + list(value.headers)
        for name, text in headers:
            check_header(name, text)  # Again: the function may have changed them since.
        return value.status, headers, value.body
    if isinstance(value, (bytes, bytearray, memoryview)):
        return 200, [("content-type", "application/octet-stream")], bytes(value)
    if isinstance(value, pathlib.PurePath):
        value = _encoding.File(value)
    if isinstance(value, _encoding.File):
        return 200, [("content-type", value.content_type)] + _disposition(value.filename), value.read()
    image = _encoding.pil_image_class()
    if image is not None and isinstance(value, image):
        return 200, [("content-type", "image/png")], _encoding.image_bytes(value)
    return 200, [("content-type", "application/json")], _encoding.dumps(value)


def _disposition(filename):
    if not filename or not filename.isascii() or not filename.isprintable() or '"' in filename or "\\" in filename:
        return []
    return [("content-disposition", 'attachment; filename="%s"' % filename)]


class LineStream:
    """``application/x-ndjson``: one value a line."""

    content_type = "application/x-ndjson"

    @staticmethod
    def encode(value):
        return _encoding.dumps(value, "a value of the stream") + b"\n"

    @staticmethod
    def failure(document):
        return b""  # A line could be taken for a value: the cut connection says it.


class EventStream:
    """``text/event-stream``: one value an event; a failure is an event ``error`` with the problem, before the connection is cut."""

    content_type = "text/event-stream"

    @staticmethod
    def encode(value):
        return b"data: " + _encoding.dumps(value, "a value of the stream") + b"\n\n"

    @staticmethod
    def failure(document):
        return b"event: error\ndata: " + document + b"\n\n"


def stream_format(accept):
    """The form of a stream by the Accept header."""
    return EventStream if "text/event-stream" in (accept or "").lower() else LineStream


class Encoding:
    """How a run's results and values become bytes, for a stream of this format."""

    def __init__(self, streams):
        self.whole = encode_result
        self.part = streams.encode
