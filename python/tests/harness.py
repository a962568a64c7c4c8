"""Starts the real runner as the launcher does, and talks HTTP to it."""

import array
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: For anything that must happen soon; a machine under load is given time.
SECONDS = 120


class Instance:
    """Who answers on a socket."""

    path = None

    def connect(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(SECONDS)
        connection.connect(self.path)
        return Wire(connection)

    def call(self, value=None, method="POST", path="/", headers=(), body=None):
        """One request on a connection of its own."""
        with self.connect() as wire:
            return wire.call(value, method, path, headers, body)


class Fork(Instance):
    """An instance that a template forked."""

    def __init__(self, template, number):
        self.path = os.path.join(template.scratch, "f%d" % number)
        self.control, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(SECONDS)
        self.control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.output = None
        self.process_id = None

    def receive(self):
        """The next message, or None at the end."""
        data, ancillary, _, _ = self.control.recvmsg(200 * 1024, 64)
        for _, kind, payload in ancillary:
            if kind == socket.SCM_CREDENTIALS:
                self.process_id = struct.unpack("iII", payload)[0]
        return json.loads(data) if data else None

    def close(self):
        self.control.close()
        self.output.close()

    def serve(self):
        """Tells one that was made ahead to serve."""
        self.control.sendall(b'{"type":"serve_fork"}')
        return self.receive()


class RunnerProcess(Instance):
    """``python3 -m dormouse.runner`` with a control socket as descriptor 3."""

    def __init__(self, folder, python=sys.executable):
        self.folder = folder
        self.scratch = tempfile.mkdtemp(prefix="dm-")
        self.path = os.path.join(self.scratch, "s")
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(SECONDS)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment.update(PYTHONPATH=PACKAGE, PYTHONUNBUFFERED="1")
        self._printed = ""
        self._news = threading.Condition()
        self.errors = tempfile.TemporaryFile()
        # Descriptor 3, as the launcher has it, whatever number the socket has here.
        become = "import os, sys; n = int(sys.argv[1]); n == 3 or (os.dup2(n, 3), os.close(n)); os.execv(sys.argv[2], sys.argv[2:])"
        self.process = subprocess.Popen(
            [python, "-S", "-c", become, str(theirs.fileno()), python, "-m", "dormouse.runner", "--socket", self.path],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, pass_fds=[theirs.fileno()], cwd="/")
        theirs.close()
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()

    def receive(self):
        """The next message, or None when the runner ended."""
        try:
            data = self.control.recv(200 * 1024)
        except socket.timeout:
            self.process.send_signal(signal.SIGABRT)  # It writes where each of its threads stands.
            self.process.wait(SECONDS)
            raise AssertionError("no message in %d s; its errors: %s" % (SECONDS, self.stderr())) from None
        return json.loads(data) if data else None

    def assign(self, message, folder=None):
        descriptor = os.open(folder or self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
            self.control.sendmsg([json.dumps(message).encode()], rights)
        finally:
            os.close(descriptor)

    def hello(self):
        message = self.receive()
        if message is None or message["type"] != "hello":
            raise AssertionError("no hello but %r; its errors: %s" % (message, self.stderr()))
        return message

    def serve(self, module="app.py", function=None, concurrency=1, memory_mib=512, environment=None, secrets=None):
        """Says hello, assigns, and returns the next message."""
        self.hello()
        self.assign({"type": "serve_python", "folder_descriptor": 0, "module": module, "function": function, "concurrency": concurrency,
                     "memory_mib": memory_mib, "environment": environment or {}, "secrets": secrets})
        return self.receive()

    def template(self, module="app.py", function=None, concurrency=1, memory_mib=512, environment=None):
        """Says hello, becomes a template, and returns the next message."""
        self.hello()
        self.assign({"type": "template_python", "folder_descriptor": 0, "module": module, "function": function, "concurrency": concurrency,
                     "memory_mib": memory_mib, "environment": environment or {}})
        return self.receive()

    def fork(self, number=1, places=(), waits=False):
        """A fork of the template, which has been told to fork and not been listened to yet."""
        fork = Fork(self, number)
        output_read, output_write = os.pipe()
        fork.output = os.fdopen(output_read, "r")
        try:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(fork.path)
            listener.listen(8)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fork.theirs.fileno(), output_write, listener.fileno()] + [place.fileno() for place in places]))]
            self.control.sendmsg([json.dumps({"worker": number, "waits": waits}).encode()], rights)
        finally:
            listener.close()
            fork.theirs.close()
            os.close(output_write)
        return fork

    def inspect(self, module="app.py", environment=None):
        self.hello()
        self.assign({"type": "inspect_python", "folder_descriptor": 0, "module": module, "environment": environment or {}})
        return self.receive()

    def wait(self):
        return self.process.wait(SECONDS)

    def stdout(self):
        """All that it printed; waits for its end."""
        self.wait()
        self._reader.join(SECONDS)
        return self._printed

    def printed(self, text, times=1):
        """Waits until it has printed this text."""
        with self._news:
            if not self._news.wait_for(lambda: self._printed.count(text) >= times or not self._reader.is_alive(), SECONDS) or self._printed.count(text) < times:
                raise AssertionError("%r was not printed %d times but: %r; its errors: %s" % (text, times, self._printed, self.stderr()))

    def stderr(self):
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode("utf-8", "replace")

    def _read_output(self):
        for line in iter(self.process.stdout.readline, b""):
            with self._news:
                self._printed += line.decode("utf-8", "replace")
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def close(self):
        self.control.close()
        try:
            self.process.wait(SECONDS)
        finally:
            self._reader.join(SECONDS)
            self.process.stdout.close()
            self.errors.close()
            shutil.rmtree(self.scratch, ignore_errors=True)


