"""Functions of an app as the outside sees them: arguments, streams, answers."""

import base64
import json

from .harness import RunnerCase

HEAD = "import dormouse, typing, dataclasses, enum, asyncio\nfrom typing import *\napp = dormouse.App('a')\n"


class Arguments(RunnerCase):
    def serving(self, source, **assignment):
        import textwrap
        return super().serving(HEAD + textwrap.dedent(source), **assignment)

    def refusal(self, runner, value):
        answer = runner.call(value)
        self.assertEqual(422, answer.status, answer)
        self.assertEqual("application/problem+json", answer.headers["content-type"])
        document = answer.json()
        self.assertEqual("input_invalid", document["code"])
        return document["field"], document["detail"]

    def test_arguments_by_name(self):
        runner = self.serving("""
            @app.function()
            def add(a: int, b: float = 0.5, *, c: Optional[str] = None):
                return [a, b, c]
        """)

        self.assertEqual([1, 0.5, None], runner.call({"a": 1}).json())
        self.assertEqual([1, 2.0, "x"], runner.call({"a": 1.0, "b": 2, "c": "x"}).json())
        self.assertEqual(("a", "argument 'a' is missing."), self.refusal(runner, {}))
        self.assertEqual(("a", "argument 'a' is missing."), self.refusal(runner, None))
        self.assertEqual(("a", "argument 'a': expected a whole number, got text ('x')."), self.refusal(runner, {"a": "x"}))
        self.assertEqual(("a", "argument 'a': expected a whole number, got a boolean (true)."), self.refusal(runner, {"a": True}))
        self.assertEqual(("a", "argument 'a': expected a whole number, got a number (1.5)."), self.refusal(runner, {"a": 1.5}))
        self.assertEqual(("d", "there is no argument 'd'; add takes a, b, c."), self.refusal(runner, {"a": 1, "d": 1}))
        self.assertEqual("c", self.refusal(runner, {"a": 1, "c": 4})[0])
        self.assertEqual((None, "the body must be an object with the arguments a, b, c."), self.refusal_of_body(runner, [1, 2]))

    def refusal_of_body(self, runner, value):
        document = runner.call(value).json()
        return document.get("field"), document["detail"]

    def test_one_parameter_takes_the_value_itself_or_its_name(self):
        runner = self.serving("@app.function()\ndef double(n: int):\n    return 2 * n\n")

        self.assertEqual(6, runner.call(3).json())
        self.assertEqual(6, runner.call({"n": 3}).json())
        self.assertEqual("m", self.refusal(runner, {"m": 3})[0])
        self.assertEqual("n", self.refusal(runner, {})[0])
        self.assertEqual("n", self.refusal(runner, "three")[0])

    def test_one_parameter_that_takes_objects_gets_those_whose_keys_do_not_fit(self):
        runner = self.serving("@app.function()\ndef echo(data: dict):\n    return data\n")

        self.assertEqual({"x": 1}, runner.call({"x": 1}).json())
        self.assertEqual({"y": 2}, runner.call({"data": {"y": 2}}).json())
        self.assertEqual({}, runner.call({}).json())

    def test_nested_types_name_the_place(self):
        runner = self.serving("""
            class Colour(enum.Enum):
                RED = "red"
            @dataclasses.dataclass
            class Item:
                name: str
                tags: List[str] = dataclasses.field(default_factory=list)
                colour: Colour = Colour.RED
            class Options(TypedDict, total=False):
                deep: bool
            @app.function()
            def f(items: List[Item], mode: Literal["a", "b"] = "a", pair: Tuple[int, str] = (1, "x"), options: Options = {}, by: Dict[int, float] = {}):
                return {"items": items, "mode": mode, "pair": pair, "options": options, "by": [[k, v] for k, v in by.items()], "kind": type(items[0]).__name__}
        """)

        self.assertEqual({"items": [{"name": "n", "tags": ["t"], "colour": "red"}], "mode": "b", "pair": [2, "y"], "options": {"deep": True}, "by": [[7, 1.0]], "kind": "Item"},
                         runner.call({"items": [{"name": "n", "tags": ["t"], "colour": "red"}], "mode": "b", "pair": [2, "y"], "options": {"deep": True}, "by": {"7": 1}}).json())
        good = {"name": "n"}
        for value, field in (({"items": [good, {"name": 3}]}, "items[1].name"), ({"items": [{}]}, "items[0].name"), ({"items": [dict(good, tags=[1])]}, "items[0].tags[0]"),
                             ({"items": [dict(good, colour="blue")]}, "items[0].colour"), ({"items": [dict(good, size=1)]}, "items[0].size"), ({"items": good}, "items"),
                             ({"items": [good], "mode": "c"}, "mode"), ({"items": [good], "pair": [1]}, "pair"), ({"items": [good], "pair": [1, 2]}, "pair[1]"),
                             ({"items": [good], "options": {"deep": 1}}, "options.deep"), ({"items": [good], "by": {"x": 1}}, "by")):
            self.assertEqual(field, self.refusal(runner, value)[0])
        self.assertIn('one of "a", "b"', self.refusal(runner, {"items": [good], "mode": "c"})[1])

    def test_bytes_come_raw_or_as_base64(self):
        runner = self.serving("@app.function()\ndef size(data: bytes):\n    return [len(data), data[:1]]\n")

        self.assertEqual([3, {"base64": base64.b64encode(b"a").decode()}], runner.call(body=b"abc", headers=[("Content-Type", "image/png")]).json())
        self.assertEqual(9, runner.call(body=b'"quoted" ', headers=[("Content-Type", "application/json")]).json()[0])

        runner = self.serving("@app.function()\ndef size(data: bytes, more: int = 1):\n    return len(data)\n")
        self.assertEqual(3, runner.call({"data": base64.b64encode(b"abc").decode()}).json())
        self.assertEqual(3, runner.call({"data": {"base64": base64.b64encode(b"abc").decode()}}).json())
        self.assertEqual(("data", "argument 'data': not valid base64."), self.refusal(runner, {"data": "%%%"}))

    def test_files_are_written_and_removed_after_the_run(self):
        runner = self.serving("""
            from pathlib import Path
            @app.function()
            def look(file: Path, upper: bool = False):
                return [str(file), file.read_text(), file.suffix]
        """)

        import os
        path, text, suffix = runner.call({"file": {"base64": base64.b64encode(b"hello").decode(), "filename": "../../x.txt"}}).json()

        self.assertEqual(("hello", ".txt"), (text, suffix))
        self.assertFalse(os.path.exists(path))

    def test_keyword_arguments_of_any_name(self):
        runner = self.serving("@app.function()\ndef f(a: int, **more):\n    return [a, more]\n")

        self.assertEqual([1, {"x": [2]}], runner.call({"a": 1, "x": [2]}).json())

    def test_a_function_may_refuse_its_arguments_itself(self):
        runner = self.serving("@app.function()\ndef f(n: int):\n    raise dormouse.InputError('n must be even', field='n')\n")

        self.assertEqual(("n", "n must be even."), self.refusal(runner, {"n": 1}))
        self.assertEqual("", runner.stderr())

    def test_star_arguments_are_refused_when_the_app_is_loaded(self):
        started = self.runner(self.folder_of({"app.py": HEAD + "@app.function()\ndef f(*rows): pass\n"}))

        self.assertIn("f takes *rows: arguments travel by name", started.serve()["reason"])

    def test_annotations_as_text_are_understood(self):
        started = self.runner(self.folder_of({"app.py": "from __future__ import annotations\n" + HEAD + "@app.function()\ndef f(n: int, m: Later): return n\n@dataclasses.dataclass\nclass Later:\n    x: int\n"}))
        self.assertEqual("python_ready", started.serve()["type"])

        self.assertEqual("m.x", self.refusal(started, {"n": 1, "m": {"x": "y"}})[0])


