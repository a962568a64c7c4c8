namespace Dormouse.EndToEnd.Tests.Isolation;

/// <summary>A function that tries what its caller names, and says what came of it: "refused: …" or what it got.</summary>
internal static class Attacker
{
    /// <summary>Each attempt returns what it got; an exception, or None, is a refusal.</summary>
    public const string Code = """
        import ctypes, errno, glob, os, signal, socket, subprocess, sys, tempfile, time

        C = ctypes.CDLL(None, use_errno=True)

        def call(result):
            if result == -1:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            return result

        def read_file(path):
            with open(path, "rb") as file:
                return len(file.read(64))

        def tops(*others):
            # Not the machine's programs: they are the same for everybody, thousands of files, and /lib and /bin are often links into them.
            return [top for top in os.listdir("/") if top not in ("proc", "sys", "usr", "dev", "lib", "lib32", "lib64", "libx32", "bin", "sbin", *others)]

        def look_for(word):
            found = []
            for top in tops():
                for folder, _, files in os.walk("/" + top):
                    found += [os.path.join(folder, name) for name in files if word in name]
            return found or None

        def look_for_text(text):
            found = []
            for top in tops("package"):
                for folder, folders, files in os.walk("/" + top):
                    # The interpreter's own library has thousands of files, and nobody's code.
                    if folder.startswith((sys.base_prefix, sys.prefix)):
                        folders.clear()
                        continue
                    for name in files:
                        try:
                            with open(os.path.join(folder, name), "rb") as file:
                                if text.encode() in file.read(1 << 20):
                                    found.append(os.path.join(folder, name))
                        except OSError:
                            pass
            return found or None

        def walk_out(_):
            places = ["/package/..", "/package/../.."]
            for number in os.listdir("/proc/self/fd"):
                base = "/proc/self/fd/" + number
                if os.path.isdir(base):
                    places += [base + "/.." * depth for depth in range(1, 8)]
            seen = set()
            for place in places:
                try:
                    seen |= set(os.listdir(place))
                except OSError:
                    pass
            # Names that only the machine's root and the server's data folder have.
            return sorted(seen & {"boot", "lost+found", "dormouse.db", "blobs", "packages"}) or None

        def open_descriptor_for_writing(_):
            changed = []
            for path in glob.glob("/package/*"):
                for attempt in (lambda: open(path, "ab"), lambda: os.chmod(path, 0o777), lambda: os.remove(path)):
                    try:
                        attempt()
                        changed.append(path)
                    except OSError:
                        pass
            return changed or None

        def environment_of_others(_):
            got = []
            own = open("/proc/self/environ", "rb").read(64)
            for process in [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]:
                try:
                    got.append(open("/proc/%s/environ" % process, "rb").read(64))
                except OSError:
                    pass
            return [text.decode(errors="replace") for text in got if text and text != own] or None

        def processes(_):
            others = [name for name in os.listdir("/proc") if name.isdigit()]
            return others if len(others) > 4 else None

        def connect(address):
            host, _, port = address.rpartition(":")
            family = socket.AF_INET
            with socket.socket(family) as connection:
                connection.settimeout(2)
                connection.connect((host, int(port)))
                return "connected"

        def unix(path):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(path)
                return "connected"

        def raw_socket(_):
            socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)
            return "open"

        def vsock(_):
            socket.socket(40, socket.SOCK_STREAM)
            return "open"

        def fork_bomb(_):
            children = []
            try:
                while len(children) < 5000:
                    child = os.fork()
                    if child == 0:
                        time.sleep(1000)
                        os._exit(0)
                    children.append(child)
                return "%d processes" % len(children)
            finally:
                for child in children:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)

        def fill_disk(_):
            written = 0
            path = os.path.join(tempfile.gettempdir(), "fill")
            try:
                with open(path, "wb") as file:
                    while written < 2 << 30:
                        written += file.write(b"x" * (1 << 20))
                return "%d bytes" % written
            finally:
                os.remove(path)

        def write_anywhere(_):
            done = []
            for folder in ["/", "/usr", "/etc", "/run", "/var", "/package", "/dev", "/sys", os.path.dirname(os.__file__), os.path.dirname(sys.executable)]:
                try:
                    path = os.path.join(folder, "dormouse-was-here")
                    open(path, "w").close()
                    done.append(path)
                except OSError:
                    pass
            return done or None

        def memory(_):
            kept = []
            while True:
                kept.append(b"x" * (16 << 20))

        def trace(_):
            return call(C.ptrace(16, 1, 0, 0)) + 1

        def mount(_):
            call(C.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None))
            return "mounted"

        def new_namespace(_):
            call(C.unshare(0x10000000))
            return "a user namespace"

        def clone_namespace(_):
            number = 56 if os.uname().machine == "x86_64" else 220
            child = C.syscall(number, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
            if child == 0:
                os._exit(0)
            return call(child)

        def keys(_):
            return call(C.syscall(248 if os.uname().machine == "x86_64" else 217, b"user", b"x", b"y", 1, -3))

        def become_root(_):
            os.setuid(0)
            return os.getuid()

        def set_user_program(_):
            for program in ("/usr/bin/su", "/usr/bin/passwd", "/usr/bin/mount", "/usr/bin/newgrp"):
                if os.path.exists(program):
                    status = subprocess.run(["/usr/bin/env", "sh", "-c", "exec %s --version >/dev/null 2>&1; " % program]).returncode
            with open("/proc/self/status") as status:
                lines = dict(line.split(":", 1) for line in status)
            return None if int(lines["CapBnd"], 16) == 0 and lines["NoNewPrivs"].strip() == "1" else lines["CapBnd"]

        def hold_port(port):
            listener = socket.socket()
            listener.bind(("0.0.0.0", int(port)))
            listener.listen()
            globals()["held"] = listener
            return "held, in a network of its own"

        def daemon(word):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.execv("/usr/bin/sleep", ["sleep", word])
                os._exit(0)
            return "left"

        def kill_others(_):
            hit = []
            for process in [1] + list(range(300, 40000, 7)):
                try:
                    os.kill(process, 0)
                    hit.append(process)
                except OSError:
                    pass
            # The sandbox's own first process is another user's, or nobody's that matters.
            return [process for process in hit if process != 1] or None

        def handler(input):
            attempt, _, argument = input.partition(" ")
            try:
                got = globals()[attempt](argument)
            except BaseException as error:
                return "refused: %s" % error
            return "refused: nothing" if got is None else "got: %s" % (got,)
        """;
}
