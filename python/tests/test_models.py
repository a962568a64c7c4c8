"""Model files without code, arrays and pictures. Rows whose library this Python lacks are skipped with a word."""

import base64
import importlib.util
import io
import json
import os
import pickle
import re
import unittest

from dormouse.runner.models import writer_of

from .harness import PACKAGE, RunnerCase


def has(*names):
    return all(importlib.util.find_spec(name) is not None for name in names)


def needs(*names):
    return unittest.skipUnless(has(*names), "this Python has no %s" % " or ".join(names))


#: Models that others have written, with what they answer; not part of the checkout.
OTHERS = os.path.join(os.path.dirname(os.path.dirname(PACKAGE)), "shared", "data", "other")


def version_of(name):
    """The installed version, (0, 0) where there is none."""
    if not has(name):
        return (0, 0)
    return tuple(int(part) for part in importlib.import_module(name).__version__.split(".")[:2])


class Base(RunnerCase):
    def serve_file(self, name, data, **assignment):
        runner = self.runner(self.folder_of({name: data}))
        message = runner.serve(module=assignment.pop("module", None), **assignment)
        self.assertEqual("python_ready", message["type"], (message, runner.stderr()))
        runner.ready = message
        return runner


@needs("sklearn", "joblib")
class ScikitLearn(Base):
    def model(self, name, compress=0):
        import joblib
        from sklearn.linear_model import LogisticRegression
        fitted = LogisticRegression().fit([[0.0, 0.0], [0.1, 0.0], [1.0, 1.0], [0.9, 1.0]], ["low", "low", "high", "high"])
        buffer = io.BytesIO()
        if name.endswith(".pkl"):
            pickle.dump(fitted, buffer)
        else:
            joblib.dump(fitted, buffer, compress=compress)
        return fitted, buffer.getvalue()

    def test_rows_in_and_predictions_out(self):
        for name, compress in (("model.pkl", 0), ("model.joblib", 0), ("model.joblib", 3)):
            fitted, data = self.model(name, compress)
            runner = self.serve_file(name, data)
            rows = [[0.0, 0.1], [1.0, 0.9]]
            for body in (rows, {"rows": rows}, {"instances": rows}):
                answer = runner.call(body).json()
                self.assertEqual((["low", "high"], ["high", "low"]), (answer["predictions"], answer["classes"]))
                self.assertEqual(fitted.predict_proba(rows).tolist(), answer["probabilities"])
            self.assertEqual(["low"], runner.call([0.0, 0.0]).json()["predictions"])

    def test_open_inference(self):
        runner = self.serve_file("model.joblib", self.model("model.joblib")[1])
        request = {"id": "7", "inputs": [{"name": "input-0", "shape": [2, 2], "datatype": "FP32", "data": [0.0, 0.1, 1.0, 0.9]}]}

        for path in ("/", "/infer"):
            answer = runner.call(request, path=path).json()
            self.assertEqual(("7", ["predict", "predict_proba"]), (answer["id"], [output["name"] for output in answer["outputs"]]))
            self.assertEqual(("BYTES", [2], ["low", "high"]), tuple(answer["outputs"][0][key] for key in ("datatype", "shape", "data")))
        self.assertEqual([[2, 2]], [output["shape"] for output in runner.call(dict(request, outputs=[{"name": "predict_proba"}])).json()["outputs"]])
        for wrong, field in ((dict(request, outputs=[{"name": "x"}]), "outputs"), ({"inputs": request["inputs"] * 2}, "inputs"),
                             ({"inputs": [dict(request["inputs"][0], shape=[3, 2])]}, "inputs[0].data"), ({"inputs": [dict(request["inputs"][0], datatype="FP8")]}, "inputs[0].datatype")):
            answer = runner.call(wrong)
            self.assertEqual((422, field), (answer.status, answer.json()["field"]))

    def test_rows_that_do_not_fit_are_refused(self):
        runner = self.serve_file("model.pkl", self.model("model.pkl")[1])

        for body, words in (([[1.0]], "each row must have 2 values, these have 1"), ([[1.0, 2.0], [1.0]], "different length"), ([["a", "b"]], "numeric"),
                            ({"x": 1}, "the body must be rows"), (3, "the body must be rows"), ([], "the body must be rows"), ([[None, 1.0]], "NaN")):
            answer = runner.call(body)
            self.assertEqual((422, "rows"), (answer.status, answer.json()["field"]), body)
            self.assertIn(words, answer.json()["detail"])

    def test_inspection_names_the_model(self):
        message = self.runner(self.folder_of({"iris.joblib": self.model("x.joblib")[1]})).inspect(None)

        self.assertEqual(("iris.joblib", [("predict", "function", "LogisticRegression of iris.joblib.")]),
                         (message["module"], [(f["name"], f["kind"], f["doc"]) for f in message["functions"]]))

    def test_a_pickle_of_something_else_is_refused(self):
        self.assertEqual("model.pkl holds a dict, which has no predict.", self.refused({"model.pkl": pickle.dumps({"a": 1})}, module=None))

    def test_a_broken_pickle_is_refused(self):
        self.assertRegex(self.refused({"model.joblib": b"\x80\x04nothing"}, module=None), r"^model\.joblib cannot be loaded.*\.$")

    def test_a_pickle_of_another_version_says_which(self):
        # A class that this version has moved away, with the mark that scikit-learn leaves.
        data = b"\x80\x03csklearn.svm.classes\nSVC\nq\x00)\x81q\x01}q\x02X\x10\x00\x00\x00_sklearn_versionq\x03X\x06\x00\x00\x000.20.3q\x04sb."

        reason = self.refused({"model.pkl": data}, module=None)

        import sklearn
        self.assertIn("model.pkl, written by scikit-learn 0.20.3, cannot be loaded", reason)
        self.assertIn("No module named 'sklearn.svm.classes'", reason)
        self.assertNotIn("/", reason.replace("scikit-learn", ""))
        self.assertTrue(sklearn.__version__)


