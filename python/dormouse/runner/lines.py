"""Says of each line that is printed which invocation printed it, also where several run at once.

A line of an invocation begins with its id between two record separators; the server takes them off. Lines are passed on whole: what one
invocation prints in pieces is not mixed with what others print meanwhile.
"""

import os
import sys
import threading

from .. import _context

MARK = "\x1e"
#: Longer pieces without an end of line are passed on as lines.
_PIECE_MAX = 8192


class MarkedStream:
    """A text stream in front of another one."""

    def __init__(self, stream):
        self._stream = stream
        self._pieces = {}
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self):
        # A thread that does not exist in a forked child may have held it.
        self._guard = threading.RLock()

    def write(self, text):
        invocation = _context.known()
        if not invocation or not isinstance(text, str):
            return self._stream.write(text)
        with self._guard:
            lines = (self._pieces.pop(invocation, "") + text).split("\n")
            piece = lines.pop()
            if len(piece) > _PIECE_MAX:
                lines.append(piece)
                piece = ""
            if piece:
                self._pieces[invocation] = piece
            if lines:
                mark = MARK + invocation + MARK
                self._stream.write("".join(mark + line + "\n" for line in lines))
        return len(text)

    def writelines(self, texts):
        for text in texts:
            self.write(text)

    def end(self, invocation):
        """The invocation has ended: passes on the line that it did not end."""
        with self._guard:
            piece = self._pieces.pop(invocation, None)
            if piece:
                self._stream.write(MARK + invocation + MARK + piece + "\n")

    def end_all(self):
        for invocation in list(self._pieces):
            self.end(invocation)

    def flush(self):
        self._stream.flush()

    def __getattr__(self, name):
        return getattr(self._stream, name)


_streams = []


def install():
    """From now on what is printed says by whom."""
    if not _streams:
        sys.stdout, sys.stderr = MarkedStream(sys.stdout), MarkedStream(sys.stderr)
        _streams.extend((sys.stdout, sys.stderr))


def end(invocation):
    """An invocation has ended."""
    for stream in _streams:
        if invocation:
            stream.end(invocation)


def end_all():
    """The instance ends."""
    for stream in _streams:
        stream.end_all()
