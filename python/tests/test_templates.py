"""Templates and the instances forked from them."""

import os
import select
import signal
import subprocess
import sys
import tempfile

from .harness import PACKAGE, SECONDS, RunnerCase


FAILING_HOOK = """
    import dormouse
    @dormouse.on_start
    def start():
        raise ValueError("no licence")
    def handler(input):
        pass
"""


class Templates(RunnerCase):
    """What a template loads once, and what each fork has for itself."""

    def refusal(self, source):
        """The reason for which this code cannot be a template."""
        started = self.runner(self.folder_of({"app.py": source}))
        message = started.template()
        self.assertEqual("refused", message["type"], message)
        self.assertEqual(0, started.wait())
        return message["reason"]

    def test_forks_share_what_was_loaded_and_start_for_themselves(self):
        template = self.template("""
            import dormouse, os
            print("imported", flush=True)
            app = dormouse.App("a")
            @app.cls()
            class Model:
                @dormouse.enter(snapshot=True)
                def load(self):
                    self.loaded_by = os.getpid()
                @dormouse.enter()
                async def begin(self):
                    self.begun_by = os.getpid()
                @dormouse.method()
                def where(self) -> list:
                    return [self.loaded_by, self.begun_by, os.getpid()]
        """)
        first, second = self.fork(template, 1), self.fork(template, 2)

        answers = [fork.call({}).json() for fork in (first, second)]

        template.printed("imported", times=1)
        self.assertEqual([template.process.pid] * 2, [answer[0] for answer in answers])
        self.assertEqual([[fork.process_id] * 2 for fork in (first, second)], [answer[1:] for answer in answers])

    def test_forks_draw_different_numbers(self):
        template = self.template("""
            import random, secrets, tempfile, uuid
            next(tempfile._get_candidate_names())
            def handler(input):
                return [random.random(), str(uuid.uuid4()), secrets.token_hex(8), next(tempfile._get_candidate_names())]
        """)

        answers = [self.fork(template, number).call({}).json() for number in (1, 2)]

        for one, other in zip(*answers):
            self.assertNotEqual(one, other)

    def test_numpy_draws_different_numbers_in_each_fork(self):
        try:
            import numpy  # noqa: F401
        except ImportError:
            self.skipTest("numpy is not installed")
        template = self.template("""
            import numpy
            numpy.ones((500, 500)) @ numpy.ones((500, 500))
            def handler(input):
                numpy.ones((500, 500)) @ numpy.ones((500, 500))
                return numpy.random.random()
        """)

        self.assertEqual(2, len({self.fork(template, number).call({}).json() for number in (1, 2)}))

    def test_start_hooks_run_in_each_fork_and_not_in_the_template(self):
        template = self.template("""
            import dormouse, os
            started = []
            @dormouse.on_start
            def start():
                started.append(os.getpid())
            def handler(input):
                return [started, os.getpid()]
        """)

        started, process_id = self.fork(template).call({}).json()

        self.assertEqual([process_id], started)

    def test_output_of_a_fork_is_its_own(self):
        template = self.template("""
            def handler(input):
                print("said", input, flush=True)
        """)
        fork = self.fork(template)

        fork.call("this")

        self.assertEqual("said this\n", fork.output.readline())

    def test_a_fork_places_itself_before_anything_of_the_user_runs(self):
        template = self.template("""
            import dormouse
            @dormouse.on_start
            def start():
                print(open(PLACE).read(), flush=True)
            def handler(input):
                pass
        """.replace("PLACE", repr(self.place().name)))

        fork = self.fork(template, places=[self.placed])

        self.assertEqual("0\n", fork.output.readline())

    def test_the_end_of_a_fork_is_told_with_how_it_ended(self):
        template = self.template("""
            import os
            def handler(input):
                os._exit(input)
        """)
        first, second = self.fork(template, 11), self.fork(template, 12)

        self.assertIsNone(self.cut(first, 7))
        self.assertEqual(("fork_ended", 11, 7), self.ended(template, "exit_code"))
        os.kill(second.process_id, signal.SIGKILL)
        self.assertEqual(("fork_ended", 12, 9), self.ended(template, "signal"))
        self.fork(template, 13)

    def test_a_fork_ends_with_its_control_socket(self):
        template = self.template("def handler(input): pass\n")
        fork = self.fork(template)

        fork.control.close()

        self.assertEqual(("fork_ended", 1, 0), self.ended(template, "exit_code"))

    def test_forks_end_with_their_template(self):
        template = self.template("def handler(input): pass\n")
        fork = self.fork(template)

        template.process.kill()

        self.assertIsNone(fork.receive())

    def test_a_template_ends_with_its_control_socket(self):
        template = self.template("def handler(input): pass\n")
        template.control.close()
        self.assertEqual(0, template.wait())

    def test_a_fork_whose_hook_fails_is_refused_with_the_reason(self):
        template = self.template(FAILING_HOOK)
        fork = template.fork()
        self.addCleanup(fork.close)

        self.assertEqual("forked", fork.receive()["type"])
        refused = fork.receive()
        self.assertEqual("refused", refused["type"])
        self.assertIn("no licence", refused["reason"])
        self.assertEqual(("fork_ended", 1, 0), self.ended(template, "exit_code"))

    def test_a_fork_made_ahead_runs_nothing_of_the_user_until_it_is_told_to_serve(self):
        template = self.template("""
            import dormouse, os, random
            started = []
            @dormouse.on_start
            def start():
                started.append(os.getpid())
                print("started", flush=True)
            def handler(input):
                return [started, random.random()]
        """)
        spares = [self.waiting(template, number, places=[self.place_file()]) for number in (1, 2)]
        for spare in spares:
            self.assertEqual([], select.select([spare.output], [], [], 0)[0])

        self.assertEqual(["python_ready"] * 2, [spare.serve()["type"] for spare in spares])

        answers = [spare.call({}).json() for spare in spares]
        self.assertEqual([[spare.process_id] for spare in spares], [answer[0] for answer in answers])
        self.assertNotEqual(answers[0][1], answers[1][1])
        self.assertEqual("started\n", spares[0].output.readline())

    def test_forks_made_ahead_copy_what_the_first_call_of_another_wrote_to(self):
        template = self.template("""
            import resource
            kept = [[number] for number in range(200000)]
            def handler(input):
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
                for one in kept:
                    one[0] += 1
                return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        """)
        first = self.fork(template, 1)
        spare = self.waiting(template, 2)
        faults = first.call({}).json()
        self.assertEqual("fork_waits", spare.receive()["type"])  # Again: it has learned and copied.
        late = self.waiting(template, 3)

        self.assertEqual(["python_ready"] * 2, [fork.serve()["type"] for fork in (spare, late)])

        self.assertGreater(faults, 500)
        for fork in (spare, late):
            self.assertLess(fork.call({}).json(), faults / 5)

    def test_a_fork_made_ahead_ends_with_its_control_socket_and_its_template(self):
        template = self.template("def handler(input): pass\n")
        first, second = self.waiting(template, 1), self.waiting(template, 2)

        first.control.close()

        self.assertEqual(("fork_ended", 1, 0), self.ended(template, "exit_code"))
        template.process.kill()
        self.assertIsNone(second.receive())

    def test_a_fork_made_ahead_whose_hook_fails_is_refused_when_it_is_taken(self):
        template = self.template(FAILING_HOOK)

        refused = self.waiting(template).serve()

        self.assertIn("no licence", refused["reason"])
        self.assertEqual(("fork_ended", 1, 0), self.ended(template, "exit_code"))

    def test_an_instance_keeps_nothing_open_of_how_it_was_made(self):
        template = self.template("""
            import os
            def handler(input):
                return sorted(os.readlink("/proc/self/fd/" + entry) for entry in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + entry))
        """)
        fork, spare = self.fork(template, 1), self.waiting(template, 2)
        fork.call({})
        spare.receive()
        spare.serve()

        pipes = [place for place in spare.call({}).json() if place.startswith("pipe:")]

        self.assertEqual(1, len(set(pipes)), pipes)  # Its output.

    def test_a_slot_and_limits_hold_in_a_fork(self):
        template = self.template("def handler(input): return len(input)\n", memory_mib=16)
        fork = self.fork(template)

        with fork.connect() as wire:
            wire.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
            self.assertEqual(413, wire.answer().status)
        self.assertEqual(3, fork.call("abc").json())

    def test_threads_of_the_code_refuse_the_rung(self):
        reason = self.refusal("""
            import threading
            threading.Thread(target=threading.Event().wait, name="refresher", daemon=True).start()
            def handler(input): pass
        """)
        self.assertIn("refresher", reason)
        self.assertIn("on_start", reason)

    def test_threads_of_a_library_that_is_known_for_them_are_refused_with_how_it_has_none(self):
        reason = self.refusal("""
            import sys, threading
            sys.modules["onnxruntime"] = threading
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            def handler(input): pass
        """)
        self.assertIn("intra_op_num_threads = 1", reason)
        self.assertNotIn("torch", reason)

    def test_open_sockets_files_and_event_loops_refuse_the_rung(self):
        for source, word in (("import socket\nkept = socket.socket()", "network connection"), ("kept = open('app.py')", "the file app.py"),
                             ("import select\nkept = select.epoll()", "event loop"), ("import os\nkept = os.pipe()", "a pipe")):
            with self.subTest(word):
                self.assertIn(word, self.refusal(source + "\ndef handler(input): pass\n"))

    def test_code_that_does_not_survive_a_fork_refuses_the_rung(self):
        reason = self.refusal("""
            import os
            os.register_at_fork(after_in_child=lambda: os._exit(5))
            def handler(input): pass
        """)
        self.assertIn("does not survive a fork", reason)

    def test_code_that_hangs_at_a_fork_refuses_the_rung(self):
        script = ("import os, time, dormouse.runner.template as t\nt.TRIAL_SECONDS_MAX = 0.2\n"
                  "os.register_at_fork(after_in_child=lambda: time.sleep(1000))\nt.try_fork()\n")
        ran = subprocess.run([sys.executable, "-c", script], env=dict(os.environ, PYTHONPATH=PACKAGE), stderr=subprocess.PIPE, timeout=SECONDS)
        self.assertIn(b"hangs", ran.stderr)

    def test_broken_code_is_refused_as_everywhere(self):
        self.assertIn("NameError", self.refusal("undefined\n"))

    def waiting(self, template, number=1, **options):
        """A fork that is made ahead and waits."""
        fork = template.fork(number, waits=True, **options)
        self.addCleanup(fork.close)
        self.assertEqual(["forked", "fork_waits"], [fork.receive()["type"], fork.receive()["type"]])
        return fork

    def place_file(self):
        self.place()
        return self.placed

    def place(self):
        self.placed = tempfile.NamedTemporaryFile()
        self.addCleanup(self.placed.close)
        return self.placed

    def cut(self, fork, value):
        """The answer of a call whose instance ends in the middle: none."""
        with fork.connect() as wire:
            return wire.call(value)

    def ended(self, template, how):
        message = template.receive()
        self.assertGreater(message["peak_memory_bytes"], 0)
        return message["type"], message["worker"], message.get(how)
