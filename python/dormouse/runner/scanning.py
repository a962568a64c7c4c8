"""What a file says of the environment that it needs, read without running it: the file can be imported only once that environment is there.

Decorators are read as they stand: literals, constants that the module assigns once at its top, and sums of them.
"""

import ast
import os

from .. import _settings
from .._errors import SettingError
from .refusal import Refused

NEEDS = ("pip", "requirements", "python", "system_packages", "secrets", "secret_files", "isolation", "network")
_LENIENT = ("secrets", "secret_files", "isolation", "network")
_DECORATORS = ("function", "cls", "web", "asgi")


class _NoLiteral(Exception):
    pass


def scan(folder, path):
    """The message ``python_scanned``: for each decorated function or class the settings of NEEDS that it has."""
    path = path or folder.find()
    if os.path.basename(path) == "cog.yaml":
        from . import cog
        settings, _ = cog.settings_of(folder, path)
        entries = [{"name": "predict", "settings": {name: settings[name] for name in NEEDS if name in settings}}]
    elif path.endswith(".py"):
        entries = _entries(folder, path)
    else:
        entries = []
    return {"type": "python_scanned", "module": path, "functions": entries}


def _entries(folder, path):
    try:
        with open(os.path.join(folder.path, path), "rb") as file:
            tree = ast.parse(file.read())
    except OSError:
        raise Refused("The package has no file %s." % path) from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # Importing it says what is wrong, with its line.
    constants = _constants(tree)
    entries = []
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.func.attr in _DECORATORS:
                entries.append({"name": node.name, "settings": _settings_of(decorator, node.name, path, constants)})
    return entries


def _constants(tree):
    """Names that the module assigns exactly once, at its top."""
    values, often = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            if node.id in values:
                often.add(node.id)
            values.setdefault(node.id, None)
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) and node.value else []
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            values[targets[0].id] = node.value
    return {name: value for name, value in values.items() if value is not None and name not in often}


def _settings_of(decorator, name, path, constants):
    found = {}
    for keyword in decorator.keywords:
        if keyword.arg is None and not isinstance(keyword.value, ast.Dict):
            raise Refused("%s:%d: %s has ** in its decorator, in which pip, requirements, python or system_packages could be; write those out, because they are read before the file is imported."
                          % (path, decorator.lineno, name))
        pairs = [(keyword.arg, keyword.value)] if keyword.arg is not None else [(getattr(key, "value", None), value) for key, value in zip(keyword.value.keys, keyword.value.values)]
        for key, value in pairs:
            if key not in NEEDS:
                continue
            try:
                found[key] = _value(value, constants, 0)
            except _NoLiteral:
                if key in _LENIENT:
                    continue  # Instances have them all the same; the import at the deploy does without.
                raise Refused("%s:%d: %s of %s is computed; write it as literals or constants of the file, because it is read before the file is imported."
                              % (path, value.lineno, key, name)) from None
    try:
        return _settings.check(found, "%s:%d: %s" % (path, decorator.lineno, name))
    except SettingError as error:
        raise Refused("%s." % error) from None


def _value(node, constants, depth):
    if depth > 20:
        raise _NoLiteral()
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in constants:
        return _value(constants[node.id], constants, depth + 1)
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_value(key, constants, depth + 1): _value(value, constants, depth + 1) for key, value in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple)):
        items = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                items.extend(_sequence(_value(item.value, constants, depth + 1)))
            else:
                items.append(_value(item, constants, depth + 1))
        return items
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _value(node.left, constants, depth + 1), _value(node.right, constants, depth + 1)
        if type(left) is type(right) and isinstance(left, (str, list)):
            return left + right
    raise _NoLiteral()


def _sequence(value):
    if not isinstance(value, list):
        raise _NoLiteral()
    return value
