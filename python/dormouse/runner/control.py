"""The runner's end of descriptor 3: one packet is one JSON message, with descriptors as SCM_RIGHTS.

A thread of its own waits for the one assignment and for the end of file, which means that nobody owns this process any more: it ends there
and then, whatever it is doing. docs/spec/worker-protocol.md is the contract.
"""

import array
import json
import os
import socket
import stat
import threading

from . import secrets_given

DESCRIPTOR = 3
PACKET_BYTES_MAX = 160 * 1024
DESCRIPTORS_MAX = 16
#: After these assignments the control socket carries further packets.
MORE_FOLLOWS = ("template_python", "restore_python")
ANCILLARY_BYTES = socket.CMSG_SPACE(DESCRIPTORS_MAX * array.array("i").itemsize)


class ControlSocket:
    """Sends messages, and waits for the assignment."""

    def __init__(self, connection):
        self._connection = connection
        self._arrived = threading.Event()
        self._thread = None
        self._assignment = None
        self._descriptors = []
        #: What came while another message was waited for.
        self._early = []
        # Programs that the handler starts must not hold, or write to, the line to the launcher.
        connection.set_inheritable(False)
        connection.setblocking(True)
        os.register_at_fork(after_in_child=self._forked)

    @classmethod
    def open(cls, descriptor=DESCRIPTOR):
        """The control socket, or None when the descriptor is not a packet socket."""
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return None
            connection = socket.socket(fileno=descriptor)
        except OSError:
            return None
        if connection.family != socket.AF_UNIX or connection.type != socket.SOCK_SEQPACKET:
            connection.detach()
            return None
        return cls(connection)

    def listen(self):
        self._thread = threading.Thread(target=self._receive, name="control", daemon=True)
        self._thread.start()

    def watch(self):
        """No assignment is to come: only the end of file."""
        self._arrived.set()
        self.listen()

    def wait(self):
        """The assignment and its descriptors. The process ends inside this wait when the socket closes first."""
        self._arrived.wait()
        return self._assignment, self._descriptors

    def fileno(self):
        return self._connection.fileno()

    @property
    def has_early(self):
        """The next message is here already."""
        return bool(self._early)

    def receive_with(self, member):
        """The next message that has this member; others stay for later."""
        others = []
        while True:
            message = self.receive()
            if member in message:
                self._early = others
                return message
            others.append(message)

    def receive(self):
        """The next message, for whoever waits without the thread; a launcher that is gone ends the process."""
        if self._early:
            return self._early.pop(0)
        try:
            data = self._connection.recv(PACKET_BYTES_MAX)
            message = json.loads(data.decode("utf-8")) if data else None
        except (OSError, ValueError):
            message = None
        if not isinstance(message, dict):
            os._exit(0)
        return message

    def take_over(self):
        """Hands the socket to the caller once the thread has gone; for an assignment after which more messages come."""
        self._thread.join()
        return self._connection

    def send(self, message, descriptor=None):
        """Sends one message, with a descriptor that is closed here; a launcher that is gone ends the process."""
        packet = fit(secrets_given.masked(message))
        try:
            if descriptor is None:
                self._connection.sendall(packet)
            else:
                self._connection.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
                os.close(descriptor)
        except OSError:
            os._exit(0)

    def _receive(self):
        limit = PACKET_BYTES_MAX
        while True:
            try:
                data, ancillary, flags, _ = self._connection.recvmsg(limit, ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC)
            except OSError:
                os._exit(0)
            # End of file, a packet that was cut, or a second assignment: in each case this process has no owner to obey.
            if not data or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or self._arrived.is_set():
                os._exit(0)
            self._descriptors.extend(descriptors_of(ancillary))
            try:
                self._assignment = json.loads(data.decode("utf-8"))
            except ValueError:
                self._assignment = None
            limit = 1
            # A template has no threads of its own when it forks.
            more = isinstance(self._assignment, dict) and self._assignment.get("type") in MORE_FOLLOWS
            self._arrived.set()
            if more:
                return

    def _forked(self):
        # A child of the handler is not the instance.
        try:
            self._connection.close()
        except OSError:
            pass


def descriptors_of(ancillary):
    """The descriptors that came with a packet."""
    numbers = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(payload[:len(payload) - len(payload) % numbers.itemsize])
    return list(numbers)


def fit(message):
    """The message as one packet: what describes functions is left out step by step when it is too long for one."""
    packet = _pack(message)
    for member in ("schema", "doc"):
        if len(packet) <= PACKET_BYTES_MAX:
            return packet
        message = dict(message)
        if member == "schema" and "schema" in message:
            message[member] = {"input": None, "output": None}
        if "functions" in message:
            empty = {"input": None, "output": None} if member == "schema" else None
            message["functions"] = [dict(function, **{member: empty}) for function in message["functions"]]
        packet = _pack(message)
    if len(packet) <= PACKET_BYTES_MAX:
        return packet
    return _pack({"type": "refused", "reason": "The description of the functions takes %d bytes; at most %d are possible." % (len(packet), PACKET_BYTES_MAX)})


def _pack(message):
    return json.dumps(message, separators=(",", ":")).encode("utf-8")
