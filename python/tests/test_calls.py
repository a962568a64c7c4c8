"""Calls of functions through a server, with real runners behind it."""

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import dormouse
from dormouse import _server

from .gateway import Gateway
from .harness import PACKAGE, RunnerCase

SOURCE = '''
import dormouse
from typing import List, Optional

app = dormouse.App("My_App")

@app.function()
def add(a: int, b: int = 1) -> int:
    """Adds."""
    if a < 0:
        raise ValueError("a is negative")
    return a + b

@app.function()
def words(n: int, fail: bool = False):
    for i in range(n):
        yield {"word": i}
    if fail:
        raise ValueError("enough")

@app.function()
def size(data: bytes):
    return [len(data), data]

@app.cls()
class Model:
    @dormouse.enter()
    def load(self):
        self.scale = 10
    @dormouse.method()
    def predict(self, rows: List[float]):
        return [self.scale * row for row in rows]

@app.web("/look", "GET")
def look():
    return 1

@app.local_entrypoint()
def main(a: int, b: int = 2, loud: bool = False, rows: Optional[List[int]] = None):
    """Adds two numbers."""
    print("sum", add.remote(a, b), loud, rows)

@app.local_entrypoint(name="fails")
def other():
    add.remote(-1)
'''


class Calls(RunnerCase):
    @classmethod
    def setUpClass(cls):
        # One set of runners for the class: each test only calls.
        case = cls("run_nothing")
        cls.case = case
        folder = case.folder_of({"app.py": SOURCE})
        cls.folder_path = folder
        runners = {}
        for function in ("add", "words", "size", "Model.predict"):
            runner = case.runner(folder)
            assert runner.serve(function=function, concurrency=32)["type"] == "python_ready"
            runners["my-app-" + function.lower().replace(".", "-")] = runner
        cls.gateway = Gateway({name: runner.path for name, runner in runners.items()})
        spec = importlib.util.spec_from_file_location("calls_app", os.path.join(folder, "app.py"))
        cls.module = importlib.util.module_from_spec(spec)
        sys.modules["calls_app"] = cls.module
        spec.loader.exec_module(cls.module)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.close()
        cls.case.doCleanups()

    def run_nothing(self):
        pass

    def setUp(self):
        self.environment = {"DORMOUSE_SERVER": self.gateway.address, "DORMOUSE_API_KEY": self.gateway.key}
        patch = mock.patch.dict(os.environ, self.environment)
        patch.start()
        self.addCleanup(patch.stop)
        self.gateway.calls.clear()

    def test_remote(self):
        self.assertEqual(5, self.module.add.remote(2, b=3))
        self.assertEqual("my-app-add", self.gateway.calls[0][0])
        self.assertEqual(b'{"a":2,"b":3}', self.gateway.calls[0][2])

    def test_local_and_plain_calls_stay_here(self):
        self.assertEqual((3, 3), (self.module.add.local(1, 2), self.module.add(1, 2)))
        self.assertEqual([{"word": 0}], list(self.module.words.local(1)))
        model = self.module.Model()
        self.assertEqual([20], model.predict.local([2]))
        self.assertEqual([20], model.predict([2]))
        self.assertEqual([], self.gateway.calls)

    def test_a_method_runs_remotely_without_its_object(self):
        self.assertEqual([10.0, 20.0], self.module.Model().predict.remote([1, 2]))
        self.assertEqual("my-app-model-predict", self.module.Model.predict.endpoint)

    def test_wrong_arguments_are_found_here(self):
        with self.assertRaises(TypeError):
            self.module.add.remote()
        with self.assertRaises(TypeError):
            self.module.add.remote(1, 2, 3)
        self.assertEqual([], self.gateway.calls)

    def test_refusals_name_the_field(self):
        with self.assertRaises(dormouse.RemoteError) as raised:
            self.module.add.remote("x")
        self.assertEqual(("input_invalid", 422, "a", False), (raised.exception.code, raised.exception.status, raised.exception.field, raised.exception.retryable))

    def test_failures_say_what_was_raised(self):
        with self.assertRaises(dormouse.RemoteError) as raised:
            self.module.add.remote(-1)
        self.assertEqual(("run_failed", "ValueError: a is negative", "inv-1"), (raised.exception.code, str(raised.exception), raised.exception.invocation_id))

    def test_bytes_both_ways(self):
        self.assertEqual([3, b"a\x00b"], self.module.size.remote(b"a\x00b"))
        self.assertEqual("application/octet-stream", self.gateway.calls[0][1]["Content-Type"])

    def test_remote_gen(self):
        values = self.module.words.remote_gen(3)
        self.assertEqual({"word": 0}, next(values))
        self.assertEqual([{"word": 1}, {"word": 2}], list(values))
        self.assertEqual([{"word": 0}, {"word": 1}], self.module.words.remote(2))

    def test_a_generator_that_fails_in_the_middle_says_why(self):
        seen = []
        with self.assertRaises(dormouse.RemoteError) as raised:
            for value in self.module.words.remote_gen(2, fail=True):
                seen.append(value)
        self.assertEqual((2, "ValueError: enough"), (len(seen), str(raised.exception)))
        with self.assertRaises(dormouse.RemoteError):
            self.module.words.remote(2, True)

    def test_map_keeps_the_order(self):
        self.assertEqual([n + 1 for n in range(50)], list(self.module.add.map(range(50))))
        self.assertEqual([11, 22], list(self.module.add.map([1, 2], [10, 20])))
        self.assertEqual({2, 3}, set(self.module.add.map([1, 2], order_outputs=False)))

    def test_starmap(self):
        self.assertEqual([3, 7], list(self.module.add.starmap([(1, 2), (3, 4)], parallel=1)))

    def test_map_raises_the_first_failure_or_returns_it(self):
        with self.assertRaises(dormouse.RemoteError):
            list(self.module.add.map([1, -1, 2]))
        results = list(self.module.add.map([1, -1, 2], return_exceptions=True))
        self.assertEqual((2, 3), (results[0], results[2]))
        self.assertIsInstance(results[1], dormouse.RemoteError)

    def test_map_does_not_read_an_endless_input_ahead(self):
        read = []

        def endless():
            while True:
                read.append(1)
                yield len(read)

        results = self.module.add.map(endless(), parallel=2)
        self.assertEqual([2, 3], [next(results), next(results)])
        results.close()
        self.assertLess(len(read), 10)

    def test_spawn_and_get(self):
        handle = self.module.add.spawn(1, 2)

        self.assertEqual(3, handle.get(timeout=60))
        self.assertEqual(3, handle.get())
        self.assertEqual("succeeded", handle.state())
        self.assertEqual(3, dormouse.Handle(handle.id).get())
        self.assertFalse(handle.cancel())

    def test_get_before_the_end_times_out(self):
        self.gateway.hold.clear()
        try:
            handle = self.module.add.spawn(1)
            with self.assertRaises(TimeoutError):
                handle.get(timeout=0)
            with self.assertRaises(TimeoutError):
                handle.get(timeout=0.05)
        finally:
            self.gateway.hold.set()
        self.assertEqual(2, handle.get(timeout=60))

    def test_cancel(self):
        self.gateway.hold.clear()
        try:
            handle = self.module.add.spawn(1)
            self.assertTrue(handle.cancel())
            with self.assertRaises(dormouse.RemoteCancelled):
                handle.get()
        finally:
            self.gateway.hold.set()

    def test_a_spawned_call_that_failed_raises(self):
        with self.assertRaises(dormouse.RemoteError) as raised:
            self.module.add.spawn(-1).get()
        self.assertEqual("ValueError: a is negative", str(raised.exception))

    def test_routes_are_not_called_like_functions(self):
        with self.assertRaises(dormouse.DormouseError) as raised:
            self.module.look.remote()
        self.assertIn("/invoke/my-app-look/look", str(raised.exception))

    def test_a_server_that_is_not_there(self):
        with mock.patch.dict(os.environ, {"DORMOUSE_SERVER": "http://127.0.0.1:1"}), self.assertRaises(dormouse.RemoteError) as raised:
            self.module.add.remote(1)
        self.assertEqual(("server_unreachable", True), (raised.exception.code, raised.exception.retryable))

    def test_a_wrong_key_and_a_missing_endpoint(self):
        with mock.patch.dict(os.environ, {"DORMOUSE_API_KEY": "dm_wrong"}), self.assertRaises(dormouse.RemoteError) as raised:
            self.module.add.remote(1)
        self.assertEqual(("key_invalid", 401), (raised.exception.code, raised.exception.status))

    def entry(self, *words):
        return subprocess.run([sys.executable, "-m", "dormouse.run"] + list(words), cwd=self.folder_path, capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, PYTHONPATH=PACKAGE))

    def test_local_entry_points(self):
        done = self.entry("app.py::main", "3", "--loud", "--rows", "[1,2]")
        self.assertEqual((0, "sum 5 True [1, 2]\n", ""), (done.returncode, done.stdout, done.stderr))
        done = self.entry("app.py::main", "--a=3", "--b", "-4")
        self.assertEqual("sum -1 False None\n", done.stdout)

    def test_a_plain_function_is_an_entry_point_too(self):
        self.assertEqual("7\n", self.entry("app.py::add", "3", "4").stdout)

    def test_entry_points_that_are_called_wrongly(self):
        for words, text in ((("app.py",), "main, fails"), (("app.py::nothing",), "no function 'nothing'"), (("app.py::main",), "argument 'a' is missing"),
                            (("app.py::main", "x"), "argument 'a': expected a whole number, got text ('x')"), (("app.py::main", "1", "--c", "2"), "no option --c"),
                            (("app.py::main", "1", "2", "true", "[]", "5"), "too many"), (("app.py::main", "1", "--b"), "--b needs a value"),
                            (("app.py::main", "1", "--a", "2"), "a is given twice"), (("none.py::main",), "no Python file"), (("app.py::main", "1", "--rows", "x"), "is no JSON")):
            done = self.entry(*words)
            self.assertEqual(2, done.returncode, words)
            self.assertIn(text, done.stderr)
            self.assertNotIn("Traceback", done.stderr)

    def test_an_entry_point_whose_call_fails(self):
        done = self.entry("app.py::fails")

        self.assertEqual((1, "dormouse run: ValueError: a is negative\n"), (done.returncode, done.stderr))

    def test_help_of_an_entry_point(self):
        self.assertIn("it takes --a [--b] [--loud] [--rows]\nAdds two numbers.", self.entry("app.py::main", "--help").stdout)


