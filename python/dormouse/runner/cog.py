"""A folder in the shape of Cog: ``cog.yaml`` names a predictor or runner class (or a function); predictions in Cog's own JSON.

What needs more than one instance knows (webhooks, ``Prefer: respond-async``, upload addresses, trainings) is refused.
"""

import datetime
import inspect
import os
import re
import sys

from .. import _values
from . import cog_inputs, cog_module, cog_service
from .refusal import Refused
from .targets import Package, Target
from .yaml_subset import YamlRefused, read

_WANTED = ("predict", "run", "environment", "concurrency.max", "build.python_version", "build.python_packages", "build.python_requirements",
           "build.system_packages", "build.run")


def load(folder, path):
    """The package of a ``cog.yaml``."""
    keys = _keys(folder, path)
    reference = keys.get("run") or keys.get("predict")
    if not isinstance(reference, str) or reference.count(":") != 1:
        raise Refused('cog.yaml: run or predict must name a file and a class, like "predict.py:Predictor".')
    if keys.get("build.run"):
        raise Refused("cog.yaml: build.run is not supported: no commands are run in the system here. Take it out, or use what the system has.")
    if keys.get("build.system_packages"):
        sys.stderr.write("cog.yaml: build.system_packages are not installed here; the system must have them: %s\n" % ", ".join(map(str, keys["build.system_packages"])))
    file, _, name = reference.partition(":")
    sys.modules["cog"] = cog_module
    for kind, shape in cog_inputs.shapes().items():
        _values.register(kind, shape)
    module = folder.load(os.path.join(os.path.dirname(path), file))
    found = getattr(module, name, None)
    if not callable(found):
        raise Refused("cog.yaml names %s, but %s has no such class." % (reference, file))
    return Package(None, [_target(found, name, _settings(keys), folder)])


def settings_of(folder, path):
    """What a ``cog.yaml`` says as settings, and its keys; nothing is imported."""
    keys = _keys(folder, path)
    return _settings(keys), keys


def _keys(folder, path):
    with open(os.path.join(folder.path, path), encoding="utf-8") as file:
        try:
            keys, _ = read(file.read(), _WANTED)
        except (YamlRefused, UnicodeDecodeError) as error:
            raise Refused("cog.yaml: %s." % error) from None
    return keys


def _settings(keys):
    settings = {}
    if keys.get("build.python_packages"):
        settings["pip"] = [str(item) for item in keys["build.python_packages"]]
    if keys.get("build.python_requirements"):
        settings["requirements"] = str(keys["build.python_requirements"])
    version = re.match(r"^(3\.\d+)", str(keys.get("build.python_version") or ""))
    if version:
        settings["python"] = version.group(1)
    if keys.get("concurrency.max") is not None:
        if type(keys["concurrency.max"]) is not int or keys["concurrency.max"] < 1:
            raise Refused("cog.yaml: concurrency.max must be a whole number of at least 1.")
        settings["concurrency"] = keys["concurrency.max"]
    if keys.get("environment"):
        entries = [str(entry).partition("=") for entry in keys["environment"]]
        if not all(equals for _, equals, _ in entries):
            raise Refused("cog.yaml: environment must be a list of NAME=value.")
        settings["environment"] = {name: value for name, _, value in entries}
    return settings


def _target(found, name, settings, folder):
    function = found
    if isinstance(found, type):
        function = getattr(found, "run", None) or getattr(found, "predict", None)
        if function is None:
            raise Refused("%s has neither run nor predict." % name)
    inputs = cog_inputs.Inputs(function, skip=1 if isinstance(found, type) else 0)
    target = Target("predict", "cog", function, settings=settings, doc=found.__doc__ or function.__doc__, schema={"input": inputs.schema(), "output": inputs.output_schema()})
    target.inputs = inputs
    target.service = cog_service.CogService
    if not (target.is_async or target.is_async_generator):
        target.overlap_max = 1
    target.setup_began = datetime.datetime.now(datetime.timezone.utc).isoformat()

    def setup():
        predictor = found()
        target.function = getattr(predictor, function.__name__)
        if callable(getattr(predictor, "setup", None)):
            takes_weights = "weights" in inspect.signature(predictor.setup).parameters
            return predictor.setup(**({"weights": os.environ.get("COG_WEIGHTS")} if takes_weights else {}))
        return None

    if isinstance(found, type):
        target.hooks.append(setup)
    return target
