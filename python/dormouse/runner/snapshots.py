"""Snapshots: what a template has loaded, as a file, from which another process like it is made later.

The launcher orders it. A fork of the template parts with everything that leads out of it and waits at a socket of its own; in this state it is written down and
ends, while the template goes on. To restore it the launcher takes a fresh worker: that becomes the carrier, which only waits, the written process is made anew
beside it, and the carrier hands over its control socket and output. docs/python.md, "Snapshots", says what is refused; docs/spec/worker-protocol.md has the words.
"""

import ctypes
import json
import os
import random
import select
import signal
import socket
import sys
import time

from . import process, replay
from .control import ANCILLARY_BYTES, PACKET_BYTES_MAX, ControlSocket, descriptors_of
from .refusal import Refused, UserFault

#: Where the process that is written down waits: a name in the sandbox's own network, which no file stands for.
NAME = b"\0dormouse-snapshot"
#: What a fork says that waits to be written down.
WAITS = b"\0"
#: A fork must wait after this, seconds; what runs at each fork may hang.
FORK_SECONDS_MAX = 30
#: The carrier is answered within this, seconds.
ANSWER_SECONDS_MAX = 10.0
#: A trial of a restored template has this time, seconds.
TRIAL_SECONDS_MAX = 15.0
#: Clocks may differ by this between carrier and restored process, seconds.
CLOCK_SECONDS_MAX = 5.0
_SHARED_MEMORY = "/dev/shm"
_WIPE_ON_FORK = 18  # MADV_WIPEONFORK


def obstacle(scratch):
    """Why what is loaded cannot be written down, a sentence; None when nothing speaks against it."""
    if scratch is None:
        return "Only a sandboxed template can be restored: a process takes its number along, which only a sandbox has to itself."
    names = [name for name in os.listdir(scratch) if not name.startswith("instance-") and name not in _shown(scratch)]
    names += os.listdir(_SHARED_MEMORY) if os.path.isdir(_SHARED_MEMORY) else []
    if names:
        return "The code has made temporary files (%s), which a restored process would not have. Make them in a dormouse.on_start hook or in enter(), not on import." % ", ".join(sorted(names)[:5])
    return None


def _shown(scratch, mounts="/proc/self/mountinfo"):
    """Names in the scratch folder under which the sandbox shows something: a program that is installed below /tmp. Those a restored process has, too."""
    above = scratch.rstrip("/") + "/"
    with open(mounts, encoding="utf-8", errors="replace") as file:
        points = [line.split(" ")[4] for line in file]
    return {point[len(above):].split("/")[0] for point in points if point.startswith(above)}


def word(reading):
    """What the fork said: None, it waits to be written down; else why it does not."""
    data = os.read(reading, PACKET_BYTES_MAX)
    os.close(reading)
    return None if data == WAITS else data.decode("utf-8", "replace") or "A fork of it did not come to wait."


def wait(tell, record, target, folder, assignment):
    """In the fork: notes how it answers, parts with what leads out of it, says so, and waits.

    Returns only in a process that was restored, with its control socket, what it is told, and its record.
    """
    os.setsid()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(FORK_SECONDS_MAX)
    if record is not None:
        try:
            record = dict(record, answer=trial(record, target, folder, assignment)["answer"])
        except Refused as refused:
            os.write(tell, str(refused).encode("utf-8"))
            process.leave()
    signal.alarm(0)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    door.bind(NAME)
    door.listen(1)
    wiped = wiped_on_fork()
    os.write(tell, WAITS)
    os.close(tell)
    carrier, _ = door.accept()
    wipe(wiped)
    data, ancillary, _, _ = carrier.recvmsg(PACKET_BYTES_MAX, ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
    control, output = descriptors_of(ancillary)
    door.close()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    carrier.send(b"1")
    carrier.close()
    return socket.socket(fileno=control), json.loads(data.decode("utf-8")), record


def wiped_on_fork():
    """Address and end of memory that forks find empty. There libraries keep what no two processes may share, above all the state that random numbers are drawn from (getrandom() of glibc 2.41)."""
    found, own = [], None
    with open("/proc/self/smaps") as file:
        for line in file:
            words = line.split()
            if not words[0].endswith(":"):
                own = tuple(int(number, 16) for number in words[0].split("-")) if words[1].startswith("rw") else None
            elif words[0] == "VmFlags:" and "wf" in words and own is not None:
                found.append(own)
    return found


def wipe(ranges):
    """In a restored process, which is another one as a fork is: what is there was written down with it, and others may be made of the same. CRIU 4.1 also forgets that forks are to find it empty."""
    libc = ctypes.CDLL(None, use_errno=True)
    for begin, end in ranges:
        ctypes.memset(begin, 0, end - begin)
        if libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _WIPE_ON_FORK) != 0:
            raise OSError(ctypes.get_errno(), "what forks are to find empty could not be marked so")


