"""Builds the environment of functions: a virtual environment of this interpreter with what a requirements file asks for.

The environment is made at the place where it stays, because programs in it name it; whoever asked marks it as whole afterwards. What uv or
pip print is this worker's output, so that the deployer sees it while it happens.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

from .refusal import Refused

try:
    import ctypes
    _LIBC = ctypes.CDLL(None)
    _LIBC.prctl  # Looked up here: a child between fork and exec should do as little as possible.
except (ImportError, OSError, AttributeError):
    _LIBC = None

#: First pip that installs into another environment than its own.
_PIP_ELSEWHERE = (22, 3)
_PACKAGES_MAX = 2000
_LISTING = """
import importlib.metadata, json, sys
found = {}
for one in importlib.metadata.distributions():
    place = str(one.locate_file(""))
    if place.startswith(sys.prefix) and one.metadata["Name"]:
        found[one.metadata["Name"].lower()] = one.version
json.dump(["%s==%s" % pair for pair in sorted(found.items())], sys.stdout)
"""


def build(folder_path, assignment):
    """Carries out ``build_environment`` and returns ``environment_built``; Refused when a step fails."""
    began = time.monotonic_ns()
    target = assignment["target"]
    place = os.path.join(target, "venv")
    arguments = [str(argument) for argument in assignment.get("arguments") or ()]
    uv = _uv(assignment)
    requirements = os.path.join(target, "requirements.txt")
    constraints = os.path.join(target, "constraints.txt")
    wanted = ["-r", requirements] + (["-c", constraints] if os.path.exists(constraints) else []) + arguments
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONUNBUFFERED"] = "1"
    step = Steps(folder_path, environment)
    if uv:
        name = _uv_name(step, uv)
        _tell("building with %s for Python %s" % (name, _version()))
        step.run([uv, "venv", "--python", sys.executable] + (["--system-site-packages"] if assignment.get("system_packages") else []) + [place], "uv venv")
        step.run([uv, "pip", "install", "--python", os.path.join(place, "bin", "python")] + wanted, "uv pip install")
    else:
        name = _pip(step, place, bool(assignment.get("system_packages")), wanted)
    python = os.path.join(place, "bin", "python")
    # A folder that cannot be written still starts fast.
    step.run([python, "-m", "compileall", "-q", "-j", "1", os.path.join(place, "lib")], None)
    packages = json.loads(step.read([python, "-c", _LISTING]) or "[]")
    return {"type": "environment_built", "python": _version(), "builder": name, "packages": packages[:_PACKAGES_MAX], "size_bytes": _size(target),
            "load_microseconds": (time.monotonic_ns() - began) // 1000}


class Steps:
    """Runs programs that end with this process."""

    def __init__(self, folder, environment):
        self._folder = folder
        self._environment = environment

    def run(self, command, what):
        """Its output is ours. Refused when it fails and ``what`` names it."""
        sys.stdout.flush()
        code = self._start(command, None).wait()
        if code != 0 and what:
            raise Refused("%s ended with %s." % (what, "exit code %d" % code if code >= 0 else _signal_name(-code)))

    def read(self, command):
        """What it prints, or None when it fails."""
        process = self._start(command, subprocess.PIPE)
        output = process.communicate()[0]
        return output.decode("utf-8", "replace") if process.returncode == 0 else None

    def _start(self, command, output):
        return subprocess.Popen(command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=output, preexec_fn=_end_with_parent)


def _pip(step, place, system_packages, wanted):
    """Builds with venv and pip; the interpreter's own pip where it can, else one that is put into the environment."""
    import venv

    python = os.path.join(place, "bin", "python")
    own = _own_pip(step)
    if own >= _PIP_ELSEWHERE:
        pip = [sys.executable, "-m", "pip", "--python", python]
    else:
        pip = [python, "-m", "pip"]
        try:
            import ensurepip  # noqa: F401 - Debian has it in a package of its own
        except ImportError:
            raise Refused("Python %s has neither pip 22.3 or newer nor ensurepip: install python3-pip or python3-venv, or uv." % _version()) from None
    try:
        venv.EnvBuilder(system_site_packages=system_packages, symlinks=True, with_pip=own < _PIP_ELSEWHERE).create(place)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Refused("venv failed: %s." % error) from None
    name = "pip %s" % ".".join(map(str, own)) if own >= _PIP_ELSEWHERE else "its own pip"
    _tell("building with %s for Python %s" % (name, _version()))
    step.run(pip + ["install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"] + wanted, "pip install")
    return name


def _own_pip(step):
    words = (step.read([sys.executable, "-m", "pip", "--version"]) or "").split()
    numbers = words[1].split(".") if len(words) > 1 and words[0] == "pip" else []
    return tuple(int(number) for number in numbers if number.isdigit())


def _uv(assignment):
    builder = assignment.get("builder") or "auto"
    if builder == "pip":
        return None
    command = assignment.get("uv") or "uv"
    found = shutil.which(command)
    if found is None and builder == "uv":
        raise Refused("environments.builder is uv, but there is no program '%s'." % command)
    return found


def _uv_name(step, uv):
    return " ".join((step.read([uv, "--version"]) or "uv").split()[:2])


def _end_with_parent():
    """Runs in a child before its program: what this worker started must not go on writing when the worker is gone."""
    if _LIBC is not None:
        _LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def _size(folder):
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(place, name)).st_size
            except OSError:
                pass
    return size


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal %d" % number


def _version():
    return "%d.%d.%d" % sys.version_info[:3]


def _tell(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
