"""The first call of a revision and its answer, kept so that a restored process can be asked the same in private.

It stays in memory that template and forks share, and in the snapshot. Of the head only what says how the body is to be read is kept.
"""

import asyncio
import base64
import hashlib
import json
import mmap
import struct

from .http_head import parse_head

#: A call whose record is longer is not kept, bytes.
RECORD_BYTES_MAX = 96 * 1024
ANSWER_SECONDS_MAX = 10.0
_COUNT = struct.Struct("=Q")
_KEPT = frozenset(("content-type", "accept", "content-encoding", "inference-header-content-length", "dormouse-model-name", "dormouse-model-version"))


class Recording:
    """Made by the template, written by one of its forks. What is in it was written by code of the revision, for code of the same revision: it is checked before use all the same."""

    def __init__(self):
        self._shared = mmap.mmap(-1, _COUNT.size + RECORD_BYTES_MAX)

    def read(self):
        """The record, or None."""
        length = _COUNT.unpack_from(self._shared, 0)[0]
        if not 0 < length <= RECORD_BYTES_MAX:
            return None
        try:
            record = json.loads(self._shared[_COUNT.size:_COUNT.size + length].decode("utf-8"))
        except ValueError:
            return None
        return record if isinstance(record, dict) else None

    def write(self, record):
        """Keeps the record, unless there is one or it is too long."""
        data = json.dumps(record).encode("utf-8")
        if len(data) > RECORD_BYTES_MAX or _COUNT.unpack_from(self._shared, 0)[0]:
            return
        self._shared[_COUNT.size:_COUNT.size + len(data)] = data
        _COUNT.pack_into(self._shared, 0, len(data))


class Told:
    """In an instance that is no fork of a template: the record goes to the server, which has one made of it."""

    def __init__(self, control):
        self._control = control

    def write(self, record):
        if len(json.dumps(record)) <= RECORD_BYTES_MAX:
            self._control.send({"type": "first_call", "record": record})


def watch(exchange):
    """Listens to an exchange. Returns what gives its record once it is over; None when it cannot be repeated: a stream, a failure, a long body."""
    parts, answers, respond, body = [], [], exchange.respond, exchange._body

    async def heard():
        async for part in body:
            if sum(map(len, parts)) <= RECORD_BYTES_MAX:
                parts.append(part)
            yield part

    async def told(status, headers, data):
        answers.append((status, data))
        await respond(status, headers, data)

    exchange._body, exchange.respond = heard(), told

    def record():
        if len(answers) != 1 or not 200 <= answers[0][0] < 300 or len(answers[0][1]) > RECORD_BYTES_MAX:
            return None
        head = exchange.head
        return {"method": head.method, "target": head.target, "headers": [[name, value] for name, value in head.headers if name in _KEPT],
                "body": base64.b64encode(b"".join(parts)).decode("ascii"), "answer": answer(*answers[0])}

    return record


def answer(status, data):
    """What is compared of an answer."""
    return [status, hashlib.sha256(data).hexdigest()]


def answer_of(record):
    return record["answer"]


def repeat(record, target, folder, assignment):
    """The answer of this process, which becomes an instance for it without a socket."""
    from . import process
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    target.start(loop.run_until_complete)
    service = process.service_of(target, max(1, int(assignment.get("concurrency") or 1)), max(1, int(assignment.get("memory_mib") or 512)), folder.path, loop)
    body = base64.b64decode(record["body"])
    lines = ["%s %s HTTP/1.1" % (record["method"], record["target"]), "host: replay"] + ["%s: %s" % (name, value) for name, value in record["headers"]]
    head = parse_head(("\r\n".join(lines) + "\r\ncontent-length: %d" % len(body)).encode("latin-1"))

    async def run():
        exchange = Repeated(head, body, asyncio.get_running_loop().create_future())
        await asyncio.wait_for(service.handle(exchange), ANSWER_SECONDS_MAX)
        return answer(exchange.status, exchange.data)

    return loop.run_until_complete(run())


class Repeated:
    """An exchange with nobody at the other end."""

    def __init__(self, head, body, gone):
        self.head = head
        self.body_limit = len(body)
        self.started = self.finished = False
        self.keep = False
        self.gone = gone
        self.status = None
        self.data = b""
        self._body = body

    async def parts(self):
        if self._body:
            yield self._body

    async def read(self):
        return self._body

    async def respond(self, status, headers, body):
        self.started = self.finished = True
        self.status, self.data = status, body

    async def start(self, status, headers, length=None):
        self.started = True
        self.status = status

    async def write(self, data, last=False):
        self.data += data
        self.finished = self.finished or last

    async def end(self):
        self.finished = True

    def abort(self):
        self.finished = True

    async def discard(self):
        return True
