#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verdict and words of `kiln verify` for every program of NAME.bpf.c, and of the running kernel.

    verdicts_test.py KILN SOURCE OBJECT

A program is preceded by "// accept" or "// reject WORDS". The kernel is asked where bpf(2) is allowed and its types are
those of Linux 6.18 or later; where it can't be asked (a target that it can't attach to), only Kiln's verdict counts.
What it accepts it must also run, on one frame, if it runs programs of that type for a test.
Exit status: 0 all as expected, 1 not, 77 nothing here knows the kernel's types (skipped).
"""
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

SKIPPED = 77
SINCE_6_18 = "bpf_strcasecmp"  # a kernel function that came with it


def expectations(source):
    """Program: (verdict, words)."""
    pattern = re.compile(r"^// (accept|reject (.*))\nSEC\([^)]*\)\s+(?:[A-Z_]+(?:\([^)]*\))?\s+)*int (\w+)\(", re.M)
    return {name: ("reject" if words else "accept", words or "") for _, words, name in pattern.findall(source)}


def kernel_is_known(kiln):
    types = pathlib.Path("/sys/kernel/btf/vmlinux")
    return types.exists() and SINCE_6_18.encode() in types.read_bytes()


def check(name, who, verdict, message, expected):
    wanted, words = expected
    if verdict == wanted and words in message:
        return True
    print(f"{name}: {who} says {verdict} {message}, expected: {wanted} {words}")
    return False


def runs(kiln, obj, name):
    """Whether the kernel runs the program on a frame of 64 bytes."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as capture:
        capture.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        capture.write(struct.pack("<IIII", 0, 0, 64, 64) + bytes(64))
        capture.flush()
        done = subprocess.run([kiln, "run", obj, "--prog", name, "--engine", "kernel", "--pcap", capture.name],
                              capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{name}: {done.stderr.strip()}")
    return done.returncode == 0


def main():
    kiln, source, obj = sys.argv[1:]
    if not kernel_is_known(kiln):
        print("the running kernel has no BTF, or is older than Linux 6.18")
        return SKIPPED
    expected = expectations(pathlib.Path(source).read_text())
    done = subprocess.run([kiln, "verify", "--kernel", "--json", obj], capture_output=True, text=True)
    if "no BPF program in this object" in done.stderr:
        print(f"{obj} is empty: this compiler writes no type tags")
        return SKIPPED
    if not done.stdout:
        print(done.stderr)
        return 1
    programs = json.loads(done.stdout)["programs"]
    wrong, asked = 0, 0
    for program in programs:
        name, kernel = program["name"], program.get("kernel") or {}
        if name not in expected:
            print(f"{name}: nothing is expected of it")
            wrong += 1
            continue
        wrong += not check(name, "kiln", program["verdict"], program.get("message", ""), expected[name])
        if "verdict" in kernel:
            asked += 1
            wrong += not check(name, "the kernel", kernel["verdict"], kernel.get("message", ""), expected[name])
        if kernel.get("verdict") == program["verdict"] == "accept" and program["type"] == "sched_cls":
            wrong += not runs(kiln, obj, name)
    missing = expected.keys() - {program["name"] for program in programs}
    for name in missing:
        print(f"{name}: not in {obj}")
    print(f"{len(programs)} programs, {asked} of them judged by the kernel, {wrong + len(missing)} complaints")
    return 1 if wrong or missing or not programs else 0


if __name__ == "__main__":
    sys.exit(main())
