"""A wall clock of its own for one process, which a test sets while the process runs.

Debian's libfaketime does the same, but waits for itself for ever where the allocator reads a clock before it is ready, as jemalloc does."""

import pathlib
import shutil
import struct
import subprocess

SOURCE = pathlib.Path(__file__).with_suffix(".c")


class FakedClock:
    """How far the wall clock is off, for the processes that are started with `prefix`. Its files are in a folder of the test's."""

    def __init__(self, folder):
        compiler = shutil.which("cc") or shutil.which("clang")
        assert compiler, "no C compiler: Swift comes with clang, Debian with gcc"
        self.library, self.file = pathlib.Path(folder) / "clock.so", pathlib.Path(folder) / "clock"
        subprocess.run([compiler, "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", self.library, SOURCE], check=True)
        self.set(0)

    def set(self, seconds):
        """Steps the clock: so far from the true one it is from now on."""
        # In place, and at once: it is mapped.
        with open(self.file, "r+b" if self.file.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("q", round(seconds * 1_000_000_000)))

    @property
    def prefix(self):
        """The command that starts a process with this clock."""
        return ("env", f"LD_PRELOAD={self.library}", f"FAKED_CLOCK={self.file}")
