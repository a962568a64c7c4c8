"""The runner's life: start as nobody's, tell so, take one assignment, load the code, and serve it until the control socket closes.

The event loop runs in the main thread and only while nothing of the user's is being loaded there: modules may run event loops of their own
while they are imported.
"""

import asyncio
import faulthandler
import inspect
import os
import signal
import socket
import sys
import threading
import time
import traceback

from .. import _context  # noqa: F401 - what an instance needs is loaded while it belongs to nobody
from . import asgi, door, http, huggingface, lines, models, problems, refusal, rehearsal, replay, results, running, secrets_given, serving  # noqa: F401
from .control import MORE_FOLLOWS, ControlSocket
from .folder import Folder
from .refusal import Refused, UserFault
from .targets import load_package

MISUSED = 2
EXIT_SECONDS_MAX = 5.0
#: In a sandbox, which is where sockets are made by the launcher.
SANDBOX_SCRATCH = "/tmp"
#: After the first answer, until what is done once after it: callers who follow at once go first.
FIRST_ANSWER_SECONDS = 0.05
_BACKLOG = 512


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    arguments, listens = take_door(arguments)
    inherited = len(arguments) == 4 and arguments[2] == "--listener" and arguments[3].isdigit()
    if not (len(arguments) == 2 or inherited) or arguments[0] != "--socket" or not arguments[1]:
        sys.stderr.write("usage: python3 -m dormouse.runner --socket PATH [--listener DESCRIPTOR] (started by the launcher, with its control socket as descriptor 3)\n")
        sys.exit(MISUSED)
    control = ControlSocket.open()
    if control is None:
        sys.stderr.write("dormouse.runner: descriptor 3 is not a control socket. The launcher starts runners; use 'dormouse serve'.\n")
        sys.exit(MISUSED)
    take_signals()
    faulthandler.enable()
    sys.dont_write_bytecode = True
    if inherited and listens is None:
        listens = door.make()
    control.listen()
    listener = take(int(arguments[3])) if inherited else listen(arguments[1])
    control.send({"type": "hello", "engine_key": "python-%d.%d" % sys.version_info[:2], "build": "python"}, listens)
    rehearsal.rehearse()
    obey(control, listener, *control.wait(), scratch=SANDBOX_SCRATCH if inherited else None, asks=listens is not None)


def take_door(arguments):
    """The other arguments, and the door's listener when it is made already."""
    if len(arguments) > 2 and arguments[-2] == door.ARGUMENT and arguments[-1].isdigit():
        return arguments[:-2], int(arguments[-1])
    return arguments, None


def take_signals():
    """Until it serves, an instance ends at once when it is told to."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def listen(path):
    """The instance's socket. Connections wait in its backlog until the code is ready."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(_BACKLOG)
    return own(listener)


def take(descriptor):
    """The instance's socket, which the launcher made: in a sandbox there is no place for one that others reach."""
    listener = socket.socket(fileno=descriptor)
    os.set_inheritable(descriptor, False)
    return own(listener)


def own(listener):
    listener.setblocking(False)
    os.register_at_fork(after_in_child=lambda: become_child(listener))
    return listener


def become_child(listener):
    """A process that the handler forked is not the instance: it takes no calls, and its signals are its own."""
    try:
        listener.close()
        # The event loop hears of signals through a pipe that the child still shares with it.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
    except (OSError, ValueError):
        pass


def obey(control, listener, assignment, descriptors, scratch=None, asks=False):
    """Carries out the assignment; never returns. ``scratch`` is the folder for temporary files that goes with this process, or None; ``asks``: its door has a listener."""
    with answering(control) as answer:
        kind = assignment.get("type") if isinstance(assignment, dict) else None
        if kind not in ("serve_python", "inspect_python", "scan_python", "build_environment", *MORE_FOLLOWS) or not _descriptor(assignment, descriptors):
            raise Refused("The runner does not understand the assignment; runner and server are of different versions.")
        if scratch is not None and not (asks and kind == "template_python"):
            door.shut()
        if kind == "restore_python":
            from . import snapshots
            snapshots.carry(control, assignment)
        os.environ.update({str(name): str(value) for name, value in (assignment.get("environment") or {}).items()})
        secrets_given.take(assignment)
        folder = Folder(descriptors[assignment["folder_descriptor"]])
        answer.root = folder.path
        if kind == "scan_python":
            from . import scanning
            control.send(scanning.scan(folder, assignment.get("module")))
            leave()
        if kind == "build_environment":
            from . import building
            control.send(building.build(folder.path, assignment))
            leave()
        folder.enter()
        if kind == "inspect_python":
            control.send(inspect_package(folder, assignment))
        elif kind == "serve_python":
            serve(control, listener, folder, assignment)
        else:
            from . import template  # Most runners never are one.
            template.hold(control, listener, folder, assignment, scratch)


