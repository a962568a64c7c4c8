"""Folders in the shape of other products: Hugging Face and Cog."""

import base64
import http.server
import threading
import unittest

from dormouse.runner.yaml_subset import YamlRefused, read

from .harness import RunnerCase

HANDLER = '''
    import os
    class EndpointHandler:
        """Echoes."""
        def __init__(self, path=""):
            self.files = sorted(os.listdir(path))
            assert os.environ["HF_MODEL_DIR"] == path
        def __call__(self, data):
            inputs = data["inputs"]
            if inputs == "raise":
                raise ValueError("no")
            if isinstance(inputs, bytes):
                inputs = ["bytes", len(inputs)]
            return [{"inputs": inputs, "parameters": data.get("parameters"), "files": self.files}]
'''


class HuggingFace(RunnerCase):
    def ready(self, **assignment):
        runner = self.runner(self.folder_of({"handler.py": HANDLER, "weights.bin": "x"}))
        self.assertEqual("python_ready", runner.serve(module=None, **assignment)["type"])
        return runner

    def test_the_handler_gets_both_keys_and_the_folder(self):
        answer = self.ready().call({"inputs": "x", "parameters": {"k": 1}})

        self.assertEqual([{"inputs": "x", "parameters": {"k": 1}, "files": ["handler.py", "weights.bin"]}], answer.json())

    def test_missing_inputs_and_failures_are_400_with_error(self):
        runner = self.ready()

        for value, error in (({"x": 1}, "Body needs to provide a inputs key"), ([1], "Body needs to provide a inputs key"), ({"inputs": "raise"}, "no")):
            answer = runner.call(value)
            self.assertEqual((400, {"error": error}), (answer.status, answer.json()))
        self.assertIn("error", runner.call(body=b"{").json())
        self.assertIn("ValueError: no", runner.stderr())

    def test_query_values_become_parameters(self):
        answer = self.ready().call({"inputs": "x"}, path="/predict?top_k=2&fast=true&name=n")

        self.assertEqual({"top_k": 2, "fast": True, "name": "n"}, answer.json()[0]["parameters"])

    def test_sound_comes_as_bytes(self):
        self.assertEqual(["bytes", 3], self.ready().call(body=b"abc", headers=[("Content-Type", "audio/wav")]).json()[0]["inputs"])

    def test_health(self):
        runner = self.ready()

        self.assertEqual((b"Ok", b"Ok"), (runner.call(method="GET").body, runner.call(method="GET", path="/health").body))

    def test_calls_never_overlap(self):
        runner = self.runner(self.folder_of({"handler.py": """
            import threading
            class EndpointHandler:
                def __init__(self, path=""):
                    self.inside = 0
                    self.most = 0
                def __call__(self, data):
                    self.inside += 1
                    self.most = max(self.most, self.inside)
                    threading.Event().wait(0.01)
                    self.inside -= 1
                    return self.most
        """}))
        runner.serve(module="handler.py", concurrency=8)
        wires = [runner.connect() for _ in range(8)]
        for wire in wires:
            wire.request({"inputs": 1})
        self.assertEqual({1}, {wire.answer().json() for wire in wires})
        for wire in wires:
            wire.close()

    def test_init_that_raises_is_a_refusal_and_inspection_does_not_run_it(self):
        files = {"handler.py": "class EndpointHandler:\n    def __init__(self, path=''):\n        raise OSError('no weights')\n    def __call__(self, data): pass\n"}

        self.assertEqual("OSError: no weights (handler.py:3)", self.refused(files, module=None))
        function = self.runner(self.folder_of(files)).inspect(None)["functions"][0]
        self.assertEqual(("handler", "huggingface"), (function["name"], function["kind"]))


PREDICT = '''
    import os, sys
    from typing import Iterator, List, Optional
    from cog import BasePredictor, BaseModel, ConcatenateIterator, Input, Path, Secret, current_scope

    class Output(BaseModel):
        text: str
        n: int = 3

    class Predictor(BasePredictor):
        """Says things."""
        def setup(self):
            self.word = "ready"
            print("setting up")

        def predict(self, prompt: str = Input(description="What", min_length=1), n: int = Input(default=1, ge=1, le=3), mode: str = Input(default="a", choices=["a", "b"]),
                    picture: Optional[Path] = Input(default=None), token: Secret = None) -> Output:
            if prompt == "raise":
                raise RuntimeError("it broke")
            print("predicting", prompt)
            current_scope().record_metric("tokens", n)
            if picture is not None:
                return Output(text=picture.read_text() + picture.suffix)
            if token is not None:
                return Output(text=str(token) + token.get_secret_value())
            return Output(text=self.word + " " + prompt, n=n)
'''
YAML = """
# A model.
build:
  gpu: true
  python_version: "3.11.4"   # exactly
  python_packages:
    - "numpy==1.26.4"
    - pillow
  cuda: "12"
image: "r8.im/x/y"
predict: "predict.py:Predictor"
environment:
- A=b
- C=d=e
"""


