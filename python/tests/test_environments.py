"""Environments: what a file asks for without being run, and how one is built. Nothing here needs a network."""

import os
import shutil
import subprocess
import sys
import tempfile

from .harness import RunnerCase
from .wheels import write_wheel


class Scanning(RunnerCase):
    def scan(self, source, **files):
        runner = self.runner(self.folder_of(dict({"app.py": source}, **{name.replace("_yaml", ".yaml"): text for name, text in files.items()})))
        runner.hello()
        runner.assign({"type": "scan_python", "folder_descriptor": 0, "module": None})
        message = runner.receive()
        self.assertEqual(0, runner.wait())
        return message

    def test_whom_it_reaches_is_read_too_and_may_be_computed(self):
        message = self.scan("@app.function(network='outbound', isolation='sandbox')\ndef one(): pass\n@app.function(network=pick())\ndef two(): pass\n")
        self.assertEqual([{"network": "outbound", "isolation": "sandbox"}, {}], [found["settings"] for found in message["functions"]])

    def test_decorators_are_read_without_running_the_file(self):
        message = self.scan("""
            import no_such_module
            import dormouse
            BASE = ["numpy==1.26"]
            VERSION = "3.11"
            app = dormouse.App("a")
            @app.function(pip=BASE + ["six"], python=VERSION, memory=compute())
            def one(): pass
            @app.cls(requirements="needs.txt", system_packages=True)
            class Two:
                @dormouse.method()
                def run(self): pass
            @app.web("/x")
            async def three(): pass
            def four(): pass
        """)

        self.assertEqual("python_scanned", message["type"], message)
        self.assertEqual("app.py", message["module"])
        self.assertEqual([("one", {"pip": ["numpy==1.26", "six"], "python": "3.11"}), ("Two", {"requirements": "needs.txt", "system_packages": True}), ("three", {})],
                         [(entry["name"], entry["settings"]) for entry in message["functions"]])

    def test_what_is_computed_is_refused_with_its_line(self):
        message = self.scan("import os\n@app.function(pip=[os.environ['X']])\ndef one(): pass\n")
        self.assertRegex(message["reason"], r"^app\.py:2: pip of one is computed")

        self.assertIn("is computed", self.scan("A = ['x']\nA = ['y']\n@app.function(pip=A)\ndef one(): pass\n")["reason"])
        self.assertIn("has **", self.scan("S = dict(pip=['x'])\n@app.function(**S)\ndef one(): pass\n")["reason"])

    def test_a_wrong_value_is_refused_as_the_decorator_would(self):
        self.assertRegex(self.scan("@app.function(pip='numpy')\ndef one(): pass\n")["reason"], r"^app\.py:1: one: pip is 'numpy'; a list of requirements is needed")

    def test_cog_says_it_in_its_file(self):
        message = self.scan("", cog_yaml="run: app.py:P\nbuild:\n  python_version: '3.11'\n  python_packages:\n    - six==1.0\n")

        self.assertEqual([{"name": "predict", "settings": {"pip": ["six==1.0"], "python": "3.11"}}], message["functions"])

    def test_a_file_that_does_not_parse_asks_for_nothing(self):
        self.assertEqual([], self.scan("def f(:\n")["functions"])


