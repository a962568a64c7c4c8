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
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
import traceback

from . import door, pages, process, replay, snapshots
from .control import ANCILLARY_BYTES, PACKET_BYTES_MAX, ControlSocket, descriptors_of
from .refusal import Refused

#: A fork of the loaded code that does nothing must have ended after this, seconds: what runs at each fork may hang.
TRIAL_SECONDS_MAX = 10.0
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
#: Shared by all processes without harm.
_HARMLESS = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
#: How libraries that are known for threads of their own are told to have none.
_THREADLESS = {
    "onnxruntime": "A session of ONNX Runtime has none with intra_op_num_threads = 1 and inter_op_num_threads = 1 in its SessionOptions.",
    "torch": "torch has none after torch.set_num_threads(1).",
}


def hold(control, listener, folder, assignment, scratch=None):
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
    notes, recording = pages.Notes(), replay.Recording()

    def fork(order, descriptors, template, scratch):
        become(order, descriptors, template, scratch, libc, notes, recording, target, folder, assignment)

    def snapshot(tell, taken):
        """In a fork that is to be written down. What returns is another process, made of what was written: as the template, on another control socket."""
        connection, told, record = snapshots.wait(tell, taken, target, folder, assignment)
        left = leads_out({connection.fileno()})
        anew = ControlSocket(connection)
        with process.answering(anew, folder.path):
            if told["verify"]:
                anew.send({"type": "snapshot_verified", "compared": snapshots.verify(told, left, record, target, folder, assignment)})
                process.leave()
            anew.send({"type": "python_template", "load_microseconds": load_microseconds})
            Template(connection, scratch).run(fork)

    Template(control.take_over(), scratch, snapshot, recording).run(fork)


