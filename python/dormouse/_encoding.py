"""How Python values travel as JSON, without pickle. docs/python.md, "Encodings", is the same in words.

numpy arrays    {"dtype": "float32", "shape": [2, 3], "data": base64 of the bytes, C order, little-endian}
bytes           {"base64": "…"}
PIL images      {"base64": "…", "content_type": "image/png"}
files           {"base64": "…", "content_type": "text/plain", "filename": "a.txt"}
dataclasses     objects; enumerations: their values; dates and times: ISO 8601; sets and tuples: arrays

numpy and PIL are looked for in ``sys.modules`` only: a program that does not use them never loads them through this module.
"""

import base64
import binascii
import dataclasses
import datetime
import decimal
import enum
import io
import json
import math
import mimetypes
import os
import pathlib
import sys
import uuid

from ._errors import EncodingError

_BINARY_KEYS = frozenset(("base64", "content_type", "filename"))
_ARRAY_KEYS = frozenset(("dtype", "shape", "data"))
_DTYPE_KINDS = "biufc"


class File:
    """A file as argument or result: ``File("a.png")``, or ``File(data=b"…", filename="a.png")``."""

    def __init__(self, path=None, *, data=None, filename=None, content_type=None):
        if (path is None) == (data is None):
            raise ValueError("File takes either a path or data=")
        self._path = None if path is None else os.fspath(path)
        self._data = None if data is None else bytes(data)
        self.filename = filename or (os.path.basename(self._path) if self._path else None)
        self.content_type = content_type or guess_type(self.filename)

    def read(self):
        """The content as bytes."""
        if self._data is None:
            with open(self._path, "rb") as file:
                return file.read()
        return self._data


def guess_type(filename):
    """Content type by the name's ending; ``application/octet-stream`` when unknown."""
    return (mimetypes.guess_type(filename)[0] if filename else None) or "application/octet-stream"


def numpy_module(load=False):
    """numpy when the program has loaded it (or can, with ``load``), else None."""
    if load and "numpy" not in sys.modules:
        try:
            import numpy  # noqa: F401
        except ImportError:
            return None
    return sys.modules.get("numpy")


def pil_image_class(load=False):
    """``PIL.Image.Image`` when the program has loaded it (or can, with ``load``), else None."""
    if load and "PIL.Image" not in sys.modules:
        try:
            import PIL.Image  # noqa: F401
        except ImportError:
            return None
    module = sys.modules.get("PIL.Image")
    return None if module is None else module.Image


def encode_base64(data):
    return base64.b64encode(data).decode("ascii")


