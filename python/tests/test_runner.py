"""The runner as a process: its messages, its end, and what plain functions get and give."""

import os
import signal
import socket

from .harness import RunnerCase

PLAIN = """
    def handler(input):
        return {"got": input}
"""


class Messages(RunnerCase):
    def test_hello_names_the_interpreter_and_the_socket_listens_already(self):
        runner = self.runner(self.folder(app_py=PLAIN))

        hello = runner.hello()

        self.assertRegex(hello["engine_key"], r"^python-3\.\d+$")
        self.assertEqual("python", hello["build"])
        self.assertTrue(os.path.exists(runner.path))

    def test_ready_tells_load_time_and_schema(self):
        runner = self.serving("""
            import dormouse
            app = dormouse.App("a")
            @app.function()
            def add(a: int, b: int = 2) -> int:
                return a + b
        """)

        self.assertGreater(runner.ready["load_microseconds"], 0)
        self.assertEqual({"input": {"type": "object", "additionalProperties": False, "required": ["a"],
                                    "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 2}}},
                          "output": {"type": "integer"}}, runner.ready["schema"])

    def test_a_module_that_raises_is_refused_with_the_line_and_without_paths(self):
        reason = self.refused({"app.py": "import os\n\nimport no_such_module_at_all\n"})

        self.assertEqual("ModuleNotFoundError: No module named 'no_such_module_at_all' (app.py:3)", reason)
        self.assertIn("app.py\", line 3", self.last.stderr())
        self.assertNotIn("/proc/self", self.last.stderr())

    def test_a_syntax_error_is_refused_with_its_line(self):
        reason = self.refused({"app.py": "x = 1\ndef f(:\n    pass\n"})

        self.assertRegex(reason, r"^SyntaxError: .* \(app\.py:2\)$")

    def test_a_module_that_ends_the_program_is_refused(self):
        self.assertIn("the module ended the program", self.refused({"app.py": "import sys\nsys.exit(3)\n"}))

    def test_several_functions_without_a_choice_are_refused_with_the_list(self):
        source = "import dormouse\napp = dormouse.App('a')\n@app.function()\ndef one(): pass\n@app.function()\ndef two(): pass\n"

        self.assertEqual("Which function? There are one, two: say one of them.", self.refused({"app.py": source}))
        self.assertIn("no function 'three'; there are one, two", self.refused({"app.py": source}, function="three"))

    def test_a_file_with_nothing_to_serve_is_refused(self):
        self.assertIn("holds neither a dormouse.App", self.refused({"app.py": "x = 1\n"}))

    def test_an_assignment_of_another_version_is_refused(self):
        runner = self.runner(self.folder(app_py=PLAIN))
        runner.hello()

        runner.assign({"type": "serve_cobol"})

        self.assertIn("different versions", runner.receive()["reason"])

    def test_the_environment_is_there_before_the_import(self):
        runner = self.serving("""
            import os
            AT_IMPORT = os.environ["COLOUR"]
            def handler(input):
                return AT_IMPORT
        """, environment={"COLOUR": "red"})

        self.assertEqual("red", runner.call({}).json())

    def test_modules_beside_the_app_are_imported_and_nothing_is_written_there(self):
        folder = self.folder_of({"app.py": "import helper\nfrom sub import more\ndef handler(input):\n    return helper.x + more.y\n",
                                 "helper.py": "x = 1\n", "sub/__init__.py": "", "sub/more.py": "y = 2\n"})
        runner = self.runner(folder)
        self.assertEqual("python_ready", runner.serve()["type"])

        self.assertEqual(3, runner.call({}).json())
        self.assertEqual(["app.py", "helper.py", "sub"], sorted(os.listdir(folder)))
        self.assertEqual(["__init__.py", "more.py"], sorted(os.listdir(os.path.join(folder, "sub"))))

    def test_the_file_is_found_when_nobody_names_it(self):
        for files in ({"app.py": PLAIN, "other.py": "1/0"}, {"main.py": PLAIN, "zzz.py": "1/0"}, {"only_this_one.py": PLAIN}):
            runner = self.runner(self.folder_of(files))
            self.assertEqual("python_ready", runner.serve(module=None)["type"])

        self.assertIn("a.py, b.py", self.refused({"a.py": PLAIN, "b.py": PLAIN}, module=None))
        self.assertIn("nothing to run", self.refused({"readme.txt": "x"}, module=None))

    def test_a_file_outside_of_the_folder_is_refused(self):
        self.assertIn("no Python file of the package", self.refused({"app.py": PLAIN}, module="../app.py"))
        self.assertIn("has no file gone.py", self.refused({"app.py": PLAIN}, module="gone.py"))

    def test_a_file_named_like_a_module_of_the_runner_is_loaded_all_the_same(self):
        runner = self.serving(PLAIN, module="signal.py")

        self.assertEqual({"got": 1}, runner.call(1).json())

    def test_inspect_describes_and_ends(self):
        runner = self.runner(self.folder(app_py='''
            import dormouse
            app = dormouse.App("shop")

            @app.function(memory="2048MiB", cpu=2, timeout=90, environment={"A": "b"}, pip=["numpy==1.26.4"], python="3.11", network="outbound")
            def price(item: str) -> float:
                """What it costs.

                More words."""
                return 1.0

            @app.function()
            def words(n: int):
                yield n

            @app.web("/items/{id}", "GET")
            def item(id: int):
                return id
        '''))

        message = runner.inspect()

        self.assertEqual(("python_inspected", "shop", "app.py"), (message["type"], message["app"], message["module"]))
        price, words, item = message["functions"]
        self.assertEqual({"name": "price", "kind": "function", "doc": "What it costs.", "stream": False,
                          "settings": {"memory": "2GiB", "cpu": 2.0, "timeout": "90s", "environment": {"A": "b"}, "pip": ["numpy==1.26.4"],
                                       "python": "3.11", "network": "outbound"},
                          "schema": {"input": {"type": "object", "properties": {"item": {"type": "string"}}, "additionalProperties": False,
                                               "required": ["item"]}, "output": {"type": "number"}}}, price)
        self.assertEqual((True, {}, None), (words["stream"], words["settings"], words["doc"]))
        self.assertEqual("web", item["kind"])
        self.assertGreater(message["load_microseconds"], 0)
        self.assertEqual(0, runner.wait())

    def test_a_description_too_long_for_a_packet_loses_its_schemas_and_not_its_names(self):
        arguments = ", ".join("argument_number_%d: int" % n for n in range(300))
        source = "import dormouse\napp = dormouse.App('big')\n" + "".join(
            "@app.function()\ndef f%d(%s): pass\n" % (n, arguments) for n in range(30))
        runner = self.runner(self.folder_of({"app.py": source}))

        message = runner.inspect()

        self.assertEqual(30, len(message["functions"]))
        self.assertEqual({"input": None, "output": None}, message["functions"][7]["schema"])

    def test_without_a_control_socket_it_says_who_starts_it(self):
        import subprocess
        import sys
        from .harness import PACKAGE
        done = subprocess.run([sys.executable, "-m", "dormouse.runner", "--socket", "/nowhere/s"], cwd=PACKAGE, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, close_fds=True)

        self.assertEqual(2, done.returncode)
        self.assertIn("not a control socket", done.stderr)


class Ending(RunnerCase):
    def test_end_of_file_ends_it_before_an_assignment(self):
        runner = self.runner(self.folder(app_py=PLAIN))
        runner.hello()

        runner.control.close()

        self.assertEqual(0, runner.wait())

    def test_end_of_file_ends_it_in_the_middle_of_a_run(self):
        runner = self.serving("""
            import threading
            def handler(input):
                print("running", flush=True)
                threading.Event().wait()
        """)
        with runner.connect() as wire:
            wire.request(1)
            runner.printed("running")

            runner.control.close()

            self.assertEqual(0, runner.wait())

    def test_end_of_file_ends_it_while_the_module_is_imported(self):
        runner = self.runner(self.folder(app_py="import threading\nprint('importing', flush=True)\nthreading.Event().wait()\n"))
        runner.hello()
        runner.assign({"type": "serve_python", "folder_descriptor": 0, "module": "app.py", "function": None, "concurrency": 1, "memory_mib": 64, "environment": {}})
        runner.printed("importing")

        runner.control.close()

        self.assertEqual(0, runner.wait())

    def test_a_second_assignment_ends_it(self):
        runner = self.serving(PLAIN)

        runner.assign({"type": "serve_python"})

        self.assertEqual(0, runner.wait())

    def test_sigterm_runs_the_exit_hooks_and_ends(self):
        runner = self.serving("""
            import dormouse
            app = dormouse.App("a")
            @app.cls()
            class Model:
                @dormouse.enter()
                def load(self):
                    self.word = "loaded"
                @dormouse.method()
                def get(self):
                    return self.word
                @dormouse.exit()
                async def goodbye(self):
                    print("goodbye,", self.word)
        """)
        self.assertEqual("loaded", runner.call({}).json())

        runner.process.send_signal(signal.SIGTERM)

        self.assertEqual(0, runner.wait())
        self.assertIn("goodbye, loaded", runner.stdout())

    def test_an_exit_hook_that_never_returns_is_bounded(self):
        runner = self.serving("""
            import dormouse, threading
            app = dormouse.App("a")
            @app.cls()
            class Model:
                @dormouse.method()
                def get(self):
                    return 1
                @dormouse.exit()
                def stay(self):
                    threading.Event().wait()
        """)

        runner.process.send_signal(signal.SIGTERM)

        self.assertEqual(0, runner.wait())

    def test_a_program_that_the_handler_started_does_not_hold_the_control_socket(self):
        runner = self.serving("""
            import subprocess
            def handler(input):
                return subprocess.run(["/bin/sh", "-c", "ls -l /proc/self/fd"], close_fds=False, stdout=subprocess.PIPE, text=True).stdout
        """)

        self.assertNotIn("socket:", runner.call({}).json())


class PlainFunctions(RunnerCase):
    def test_handler_gets_the_whole_value(self):
        runner = self.serving(PLAIN)

        for value in ({"a": 1}, [1, 2], "text", 3, True):
            self.assertEqual({"got": value}, runner.call(value).json())
        self.assertEqual({"got": None}, runner.call().json())

    def test_handle_gets_its_invocation(self):
        runner = self.serving("""
            import dormouse
            def handle(event, context):
                assert dormouse.current() is context
                return [event, context.invocation_id, context.function_name, context.memory_mib, context.deadline is not None]
        """, memory_mib=64)

        answer = runner.call({"x": 1}, headers=[("Dormouse-Invocation-Id", "abc"), ("Dormouse-Deadline", "10s")])

        self.assertEqual([{"x": 1}, "abc", "handle", 64, True], answer.json())

    def test_any_function_can_be_named(self):
        runner = self.serving("def predict(a: int, b: int):\n    return a * b\n", function="predict")

        self.assertEqual(6, runner.call({"a": 2, "b": 3}).json())

    def test_an_async_handler(self):
        runner = self.serving("import asyncio\nasync def handler(input):\n    await asyncio.sleep(0)\n    return input\n")

        self.assertEqual([1], runner.call([1]).json())

    def test_run_and_processor_time_are_told(self):
        runner = self.serving("""
            import time
            def handler(input):
                until = time.thread_time() + 0.02
                while time.thread_time() < until:
                    pass
        """)

        answer = runner.call(1)

        self.assertEqual(b"null", answer.body)
        self.assertGreaterEqual(int(answer.headers["dormouse-run"]), 20000)
        self.assertGreaterEqual(int(answer.headers["dormouse-cpu"]), 20000)

    def test_an_exception_is_a_problem_and_its_traceback_is_logged(self):
        runner = self.serving("def handler(input):\n    raise ValueError('no such colour')\n")

        answer = runner.call(1, headers=[("Dormouse-Invocation-Id", "inv-7")])

        self.assertEqual(500, answer.status)
        self.assertEqual("application/problem+json", answer.headers["content-type"])
        document = answer.json()
        self.assertEqual(("run_failed", "ValueError: no such colour", "inv-7", False),
                         (document["code"], document["detail"], document["invocation_id"], document["retryable"]))
        self.assertIn("dormouse-run", answer.headers)
        self.assertIn("invocation inv-7 failed\n", runner.stderr())
        self.assertIn('File "app.py", line 2, in handler', runner.stderr())
        self.assertNotIn("running.py", runner.stderr())

    def test_a_handler_that_ends_its_thread_fails_its_call_only(self):
        runner = self.serving("import sys\ndef handler(input):\n    if input: sys.exit(4)\n    return 'fine'\n")

        self.assertEqual("SystemExit: 4", runner.call(1).json()["detail"])
        self.assertEqual("fine", runner.call(0).json())

    def test_a_handler_that_ends_the_process_breaks_the_connection(self):
        runner = self.serving("import os\ndef handler(input):\n    os._exit(7)\n")

        self.assertIsNone(runner.call(1))
        self.assertEqual(7, runner.wait())

    def test_a_background_task_that_ends_the_program_ends_the_instance_with_a_word(self):
        runner = self.serving("""
            import asyncio, sys
            async def leave():
                sys.exit(3)
            async def handler(input):
                asyncio.ensure_future(leave())
                await asyncio.Event().wait()
        """)

        self.assertIsNone(runner.call(1))
        self.assertEqual(1, runner.wait())
        self.assertIn("a background task ended the instance", runner.stderr())

    def test_what_a_handler_prints_is_on_standard_output_only(self):
        runner = self.serving("def handler(input):\n    print('seen', input)\n    return 1\n")

        self.assertEqual(b"1", runner.call("x").body)
        runner.control.close()
        self.assertEqual("seen x\n", runner.stdout())

    def test_a_child_that_comes_back_from_the_handler_does_not_answer(self):
        runner = self.serving("""
            import os
            def handler(input):
                pid = os.fork()
                if pid == 0:
                    return "from the child"
                os.waitpid(pid, 0)
                return "from the instance"
        """)

        with runner.connect() as wire:
            self.assertEqual("from the instance", wire.call(1).json())
            self.assertEqual("from the instance", wire.call(1).json())

    def test_a_child_that_raises_does_not_answer(self):
        runner = self.serving("""
            import os
            def handler(input):
                pid = os.fork()
                if pid == 0:
                    raise ValueError("in the child")
                os.waitpid(pid, 0)
                return "from the instance"
        """)

        self.assertEqual("from the instance", runner.call(1).json())

    def test_processes_of_multiprocessing_work(self):
        runner = self.serving("""
            import multiprocessing
            def square(n):
                return n * n
            def handler(input):
                with multiprocessing.get_context("fork").Pool(2) as pool:
                    return pool.map(square, input)
        """)

        self.assertEqual([1, 4, 9], runner.call([1, 2, 3]).json())

    def test_processes_that_start_anew_find_the_app(self):
        runner = self.serving("""
            import multiprocessing
            def square(n):
                return n * n
            def handler(input):
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    return pool.map(square, input)
        """)

        self.assertEqual([1, 4, 9], runner.call([1, 2, 3]).json())

    def test_results_that_json_cannot_say_are_refused_with_their_place(self):
        runner = self.serving("""
            def handler(input):
                return {"nan": {"scores": [1.0, float("nan")]}, "object": {"x": [object()]}, "key": {(1, 2): 3}, "surrogate": "\\ud800"}[input]
        """)

        for value, detail in (("nan", "the result['scores'][1] is nan, which JSON cannot say"), ("object", "the result['x'][0] cannot be sent as JSON"),
                              ("key", "has the key (1, 2): keys must be text"), ("surrogate", "lone surrogates")):
            answer = runner.call(value)
            self.assertEqual((500, "run_failed"), (answer.status, answer.json()["code"]))
            self.assertIn(detail, answer.json()["detail"])

    def test_a_result_that_holds_itself_is_refused(self):
        runner = self.serving("def handler(input):\n    x = []\n    x.append(x)\n    return x\n")

        self.assertEqual(500, runner.call(1).status)

    def test_malformed_json_is_refused_with_its_place(self):
        runner = self.serving(PLAIN)

        for body in (b'{"a":\n 1,}', b"[NaN]", b"\xff", b"[" * 100000):
            answer = runner.call(body=body, headers=[("Content-Type", "application/json")])
            self.assertEqual((400, "request_invalid"), (answer.status, answer.json()["code"]))
        self.assertIn("line 2, column", runner.call(body=b'{"a":\n 1,}').json()["detail"])

    def test_bodies_that_are_no_json_arrive_as_text_or_bytes(self):
        runner = self.serving("def handler(input):\n    return [type(input).__name__, len(input)]\n")

        self.assertEqual(["bytes", 3], runner.call(body=b"\x00\x01\x02", headers=[("Content-Type", "application/octet-stream")]).json())
        self.assertEqual(["str", 2], runner.call(body="äö".encode(), headers=[("Content-Type", "text/plain")]).json())

    def test_compressed_bodies_are_unpacked_and_bounded(self):
        import gzip
        import zlib
        runner = self.serving("def handler(input):\n    return len(input)\n", memory_mib=4)

        for coding, body in (("gzip", gzip.compress(b'"hello"')), ("deflate", zlib.compress(b'"hello"'))):
            self.assertEqual(5, runner.call(body=body, headers=[("Content-Encoding", coding)]).json())
        self.assertEqual(413, runner.call(body=gzip.compress(b'"' + b"x" * (2 << 20) + b'"'), headers=[("Content-Encoding", "gzip")]).status)
        self.assertEqual(400, runner.call(body=b"not gzip", headers=[("Content-Encoding", "gzip")]).status)
        self.assertEqual(415, runner.call(body=b"x", headers=[("Content-Encoding", "br")]).status)

    def test_only_post_to_the_root(self):
        runner = self.serving(PLAIN)

        answer = runner.call(method="GET")
        self.assertEqual((405, "POST"), (answer.status, answer.headers["allow"]))
        self.assertEqual(404, runner.call(1, path="/other").status)
        self.assertEqual(405, runner.call(method="HEAD").status)

    def test_more_calls_than_slots_are_refused(self):
        runner = self.serving("""
            import threading
            go, inside = threading.Event(), threading.Event()
            def handler(input):
                if input == "hold":
                    inside.set()
                    go.wait()
                return input
            def let_go():
                inside.wait()
        """, concurrency=2)
        with runner.connect() as one, runner.connect() as two, runner.connect() as three:
            one.request("hold")
            two.request("hold")
            refused = None
            while refused is None or refused.status != 503:  # Until both are running.
                refused = three.call("now")

            self.assertEqual(("capacity_exhausted", True), (refused.json()["code"], refused.json()["retryable"]))

    def test_a_slot_is_free_when_its_answer_is_there(self):
        runner = self.serving(PLAIN)

        with runner.connect() as one, runner.connect() as two:
            for n in range(200):
                self.assertEqual(200, (one if n % 2 else two).call(n).status)

    def test_calls_run_side_by_side_up_to_the_concurrency(self):
        runner = self.serving("""
            import threading
            both = threading.Barrier(2)
            def handler(input):
                both.wait()
                return input
        """, concurrency=2)

        with runner.connect() as one, runner.connect() as two:
            one.request(1)
            two.request(2)

            self.assertEqual((1, 2), (one.answer().json(), two.answer().json()))
