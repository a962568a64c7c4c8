"""The folder of a revision: makes its modules importable and finds the one to load."""

import importlib.util
import os
import re
import sys

from .refusal import Refused, UserFault

_PREFERRED = ("app.py", "main.py", "handler.py")
MODEL_ENDINGS = (".joblib", ".pkl", ".json", ".ubj", ".bst", ".pt", ".jit")


class Folder:
    """An open folder. Its path goes through the descriptor, because the sandbox need not show it anywhere else."""

    def __init__(self, descriptor):
        self.path = "/proc/self/fd/%d" % descriptor
        try:
            os.chdir(descriptor)
            self.names = sorted(os.listdir(self.path))
        except OSError as error:
            raise Refused("The package's folder cannot be read: %s." % error.strerror) from None

    def enter(self):
        """Imports look here first; nothing is written beside the sources."""
        sys.dont_write_bytecode = True
        others = [entry for entry in sys.path if entry not in ("", self.path)]
        # A child started by multiprocessing has the working directory and not the descriptor.
        sys.path[:] = [self.path] + others + [path for path in (working_directory(),) if path and path not in others]

    def has(self, name):
        return os.path.isfile(os.path.join(self.path, name))

    def find(self):
        """Relative path of what to load when nobody said: see docs/python.md, "Which file"."""
        if self.has("cog.yaml"):
            return "cog.yaml"
        for name in _PREFERRED:
            if self.has(name):
                return name
        sources = [name for name in self.names if name.endswith(".py") and self.has(name)]
        if len(sources) == 1:
            return sources[0]
        if sources:
            raise Refused("Which file is the app? There are %s at the top of the folder: name it app.py, or deploy that file." % ", ".join(sources))
        models = [name for name in self.names if name.endswith(MODEL_ENDINGS) and self.has(name)]
        # JSON is also what metadata beside a model comes in.
        named = [name for name in models if not name.endswith(".json")] or models
        if len(named) == 1:
            return named[0]
        if named:
            raise Refused("Which file is the model? There are %s: deploy one of them." % ", ".join(named))
        raise Refused("There is nothing to run: no .py file and no model file at the top of the folder.")

    def load(self, path):
        """Imports the module of a relative path. UserFault when it raises, Refused when there is none."""
        if path.startswith("/") or ".." in path.split("/") or not path.endswith(".py"):
            raise Refused("'%s' is no Python file of the package." % path)
        if not self.has(path):
            raise Refused("The package has no file %s; at its top are %s." % (path, ", ".join(self.names[:20]) or "no files"))
        name = _module_name(path)
        if name in sys.modules:
            return sys.modules[name]
        parent = name.rpartition(".")[0]
        try:
            if parent:
                importlib.import_module(parent)
            spec = importlib.util.spec_from_file_location(name, os.path.join(self.path, path))
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            spec.loader.exec_module(module)
        except BaseException as error:
            sys.modules.pop(name, None)
            raise UserFault() from error
        return module


def working_directory():
    """Its path, or None where the sandbox does not show it."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _module_name(path):
    """``sub/app.py`` → ``sub.app``. A file named like a module that is loaded already gets a name of its own."""
    parts = [re.sub(r"\W", "_", part) for part in path[:-3].split("/")]
    name = ".".join(parts)
    loaded = sys.modules.get(name)
    if loaded is not None and len(parts) == 1:
        return "app_" + name
    return name
