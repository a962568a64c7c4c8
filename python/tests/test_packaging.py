"""The package installs with pip, without a network."""

import os
import subprocess
import tempfile
import unittest
import venv

from .harness import PACKAGE


class Packaging(unittest.TestCase):
    def test_pip_installs_the_folder_without_an_index(self):
        try:
            import ensurepip  # noqa: F401
        except ImportError:
            self.skipTest("this Python has no ensurepip")
        with tempfile.TemporaryDirectory() as folder:
            venv.create(folder, with_pip=True)
            python = os.path.join(folder, "bin", "python")
            environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}

            done = subprocess.run([python, "-m", "pip", "install", "--no-index", "--quiet", PACKAGE], env=environment, capture_output=True, text=True)

            self.assertEqual(0, done.returncode, done.stderr)
            asked = "import dormouse, dormouse.runner.cog, dormouse.run, importlib.metadata as m; print(dormouse.__file__, m.version('dormouse') == dormouse.__version__)"
            said = subprocess.run([python, "-c", asked], env=environment, capture_output=True, text=True, cwd="/")
            self.assertEqual((folder, "True"), (said.stdout[:len(folder)], said.stdout.split()[-1] if said.stdout else said.stderr))


