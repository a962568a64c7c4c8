"""Model files without code: scikit-learn (``.joblib``, ``.pkl``), XGBoost (``.json``, ``.ubj``, ``.bst``), TorchScript (``.pt``, ``.jit``).

Each is one function ``predict``. Loading a pickle or a TorchScript file runs code that is in it: it happens here, inside the instance, and nowhere else.
"""

import os
import re
import warnings
import zlib

from .. import _encoding
from .._errors import InputError
from . import refusal
from .refusal import Refused
from .serving import FunctionService
from .targets import Target, Package
from .tensors import OpenInference, from_tensor, is_open_inference

_ROWS_SCHEMA = {"anyOf": [
    {"type": "array", "description": "rows, or one row", "items": {}},
    {"type": "object", "required": ["rows"], "properties": {"rows": {"type": "array", "items": {"type": "array"}}}},
    {"type": "object", "required": ["inputs"], "description": "Open Inference request with one tensor of rows", "properties": {"inputs": {"type": "array"}}}]}
_VERSION = re.compile(rb"_sklearn_version(?:q.|r.{4}|\x94)?(?:X(.)\0\0\0|\x8c(.))", re.DOTALL)
_UNPACKED_BYTES_MAX = 1 << 30


def load(folder, path):
    """The package of a model file; Refused when its library is missing or cannot load it."""
    full = os.path.join(folder.path, path)
    if path.startswith("/") or ".." in path.split("/") or not os.path.isfile(full):
        raise Refused("The package has no file %s." % path)
    ending = os.path.splitext(path)[1].lower()
    if ending in (".joblib", ".pkl"):
        model = PickledModel(full, path, folder.path)
    elif ending in (".json", ".ubj", ".bst"):
        model = XgboostModel(full, path, folder.path)
    elif ending in (".pt", ".jit"):
        model = TorchScriptModel(full, path, folder.path)
    else:
        raise Refused("'%s' is neither a Python file nor a model file (.joblib .pkl .json .ubj .bst .pt .jit)." % path)
    target = Target("predict", "function", model.predict, doc=model.doc, schema={"input": model.input_schema, "output": None}, stream=False)
    target.service = ModelService
    target.overlap_max = model.overlap_max
    return Package(None, [target])


class ModelService(FunctionService):
    """``POST /`` and, for Open Inference clients, ``POST /infer``."""

    paths = ("/", "", "/infer")

    def _read_call(self, body, head, invocation):
        return [_encoding.loads(body) if body else None], {}


class RowModel:
    """A model that takes rows of numbers."""

    input_schema = _ROWS_SCHEMA
    overlap_max = None

    def predict(self, value):
        """Predictions of the rows of a request, in the form in which they were asked."""
        asked = OpenInference(value) if is_open_inference(value) else None
        rows = self._rows(from_tensor(asked.only_tensor(), "inputs[0]") if asked else _rows_of(value))
        try:
            results = self.results(rows, None if asked is None else asked.outputs)
        except (ValueError, TypeError) as error:
            # What the library says of rows that it cannot take.
            raise InputError(str(error).strip().splitlines()[0], "rows") from None
        if asked is not None:
            return asked.answer(results)
        return {name: array.tolist() if hasattr(array, "tolist") else array for name, array in self.named(results).items()}

    def named(self, results):
        return results

    def _rows(self, value):
        numpy = _encoding.numpy_module(load=True)
        try:
            rows = numpy.array([[numpy.nan if cell is None else cell for cell in row] if isinstance(row, (list, tuple)) else row for row in value])
        except ValueError:
            raise InputError("argument 'rows': the rows are of different length", "rows") from None
        if rows.ndim == 1 and rows.size:
            rows = rows.reshape(1, -1)
        if rows.ndim != 2 or rows.dtype.kind not in "biufUO":
            raise InputError("argument 'rows': rows of values are needed, not %s of shape %s" % (rows.dtype, list(rows.shape)), "rows")
        if self.features is not None and rows.shape[1] != self.features:
            raise InputError("argument 'rows': each row must have %d values, these have %d" % (self.features, rows.shape[1]), "rows")
        return rows


