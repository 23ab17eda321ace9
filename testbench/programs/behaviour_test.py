# SPDX-License-Identifier: Apache-2.0
"""Do the programs do what their first paragraphs say? Asked of the real kernel, frame by frame.

Usage: behaviour_test.py BUILD. Exit status 77 where the kernel cannot be asked. expected/ says that
nothing changed; this says that it is right: checksums hold, payloads survive, flows stay together.
"""

import collections
import os
import struct
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "captures")]
import frames as f  # noqa: E402
import kernel_run as k  # noqa: E402
import scenario as s  # noqa: E402
from cases import CASES  # noqa: E402

DROP, PASS, TX, REDIRECT = 1, 2, 3, 4
BUILD, LIB = "", None


def load(name):
    case = next(c for c in CASES if c.name == name)
    loaded = k.Loaded(LIB, os.path.join(BUILD, case.object), case.program)
    if case.maps:
        loaded.fill(os.path.join(BUILD, case.maps))
    return loaded


def swapped(frame):
    return frame[6:12] + frame[:6] + frame[12:]


def counter(loaded, name, key):
    values = dict(loaded.maps[name].items())
    return struct.unpack_from("<Q", values[struct.pack("<I", key)])[0]


def addresses(packet):
    """Source and destination of an IPv4 packet."""
    return packet[12:16], packet[16:20]


