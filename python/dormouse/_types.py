"""From a type annotation to a JSON schema and a function that checks and converts a parsed JSON value.

What is understood: bool, int, float, str, bytes, None, Any, list, tuple, set, dict, Optional and other unions, Literal, Enum, dataclasses,
TypedDict, date and time types, UUID, Path and File, numpy arrays, PIL images, pydantic models. Any other annotation accepts every value.
"""

import collections.abc
import dataclasses
import enum
import math
import sys
import typing

from . import _encoding
from ._errors import InputError
from ._values import ANY, SIMPLE, Shape, array_shape, as_set, convert_image, convert_null, wrong


def shape_of(annotation, fields=()):
    """The Shape of an annotation. ``fields`` are classes being looked at, so that a class that holds itself ends."""
    if annotation is typing.Any or isinstance(annotation, (str, typing.ForwardRef, typing.TypeVar)):
        return ANY
    if annotation is None or annotation is type(None):
        return Shape({"type": "null"}, convert_null)
    simple = SIMPLE.get(annotation) if isinstance(annotation, collections.abc.Hashable) else None
    if simple is not None:
        return simple
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is not None:
        return _generic(annotation, origin, arguments, fields)
    if isinstance(annotation, type):
        return _class(annotation, fields)
    supertype = getattr(annotation, "__supertype__", None)  # NewType
    return ANY if supertype is None else shape_of(supertype, fields)


def _generic(annotation, origin, arguments, fields):
    if origin is typing.Union or (sys.version_info >= (3, 10) and origin is _union_type()):
        return _union(arguments, fields)
    if origin is typing.Literal:
        return _literal(arguments)
    if hasattr(annotation, "__metadata__"):  # Annotated
        return shape_of(arguments[0], fields)
    if origin in (list, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection, collections.abc.MutableSequence):
        return _array(shape_of(arguments[0], fields), list)
    if origin in (set, frozenset, collections.abc.Set):
        return _array(shape_of(arguments[0], fields), lambda items: items, unique=frozenset if origin is frozenset else set)
    if origin is tuple:
        return _tuple(arguments, fields)
    if origin in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        return _mapping(arguments, fields)
    if origin.__module__.partition(".")[0] == "numpy":  # numpy.typing.NDArray[…]
        return array_shape(arguments)
    return shape_of(origin, fields)


def _union_type():
    import types
    return types.UnionType


def _union(arguments, fields):
    shapes = [shape_of(argument, fields) for argument in arguments]

    def convert(value, place):
        first = None
        for shape in shapes:
            try:
                return shape.convert(value, place)
            except InputError as error:
                # The deepest complaint is the one about the alternative that was meant.
                if first is None or len(error.field or "") > len(first.field or ""):
                    first = error
        if first.field == place and len(shapes) > 1:
            raise wrong(place, " or ".join(dict.fromkeys(_words(shape.schema) for shape in shapes)), value)
        raise first

    raw = next((shape.raw for shape in shapes if shape.raw is not None), None)
    return Shape({"anyOf": [shape.schema for shape in shapes]}, convert, any(shape.takes_object for shape in shapes), raw)


