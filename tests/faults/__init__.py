"""The fault harness: it breaks storage, processes and disks on purpose, and notices what is left behind.

children   a process held in the hand: start, wait for, release, stop, kill
inside     what such a process says and waits for
races      many such processes let go at once
kills      the same work, killed at each of its storage steps
storage    counts syncs and writes, fails or kills at the N-th (steps: the words; syscalls: Python's part)
points     `multidb.failpoints` armed in this process, and read out of the source
disks      full disks
damage     corrupt, cut, replaced, unreadable files
rights     root that obeys file modes, and nobody
traces     proof that a folder is untouched
guard      the alarm for raw opens of live databases
leaks      open connections, running threads, living children
plugin     the fixtures

What tests use is imported from here; `damage` is imported as a module: `from tests.faults import damage`.
"""

from tests.faults.children import Child, ChildFailed, run_child
from tests.faults.disks import file_size_limit, fill, tmpfs
from tests.faults.guard import RawOpenError, raw_opens_allowed
from tests.faults.inside import barrier, number, say
from tests.faults.kills import kill_points, killed_at, storage_steps
from tests.faults.points import armed
from tests.faults.races import run_children
from tests.faults.rights import NOBODY, modes_obeyed
from tests.faults.steps import Fault, Step, Storage
from tests.faults.storage import watch_storage
from tests.faults.traces import Trace, folder_fingerprint

__all__ = [
    "NOBODY",
    "Child",
    "ChildFailed",
    "Fault",
    "RawOpenError",
    "Step",
    "Storage",
    "Trace",
    "armed",
    "barrier",
    "file_size_limit",
    "fill",
    "folder_fingerprint",
    "kill_points",
    "killed_at",
    "modes_obeyed",
    "number",
    "raw_opens_allowed",
    "run_child",
    "run_children",
    "say",
    "storage_steps",
    "tmpfs",
    "watch_storage",
]