class Building(RunnerCase):
    def build(self, requirements, folder=None, constraints=None, **assignment):
        self.target = os.path.realpath(tempfile.mkdtemp(prefix="dm-env-"))
        self.addCleanup(shutil.rmtree, self.target, True)
        for name, text in (("requirements.txt", requirements), ("constraints.txt", constraints)):
            if text is not None:
                with open(os.path.join(self.target, name), "w") as file:
                    file.write(text)
        runner = self.runner(folder or self.folder_of({"app.py": ""}))
        runner.hello()
        runner.assign(dict({"type": "build_environment", "folder_descriptor": 0, "target": self.target, "builder": "pip"}, **assignment))
        message = runner.receive()
        self.assertEqual(0, runner.wait())
        self.output = runner.stdout() + runner.stderr()
        return message

    def run_in_it(self, code):
        return subprocess.run([os.path.join(self.target, "venv", "bin", "python"), "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode().strip()

    def test_an_environment_has_what_the_file_asks_for_and_says_so(self):
        wheels = tempfile.mkdtemp(prefix="dm-wheels-")
        self.addCleanup(shutil.rmtree, wheels, True)
        write_wheel(wheels, "numbers_of_ours", "1.2", "ANSWER = 42\n", requires=["helper_of_ours"])
        write_wheel(wheels, "helper_of_ours", "0.1", "")

        message = self.build("numbers_of_ours==1.2\n", arguments=["--no-index", "--find-links", wheels])

        self.assertEqual("environment_built", message["type"], self.output)
        self.assertEqual(["helper_of_ours==0.1", "numbers_of_ours==1.2"], message["packages"])
        self.assertEqual("%d.%d.%d" % sys.version_info[:3], message["python"])
        self.assertGreater(message["size_bytes"], 0)
        self.assertIn("Successfully installed", self.output)
        self.assertEqual("42", self.run_in_it("import numbers_of_ours; print(numbers_of_ours.ANSWER)"))
        self.assertTrue(self.run_in_it("import numbers_of_ours; print(numbers_of_ours.__cached__)").startswith(self.target))
        self.assertEqual("True", self.run_in_it("import numbers_of_ours, os; print(os.path.exists(numbers_of_ours.__cached__))"))

    def test_wheels_of_the_package_are_found_from_its_folder(self):
        folder = self.folder_of({"app.py": ""})
        write_wheel(os.path.join(folder, "wheels"), "ours", "2.0", "X = 1\n")

        self.assertEqual(["ours==2.0"], self.build("--no-index\n./wheels/ours-2.0-py3-none-any.whl\n", folder).get("packages"), self.output)
        self.assertEqual(["ours==2.0"], self.build("--no-index\n--find-links ./wheels\nours\n", folder).get("packages"), self.output)

    def test_what_cannot_be_installed_is_refused_and_pip_says_why(self):
        message = self.build("--no-index\nno-such-package\n")

        self.assertEqual({"type": "refused", "reason": "pip install ended with exit code 1."}, message)
        self.assertIn("no-such-package", self.output)

    def test_constraints_are_kept(self):
        folder = self.folder_of({"app.py": ""})
        for version in ("1.0", "2.0"):
            write_wheel(os.path.join(folder, "wheels"), "ours", version, "")

        self.assertEqual(["ours==1.0"], self.build("--no-index\n--find-links ./wheels\nours\n", folder, constraints="ours<2\n").get("packages"), self.output)

    def test_the_system_is_seen_only_when_asked(self):
        self.build("", system_packages=False)
        self.assertEqual("False", self.run_in_it("import sys, site; print(sys.base_prefix + '/' in ''.join(p for p in sys.path if 'site-packages' in p or 'dist-packages' in p))"))
        self.build("", system_packages=True)
        with open(os.path.join(self.target, "venv", "pyvenv.cfg")) as file:
            self.assertIn("include-system-site-packages = true", file.read())

    def test_uv_is_called_with_what_it_understands(self):
        # uv itself needs a network to be installed: this stand-in takes its arguments and has venv and pip do the work.
        folder = self.folder_of({"app.py": "", "uv": """\
            #!%s
            import os, subprocess, sys
            words = sys.argv[1:]
            if words == ["--version"]:
                print("uv 0.0.1 (stand-in)")
            elif words[0] == "venv":
                assert words[1:3] == ["--python", sys.executable], words
                subprocess.check_call([sys.executable, "-m", "venv", "--without-pip", words[-1]])
            else:
                assert words[:3] == ["pip", "install", "--python"] and words[4] == "-r", words
                assert "./" not in open(words[5]).read().replace("./wheels/", ""), "uv looks for these beside the file"
                subprocess.check_call([sys.executable, "-m", "pip", "--python", words[3], "install", "--no-input"] + words[4:])
            """ % sys.executable})
        os.chmod(os.path.join(folder, "uv"), 0o755)
        write_wheel(os.path.join(folder, "wheels"), "ours", "2.0", "X = 1\n")

        message = self.build("--no-index\n--find-links ./wheels\nours<3\n", folder, constraints="ours>1\n", builder="auto", uv=os.path.join(folder, "uv"))

        self.assertEqual(["ours==2.0"], message.get("packages"), self.output)
        self.assertEqual("uv 0.0.1", message["builder"])
        self.assertIn("building with uv 0.0.1", self.output)

    def test_a_builder_that_is_not_there_is_refused(self):
        message = self.build("", builder="uv", uv="/no/such/uv")

        self.assertEqual("environments.builder is uv, but there is no program '/no/such/uv'.", message["reason"])
        self.assertEqual("environment_built", self.build("", builder="auto", uv="/no/such/uv")["type"])
