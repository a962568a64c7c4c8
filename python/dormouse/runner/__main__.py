"""``python3 -m dormouse.runner --socket PATH``."""

from .process import main

if __name__ == "__main__":  # Children that the handler starts by multiprocessing import this file again.
    main()
