"""The module ``cog`` inside an instance: what predictors import, without the original.

``BasePredictor``, ``BaseRunner``, ``Input``, ``Path``, ``File``, ``Secret``, ``BaseModel``, ``ConcatenateIterator``, ``AsyncConcatenateIterator``,
``current_scope`` and ``emit_metric``.
"""

import collections.abc
import contextvars
import io
import pathlib
import typing

_MISSING = object()
_metrics = contextvars.ContextVar("cog_metrics")
_Item = typing.TypeVar("_Item")


class FieldInfo:
    """What ``Input(…)`` says of a parameter."""

    def __init__(self, default, description, ge, le, min_length, max_length, regex, choices, deprecated):
        self.default = default
        self.description = description
        self.ge = ge
        self.le = le
        self.min_length = min_length
        self.max_length = max_length
        self.regex = regex
        self.choices = list(choices) if choices is not None else None
        self.deprecated = deprecated

    @property
    def required(self):
        return self.default is _MISSING or self.default is ...


def Input(default=_MISSING, description=None, ge=None, le=None, min_length=None, max_length=None, regex=None, choices=None, deprecated=None):
    """Default and bounds of a parameter of ``predict`` or ``run``."""
    return FieldInfo(default, description, ge, le, min_length, max_length, regex, choices, deprecated)


class BasePredictor:
    """Base of predictors: ``setup`` runs once, ``predict`` for each prediction."""

    def setup(self, weights=None):
        pass


class BaseRunner:
    """Base of runners: ``setup`` runs once, ``run`` for each prediction."""

    def setup(self, weights=None):
        pass


class Path(type(pathlib.Path())):
    """A file: as input a downloaded copy, as output sent as a data URL."""


class File(io.IOBase):
    """An open file; annotates inputs that arrive as one."""


class Secret:
    """Text that is not shown."""

    def __init__(self, value):
        self._value = value

    def get_secret_value(self):
        return self._value

    def __str__(self):
        return "**********" if self._value else ""

    def __repr__(self):
        return "Secret('%s')" % self


class BaseModel:
    """An output with named members: class annotations with or without defaults. pydantic's own works as well, where it is installed."""

    def __init__(self, **values):
        for name in typing.get_type_hints(type(self)):
            if name in values:
                setattr(self, name, values.pop(name))
            elif not hasattr(type(self), name):
                raise TypeError("%s needs a value for %s" % (type(self).__name__, name))
        if values:
            raise TypeError("%s has no member %s" % (type(self).__name__, next(iter(values))))

    def model_dump(self):
        return {name: getattr(self, name) for name in typing.get_type_hints(type(self))}

    dict = model_dump


class ConcatenateIterator(collections.abc.Iterator, typing.Generic[_Item]):
    """Annotates a predictor that yields pieces of one text."""


class AsyncConcatenateIterator(collections.abc.AsyncIterator, typing.Generic[_Item]):
    """The same of an async predictor."""


class _Scope:
    def record_metric(self, name, value, mode="replace"):
        """Adds a number to the prediction's ``metrics``."""
        metrics = _metrics.get(None)
        if metrics is not None:
            metrics[name] = metrics.get(name, 0) + value if mode in ("incr", "increment", "add") else value


def current_scope():
    """The running prediction's scope."""
    return _Scope()


def emit_metric(name, value):
    """Adds a number to the prediction's ``metrics``."""
    _Scope().record_metric(name, value)
