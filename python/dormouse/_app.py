"""``App`` and its decorators: what a module offers, and how to call it from here (``local``) or through a server (``remote``, ``map``, ``spawn``)."""

import functools
import inspect
import re

from . import _settings
from ._errors import DormouseError, InputError, SettingError
from ._signature import Signature

_APP_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_start_hooks = []


class App:
    """The functions of one module that are deployed together. ``App("name")``: the name is that of the endpoint (see ``endpoint_name``)."""

    def __init__(self, name):
        if not isinstance(name, str) or not _APP_NAME.match(name):
            raise SettingError("App(%r): a name of letters, digits, '-', '_' and '.' is needed, at most 63, beginning with a letter or digit" % (name,))
        self.name = name
        self.functions = {}
        self.entrypoints = {}

    def function(self, function=None, **settings):
        """Makes a function callable through the server. Settings: docs/python.md; generators stream, async functions run concurrently."""
        if function is not None:
            return self._add(function, {}, "function")
        return lambda function: self._add(function, settings, "function")

    def web(self, path="/", method="POST", **settings):
        """An HTTP route: ``@app.web("/items/{id}", "GET")``. Arguments come from the path, the query and a JSON body."""
        _check_route(path, method)
        return lambda function: self._add(function, settings, "web", path=path, method=method.upper())

    def asgi(self, **settings):
        """A function without parameters that returns an ASGI application, or such an application itself."""
        return lambda function: self._add(function, settings, "asgi")

    def cls(self, holder=None, **settings):
        """Makes the methods marked ``@dormouse.method()`` callable; hooks ``@dormouse.enter()`` run before the first of them."""
        if holder is not None:
            return self._add_class(holder, {})
        return lambda holder: self._add_class(holder, settings)

    def local_entrypoint(self, function=None, name=None):
        """A function for ``dormouse run app.py::name``: runs on this machine and calls the others with ``.remote()``."""
        def add(function):
            self.entrypoints[name or function.__name__] = function
            return function
        return add if function is None or not callable(function) else add(function)

    def endpoint_name(self, function_name):
        """The endpoint of a function: the app's name when it has one function, else ``<app>-<function>``; lower case, everything but letters
        and digits as ``-``, at most 63 characters. The command line names them by the same rule."""
        whole = self.name if len(self.functions) == 1 else "%s-%s" % (self.name, function_name)
        return re.sub(r"[^a-z0-9]+", "-", whole.lower()).strip("-")[:63].strip("-")

    def _add(self, function, settings, kind, **route):
        if isinstance(function, Function):
            raise SettingError("%s already has a decorator of an app: one each" % function.name)
        if isinstance(function, type) and kind != "asgi":
            raise SettingError("%s is a class: use @app.cls() and mark its methods with @dormouse.method()" % function.__name__)
        if not callable(function):
            raise SettingError("a decorator of an app was put on %r, which cannot be called" % (function,))
        name = getattr(function, "__name__", kind)
        added = Function(self, name, function, _settings.check(settings, "@app.%s on %s" % (kind, name)), kind, **route)
        self._register(added)
        return added

    def _add_class(self, holder, settings):
        if not isinstance(holder, type):
            raise SettingError("@app.cls() belongs on a class; %r is none" % (getattr(holder, "__name__", holder),))
        where = "@app.cls on %s" % holder.__name__
        checked = _settings.check(settings, where)
        methods = {}
        for base in reversed(holder.__mro__):
            for name, member in vars(base).items():
                if isinstance(member, Method):
                    methods[name] = member
                elif name in methods:
                    del methods[name]  # A subclass put something else in its place.
        if not methods:
            raise SettingError("%s: no method is marked with @dormouse.method()" % where)
        for name, member in methods.items():
            function = Function(self, "%s.%s" % (holder.__name__, name), member.function, checked, "method", holder=holder)
            member.functions[holder] = function
            self._register(function)
        return holder

    def _register(self, function):
        if function.name in self.functions:
            raise SettingError("app '%s' has two functions named %s: rename one" % (self.name, function.name))
        self.functions[function.name] = function


class Function:
    """A function of an app. Calling it runs it here; ``remote`` and its relatives run it in an instance."""

    def __init__(self, app, name, function, settings, kind, path=None, method=None, holder=None):
        self.app = app
        self.name = name
        self.function = function
        self.settings = settings
        self.kind = kind
        self.path = path
        self.method = method
        self.holder = holder
        functools.update_wrapper(self, function, updated=())
        self.stream = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        self._signature = None

    @property
    def signature(self):
        """Made at first use: annotations may name classes that the module defines further down."""
        if self._signature is None:
            try:
                self._signature = Signature(self.function, skip=1 if self.holder is not None else 0)
            except InputError as error:
                raise SettingError(str(error)) from None
        return self._signature

    @property
    def endpoint(self):
        """The endpoint's name on the server."""
        return self.app.endpoint_name(self.name)

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __get__(self, instance, owner=None):
        return self

    def local(self, *args, **kwargs):
        """Runs it in this process, as a plain call."""
        return self.function(*args, **kwargs)

    def remote(self, *args, **kwargs):
        """Runs it in an instance and returns its result; a generator's values come as a list. RemoteError when it fails."""
        return _calls().remote(self, args, kwargs)

    def remote_gen(self, *args, **kwargs):
        """Runs a generator in an instance and yields its values as they come."""
        return _calls().remote_gen(self, args, kwargs)

    def map(self, *iterables, order_outputs=True, return_exceptions=False, parallel=None):
        """Runs it once for each item, at most ``parallel`` (default 16) at once; yields the results in the order of the items."""
        return _calls().map_calls(self, zip(*iterables), order_outputs, return_exceptions, parallel)

    def starmap(self, items, order_outputs=True, return_exceptions=False, parallel=None):
        """As ``map``, with a tuple of arguments for each call."""
        return _calls().map_calls(self, items, order_outputs, return_exceptions, parallel)

    def spawn(self, *args, **kwargs):
        """Queues a call and returns a handle at once, with ``get(timeout)`` and ``cancel()``."""
        return _calls().spawn(self, args, kwargs)

    def __repr__(self):
        return "<Function %s of app %s>" % (self.name, self.app.name)


