# SPDX-License-Identifier: Apache-2.0
"""The list of what to run: object, program, maps, captures. Everything else is driven by it.

`python3 cases.py` prints it as JSON (build/programs/cases.json), for other runners. Paths are
relative to the build directory.
"""

import dataclasses
import json


@dataclasses.dataclass
class Case:
    name: str
    object: str = ""        # programs/NAME.bpf.o
    program: str = ""       # function in it
    maps: str = ""          # programs/NAME.maps.json, "" without
    captures: tuple = ()    # for correctness: the program's own first
    bench: str = ""         # one flow, the path that throughput is quoted for
    # What the kernel's run cannot be compared in, because it has its own clock and dice:
    # "frames" (contents), "map:NAME".
    kernel_varies: tuple = ()
    # First release that does it, and does it as Linux 6.18 does.
    kernel_since: tuple = (5, 18)
    # Its own way to be loaded by the kernel, if libbpf does not load `object`.
    kernel_object: str = ""


WORST = ("flood_one_flow", "flood_many_flows", "malformed", "fragments", "vlan", "ipv6_extensions",
         "jumbo", "short")
COMMON = tuple(f"captures/worst/{name}.pcap" for name in WORST) + ("captures/real.pcap",)


def _main(name, maps=True, **more):
    base = name.split(".")[0]
    return Case(name, f"programs/{base}.bpf.o", base,
                f"programs/{name}.maps.json" if maps else "",
                (f"captures/{base}.pcap",) + COMMON, f"captures/{base}.bench.pcap", **more)


def _feature(name, maps=False, program="", **more):
    return Case(f"features/{name}", f"programs/features/{name}.bpf.o", program or name,
                f"programs/features/{name}.maps.json" if maps else "",
                (f"captures/{name}.pcap",), **more)


MAIN = [
    _main("drop", maps=False),
    _main("tx", maps=False),
    _main("redirect", maps=False),
    _main("xdp1", maps=False),
    _main("xdp2", maps=False),
    _main("adjust_tail", maps=False),
    _main("router_ipv4"),
    _main("rxq_info"),
    _main("rxq_info.tx"),
    _main("redirect_map"),
    _main("tx_ip_tunnel"),
    _main("simple_firewall"),
    _main("katran", kernel_varies=("map:connections",)),
]

FEATURES = [
    _feature("adjust"),
    _feature("alignment", maps=True),
    _feature("arithmetic"),
    _feature("arithmetic_v3", program="arithmetic"),
    _feature("atomics", maps=True),
    _feature("callbacks", kernel_since=(6, 18)),
    _feature("checksums", maps=True, kernel_since=(6, 13)),  # sums folded to 16 bits
    _feature("comparison"),
    _feature("comparison_v3", program="comparison"),
    _feature("dynptrs", kernel_since=(6, 18)),
    _feature("environment", kernel_varies=("frames",)),
    _feature("firewall_outside", program="simple_firewall", maps=True),
    _feature("globals"),
    _feature("handover"),
    _feature("handover_shared"),
    _feature("handover_tail_calls"),
    _feature("iterators", kernel_since=(6, 18)),
    _feature("legacy_maps", kernel_object="programs/features/legacy_maps_btf.bpf.o"),
    _feature("legacy_maps_btf", program="legacy_maps"),
    _feature("locks", kernel_since=(6, 18)),
    _feature("longest_prefix", maps=True),
    _feature("longest_prefix_update", kernel_since=(6, 13)),  # flags and full tries
    _feature("loops"),
    _feature("map_choice", kernel_varies=("map:in_array", "map:in_hash")),  # ids of inner maps
    _feature("map_errors"),
    _feature("operations"),
    _feature("objects", kernel_since=(6, 18)),
    _feature("ordered", kernel_since=(6, 18)),
    _feature("percpu_hash"),
    _feature("redirects", maps=True),
    _feature("several_programs.count_and_drop", program="count_and_drop"),
    _feature("several_programs.count_and_pass", program="count_and_pass"),
    _feature("several_programs.count_long", program="count_long"),
    _feature("signed_v4", kernel_since=(6, 6)),
    _feature("strings", kernel_since=(6, 18)),
    _feature("subprograms"),
    _feature("tail_call_from_subprogram"),
    _feature("tail_calls"),
    _feature("totals"),
]

for case in FEATURES:
    if "." in case.name:  # several programs of one object
        stem = case.name.split(".")[0]
        case.object, case.captures = f"programs/{stem}.bpf.o", (f"captures/{stem.split('/')[1]}.pcap",)

CASES = MAIN + FEATURES

if __name__ == "__main__":
    print(json.dumps([dataclasses.asdict(case) for case in CASES], indent=1))
