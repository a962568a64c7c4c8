"""Goes once through what a start and a call do, while the process belongs to nobody: what is touched, imported or compiled for the first time costs
the first caller milliseconds otherwise.

The call is a real one, over the HTTP server, to a function of this module. Nothing of it is left but what the interpreter remembers.
"""

import asyncio
import json
import signal
import socket
import threading

from . import http, problems, running, serving
from .targets import plain_target

_REQUEST = b"POST / HTTP/1.1\r\nhost: rehearsal\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
_MEMORY_MIB = 1


def rehearse():
    """Serves one call. The process has as many threads afterwards as before: templates must not have any."""
    before = set(threading.enumerate())
    # Not made the current one: what is imported later finds the process as it was.
    loop = asyncio.new_event_loop()
    runner = running.Runner(1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        ours.setblocking(False)
        theirs.setblocking(False)
        service = serving.FunctionService(plain_target("handler", _echo), runner, _MEMORY_MIB, "/")
        server = http.Server(service.handle, problems.of_bad_request, _failed, _MEMORY_MIB << 18)
        loop.add_signal_handler(signal.SIGUSR2, int)
        loop.run_until_complete(_call(loop, server, ours, theirs))
        loop.remove_signal_handler(signal.SIGUSR2)
    finally:
        runner.close()
        theirs.close()
        ours.close()
        loop.close()
    if not before.issuperset(threading.enumerate()):
        raise RuntimeError("the rehearsal left a thread behind")


async def _call(loop, server, ours, theirs):
    transport, _ = await loop.connect_accepted_socket(lambda: http.Connection(server), theirs)
    body = json.dumps({"rehearsal": 1}).encode()
    try:
        await loop.sock_sendall(ours, _REQUEST % (len(body), body))
        answer = await loop.sock_recv(ours, 4096)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError("the rehearsal was answered %r" % answer)
    finally:
        transport.close()
        while server.connections:
            await asyncio.sleep(0)


def _echo(input):
    return input


def _failed(error):
    raise error
