"""Request line and headers of HTTP/1.1, read strictly: what two programs might read differently is refused. Limits are those of the server in front
(docs/spec/errors.md)."""

import urllib.parse

HEAD_BYTES_MAX = 32 * 1024
LINE_BYTES_MAX = 8 * 1024
HEADERS_MAX = 100

_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DIGITS = frozenset(b"0123456789")


class BadRequest(Exception):
    """Refused: status and plain words. The connection is closed after it."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status = status


class BodyTooLarge(BadRequest):
    def __init__(self, limit):
        super().__init__(413, "The body is larger than %d bytes, a quarter of the instance's memory." % limit)
        self.limit = limit


class PeerGone(Exception):
    """The connection ended."""


class Head:
    """Request line and headers."""

    __slots__ = ("method", "target", "raw_path", "path", "query", "version", "headers", "length", "chunked", "expects", "keep")

    def header(self, name):
        """The value by lower-case name, repeated ones joined by a comma, or None."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def content_type(self):
        """Media type alone, lower case, or ""."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()


def parse_head(data):
    """The Head of the bytes before the empty line (without it). BadRequest when it is none."""
    lines = data.split(b"\r\n")
    head = Head()
    parts = lines[0].split(b" ")
    if len(lines[0]) > LINE_BYTES_MAX:
        raise BadRequest(414, "The request line is longer than %d bytes." % LINE_BYTES_MAX)
    if len(parts) != 3 or not parts[0] or not _TOKEN.issuperset(parts[0]) or not parts[1]:
        raise BadRequest(400, "The request line is malformed.")
    if parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        well_formed = len(parts[2]) == 8 and parts[2].startswith(b"HTTP/") and parts[2][6:7] == b"."
        raise BadRequest(505 if well_formed else 400, "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    if any(byte <= 32 or byte >= 127 for byte in parts[1]):
        raise BadRequest(400, "The request's target holds characters that must be percent-encoded.")
    head.method = parts[0].decode("ascii")
    head.version = parts[2][5:].decode("ascii")
    head.target = parts[1].decode("ascii")
    _read_target(head)
    _read_headers(head, lines[1:])
    _read_framing(head)
    return head


def _read_target(head):
    target = head.target
    if target.startswith(("http://", "https://")):
        rest = target.partition("://")[2]
        target = "/" + rest.partition("/")[2] if "/" in rest else "/"
    elif not target.startswith("/") and not (target == "*" and head.method == "OPTIONS"):
        raise BadRequest(400, "The request's target is no path.")
    target = target.partition("#")[0]
    head.raw_path, _, head.query = target.partition("?")
    head.path = urllib.parse.unquote(head.raw_path, errors="replace")


def _read_headers(head, lines):
    if len(lines) > HEADERS_MAX:
        raise BadRequest(431, "There are more than %d headers." % HEADERS_MAX)
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        # No space before the colon and no folded lines: what two programs read differently can smuggle a request.
        if not colon or not name or not _TOKEN.issuperset(name):
            raise BadRequest(400, "A header line is malformed.")
        value = value.strip(b" \t")
        if any((byte < 32 and byte != 9) or byte == 127 for byte in value):
            raise BadRequest(400, "The header %s holds control characters." % name.decode("ascii"))
        headers.append((name.decode("ascii").lower(), value.decode("latin-1")))
    head.headers = headers


def _read_framing(head):
    lengths = {value for name, value in head.headers if name == "content-length"}
    codings = [value.lower() for name, value in head.headers if name == "transfer-encoding"]
    connection = (head.header("connection") or "").lower()
    expect = (head.header("expect") or "").lower()
    head.chunked = False
    head.length = 0
    if codings:
        if lengths or head.version == "1.0":
            raise BadRequest(400, "Transfer-Encoding does not go with %s." % ("Content-Length" if lengths else "HTTP/1.0"))
        if codings != ["chunked"]:
            raise BadRequest(501, "The only transfer coding is chunked.")
        head.chunked = True
    elif lengths:
        length = lengths.pop()
        if lengths or not length or len(length) > 18 or not _DIGITS.issuperset(length.encode("latin-1")):
            raise BadRequest(400, "Content-Length must be one whole number.")
        head.length = int(length)
    if expect and expect != "100-continue":
        raise BadRequest(417, "The only expectation is 100-continue.")
    head.expects = bool(expect) and head.version == "1.1" and (head.chunked or head.length > 0)
    tokens = [token.strip() for token in connection.split(",")]
    head.keep = "close" not in tokens and (head.version == "1.1" or "keep-alive" in tokens)
