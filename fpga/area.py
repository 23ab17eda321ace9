#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Synthesises kiln_nic with Yosys and prints what it takes, by module, as Markdown.

Counts only: no place and route, so no clock. The hierarchy is kept, so that every cell belongs to a
module; a flattened netlist would be a little smaller. Every netlist passes `check -assert`.
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
RTL = ROOT / "rtl"

SYNTHESIS = {
    "xc7": "synth_xilinx -family xc7 -noiopad -top kiln_nic",
    "xcup": "synth_xilinx -family xcup -noiopad -top kiln_nic",
    "ecp5": "synth_ecp5 -noflatten -no-rw-check -top kiln_nic",
}
TITLE = {"xc7": "Xilinx 7 series", "xcup": "Xilinx UltraScale+", "ecp5": "Lattice ECP5"}
COLUMNS = ("lut", "lutram", "ff", "bram", "dsp")
HEADINGS = {
    "xc7": ("LUT", "of these memory", "FF", "RAMB36", "DSP48"),
    "xcup": ("LUT", "of these memory", "FF", "RAMB36", "DSP48"),
    "ecp5": ("LUT4", "of these memory", "FF", "DP16KD", "MULT18"),
}

# What a cell takes: pattern of its type, then LUTs, LUTs used as memory, FFs, block RAMs, DSPs.
XILINX = [
    (r"LUT[1-6]", (1, 0, 0, 0, 0)),
    (r"RAM(32M|64M)", (4, 4, 0, 0, 0)),
    (r"RAM(32M16|64M8)", (8, 8, 0, 0, 0)),
    (r"RAM(32X1D|64X1D|32X1S|64X1S)", (2, 2, 0, 0, 0)),
    (r"RAM128X1[DS]", (4, 4, 0, 0, 0)),
    (r"RAM256X1[DS]", (8, 8, 0, 0, 0)),
    (r"SRL16E|SRLC32E", (1, 1, 0, 0, 0)),
    (r"FD[A-Z]*", (0, 0, 1, 0, 0)),
    (r"RAMB36E[12]", (0, 0, 0, 1, 0)),
    (r"RAMB18E[12]", (0, 0, 0, 0.5, 0)),
    (r"DSP48E[12]", (0, 0, 0, 0, 1)),
    # An inverter goes into the LUT, carry or flip-flop behind it.
    (r"INV|CARRY[48]|MUXF[789]|BUFG|GND|VCC", (0, 0, 0, 0, 0)),
]
# A CCU2C (carry) takes two LUT4. Distributed memory of 16 x 4 takes two slices and a write port: six.
ECP5 = [
    (r"LUT4", (1, 0, 0, 0, 0)),
    (r"CCU2C", (2, 0, 0, 0, 0)),
    (r"TRELLIS_DPR16X4", (6, 6, 0, 0, 0)),
    (r"TRELLIS_FF", (0, 0, 1, 0, 0)),
    (r"DP16KD", (0, 0, 0, 1, 0)),
    (r"MULT18X18D", (0, 0, 0, 0, 1)),
    (r"PFUMX|L6MUX21|GND|VCC", (0, 0, 0, 0, 0)),
]


def sources():
    """RTL files, packages first."""
    packages = sorted((RTL / "gen").glob("*.sv")) + sorted(RTL.glob("bpf_*_pkg.sv"))
    return packages + sorted(set(RTL.glob("*.sv")) - set(packages))


