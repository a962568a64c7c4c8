"""What a running function can learn about its own invocation."""

import contextvars
import time

from ._errors import DormouseError

_current = contextvars.ContextVar("dormouse_invocation")


class Invocation:
    """One invocation as the function sees it (``dormouse.current()``), and the ``context`` of ``handle(event, context)``."""

    __slots__ = ("invocation_id", "function_name", "endpoint", "revision", "memory_mib", "headers", "cancelled", "_ends")

    def __init__(self, invocation_id=None, function_name=None, endpoint=None, revision=None, memory_mib=0, headers=None, seconds=None):
        self.invocation_id = invocation_id
        self.function_name = function_name
        #: The endpoint's name and revision number as the server tells them, or None.
        self.endpoint = endpoint
        self.revision = revision
        self.memory_mib = memory_mib
        #: Request headers by lower-case name.
        self.headers = headers or {}
        #: Whether the caller has left: a long sync function may look, and end early.
        self.cancelled = False
        self._ends = None if seconds is None else time.monotonic() + seconds

    @property
    def deadline(self):
        """Seconds until the caller no longer needs the answer, or None when it did not say. Never negative."""
        return None if self._ends is None else max(0.0, self._ends - time.monotonic())

    def __repr__(self):
        return "<Invocation %s of %s>" % (self.invocation_id, self.function_name)


def current():
    """The invocation that this code runs for. DormouseError outside of one."""
    try:
        return _current.get()
    except LookupError:
        raise DormouseError("dormouse.current() is only known while a function runs in an instance") from None


def known():
    """The id of the invocation that this code runs for, or None outside of one."""
    invocation = _current.get(None)
    return None if invocation is None else invocation.invocation_id


def enter(invocation):
    """Makes it the current one of this context."""
    _current.set(invocation)