class Names(unittest.TestCase):
    def test_names_of_endpoints(self):
        for name, functions, expected in (("Shop", {"Cart.add_item": 1, "x": 2}, "shop-cart-add-item"), ("Shop", {"Cart.add_item": 1}, "shop"), ("a.b__C", {"__call__": 1, "x": 1}, "a-b-c-call"),
                                          ("x" * 62, {"f": 1, "g": 2}, "x" * 62)):
            app = dormouse.App(name)
            app.functions = functions
            self.assertEqual(expected, app.endpoint_name(next(iter(functions))))


class WhichServer(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp()
        self.addCleanup(lambda: __import__("shutil").rmtree(self.data))

    def write(self, name, text):
        with open(os.path.join(self.data, name), "w") as file:
            file.write(text)

    def test_variables_first(self):
        server = _server.find({"DORMOUSE_SERVER": "https://box:8443/t/team", "DORMOUSE_API_KEY": "k", "DORMOUSE_DATA": self.data})

        self.assertEqual((True, "box", 8443, "/t/team", "k"), (server.secure, server.host, server.port, server.prefix, server.key))

    def test_then_the_data_folder(self):
        self.write("server.json", '{"http":"http://127.0.0.1:9999","grpc":"x"}')
        self.write("admin-key", "dm_a_b\n")

        server = _server.find({"DORMOUSE_DATA": self.data})

        self.assertEqual((9999, "dm_a_b"), (server.port, server.key))

    def test_then_the_default(self):
        self.assertEqual(("http://127.0.0.1:8080", None), (lambda s: (s.address, s.key))(_server.find({"DORMOUSE_DATA": self.data})))
        self.write("server.json", '{"http":')
        self.assertEqual(8080, _server.find({"DORMOUSE_DATA": self.data}).port)
        self.assertEqual(8080, _server.find({}).port)

    def test_the_administrators_key_stays_on_this_machine(self):
        self.write("admin-key", "dm_a_b")

        for address, key in (("http://elsewhere:8080", None), ("http://localhost:8080", "dm_a_b"), ("http://[::1]:8080", "dm_a_b"), ("127.0.0.1:8080", "dm_a_b"), ("http://localhost.evil.com", None)):
            self.assertEqual(key, _server.find({"DORMOUSE_SERVER": address, "DORMOUSE_DATA": self.data}).key, address)

    def test_an_address_that_is_none(self):
        for address in ("ftp://x", "http://", "http://x:99999999"):
            with self.assertRaises(dormouse.DormouseError):
                _server.find({"DORMOUSE_SERVER": address})