def run_yosys(target, parameters, directory):
    """Text of `stat`: the cells of every module."""
    stat = pathlib.Path(directory) / f"{target}.stat"
    script = "\n".join([
        f"read_verilog -defer -sv -I{RTL} " + " ".join(str(s) for s in sources()),
        "chparam " + " ".join(f"-set {name} {value}" for name, value in parameters.items()) + " kiln_nic",
        "hierarchy -check -top kiln_nic",
        "proc",
        "check -assert",
        SYNTHESIS[target],
        "check -assert",
        f"tee -o {stat} stat",
    ])
    path = pathlib.Path(directory) / f"{target}.ys"
    path.write_text(script + "\n")
    done = subprocess.run(["yosys", "-q", "-s", str(path)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"area: yosys failed on {target}:\n" + "\n".join((done.stdout + done.stderr).splitlines()[-15:]))
    return stat.read_text()


def base_name(name):
    r"""$paramod$1a2b...\bpf_fifo and $paramod\bpf_fifo\Width=... are bpf_fifo."""
    parts = name.split("\\")
    return parts[1] if name.startswith("$paramod") else parts[-1]


def parse(text):
    """{module name in the netlist: {cell type: count}}, and the top's name."""
    modules, current = {}, None
    for line in text.splitlines():
        if heading := re.match(r"=== (.*) ===", line):
            current = None if heading[1] == "design hierarchy" else heading[1]
            if current is not None:
                modules[current] = {}
        elif current is not None and (cell := re.match(r"\s+(\S+)\s+(\d+)$", line)):
            modules[current][cell[1]] = int(cell[2])
    return modules


def weigh(cells, target, modules):
    """Cells of one module as LUT, FF and so on, without its children; and the children."""
    total, children = [0.0] * len(COLUMNS), {}
    for cell, count in cells.items():
        if cell in modules:
            children[cell] = children.get(cell, 0) + count
            continue
        for pattern, weight in ECP5 if target == "ecp5" else XILINX:
            if re.fullmatch(pattern, cell):
                total = [t + count * w for t, w in zip(total, weight)]
                break
        else:
            sys.exit(f"area: a cell that this script does not know: {cell} ({target})")
    return total, children


def measure(text, target):
    """{module: {"instances", "self": [...], "all": [...]}} over all instances."""
    modules = parse(text)
    weights = {name: weigh(cells, target, modules) for name, cells in modules.items()}
    table = {}

    def visit(name):
        own, children = weights[name]
        everything = list(own)
        for child, count in children.items():
            for _ in range(count):
                everything = [a + b for a, b in zip(everything, visit(child))]
        row = table.setdefault(base_name(name), {"instances": 0, "self": [0.0] * 5, "all": [0.0] * 5})
        row["instances"] += 1
        row["self"] = [a + b for a, b in zip(row["self"], own)]
        row["all"] = [a + b for a, b in zip(row["all"], everything)]
        return everything

    visit(next(name for name in modules if base_name(name) == "kiln_nic"))
    return table


def number(value):
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"


def markdown(target, table, parameters, only):
    lines = [f"### {TITLE[target]}", "",
             ", ".join(f"{name} {value}" for name, value in parameters.items()) + "; a module's numbers include "
             "what it instantiates, and are sums over its instances.", "",
             "| module | instances | " + " | ".join(HEADINGS[target]) + " |",
             "|---|---:|" + "---:|" * len(COLUMNS)]
    for name, row in sorted(table.items(), key=lambda item: (-item[1]["all"][0], item[0])):
        if only and name not in only:
            continue
        lines.append(f"| `{name}` | {row['instances']} | " + " | ".join(number(v) for v in row["all"]) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", action="append", choices=sorted(SYNTHESIS), help="default: all three")
    parser.add_argument("--module", action="append", help="print this module's row only (may be repeated); default: all")
    parser.add_argument("--json", type=pathlib.Path, help="also write the numbers here")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter of kiln_nic")
    args = parser.parse_args()
    if shutil.which("yosys") is None:
        sys.exit("area: yosys is not installed (Debian: apt-get install yosys)")
    parameters = {"Cores": 1, "Threads": 8, "DataWidth": 64, "ImemWords": 4096, "MapBytes": 65536, "Retire": 0}
    for setting in args.set:
        name, _, value = setting.partition("=")
        if not value.isdigit():
            sys.exit(f"area: --set {setting}: should be NAME=NUMBER")
        parameters[name] = int(value)
    result = {"parameters": parameters, "targets": {}}
    with tempfile.TemporaryDirectory() as directory:
        for target in args.target or list(SYNTHESIS):
            table = measure(run_yosys(target, parameters, directory), target)
            if unknown := set(args.module or []) - set(table):
                sys.exit(f"area: no module {', '.join(sorted(unknown))} in kiln_nic")
            print(markdown(target, table, parameters, args.module), flush=True)
            result["targets"][target] = {
                name: {"instances": row["instances"], "own": dict(zip(COLUMNS, row["self"])),
                       "with_children": dict(zip(COLUMNS, row["all"]))} for name, row in table.items()}
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