class Streams(RunnerCase):
    SOURCE = HEAD + """
@app.function()
def words(n: int, fail: bool = False):
    for i in range(n):
        yield {"word": i}
    if fail:
        raise ValueError("enough")

@app.function()
async def later(n: int):
    for i in range(n):
        await asyncio.sleep(0)
        yield i
"""

    def test_lines_by_default(self):
        for function in ("words", "later"):
            runner = self.serving(self.SOURCE, function=function)
            answer = runner.call({"n": 3})
            self.assertEqual(("application/x-ndjson", "chunked", True), (answer.headers["content-type"], answer.headers["transfer-encoding"], answer.whole))
            self.assertEqual(3, len(answer.body.splitlines()))
            with runner.connect() as wire:  # Long ones, and the connection goes on.
                for _ in range(2):
                    self.assertEqual(1000, len(wire.call({"n": 1000}).body.splitlines()))
                self.assertEqual(b"", wire.call({"n": 0}).body)

    def test_events_when_asked(self):
        runner = self.serving(self.SOURCE, function="words")

        answer = runner.call({"n": 2}, headers=[("Accept", "text/event-stream")])

        self.assertEqual("text/event-stream", answer.headers["content-type"])
        self.assertEqual(b'data: {"word":0}\n\ndata: {"word":1}\n\n', answer.body)

    def test_a_value_leaves_when_it_is_there(self):
        runner = self.serving("""
            import os
            def handler(input):
                yield "first"
                os.read(os.open(input, os.O_RDONLY), 1)
                yield "second"
        """)
        import os
        fifo = os.path.join(runner.scratch, "fifo")
        os.mkfifo(fifo)
        with runner.connect() as wire:
            wire.request(fifo)
            wire.head()

            self.assertEqual(b'"first"\n', wire.chunk())
            with open(fifo, "w") as file:
                file.write("x")
            self.assertEqual(b'"second"\n', wire.chunk())
            self.assertEqual(b"", wire.chunk())

    def test_a_failure_before_the_first_value_is_a_problem(self):
        runner = self.serving(self.SOURCE, function="words")

        answer = runner.call({"n": 0, "fail": True})

        self.assertEqual((500, "ValueError: enough"), (answer.status, answer.json()["detail"]))

    def test_a_failure_in_the_middle_cuts_the_connection(self):
        runner = self.serving(self.SOURCE, function="words")

        answer = runner.call({"n": 1, "fail": True})
        self.assertEqual((200, False, b'{"word":0}\n'), (answer.status, answer.whole, answer.body))
        answer = runner.call({"n": 1, "fail": True}, headers=[("Accept", "text/event-stream")])
        self.assertFalse(answer.whole)
        kind, _, data = answer.body.split(b"\n\n")[1].decode().partition("\n")
        self.assertEqual(("event: error", "run_failed"), (kind, json.loads(data[len("data: "):])["code"]))
        self.assertEqual(2, len(runner.call({"n": 2}).body.splitlines()))

    def test_a_generator_does_not_run_far_ahead_of_its_reader(self):
        runner = self.serving("""
            made = 0
            def handler(input):
                global made
                if input == "made":
                    yield made
                    return
                while True:
                    made += 1
                    yield "x" * 100000
        """, concurrency=2)
        with runner.connect() as wire:
            wire.request("go")
            wire.head()
            wire.chunk()
            counts = {int(runner.call("made").body) for _ in range(20)}

        self.assertLess(max(counts), 100)


