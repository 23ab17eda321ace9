# SPDX-License-Identifier: Apache-2.0
"""Runs captures through the real kernel's XDP by BPF_PROG_TEST_RUN, and records what it did.

Usage: kernel_run.py BUILD [--check | --bless | --show] [NAME..]
  --check  compares with expected/NAME.json (the default); exit status 1 if they differ,
           77 where bpf(2) is not allowed or libbpf is missing
  --bless  writes expected/NAME.json
  --show   prints the verdict counts

Needs root, libbpf.so.1 and what the targets kiln_programs and kiln_captures build. A digest covers
every frame's return code, length and bytes, in order; another the maps afterwards. Runs on one
processor, so that a per-CPU map has one live value. Standard library only.
"""

import argparse
import ctypes as c
import hashlib
import json
import os
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "captures")]
from cases import CASES  # noqa: E402
from frames import read_pcap  # noqa: E402

SKIP = 77
VERDICTS = ["aborted", "drop", "pass", "tx", "redirect"]
XDP = 6
PERCPU = {5, 6, 10}
ARRAYS = {2, 6}
PROG_ARRAY, DEVMAPS = 3, {14, 25}


class Skip(Exception):
    """The kernel cannot be asked here."""


class TestRun(c.Structure):
    """struct bpf_test_run_opts."""
    _fields_ = [("size", c.c_size_t), ("data_in", c.c_void_p), ("data_out", c.c_void_p),
                ("data_size_in", c.c_uint32), ("data_size_out", c.c_uint32),
                ("ctx_in", c.c_void_p), ("ctx_out", c.c_void_p),
                ("ctx_size_in", c.c_uint32), ("ctx_size_out", c.c_uint32),
                ("retval", c.c_uint32), ("repeat", c.c_int), ("duration", c.c_uint32),
                ("flags", c.c_uint32), ("cpu", c.c_uint32), ("batch_size", c.c_uint32)]


def open_libbpf():
    try:
        lib = c.CDLL("libbpf.so.1", use_errno=True)
    except OSError as error:
        raise Skip(f"libbpf: {error}") from error
    pointers = ("bpf_object__open_file", "bpf_object__next_program", "bpf_object__next_map",
                "bpf_object__find_program_by_name")
    for name in pointers:
        getattr(lib, name).restype = c.c_void_p
    for name in ("bpf_program__name", "bpf_map__name"):
        getattr(lib, name).restype = c.c_char_p
    lib.libbpf_set_print(None)
    return lib


class Map:
    """A loaded map: name, sizes, and bpf(2)'s operations on it."""

    def __init__(self, lib, handle):
        handle = c.c_void_p(handle)
        self.lib, self.name = lib, lib.bpf_map__name(handle).decode()
        self.fd = lib.bpf_map__fd(handle)
        self.kind = lib.bpf_map__type(handle)
        self.key_size = lib.bpf_map__key_size(handle)
        self.value_size = lib.bpf_map__value_size(handle)
        self.max_entries = lib.bpf_map__max_entries(handle)
        self.cpus = lib.libbpf_num_possible_cpus() if self.kind in PERCPU else 1
        self.stride = (self.value_size + 7) // 8 * 8 if self.kind in PERCPU else self.value_size

    def update(self, key, value):
        full = value.ljust(self.stride, b"\0") + bytes(self.stride * (self.cpus - 1))
        if self.lib.bpf_map_update_elem(self.fd, key, full, c.c_uint64(0)):
            raise OSError(f"map {self.name}: cannot store key {key.hex()}")

    def items(self):
        """Key and value of every element, the value of the processor we run on."""
        key, found = None, c.create_string_buffer(self.key_size)
        value = c.create_string_buffer(self.stride * self.cpus)
        keys = []
        while self.lib.bpf_map_get_next_key(self.fd, key, found) == 0:
            keys.append(found.raw)
            key = found.raw
        for one in keys:
            if self.lib.bpf_map_lookup_elem(self.fd, one, value) == 0:
                # 0 is the processor that main() pins us to.
                yield one, value.raw[:self.value_size]

    def digest(self):
        """Of the elements, sorted; array elements that are zero do not count."""
        state = hashlib.sha256()
        for key, value in sorted(self.items()):
            if self.kind not in ARRAYS or any(value):
                state.update(key + value)
        return state.hexdigest()[:16]


