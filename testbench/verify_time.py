#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long `kiln verify` takes beside the running kernel's verifier, for the same programs in the same run.

    testbench/verify_time.py [--kiln build/kiln] [--repeats 5] [--least 0] [--json] PATH...

Each object is verified by both, `--repeats` times in turn; of each program's times the median counts. Programs on
which the verdicts differ, and those that the kernel can't be asked about, are left out. Prints one line a program
that both processed at least `--least` instructions of, slowest ratio first, and a closing sentence. The kernel's time
is what its log says ("verification time"), so it is without the JIT.
Exit status: 0 measured, 2 wrong usage, 3 nothing could be measured.
"""
import argparse
import json
import statistics
import sys

from parity import ask, objects_under


def measure(kiln, objects, repeats):
    """{(object, program): [(ours in us, the kernel's in us, our insns, the kernel's insns)]}."""
    rows = {}
    for _ in range(repeats):
        for obj in objects:
            answer, _error = ask(kiln, obj)
            for program in answer["programs"] if answer else []:
                kernel = program.get("kernel") or {}
                if kernel.get("verdict") == program["verdict"] and kernel.get("processed"):
                    rows.setdefault((str(obj), program["name"]), []).append(
                        (program["time_us"], kernel["time_us"], program["processed"], kernel["processed"]))
    return rows


def summarise(rows, least):
    table = []
    for (obj, name), runs in rows.items():
        ours, theirs = (statistics.median(run[k] for run in runs) for k in (0, 1))
        if min(runs[0][2:]) >= least:
            table.append({"object": obj, "program": name, "processed": runs[0][2], "kernel_processed": runs[0][3],
                          "time_us": ours, "kernel_time_us": theirs, "ratio": ours / max(theirs, 1)})
    return sorted(table, key=lambda row: -row["ratio"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="+", metavar="PATH")
    parser.add_argument("--kiln", default="build/kiln")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--least", type=int, default=0, help="only programs of so many processed instructions")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    table = summarise(measure(options.kiln, list(objects_under(options.paths)), options.repeats), options.least)
    if not table:
        print("verify_time: no program that both could be asked about", file=sys.stderr)
        return 3
    if options.json:
        json.dump(table, sys.stdout, indent=2)
        print()
        return 0
    for row in table:
        print(f"{row['ratio']:6.2f}x {row['program']:<28.28} {row['processed']:>8} insns (kernel {row['kernel_processed']:>8}) "
              f"{row['time_us']:>10.0f} us (kernel {row['kernel_time_us']:>10.0f})")
    ratios = [row["ratio"] for row in table]
    same = sum(row["processed"] == row["kernel_processed"] for row in table)
    print(f"{len(table)} programs: median {statistics.median(ratios):.2f} of the kernel's time, worst {max(ratios):.2f}, "
          f"{sum(ratio > 1 for ratio in ratios)} slower; {same} with as many instructions processed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
