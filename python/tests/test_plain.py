"""Plain functions in an instance: what they get and give, and what may go wrong in them."""

from .harness import RunnerCase

PLAIN = """
    def handler(input):
        return {"got": input}
"""


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
