"""A template: a process that has loaded a revision's code and serves no call. Each of its forks is an instance, which shares what was loaded.

The launcher says ``fork`` on the control socket and sends the new instance's own control socket, its output and the files that place it under
its limits. A fork copies one thread and every open file: a template whose code has others, or keeps files and connections open, is refused with
the reason, and its revision's instances are started one by one. docs/python.md, "Templates", says what runs where.
"""

import asyncio
import ctypes
import gc
import json
import os
import select
import signal
import socket
import stat
import sys
import time
import traceback

from . import process
from .control import ANCILLARY_BYTES, PACKET_BYTES_MAX, ControlSocket, descriptors_of
from .refusal import Refused

#: A fork of the loaded code that does nothing must have ended after this, seconds: what runs at each fork may hang.
TRIAL_SECONDS_MAX = 10.0
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
#: Shared by all processes without harm.
_HARMLESS = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def hold(control, listener, folder, assignment):
    """Loads the code, says that it can be forked, and forks until the control socket closes; never returns but in a fork."""
    began = time.monotonic_ns()
    control.take_over()
    own = open_descriptors()
    target = process.load(folder, assignment)
    loop = None

    def run_async(awaitable):
        nonlocal loop
        loop = loop or asyncio.new_event_loop()
        return loop.run_until_complete(awaitable)

    target.warm(run_async)
    if loop is not None:
        loop.close()
    load_microseconds = (time.monotonic_ns() - began) // 1000
    libc = ctypes.CDLL(None)
    gc.collect()
    gc.freeze()  # A collection in a fork does not write to, and so copy, what was loaded before it.
    try_fork()
    check_threads()
    check_descriptors(own)
    control.send({"type": "python_template", "load_microseconds": load_microseconds})
    Template(control.take_over()).run(lambda order, descriptors, template: become(order, descriptors, template, libc, target, folder, assignment))


class Template:
    """Forks on command and tells how each fork ended."""

    def __init__(self, connection):
        self._connection = connection
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        #: Descriptor of a fork's process → its process id and the launcher's number for it.
        self._forks = {}

    def run(self, become):
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._forks:
                    self._ended(descriptor)
                else:
                    self._fork(become)

    def _fork(self, become):
        data, ancillary, flags, _ = self._connection.recvmsg(PACKET_BYTES_MAX, ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        if not data or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            os._exit(0)
        descriptors = descriptors_of(ancillary)
        order = json.loads(data.decode("utf-8"))
        template = os.getpid()
        child = os.fork()
        if child == 0:
            try:
                for sibling in self._forks:
                    os.close(sibling)
                become(order, descriptors, template)
            except BaseException:
                sys.stderr.write(traceback.format_exc())
            finally:
                os._exit(process.MISUSED)  # Nothing comes back here: an instance ends where it is.
        for descriptor in descriptors:
            os.close(descriptor)
        descriptor = os.pidfd_open(child)
        self._forks[descriptor] = (child, order["worker"])
        self._poll.register(descriptor, select.POLLIN)

    def _ended(self, descriptor):
        child, number = self._forks.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        _, status, usage = os.wait4(child, 0)
        ended = {"type": "fork_ended", "worker": number, "peak_memory_bytes": usage.ru_maxrss * 1024,
                 "cpu_microseconds": int((usage.ru_utime + usage.ru_stime) * 1_000_000)}
        ended["signal" if os.WIFSIGNALED(status) else "exit_code"] = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        try:
            self._connection.sendall(json.dumps(ended).encode("utf-8"))
        except OSError:
            os._exit(0)


def become(order, descriptors, template, libc, target, folder, assignment):
    """The fork becomes an instance: under its own limits first, then with a life of its own."""
    began = time.monotonic_ns()
    control, output, places = descriptors[0], descriptors[1], descriptors[2:]
    # As every instance it dies with whoever could stop it.
    libc.prctl(_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != template:
        process.leave()
    os.setsid()
    for place in places:
        os.write(place, b"0")
        os.close(place)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    control = ControlSocket(socket.socket(fileno=control))
    control.send({"type": "forked"})
    with process.answering(control, folder.path):
        process.take_signals()
        listener = process.listen(order["socket"])
        control.watch()
        reseed()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        target.start(loop.run_until_complete)
        process.serve_target(control, listener, target, folder, assignment, loop, began)


def reseed():
    """Forks share what was random when they were made. Python's own ``random`` and ``tempfile`` look after themselves."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


def try_fork():
    """A first fork, which shows whether what runs at a fork comes to its end, and makes libraries that know of forks put their threads away."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    descriptor = os.pidfd_open(child)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    ended = poll.poll(TRIAL_SECONDS_MAX * 1000)
    os.close(descriptor)
    if not ended:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise Refused("A fork of the loaded code hangs: something that it loaded does not survive a fork.")
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise Refused("A fork of the loaded code died at once: something that it loaded does not survive a fork.")


def check_threads():
    """Refused when threads live on that a fork would not have."""
    own = os.getpid()
    names = [thread_name(own, entry) for entry in os.listdir("/proc/self/task") if int(entry) != own]
    if names:
        raise Refused("The code has started %s (%s), which a fork would not have. Start them in a dormouse.on_start hook or in enter(), not on import." % (
            "a thread" if len(names) == 1 else "%d threads" % len(names), ", ".join(sorted(set(names)))))


def thread_name(own, entry):
    import threading
    for thread in threading.enumerate():
        if thread.native_id == int(entry):
            return thread.name
    try:
        with open("/proc/%d/task/%s/comm" % (own, entry)) as file:
            return file.read().strip()
    except OSError:
        return "ended just now"


def check_descriptors(own):
    """Refused when the code keeps something open that its forks would share."""
    for number, target in sorted(open_descriptors().items()):
        if own.get(number) == target or target in _HARMLESS:
            continue
        try:
            mode = os.fstat(number).st_mode
        except OSError:
            continue  # It was that of the folder just listed.
        if stat.S_ISDIR(mode):
            continue
        what = "a network connection or socket" if stat.S_ISSOCK(mode) else "the device %s" % target if stat.S_ISCHR(mode) else \
            "a pipe" if stat.S_ISFIFO(mode) else "the file %s" % os.path.basename(target) if stat.S_ISREG(mode) else "an event loop or timer (%s)" % target
        raise Refused("The code keeps %s open, which all forks would share. Open it in a dormouse.on_start hook or in enter(), not on import." % what)


def open_descriptors():
    """Number → what it refers to."""
    found = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            found[int(entry)] = os.readlink("/proc/self/fd/" + entry)
        except OSError:
            continue
    return found
