"""Secrets of an instance, and decorators that name them."""

import base64
import os
import unittest

import dormouse

from .harness import RunnerCase

APP = """
    import os, stat, subprocess
    at_import = os.environ["TOKEN"]

    def handler(input):
        if input == "fail":
            raise ValueError("cannot use %s, nor %s" % (at_import, "c2VjcmV0LWtleS1saW5l"))
        path = os.path.join(os.environ["DORMOUSE_SECRETS"], "key.pem")
        child = subprocess.run(["sh", "-c", "printf %s \\"$TOKEN\\""], stdout=subprocess.PIPE).stdout.decode()
        with open(path, "rb") as file, open("/proc/self/environ", "rb") as environ:
            return {"token": at_import, "file": file.read().decode(), "mode": stat.S_IMODE(os.stat(path).st_mode), "child": child,
                    "shown": at_import.encode() in environ.read()}
"""
TOKEN, KEY = "hunter2-hunter2", "-----BEGIN-----\nc2VjcmV0LWtleS1saW5l\n-----END-----\n"


def encoded(text):
    return base64.b64encode(text.encode()).decode()


class Given(RunnerCase):
    def given(self, folder):
        return {"folder": folder, "variables": {"TOKEN": encoded(TOKEN)}, "files": {"key.pem": encoded(KEY)}}

    def test_variables_and_files_are_there_from_the_import_on_and_not_in_what_the_process_was_started_with(self):
        place = os.path.join(self.folder(), "own")
        runner = self.serving(APP, secrets=self.given(place))

        answer = runner.call({}).json()

        self.assertEqual({"token": TOKEN, "file": KEY, "mode": 0o400, "child": TOKEN, "shown": False}, answer)
        self.assertEqual(0o700, os.stat(place).st_mode & 0o777)

    def test_what_fails_is_told_without_them(self):
        runner = self.serving(APP, secrets=self.given(os.path.join(self.folder(), "own")))

        self.assertEqual("ValueError: cannot use ***, nor ***", runner.call("fail").json()["detail"])

    def test_a_schema_does_not_hold_them(self):
        source = "import dormouse, os\napp = dormouse.App('a')\n@app.function()\ndef f(key: str = os.environ['TOKEN']) -> str:\n    return 'x'\n"
        runner = self.serving(source, secrets=self.given(os.path.join(self.folder(), "own")))

        self.assertEqual("***", runner.ready["schema"]["input"]["properties"]["key"]["default"])


class Named(unittest.TestCase):
    def settings(self, **settings):
        app = dormouse.App("a")

        @app.function(**settings)
        def run():
            pass

        return app.functions["run"].settings

    def test_a_decorator_names_them_by_variable_and_file(self):
        settings = self.settings(secrets=["TOKEN", "OTHER=a-name"], secret_files={"key.pem": "tls-key"})

        self.assertEqual({"TOKEN": "TOKEN", "OTHER": "a-name"}, settings["secrets"])
        self.assertEqual({"key.pem": "tls-key"}, settings["secret_files"])

    def test_what_is_no_name_is_refused_with_how_to_write_it(self):
        for wrong, said in ((["a-name"], "VARIABLE=name"), ("TOKEN", "a list"), (["A=b/c"], "no name of a secret")):
            with self.assertRaisesRegex(dormouse.SettingError, said):
                self.settings(secrets=wrong)
        with self.assertRaisesRegex(dormouse.SettingError, "no folder"):
            self.settings(secret_files={"../key": "tls-key"})
