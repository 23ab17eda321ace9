# SPDX-License-Identifier: Apache-2.0
"""Writes for each of the twelve programs NAME.pcap, which takes each of its paths, and
NAME.bench.pcap, 64-byte frames of one flow on the path that throughput is quoted for.

Usage: make_program_captures.py OUTPUT_DIRECTORY. Deterministic. adjust_tail's benchmark frames are
longer, because the program answers only frames longer than 600 bytes.
"""

import os
import sys

import frames as f
from scenario import CLIENT, CLIENT6, SERVER, SERVER6

V4, V6 = (CLIENT, SERVER), (CLIENT6, SERVER6)
DNS = f.udp_frame(*V4, 4242, 53, size=64)
BENCH_FRAMES = 64


def parse_paths():
    """xdp1, xdp2 and the programs that look at no more than the Ethernet header."""
    out = []
    for tags in ([], [(f.ETH_VLAN, 10)], [(f.ETH_QINQ, 10), (f.ETH_VLAN, 20)]):
        out += [f.udp_frame(*V4, 4242, 53, size=64, vlans=tags),
                f.tcp_frame(*V4, 4242, 80, size=74, vlans=tags),
                f.echo_frame(*V4, size=98, vlans=tags),
                f.udp_frame(*V6, 4242, 53, size=90, vlans=tags),
                f.tcp_frame(*V6, 4242, 80, size=94, vlans=tags),
                f.echo_frame(*V6, size=118, vlans=tags)]
    out += [f.arp_frame(CLIENT, SERVER), f.eth(bytes(46), 0x88CC), f.eth(bytes(46), 0x0100)]
    out += [DNS[:33], f.udp_frame(*V6, 1, 2)[:53]]
    return out * 3


def adjust_tail():
    out = [f.udp_frame(*V4, 4242, 53, size=size) for size in (64, 599, 600, 601, 602, 1514, 3520)]
    out += [f.tcp_frame(*V4, 4242, 80, size=1400), f.echo_frame(*V4, size=900)]
    out += [f.udp_frame(*V6, 4242, 53, size=900), f.arp_frame(CLIENT, SERVER)]
    out += [f.udp_frame(*V4, 4242, 53, size=900, vlans=[(f.ETH_VLAN, 3)])]
    return out * 2


def router_ipv4():
    out = []
    for target in ("203.0.113.10", "203.0.113.77", "203.0.113.50", "203.0.113.200", "10.9.9.9",
                   "10.1.9.9", "10.1.2.3", "172.16.5.5", "192.168.1.1", "8.8.8.8"):
        for ttl in (64, 2, 1, 0):
            out.append(f.udp_frame(CLIENT, target, 4242, 53, size=64, ttl=ttl))
        out.append(f.tcp_frame(CLIENT, target, 4242, 80, size=200, vlans=[(f.ETH_VLAN, 9)]))
    # Checksums that wrap when the TTL goes down.
    out += [f.udp_frame(CLIENT, SERVER, 4242, 53, size=64, ident=i) for i in range(0, 65536, 1021)]
    for wanted in (0xFDFF, 0xFEFF, 0xFEFE, 0xFF00, 0xFFFE, 0x00FF, 0):
        ident = f.ident_for(wanted, CLIENT, SERVER, 4242, 53, size=64)
        out.append(f.udp_frame(CLIENT, SERVER, 4242, 53, size=64, ident=ident))
    packet = bytearray(DNS)
    for high, low in ((0xFE, 0xFF), (0xFF, 0xFF), (0xFF, 0x00), (0x00, 0x00)):
        packet[24:26] = bytes([high, low])
        out.append(bytes(packet))
    return out + [f.arp_frame(CLIENT, SERVER), f.udp_frame(*V6, 1, 2, size=64), DNS[:33]]


def tx_ip_tunnel():
    out = []
    for pair in (V4, V6):
        for size in (64, 100, 1000):
            out += [f.udp_frame(*pair, 4242, 53, size=size), f.tcp_frame(*pair, 4242, 80, size=size)]
        out += [f.echo_frame(*pair), f.udp_frame(*pair, 4242, 54), f.tcp_frame(*pair, 4242, 81)]
        out += [f.udp_frame(*pair, 1, 53)[:50], f.tcp_frame(*pair, 1, 80)[:60]]
    out += [f.udp_frame(CLIENT, "203.0.113.11", 4242, 53), f.arp_frame(CLIENT, SERVER)]
    # The longest frame: the room for a header is in front of it.
    out += [f.udp_frame(*V4, 4242, 53, size=f.LONGEST)]
    return out * 2


