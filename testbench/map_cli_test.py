#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kiln map against bpftool map: the same words, on the same maps, must print the same.

usage: map_cli_test.py BUILD_DIR

The maps are those of golden/map_types.bpf.o, in the kernel (bpftool prog load .. pinmaps) and in a Kiln state. Where
bpf(2), bpftool or the BPF file system are not to be had the test says so and is skipped (77)."""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

SKIPPED = 77


def run(words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def numbers(count, rng, text=False):
    return [str(rng.randrange(32, 127) if text else rng.randrange(256)) for _ in range(count)]


def commands(rng):
    """(map, words) in the order of execution. Keys are few, so that they meet again; orders of hashes are not compared,
    so a hash is dumped while it has one element."""
    sizes = {"things": (4, VALUE_BYTES), "names": (4, 14), "raw": (20, 6), "small": (4, 8)}
    for name, (key_size, value_size) in sizes.items():
        yield name, ["dump"]
        for step in range(25):
            key = ["key"] + [str(rng.randrange(3))] + ["0"] * (key_size - 1)
            if rng.randrange(4) == 0:
                key = ["key", "hex", f"{rng.randrange(3):x}"] + ["0"] * (key_size - 1)
            value = numbers(value_size, rng, text=rng.randrange(2) == 0)
            if rng.randrange(2):
                value[rng.randrange(value_size)] = "0"
            flag = rng.choice([[], ["any"], ["exist"], ["noexist"]])
            yield name, rng.choice([["update"] + key + ["value"] + value + flag, ["lookup"] + key, ["delete"] + key,
                                    ["lookup"] + key[:-1], ["update"] + key + ["value"] + value[1:], ["lookup"],
                                    ["update"] + key, ["update"] + key + ["value", "x"], ["lookup"] + key[:-1] + ["y"]])
        for n in range(3):
            yield name, ["delete", "key", str(n)] + ["0"] * (key_size - 1)
        yield name, ["getnext"]
        yield name, ["update", "key", "1"] + ["0"] * (key_size - 1) + ["value"] + numbers(value_size, rng)
        yield name, ["dump"]
        yield name, ["getnext"]
        yield name, ["getnext", "key", "1"] + ["0"] * (key_size - 1)
    for name in ["queue", "stack"]:
        for step in range(30):
            push = [rng.choice(["push", "enqueue"]), "value"] + numbers(4, rng)
            yield name, rng.choice([push, push, ["peek"], ["pop"], ["dequeue"], ["lookup"], ["push", "value", "1"]])
        yield name, ["freeze"]
        yield name, ["peek"]
    for words in [["update", "key", "8", "0", "0", "0", "10", "1", "2", "3", "value", "1", "0", "0", "0"],
                  ["lookup", "key", "32", "0", "0", "0", "10", "9", "9", "9"],
                  ["lookup", "key", "32", "0", "0", "0", "11", "9", "9", "9"],
                  ["lookup", "key", "33", "0", "0", "0", "10", "9", "9", "9"]]:
        yield "routes", words


VALUE_BYTES = 0
# bpftool before 7.2 printed addresses bare, which is not JSON.
UNQUOTED_ADDRESS = re.compile(r'("address": )(0x[0-9a-f]+|\(nil\))')


def compare(theirs, ours):
    """bpftool prints errors of JSON mode on standard output, and its exit statuses are errno numbers; ours are cli's."""
    (status_a, out_a, err_a), (status_b, out_b, err_b) = theirs, ours
    if (status_a == 0) != (status_b == 0):
        return "one succeeds"
    out_a = UNQUOTED_ADDRESS.sub(r'\1"\2"', out_a)
    if '"error":' in out_a:
        return None if json.loads(out_a)["error"] in err_b else "messages"
    for text in [err_a, out_a]:
        if text.startswith("Error: "):
            return None if text[len("Error: "):].strip() in err_b else "messages"
    return None if out_a == out_b else "output"


def test(build, folder, pins):
    global VALUE_BYTES
    kiln = os.path.join(build, "kiln")
    object_file = os.path.join(build, "golden", "map_types.bpf.o")
    state = os.path.join(folder, "state")
    status, _, error = run([kiln, "run", object_file, "--pcap", os.path.join(build, "captures", "xdp1.pcap"),
                            "--save-state", state])
    if status != 0:
        print(error)
        return 1
    status, out, _ = run([kiln, "map", "show", "name", "things", "--state", state])
    VALUE_BYTES = int(out.split("value ")[1].split("B")[0])
    failures = done = 0
    for style in [[], ["-j"], ["-p"]]:
        for seed in range(2):
            rng = random.Random(seed)
            for name, words in commands(rng):
                if style and name in ["queue", "stack"]:  # frozen in the first round
                    continue
                theirs = run(["bpftool"] + style + ["map", words[0], "pinned", f"{pins}/{name}"] + words[1:])
                ours = run([kiln, "map"] + style + [words[0], "name", name, "--state", state] + words[1:])
                why = compare(theirs, ours)
                done += 1
                if why:
                    failures += 1
                    print(f"{why}: {' '.join(style + words)} on {name}\nbpftool: {theirs}\nkiln:    {ours}")
                    if failures > 5:
                        return 1
    print(f"{done} commands print the same")
    return 1 if failures else 0


def main(build):
    pins = f"/sys/fs/bpf/kiln_map_cli_{os.getpid()}"
    try:
        os.mkdir(pins)
    except OSError as error:
        print(f"skipped: {pins}: {error}")
        return SKIPPED
    try:
        status, out, error = run(["bpftool", "prog", "load", os.path.join(build, "golden", "map_types.bpf.o"), f"{pins}/prog",
                                  "pinmaps", pins])
        if status != 0:
            print(f"skipped: bpftool: {error.strip()}")
            return SKIPPED
        with tempfile.TemporaryDirectory() as folder:
            return test(build, folder, pins)
    except FileNotFoundError as error:
        print(f"skipped: {error}")
        return SKIPPED
    finally:
        for name in os.listdir(pins):
            os.unlink(os.path.join(pins, name))
        os.rmdir(pins)


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1])))
