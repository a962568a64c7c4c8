"""The rehearsal leaves nothing behind but what the interpreter remembers."""

import asyncio
import os
import signal
import sys
import threading
import unittest
from unittest import mock

from dormouse.runner import rehearsal, serving


def open_files():
    return sorted(os.listdir("/proc/self/fd"))


class RehearsalTests(unittest.TestCase):
    def test_leaves_no_thread_file_signal_handler_or_loop(self):
        rehearsal.rehearse()  # Files that the interpreter keeps are open from now on.
        threads, files, handler = threading.enumerate(), open_files(), signal.getsignal(signal.SIGUSR2)
        rehearsal.rehearse()
        self.assertEqual((threads, files, handler), (threading.enumerate(), open_files(), signal.getsignal(signal.SIGUSR2)))
        self.assertEqual(signal.SIG_DFL, handler)
        with self.assertRaises(RuntimeError):
            asyncio.get_running_loop()

    def test_loads_what_the_first_start_needs(self):
        rehearsal.rehearse()
        loaded = set(sys.modules)
        rehearsal.rehearse()
        self.assertEqual(loaded, set(sys.modules))
        self.assertIn("concurrent.futures.thread", loaded)

    def test_says_when_the_call_was_not_answered(self):
        with mock.patch.object(serving.FunctionService, "_read_call", side_effect=ValueError("broken")):
            with self.assertRaisesRegex(RuntimeError, "the rehearsal was answered b'HTTP/1.1 400"):
                rehearsal.rehearse()


if __name__ == "__main__":
    unittest.main()
