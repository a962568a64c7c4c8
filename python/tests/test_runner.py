"""The runner as a process: its messages and its end."""

import os
import signal

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
        self.assertFalse(runner.ready["ends"])
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
        # Whoever ends it must know that it has something to do.
        self.assertTrue(runner.ready["ends"])

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
