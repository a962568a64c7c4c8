"""Answers and requests of functions that care about HTTP."""

from . import _encoding


class Response:
    """An answer with a body, status, content type and headers of its own.

    ``body`` is bytes, text (sent as UTF-8) or any other value (sent as JSON). ``content_type`` defaults to what fits the body.
    """

    def __init__(self, body=b"", status=200, content_type=None, headers=None):
        if type(status) is not int or not 200 <= status <= 599:
            raise ValueError("status is %r: a whole number from 200 to 599 is needed" % (status,))
        if isinstance(body, str):
            self.body, fitting = body.encode("utf-8"), "text/plain; charset=utf-8"
        elif isinstance(body, (bytes, bytearray, memoryview)):
            self.body, fitting = bytes(body), "application/octet-stream"
        else:
            self.body, fitting = _encoding.dumps(body, "the body"), "application/json"
        self.status = status
        self.content_type = content_type or fitting
        self.headers = list(headers.items() if hasattr(headers, "items") else headers or [])
        for name, value in self.headers + [("content-type", self.content_type)]:
            check_header(name, value)


class Request:
    """The HTTP request, for a parameter annotated ``dormouse.Request`` of an ``@app.web`` function."""

    def __init__(self, method, path, query, headers, body):
        self.method = method
        self.path = path
        #: The raw query string, without the question mark.
        self.query = query
        #: By lower-case name; repeated ones joined by a comma.
        self.headers = headers
        self.body = body

    def json(self):
        """The body as JSON; ValueError when it is none."""
        return _encoding.loads(self.body)


_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def check_header(name, value):
    """ValueError unless both can be sent: no line ends, no control characters, Latin-1 only."""
    if not isinstance(name, str) or not name or not _TOKEN.issuperset(name):
        raise ValueError("%r is no header name" % (name,))
    if not isinstance(value, str) or any((ord(c) < 32 and c != "\t") or ord(c) == 127 or ord(c) > 255 for c in value):
        raise ValueError("the value of header %s cannot be sent: text without line ends and control characters is needed" % name)