class Answers(RunnerCase):
    def test_bytes_and_responses(self):
        runner = self.serving(HEAD + """
@app.function()
def make(kind: str):
    return {"bytes": b"\\x00\\x01", "html": dormouse.Response("<p>", content_type="text/html"), "made": dormouse.Response({"a": 1}, status=201, headers={"X-Y": "z"}),
            "text": "t", "none": None, "empty": dormouse.Response(status=204)}[kind]
""")

        answer = runner.call({"kind": "bytes"})
        self.assertEqual(("application/octet-stream", b"\x00\x01"), (answer.headers["content-type"], answer.body))
        answer = runner.call({"kind": "html"})
        self.assertEqual(("text/html", b"<p>"), (answer.headers["content-type"], answer.body))
        answer = runner.call({"kind": "made"})
        self.assertEqual((201, "z", {"a": 1}), (answer.status, answer.headers["x-y"], answer.json()))
        self.assertEqual(b'"t"', runner.call({"kind": "text"}).body)
        self.assertEqual(b"null", runner.call({"kind": "none"}).body)
        with runner.connect() as wire:
            self.assertEqual(204, wire.call({"kind": "empty"}).status)
            self.assertEqual(b'"t"', wire.call({"kind": "text"}).body)

    def test_headers_changed_later_are_checked_too(self):
        runner = self.serving(HEAD + "@app.function()\ndef f():\n    r = dormouse.Response('x')\n    r.headers.append(('X', 'a\\r\\nB: c'))\n    return r\n")

        answer = runner.call({})

        self.assertEqual((500, "run_failed", None), (answer.status, answer.json()["code"], answer.headers.get("b")))

    def test_headers_that_would_split_the_answer_fail_the_call(self):
        runner = self.serving(HEAD + "@app.function()\ndef f(x: str):\n    return dormouse.Response('x', headers={'X': x})\n")

        answer = runner.call({"x": "a\r\nSet-Cookie: b"})

        self.assertEqual((500, None), (answer.status, answer.headers.get("set-cookie")))

    def test_dates_sets_and_dataclasses(self):
        runner = self.serving(HEAD + """
import datetime, uuid, decimal
@dataclasses.dataclass
class P:
    x: int
    when: datetime.date
@app.function()
def f():
    return {"p": P(1, datetime.date(2026, 1, 2)), "s": {3}, "t": (1, 2), "d": decimal.Decimal("1.50"), "b": b"a", 5: "five"}
""")

        self.assertEqual({"p": {"x": 1, "when": "2026-01-02"}, "s": [3], "t": [1, 2], "d": "1.50", "b": {"base64": "YQ=="}, "5": "five"}, runner.call({}).json())