class answering:
    """Says to the launcher why what is inside it could not be done, and ends the process in any case."""

    def __init__(self, control, root=""):
        self._control = control
        #: Left out of what is said.
        self.root = root

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, Refused):
            self._control.send({"type": "refused", "reason": refusal.shorten(str(error), self.root)})
        elif isinstance(error, UserFault):
            sys.stderr.write(refusal.full(error.__cause__, self.root))
            self._control.send({"type": "refused", "reason": refusal.reason(error.__cause__, self.root)})
        elif error is not None:
            sys.stderr.write("".join(traceback.format_exception(kind, error, trace)))
            self._control.send({"type": "refused", "reason": "The runner itself failed; its log has the cause."})
        leave()


def leave(code=0):
    """Ends the process at once, with what was printed."""
    lines.end_all()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # The launcher may have closed its end.
            pass
    os._exit(code)


def inspect_package(folder, assignment):
    began = time.monotonic_ns()
    package = load_package(folder, assignment.get("module"))
    return {"type": "python_inspected", "app": package.app, "module": package.module, "functions": [target.describe() for target in package.targets.values()],
            "load_microseconds": (time.monotonic_ns() - began) // 1000}


def serve(control, listener, folder, assignment):
    """Loads the function, says that it is ready, and serves it."""
    began = time.monotonic_ns()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    target = load(folder, assignment)
    target.prepare(loop.run_until_complete)
    serve_target(control, listener, target, folder, assignment, loop, began, recording=replay.Told(control) if assignment.get("record") else None)


def load(folder, assignment):
    """The target that an assignment names. From here on what is printed says by whom, also in forks."""
    lines.install()
    return load_package(folder, assignment.get("module"), assignment.get("function")).choose(assignment.get("function"))


def serve_target(control, listener, target, folder, assignment, loop, began, first_answered=None, recording=None):
    """Serves a target that is prepared, until the end. ``first_answered`` is called once, after the first answer, which ``recording`` keeps."""
    concurrency = max(1, int(assignment.get("concurrency") or 1))
    memory_mib = max(1, int(assignment.get("memory_mib") or 512))
    service = service_of(target, concurrency, memory_mib, folder.path, loop)
    server = http.Server(service.handle, problems.of_bad_request, log_fault, memory_mib * 1024 * 1024 // 4)
    if first_answered is not None or recording is not None:
        tell_first(server, loop, first_answered, recording)
    stop = asyncio.Event() if sys.version_info >= (3, 10) else asyncio.Event(loop=loop)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    ends = bool(target.exit_hooks) or hasattr(service, "stop")
    control.send({"type": "python_ready", "load_microseconds": (time.monotonic_ns() - began) // 1000, "schema": target.schema, "ends": ends})
    # While the word and the first call are on their way; what comes meanwhile waits in the listener's backlog.
    loop.run_until_complete(server.open(listener))
    service.warm()
    try:
        loop.run_until_complete(stop.wait())
    except BaseException as error:  # A task of the user's own called sys.exit(), which ends a loop.
        sys.stderr.write("a background task ended the instance\n" + refusal.full(error, folder.path))
        leave(1)
    server.close()
    end(service, target, loop, folder.path)


def tell_first(server, loop, first_answered, recording):
    """Calls ``first_answered`` when a request was handled and the loop has had the time to send its answer, and has it recorded."""
    handle = server.handle

    async def first(exchange):
        record = replay.watch(exchange) if recording is not None and server.handle is first else None
        try:
            await handle(exchange)
        finally:
            if server.handle is first:
                server.handle = handle
                loop.call_later(FIRST_ANSWER_SECONDS, answered, record)

    def answered(record):
        kept = record() if record is not None else None
        if kept is not None:
            recording.write(kept)
        if first_answered is not None:
            first_answered()

    server.handle = first


def log_fault(error):
    sys.stderr.write("the runner failed\n" + "".join(traceback.format_exception(type(error), error, error.__traceback__)))


def service_of(target, concurrency, memory_mib, root, loop):
    if target.kind == "asgi":
        service = asgi.AsgiService(target, concurrency, memory_mib, root)
        service.load(loop.run_until_complete)
        return service
    runner = running.Runner(concurrency, target.overlap_max)
    if target.service is not None:
        return target.service(target, runner, memory_mib, root)
    return serving.FunctionService(target, runner, memory_mib, root)


def end(service, target, loop, root):
    """Exit hooks, with a bound that holds even for one that never returns."""
    threading.Timer(EXIT_SECONDS_MAX, leave).start()

    async def run():
        for hook in target.exit_hooks + ([service.stop] if hasattr(service, "stop") else []):
            try:
                result = hook()
                if inspect.isawaitable(result):
                    await result
            except BaseException as error:
                sys.stderr.write("an exit hook failed\n" + refusal.full(error, root))

    loop.run_until_complete(run())
    leave()


def _descriptor(assignment, descriptors):
    index = assignment.get("folder_descriptor")
    return type(index) is int and 0 <= index < len(descriptors)
