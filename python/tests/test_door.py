"""What a fork takes along when it leaves its siblings, and in which order it is told. That it leaves them is tested with the launcher (ForkBorderTests)."""

import os
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

from dormouse.runner import door, process
from dormouse.runner.control import ControlSocket

from .harness import PACKAGE


class Doors(unittest.TestCase):
    """The runner's part that needs no sandbox."""

    def test_what_the_template_left_is_copied_with_its_modes_and_what_has_two_ends_is_not(self):
        with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as target:
            os.makedirs(os.path.join(source, "a", "b"))
            os.chmod(os.path.join(source, "a"), 0o750)
            with open(os.path.join(source, "a", "b", "file"), "w") as file:
                file.write("text")
            os.chmod(file.name, 0o600)
            os.symlink("a/b/file", os.path.join(source, "link"))
            os.mkfifo(os.path.join(source, "pipe"))
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.path.join(source, "socket"))

            door.copy(source, target, None)

            self.assertEqual(["a", "link"], sorted(os.listdir(target)))
            with open(os.path.join(target, "link")) as copied:
                self.assertEqual("text", copied.read())
            self.assertEqual(0o600, stat.S_IMODE(os.stat(os.path.join(target, "a", "b", "file")).st_mode))
            self.assertEqual(0o750, stat.S_IMODE(os.stat(os.path.join(target, "a")).st_mode))

    def test_a_message_that_comes_early_is_kept_for_its_turn(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            control = ControlSocket(theirs)
            ours.sendall(b'{"type":"serve_fork"}')
            ours.sendall(b'{"own_user":true}')

            self.assertEqual({"own_user": True}, control.receive_with("own_user"))
            self.assertTrue(control.has_early)
            self.assertEqual({"type": "serve_fork"}, control.receive())
            self.assertFalse(control.has_early)
            theirs.close()

    def test_a_listener_that_was_made_before_is_the_last_argument(self):
        self.assertEqual((["--socket", "s", "--listener", "4"], 7), process.take_door(["--socket", "s", "--listener", "4", "--door", "7"]))
        self.assertEqual((["--socket", "s"], None), process.take_door(["--socket", "s"]))

    def test_once_shut_the_call_is_refused_and_nothing_else_is(self):
        code = ("import ctypes, os, sys; sys.path.insert(0, %r); from dormouse.runner import door\n"
                "shut = door.shut(); result = ctypes.CDLL(None, use_errno=True).unshare(door.FLAGS)\n"
                "print(shut, result, os.getpid() > 0)" % PACKAGE)

        printed = subprocess.run([sys.executable, "-c", "import ctypes; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)\n" + code], capture_output=True, text=True, check=True).stdout

        if printed.startswith("False"):
            self.skipTest("this machine has no filters of system calls that the runner knows")
        self.assertEqual("True -1 True\n", printed)


if __name__ == "__main__":
    unittest.main()