class Classes(RunnerCase):
    def test_hooks_run_once_and_in_order(self):
        runner = self.serving(HEAD + """
order = []
@dormouse.on_start
def unique():
    order.append("on_start")
class Base:
    @dormouse.enter()
    def base(self):
        order.append("base")
@app.cls(concurrency=2)
class Model(Base):
    @dormouse.enter()
    async def late(self):
        await asyncio.sleep(0)
        order.append("late")
    @dormouse.enter(snapshot=True)
    def early(self):
        order.append("early")
        self.loaded = 1
    @dormouse.method()
    def get(self, n: int = 0):
        return [order, self.loaded + n]
    @dormouse.method()
    def other(self):
        return "other"
""", function="Model.get", concurrency=2)

        expected = [["early", "on_start", "base", "late"], 3]
        self.assertEqual(expected, runner.call({"n": 2}).json())
        self.assertEqual(expected, runner.call(2).json())

    def test_a_hook_that_raises_is_a_refusal(self):
        reason = self.refused({"app.py": HEAD + "@app.cls()\nclass M:\n    @dormouse.enter()\n    def load(self):\n        raise OSError('no weights')\n    @dormouse.method()\n    def f(self): pass\n"})

        self.assertEqual("OSError: no weights (app.py:8)", reason)

    def test_async_methods_run_concurrently(self):
        runner = self.serving(HEAD + """
@app.cls()
class M:
    @dormouse.enter()
    def load(self):
        self.there = 0
        self.event = None
    @dormouse.method()
    async def meet(self):
        self.event = self.event or asyncio.Event()
        self.there += 1
        if self.there == 2:
            self.event.set()
        await self.event.wait()
        return self.there
""", concurrency=2)
        with runner.connect() as one, runner.connect() as two:
            one.request({})
            two.request({})

            self.assertEqual((2, 2), (one.answer().json(), two.answer().json()))
