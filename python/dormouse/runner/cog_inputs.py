"""Inputs of a Cog predictor: annotated parameters with their ``Input(…)``, and files that come as addresses."""

import contextvars
import inspect
import io
import mimetypes
import os
import re
import typing
import urllib.parse
import urllib.request

from .. import _encoding, _types, _values
from .._errors import InputError
from . import cog_module
from .refusal import Refused

_DOWNLOAD_SECONDS_MAX = 60.0

download_limit = contextvars.ContextVar("cogdownload_limit", default=64 * 1024 * 1024)


class Inputs:
    """The annotated parameters of ``run`` or ``predict``, with their ``Input(…)``."""

    def __init__(self, function, skip):
        hints = _types.hints_of(function)
        self.returns = hints.get("return")
        self.fields = {}
        for name, parameter in list(inspect.signature(function).parameters.items())[skip:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise Refused("%s takes *%s: inputs need names." % (function.__name__, name))
            default = parameter.default
            if not isinstance(default, cog_module.FieldInfo):
                default = cog_module.Input() if default is parameter.empty else cog_module.Input(default)
            self.fields[name] = (_types.shape_of(hints.get(name, typing.Any)), default)

    def schema(self):
        schema = {"type": "object", "properties": {}}
        for name, (shape, field) in self.fields.items():
            member = dict(shape.schema)
            bounds = {"description": field.description, "minimum": field.ge, "maximum": field.le, "minLength": field.min_length, "maxLength": field.max_length,
                      "pattern": field.regex, "enum": field.choices, "deprecated": field.deprecated}
            member.update({key: value for key, value in bounds.items() if value is not None})
            if not field.required and isinstance(field.default, (str, int, float, bool)):
                member["default"] = field.default
            schema["properties"][name] = member
        required = [name for name, (_, field) in self.fields.items() if field.required]
        if required:
            schema["required"] = required
        return schema

    def output_schema(self):
        returns = self.returns
        if returns is None or returns is typing.Any:
            return None
        if typing.get_args(returns) and "Iterator" in getattr(typing.get_origin(returns), "__name__", ""):
            items = _types.shape_of(typing.get_args(returns)[0]).schema
            display = {"x-cog-array-display": "concatenate"} if "Concatenate" in typing.get_origin(returns).__name__ else {}
            return dict({"type": "array", "items": items, "x-cog-array-type": "iterator"}, **display)
        return _types.shape_of(returns).schema or None

    def convert(self, given):
        """Arguments from the object of inputs; unknown names are dropped, as Cog does. InputErrors as a list."""
        arguments, errors = {}, []
        for name, (shape, field) in self.fields.items():
            try:
                if name in given and not (given[name] is None and not field.required):
                    arguments[name] = shape.convert(given[name], name)
                    _check(name, arguments[name], field)
                elif field.required:
                    raise InputError("Field required", name)
                else:
                    arguments[name] = field.default
            except InputError as error:
                errors.append(error)
        return arguments, errors


def _check(name, value, field):
    def refuse(words):
        raise InputError("argument '%s': %s" % (name, words), name)

    if field.choices is not None and value not in field.choices:
        refuse("must be one of %s" % ", ".join(map(str, field.choices)))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if field.ge is not None and value < field.ge:
            refuse("must be at least %s" % field.ge)
        if field.le is not None and value > field.le:
            refuse("must be at most %s" % field.le)
    if isinstance(value, str):
        if field.min_length is not None and len(value) < field.min_length:
            refuse("must have at least %d characters" % field.min_length)
        if field.max_length is not None and len(value) > field.max_length:
            refuse("must have at most %d characters" % field.max_length)
        if field.regex is not None and not re.match(field.regex, value):
            refuse("must match %s" % field.regex)


def _file_bytes(value, place):
    """Content and name of a file input: a data URL, or an address that is fetched."""
    if not isinstance(value, str):
        raise _values.wrong(place, "a URL or data URL", value)
    if value.startswith("data:"):
        head, comma, text = value[5:].partition(",")
        try:
            data = _encoding.decode_base64(text) if head.endswith(";base64") else urllib.parse.unquote_to_bytes(text)
        except ValueError as error:
            raise InputError("argument '%s': %s" % (place, error), place) from None
        return data, "file" + (mimetypes.guess_extension(head.partition(";")[0]) or "")
    if not value.startswith(("http://", "https://")):
        raise InputError("argument '%s': a URL (http, https) or data URL is needed" % place, place)
    limit = download_limit.get()
    try:
        with urllib.request.urlopen(value, timeout=_DOWNLOAD_SECONDS_MAX) as answer:
            data = answer.read(limit + 1)
    except (OSError, ValueError) as error:
        raise InputError("argument '%s': the file cannot be fetched: %s" % (place, getattr(error, "reason", None) or error), place) from None
    if len(data) > limit:
        raise InputError("argument '%s': the file is larger than %d bytes" % (place, limit), place)
    return data, os.path.basename(urllib.parse.urlsplit(value).path)


def shapes():
    text = {"type": "string", "format": "uri"}

    def path(value, place):
        return cog_module.Path(_values.written_file(*_file_bytes(value, place)))

    def file(value, place):
        data, name = _file_bytes(value, place)
        stream = io.BytesIO(data)
        stream.name = name
        return stream

    def secret(value, place):
        if not isinstance(value, str):
            raise _values.wrong(place, "text", value)
        return cog_module.Secret(value)

    return {cog_module.Path: _values.Shape(text, path), cog_module.File: _values.Shape(text, file),
            cog_module.Secret: _values.Shape({"type": "string", "format": "password", "x-cog-secret": True}, secret)}
