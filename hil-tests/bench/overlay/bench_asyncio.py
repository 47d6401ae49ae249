"""`_asyncio`, the core of asyncio, in the virtual time of the bench.

The interface is what asyncio/core.py asks for; behaviour as documented for asyncio of MicroPython 1.29.
"""


class Namespace:
    """Stands in sys.modules where a module is expected."""


def make_asyncio_core(time_module):
    """The module `_asyncio`: the C queue stamps immediate tasks with the real clock, this one does not."""
    module = Namespace()
    ticks_ms = time_module.ticks_ms
    ticks_diff = time_module.ticks_diff

    class TaskQueue:
        """Tasks by due time; tasks of one instant in the order of their pushing."""

        def __init__(self):
            self._tasks = []

        def peek(self):
            return self._tasks[0] if self._tasks else None

        def push(self, task, key=None):
            task.data = None
            task.ph_key = due = ticks_ms() if key is None else key
            tasks = self._tasks
            i = len(tasks)
            while i and ticks_diff(due, tasks[i - 1].ph_key) < 0:
                i -= 1
            tasks.insert(i, task)

        def pop(self):
            return self._tasks.pop(0)

        def remove(self, task):
            self._tasks.remove(task)

    class Task:
        """One coroutine and those that wait for it."""

        def __init__(self, coro, globals=None):
            self.coro = coro
            self.data = None  # while waiting: the queue the task is in
            self.state = True  # True: running; a TaskQueue: others wait; False: done; None: done, nobody looked
            self.ph_key = 0

        def __iter__(self):
            if not self.state:
                self.state = False  # the waiting side sees the exception, nobody else needs to
            elif self.state is True:
                self.state = TaskQueue()
            elif type(self.state) is not TaskQueue:
                raise RuntimeError("can't wait")
            return self

        def __next__(self):
            if not self.state:
                raise self.data
            self.state.push(module.current_task())
            module.current_task().data = self

        def done(self):
            return not self.state

        def cancel(self):
            from asyncio import core

            if not self.state:
                return False
            if self is core.cur_task:
                raise RuntimeError("can't cancel self")
            while isinstance(self.data, Task):
                self = self.data
            if hasattr(self.data, "remove"):
                self.data.remove(self)
                core._task_queue.push(self)
            elif ticks_diff(self.ph_key, ticks_ms()) > 0:
                core._task_queue.remove(self)
                core._task_queue.push(self)
            self.data = core.CancelledError
            return True

    def current_task():
        from asyncio import core

        return core.cur_task

    module.TaskQueue = TaskQueue
    module.Task = Task
    module.current_task = current_task
    module.__name__ = "_asyncio"
    return module
