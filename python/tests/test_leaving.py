"""Callers who leave while the function runs."""

import os

from .harness import RunnerCase


class Leaving(RunnerCase):
    """A caller who hangs up while the function runs."""

    def call_when_free(self, runner, value):
        """The answer of the first call that finds the slot free: it is, soon after the run before it has ended."""
        with runner.connect() as wire:
            answer = wire.call(value)
            while answer.status == 503:
                answer = wire.call(value)
            return answer

    def test_an_async_function_is_cancelled(self):
        runner = self.serving("""
            import asyncio
            async def handler(input):
                if input == "quick":
                    return "done"
                try:
                    print("waiting", flush=True)
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    print("cancelled", flush=True)
                    raise
        """)
        with runner.connect() as wire:
            wire.request("long")
            runner.printed("waiting")

        runner.printed("cancelled")
        self.assertEqual("done", self.call_when_free(runner, "quick").json())
        self.assertEqual("", runner.stderr())

    def test_a_generator_is_closed(self):
        runner = self.serving("""
            import dormouse, threading
            app = dormouse.App("a")
            @app.function()
            def count(to: int):
                try:
                    n = 0
                    while n < to:
                        n += 1
                        yield n
                finally:
                    print("closed", flush=True)
        """)
        with runner.connect() as wire:
            wire.request({"to": 10 ** 9})
            self.assertEqual(200, wire.head()[0])
            self.assertEqual(b"1\n", wire.chunk())

        runner.printed("closed")
        answer = self.call_when_free(runner, {"to": 2})
        self.assertEqual((b"1\n2\n", True), (answer.body, answer.whole))

    def test_an_async_generator_is_closed_where_it_waits(self):
        runner = self.serving("""
            import asyncio
            async def handler(input):
                try:
                    yield 1
                    await asyncio.Event().wait()
                finally:
                    print("closed", flush=True)
        """)
        with runner.connect() as wire:
            wire.request("x")
            self.assertEqual(200, wire.head()[0])
            self.assertEqual(b"1\n", wire.chunk())

        runner.printed("closed")

    def test_a_sync_function_runs_to_its_end_and_holds_its_slot(self):
        runner = self.serving("""
            import os
            def handler(input):
                if input == "quick":
                    return "done"
                print("inside", flush=True)
                os.read(os.open(input, os.O_RDONLY), 1)
        """)
        fifo = os.path.join(runner.scratch, "fifo")
        os.mkfifo(fifo)
        with runner.connect() as wire:
            wire.request(fifo)
            runner.printed("inside")

        with runner.connect() as wire:
            self.assertEqual(503, wire.call("quick").status)
            with open(fifo, "w") as file:
                file.write("x")
            answer = wire.call("quick")
            while answer.status == 503:
                answer = wire.call("quick")
            self.assertEqual("done", answer.json())

    def cancel(self, runner, invocation_id):
        answer = runner.call(method="POST", headers=[("Dormouse-Cancel", invocation_id)])
        self.assertEqual(204, answer.status)

    def test_a_cancelled_async_function_answers_that_its_caller_left(self):
        runner = self.serving("""
            import asyncio
            async def handler(input):
                print("waiting", flush=True)
                await asyncio.Event().wait()
        """)
        with runner.connect() as wire:
            wire.request(1, headers=[("Dormouse-Invocation-Id", "one")])
            runner.printed("waiting")

            self.cancel(runner, "another")
            self.cancel(runner, "one")

            answer = wire.answer()
            self.assertEqual((499, "caller_left"), (answer.status, answer.json()["code"]))
            self.assertIn("dormouse-run", answer.headers)
            self.assertIsNone(answer.headers.get("connection"))
        self.assertEqual("", runner.stderr())

    def test_cancelled_generators_end_normally(self):
        for source in ("def handler(input):\n    try:\n        while True:\n            yield 1\n    finally:\n        print('closed', flush=True)\n",
                       "import asyncio\nasync def handler(input):\n    try:\n        yield 1\n        await asyncio.Event().wait()\n    finally:\n        print('closed', flush=True)\n"):
            runner = self.serving(source)
            with runner.connect() as wire:
                wire.request(1, headers=[("Dormouse-Invocation-Id", "one")])
                wire.head()
                self.assertEqual(b"1\n", wire.chunk())

                self.cancel(runner, "one")

                part = wire.chunk()
                while part:
                    part = wire.chunk()
                self.assertEqual(b"", part)
                runner.printed("closed")

    def test_a_cancelled_sync_function_answers_as_ever(self):
        runner = self.serving("""
            import os
            def handler(input):
                print("inside", flush=True)
                os.read(os.open(input, os.O_RDONLY), 1)
                return "done"
        """)
        fifo = os.path.join(runner.scratch, "fifo")
        os.mkfifo(fifo)
        with runner.connect() as wire:
            wire.request(fifo, headers=[("Dormouse-Invocation-Id", "one")])
            runner.printed("inside")

            self.cancel(runner, "one")

            with open(fifo, "w") as file:
                file.write("x")
            self.assertEqual("done", wire.answer().json())

    def test_a_sync_function_may_look_whether_its_caller_left(self):
        runner = self.serving("""
            import dormouse, threading
            def handler(input):
                print("inside", flush=True)
                while not dormouse.current().cancelled:
                    threading.Event().wait(0.005)
                return "ended early"
        """)
        with runner.connect() as wire:
            wire.request(1, headers=[("Dormouse-Invocation-Id", "one")])
            runner.printed("inside")

            self.cancel(runner, "one")

            self.assertEqual("ended early", wire.answer().json())

    def test_a_cancelled_application_hears_of_it(self):
        runner = self.serving("""
            import dormouse
            app = dormouse.App("a")
            @app.asgi()
            async def web(scope, receive, send):
                assert scope["type"] == "http"
                while (await receive()).get("more_body"):
                    pass
                print("waiting", flush=True)
                if scope["path"] == "/listens":
                    print((await receive())["type"], flush=True)
                else:
                    import asyncio
                    await asyncio.Event().wait()
        """)
        for path in ("/listens", "/does-not"):
            with runner.connect() as wire:
                wire.request(path=path, headers=[("Dormouse-Invocation-Id", path)])
                runner.printed("waiting", 1 if path == "/listens" else 2)

                self.cancel(runner, path)

                self.assertEqual(499, wire.answer().status)
        runner.printed("http.disconnect")
