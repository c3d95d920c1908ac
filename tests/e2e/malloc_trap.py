# SPDX-License-Identifier: MIT
"""Who calls malloc in a running program: traps at the C library's functions, in every thread and process of it.

    trap = Trap(program, pid)    # from now on; the program itself is what is shipped, nothing is changed in its file
    ...                          # until it has ended
    trap.end()                   # a list of Call(pid, thread's name, function, who called it)

A trap is an int3 at the first instruction of malloc, calloc, realloc, free and their like; the program is stopped there
(ptrace), the call is noted, and goes on. A thread or process that is made later is trapped as well, and so is the
program that execv() puts in place of the first, from its first instruction on. x86-64, and as root. Traps are set by a
process of their own, which is this file: who waits for a child of his would be told of its stops.
"""
import bisect
import collections
import ctypes
import functools
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading

HEAP = (
    r"^(__libc_|__simple_|__|default_)?(malloc|calloc|realloc|free|memalign|aligned_alloc|posix_memalign|valloc|pvalloc"
    r"|reallocarray|malloc_impl|malloc_alloc_meta)(@.*)?$"
)
CONT, SINGLESTEP, GETREGS, SETREGS = 7, 9, 12, 13
SEIZE, INTERRUPT = 0x4206, 0x4207
O_FORK, O_VFORK, O_CLONE, O_EXEC, O_EXITKILL = 2, 4, 8, 16, 1 << 20
EVENT_EXEC = 4
WALL = 0x40000000
INT3 = b"\xcc"
# clock_gettime() as the kernel has it, but that the wall clock is that many seconds behind:
#   mov eax, 228; syscall; test edi, edi; jne 1f; sub qword [rsi], SECONDS; 1: ret
BEHIND = b"\xb8\xe4\x00\x00\x00\x0f\x05\x85\xff\x75\x07\x48\x81\x2e%b\xc3"
NAMES = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs"

Call = collections.namedtuple("Call", "pid thread function caller")


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in NAMES.split()]


libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, pid, address=0, data=0):
    if libc.ptrace(request, pid, address, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"ptrace {request:#x} of {pid}: {os.strerror(number)}")


def read(pid, address, size):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def write(pid, address, data):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(data)


@functools.cache
def symbols(file, dynamic=False):
    """Sorted (address, name, kind) of what a file defines."""
    lines = subprocess.run(["nm", *(["-D"] if dynamic else []), file], check=True, capture_output=True, text=True)
    found = [line.split() for line in lines.stdout.splitlines()]
    return sorted((int(words[0], 16), words[2], words[1]) for words in found if len(words) == 3)


@functools.cache
def functions(file, dynamic):
    return [(address, name) for address, name, kind in symbols(file, dynamic) if kind in "TtWwi"]


def address_of(file, name):
    return next(address for address, symbol, _ in symbols(file) if symbol == name)


def mappings(pid):
    """(begin, end, bias, file) of what is mapped from files; the bias of a program that is linked to its place is 0."""
    found, bias = [], {}
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        words = line.split()
        if len(words) < 6 or not words[5].startswith("/"):
            continue
        begin, end = (int(word, 16) for word in words[0].split("-"))
        file = " ".join(words[5:])
        if file not in bias:
            is_fixed = read(pid, begin, 18)[16:18] == b"\x02\x00"  # ET_EXEC
            bias[file] = 0 if is_fixed else begin - int(words[2], 16)
        found.append((begin, end, bias[file], file))
    return found


def tasks(pid):
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def children(pid):
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def process_of(task):
    return int(re.search(r"^Tgid:\s+(\d+)", pathlib.Path(f"/proc/{task}/status").read_text(), re.M)[1])


class Trap:
    """`heap`: a pattern of the functions' names. `behind`: so many seconds is the clock of the next program late."""

    def __init__(self, program, pid, heap=HEAP, behind=0):
        words = [sys.executable, __file__, os.path.realpath(program), str(pid), heap, str(behind)]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "no traps were set"
        self.calls = []
        self.programs = 0  # that came by execv()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            if line == "exec\n":
                self.programs += 1
            else:
                pid, *words = line.rstrip("\n").split("\t")
                self.calls.append(Call(int(pid), *words))

    def end(self):
        """Waits for the end of what is trapped."""
        self.thread.join(30)
        assert self.process.wait(30) == 0, "the traps failed"
        return self.calls


