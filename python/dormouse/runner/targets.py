"""What a package offers: its functions, however they are written, and how one of them is called."""

import contextlib
import inspect
import os
import re

from .. import _app, _response
from .._errors import InputError, SettingError
from .._signature import Signature
from .refusal import Refused, UserFault

EMPTY_SCHEMA = {"input": None, "output": None}


class Target:
    """One function that can be served.

    ``kind`` is function, method, web, asgi, handle, huggingface or cog. ``enter`` makes it ready and returns what ``call`` then uses.
    """

    def __init__(self, name, kind, function, *, settings=None, signature=None, doc=None, schema=None, route=None, holder=None, stream=None):
        self.name = name
        self.kind = kind
        self.function = function
        self.settings = settings or {}
        self.signature = signature
        self.doc = first_line(doc if doc is not None else getattr(function, "__doc__", None))
        self.schema = schema or EMPTY_SCHEMA
        self.route = route
        self.holder = holder
        #: How many calls may overlap at most, whatever the settings say, or None.
        self.overlap_max = None
        #: A service of its own, in place of FunctionService, or None.
        self.service = None
        self.wants_context = False
        plain = function if inspect.isroutine(function) else getattr(function, "__call__", function)
        self.is_generator = inspect.isgeneratorfunction(plain)
        self.is_async_generator = inspect.isasyncgenfunction(plain)
        self.is_async = inspect.iscoroutinefunction(plain)
        self.stream = stream if stream is not None else self.is_generator or self.is_async_generator
        self.hooks = []
        self.exit_hooks = []
        self._late = []

    def prepare(self, run_async):
        """Runs what comes before the first call, in order; ``run_async`` runs an awaitable to its end. UserFault when something raises."""
        self.warm(run_async)
        self.start(run_async)

    def warm(self, run_async):
        """The part that a template runs once for all of its forks: the object, ``enter(snapshot=True)``, the loading of a model."""
        with _user_code():
            if self.holder is not None:
                instance = self.holder()
                self.function = self.function.__get__(instance)
                hooks = _app.hooks_of(self.holder, "__dormouse_enter__")
                self.exit_hooks = [hook.__get__(instance) for hook, _ in _app.hooks_of(self.holder, "__dormouse_exit__")]
                for hook, _ in [pair for pair in hooks if pair[1]]:
                    finish(hook.__get__(instance)(), run_async)
                self._late = [hook.__get__(instance) for hook, early in hooks if not early]
            for hook in self.hooks:
                finish(hook(), run_async)

    def start(self, run_async):
        """The part that every instance runs: the hooks of ``dormouse.on_start``, then ``enter()``."""
        with _user_code():
            for hook in _app.start_hooks() + self._late:
                finish(hook(), run_async)

    def describe(self):
        """The function's entry in ``python_inspected``."""
        return {"name": self.name, "kind": self.kind, "settings": self.settings, "schema": self.schema, "stream": self.stream, "doc": self.doc}


@contextlib.contextmanager
def _user_code():
    try:
        yield
    except Refused:
        raise
    except BaseException as error:
        raise UserFault() from error


def finish(result, run_async):
    if inspect.isawaitable(result):
        run_async(result)


def first_line(text):
    """First line of a docstring, at most 200 characters, or None."""
    lines = (text or "").strip().splitlines()
    return lines[0].strip()[:200] if lines else None


class Package:
    """A loaded package: the app's name, or None, the file it is in, and its targets by name."""

    def __init__(self, app, targets):
        self.app = app
        self.module = None
        self.targets = {target.name: target for target in targets}

    def choose(self, name):
        """The target of a name; without one, the only one."""
        if name is None:
            if len(self.targets) == 1:
                return next(iter(self.targets.values()))
            raise Refused("Which function? There are %s: say one of them." % ", ".join(self.targets))
        if name not in self.targets:
            raise Refused("There is no function '%s'; there are %s." % (name, ", ".join(self.targets) or "none"))
        return self.targets[name]


def load_package(folder, path, function=None):
    """Imports ``path`` (or what the folder's shape says) and looks at what it offers.

    ``function`` lets a plain function of any name be served that is neither in an app nor called ``handle`` or ``handler``.
    """
    path = path or folder.find()
    package = _load(folder, path, function)
    package.module = path
    return package


def _load(folder, path, function):
    if os.path.basename(path) == "cog.yaml":
        from . import cog
        return cog.load(folder, path)
    if not path.endswith(".py"):
        from . import models
        return models.load(folder, path)
    if os.path.basename(path) == "handler.py":
        from . import huggingface
        huggingface.set_environment(folder)
    module = folder.load(path)
    return package_of(module, path, folder, function)


def package_of(module, path, folder, function=None):
    members = vars(module)
    apps = list({id(value): value for value in members.values() if isinstance(value, _app.App)}.values())
    filled = [app for app in apps if app.functions]
    if len(filled) > 1:
        raise Refused("%s holds %d apps (%s): one each file." % (path, len(filled), ", ".join(app.name for app in filled)))
    if filled:
        return Package(filled[0].name, [target_of(entry) for entry in filled[0].functions.values()])
    endpoint_handler = members.get("EndpointHandler")
    if isinstance(endpoint_handler, type):
        from . import huggingface
        return Package(None, [huggingface.target(endpoint_handler, folder)])
    names = [function] if function is not None else ["handle", "handler"]
    for name in names:
        found = members.get(name)
        if callable(found) and not isinstance(found, type):
            return Package(None, [plain_target(name, found)])
    if apps:
        raise Refused("The app '%s' of %s has no functions: decorate one with @app.function()." % (apps[0].name, path))
    if function is not None:
        raise Refused("%s has no function '%s'." % (path, function))
    raise Refused("%s holds neither a dormouse.App with functions, nor handle(event, context), handler(input) or a class EndpointHandler." % path)


def target_of(function):
    """The target of a function of an app."""
    if function.kind == "asgi":
        return Target(function.name, "asgi", function.function, settings=function.settings, stream=True)
    try:
        signature = function.signature
    except SettingError as error:
        raise Refused("%s: %s." % (function.name, error)) from None
    schema = {"input": signature.input_schema(), "output": signature.output_schema()}
    route = None
    if function.kind == "web":
        route = (function.path, function.method)
        for name in re.findall(r"\{(\w+)\}", function.path):
            if name not in signature.parameters and not signature.takes_more:
                raise Refused("%s: the path %s names {%s}, which is no parameter of it." % (function.name, function.path, name))
        hidden = [name for name, hint in signature.hints.items() if hint is _response.Request]
        for name in hidden:
            schema["input"]["properties"].pop(name, None)
        schema["input"]["required"] = [name for name in schema["input"].get("required", []) if name not in hidden]
    return Target(function.name, function.kind, function.function, settings=function.settings, signature=signature, schema=schema, route=route,
                  holder=function.holder)


def plain_target(name, function):
    """``handle(event, context)`` gets the value and its invocation; ``handler(input)`` the value; any other function its arguments by name."""
    parameters = [parameter for parameter in inspect.signature(function).parameters.values()
                  if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) and parameter.default is parameter.empty]
    if name in ("handle", "handler") and len(parameters) in (1, 2):
        target = Target(name, "handle", function)
        target.wants_context = len(parameters) == 2
        return target
    try:
        signature = Signature(function)
    except InputError as error:
        raise Refused("%s." % error) from None
    return Target(name, "function", function, signature=signature, schema={"input": signature.input_schema(), "output": signature.output_schema()})
