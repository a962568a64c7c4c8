"""The JSON form of the Open Inference Protocol, as far as model files need it: tensors in, tensors out."""

import math

from .. import _encoding
from .._errors import InputError

_DTYPES = {"BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64", "INT8": "int8", "INT16": "int16",
           "INT32": "int32", "INT64": "int64", "FP16": "float16", "FP32": "float32", "FP64": "float64"}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def is_open_inference(value):
    """Whether a body is a request of the protocol."""
    inputs = value.get("inputs") if isinstance(value, dict) else None
    return isinstance(inputs, list) and bool(inputs) and all(isinstance(item, dict) and "datatype" in item for item in inputs)


class OpenInference:
    """One request."""

    def __init__(self, value):
        self.id = value.get("id")
        self.tensors = value["inputs"]
        outputs = value.get("outputs")
        self.outputs = [item.get("name") for item in outputs if isinstance(item, dict)] if isinstance(outputs, list) and outputs else None

    def only_tensor(self):
        if len(self.tensors) != 1:
            raise InputError("the model takes one tensor of rows, the request has %d" % len(self.tensors), "inputs")
        return self.tensors[0]

    def answer(self, results):
        """The answer's document, with the outputs that were asked for."""
        if self.outputs is not None:
            for name in self.outputs:
                if name not in results:
                    raise InputError("there is no output '%s'; there are %s" % (name, ", ".join(results) or "none of those asked for"), "outputs")
            results = {name: results[name] for name in self.outputs}
        answer = {"outputs": [_to_tensor(name, array) for name, array in results.items()]}
        if self.id is not None:
            answer["id"] = self.id
        return answer


def from_tensor(tensor, place):
    """A numpy array of a tensor; InputError names what does not fit."""
    numpy = _encoding.numpy_module(load=True)
    datatype, shape, data = tensor.get("datatype"), tensor.get("shape"), tensor.get("data")
    if datatype not in _DTYPES and datatype != "BYTES":
        raise InputError("%s: the datatype %r is not known here" % (place, datatype), place + ".datatype")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise InputError("%s: shape must be an array of whole numbers" % place, place + ".shape")
    if not isinstance(data, list):
        raise InputError("%s: data must be an array" % place, place + ".data")
    try:
        array = numpy.array(data, dtype=object if datatype == "BYTES" else _DTYPES[datatype])
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError("%s: data is no array of %s: %s" % (place, datatype, error), place + ".data") from None
    if array.size != math.prod(shape):
        raise InputError("%s: shape %s needs %d values, data has %d" % (place, shape, math.prod(shape), array.size), place + ".data")
    return array.reshape(shape)


def _to_tensor(name, array):
    numpy = _encoding.numpy_module(load=True)
    array = numpy.asarray(array)
    return {"name": name, "datatype": _NAMES.get(array.dtype.name, "BYTES"), "shape": list(array.shape), "data": array.ravel().tolist()}