def _rows_of(value):
    if isinstance(value, dict):
        for name in ("rows", "instances", "inputs", "input"):
            if isinstance(value.get(name), list):
                return value[name]
        if _encoding.is_array_object(value.get("rows")):
            return _encoding.decode(value["rows"])
        raise InputError('the body must be rows: [[…], …], {"rows": [[…], …]}, or an Open Inference request', "rows")
    if not isinstance(value, list) or not value:
        raise InputError('the body must be rows: [[…], …], {"rows": [[…], …]}, or an Open Inference request', "rows")
    return value


class PickledModel(RowModel):
    """Anything with ``predict`` that joblib or pickle can load."""

    def __init__(self, full, path, root):
        self._model = _unpickle(full, path, root)
        if not callable(getattr(self._model, "predict", None)):
            raise Refused("%s holds a %s, which has no predict." % (path, type(self._model).__name__))
        self.doc = "%s of %s." % (type(self._model).__name__, path)
        self.features = getattr(self._model, "n_features_in_", None)

    def results(self, rows, wanted):
        numpy = _encoding.numpy_module(load=True)
        results = {}
        if wanted is None or "predict" in wanted:
            results["predict"] = numpy.asarray(self._model.predict(rows))
        if callable(getattr(self._model, "predict_proba", None)) and (wanted is None or "predict_proba" in wanted):
            probabilities = self._model.predict_proba(rows)
            if not isinstance(probabilities, list):  # One for each output of a model with several.
                results["predict_proba"] = numpy.asarray(probabilities)
        return results

    def named(self, results):
        named = {"predictions": results["predict"]}
        if "predict_proba" in results:
            named["probabilities"] = results["predict_proba"]
            classes = getattr(self._model, "classes_", None)
            if classes is not None:
                named["classes"] = classes
        return named


def _unpickle(full, path, root):
    with open(full, "rb") as file:
        data = file.read()
    version = writer_of(data)
    try:
        if path.endswith(".joblib"):
            import joblib
            return joblib.load(full)
        try:
            import joblib  # It reads plain pickles too, and those that it wrote itself.
        except ImportError:
            import pickle
            return pickle.loads(data)
        return joblib.load(full)
    except ImportError as error:
        missing = error.name or ""
        if missing.partition(".")[0] in ("joblib", "sklearn", "numpy") and not _installed(missing.partition(".")[0]):
            raise Refused("%s%s cannot be loaded: %s is not installed in this environment." % (
                path, _written(version), {"sklearn": "scikit-learn"}.get(missing.partition(".")[0], missing.partition(".")[0]))) from None
        raise Refused(_cannot(path, version, error, root)) from None
    except Exception as error:
        raise Refused(_cannot(path, version, error, root)) from None


def writer_of(data):
    """The scikit-learn version that wrote a pickle, found without loading it, or None."""
    if data[:1] == b"\x78" or data[:2] == b"\x1f\x8b":
        try:
            data = zlib.decompressobj(47).decompress(data, _UNPACKED_BYTES_MAX)
        except zlib.error:
            return None
    found = _VERSION.search(data)
    if found is None:
        return None
    text = data[found.end():found.end() + (found.group(1) or found.group(2))[0]].decode("ascii", "replace")
    return text if re.match(r"^[0-9][0-9A-Za-z.+]*$", text) else None


def _cannot(path, version, error, root):
    return "%s%s cannot be loaded%s: %s." % (path, _written(version), _here("sklearn", "scikit-learn"), refusal.shorten(refusal.one_line(error), root).rstrip("."))


def _written(version):
    return "" if version is None else ", written by scikit-learn %s," % version


def _here(module, name):
    import sys
    loaded = sys.modules.get(module)
    return " by %s %s, which is installed here" % (name, loaded.__version__) if loaded is not None and hasattr(loaded, "__version__") else ""


def _installed(name):
    import importlib.util
    return importlib.util.find_spec(name) is not None


