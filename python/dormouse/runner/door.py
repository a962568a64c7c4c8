"""How a fork of a template leaves the user, the temporary files and the queues that it shares with its siblings.

In a sandbox every call that makes namespaces is refused, but for one: ``unshare`` with exactly ``FLAGS`` asks the launcher, by a listener of the
system call filter that the runner makes before any of the user's code runs and sends with its first word. The launcher says yes once to each fork
that it has ordered, and no to everybody else; a worker that does not become a template shuts the door for good. A fork that has passed it gives
up what powers it got there before the user's code goes on. docs/spec/sandbox.md, "Forks", says what it has afterwards.

Run as a program (``python3 -I -S door.py PROGRAM ...``) it makes the listener and becomes that program: an environment's own packages may run code
when its interpreter starts, which is before the runner.
"""

import ctypes
import os
import platform
import struct
import sys

#: A mount, an IPC and a user namespace: CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUSER.
FLAGS = 0x00020000 | 0x08000000 | 0x10000000
#: What a fork gets anew, with a copy of what its template left there.
FOLDERS = ("/tmp", "/dev/shm", "/run/secrets")
#: The argument of the runner that says which descriptor is the listener.
ARGUMENT = "--door"
#: By architecture: numbers of seccomp and unshare.
_NUMBERS = {"x86_64": (317, 272), "aarch64": (277, 97)}
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446  # Of every architecture.
_ALLOW, _ASK, _REFUSE = 0x7FFF0000, 0x7FC00000, 0x00050001  # The last with EPERM.
_SET_FILTER, _ALL_THREADS, _NEW_LISTENER = 1, 1, 8
_DUMPABLE, _DROP_BOUNDING = 4, 24
_CAPABILITIES_VERSION = 0x20080522
_SCOPES, _SCOPES_SINCE = 3, 6  # Abstract sockets and signals, Linux 6.12.


def make():
    """The listener, inherited by no program; None where there can be none. Before the process has threads."""
    return _filter(_ASK, _NEW_LISTENER)


def shut():
    """From now on nobody in this process, or whom it starts, can ask. False: it could not be shut, which leaves what asking gets: a refusal."""
    return _filter(_REFUSE, _ALL_THREADS) == 0


def part(control):
    """In a fork: leaves its siblings, with the launcher's help. None, or why it is still with them."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    before = [(folder, os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) for folder in FOLDERS if os.path.isdir(folder)]
    problem = None if libc.unshare(FLAGS) == 0 else os.strerror(ctypes.get_errno())
    control.send({"type": "apart"} if problem is None else {"type": "apart", "problem": problem})
    # One that is made ahead may have been told to serve meanwhile.
    settled = control.receive_with("own_user")
    if problem is None:
        own = settled["own_user"] is True
        if not own:
            # Whoever made the sandbox has no other user to give.
            for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (user, user)), ("gid_map", "%d %d 1" % (group, group))):
                with open("/proc/self/" + name, "w") as file:
                    file.write(text)
        for folder, descriptor in before:
            copy("/proc/self/fd/%d" % descriptor, folder, (user, group) if own else None)
        if own:
            # To itself it is whom it was; to the machine it is a user of its own.
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
        give_up(libc)
    scope(libc)
    for _, descriptor in before:
        os.close(descriptor)
    shut()
    return problem


def copy(source, target, owner):
    """What a template left in a folder for temporary files: its forks have it too, each its own."""
    for entry in os.scandir(source):
        there = os.path.join(target, entry.name)
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), there)
        elif entry.is_dir(follow_symlinks=False):
            os.mkdir(there, 0o700)
            copy(entry.path, there, owner)
            os.chmod(there, entry.stat(follow_symlinks=False).st_mode & 0o777)
        elif entry.is_file(follow_symlinks=False):
            import shutil
            shutil.copy2(entry.path, there)
        else:
            continue  # A socket or pipe has two ends.
        if owner is not None:
            os.chown(there, owner[0], owner[1], follow_symlinks=False)


def give_up(libc):
    """Gives up every power over the new namespaces. Who changes its user or powers cannot be looked at by others of that user, itself among them, until it says so."""
    for capability in range(64):
        if libc.prctl(_DROP_BOUNDING, capability, 0, 0, 0) != 0:
            break
    header = struct.pack("=Ii", _CAPABILITIES_VERSION, 0)
    if libc.capset(header, struct.pack("=6I", *[0] * 6)) != 0:
        raise OSError(ctypes.get_errno(), "the powers over a namespace could not be given up")
    libc.prctl(_DUMPABLE, 1, 0, 0, 0)


def scope(libc):
    """No signals to, and no nameless sockets of, whoever is not a descendant of this process, where the kernel knows such bounds."""
    version = libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    if version < _SCOPES_SINCE:
        return
    rules = struct.pack("=QQQ", 0, 0, _SCOPES)
    ruleset = libc.syscall(ctypes.c_long(_LANDLOCK_CREATE), rules, ctypes.c_size_t(len(rules)), ctypes.c_uint(0))
    if ruleset >= 0:
        libc.syscall(ctypes.c_long(_LANDLOCK_RESTRICT), ctypes.c_int(ruleset), ctypes.c_uint(0))
        os.close(ruleset)


def _filter(action, flags):
    """Adds a filter that does this with the call; None when it cannot be added."""
    numbers = _NUMBERS.get(platform.machine()) if sys.byteorder == "little" else None
    if numbers is None:
        return None
    seccomp, unshare = numbers
    # The sandbox's own filter has refused all other flags already, and ended who counts calls as another architecture does.
    program = b"".join(struct.pack("=HBBI", *step) for step in (
        (0x20, 0, 0, 0), (0x15, 0, 3, unshare), (0x20, 0, 0, 16), (0x15, 0, 1, FLAGS), (0x06, 0, 0, action), (0x06, 0, 0, _ALLOW)))
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    result = ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(seccomp), ctypes.c_uint(_SET_FILTER), ctypes.c_uint(flags), header)
    return result if result >= 0 else None


def main():
    command = sys.argv[1:]
    listener = make()
    if listener is not None:
        os.set_inheritable(listener, True)
        command += [ARGUMENT, str(listener)]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
