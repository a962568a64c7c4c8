"""Builds the wheel of this package with the standard library alone (PEP 517 and 660), so that pip needs no network to install it."""

import base64
import hashlib
import os
import re
import tarfile
import zipfile

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_NAME = "dormouse"
#: Equal sources make equal wheels: the earliest time that a zip file can say.
_TIME = (1980, 1, 1, 0, 0, 0)


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_sdist = get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    return _write(wheel_directory, [(name, _read(name)) for name in _sources()])


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return _write(wheel_directory, [(_NAME + ".pth", (_HERE + "\n").encode("utf-8"))])


def build_sdist(sdist_directory, config_settings=None):
    stem = "%s-%s" % (_NAME, _version())
    with tarfile.open(os.path.join(sdist_directory, stem + ".tar.gz"), "w:gz") as archive:
        for name in ["pyproject.toml", "packaging/wheel_of.py"] + _sources():
            archive.add(os.path.join(_HERE, name), "%s/%s" % (stem, name))
    return stem + ".tar.gz"


def _write(directory, files):
    version = _version()
    info = "%s-%s.dist-info/" % (_NAME, version)
    files = files + [
        (info + "METADATA", ("Metadata-Version: 2.1\nName: %s\nVersion: %s\nRequires-Python: >=3.9\nLicense: Apache-2.0\n"
                             "Summary: Serverless inference on machines you own: write a Python app, deploy it, call it\n" % (_NAME, version)).encode("utf-8")),
        (info + "WHEEL", b"Wheel-Version: 1.0\nGenerator: dormouse\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
    ]
    record = "".join("%s,sha256=%s,%d\n" % (name, _digest(data), len(data)) for name, data in files) + info + "RECORD,,\n"
    name = "%s-%s-py3-none-any.whl" % (_NAME, version)
    with zipfile.ZipFile(os.path.join(directory, name), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files + [(info + "RECORD", record.encode("utf-8"))]:
            entry = zipfile.ZipInfo(path, _TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return name


def _sources():
    found = []
    for folder, folders, names in os.walk(os.path.join(_HERE, _NAME)):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        found += [os.path.relpath(os.path.join(folder, name), _HERE) for name in sorted(names) if name.endswith(".py")]
    return found


def _read(name):
    with open(os.path.join(_HERE, name), "rb") as file:
        return file.read()


def _version():
    return re.search(r'^version = "([^"]+)"', _read("pyproject.toml").decode("utf-8"), re.MULTILINE).group(1)


def _digest(data):
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
