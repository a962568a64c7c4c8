"""The secrets that an instance was given: set as variables, written as files, and kept out of what the runner says.

They come with the assignment, over the control socket, and stand in no command line and in no environment that the process was started with.
"""

import base64
import os

#: The variable that names the folder of the files.
FOLDER = "DORMOUSE_SECRETS"
REPLACEMENT = "***"
LENGTH_MIN = 6

_hidden = []


def take(assignment):
    """Sets and writes the secrets of an assignment, which does not hold them afterwards."""
    given = assignment.pop("secrets", None) or {}
    variables = {name: base64.b64decode(value) for name, value in (given.get("variables") or {}).items()}
    files = {name: base64.b64decode(value) for name, value in (given.get("files") or {}).items()}
    for name, value in variables.items():
        os.environb[name.encode("utf-8")] = value
    if files:
        write(given["folder"], files)
    hide(list(variables.values()) + list(files.values()))


def write(folder, files):
    """Each in a file of the folder that only this user reads."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name, value in files.items():
        descriptor = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o400)
        with os.fdopen(descriptor, "wb") as file:
            file.write(value)
    os.environ[FOLDER] = folder


def hide(values):
    """From now on these are replaced in what the runner says; the server does the same in the log, by the same rule."""
    forms = set()
    for value in values:
        text = value.decode("utf-8", "replace")
        forms.update(line.strip() for line in text.split("\n"))
        for whole in (value, text.strip().encode("utf-8")):
            if len(whole) >= LENGTH_MIN:
                forms.add(base64.b64encode(whole).decode("ascii").rstrip("="))
                forms.add(base64.urlsafe_b64encode(whole).decode("ascii").rstrip("="))
    _hidden[:] = sorted((form for form in forms if len(form) >= LENGTH_MIN), key=lambda form: (-len(form), form))


def mask(text):
    """Text without the secrets."""
    for form in _hidden:
        text = text.replace(form, REPLACEMENT)
    return text


def masked(value):
    """A value of JSON without the secrets."""
    if not _hidden:
        return value
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {masked(name): masked(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    return value