class Tracer:
    def __init__(self, program, pid, heap, behind):
        self.program, self.pid, self.heap, self.behind = program, pid, re.compile(heap), behind
        self.places = {}  # process -> {address: (name, byte)}
        self.processes = {}  # thread -> process
        self.callers = {}  # (process, where it goes on) -> words

    def run(self):
        for process in (self.pid, *children(self.pid)):
            self._seize(process)
        print("ready", flush=True)
        while True:
            try:
                task, status = os.waitpid(-1, WALL)
            except ChildProcessError:
                return
            self._look(task, status)

    def _seize(self, process):
        options = O_FORK | O_VFORK | O_CLONE | O_EXEC | O_EXITKILL
        for task in tasks(process):
            ptrace(SEIZE, task, 0, options)
            ptrace(INTERRUPT, task)
        for task in tasks(process):
            os.waitpid(task, WALL)
        self._plant(process)
        for task in tasks(process):
            ptrace(CONT, task)

    def _plant(self, process):
        places = {}
        for _, _, bias, file in mappings(process):
            own = os.path.realpath(file) == self.program
            if not own and "/libc.so" not in file and "/libc-" not in file:
                continue
            for address, name in functions(file, not own):
                if self.heap.match(name):
                    places.setdefault(address + bias, name.split("@")[0])
        assert places, "no malloc in the program"
        self.places[process] = {at: (name, read(process, at, 1)) for at, name in places.items()}
        for at in places:
            write(process, at, INT3)

    def _look(self, task, status):
        if not os.WIFSTOPPED(status):
            self.processes.pop(task, None)
            return
        number, event = status >> 8 & 0xFF, status >> 16
        try:
            if event == EVENT_EXEC:
                print("exec", flush=True)
                self.callers.clear()
                self._plant(task)
                if self.behind:
                    code = BEHIND.replace(b"%b", self.behind.to_bytes(4, "little"))
                    write(task, address_of(self.program, "clock_gettime"), code)
            elif number == signal.SIGTRAP and event == 0 and self._trapped(task):
                return
            ptrace(CONT, task, 0, 0 if event != 0 or number == signal.SIGTRAP else number)
        except ProcessLookupError:
            pass  # killed meanwhile: its end comes next

    def _trapped(self, task):
        registers = Registers()
        ptrace(GETREGS, task, 0, ctypes.addressof(registers))
        if task not in self.processes:
            self.processes[task] = process_of(task)
        process = self.processes[task]
        if process not in self.places:  # forked: its memory is a copy
            parent = int(re.search(r"^PPid:\s+(\d+)", pathlib.Path(f"/proc/{process}/status").read_text(), re.M)[1])
            self.places[process] = self.places.get(parent, self.places[self.pid])
        at = registers.rip - 1
        if at not in self.places[process]:
            return False
        name, byte = self.places[process][at]
        self._note(process, task, name, int.from_bytes(read(process, registers.rsp, 8), "little"))
        registers.rip = at
        ptrace(SETREGS, task, 0, ctypes.addressof(registers))
        write(process, at, byte)
        ptrace(SINGLESTEP, task)
        _, status = os.waitpid(task, WALL)
        if not os.WIFSTOPPED(status):
            return True
        write(process, at, INT3)
        number = status >> 8 & 0xFF
        ptrace(CONT, task, 0, 0 if number == signal.SIGTRAP else number)
        return True

    def _note(self, process, task, name, back_to):
        if (process, back_to) not in self.callers:
            self.callers[process, back_to] = self._caller(process, back_to)
        caller = self.callers[process, back_to]
        if re.match(HEAP, caller.split(":")[-1]):
            return  # calloc, say, calls malloc
        thread = pathlib.Path(f"/proc/{process}/task/{task}/comm").read_text().strip()
        print(process, thread, name, caller, sep="\t", flush=True)

    def _caller(self, process, back_to):
        """As "libmbedcrypto.so.7:mbedtls_mpi_grow"."""
        for begin, end, bias, file in mappings(process):
            if begin <= back_to < end:
                known = functions(file, os.path.realpath(file) != self.program)
                at = bisect.bisect(known, (back_to - bias, "")) - 1
                return f"{os.path.basename(file)}:{known[at][1].split('@')[0] if at >= 0 else '?'}"
        return "?:?"


if __name__ == "__main__":
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a test that failed is not kept by what it traps
    Tracer(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])).run()
