"""Why code could not be loaded, in words for the person who deployed it."""

import os
import sys
import sysconfig
import traceback

from . import secrets_given


class Refused(Exception):
    """The package cannot be served; the text is the reason, without paths of this machine."""


class UserFault(Exception):
    """The user's code raised while it was loaded or entered; the cause is the exception."""


def shorten(text, root):
    """Text without secrets and the paths of this machine: the user's folder as nothing, the interpreter's as what they are."""
    text = secrets_given.mask(text)
    for path, shown in _roots(root):
        if path:
            text = text.replace(path + "/", shown).replace(path, shown.rstrip("/") or ".")
    return text


def _roots(root):
    roots = [(root, ""), (_own_folder(), "dormouse/")]
    for name, shown in (("purelib", "site-packages/"), ("platlib", "site-packages/"), ("stdlib", "python/")):
        roots.append((sysconfig.get_path(name), shown))
    roots += [(sys.prefix, "python/"), (sys.base_prefix, "python/")] if sys.prefix != "/usr" else []
    return sorted(set(roots), key=lambda pair: -len(pair[0] or ""))


def _own_folder():
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def one_line(error):
    """``ValueError: text``, on one line."""
    text = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    if isinstance(error, SyntaxError):
        return "%s: %s" % (type(error).__name__, error.msg)
    if not text:
        return type(error).__name__
    # Notes (3.11) and text of several lines follow the first; module names before the class help nobody.
    first = text[0]
    name = type(error).__name__
    return name + first[first.index(name) + len(name):] if name in first.partition(":")[0] else first


def reason(error, root):
    """``ModuleNotFoundError: No module named 'x' (app.py:3)``: the last line of the traceback and where in the user's code it came from."""
    place = None
    if isinstance(error, SyntaxError) and error.filename:
        place = "%s:%s" % (shorten(error.filename, root), error.lineno)
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.startswith(root + "/"):
                place = "%s:%d" % (frame.filename[len(root) + 1:], frame.lineno)
    line = shorten(one_line(error), root)
    if isinstance(error, SystemExit):
        line = "the module ended the program (%s)" % line
    return line if place is None else "%s (%s)" % (line, place)


def full(error, root):
    """The traceback without the runner's own frames and with paths relative to the user's folder."""
    own = _own_folder() + os.sep
    seen = traceback.TracebackException.from_exception(error)
    _drop_frames(seen, own, set())
    return shorten("".join(seen.format()), root)


def _drop_frames(seen, own, visited):
    if seen is None or id(seen) in visited:
        return
    visited.add(id(seen))
    kept = [frame for frame in seen.stack if not frame.filename.startswith((own, "<frozen importlib"))]
    seen.stack[:] = kept or list(seen.stack)[-1:]
    _drop_frames(seen.__cause__, own, visited)
    _drop_frames(seen.__context__, own, visited)
