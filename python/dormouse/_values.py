"""Checks and conversions of single values: what a JSON value must be for an annotation that names no other."""

import datetime
import io
import os
import pathlib
import tempfile
import typing
import uuid

from . import _encoding
from ._errors import InputError

#: Accepts anything, converts nothing but the documented encodings.
ANY_SCHEMA = {}

_NAMES = {type(None): "null", bool: "a boolean", int: "a whole number", float: "a number", str: "text", list: "an array", dict: "an object"}


class Shape:
    """What one annotation means."""

    __slots__ = ("schema", "convert", "takes_object", "raw")

    def __init__(self, schema, convert, takes_object=False, raw=None):
        self.schema = schema
        #: ``convert(value, place)`` returns the Python value or raises InputError naming the place.
        self.convert = convert
        #: Whether a JSON object can be a value of it.
        self.takes_object = takes_object
        #: ``raw(body, content_type, filename)`` for a body that is no JSON, or None.
        self.raw = raw


def register(annotation, shape):
    """Gives a class a meaning of its own."""
    SIMPLE[annotation] = shape


def wrong(place, expected, value):
    """The error of a value of the wrong kind."""
    shown = _NAMES.get(type(value), type(value).__name__)
    if isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= 40):
        shown = "%s (%s)" % (shown, repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else value)
    return InputError("argument '%s': expected %s, got %s" % (place, expected, shown), place)


def convert_any(value, place):
    return _encoding.decode(value) if isinstance(value, (dict, list)) else value


def convert_null(value, place):
    if value is not None:
        raise wrong(place, "null", value)
    return None


def _convert_bool(value, place):
    if type(value) is not bool:
        raise wrong(place, "true or false", value)
    return value


def _convert_int(value, place):
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():  # JSON does not tell 3 from 3.0.
        return int(value)
    raise wrong(place, "a whole number", value)


def _convert_float(value, place):
    if type(value) is float:
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise InputError("argument '%s': the number is too large for a float" % place, place) from None
    raise wrong(place, "a number", value)


def _convert_str(value, place):
    if type(value) is not str:
        raise wrong(place, "text", value)
    return value


def _convert_bytes(value, place):
    try:
        return _encoding.bytes_from_json(value)
    except ValueError as error:
        raise InputError("argument '%s': %s" % (place, error), place) from None


def _convert_dict(value, place):
    if type(value) is not dict:
        raise wrong(place, "an object", value)
    return {key: convert_any(item, place) for key, item in value.items()}


def _convert_list(value, place):
    if type(value) is not list:
        raise wrong(place, "an array", value)
    return _encoding.decode(value)


def _parsed(parse, expected):
    def convert(value, place):
        if type(value) is not str:
            raise wrong(place, expected, value)
        try:
            return parse(value)
        except ValueError:
            raise wrong(place, expected, value) from None
    return convert


def _parse_datetime(text):
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)


def _convert_file(value, place):
    filename = value.get("filename") if isinstance(value, dict) else None
    kind = value.get("content_type") if isinstance(value, dict) else None
    return _encoding.File(data=_convert_bytes(value, place), filename=filename, content_type=kind)


def _convert_path(value, place):
    return written_file(_convert_bytes(value, place), value.get("filename") if isinstance(value, dict) else None)


def _raw_path(body, content_type, filename):
    return written_file(body, filename)