class Answer:
    def __init__(self, status, headers, body, whole=True, wire=None):
        self.status = status
        self.headers = headers
        self.body = body
        #: False when the connection was cut in the middle.
        self.whole = whole

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%d %r" % (self.status, self.body[:500])


class Wire:
    """A connection to a runner, byte by byte where a test wants it."""

    def __init__(self, connection):
        self.socket = connection
        self.file = connection.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def request(self, value=None, method="POST", path="/", headers=(), body=None):
        if body is None:
            body = b"" if value is None else json.dumps(value).encode()
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: x", "Content-Length: %d" % len(body)]
        names = {name.lower() for name, _ in headers}
        if value is not None and "content-type" not in names:
            lines.append("Content-Type: application/json")
        lines += ["%s: %s" % pair for pair in headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def call(self, value=None, method="POST", path="/", headers=(), body=None):
        self.request(value, method, path, headers, body)
        return self.answer(bodiless=method == "HEAD")

    def head(self):
        line = self.file.readline()
        if not line:
            return None
        status = int(line.split()[1])
        headers = {}
        while True:
            line = self.file.readline()
            if line in (b"\r\n", b""):
                return status, headers
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()

    def answer(self, bodiless=False):
        """The next whole answer, or None when the connection ended before it."""
        try:
            found = self.head()
        except ConnectionError:
            return None
        if found is None:
            return None
        status, headers = found
        if bodiless or status in (100, 204, 304):
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while True:
                part = self.chunk()
                if not part:
                    return Answer(status, headers, b"".join(parts), whole=part is not None)
                parts.append(part)
        if "content-length" in headers:
            length = int(headers["content-length"])
            body = self.file.read(length)
            return Answer(status, headers, body, whole=len(body) == length)
        return Answer(status, headers, self.file.read())

    def chunk(self):
        """The next chunk, b"" at the end, None when the connection was cut."""
        try:
            line = self.file.readline()
            if not line:
                return None
            length = int(line, 16)
            data = self.file.read(length)
            self.file.readline()
            return data
        except ConnectionError:
            return None

    def ended(self):
        """Whether the runner has closed the connection (waits for it)."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True


class RunnerCase(unittest.TestCase):
    """A test with folders and runners of its own."""

    maxDiff = None

    def folder(self, **files):
        """A folder with these files; ``app_py="…"`` is app.py."""
        return self.folder_of({name.replace("_py", ".py"): text for name, text in files.items()})

    def folder_of(self, files):
        path = tempfile.mkdtemp(prefix="dm-app-")
        self.addCleanup(shutil.rmtree, path, True)
        for name, content in files.items():
            full = os.path.join(path, name)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as file:
                file.write(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return path

    def runner(self, folder):
        started = RunnerProcess(folder)
        self.addCleanup(started.close)
        return started

    def template(self, source, module="app.py", **assignment):
        """A runner that has become the template of this source."""
        started = self.runner(self.folder_of({module: source}))
        ready = started.template(module, **assignment)
        if ready is None or ready["type"] != "python_template":
            self.fail("no template but %r; its errors: %s" % (ready, started.stderr()))
        return started

    def fork(self, template, number=1, **options):
        """An instance that serves, forked from a template."""
        fork = template.fork(number, **options)
        self.addCleanup(fork.close)
        forked, ready = fork.receive(), fork.receive()
        if ready is None or (forked["type"], ready["type"]) != ("forked", "python_ready"):
            self.fail("not ready but %r, %r; it wrote: %s" % (forked, ready, fork.output.read()))
        return fork

    def serving(self, source, module="app.py", **assignment):
        """A runner that serves this source."""
        started = self.runner(self.folder_of({module: source}))
        ready = started.serve(module, **assignment)
        if ready is None or ready["type"] != "python_ready":
            self.fail("not ready but %r; its errors: %s" % (ready, started.stderr()))
        started.ready = ready
        return started

    def refused(self, files, **assignment):
        """The reason for which this package is refused."""
        started = self.runner(self.folder_of(files))
        message = started.serve(**assignment)
        self.assertEqual("refused", message["type"], message)
        self.assertEqual(0, started.wait())
        self.last = started
        return message["reason"]