class Method:
    """Marks a method of a class; looked up on the class or an object it gives a BoundMethod."""

    def __init__(self, function):
        self.function = function
        self.functions = {}
        functools.update_wrapper(self, function, updated=())

    def __get__(self, instance, owner=None):
        function = next((self.functions[base] for base in owner.__mro__ if base in self.functions), None)
        return BoundMethod(self, function, instance)


class BoundMethod:
    """A method as ``Model().predict``: call it or ``local`` to run it here, ``remote`` and its relatives to run it in an instance."""

    def __init__(self, marker, function, instance):
        self._marker = marker
        self._function = function
        self._instance = instance
        functools.update_wrapper(self, marker.function, updated=())

    def __call__(self, *args, **kwargs):
        return self.local(*args, **kwargs)

    def local(self, *args, **kwargs):
        if self._instance is None:
            raise DormouseError("%s runs on an object: write %s().%s.local(…)" % ((self._marker.function.__qualname__,) + tuple(self._marker.function.__qualname__.split(".")[-2:])))
        enter_locally(self._instance)
        return self._marker.function(self._instance, *args, **kwargs)

    def __getattr__(self, name):
        if name in ("remote", "remote_gen", "map", "starmap", "spawn", "endpoint", "name", "signature"):
            if self._function is None:
                raise DormouseError("%s: its class has no @app.cls()" % self._marker.function.__qualname__)
            return getattr(self._function, name)
        raise AttributeError(name)


def method():
    """Marks a method of an ``@app.cls()`` class as callable through the server."""
    def mark(function):
        if not callable(function):
            raise SettingError("@dormouse.method() belongs on a method")
        return Method(function)
    return mark


def enter(snapshot=False):
    """Marks a method that runs once before the first call. With ``snapshot=True`` it runs before a snapshot or template is taken, and its state is kept in it."""
    if callable(snapshot):
        raise SettingError("write @dormouse.enter() with parentheses")
    if type(snapshot) is not bool:
        raise SettingError("@dormouse.enter(snapshot=%r): True or False is needed" % (snapshot,))

    def mark(function):
        function.__dormouse_enter__ = snapshot
        return function
    return mark


def exit():
    """Marks a method that runs when the instance ends in order; it has 5 seconds."""
    def mark(function):
        function.__dormouse_exit__ = True
        return function
    return mark


def on_start(function):
    """Registers a hook that runs in each instance before its first call, after it was started, forked or restored:
    for what must differ between copies (random state, sockets, threads, temporary names)."""
    if not callable(function):
        raise SettingError("dormouse.on_start belongs on a function")
    _start_hooks.append(function)
    return function


def start_hooks():
    """The hooks of ``on_start``, in order."""
    return list(_start_hooks)


def hooks_of(holder, mark):
    """Functions of a class that carry a mark, base classes first, each with the mark's value."""
    found = {}
    for base in reversed(holder.__mro__):
        for name, member in vars(base).items():
            found.pop(name, None)
            if hasattr(member, mark) and not isinstance(member, Method):
                found[name] = (member, getattr(member, mark))
    return list(found.values())


def enter_locally(instance):
    """Runs the enter hooks of an object once, as an instance would."""
    if getattr(instance, "__dormouse_entered__", False):
        return
    try:
        instance.__dormouse_entered__ = True
    except AttributeError:
        raise DormouseError("%s has __slots__ and cannot be run locally" % type(instance).__name__) from None
    hooks = hooks_of(type(instance), "__dormouse_enter__")
    for hook, _ in [h for h in hooks if h[1]] + [h for h in hooks if not h[1]]:
        result = hook(instance)
        if inspect.isawaitable(result):
            import asyncio
            asyncio.run(_await(result))


async def _await(awaitable):
    return await awaitable


def _check_route(path, method):
    if not isinstance(path, str) or not path.startswith("/") or "?" in path or "#" in path:
        raise SettingError("@app.web(%r): a path beginning with '/' is needed, like \"/items/{id}\"" % (path,))
    for part in path.split("/"):
        if ("{" in part or "}" in part) and not re.match(r"^\{[A-Za-z_][A-Za-z0-9_]*\}$", part):
            raise SettingError("@app.web(%r): a parameter takes a whole segment, like \"/items/{id}\"" % path)
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise SettingError("@app.web(%r, %r): the method must be one of %s" % (path, method, ", ".join(_METHODS)))


def _calls():
    from . import _calls as calls  # An instance that calls nothing does not load an HTTP client.
    return calls
