"""The errors that the SDK and the runner raise on purpose. Each says what was wrong, with the value seen and what is allowed."""


class DormouseError(Exception):
    """Base of everything this package raises on purpose."""


class SettingError(DormouseError, ValueError):
    """A setting of a decorator is not allowed; raised while the module is imported."""


class InputError(DormouseError, ValueError):
    """An argument does not fit. ``field`` names it, with its place inside (``rows[2].name``), or is None."""

    def __init__(self, message, field=None):
        super().__init__(message)
        self.field = field


class EncodingError(DormouseError, ValueError):
    """A value has no form in JSON (NaN, an object of an unknown class, a key that is no text)."""


class RemoteError(DormouseError):
    """The server refused a call, or the function raised.

    ``code`` is the stable word of docs/spec/errors.md (``run_failed`` when the function raised), ``status`` the HTTP status,
    ``retryable`` whether the same call may succeed later, ``field`` the argument for ``input_invalid``.
    """

    def __init__(self, message, code="internal", status=0, retryable=False, field=None, invocation_id=None):
        super().__init__(message)
        self.code = code
        self.status = status
        self.retryable = retryable
        self.field = field
        self.invocation_id = invocation_id


class RemoteCancelled(RemoteError):
    """The invocation was cancelled before it ended."""