@unittest.skipUnless(os.path.isdir(OTHERS), "../shared/data/other is absent")
class FilesOfOthers(Base):
    """Files that were not written by these tests, with the answers that came with them, deployed as they are."""

    def data(self, path):
        with open(os.path.join(OTHERS, path), "rb") as file:
            return file.read()

    def case(self, path):
        return json.loads(self.data(path))

    def served(self, path, name=None):
        return self.serve_file(name or os.path.basename(path), self.data(path))

    def close(self, expected, got, absolute=1e-5):
        self.assertEqual(len(expected), len(got))
        for one, other in zip(expected, got):
            if isinstance(one, list):
                self.close(one, other, absolute)
            else:
                self.assertAlmostEqual(one, other, delta=absolute)

    @needs("sklearn", "joblib")
    def test_scikit_learn_answers_as_it_did_where_the_models_were_made(self):
        if version_of("sklearn") != (1, 2):
            self.skipTest("the answers are those of scikit-learn 1.2, which this Python does not have")
        for model in ("iris_logreg.joblib", "wine_forest.pkl"):
            with self.subTest(model):
                case = self.case("sklearn-1.2.1/%s.case.json" % model.split(".")[0])
                answer = self.served("sklearn-1.2.1/" + model).call(case["input"]).json()
                self.assertEqual(case["label"], answer["predictions"])
                self.close(case["probability"], answer["probabilities"])

    @needs("sklearn", "joblib")
    def test_scikit_learn_of_another_version_answers_and_warns_in_the_log(self):
        if version_of("sklearn") != (1, 2):
            self.skipTest("the answers are those of scikit-learn 1.2, which this Python does not have")
        for model, case, version in (("sklearn-digits-svm-0.23.1/model.joblib", "sklearn-digits-svm-0.23.1/case.json", "0.23.1"),
                                     ("sklearn-iris-svc-1.3.2/model.pkl", "sklearn-iris-svc-1.3.2/case.json", "1.3.2")):
            with self.subTest(model):
                runner, case = self.served(model), self.case(case)
                self.assertEqual(case["output"], runner.call(case["input"]).json()["predictions"])
                self.assertIn("from version " + version, runner.stderr())

    @needs("sklearn", "joblib")
    def test_an_open_inference_request_of_others_is_answered(self):
        if version_of("sklearn") != (1, 2):
            self.skipTest("the answers are those of scikit-learn 1.2, which this Python does not have")
        runner = self.served("sklearn-iris-svc-1.3.2/model.pkl")
        outputs = runner.call(self.case("sklearn-iris-svc-1.3.2/request_v2.json"), path="/infer").json()["outputs"]
        self.assertEqual(("predict", [2], [1, 1]), (outputs[0]["name"], outputs[0]["shape"], outputs[0]["data"]))

    @needs("sklearn", "joblib")
    def test_what_this_version_cannot_load_says_which_version_wrote_it(self):
        reason = self.refused({"model.pkl": self.data("sklearn-iris-svc-0.20.3-incompatible/model.pkl")}, module=None)
        self.assertIn("written by scikit-learn 0.20.3, cannot be loaded by scikit-learn", reason)

    @needs("xgboost")
    def test_an_xgboost_model_in_json(self):
        case = self.case("xgboost-json/case.json")
        self.close(case["output"], self.served("xgboost-json/model.json").call(case["input"]).json()["predictions"], case["atol"])

    @needs("xgboost")
    def test_an_xgboost_model_in_the_format_before_1_0(self):
        if version_of("xgboost") >= (3, 1):
            self.skipTest("this XGBoost reads the old format no more")
        margins = [[float(cell) for cell in line.split()] for line in self.data("xgboost-binary-dermatology/expected.txt").decode().splitlines()]
        runner = self.served("xgboost-binary-dermatology/model.bin", "model.bst")
        columns = int(re.search("must have ([0-9]+) values", runner.call([[1.0]]).json()["detail"]).group(1))
        rows = []
        for line in self.data("xgboost-binary-dermatology/test.libsvm").decode().splitlines():
            row = [None] * columns
            for cell in line.split()[1:]:
                column, _, value = cell.partition(":")
                row[int(column)] = float(value)
            rows.append(row)
        answer = runner.call(rows).json()["predictions"]
        # It answers with the class that has the largest margin.
        self.assertEqual([float(row.index(max(row))) for row in margins], answer)

    @needs("torch")
    def test_a_torchscript_model_of_speech_finds_none_in_silence(self):
        answer = self.served("silero-vad-torchscript/silero_vad.jit").call({"args": [[[0.0] * 512], 16000]}).json()
        self.assertLess(answer["outputs"][0][0][0], 0.1)