class Template:
    """Forks on command and tells how each fork ended."""

    def __init__(self, connection, scratch=None, snapshot=None, recording=None):
        self._connection = connection
        self._recording = recording
        #: What a fork does that is to be written down. None in a process that was restored.
        self._snapshot = snapshot
        #: That fork, and where it says that it waits; None when there is none.
        self._written = None
        self._waits = None
        #: Where forks that do not get a file system of their own get a folder for their temporary files, or None.
        self._scratch = scratch
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        #: Descriptor of a child's process → its process id and the launcher's number for it; None for one that only clears away.
        self._forks = {}

    def run(self, become):
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._waits:
                    self._snapshot_waits()
                elif descriptor in self._forks:
                    self._ended(descriptor)
                else:
                    self._fork(become)

    def _fork(self, become):
        data, ancillary, flags, _ = self._connection.recvmsg(PACKET_BYTES_MAX, ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
        if not data or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            os._exit(0)
        descriptors = descriptors_of(ancillary)
        order = json.loads(data.decode("utf-8"))
        if "type" in order:
            self._order_snapshot(order)
            return
        template = os.getpid()
        child = os.fork()
        if child == 0:
            try:
                for sibling in self._forks:
                    os.close(sibling)
                become(order, descriptors, template, self._folder_of(order["worker"]))
            except BaseException:
                sys.stderr.write(traceback.format_exc())
            finally:
                os._exit(process.MISUSED)  # Nothing comes back here: an instance ends where it is.
        for descriptor in descriptors:
            os.close(descriptor)
        self._watch(child, order["worker"])

    def _order_snapshot(self, order):
        """A fork that waits to be written down is made, or ended when that is done."""
        if order["type"] == "take_snapshot":
            if self._recording is not None and order.get("record"):
                self._recording.write(order["record"])
            obstacle = "There is one of it." if self._snapshot is None or self._written is not None else snapshots.obstacle(self._scratch)
            if obstacle is None:
                self._fork_snapshot()
            else:
                self._say({"type": "snapshot_refused", "reason": obstacle})
        elif self._written is not None:
            os.kill(self._written, signal.SIGKILL)

    def _fork_snapshot(self):
        self._waits, writing = os.pipe()
        record = self._recording.read()
        child = os.fork()
        if child == 0:
            try:
                for descriptor in [self._waits] + list(self._forks):
                    os.close(descriptor)
                self._snapshot(writing, record)
            except BaseException:
                sys.stderr.write(traceback.format_exc())
            finally:
                os._exit(process.MISUSED)
        os.close(writing)
        self._poll.register(self._waits, select.POLLIN)
        self._written = child
        self._watch(child, None)

    def _snapshot_waits(self):
        self._poll.unregister(self._waits)
        reason = snapshots.word(self._waits)
        self._waits = None
        self._say({"type": "snapshot_waits", "process": self._written} if reason is None else {"type": "snapshot_refused", "reason": reason})

    def _folder_of(self, number):
        return os.path.join(self._scratch, "instance-%d" % number) if self._scratch is not None else None

    def _watch(self, child, number):
        descriptor = os.pidfd_open(child)
        self._forks[descriptor] = (child, number)
        self._poll.register(descriptor, select.POLLIN)

    def _clear(self, folder):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            pass  # It had a file system of its own.
        except OSError:
            # Whatever is in it, the template itself goes on.
            child = os.fork()
            if child == 0:
                try:
                    shutil.rmtree(folder, ignore_errors=True)
                finally:
                    os._exit(0)
            self._watch(child, None)

    def _ended(self, descriptor):
        child, number = self._forks.pop(descriptor)
        self._poll.unregister(descriptor)
        os.close(descriptor)
        _, status, usage = os.wait4(child, 0)
        if child == self._written:
            self._written = None
        if number is None:
            return
        ended = {"type": "fork_ended", "worker": number, "peak_memory_bytes": usage.ru_maxrss * 1024,
                 "cpu_microseconds": int((usage.ru_utime + usage.ru_stime) * 1_000_000)}
        ended["signal" if os.WIFSIGNALED(status) else "exit_code"] = os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        self._say(ended)
        if self._scratch is not None:
            self._clear(self._folder_of(number))

    def _say(self, message):
        try:
            self._connection.sendall(json.dumps(message).encode("utf-8"))
        except OSError:
            os._exit(0)


def take_scratch(folder):
    """From now on temporary files of this process, and of programs that it starts, are in this folder, unless the code has chosen another."""
    common = os.path.dirname(folder)
    os.mkdir(folder, 0o700)
    if tempfile.tempdir in (None, common):
        tempfile.tempdir = folder
    os.environ["TMPDIR"] = folder


def become(order, descriptors, template, scratch, libc, notes, recording, target, folder, assignment):
    """The fork becomes an instance: under its own limits first, then with a life of its own. One that is made ahead then waits for its turn."""
    began = time.monotonic_ns()
    control, output, listener, places = descriptors[0], descriptors[1], descriptors[2], descriptors[3:]
    die_with(template, libc)
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
        if order.get("apart") and door.part(control) is None:
            die_with(template, libc)
        elif scratch is not None:
            take_scratch(scratch)
            door.shut()
        process.take_signals()
        listener = process.take(listener)
        pages.copy(libc, notes.read())
        own = pages.writable()
        reseed()
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        if order.get("waits"):
            await_turn(control, libc, notes)
            began = time.monotonic_ns()
        control.watch()
        first_answered = None if notes.read() else lambda: notes.take(own)
        if first_answered is None:
            notes.close()
        target.start(loop.run_until_complete)
        process.serve_target(control, listener, target, folder, assignment, loop, began, first_answered, recording if assignment.get("record") and recording.read() is None else None)


def die_with(template, libc):
    """As every instance it dies with whoever could stop it. To be said anew by one that has become another user."""
    libc.prctl(_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != template:
        process.leave()


def await_turn(control, libc, notes):
    """Waits to be told to serve. Says that it waits, and again when it has learned what a first call writes to and copied that."""
    poll = select.poll()
    poll.register(control.fileno(), select.POLLIN)
    if not notes.read():
        poll.register(notes.noted, select.POLLIN)
    control.send({"type": "fork_waits"})
    while not control.has_early:
        if control.fileno() in [descriptor for descriptor, _ in poll.poll()]:
            break
        poll.unregister(notes.noted)
        pages.copy(libc, notes.read())
        control.send({"type": "fork_waits"})
    if control.receive().get("type") != "serve_fork":
        raise Refused("The runner does not understand the assignment; runner and server are of different versions.")


def reseed():
    """Forks share what was random when they were made. Python's own ``random`` and ``tempfile`` look after themselves, and so does ``getrandom()``."""
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
        mend = [words for name, words in _THREADLESS.items() if name in sys.modules]
        raise Refused(" ".join(["The code has started %s (%s), which a fork would not have. Start them in a dormouse.on_start hook or in enter(), not on import." % (
            "a thread" if len(names) == 1 else "%d threads" % len(names), ", ".join(sorted(set(names))))] + mend))


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


def leads_out(kept):
    """What this process has open that leads to others, but its standard streams and what is kept, and pipes that it holds both ends of."""
    found = [target for number, target in open_descriptors().items() if number > 2 and number not in kept and target.startswith(("socket:", "pipe:"))]
    return {target for target in found if target.startswith("socket:") or found.count(target) < 2}
