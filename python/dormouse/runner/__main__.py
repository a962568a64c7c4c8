"""``python3 -m dormouse.runner --socket PATH``."""

from .process import main

main()
