"""Which invocation printed which line."""

import threading

from .harness import RunnerCase

CODE = """
    import asyncio, logging, sys
    import dormouse
    app = dormouse.App("a")
    turn = None

    @app.function(concurrency=3)
    async def talk(word: str, wait: bool = False):
        global turn
        turn = turn or asyncio.Event()
        sys.stdout.write(word + " one")
        if wait:
            await turn.wait()
        else:
            turn.set()
        print(" two")
        logging.getLogger().warning("logged %s", word)
        sys.stdout.write(word + " unfinished")
        return word
"""


class Lines(RunnerCase):
    def test_lines_of_invocations_at_once_are_told_apart_and_stay_whole(self):
        runner = self.serving(CODE, concurrency=3)
        first = threading.Thread(target=lambda: runner.call({"word": "a", "wait": True}, headers=[("Dormouse-Invocation-Id", "id-a")]))
        first.start()
        runner.call({"word": "b"}, headers=[("Dormouse-Invocation-Id", "id-b")])
        first.join()

        for word in "ab":
            runner.printed("\x1eid-%s\x1e%s one two\n" % (word, word))
            runner.printed("\x1eid-%s\x1e%s unfinished\n" % (word, word))
        self.assertIn("\x1eid-a\x1elogged a\n", runner.stderr())

    def test_what_nobody_called_for_has_no_mark_and_a_traceback_has_its_invocation(self):
        runner = self.serving("print('imported')\ndef handler(input):\n    print('no id' if input else 'called')\n    1 / input\n")
        runner.call(1)
        runner.call(0, headers=[("Dormouse-Invocation-Id", "id-c")])

        runner.printed("imported\n")
        runner.printed("no id\n")
        runner.printed("\x1eid-c\x1ecalled\n")
        self.assertRegex(runner.stderr(), "\x1eid-c\x1einvocation id-c failed\n")
        self.assertRegex(runner.stderr(), "\x1eid-c\x1eZeroDivisionError")