def written_file(data, filename):
    """Writes an argument to a temporary file of its own and returns its path; ``clear_files`` removes it after the run."""
    # The name is the caller's: only its ending is used, and only when it is harmless.
    ending = os.path.splitext(filename or "")[1]
    ending = ending if ending[1:].isalnum() and len(ending) <= 10 else ""
    handle, path = tempfile.mkstemp(suffix=ending, prefix="argument-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    return pathlib.Path(path)


def clear_files(values):
    """Removes the temporary files among converted arguments."""
    for value in values:
        if isinstance(value, pathlib.Path) and value.name.startswith("argument-"):
            try:
                value.unlink()
            except OSError:
                pass


BYTES_SCHEMA = {"type": "string", "contentEncoding": "base64"}

ANY = Shape(ANY_SCHEMA, convert_any, takes_object=True)

SIMPLE = {
    bool: Shape({"type": "boolean"}, _convert_bool),
    int: Shape({"type": "integer"}, _convert_int),
    float: Shape({"type": "number"}, _convert_float),
    str: Shape({"type": "string"}, _convert_str, raw=lambda body, kind, name: _raw_text(body)),
    bytes: Shape(BYTES_SCHEMA, _convert_bytes, raw=lambda body, kind, name: body),
    bytearray: Shape(BYTES_SCHEMA, lambda value, place: bytearray(_convert_bytes(value, place)), raw=lambda body, kind, name: bytearray(body)),
    object: ANY,
    dict: Shape({"type": "object"}, _convert_dict, takes_object=True),
    list: Shape({"type": "array"}, _convert_list),
    tuple: Shape({"type": "array"}, lambda value, place: tuple(_convert_list(value, place))),
    set: Shape({"type": "array", "uniqueItems": True}, lambda value, place: as_set(_convert_list(value, place), place)),
    datetime.datetime: Shape({"type": "string", "format": "date-time"}, _parsed(_parse_datetime, "a date and time (ISO 8601)")),
    datetime.date: Shape({"type": "string", "format": "date"}, _parsed(datetime.date.fromisoformat, "a date (ISO 8601)")),
    datetime.time: Shape({"type": "string", "format": "time"}, _parsed(datetime.time.fromisoformat, "a time (ISO 8601)")),
    uuid.UUID: Shape({"type": "string", "format": "uuid"}, _parsed(uuid.UUID, "a UUID")),
    pathlib.Path: Shape(BYTES_SCHEMA, _convert_path, takes_object=True, raw=_raw_path),
    pathlib.PurePath: Shape(BYTES_SCHEMA, _convert_path, takes_object=True, raw=_raw_path),
    _encoding.File: Shape(BYTES_SCHEMA, _convert_file, takes_object=True,
                          raw=lambda body, kind, name: _encoding.File(data=body, filename=name, content_type=kind)),
}


def _raw_text(body):
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("the body is no UTF-8 (byte %d)" % error.start) from None


def as_set(items, place):
    try:
        return set(items)
    except TypeError:
        raise InputError("argument '%s': an array or object cannot be in a set" % place, place) from None


def convert_image(value, place):
    try:
        return _encoding.image_from_bytes(_encoding.bytes_from_json(value))
    except ValueError as error:
        raise InputError("argument '%s': %s" % (place, error), place) from None


def array_shape(arguments):
    wanted = next((argument for outer in reversed(arguments) for argument in typing.get_args(outer)), None)

    def finish(array, place):
        numpy = _encoding.numpy_module()
        if not isinstance(wanted, type) or not issubclass(wanted, numpy.generic) or wanted in (numpy.generic, numpy.number):
            return array
        try:
            return array.astype(wanted, casting="same_kind", copy=False)
        except TypeError:
            raise InputError("argument '%s': expected an array of %s, got %s" % (place, numpy.dtype(wanted).name, array.dtype.name), place) from None

    def convert(value, place):
        numpy = _encoding.numpy_module(load=True)
        if numpy is None:
            raise InputError("argument '%s': numpy is not installed here" % place, place)
        try:
            if isinstance(value, dict):
                return finish(_encoding.array_from_json(value), place)
            array = numpy.asarray(value, dtype=wanted if isinstance(wanted, type) and issubclass(wanted, numpy.floating) else None)
        except (ValueError, TypeError, OverflowError) as error:
            raise InputError("argument '%s': no array: %s" % (place, error), place) from None
        if array.dtype.kind not in "biufcU":
            raise InputError("argument '%s': no array of numbers: rows of different length, or other values" % place, place)
        return finish(array, place)

    def raw(body, content_type, filename):
        numpy = _encoding.numpy_module(load=True)
        if numpy is None or content_type not in ("application/x-npy", "application/octet-stream", "application/vnd.numpy"):
            raise ValueError("an array comes as JSON or as application/x-npy, not %s" % content_type)
        return finish(numpy.load(io.BytesIO(body), allow_pickle=False), "body")

    schema = {"anyOf": [{"type": "array"}, {"type": "object", "required": ["dtype", "shape", "data"], "properties": {
        "dtype": {"type": "string"}, "shape": {"type": "array", "items": {"type": "integer"}}, "data": BYTES_SCHEMA}}]}
    return Shape(schema, convert, takes_object=True, raw=raw)
