"""``python3 -i -m dormouse.shell app.py``: an interpreter in which a file's names are there."""

import sys
import traceback

from .run import Misused, load

if __name__ == "__main__":
    try:
        _module = load(sys.argv[1])
        _names = {name: value for name, value in vars(_module).items() if not name.startswith("__")}
        globals().update(_names)
        print("%s is imported; Python %d.%d.%d at %s" % ((sys.argv[1],) + sys.version_info[:3] + (sys.prefix,)))
    except Misused as error:
        print("dormouse shell: %s" % error)
    except BaseException:  # The interpreter opens all the same: it is where one finds out why.
        traceback.print_exc()