def carry(control, assignment):
    """The carrier: hands over to the restored process once it is there, and ends with it; never returns."""
    connection = control.take_over()
    if control.receive().get("type") != "restored":
        raise Refused("The runner does not understand the assignment; runner and server are of different versions.")
    restored = os.pidfd_open(int(assignment["process"]))
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.settimeout(ANSWER_SECONDS_MAX)
    link.connect(NAME)
    told = {"verify": bool(assignment.get("verify")), "time": time.time(), "monotonic": time.monotonic()}
    socket.send_fds(link, [json.dumps(told).encode("utf-8")], [connection.fileno(), 1])
    if link.recv(1) != b"1":
        process.leave(1)
    connection.close()
    link.close()
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    poll = select.poll()
    poll.register(restored, select.POLLIN)
    poll.poll()
    os._exit(1)


def verify(told, descriptors, record, target, folder, assignment):
    """Whether a restored template is as good as the one that was written down: what was compared, "answer", "status" or "none". Refused with the reason when it is not."""
    for name, now, then in (("clock", time.time(), told["time"]), ("monotonic clock", time.monotonic(), told["monotonic"])):
        if abs(now - then) > CLOCK_SECONDS_MAX:
            raise Refused("Its %s is %.0f s off after it was restored." % (name, now - then))
    if descriptors:
        raise Refused("It has sockets or pipes after it was restored that it should not have (%s)." % ", ".join(sorted(descriptors)))
    first, second = (trial(record, target, folder, assignment) for _ in range(2))
    for source in first["drawn"]:
        if first["drawn"][source] == second["drawn"][source]:
            raise Refused("Two forks of it draw the same random numbers from %s." % source)
    if record is None:
        return "none"
    known = replay.answer_of(record)
    if first["answer"] == known:
        return "answer"
    if first["answer"] == second["answer"]:
        raise Refused("It answers otherwise than before it was written down (status %s, before %s)." % (first["answer"][0], known[0]))
    if first["answer"][0] != known[0]:
        raise Refused("It answers with status %s, before it was written down with %s." % (first["answer"][0], known[0]))
    return "status"  # A function whose answers are never the same.


def trial(record, target, folder, assignment):
    """What a fork draws, and what it answers to the recorded call."""
    from . import template
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            process.take_signals()
            template.reseed()
            found = {"drawn": drawn(), "answer": replay.repeat(record, target, folder, assignment) if record is not None else None}
        except UserFault as error:
            found = {"error": "%s: %s" % (type(error.__cause__).__name__, error.__cause__)}
        except BaseException as error:
            found = {"error": "%s: %s" % (type(error).__name__, error)}
        try:
            os.write(writing, json.dumps(found).encode("utf-8"))
        finally:
            os._exit(0)
    os.close(writing)
    data = b""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    until = time.monotonic() + TRIAL_SECONDS_MAX
    while poll.poll(max(0.0, until - time.monotonic()) * 1000):
        part = os.read(reading, PACKET_BYTES_MAX)
        if not part:
            break
        data += part
    os.close(reading)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = json.loads(data.decode("utf-8")) if data else {"error": "it did not end within %d s" % TRIAL_SECONDS_MAX}
    if "error" in found:
        raise Refused("A fork of it that was tried failed: %s." % found["error"])
    return found


def drawn():
    """Numbers that must be others in every process, by where they come from."""
    numbers = {"random": random.getrandbits(64), "os.urandom": os.urandom(8).hex()}
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numbers["numpy.random"] = float(numpy_random.random())
    torch = sys.modules.get("torch")
    if torch is not None:
        numbers["torch"] = float(torch.rand(1))
    return numbers
