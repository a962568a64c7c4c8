"""Dormouse: serverless inference on machines you own. This is the Python side: write an app, deploy it with ``dormouse deploy app.py``.

    import dormouse

    app = dormouse.App("greeter")

    @app.function(memory="256MiB")
    def greet(name: str = "world") -> str:
        return "Hello, %s!" % name

docs/python.md says the rest. The standard library is all that is needed.
"""

from ._app import App, enter, exit, method, on_start
from ._context import Invocation, current
from ._encoding import File
from ._errors import DormouseError, EncodingError, InputError, RemoteCancelled, RemoteError, SettingError
from ._response import Request, Response



def __getattr__(name):
    if name == "Handle":  # Found again by its id; an instance that calls nothing does not load an HTTP client.
        from ._calls import Handle
        return Handle
    raise AttributeError("module 'dormouse' has no attribute '%s'" % name)


__version__ = "0.1.0"

__all__ = ["App", "DormouseError", "EncodingError", "File", "Handle", "InputError", "Invocation", "RemoteCancelled", "RemoteError", "Request", "Response",
           "SettingError", "current", "enter", "exit", "method", "on_start"]
