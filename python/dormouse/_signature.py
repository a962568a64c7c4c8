"""A function's parameters as a JSON schema, and the way from a request's body to its arguments."""

import inspect
import typing

from . import _encoding
from ._errors import InputError
from ._types import ANY, hints_of, shape_of, text_to_json

_JSON_TYPES = ("", "application/json", "text/json", "application/x-www-form-urlencoded")


class Signature:
    """The parameters of a function as the outside sees them.

    ``skip`` leading parameters belong to the runner (``self``). Functions with ``*args`` or positional-only parameters are called by name all
    the same where that works, and refused at decoration where it does not.
    """

    def __init__(self, function, skip=0):
        self.name = getattr(function, "__name__", type(function).__name__)
        try:
            parameters = list(inspect.signature(function).parameters.values())[skip:]
        except (TypeError, ValueError):  # A builtin that does not say.
            parameters = [inspect.Parameter("input", inspect.Parameter.POSITIONAL_ONLY)]
        hints = hints_of(function)
        self.takes_more = False
        self.parameters = {}
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                raise InputError("%s takes *%s: arguments travel by name, so give each a name of its own" % (self.name, parameter.name), parameter.name)
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                self.takes_more = True
                continue
            self.parameters[parameter.name] = parameter
        self.shapes = {name: shape_of(hints.get(name, typing.Any)) for name in self.parameters}
        self.hints = hints
        self.returns = hints.get("return")

    def input_schema(self):
        """The JSON schema of the object of arguments."""
        schema = {"type": "object", "properties": {}, "additionalProperties": self.takes_more}
        for name, parameter in self.parameters.items():
            member = dict(self.shapes[name].schema)
            if parameter.default is not inspect.Parameter.empty and _is_plain(parameter.default):
                member["default"] = parameter.default
            schema["properties"][name] = member
        required = [name for name, parameter in self.parameters.items() if parameter.default is inspect.Parameter.empty]
        if required:
            schema["required"] = required
        return schema

    def output_schema(self):
        """The JSON schema of the result (of one value, for a generator), or None when nothing is declared."""
        returns = self.returns
        if returns is None or returns is typing.Any:
            return None
        origin = typing.get_origin(returns)
        if origin is not None and origin.__name__ in ("Iterator", "Generator", "Iterable", "AsyncIterator", "AsyncGenerator", "AsyncIterable"):
            arguments = typing.get_args(returns)
            returns = arguments[0] if arguments else typing.Any
        return shape_of(returns).schema or None

    def from_body(self, body, content_type, filename=None):
        """Arguments from a request's body. InputError when they do not fit, ValueError when the body is no JSON."""
        if self._takes_raw(content_type) and body:
            name, shape = next(iter(self.shapes.items()))
            if shape.raw is not None:
                try:
                    return {name: shape.raw(body, content_type, filename)}
                except ValueError as error:
                    raise InputError("argument '%s': %s" % (name, error), name) from None
        if not body:
            return self.from_object({})
        return self.from_json(read_value(body, content_type))

    def from_json(self, value):
        """Arguments from a parsed JSON value; see docs/python.md, "How arguments map"."""
        if isinstance(value, dict) and (len(self.parameters) != 1 or self._fits(value)):
            return self.from_object(value)
        if len(self.parameters) == 1:
            name, shape = next(iter(self.shapes.items()))
            # An object for a parameter that takes none was meant as arguments by name: complain about those.
            if isinstance(value, dict) and not shape.takes_object:
                return self.from_object(value)
            return {name: shape.convert(value, name)}
        if not isinstance(value, dict):
            raise InputError("the body must be an object with the arguments %s" % (", ".join(self.parameters) or "(there are none)"))
        return self.from_object(value)

    def from_object(self, value, ready=None):
        """Keyword arguments, each checked and converted; those in ``ready`` are taken as they are."""
        for name in value:
            if name not in self.parameters and not self.takes_more:
                known = ", ".join(self.parameters)
                raise InputError("there is no argument '%s'; %s takes %s" % (name, self.name, known or "none"), name)
        arguments = dict(ready or {})
        for name, parameter in self.parameters.items():
            if name in arguments:
                continue
            if name in value:
                arguments[name] = self.shapes[name].convert(value[name], name)
            elif parameter.default is inspect.Parameter.empty:
                raise InputError("argument '%s' is missing" % name, name)
        for name, item in value.items():
            if name not in self.parameters:
                arguments[name] = ANY.convert(item, name)
        return arguments

    def from_text(self, pairs):
        """JSON values from query or path pairs, by the parameters' schemas; an array parameter collects repeated names."""
        values = {}
        for name, text in pairs:
            schema = self.shapes[name].schema if name in self.shapes else {}
            if schema.get("type") == "array":
                values.setdefault(name, []).append(text_to_json(text, schema.get("items", {})))
            else:
                values[name] = text_to_json(text, schema)
        return values

    def split(self, arguments):
        """Positional and keyword arguments of a call: positional-only parameters cannot be given by name."""
        positional = []
        for name, parameter in self.parameters.items():
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY and name in arguments:
                positional.append(arguments[name])
        named = {name: value for name, value in arguments.items()
                 if name not in self.parameters or self.parameters[name].kind is not inspect.Parameter.POSITIONAL_ONLY}
        return positional, named

    def bind(self, args, kwargs):
        """The arguments of a local call as one object by name, for the way over the wire. TypeError as the call itself would raise."""
        parameters = list(self.parameters.values())
        if self.takes_more:
            parameters.append(inspect.Parameter("__more", inspect.Parameter.VAR_KEYWORD))
        bound = inspect.Signature(parameters).bind(*args, **kwargs)
        arguments = dict(bound.arguments)
        arguments.update(arguments.pop("__more", {}))
        return arguments

    def _fits(self, value):
        name, parameter = next(iter(self.parameters.items()))
        if name in value:
            return self.takes_more or len(value) == 1
        return self.takes_more or (not value and parameter.default is not inspect.Parameter.empty)

    def _takes_raw(self, content_type):
        if len(self.parameters) != 1:
            return False
        annotation = self.hints.get(next(iter(self.parameters)))
        return annotation in (bytes, bytearray) or content_type not in _JSON_TYPES and not content_type.endswith("+json")


def read_value(body, content_type):
    """The value of a body: JSON, or for other content types text or bytes. None when empty. ValueError when it is no valid JSON."""
    if not body:
        return None
    if content_type in _JSON_TYPES or content_type.endswith("+json"):
        return _encoding.loads(body)
    if content_type.startswith("text/"):
        try:
            return body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError("the body is no UTF-8 (byte %d)" % error.start) from None
    return body


def _is_plain(value):
    return value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and value == value and abs(value) != float("inf"))