def _words(schema):
    if "enum" in schema:
        return "one of " + ", ".join(_encoding.dumps(value).decode() for value in schema["enum"])
    names = {"null": "null", "boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "text", "array": "an array", "object": "an object"}
    return names.get(schema.get("type"), "another value")


def _literal(values):
    def convert(value, place):
        for allowed in values:
            if type(allowed) is type(value) and allowed == value:
                return allowed
        raise wrong(place, "one of " + ", ".join(_encoding.dumps(allowed).decode() for allowed in values), value)
    return Shape({"enum": list(values)}, convert)


def _array(item, make, unique=None):
    def convert(value, place):
        if type(value) is not list:
            raise wrong(place, "an array", value)
        items = make([item.convert(entry, "%s[%d]" % (place, index)) for index, entry in enumerate(value)])
        return items if unique is None else unique(as_set(items, place))

    schema = {"type": "array", "items": item.schema} if item.schema else {"type": "array"}
    if unique is not None:
        schema["uniqueItems"] = True
    return Shape(schema, convert)


def _tuple(arguments, fields):
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return _array(shape_of(arguments[0], fields), tuple)
    shapes = [] if arguments == ((),) else [shape_of(argument, fields) for argument in arguments]

    def convert(value, place):
        if type(value) is not list or len(value) != len(shapes):
            raise wrong(place, "an array of %d items" % len(shapes), value)
        return tuple(shape.convert(entry, "%s[%d]" % (place, index)) for index, (shape, entry) in enumerate(zip(shapes, value)))

    return Shape({"type": "array", "prefixItems": [shape.schema for shape in shapes], "minItems": len(shapes), "maxItems": len(shapes)}, convert)


def _mapping(arguments, fields):
    key = shape_of(arguments[0], fields)
    item = shape_of(arguments[1], fields)

    def convert(value, place):
        if type(value) is not dict:
            raise wrong(place, "an object", value)
        return {_key(name, key, place): item.convert(entry, "%s.%s" % (place, name)) for name, entry in value.items()}

    return Shape({"type": "object", "additionalProperties": item.schema or True}, convert, takes_object=True)


def _key(name, key, place):
    # Keys of JSON are text: those of a dict[int, …] are read back as numbers.
    if key.schema.get("type") in ("integer", "number"):
        try:
            return int(name) if key.schema["type"] == "integer" else float(name)
        except ValueError:
            raise InputError("argument '%s': the key '%s' is no number" % (place, name), place) from None
    return key.convert(name, place)


def _class(cls, fields):
    if cls in fields:
        return Shape({"type": "object"}, lambda value, place: shape_of(cls).convert(value, place), takes_object=True)
    if issubclass(cls, enum.Enum):
        return _enumeration(cls)
    if dataclasses.is_dataclass(cls):
        return _dataclass(cls, fields + (cls,))
    if issubclass(cls, dict) and hasattr(cls, "__total__"):
        return _typed_dict(cls, fields + (cls,))
    module = cls.__module__.partition(".")[0]
    if module == "numpy" and cls.__name__ == "ndarray":
        return array_shape(())
    if module == "PIL":
        return Shape({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/*"}, convert_image, takes_object=True,
                     raw=lambda body, kind, name: _encoding.image_from_bytes(body))
    if hasattr(cls, "model_validate") and hasattr(cls, "model_json_schema"):
        return _pydantic(cls, cls.model_validate, cls.model_json_schema)
    if hasattr(cls, "parse_obj") and hasattr(cls, "__fields__"):  # pydantic 1
        return _pydantic(cls, cls.parse_obj, cls.schema)
    if hasattr(cls, "_fields") and issubclass(cls, tuple):
        hints = hints_of(cls)
        return _tuple(tuple(hints.get(name, typing.Any) for name in cls._fields), fields)
    return ANY


def _enumeration(cls):
    members = {member.value: member for member in cls}

    def convert(value, place):
        for key, member in members.items():
            if type(key) is type(value) and key == value:
                return member
        raise wrong(place, "one of " + ", ".join(_encoding.dumps(key).decode() for key in members), value)

    return Shape({"enum": list(members)}, convert)


def hints_of(holder):
    """Resolved annotations, or the raw ones where a name in them cannot be resolved."""
    try:
        return typing.get_type_hints(holder)
    except Exception:  # A name that only a type checker sees, or an annotation of another library.
        return dict(getattr(holder, "__annotations__", {}))


def _dataclass(cls, fields):
    hints = hints_of(cls)
    members = {field.name: (shape_of(hints.get(field.name, typing.Any), fields), _is_required(field)) for field in dataclasses.fields(cls) if field.init}

    def convert(value, place):
        try:
            return cls(**_object(value, place, members))
        except InputError:
            raise
        except (ValueError, TypeError) as error:  # What its __post_init__ refuses.
            raise InputError("argument '%s': %s" % (place, error), place) from None

    return Shape(_object_schema(members), convert, takes_object=True)


def _is_required(field):
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _typed_dict(cls, fields):
    hints = hints_of(cls)
    required = getattr(cls, "__required_keys__", frozenset(hints))
    members = {name: (shape_of(hint, fields), name in required) for name, hint in hints.items()}
    return Shape(_object_schema(members), lambda value, place: _object(value, place, members), takes_object=True)


def _object(value, place, members):
    if type(value) is not dict:
        raise wrong(place, "an object", value)
    for name in value:
        if name not in members:
            raise InputError("argument '%s': no member '%s'; the members are %s" % (place, name, ", ".join(members) or "none"), "%s.%s" % (place, name))
    for name, (_, required) in members.items():
        if required and name not in value:
            raise InputError("argument '%s.%s' is missing" % (place, name), "%s.%s" % (place, name))
    return {name: members[name][0].convert(item, "%s.%s" % (place, name)) for name, item in value.items()}


def _object_schema(members):
    schema = {"type": "object", "properties": {name: shape.schema for name, (shape, _) in members.items()}, "additionalProperties": False}
    required = [name for name, (_, needed) in members.items() if needed]
    if required:
        schema["required"] = required
    return schema


def _pydantic(cls, validate, make_schema):
    def convert(value, place):
        if type(value) is not dict:
            raise wrong(place, "an object", value)
        try:
            return validate(value)
        except ValueError as error:
            first = error.errors()[0] if callable(getattr(error, "errors", None)) else {"loc": (), "msg": str(error)}
            inside = "".join("[%d]" % part if isinstance(part, int) else ".%s" % part for part in first["loc"])
            raise InputError("argument '%s%s': %s" % (place, inside, first["msg"]), place + inside) from None

    try:
        schema = make_schema()
        schema = _inlined(schema, dict(schema.pop("$defs", {}), **schema.pop("definitions", {})), ())
    except Exception:  # A model with members that have no schema still validates.
        schema = {"type": "object"}
    return Shape(schema, convert, takes_object=True)


def _inlined(schema, definitions, inside):
    """A schema without references, so that it means the same inside another; one that holds itself ends as any object."""
    if isinstance(schema, list):
        return [_inlined(item, definitions, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"type": "object"} if name in inside or name not in definitions else _inlined(definitions[name], definitions, inside + (name,))
    return {key: _inlined(item, definitions, inside) for key, item in schema.items()}


def text_to_json(text, schema):
    """A query or path value as the JSON value that its schema asks for; unconvertible text stays text, to be refused with its place."""
    kinds = [part.get("type") for part in schema.get("anyOf", [schema])]
    for kind in kinds:
        if kind == "boolean" and text.lower() in ("true", "false", "1", "0"):
            return text.lower() in ("true", "1")
        if kind in ("integer", "number"):
            try:
                number = int(text) if kind == "integer" else float(text)
                if math.isfinite(number):
                    return number
            except ValueError:
                continue
    if "enum" in schema:
        return next((value for value in schema["enum"] if str(value) == text), text)
    return text