class Versions(unittest.TestCase):
    def test_the_writer_is_found_without_loading(self):
        for protocol in range(2, 6):
            self.assertEqual("1.3.2", writer_of(pickle.dumps({"x": 1, "_sklearn_version": "1.3.2"}, protocol)))
        import zlib
        self.assertEqual("0.23.1", writer_of(zlib.compress(pickle.dumps({"_sklearn_version": "0.23.1"}))))
        self.assertIsNone(writer_of(b"\x78nothing"))
        self.assertIsNone(writer_of(b""))


class WithoutLibraries(Base):
    @unittest.skipIf(has("joblib"), "this Python has joblib")
    def test_a_missing_library_is_named(self):
        self.assertEqual("model.joblib cannot be loaded: joblib is not installed in this environment.", self.refused({"model.joblib": b"x"}, module=None))

    @unittest.skipIf(has("torch"), "this Python has torch")
    def test_a_missing_torch_is_named(self):
        self.assertEqual("m.pt cannot be loaded: torch is not installed in this environment.", self.refused({"m.pt": b"x"}, module=None))

    def test_code_comes_before_model_files_and_two_models_are_refused(self):
        self.assertIn("m.pt, n.bst", self.refused({"m.pt": b"x", "n.bst": b"x"}, module=None))
        runner = self.runner(self.folder_of({"m.pt": b"x", "one.py": "def handler(input): return 1\n"}))
        self.assertEqual("python_ready", runner.serve(module=None)["type"])


@needs("xgboost")
class Xgboost(Base):
    def booster(self):
        import numpy
        import xgboost
        rows = numpy.array([[float(n), float(n % 3)] for n in range(30)])
        return xgboost.train({"max_depth": 2}, xgboost.DMatrix(rows, label=rows[:, 0] * 2, feature_names=["a", "b"]), 5)

    def test_rows_in_and_predictions_out(self):
        import numpy
        import tempfile
        import xgboost
        booster = self.booster()
        for ending in ("json", "ubj"):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "m." + ending)
                booster.save_model(path)
                with open(path, "rb") as file:
                    data = file.read()
            runner = self.serve_file("m." + ending, data)
            expected = booster.predict(xgboost.DMatrix(numpy.array([[1.0, 1.0], [20.0, numpy.nan]]), feature_names=["a", "b"]))
            self.assertEqual([float(x) for x in expected], runner.call([[1.0, 1.0], [20.0, None]]).json()["predictions"])
            answer = runner.call({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 1]}]}).json()["outputs"]
            self.assertEqual([("predict", "FP32", [1])], [(o["name"], o["datatype"], o["shape"]) for o in answer])
            self.assertEqual(422, runner.call([[1.0]]).status)

    def test_json_that_is_no_model_is_refused(self):
        self.assertEqual("m.json is JSON, but no XGBoost model.", self.refused({"m.json": b"{}"}, module=None))
        self.assertRegex(self.refused({"m.ubj": b"nothing at all"}, module=None), r"^m\.ubj cannot be loaded by XGBoost ")


