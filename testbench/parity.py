#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verdicts of `kiln verify` beside the running kernel's, over every object file under the given paths.

    testbench/parity.py [--kiln build/kiln] [--json] [--all] PATH...

Prints one line a program on which the two differ (with --all, every program) and a table of how many agree.
Exit status: 0 no difference, 1 differences, 2 wrong usage, 3 nothing could be asked (no objects, bpf(2) refused).
Programs that the kernel can't be asked about (a type that needs a target, a map it refuses to create) count
as unasked, objects that don't load as load errors; neither is a difference.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

TIMEOUT_SECONDS = 120


def objects_under(paths):
    for path in map(pathlib.Path, paths):
        yield from sorted(path.rglob("*.o")) if path.is_dir() else [path]


def ask(kiln, obj):
    """The JSON of one object, or an error line."""
    command = [kiln, "verify", "--kernel", "--json", str(obj)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"no answer within {TIMEOUT_SECONDS} s"
    try:
        return json.loads(done.stdout), done.stderr.strip()
    except json.JSONDecodeError:
        lines = done.stderr.strip().splitlines()
        return None, lines[-1] if lines else f"exit status {done.returncode}"


def outcome(program):
    kernel = program.get("kernel", {})
    if "verdict" not in kernel:
        return "unasked"
    ours, theirs = program["verdict"], kernel["verdict"]
    if ours == theirs:
        return f"both {ours}"
    return "kiln stricter" if theirs == "accept" else "kiln looser"


def row_of(obj, program):
    kernel = program.get("kernel") or {}
    return {"object": str(obj), "program": program["name"], "type": program["type"], "insns": program["insns"],
            "outcome": outcome(program), "kiln": program.get("message", ""), "kernel": kernel.get("message", kernel.get("error", "")),
            "processed": program.get("processed"), "kernel_processed": kernel.get("processed"),
            "time_us": program.get("time_us"), "kernel_time_us": kernel.get("time_us")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--kiln", default="build/kiln")
    parser.add_argument("--json", action="store_true", help="every program and the table as JSON")
    parser.add_argument("--all", action="store_true", help="list programs that agree, too")
    options = parser.parse_args()

    rows, errors = [], []
    for obj in objects_under(options.paths):
        answer, error = ask(options.kiln, obj)
        if answer is None:
            errors.append({"object": str(obj), "error": error})
        else:
            rows += [row_of(obj, program) for program in answer["programs"]]
    table = collections.Counter(row["outcome"] for row in rows)
    if options.json:
        json.dump({"programs": rows, "load_errors": errors, "table": table}, sys.stdout, indent=2)
        print()
    else:
        for row in rows:
            if options.all or row["outcome"].startswith("kiln "):
                print(f"{row['outcome']:<14} {row['object']} {row['program']} ({row['type']})")
                print(f"    kiln:   {row['kiln'] or 'accept'}\n    kernel: {row['kernel'] or 'accept'}")
        for error in errors:
            print(f"load error     {error['object']}: {error['error']}")
        print("  ".join(f"{name}: {table[name]}" for name in
                        ("both accept", "both reject", "kiln stricter", "kiln looser", "unasked")) +
              f"  load errors: {len(errors)}")
    if not rows or table["unasked"] == len(rows):
        return 3
    return 1 if table["kiln stricter"] + table["kiln looser"] else 0


if __name__ == "__main__":
    sys.exit(main())
