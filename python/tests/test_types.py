"""Annotations: what each accepts, what it refuses, and that no JSON value brings the check down."""

import dataclasses
import datetime
import enum
import json
import pathlib
import random
import typing
import unittest
import uuid

import dormouse
from dormouse import _settings
from dormouse._errors import InputError, SettingError
from dormouse._signature import Signature
from dormouse._types import shape_of


class Colour(enum.Enum):
    RED = "red"
    TWO = 2


@dataclasses.dataclass
class Tree:
    name: str
    children: typing.List["Tree"] = dataclasses.field(default_factory=list)


class Options(typing.TypedDict):
    a: int
    b: typing.Optional[str]


@dataclasses.dataclass
class Positive:
    n: int

    def __post_init__(self):
        if self.n <= 0:
            raise ValueError("n must be above 0")


class Point(typing.NamedTuple):
    x: int
    y: float


SIMPLE = [bool, int, float, str, bytes, dict, list, tuple, set, type(None), typing.Any, object, datetime.datetime, datetime.date, datetime.time, uuid.UUID,
          dormouse.File, Colour, Tree, Options, Positive, Point, typing.Literal["a", 1, True], "not resolvable"]


class Converting(unittest.TestCase):
    def accept(self, annotation, value, expected):
        converted = shape_of(annotation).convert(value, "x")
        self.assertEqual((expected, type(expected)), (converted, type(converted)))

    def refuse(self, annotation, value, field="x", words=None):
        with self.assertRaises(InputError) as refused:
            shape_of(annotation).convert(value, "x")
        self.assertEqual(field, refused.exception.field)
        if words:
            self.assertIn(words, str(refused.exception))

    def test_values(self):
        self.accept(float, 1, 1.0)
        self.accept(int, 2.0, 2)
        self.accept(typing.Optional[int], None, None)
        self.accept(typing.Union[int, str], "a", "a")
        self.accept(typing.Union[Tree, int], {"name": "n"}, Tree("n"))
        self.accept(Tree, {"name": "a", "children": [{"name": "b"}]}, Tree("a", [Tree("b")]))
        self.accept(typing.List[int], [1, 2.0], [1, 2])
        self.accept(typing.Tuple[int, ...], [1, 2], (1, 2))
        self.accept(typing.Set[str], ["a", "a"], {"a"})
        self.accept(typing.FrozenSet[int], [1], frozenset([1]))
        self.accept(typing.Dict[int, str], {"1": "a"}, {1: "a"})
        self.accept(datetime.datetime, "2026-01-02T03:04:05Z", datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc))
        self.accept(datetime.date, "2026-01-02", datetime.date(2026, 1, 2))
        self.accept(uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678"))
        self.accept(bytes, "aGk=", b"hi")
        self.accept(typing.NewType("Id", int), 3, 3)
        self.accept(Colour, 2, Colour.TWO)
        self.accept(typing.Sequence[int], [1], [1])
        self.accept(typing.Any, {"base64": "aGk="}, b"hi")

    def test_refusals(self):
        for annotation, value in ((int, True), (int, "1"), (float, "1"), (float, True), (float, 10 ** 400), (bool, 1), (str, 1), (bytes, "a"), (bytes, 1), (Colour, True), (Colour, "TWO"),
                                  (typing.Literal[1], True), (datetime.date, "yesterday"), (uuid.UUID, "x"), (typing.Set[list], [[1]]), (type(None), 0)):
            self.refuse(annotation, value)
        self.refuse(Tree, {"name": "a", "children": [{"name": 1}]}, "x.children[0].name")
        self.refuse(typing.Optional[Tree], {"name": "a", "children": [{}]}, "x.children[0].name")
        self.refuse(Options, {"a": 1}, "x.b")
        self.refuse(Options, {"a": 1, "b": None, "c": 1}, "x.c", "the members are a, b")
        self.refuse(typing.Union[int, None], "a", "x", "expected a whole number or null, got text ('a')")
        self.refuse(Positive, {"n": 0}, "x", "n must be above 0")

    def test_any_value_is_accepted_or_refused_by_name(self):
        source = random.Random(3)

        def annotation(depth=0):
            if depth > 2 or source.random() < 0.5:
                return source.choice(SIMPLE)
            inner = annotation(depth + 1)
            return source.choice([lambda: typing.List[inner], lambda: typing.Optional[inner], lambda: typing.Dict[str, inner], lambda: typing.Dict[int, inner], lambda: typing.Set[inner],
                                  lambda: typing.Tuple[inner, ...], lambda: typing.Union[inner, int, str], lambda: typing.Tuple[inner, int]])()

        def value(depth=0):
            simple = [None, True, False, 0, -1, 1.5, 2.0, 1e308, 10 ** 30, "", "a", "red", "aGk=", "2026-01-02", "1", "\ud800", "data:,x", "data:x;base64,aGk="]
            if depth > 3 or source.random() < 0.4:
                return source.choice(simple)
            if source.random() < 0.5:
                return [value(depth + 1) for _ in range(source.randrange(3))]
            return {source.choice(["name", "a", "b", "n", "x", "1", "base64", "dtype", "shape", "data", "filename", "children"]): value(depth + 1) for _ in range(source.randrange(4))}

        refused = 0
        for _ in range(20000):
            shape = shape_of(annotation())
            json.dumps(shape.schema)
            try:
                shape.convert(value(), "x")
            except InputError as error:
                refused += 1
                self.assertTrue(error.field.startswith("x"), error.field)
        self.assertTrue(5000 < refused < 19000, refused)

    def test_paths_are_written_to_files(self):
        path = shape_of(pathlib.Path).convert({"base64": "aGk=", "filename": "/etc/../x.a/b"}, "x")
        self.addCleanup(path.unlink)
        self.assertEqual((b"hi", ""), (path.read_bytes(), path.suffix))


class Arguments(unittest.TestCase):
    def test_the_schema_of_a_function(self):
        def f(a: int, b: typing.Optional[str] = None, *, c: Tree, d: float = float("nan"), **more):
            """Nothing."""
        self.assertEqual({"type": "object", "additionalProperties": True, "required": ["a", "c"], "properties": {
            "a": {"type": "integer"}, "b": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "c": {"type": "object", "additionalProperties": False, "required": ["name"], "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"type": "object"}}}},
            "d": {"type": "number"}}}, Signature(f).input_schema())

    def test_the_schema_of_what_it_yields(self):
        def f() -> typing.Iterator[int]:
            yield 1
        self.assertEqual({"type": "integer"}, Signature(f).output_schema())

    def test_positional_only_parameters_are_passed_by_position(self):
        scope = {}
        exec("def f(a, b, /, c): return [a, b, c]", scope)
        signature = Signature(scope["f"])
        positional, named = signature.split(signature.from_json({"a": 1, "b": 2, "c": 3}))
        self.assertEqual([1, 2, 3], scope["f"](*positional, **named))


class Settings(unittest.TestCase):
    def test_forms(self):
        checked = _settings.check({"memory": "2 gib", "cpu": 1, "timeout": datetime.timedelta(seconds=1.5), "idle_timeout": 5, "concurrency": "auto", "provisioned": None, "system_packages": True,
                                   "schedule": "*/5 * * * *"}, "here")
        self.assertEqual({"memory": "2GiB", "cpu": 1.0, "concurrency": "auto", "timeout": "1500ms", "idle_timeout": "5s", "system_packages": True, "schedule": "*/5 * * * *"}, checked)

    def test_each_setting_has_a_check_and_passes_as_it_is_to_travel(self):
        self.assertEqual(set(_settings.NAMES), set(_settings._CHECKS))
        self.assertEqual(len(_settings.NAMES), len(set(_settings.NAMES)))
        given = {"reserve_cpu": 1, "target_concurrency": 2.5, "keep_alive": "fixed", "queue_limit_bytes": "1 GiB", "start_timeout": datetime.timedelta(minutes=2), "async_rate": 0.5, "spare_instances": 1,
                 "floors": ["0 8 * * MON-FRI Europe/Berlin for 10h = 2"]}
        self.assertEqual(dict(given, reserve_cpu=1.0, queue_limit_bytes="1GiB", start_timeout="120s"), _settings.check(given, "here"))

    def test_mistakes_name_the_setting_the_value_and_what_is_allowed(self):
        for settings, words in (({"memory": "2GB"}, "memory is '2GB'; sizes are powers of two here"), ({"memory": 0}, "memory is 0; write it like"), ({"memry": 1}, "there is no setting 'memry'; the settings are memory,"),
                                ({"cpu": 0}, "cpu is 0"), ({"cpu": True}, "cpu is True"), ({"concurrency": 0}, 'a whole number from 1 to 1000 is needed, "auto" or "unlimited"'), ({"timeout": "soon"}, "timeout is 'soon'; write it like"),
                                ({"timeout": -1}, "timeout is -1"), ({"python": 3.11}, "python is 3.11; write it like"), ({"python": "3.8"}, "3.9 is the oldest"), ({"pip": "numpy"}, "a list of requirements"),
                                ({"pip": ["-r x"]}, "not an option of pip"), ({"requirements": "../x"}, "in the deployed folder"), ({"environment": {"A B": "x"}}, "no name of a variable"), ({"environment": {"A": 1}}, "value of A must be text"),
                                ({"network": "all"}, '"none" and "outbound" are allowed'), ({"isolation": "vm"}, '"process", "sandbox" and "container" are allowed'), ({"target_rps": 0}, "a number from 0.01 to 1000000 is needed"),
                                ({"reserve_cpu": True}, "a number from 0 to 1024"), ({"floors": "0 8 * * * for 1h = 1"}, "a list of windows"), ({"floors": ["0 8 * * *"]}, "a list of windows"), ({"schedule": "daily"}, "five fields of cron"), ({"system_packages": 1}, "True or False"),
                                ({"min_instances": 3, "max_instances": 2}, "min_instances is 3, more than max_instances, which is 2"), ({"min_instances": 1.0}, "min_instances is 1.0")):
            with self.subTest(settings), self.assertRaises(SettingError) as refused:
                _settings.check(settings, "@app.function on f")
            self.assertIn(words, str(refused.exception))
            self.assertTrue(str(refused.exception).startswith("@app.function on f: "))

    def test_decorators_say_what_is_wrong(self):
        app = dormouse.App("a")

        @app.function()
        def once():
            pass

        class Empty:
            pass

        for wrong, words in ((lambda: dormouse.App("a b"), "a name of letters"), (lambda: app.function()(once), "already has a decorator"), (lambda: app.function()(Empty), "use @app.cls()"),
                             (lambda: app.cls()(Empty), "no method is marked"), (lambda: app.cls()(once.function), "belongs on a class"), (lambda: app.function()(3), "cannot be called"), (lambda: app.web("x"), "a path beginning with '/'"),
                             (lambda: app.web("/a{b}"), "a whole segment"), (lambda: app.web("/", "FETCH"), "the method must be one of"), (lambda: app.function()(once.function), "two functions named once"),
                             (lambda: dormouse.enter(lambda self: None), "with parentheses"), (lambda: dormouse.enter(snapshot=1), "True or False")):
            with self.subTest(words), self.assertRaises(SettingError) as refused:
                wrong()
            self.assertIn(words, str(refused.exception))

    def test_current_outside_of_a_run(self):
        with self.assertRaises(dormouse.DormouseError):
            dormouse.current()