@needs("torch")
class TorchScript(Base):
    def test_tensors_in_and_out(self):
        import torch

        class Scale(torch.nn.Module):
            def forward(self, x, factor: int):
                if factor < 0:
                    raise ValueError("a factor below 0")
                return x * factor, x.sum()

        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(Scale()), buffer)
        runner = self.serve_file("m.pt", buffer.getvalue())

        self.assertEqual({"outputs": [[[2.0, 5.0]], 3.5]}, runner.call({"args": [[[1.0, 2.5]], 2]}).json())
        self.assertEqual(422, runner.call({"args": [[[1.0, 2.5]], "x"]}).status)
        answer = runner.call({"args": [[[1.0, 2.5]], -1]})
        self.assertEqual(422, answer.status)
        self.assertIn("a factor below 0", answer.json()["detail"])
        self.assertEqual(422, runner.call({"x": 1}).status)

    def test_a_file_that_is_none_is_refused(self):
        self.assertRegex(self.refused({"m.jit": b"nothing"}, module=None), r"^m\.jit cannot be loaded as TorchScript by torch ")


ARRAYS = """
import dormouse, numpy
import numpy.typing
app = dormouse.App("a")
@app.function()
def double(x: numpy.ndarray):
    return x * 2
@app.function()
def typed(x: numpy.typing.NDArray[numpy.float32]):
    return {"dtype": x.dtype.name, "mean": x.mean(), "big": numpy.float64(x.sum()), "n": numpy.int32(3)}
@app.function()
def anything(x):
    return type(x).__name__
@app.function()
def bad():
    return [numpy.float32("nan")]
"""


@needs("numpy")
class Arrays(Base):
    def function(self, name):
        return self.serve_file("app.py", ARRAYS, module="app.py", function=name)

    def test_an_array_both_ways(self):
        import numpy
        runner = self.function("double")
        array = numpy.arange(6, dtype=numpy.int16).reshape(2, 3)
        sent = {"dtype": "int16", "shape": [2, 3], "data": base64.b64encode(array.tobytes()).decode()}

        for value in ({"x": sent}, sent):
            answer = runner.call(value).json()
            self.assertEqual(("int16", [2, 3]), (answer["dtype"], answer["shape"]))
            self.assertEqual((array * 2).tobytes(), base64.b64decode(answer["data"]))
        self.assertEqual([2, 2], runner.call([[1, 2], [3, 4]]).json()["shape"])
        buffer = io.BytesIO()
        numpy.save(buffer, array)
        self.assertEqual("int16", runner.call(body=buffer.getvalue(), headers=[("Content-Type", "application/x-npy")]).json()["dtype"])

    def test_what_is_no_array_is_refused(self):
        import numpy
        runner = self.function("double")
        good = {"dtype": "int16", "shape": [2], "data": base64.b64encode(b"1234").decode()}

        for wrong in (dict(good, shape=[3]), dict(good, dtype="object"), dict(good, dtype="O"), dict(good, dtype="no"), dict(good, data="%"), dict(good, shape=[-2]), [[1], [1, 2]], [{}]):
            answer = runner.call({"x": wrong})
            self.assertEqual((422, "x"), (answer.status, answer.json()["field"]), wrong)
        buffer = io.BytesIO()
        numpy.save(buffer, numpy.array([object()]), allow_pickle=True)
        self.assertEqual(422, runner.call(body=buffer.getvalue(), headers=[("Content-Type", "application/x-npy")]).status)

    def test_a_typed_array_and_scalars(self):
        runner = self.function("typed")

        self.assertEqual({"dtype": "float32", "mean": 1.5, "big": 3.0, "n": 3}, runner.call([1, 2]).json())
        self.assertEqual(422, runner.call(["x"]).status)

    def test_an_argument_without_annotation_is_decoded(self):
        runner = self.function("anything")

        self.assertEqual("ndarray", runner.call({"x": {"dtype": "uint8", "shape": [1], "data": "AA=="}}).json())
        self.assertEqual("bytes", runner.call({"x": {"base64": "AA=="}}).json())
        self.assertEqual("dict", runner.call({"x": {"base64": "AA==", "other": 1}}).json())

    def test_nan_in_a_scalar_is_found(self):
        answer = self.function("bad").call({})

        self.assertEqual(500, answer.status)
        self.assertIn("the result[0]", answer.json()["detail"])