def decode_base64(text):
    """Bytes of strict base64; ValueError otherwise."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not valid base64") from None


def image_bytes(image, format=None):
    """A PIL image as PNG, or as ``format``."""
    buffer = io.BytesIO()
    name = format or "PNG"
    if name == "PNG" and image.mode not in ("1", "L", "LA", "I", "P", "RGB", "RGBA", "I;16"):
        image = image.convert("RGB")
    image.save(buffer, format=name)
    return buffer.getvalue()


def array_to_json(array):
    """A numpy array as the documented object."""
    numpy = numpy_module()
    array = numpy.asarray(array)
    if array.dtype.kind not in _DTYPE_KINDS:
        if array.dtype.kind in "US":
            return array.tolist() if array.dtype.kind == "U" else [decode_text(b) for b in array.ravel()]
        raise EncodingError("numpy arrays of %s have no encoding: use numbers, bool or text" % array.dtype)
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    return {"dtype": array.dtype.name, "shape": list(array.shape), "data": encode_base64(little.tobytes(order="C"))}


def decode_text(data):
    return data.decode("utf-8", "replace")


def array_from_json(value):
    """The array of a documented object; ValueError says what does not fit."""
    numpy = numpy_module(load=True)
    if numpy is None:
        raise ValueError("is a numpy array, and numpy is not installed here")
    if not isinstance(value.get("dtype"), str) or not isinstance(value.get("data"), str):
        raise ValueError("an array needs dtype and data as text")
    try:
        dtype = numpy.dtype(value["dtype"])
    except TypeError:
        raise ValueError("dtype %r is unknown" % value["dtype"]) from None
    if dtype.kind not in _DTYPE_KINDS:
        raise ValueError("dtype %r is not allowed: numbers and bool are" % value["dtype"])
    shape = value.get("shape")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("shape must be an array of whole numbers")
    data = decode_base64(value["data"])
    expected = dtype.itemsize * math.prod(shape)
    if len(data) != expected:
        raise ValueError("shape %s of %s takes %d bytes, but data has %d" % (shape, dtype.name, expected, len(data)))
    array = numpy.frombuffer(data, dtype=dtype.newbyteorder("<")).reshape(shape)
    return array.astype(dtype)  # A copy in native order that may be written to.


def image_from_bytes(data):
    """A PIL image of an encoded picture; ValueError when it is none or PIL is missing."""
    if pil_image_class(load=True) is None:
        raise ValueError("is a picture, and PIL (pillow) is not installed here")
    module = sys.modules["PIL.Image"]
    try:
        image = module.open(io.BytesIO(data))
        image.load()
    except Exception as error:
        raise ValueError("no picture that PIL can read (%s)" % type(error).__name__) from None
    return image


def is_binary_object(value):
    return isinstance(value, dict) and isinstance(value.get("base64"), str) and _BINARY_KEYS.issuperset(value)


def is_array_object(value):
    return isinstance(value, dict) and len(value) == 3 and _ARRAY_KEYS.issuperset(value) and isinstance(value["data"], str) and isinstance(value["shape"], list)


def bytes_from_json(value):
    """Bytes of a base64 text, a data URL or a documented object; ValueError otherwise."""
    if is_binary_object(value):
        return decode_base64(value["base64"])
    if isinstance(value, str):
        if value.startswith("data:"):
            head, comma, body = value.partition(",")
            if comma and head.endswith(";base64"):
                return decode_base64(body)
            raise ValueError("a data URL must be base64")
        return decode_base64(value)
    raise ValueError('expected base64 text or {"base64": "…"}')


def decode(value):
    """Undoes the documented encodings anywhere in parsed JSON: arrays and bytes, pictures (as PIL images when PIL is there), files.

    Whatever does not have exactly the documented members stays as it is; so do arrays where numpy is missing.
    """
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if is_binary_object(value):
        try:
            data = decode_base64(value["base64"])
            kind = value.get("content_type", "")
            if "filename" in value:
                return File(data=data, filename=value["filename"], content_type=kind or None)
            return image_from_bytes(data) if kind.startswith("image/") and pil_image_class(load=True) else data
        except ValueError:
            return value
    if is_array_object(value):
        try:
            return array_from_json(value)
        except ValueError:
            return value
    return {key: decode(item) for key, item in value.items()}


def plain(value):
    """One step from a Python object towards JSON, for ``json.dumps(default=…)``. EncodingError when there is no documented form."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": encode_base64(bytes(value))}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    if isinstance(value, pathlib.PurePath):
        value = File(value)
    if isinstance(value, File):
        return {"base64": encode_base64(value.read()), "content_type": value.content_type, "filename": value.filename or "file"}
    numpy = numpy_module()
    if numpy is not None:
        if isinstance(value, numpy.ndarray):
            return array_to_json(value)
        if isinstance(value, numpy.generic):
            return value.item()
    image = pil_image_class()
    if image is not None and isinstance(value, image):
        return {"base64": encode_base64(image_bytes(value)), "content_type": "image/png"}
    if type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach"):
        numpy_module(load=True)
        return array_to_json(value.detach().cpu().numpy())
    for method in ("model_dump", "_asdict"):
        if callable(getattr(value, method, None)) and not isinstance(value, type):
            return getattr(value, method)()
    if hasattr(value, "__fields__") and callable(getattr(value, "dict", None)):  # pydantic 1
        return value.dict()
    raise EncodingError("values of type %s have no form in JSON" % _class_name(value))


def dumps(value, what="the result"):
    """JSON bytes of a value. EncodingError names the place of what cannot be sent: ``the result['scores'][3] is nan, …``."""
    try:
        return json.dumps(value, default=plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except EncodingError as error:
        raise EncodingError("%s cannot be sent as JSON: %s" % (_place(value, what) or what, error)) from None
    except UnicodeEncodeError:
        raise EncodingError("%s holds text with lone surrogates, which is no valid Unicode" % what) from None
    except RecursionError:
        raise EncodingError("%s is nested too deeply, or holds itself" % what) from None
    except (ValueError, TypeError) as error:
        place = _place(value, what)
        raise EncodingError(place if place else "%s cannot be sent as JSON: %s" % (what, error)) from None


def _place(value, where, depth=0):
    """Where the first thing is that JSON cannot say, or None."""
    if depth > 200:
        return "%s is nested too deeply, or holds itself" % where[:200]
    if isinstance(value, float):
        return "%s is %r, which JSON cannot say; send None or text instead" % (where, value) if not math.isfinite(value) else None
    if value is None or isinstance(value, (str, int, bool)):
        return None
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, (str, int, float, bool, type(None))):
                return "%s has the key %r: keys must be text" % (where, key)
            if isinstance(key, float) and not math.isfinite(key):
                return "%s has the key %r, which JSON cannot say" % (where, key)
            found = _place(item, "%s[%r]" % (where, key), depth + 1)
            if found:
                return found
        return None
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            found = _place(item, "%s[%d]" % (where, index), depth + 1)
            if found:
                return found
        return None
    try:
        return _place(plain(value), where, depth + 1)
    except EncodingError:
        return where


def loads(data):
    """Parsed JSON of bytes; ValueError with the place when it is none. NaN and Infinity are none."""
    try:
        return json.loads(data if isinstance(data, str) else data.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise ValueError("the body is no UTF-8 (byte %d)" % error.start) from None
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ValueError("the JSON is malformed at line %d, column %d: %s" % (error.lineno, error.colno, error.msg)) from None


def _no_constant(name):
    raise ValueError("the JSON holds %s, which is no JSON" % name)


def _class_name(value):
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