class Loaded:
    """An object in the kernel."""

    def __init__(self, lib, path, program):
        self.lib = lib
        self.handle = lib.bpf_object__open_file(path.encode(), None)
        if not self.handle:
            raise OSError(f"{path}: libbpf cannot open it")
        self.handle = c.c_void_p(self.handle)
        each = None
        while each := lib.bpf_object__next_program(self.handle, c.c_void_p(each)):
            lib.bpf_program__set_type(c.c_void_p(each), XDP)
        status = lib.bpf_object__load(self.handle)
        if status in (-1, -38):  # EPERM, ENOSYS
            raise Skip("bpf(2) is not allowed here")
        if status:
            raise OSError(f"{path}: the kernel refuses it, error {status}")
        found = lib.bpf_object__find_program_by_name(self.handle, program.encode())
        if not found:
            raise OSError(f"{path}: no program {program}")
        self.fd = lib.bpf_program__fd(c.c_void_p(found))
        self.maps = {}
        each = None
        while each := lib.bpf_object__next_map(self.handle, c.c_void_p(each)):
            one = Map(lib, each)
            self.maps[one.name] = one

    def fill(self, path):
        with open(path, encoding="ascii") as file:
            content = json.load(file)
        for name, elements in content.items():
            for element in elements:
                key, value = (bytes(int(x, 16) for x in element[k]) for k in ("key", "value"))
                self.maps[name].update(key, value)

    def run(self, frame):
        """Returns code and the frame as the program left it, without metadata."""
        context = c.create_string_buffer(struct.pack("<6I", 0, len(frame), 0, 0, 0, 0), 24)
        context_out = c.create_string_buffer(24)
        out = c.create_string_buffer(4096)
        options = TestRun(size=c.sizeof(TestRun), data_in=c.cast(frame, c.c_void_p),
                          data_size_in=len(frame), data_out=c.cast(out, c.c_void_p),
                          data_size_out=4096, ctx_in=c.cast(context, c.c_void_p), ctx_size_in=24,
                          ctx_out=c.cast(context_out, c.c_void_p), ctx_size_out=24, repeat=1)
        status = self.lib.bpf_prog_test_run_opts(self.fd, c.byref(options))
        if status:
            raise OSError(f"test run of {len(frame)} bytes: error {status}")
        start = struct.unpack_from("<I", context_out)[0]  # metadata comes first
        return options.retval, out.raw[start:options.data_size_out]

    def close(self):
        self.lib.bpf_object__close(self.handle)


def run_capture(lib, build, case, capture):
    """One capture through a freshly loaded object."""
    loaded = Loaded(lib, os.path.join(build, case.kernel_object or case.object), case.program)
    if case.maps:
        loaded.fill(os.path.join(build, case.maps))
    path = os.path.join(build, capture)
    counts, digest, packets = dict.fromkeys(VERDICTS, 0), hashlib.sha256(), 0
    for frame in read_pcap(path):
        code, out = loaded.run(frame)
        counts[VERDICTS[code] if code < len(VERDICTS) else "aborted"] += 1
        if "frames" in case.kernel_varies:
            out = bytes(len(out))
        digest.update(struct.pack("<II", code, len(out)) + out)
        packets += 1
    maps = {name: one.digest() for name, one in sorted(loaded.maps.items())
            if one.kind != PROG_ARRAY and one.kind not in DEVMAPS
            and "." not in one.name  # global data: where clang puts what is its own choice
            and f"map:{name}" not in case.kernel_varies}
    loaded.close()
    return {"packets": packets, "verdicts": counts, "frames": digest.hexdigest()[:16], "maps": maps}


def release():
    """(major, minor) of the running kernel."""
    return tuple(int(part) for part in os.uname().release.split(".")[:2])


def expected_path(case):
    return os.path.join(HERE, "expected", case.name + ".json")


def check(case, got):
    """Prints what differs from the committed file; True if nothing does."""
    try:
        with open(expected_path(case), encoding="ascii") as file:
            expected = json.load(file)
    except OSError as error:
        print(f"{case.name}: {error}")
        return False
    same = True
    for capture in sorted(set(expected) | set(got)):
        if expected.get(capture) != got.get(capture):
            same = False
            print(f"{case.name}: {capture}\n  expected {json.dumps(expected.get(capture))}"
                  f"\n  kernel   {json.dumps(got.get(capture))}")
    return same


def bless(case, got):
    path = expected_path(case)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as out:
        lines = ",\n".join(f' {json.dumps(k)}: {json.dumps(v)}' for k, v in got.items())
        out.write("{\n" + lines + "\n}\n")


def show(case, got):
    for capture, result in got.items():
        counts = ", ".join(f"{n} {name}" for name, n in result["verdicts"].items() if n)
        print(f"{case.name:32} {capture[9:]:32} {result['packets']:5}  {counts}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("names", nargs="*")
    action = parser.add_mutually_exclusive_group()
    for name in ("check", "bless", "show"):
        action.add_argument("--" + name, action="store_true")
    arguments = parser.parse_intermixed_args()
    os.sched_setaffinity(0, {0})
    try:
        lib = open_libbpf()
        agree, packets = True, 0
        for case in CASES:
            if arguments.names and case.name not in arguments.names:
                continue
            if release() < case.kernel_since:
                print(f"{case.name}: not on this kernel, needs Linux "
                      + ".".join(map(str, case.kernel_since)))
                continue
            got = {}
            for capture in case.captures + ((case.bench,) if case.bench else ()):
                got[capture] = run_capture(lib, arguments.build, case, capture)
                packets += got[capture]["packets"]
            if arguments.bless:
                bless(case, got)
            elif arguments.show:
                show(case, got)
            else:
                agree &= check(case, got)
    except Skip as reason:
        print(f"skipped: {reason}")
        return SKIP
    if not packets:
        print(f"no such case: {' '.join(arguments.names)}")
        return 2
    if not arguments.show:
        print(f"the kernel ran {packets} packets" + ("" if agree else ": not as expected"))
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