@needs("PIL")
class Pictures(Base):
    def test_a_picture_both_ways(self):
        import PIL.Image
        runner = self.serve_file("app.py", """
import dormouse
from PIL import Image
app = dormouse.App("a")
@app.function()
def half(picture: Image.Image, times: int = 1) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2))
@app.function()
def size(picture: Image.Image):
    return list(picture.size)
""", module="app.py", function="half")
        buffer = io.BytesIO()
        PIL.Image.new("RGB", (8, 4), "red").save(buffer, format="JPEG")
        text = base64.b64encode(buffer.getvalue()).decode()

        for value in (text, "data:image/jpeg;base64," + text, {"base64": text, "content_type": "image/jpeg"}):
            answer = runner.call({"picture": value})
            self.assertEqual("image/png", answer.headers["content-type"])
            self.assertEqual((4, 2), PIL.Image.open(io.BytesIO(answer.body)).size)
        answer = runner.call({"picture": base64.b64encode(b"no picture").decode()})
        self.assertEqual((422, "picture"), (answer.status, answer.json()["field"]))

        runner = self.runner(runner.folder)
        runner.serve(function="size")
        self.assertEqual([8, 4], runner.call(body=buffer.getvalue(), headers=[("Content-Type", "image/jpeg")]).json())


@needs("pydantic")
class PydanticModels(Base):
    def test_models_are_validated_described_and_sent(self):
        runner = self.serve_file("app.py", """
import dormouse
from typing import List, Optional
from pydantic import BaseModel
app = dormouse.App("a")
class Part(BaseModel):
    size: int
class Item(BaseModel):
    name: str
    parts: List[Part] = []
    inner: Optional["Item"] = None
if hasattr(Item, "update_forward_refs") and not hasattr(Item, "model_validate"):
    Item.update_forward_refs()
@app.function()
def take(item: Item, k: int = 0) -> Item:
    assert isinstance(item, Item)
    return item
""", module="app.py")

        schema = runner.ready["schema"]["input"]["properties"]["item"]
        self.assertEqual(("integer", "object"), (schema["properties"]["parts"]["items"]["properties"]["size"]["type"], schema["type"]))
        self.assertNotIn("$ref", json.dumps(schema))
        self.assertEqual({"name": "a", "parts": [{"size": 2}], "inner": None}, runner.call({"item": {"name": "a", "parts": [{"size": 2}]}}).json())
        for wrong, field in (({"name": "a", "parts": [{}]}, "item.parts[0].size"), ({}, "item.name"), ([], "item")):
            answer = runner.call({"item": wrong})
            self.assertEqual((422, field), (answer.status, answer.json()["field"]))


@needs("fastapi")
class Frameworks(Base):
    def test_a_fastapi_application(self):
        runner = self.serve_file("app.py", """
import dormouse
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
app = dormouse.App("shop")
inner = FastAPI()
@inner.post("/items/{id}")
def item(id: int, body: dict):
    return {"id": id, "body": body, "invocation": dormouse.current().invocation_id}
@inner.get("/stream")
async def stream():
    async def parts():
        for n in range(3):
            yield "x%d" % n
    return StreamingResponse(parts())
@app.asgi()
def site():
    return inner
""", module="app.py")

        self.assertEqual({"id": 4, "body": {"a": 1}, "invocation": "i1"}, runner.call({"a": 1}, path="/items/4", headers=[("Dormouse-Invocation-Id", "i1")]).json())
        self.assertEqual(422, runner.call({"a": 1}, path="/items/four").status)
        with runner.connect() as wire:
            self.assertEqual(b"x0x1x2", wire.call(method="GET", path="/stream").body)
            self.assertEqual(200, wire.call(method="GET", path="/openapi.json").status)
            self.assertEqual(404, wire.call(method="GET", path="/none").status)
