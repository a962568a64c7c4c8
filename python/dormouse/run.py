"""``python3 -m dormouse.run app.py::main ARGUMENTS``: runs a local entry point, which calls the functions of its app with ``.remote()``.

Positional arguments and ``--name value`` are converted by the annotations: whole numbers, numbers, true or false, text, and JSON for lists and
dicts. ``--flag`` alone means true.
"""

import asyncio
import importlib.util
import inspect
import os
import sys
import traceback

from . import _encoding
from ._app import App, Function
from ._errors import DormouseError, InputError
from ._signature import Signature
from ._types import text_to_json

USAGE = 2
FAILED = 1


class Misused(Exception):
    """The command line does not fit; the text says how."""


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: python3 -m dormouse.run FILE.py[::NAME] [ARGUMENTS] [--name VALUE]\nexample: python3 -m dormouse.run app.py::main 3 --greeting hello")
        return 0 if arguments else USAGE
    try:
        path, _, name = arguments[0].partition("::")
        entry = find(load(path), name or None, path)
        if arguments[1:2] in (["-h"], ["--help"]):
            print(describe(entry, path))
            return 0
        return run(entry, parse(entry, arguments[1:]))
    except Misused as error:
        sys.stderr.write("dormouse run: %s\n" % error)
        return USAGE
    except DormouseError as error:
        sys.stderr.write("dormouse run: %s\n" % error)
        return FAILED


def load(path):
    """The module of a file; its folder is where it imports from."""
    if not path.endswith(".py") or not os.path.isfile(path):
        raise Misused("there is no Python file %s" % path)
    folder, file = os.path.split(os.path.abspath(path))
    sys.path.insert(0, folder)
    name = file[:-3]
    if name in sys.modules:
        name = "app_" + name
    spec = importlib.util.spec_from_file_location(name, os.path.join(folder, file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def find(module, name, path):
    """The entry point of a name (an ``@app.local_entrypoint()``, or any function of the module); without one, the only one."""
    entries = {}
    for value in list(vars(module).values()):
        if isinstance(value, App):
            entries.update(value.entrypoints)
    if name is None:
        if len(entries) == 1:
            return next(iter(entries.values()))
        raise Misused("which function of %s? %s" % (path, "there are %s: write %s::NAME" % (", ".join(entries), path) if entries
                                                   else "none is marked with @app.local_entrypoint(): write %s::NAME" % path))
    entry = entries.get(name, getattr(module, name, None))
    if not callable(entry) or isinstance(entry, type):
        raise Misused("%s has no function '%s'%s" % (path, name, "; there are %s" % ", ".join(entries) if entries else ""))
    return entry.function if isinstance(entry, Function) else entry


def parse(entry, words):
    """Keyword arguments from the words of a command line."""
    signature = Signature(entry)
    positional, pairs = [], []
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word == "--":
            positional.extend(words[index:])
            break
        if not word.startswith("--"):
            positional.append(word)
            continue
        name, equals, text = word[2:].partition("=")
        name = name.replace("-", "_")
        if name not in signature.parameters and not signature.takes_more:
            raise Misused("there is no option --%s; %s" % (name, _options(signature)))
        if not equals:
            is_flag = signature.shapes[name].schema.get("type") == "boolean" if name in signature.shapes else False
            follows = index < len(words) and not words[index].startswith("--")
            if is_flag and not (follows and words[index].lower() in ("true", "false")):
                text = "true"
            elif follows:
                text = words[index]
                index += 1
            else:
                raise Misused("--%s needs a value" % name)
        pairs.append((name, text))
    names = list(signature.parameters)
    if len(positional) > len(names):
        raise Misused("%d arguments are too many; %s" % (len(positional), _options(signature)))
    pairs = list(zip(names, positional)) + pairs
    seen = set()
    for name, _ in pairs:
        if name in seen and signature.shapes[name].schema.get("type") != "array":
            raise Misused("%s is given twice" % name)
        seen.add(name)
    try:
        return signature.from_object({name: _value(text, signature.shapes[name].schema if name in signature.shapes else {}) for name, text in pairs})
    except InputError as error:
        raise Misused(str(error)) from None


def run(entry, arguments):
    """Runs it; what it returns is printed, unless it is None."""
    try:
        result = entry(**arguments)
        if inspect.isawaitable(result):
            result = asyncio.run(_wait(result))
        if inspect.isgenerator(result):
            for value in result:
                _show(value)
        elif result is not None:
            _show(result)
    except DormouseError:
        raise
    except Exception as error:
        # Frames of this file tell the user nothing.
        traceback.print_exception(type(error), error, error.__traceback__.tb_next)
        return FAILED
    return 0


def describe(entry, path):
    signature = Signature(entry)
    first = (entry.__doc__ or "").strip().splitlines()
    return "usage: %s::%s  %s%s" % (path, entry.__name__, _options(signature), "\n" + first[0] if first else "")


async def _wait(awaitable):
    return await awaitable


def _show(value):
    if isinstance(value, str):
        print(value)
        return
    try:
        print(_encoding.dumps(value).decode("utf-8"))
    except DormouseError:
        print(repr(value))


def _value(text, schema):
    kinds = [part.get("type") for part in schema.get("anyOf", [schema])]
    if "array" in kinds or "object" in kinds:
        try:
            return _encoding.loads(text)
        except ValueError as error:
            if "string" not in kinds:
                raise Misused("'%s' is no JSON (%s)" % (text, error)) from None
    return text_to_json(text, schema)


def _options(signature):
    if not signature.parameters:
        return "it takes no arguments"
    return "it takes " + " ".join(("--%s" if parameter.default is inspect.Parameter.empty else "[--%s]") % name.replace("_", "-")
                                  for name, parameter in signature.parameters.items())


if __name__ == "__main__":
    sys.exit(main())