class Cog(RunnerCase):
    def ready(self, source=PREDICT, yaml=YAML, **assignment):
        runner = self.runner(self.folder_of({"cog.yaml": yaml, "predict.py": source}))
        message = runner.serve(module=None, **assignment)
        self.assertEqual("python_ready", message["type"], message)
        return runner

    def predict(self, runner, value, **more):
        answer = runner.call(dict({"input": value}, **more), path="/predictions")
        return answer.status, answer.json()

    def test_a_prediction(self):
        status, made = self.predict(self.ready(), {"prompt": "x", "unknown": 1}, id="p1")

        self.assertEqual((200, "p1", "succeeded", {"text": "ready x", "n": 1}, "predicting x\n"), (status, made["id"], made["status"], made["output"], made["logs"]))
        self.assertEqual(1, made["metrics"]["tokens"])
        self.assertGreaterEqual(made["metrics"]["predict_time"], 0)

    def test_the_bare_form(self):
        runner = self.ready()

        self.assertEqual({"text": "ready x", "n": 2}, runner.call({"prompt": "x", "n": 2}).json())
        self.assertEqual("succeeded", runner.call({"input": {"prompt": "x"}}).json()["status"])
        answer = runner.call({"prompt": "raise"})
        self.assertEqual((500, "it broke"), (answer.status, answer.json()["detail"]))

    def test_invalid_inputs_are_422_in_cogs_shape(self):
        runner = self.ready()

        status, made = self.predict(runner, {"n": 9, "mode": "c"})

        self.assertEqual(422, status)
        self.assertEqual([["body", "input", "prompt"], ["body", "input", "n"], ["body", "input", "mode"]], [entry["loc"] for entry in made["detail"]])
        self.assertEqual(("missing", "argument 'n': must be at most 3"), (made["detail"][0]["type"], made["detail"][1]["msg"]))
        self.assertEqual(422, self.predict(runner, {"prompt": ""})[0])
        self.assertEqual(422, self.predict(runner, [1])[0])

    def test_a_failure_is_200_failed(self):
        status, made = self.predict(self.ready(), {"prompt": "raise"})

        self.assertEqual((200, "failed", "it broke"), (status, made["status"], made["error"]))
        self.assertNotIn("output", made)

    def test_files_come_as_data_urls_and_addresses(self):
        runner = self.ready()
        _, made = self.predict(runner, {"prompt": "x", "picture": "data:text/plain;base64," + base64.b64encode(b"hello").decode()})
        self.assertEqual("hello.txt", made["output"]["text"])

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path == "/a.csv" else 404)
                self.end_headers()
                self.wfile.write(b"1,2")

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = "http://127.0.0.1:%d/" % server.server_port
        self.assertEqual("1,2.csv", self.predict(runner, {"prompt": "x", "picture": address + "a.csv"})[1]["output"]["text"])
        for wrong in (address + "b", "file:///etc/passwd", 3, "data:x;base64,%%"):
            self.assertEqual(422, self.predict(runner, {"prompt": "x", "picture": wrong})[0])

    def test_secrets_are_not_shown(self):
        self.assertEqual("**********abc", self.predict(self.ready(), {"prompt": "x", "token": "abc"})[1]["output"]["text"])

    STREAM = """
        from cog import BasePredictor, ConcatenateIterator, Path
        import tempfile
        class Predictor(BasePredictor):
            def predict(self, n: int, fail: bool = False) -> ConcatenateIterator[str]:
                for i in range(n):
                    print("step", i)
                    yield "t%d" % i
                if fail:
                    raise ValueError("enough")
    """

    def test_streams(self):
        runner = self.ready(self.STREAM)
        self.assertEqual(["t0", "t1"], self.predict(runner, {"n": 2})[1]["output"])
        self.assertEqual([], self.predict(runner, {"n": 0})[1]["output"])

        answer = runner.call({"input": {"n": 2}, "id": "s"}, path="/predictions", headers=[("Accept", "text/event-stream")])

        events = [event.partition("\n")[0] for event in answer.body.decode().strip().split("\n\n")]
        self.assertEqual(["event: start", "event: output", "event: output", "event: completed"], events)
        self.assertIn('"logs": "step 0\\nstep 1\\n"', answer.body.decode())
        self.assertTrue(answer.whole)
        answer = runner.call({"input": {"n": 1, "fail": True}}, path="/predictions", headers=[("Accept", "text/event-stream")])
        self.assertIn('"status": "failed"', answer.body.decode())
        self.assertEqual(406, self.ready().call({"input": {"prompt": "x"}}, path="/predictions", headers=[("Accept", "text/event-stream")]).status)

    def test_files_go_out_as_data_urls(self):
        runner = self.ready("""
            from cog import BaseRunner, Path
            class Runner(BaseRunner):
                def run(self) -> Path:
                    path = "/tmp/out-%d.txt" % __import__("os").getpid()
                    open(path, "w").write("made")
                    return Path(path)
        """, yaml="run: predict.py:Runner\n")

        self.assertEqual("data:text/plain;base64,bWFkZQ==", self.predict(runner, {})[1]["output"])

    def test_cancel_by_id(self):
        runner = self.ready("""
            import asyncio
            from cog import BasePredictor
            class Predictor(BasePredictor):
                async def predict(self, hold: bool) -> str:
                    if hold:
                        print("holding", flush=True)
                        await asyncio.Event().wait()
                    return "done"
        """, concurrency=1)
        with runner.connect() as wire:
            wire.request({"input": {"hold": True}}, method="PUT", path="/predictions/abc")
            runner.printed("holding")

            self.assertEqual(202, runner.call({"input": {"hold": True}}, method="PUT", path="/predictions/abc").status)
            answer = runner.call({"input": {"hold": False}}, path="/predictions")
            self.assertEqual((409, "failed"), (answer.status, answer.json()["status"]))
            self.assertEqual(200, runner.call(path="/predictions/abc/cancel").status)

            self.assertEqual("canceled", wire.answer().json()["status"])
        self.assertEqual(404, runner.call(path="/predictions/abc/cancel").status)
        self.assertEqual("done", self.predict(runner, {"hold": False})[1]["output"])

    def test_discovery(self):
        runner = self.ready()

        self.assertEqual("READY", runner.call(method="GET", path="/health-check").json()["status"])
        schema = runner.call(method="GET", path="/openapi.json").json()["components"]["schemas"]["Input"]
        self.assertEqual((["prompt"], 3, ["a", "b"]), (schema["required"], schema["properties"]["n"]["maximum"], schema["properties"]["mode"]["enum"]))
        self.assertEqual(501, runner.call({"input": {"prompt": "x"}}, path="/predictions", headers=[("Prefer", "respond-async")]).status)
        self.assertEqual(404, runner.call({}, path="/trainings").status)

    def test_inspection_reads_the_file(self):
        message = self.runner(self.folder_of({"cog.yaml": YAML, "predict.py": PREDICT})).inspect(None)

        self.assertEqual("cog.yaml", message["module"])
        self.assertEqual([("predict", "cog", {"pip": ["numpy==1.26.4", "pillow"], "python": "3.11", "environment": {"A": "b", "C": "d=e"}}, "Says things.")],
                         [(f["name"], f["kind"], f["settings"], f["doc"]) for f in message["functions"]])

    def test_refusals(self):
        for yaml, words in (("predict: nothing\n", "must name a file and a class"), ("predict: 'predict.py:None'\n", "no such class"), ("predict: 'gone.py:X'\n", "has no file gone.py"),
                            ("predict: predict.py:Predictor\nbuild:\n  run:\n    - apt-get install x\n", "build.run is not supported"), ("predict: &a x\n", "is not understood")):
            self.assertIn(words, self.refused({"cog.yaml": yaml, "predict.py": PREDICT}, module=None))
        self.assertEqual("ValueError: bad setup (predict.py:4)", self.refused({"cog.yaml": YAML, "predict.py": "import cog\nclass Predictor(cog.BasePredictor):\n    def setup(self):\n        raise ValueError('bad setup')\n    def predict(self): pass\n"}, module=None))


class YamlSubset(unittest.TestCase):
    def test_what_is_understood(self):
        text = 'a: "x # y"  # note\nb:\n  c: [1, "two, 2", three]\n  d:\n  - x\n  - \'it\'\'s\'\n  deep:\n    - k: v\n      other: &anchor\ne: ~\nlong: |\n  text\n   more\nf: true\n'

        found, _ = read(text, ("a", "b.c", "b.d", "e", "f"))

        self.assertEqual({"a": "x # y", "b.c": [1, "two, 2", "three"], "b.d": ["x", "it's"], "e": None, "f": True}, found)

    def test_what_is_refused(self):
        for text in ("a: {x: 1}", "a: &x 1", "a: *x", "a: !!str 1", "a: |\n  x", "a:\n  - [1]\n  - k: v", "a: \"x", "a: [1", "a: [[1]]", "\ta: 1", "just text", "a: 1\n---\na: 2", "a: 1\n  b: 2", "a: 1\na: 2"):
            with self.subTest(text), self.assertRaises(YamlRefused) as refused:
                read(text, ("a", "a.b"))
            self.assertIn("line ", str(refused.exception))