class XgboostModel(RowModel):
    """A booster in XGBoost's own formats."""

    def __init__(self, full, path, root):
        try:
            import xgboost
        except ImportError:
            raise Refused("%s cannot be loaded: xgboost is not installed in this environment." % path) from None
        if path.endswith(".json"):
            with open(full, "rb") as file:
                if b'"learner"' not in file.read(1 << 20):
                    raise Refused("%s is JSON, but no XGBoost model." % path)
        self._xgboost = xgboost
        self._booster = xgboost.Booster()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("default")
                self._booster.load_model(full)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise Refused("%s cannot be loaded by XGBoost %s: %s" % (path, xgboost.__version__, refusal.shorten(str(error).strip().splitlines()[0], root))) from None
        self.doc = "XGBoost model of %s." % path
        self.features = self._booster.num_features()

    def results(self, rows, wanted):
        numpy = _encoding.numpy_module(load=True)
        matrix = self._xgboost.DMatrix(rows.astype(numpy.float32), feature_names=self._booster.feature_names, feature_types=None)
        return {"predict": self._booster.predict(matrix, validate_features=False)}

    def named(self, results):
        return {"predictions": results["predict"]}


class TorchScriptModel:
    """A TorchScript module: takes its arguments as a list, or the tensors of an Open Inference request in order."""

    input_schema = {"anyOf": [
        {"type": "object", "required": ["args"], "properties": {"args": {"type": "array", "description": "arguments: nested arrays are tensors, others stay as they are"}}},
        {"type": "object", "required": ["inputs"], "description": "Open Inference request", "properties": {"inputs": {"type": "array"}}},
        {"type": "array", "description": "the one tensor"}]}
    #: A script module may keep state from call to call.
    overlap_max = 1

    def __init__(self, full, path, root):
        try:
            import torch
        except ImportError:
            raise Refused("%s cannot be loaded: torch is not installed in this environment." % path) from None
        self._torch = torch
        try:
            self._module = torch.jit.load(full, map_location="cpu")
            self._module.eval()
        except Exception as error:  # What a broken or foreign file makes torch raise has no common class.
            raise Refused("%s cannot be loaded as TorchScript by torch %s: %s" % (path, torch.__version__, refusal.shorten(refusal.one_line(error), root))) from None
        self.doc = "TorchScript module of %s." % path

    def predict(self, value):
        """Outputs of the module for the arguments of a request."""
        asked = OpenInference(value) if is_open_inference(value) else None
        if asked is not None:
            arguments = [self._tensor(from_tensor(tensor, "inputs[%d]" % index)) for index, tensor in enumerate(asked.tensors)]
        elif isinstance(value, dict) and isinstance(value.get("args"), list):
            arguments = [self._argument(item, "args[%d]" % index) for index, item in enumerate(value["args"])]
        elif isinstance(value, list):
            arguments = [self._argument(value, "body")]
        else:
            raise InputError('the body must be a tensor as nested arrays, {"args": […]}, or an Open Inference request', "args")
        with self._torch.no_grad():
            try:
                result = self._module(*arguments)
            except (RuntimeError, self._torch.jit.Error) as error:
                # TorchScript reports shapes and types that do not fit by these classes alone; its own words are last.
                raise InputError("the model refused the input: %s" % str(error).strip().splitlines()[-1], "args") from None
        outputs = [self._plain(item) for item in (result if isinstance(result, (tuple, list)) else [result])]
        if asked is not None:
            return asked.answer({"output_%d" % index: output for index, output in enumerate(outputs)})
        return {"outputs": [output.tolist() if hasattr(output, "tolist") else output for output in outputs]}

    def _argument(self, value, place):
        if isinstance(value, dict):
            value = _encoding.decode(value)
        if not isinstance(value, list) and not hasattr(value, "dtype"):
            return value
        numpy = _encoding.numpy_module(load=True)
        try:
            array = numpy.asarray(value)
        except ValueError:
            raise InputError("argument '%s': the rows are of different length" % place, place) from None
        return self._tensor(array.astype(numpy.float32) if isinstance(value, list) and array.dtype == numpy.float64 else array)

    def _tensor(self, array):
        if array.dtype.kind not in "biuf":
            raise InputError("a tensor of %s cannot be given to the model" % array.dtype, "args")
        return self._torch.from_numpy(array.copy())

    def _plain(self, value):
        return value.detach().cpu().numpy() if isinstance(value, self._torch.Tensor) else value
