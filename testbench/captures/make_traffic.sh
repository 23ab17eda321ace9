#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Records real traffic between two network namespaces: what a kernel's own stack puts on the wire.
#
# Usage: make_traffic.sh OUTPUT.pcap. Needs root, iproute2, tcpdump, ping, iperf3, curl, python3; leaves
# nothing behind. The result differs from run to run (ports, sequence numbers), so that one recording is
# committed as real.pcap; nothing in it but the addresses below and what these commands send.
set -euo pipefail

out=${1:?usage: make_traffic.sh OUTPUT.pcap}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
a=kiln-a-$$ b=kiln-b-$$
jobs_started=()

finish() {
  for job in "${jobs_started[@]}"; do
    kill "$job" 2>/dev/null || true
  done
  wait 2>/dev/null || true
  ip netns del "$a" 2>/dev/null || true
  ip netns del "$b" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

in_a() { ip netns exec "$a" "$@"; }
in_b() { ip netns exec "$b" "$@"; }
start() { "$@" >/dev/null 2>&1 & jobs_started+=($!); }

# Two hosts, one wire, jumbo MTU, a VLAN on top. The router's address is that of scenario.py's server.
ip netns add "$a"
ip netns add "$b"
ip link add left netns "$a" address 02:00:00:00:00:0a mtu 3500 type veth \
  peer name right netns "$b" address 02:00:00:00:00:0b mtu 3500
configure() {  # namespace, interface, IPv4, IPv6, VLAN IPv4
  ip -n "$1" link set lo up
  ip -n "$1" link set "$2" up
  # Frames as they would be on a wire: no checksums left to hardware, nothing merged.
  ip netns exec "$1" ethtool -K "$2" tx off rx off tso off gso off gro off >/dev/null 2>&1 ||
    echo "make_traffic.sh: no ethtool: checksums of TCP and UDP will be unfinished" >&2
  ip -n "$1" addr add "$3" dev "$2"
  ip -n "$1" addr add "$4" dev "$2" nodad
  start ip netns exec "$1" python3 "$here/vlan_tap.py" vlan10 "$2" 10
  for _ in $(seq 50); do
    ip -n "$1" link show vlan10 >/dev/null 2>&1 && break
    sleep 0.1
  done
  ip -n "$1" link set vlan10 up mtu 1500
  ip -n "$1" addr add "$5" dev vlan10
}
configure "$a" left 203.0.113.1/24 2001:db8:1::1/64 198.51.100.1/24
configure "$b" right 203.0.113.10/24 2001:db8:1::10/64 198.51.100.10/24

cat >"$work/dns.py" <<'PY'
"""A UDP server on port 53 that echoes queries back as answers, and its client."""
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
sock = socket.socket(family, socket.SOCK_DGRAM)
if sys.argv[1] == "serve":
    sock.bind((sys.argv[2], 53))
    while True:
        query, client = sock.recvfrom(2000)
        sock.sendto(query[:2] + b"\x81\x80" + query[4:], client)
for number in range(6):
    name = b"".join(bytes([len(part)]) + part for part in [b"host%d" % number, b"example", b"com"])
    sock.sendto(bytes([0, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]) + name + b"\0\0\1\0\1", (sys.argv[2], 53))
    sock.settimeout(2)
    sock.recvfrom(2000)
PY
mkdir "$work/site"
head -c 12000 /dev/zero | tr '\0' 'x' >"$work/site/page"

start in_a tcpdump -q -U -i left -s 0 -w "$work/raw.pcap"
start in_b python3 "$work/dns.py" serve 203.0.113.10
start in_b python3 "$work/dns.py" serve 2001:db8:1::10
start in_b python3 -m http.server --directory "$work/site" --bind :: 80
start in_b iperf3 -s
sleep 2

in_a ping -q -c 4 -i 0.2 203.0.113.10 >/dev/null
in_a ping -q -c 4 -i 0.2 2001:db8:1::10 >/dev/null
in_a ping -q -c 2 -i 0.2 -s 3400 -M do 203.0.113.10 >/dev/null       # one jumbo frame
in_a ping -q -c 2 -i 0.2 -s 4000 203.0.113.10 >/dev/null             # two fragments
in_a ping -q -c 1 -s 4000 2001:db8:1::10 >/dev/null
in_a ping -q -c 3 -i 0.2 198.51.100.10 >/dev/null                    # VLAN 10
in_a ping -q -c 1 -s 3000 198.51.100.10 >/dev/null                   # fragments on it
in_a python3 "$work/dns.py" ask 203.0.113.10
in_a python3 "$work/dns.py" ask 2001:db8:1::10
in_a curl -s -o /dev/null http://203.0.113.10/page
in_a curl -s -o /dev/null "http://[2001:db8:1::10]/page"
in_a curl -s -o /dev/null http://198.51.100.10/missing
in_a curl -s -o /dev/null --connect-timeout 1 http://203.0.113.10:81/ || true  # refused
in_a iperf3 -c 203.0.113.10 -n 20K -l 1K >/dev/null
in_a iperf3 -c 203.0.113.10 -u -n 20K -l 1000 -b 10M >/dev/null
in_a iperf3 -c 198.51.100.10 -u -n 4K -l 200 -b 10M >/dev/null
sleep 1

# Trimmed to what is worth committing: at most 100 kB, evenly thinned, times made regular.
python3 - "$work/raw.pcap" "$out" "$here" <<'PY'
import sys
sys.path.insert(0, sys.argv[3])
import frames
raw = [frame for frame in frames.read_pcap(sys.argv[1])
       if frames.SHORTEST <= len(frame) <= frames.LONGEST]
kept, large, size = [], 0, 24
for frame in raw:
    if len(frame) > 600:  # bulk: every sixth after the first 16
        large += 1
        if large > 16 and large % 6:
            continue
    if size + 16 + len(frame) > 100000:
        break
    kept.append(frame)
    size += 16 + len(frame)
frames.write_pcap(sys.argv[2], kept)
print(f"{len(raw)} frames recorded, {len(kept)} kept, {size} bytes")
PY
