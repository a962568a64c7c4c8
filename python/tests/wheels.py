"""Small wheels, written with the standard library: what tests install needs no network."""

import base64
import hashlib
import os
import zipfile


def write_wheel(folder, name, version, source, requires=()):
    """A wheel of one module ``name``; returns its path."""
    stem = "%s-%s" % (name, version)
    info = stem + ".dist-info"
    files = [("%s.py" % name, source), (info + "/METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s" % (name, version, "".join("Requires-Dist: %s\n" % one for one in requires))),
             (info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n")]
    record = "".join("%s,sha256=%s,%d\n" % (path, base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode(), len(text.encode())) for path, text in files)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, stem + "-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as archive:
        for name_in, text in files + [(info + "/RECORD", record + info + "/RECORD,,\n")]:
            archive.writestr(zipfile.ZipInfo(name_in, (1980, 1, 1, 0, 0, 0)), text)
    return path
