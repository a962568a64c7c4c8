"""Runs one function: sync ones on a pool of threads, async ones on the event loop, generators value by value.

What a run gives is a sequence of items on the event loop: either one ``Result``, or ``Value`` … ``Value`` and an ``End``; a failure is a
``Failed``, which ends it. The slot is free again when the last item is there, before the answer's last byte leaves.
"""

import asyncio
import collections
import concurrent.futures.thread  # The name alone would load the half of it, and the rest with the first instance.
import contextvars
import inspect
import os
import sys
import threading
import time

from .. import _context
from . import lines

#: Values of a generator that wait to be sent; the generator stands still beyond.
AHEAD_MAX = 16

Result = collections.namedtuple("Result", "value run_microseconds cpu_microseconds")
Value = collections.namedtuple("Value", "value")
End = collections.namedtuple("End", "")
Failed = collections.namedtuple("Failed", "error run_microseconds cpu_microseconds")


class NoSlot(Exception):
    """As many runs as allowed are going on."""


class Runner:
    """``concurrency`` runs at once, on ``threads`` threads (fewer for code that must not overlap)."""

    def __init__(self, concurrency, threads=None):
        self._concurrency = max(1, concurrency)
        self._running = 0
        self._threads = concurrent.futures.ThreadPoolExecutor(min(threads or self._concurrency, self._concurrency), thread_name_prefix="call")
        self._owner = os.getpid()

    def start(self, function, arguments, invocation, encoding, finish=None, on_loop=False):
        """Begins a run and returns it; NoSlot when none is free. ``finish`` runs after it, whatever became of it.

        ``encoding`` makes answers of results (``whole``) and of values of a generator (``part``) where they were made, in the thread of the
        run: that takes time too, and what cannot be sent fails the run.
        """
        if self._running >= self._concurrency:
            raise NoSlot("Every slot of this instance is taken (%d of %d)." % (self._running, self._concurrency))
        self._running += 1
        run = Run(self, function, arguments, invocation, encoding, finish)
        if on_loop:
            run.task = asyncio.ensure_future(run.on_loop())
        else:
            self._threads.submit(contextvars.copy_context().run, run.in_thread)
        return run

    def warm(self):
        """Starts the thread that the first run goes to."""
        self._threads.submit(int)

    def release(self):
        self._running -= 1

    def close(self):
        """Waits for the threads' end; nothing runs any more."""
        self._threads.shutdown()

    def leave_child(self):
        """Ends a process that the handler forked and that came back here: it is not the instance, and must not answer for it."""
        if os.getpid() != self._owner:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(0)


class Run:
    """One run. ``next`` gives its items; ``cancel`` says that nobody wants more of them."""

    def __init__(self, runner, function, arguments, invocation, encoding, finish):
        self.task = None
        #: Whether ``cancel`` was called.
        self.cancelled = False
        self._runner = runner
        self._function = function
        self._positional, self._named = arguments
        self._invocation = invocation
        self._finish = finish
        self._encoding = encoding
        self._loop = asyncio.get_running_loop()
        self._items = asyncio.Queue()
        self._credit = threading.Semaphore(AHEAD_MAX)
        self._room = asyncio.Semaphore(AHEAD_MAX)

    async def next(self):
        """The next item."""
        item = await self._items.get()
        if isinstance(item, Value):
            self._credit.release()
            self._room.release()
        return item

    def cancel(self):
        """An async function is cancelled where it waits; a generator is closed after its current step; a sync function runs to its
        end, unless it looks at ``dormouse.current().cancelled``."""
        self.cancelled = True
        self._invocation.cancelled = True
        self._credit.release()
        if self.task is not None:
            self.task.cancel()

    def in_thread(self):
        """The run of a sync function, in a thread of the pool."""
        _context.enter(self._invocation)
        began, cpu = time.monotonic_ns(), time.thread_time_ns()
        awaitable = None
        try:
            value = self._function(*self._positional, **self._named)
            self._runner.leave_child()
            if inspect.isawaitable(value) or inspect.isasyncgen(value):
                awaitable = value
                last = None
            elif inspect.isgenerator(value):
                last = self._iterate(value)
            else:
                value = self._encoding.whole(value)
                last = Result(value, _micro(time.monotonic_ns() - began), _micro(time.thread_time_ns() - cpu))
        except BaseException as error:  # SystemExit too: one call must not end the instance.
            self._runner.leave_child()
            last = Failed(error, _micro(time.monotonic_ns() - began), _micro(time.thread_time_ns() - cpu))
        if awaitable is None:
            self._loop.call_soon_threadsafe(self._end, last)
        else:
            self._loop.call_soon_threadsafe(self._continue_on_loop, awaitable, began)

    def _iterate(self, generator):
        try:
            for value in generator:
                self._runner.leave_child()
                if not self.cancelled:
                    item = Value(self._encoding.part(value))
                    self._credit.acquire()
                    self._loop.call_soon_threadsafe(self._items.put_nowait, item)
                if self.cancelled:
                    break
        finally:
            generator.close()
        return End()

    def _continue_on_loop(self, awaitable, began):
        self.task = asyncio.ensure_future(self._finish_on_loop(awaitable, began))
        if self.cancelled:
            self.task.cancel()

    async def on_loop(self):
        """The run of an async function, as a task."""
        await self._finish_on_loop(None, time.monotonic_ns())

    async def _finish_on_loop(self, awaitable, began):
        _context.enter(self._invocation)
        try:
            value = self._function(*self._positional, **self._named) if awaitable is None else awaitable
            if inspect.isawaitable(value):
                value = await value
            if inspect.isasyncgen(value):
                last = await self._iterate_async(value)
            elif inspect.isgenerator(value):
                last = await self._iterate_steps(value)
            else:
                last = Result(self._encoding.whole(value), _micro(time.monotonic_ns() - began), 0)
        except BaseException as error:
            last = Failed(error, _micro(time.monotonic_ns() - began), 0)
        self._runner.leave_child()
        self._end(last)

    async def _iterate_async(self, generator):
        try:
            async for value in generator:
                await self._put(value)
        finally:
            await generator.aclose()
        return End()

    async def _iterate_steps(self, generator):
        try:
            for value in generator:
                await self._put(value)
        finally:
            generator.close()
        return End()

    async def _put(self, value):
        await self._room.acquire()
        self._items.put_nowait(Value(self._encoding.part(value)))
        await asyncio.sleep(0)  # So that the value leaves before the next is made.

    def _end(self, last):
        lines.end(self._invocation.invocation_id)
        self._runner.release()
        if self._finish is not None:
            self._finish()
        self._items.put_nowait(last)


def _micro(nanoseconds):
    return nanoseconds // 1000
