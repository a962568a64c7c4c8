"""What a restored process does before it is another. That it can be restored is tested with the launcher and CRIU (SnapshotTests)."""

import ctypes
import mmap
import os
import unittest

from dormouse.runner import snapshots

WIPE_ON_FORK, KEEP_ON_FORK = 18, 19


class WipedOnFork(unittest.TestCase):
    def setUp(self):
        self.page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.page))
        self.range = (address, address + mmap.PAGESIZE)

    def test_memory_that_forks_find_empty_is_found_and_no_other(self):
        self.assertNotIn(self.range, snapshots.wiped_on_fork())

        self.page.madvise(WIPE_ON_FORK)

        self.assertIn(self.range, snapshots.wiped_on_fork())

    def test_it_is_empty_afterwards_and_forks_find_it_empty_again(self):
        self.page[0] = 7
        self.page.madvise(KEEP_ON_FORK)  # As it is once it was restored.

        snapshots.wipe([self.range])

        self.assertEqual(0, self.page[0])
        self.page[0] = 8
        self.assertEqual((0, 8), (self.in_a_fork(), self.page[0]))

    def in_a_fork(self):
        child = os.fork()
        if child == 0:
            os._exit(self.page[0])
        return os.WEXITSTATUS(os.waitpid(child, 0)[1])