def simple_firewall():
    out = []
    for n in range(12):
        inner = f"10.0.0.{n + 1}"
        out += [f.udp_frame(inner, SERVER, 4000 + n, 53, size=64),
                f.udp_frame(SERVER, inner, 53, 4000 + n, size=64),  # same connection
                f.tcp_frame(inner, SERVER, 4000 + n, 80, size=64, flags=f.SYN)]
    out += [f.echo_frame(*V4), f.udp_frame(*V6, 1, 2), f.arp_frame(CLIENT, SERVER), DNS[:41]]
    return out * 2


def katran():
    """Every VIP; new and known flows; ICMP; what must pass or be dropped."""
    out = []
    for n in range(24):
        client, client6, port = f"198.51.100.{n + 1}", f"2001:db8::{n + 1:x}", 2000 + 17 * n
        out += [f.udp_frame(client, SERVER, port, 53, size=64),
                f.tcp_frame(client, SERVER, port, 80, size=64, flags=f.SYN),
                f.tcp_frame(client, SERVER, port, 80, size=64),
                f.tcp_frame(client, "203.0.113.20", port, 1000 + n, size=80),
                f.tcp_frame(client, "203.0.113.20", port, 2000 + n, size=80),  # same real
                f.udp_frame(client, "203.0.113.21", port, 5000 + n % 4, size=80, tos=0xB8),
                f.tcp_frame(client, "203.0.113.22", port, 443, size=1514),
                f.tcp_frame(client, "203.0.113.23", port + n, 443, size=90),
                f.udp_frame(client6, SERVER6, port, 53, size=90, traffic_class=0x2E),
                f.tcp_frame(client6, SERVER6, port, 80, size=94, flags=f.SYN),
                f.tcp_frame(client6, SERVER6, port, 80, size=94)]
    for pair, dport in ((V4, 53), (V6, 53)):
        quoted = f.udp_frame(pair[1], "198.51.100.1" if pair is V4 else "2001:db8::1", dport, 2000,
                             size=100)[14:]
        router = "192.0.2.1" if pair is V4 else "2001:db8:ffff::1"
        out += [f.unreachable_frame(router, pair[1], quoted), f.echo_frame(*pair, size=98),
                f.unreachable_frame(router, pair[1], quoted[:30])]
        tcp = f.tcp_frame(pair[1], "198.51.100.1" if pair is V4 else "2001:db8::1", 80, 2000,
                          size=100)[14:]
        out.append(f.unreachable_frame(router, pair[1], tcp))
    out += [f.eth(f.ipv4(f.icmp(11, 0, bytes(4), bytes(28)), f.ICMP, *V4), f.ETH_IPV4),
            f.udp_frame(CLIENT, SERVER, 1, 54), f.udp_frame(CLIENT, "203.0.113.99", 1, 53),
            f.udp_frame(*V4, 1, 53, size=1515), f.udp_frame(*V4, 1, 53, fragment=0x2000),
            f.udp_frame(*V4, 1, 53, options=b"\1" * 4), f.arp_frame(CLIENT, SERVER)]
    # Echo requests whose checksums wrap in the reply.
    for number in range(0, 65536, 2039):
        out += [f.echo_frame(*V4, number=number, size=64), f.echo_frame(*V6, number=number, size=70)]
    return out + out[:40]


PATHS = {
    "drop": parse_paths, "tx": parse_paths, "redirect": parse_paths, "xdp1": parse_paths,
    "xdp2": parse_paths, "rxq_info": parse_paths, "redirect_map": parse_paths,
    "adjust_tail": adjust_tail, "router_ipv4": router_ipv4, "tx_ip_tunnel": tx_ip_tunnel,
    "simple_firewall": simple_firewall, "katran": katran,
}


def main():
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, make in PATHS.items():
        f.write_pcap(os.path.join(sys.argv[1], name + ".pcap"), make())
        bench = f.udp_frame(*V4, 4242, 53, size=604) if name == "adjust_tail" else DNS
        f.write_pcap(os.path.join(sys.argv[1], name + ".bench.pcap"), [bench] * BENCH_FRAMES)


if __name__ == "__main__":
    main()
