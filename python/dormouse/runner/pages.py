"""Pages of a template that its forks write to until their first call is answered.

A fork shares its template's memory page by page until it writes to it; then the kernel stops it and copies the page. In the first call of a
fork with scikit-learn that is a thousand times, and half of the call's time. All forks of a template have one address layout: one of them notes
which pages it has copied, and forks that are made ahead have theirs copied before they are needed.
"""

import array
import ctypes
import mmap
import os
import struct
import threading

#: Pages of at most this many bytes are copied ahead: a fork that is made ahead costs that much memory.
COPIED_BYTES_MAX = 32 << 20
#: Templates that may write to more than this are not looked at: that takes time beside the fork's next calls.
LOOKED_AT_BYTES_MAX = 2 << 30
_RUNS_MAX = 8192
_RUN = struct.Struct("=QQ")
_COUNT = struct.Struct("=Q")
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14: copies as a write does, and writes nothing.
# Of an entry of /proc/self/pagemap: present; of a file or shared; mapped by this process alone.
_PRESENT, _FILE, _EXCLUSIVE = 1 << 63, 1 << 61, 1 << 56


class Notes:
    """What forks of one template tell each other: made by the template, shared by all of its forks.

    What is in it was written by code of the revision, for code of the same revision: it is checked before use all the same.
    """

    def __init__(self):
        self._shared = mmap.mmap(-1, _COUNT.size + _RUNS_MAX * _RUN.size)
        #: Readable by all from the first note on; nobody reads it.
        self.noted, self._tell = os.pipe()

    def close(self):
        """In a fork that needs them no more."""
        os.close(self.noted)
        os.close(self._tell)
        self._shared.close()

    def read(self):
        """Runs of pages, as address and length; empty before the first note."""
        count = min(_COUNT.unpack_from(self._shared, 0)[0], _RUNS_MAX)
        return [_RUN.unpack_from(self._shared, _COUNT.size + index * _RUN.size) for index in range(count)]

    def take(self, ranges):
        """Notes, on a thread of its own, what this process has copied of these ranges, and is closed."""
        threading.Thread(target=self._take, args=(ranges,), name="pages", daemon=True).start()

    def _take(self, ranges):
        try:
            self.write(copied(ranges))
        finally:
            self.close()

    def write(self, runs):
        """Notes these runs of pages, unless someone has done so."""
        if not runs or len(runs) > _RUNS_MAX or self.read():
            return
        for index, run in enumerate(runs):
            _RUN.pack_into(self._shared, _COUNT.size + index * _RUN.size, *run)
        _COUNT.pack_into(self._shared, 0, len(runs))
        os.write(self._tell, b"1")


def writable():
    """Address and end of what this process may write to and nobody else sees. What lies side by side is one, however the kernel divides it."""
    found = []
    with open("/proc/self/maps") as file:
        for line in file:
            words = line.split(None, 5)
            if words[1].startswith("rw") and words[1][3] == "p":
                begin, end = (int(number, 16) for number in words[0].split("-"))
                if found and found[-1][1] == begin:
                    begin = found.pop()[0]
                found.append((begin, end))
    return found


def copied(ranges):
    """Runs of pages in these ranges that this process shares with none; empty when there is too much of it, or nothing can be found out."""
    size = mmap.PAGESIZE
    if sum(end - begin for begin, end in ranges) > LOOKED_AT_BYTES_MAX:
        return []
    runs, total = [], 0
    try:
        with open("/proc/self/pagemap", "rb", buffering=0) as file:
            for begin, end in ranges:
                file.seek(begin // size * 8)
                entries = array.array("Q")
                data = file.read((end - begin) // size * 8)
                entries.frombytes(data[:len(data) - len(data) % 8])
                for index, entry in enumerate(entries):
                    if not entry & _EXCLUSIVE or not entry & _PRESENT or entry & _FILE:
                        continue
                    address = begin + index * size
                    total += size
                    if runs and runs[-1][0] + runs[-1][1] == address:
                        runs[-1][1] += size
                    else:
                        runs.append([address, size])
    except OSError:
        return []
    return runs if total <= COPIED_BYTES_MAX else []


def copy(libc, runs):
    """Has the kernel copy these pages now. What lies outside of this process's own memory is left out."""
    left = COPIED_BYTES_MAX
    ranges = writable()
    for address, length in runs:
        left -= length
        if left < 0 or address % mmap.PAGESIZE or not any(begin <= address and address + length <= end for begin, end in ranges):
            continue
        # Where it fails (an older kernel, no memory left) the first call copies, as it does without.
        libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(length), _POPULATE_WRITE)
