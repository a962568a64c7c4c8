"""Outputs of a Cog predictor, and the object that a prediction is answered with."""

import base64
import datetime
import io
import json
import pathlib

from .. import _encoding
from .._errors import EncodingError
from . import cog_module


class Prediction:
    """The object that a prediction is answered with."""

    def __init__(self, id, given, log, metrics):
        self.id = id
        self.output = None
        self.status = "processing"
        self.error = None
        self._input = given
        self._log = log
        self._metrics = metrics
        self._started = datetime.datetime.now(datetime.timezone.utc)
        self._completed = None

    def add(self, chunk):
        self.output = self.output or []
        self.output.append(chunk)

    def finish(self, status, error=None):
        self.status, self.error = status, error
        self._completed = datetime.datetime.now(datetime.timezone.utc)

    def document(self):
        document = {"id": self.id, "input": self._input, "logs": self._log.getvalue(), "status": self.status, "started_at": self._started.isoformat(),
                    "completed_at": self._completed.isoformat(),
                    "metrics": dict(self._metrics, predict_time=(self._completed - self._started).total_seconds())}
        if self.status == "succeeded":
            document["output"] = self.output
        if self.error is not None:
            document["error"] = self.error
        return document

    def bytes(self):
        return json.dumps(self.document(), ensure_ascii=False).encode("utf-8")


class Output:
    """Outputs as JSON values: files as data URLs."""

    def whole(self, value):
        return self.part(value)

    def part(self, value):
        return json.loads(_encoding.dumps(_without_files(value), "the output"))


def _without_files(value):
    if isinstance(value, (list, tuple)):
        return [_without_files(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_files(item) for key, item in value.items()}
    if isinstance(value, cog_module.BaseModel):
        return _without_files(value.model_dump())
    if isinstance(value, pathlib.PurePath):
        with open(value, "rb") as file:
            return _data_url(file.read(), value.name)
    if isinstance(value, io.IOBase):
        return _data_url(value.read(), getattr(value, "name", None))
    if isinstance(value, cog_module.Secret):
        raise EncodingError("a secret is not sent as output")
    image = _encoding.pil_image_class()
    if image is not None and isinstance(value, image):
        return _data_url(_encoding.image_bytes(value), "output.png")
    return value


def _data_url(data, name):
    data = data.encode("utf-8") if isinstance(data, str) else data
    return "data:%s;base64,%s" % (_encoding.guess_type(name if isinstance(name, str) else None), base64.b64encode(data).decode("ascii"))