class Behaviour(unittest.TestCase):
    def run_program(self, name):
        loaded = load(name)
        self.addCleanup(loaded.close)
        return loaded

    def assert_ipv4(self, packet, protocol):
        self.assertEqual(packet[0], 0x45)
        self.assertEqual(f.checksum(packet[:20]), 0, "header checksum")
        self.assertEqual(packet[9], protocol)

    def test_swapping_programs(self):
        frame = f.udp_frame(s.CLIENT, s.SERVER, 1, 2, size=64)
        for name, code in (("tx", TX), ("redirect", REDIRECT), ("redirect_map", REDIRECT),
                           ("xdp2", TX), ("rxq_info.tx", TX)):
            with self.subTest(name):
                self.assertEqual(self.run_program(name).run(frame), (code, swapped(frame)))

    def test_xdp1_counts_behind_tags(self):
        loaded = self.run_program("xdp1")
        for tags in ((), [(f.ETH_VLAN, 1)], [(f.ETH_QINQ, 1), (f.ETH_VLAN, 2)]):
            for pair in ((s.CLIENT, s.SERVER), (s.CLIENT6, s.SERVER6)):
                self.assertEqual(loaded.run(f.udp_frame(*pair, 1, 2, size=99, vlans=tags))[0], DROP)
                loaded.run(f.tcp_frame(*pair, 1, 2, size=99, vlans=tags))
        three = [(f.ETH_QINQ, 1), (f.ETH_VLAN, 2), (f.ETH_VLAN, 3)]
        loaded.run(f.udp_frame(s.CLIENT, s.SERVER, 1, 2, size=99, vlans=three))
        self.assertEqual([counter(loaded, "protocol_packets", p) for p in (f.UDP, f.TCP, 0)], [6, 6, 1])

    def test_adjust_tail_quotes(self):
        loaded = self.run_program("adjust_tail")
        frame = f.udp_frame(s.CLIENT, s.SERVER, 1, 2, size=1000)
        code, out = loaded.run(frame)
        self.assertEqual((code, len(out)), (TX, 126))
        self.assertEqual(out[:14], swapped(frame)[:14])
        packet = out[14:]
        self.assert_ipv4(packet, f.ICMP)
        self.assertEqual(addresses(packet), (f.ip(s.SERVER), f.ip(s.CLIENT)))
        self.assertEqual(f.checksum(packet[20:]), 0, "ICMP checksum")
        self.assertEqual(packet[20:22] + packet[26:28], bytes([3, 4]) + struct.pack("!H", 586))
        self.assertEqual(packet[28:], frame[14:98])
        self.assertEqual(loaded.run(frame[:600]), (PASS, frame[:600]))
        self.assertEqual(counter(loaded, "replies", 0), 1)

    def route(self, loaded, target, ttl=64):
        frame = f.udp_frame(s.CLIENT, target, 1, 2, size=64, ttl=ttl)
        code, out = loaded.run(frame)
        if code == REDIRECT:
            self.assert_ipv4(out[14:34], f.UDP)
            self.assertEqual(out[22], ttl - 1)
            self.assertEqual(out[34:], frame[34:])
            return out[:6], out[6:12]
        self.assertEqual(out, frame)
        return code

    def test_router_finds_the_way(self):
        loaded = self.run_program("router_ipv4")
        routes = {p: f.mac(m) for p, m, _, _ in s.ROUTES}
        near = {a: f.mac(m) for a, m in s.NEIGHBOURS.items()}
        for target, neighbour, prefix in (
                ("203.0.113.10", "203.0.113.10", "203.0.113.0/24"),  # on the link
                ("203.0.113.129", "203.0.113.129", "203.0.113.128/25"),
                ("10.9.9.9", "203.0.113.1", "10.0.0.0/8"),  # by a gateway
                ("10.1.9.9", "203.0.113.129", "10.1.0.0/16"),
                ("10.1.2.3", "203.0.113.1", "10.1.2.3/32")):
            with self.subTest(target):
                self.assertEqual(self.route(loaded, target), (near[neighbour], routes[prefix]))
        host = s.HOSTS[0]
        self.assertEqual(self.route(loaded, host[0], ttl=2), (f.mac(host[1]), f.mac(host[2])))
        self.assertEqual(self.route(loaded, "8.8.8.8"), DROP)
        self.assertEqual(self.route(loaded, "172.16.5.5"), DROP)  # its gateway has no address
        self.assertEqual(self.route(loaded, "10.1.2.3", ttl=1), PASS)
        self.assertEqual(counter(loaded, "forwarded", f.UDP), 6)

    def test_router_updates_every_checksum(self):
        loaded = self.run_program("router_ipv4")
        wraps = [f.ident_for(wanted, s.CLIENT, s.SERVER, 1, 2, size=64)
                 for wanted in (0xFDFF, 0xFEFF, 0xFEFE, 0xFF00, 0xFFFE, 0)]
        for ident in [*range(0, 65536, 257), *wraps]:
            frame = f.udp_frame(s.CLIENT, s.SERVER, 1, 2, size=64, ident=ident)
            if frame[24:26] == bytes(2):  # the other zero of one's complement
                frame = frame[:24] + b"\xff\xff" + frame[26:]
            self.assertEqual(f.checksum(frame[14:34]), 0)
            code, out = loaded.run(frame)
            self.assertEqual(code, REDIRECT)
            self.assert_ipv4(out[14:34], f.UDP)

    def test_tunnel_wraps(self):
        loaded = self.run_program("tx_ip_tunnel")
        for address, protocol, port, source, destination, next_hop in s.TUNNELS:
            client = s.CLIENT6 if ":" in address else s.CLIENT
            make = {f.UDP: f.udp_frame, f.TCP: f.tcp_frame}.get(protocol)
            frame = make(client, address, 7, port, size=100) if make else f.echo_frame(client, address)
            code, out = loaded.run(frame)
            self.assertEqual((code, out[:6], out[6:12]), (TX, f.mac(next_hop), frame[:6]))
            outer = 40 if ":" in address else 20
            self.assertEqual(out[14 + outer:], frame[14:])
            if outer == 20:
                self.assert_ipv4(out[14:34], f.IPIP)
                self.assertEqual(addresses(out[14:]), (f.ip(source), f.ip(destination)))
                self.assertEqual(struct.unpack_from("!H", out, 16)[0], len(out) - 14)
            else:
                self.assertEqual(out[22:54], f.ip(source) + f.ip(destination))
                self.assertEqual(struct.unpack_from("!HB", out, 18), (len(out) - 54, f.IN_IPV6))
        other = f.udp_frame(s.CLIENT, s.SERVER, 7, 54)
        self.assertEqual(loaded.run(other), (PASS, other))

    def test_firewall_remembers(self):
        loaded = self.run_program("simple_firewall")
        out = f.udp_frame("10.0.0.1", s.SERVER, 4000, 53)
        back = f.udp_frame(s.SERVER, "10.0.0.1", 53, 4000)
        for frame in (out, back, out):
            self.assertEqual(loaded.run(frame), (REDIRECT, frame))
        self.assertEqual(len(list(loaded.maps["connections"].items())), 1)

        outside = self.run_program("features/firewall_outside")
        a, a_port, b, b_port, _ = s.FIREWALL_OPEN[0]
        self.assertEqual(outside.run(f.tcp_frame(b, a, b_port, a_port))[0], REDIRECT)
        self.assertEqual(outside.run(f.tcp_frame(b, a, b_port, a_port + 1))[0], DROP)
        self.assertEqual(outside.run(f.udp_frame(b, a, b_port, a_port))[0], DROP)
        self.assertEqual(len(list(outside.maps["connections"].items())), len(s.FIREWALL_OPEN))

    def real_of(self, loaded, frame):
        """The real that a frame goes to; checks the wrapping."""
        code, out = loaded.run(frame)
        self.assertEqual((code, out[:6], out[6:12]), (TX, f.mac(s.KATRAN_ROUTER), frame[:6]))
        if out[12:14] == b"\x08\x00":
            self.assert_ipv4(out[14:34], f.IPIP)
            self.assertEqual(out[34:], frame[14:])
            return addresses(out[14:])[1]
        self.assertEqual(out[54:], frame[14:])
        return out[38:54]

    def test_katran_balances(self):
        loaded = self.run_program("katran")
        reals = collections.Counter()
        for port in range(1000, 1500):
            syn = f.tcp_frame(s.CLIENT, s.SERVER, port, 80, flags=f.SYN)
            real = self.real_of(loaded, syn)
            reals[real] += 1
            self.assertEqual(self.real_of(loaded, f.tcp_frame(s.CLIENT, s.SERVER, port, 80)), real)
        self.assertEqual(set(reals), {f.ip(a) for a in s.REALS4})
        self.assertGreater(min(reals.values()), 60)  # of 100 expected
        six = {self.real_of(loaded, f.udp_frame(s.CLIENT6, s.SERVER6, port, 53, size=80))
               for port in range(100)}
        self.assertEqual(six, {f.ip(a) for a in s.REALS6})

    def test_katran_keeps_connections(self):
        """A known flow stays with its real even if the ring changes."""
        loaded = self.run_program("katran")
        flow = f.tcp_frame(s.CLIENT, s.SERVER, 1234, 80)
        real = self.real_of(loaded, flow)
        other = 1 + next(i for i, a in enumerate(s.REALS4) if f.ip(a) != real)
        for slot in range(s.RING_SIZE):
            loaded.maps["rings"].update(struct.pack("<I", s.RING_SIZE + slot), struct.pack("<I", other))
        self.assertEqual(self.real_of(loaded, flow), real)
        syn = f.tcp_frame(s.CLIENT, s.SERVER, 1234, 80, flags=f.SYN)
        self.assertEqual(self.real_of(loaded, syn), f.ip(s.REALS4[other - 1]))

    def test_katran_icmp(self):
        loaded = self.run_program("katran")
        for port in range(50):
            real = self.real_of(loaded, f.udp_frame(s.CLIENT, s.SERVER, port, 53))
            quoted = f.udp_frame(s.SERVER, s.CLIENT, 53, port, size=90)[14:]
            error = f.unreachable_frame("192.0.2.1", s.SERVER, quoted)
            self.assertEqual(self.real_of(loaded, error), real)
        for number in range(0, 65536, 331):
            code, out = loaded.run(f.echo_frame(s.CLIENT, s.SERVER, number=number))
            self.assertEqual((code, out[34]), (TX, 0))
            self.assert_ipv4(out[14:34], f.ICMP)
            self.assertEqual(f.checksum(out[34:]), 0)
            request = f.echo_frame(s.CLIENT6, s.SERVER6, number=number, size=80)
            code, out = loaded.run(request)
            segment = out[54:]
            pseudo = out[22:54] + struct.pack("!IHBB", len(segment), 0, 0, f.ICMPV6)
            self.assertEqual((code, segment[0], f.checksum(pseudo + segment)), (TX, 129, 0))

    def test_katran_statistics(self):
        loaded = self.run_program("katran")
        for _ in range(10):
            loaded.run(f.udp_frame(s.CLIENT, s.SERVER, 5, 53, size=64))
        pairs = {struct.unpack("<I", key)[0]: struct.unpack("<QQ", value)
                 for key, value in loaded.maps["statistics"].items()}
        self.assertEqual(pairs[0], (10, 500))   # VIP 0: packets and bytes
        self.assertEqual(pairs[16], (10, 1))    # all VIPs; not found in the connection table
        busy = [struct.unpack("<QQ", v) for _, v in loaded.maps["real_statistics"].items() if any(v)]
        self.assertEqual(busy, [(10, 500)])


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    os.sched_setaffinity(0, {0})
    try:
        LIB = k.open_libbpf()
        load("drop").close()
    except k.Skip as reason:
        print(f"skipped: {reason}")
        sys.exit(k.SKIP)
    unittest.main()
