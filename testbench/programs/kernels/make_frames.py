# SPDX-License-Identifier: Apache-2.0
"""The frames that the kernels are measured with, as a capture: eight UDP flows of 1,514-byte frames.

make_frames.py OUT.pcap
"""

import struct
import sys

FLOWS = 8
PAYLOAD = 1472


def checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(flow):
    ethernet = bytes.fromhex("020000000001 020000000002 0800".replace(" ", ""))
    parts = [0x45, 0, 20 + 8 + PAYLOAD, flow, 0x4000, 64, 17, 0, bytes([10, 0, 0, flow + 1]), bytes([10, 0, 1, 1])]
    ip = struct.pack(">BBHHHBBH4s4s", *parts)
    parts[7] = checksum(ip)
    ip = struct.pack(">BBHHHBBH4s4s", *parts)
    udp = struct.pack(">HHHH", 40000 + flow, 9, 8 + PAYLOAD, 0)
    return ethernet + ip + udp + bytes((i * 7 + flow) & 0xFF for i in range(PAYLOAD))


def main():
    with open(sys.argv[1], "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for flow in range(FLOWS):
            data = frame(flow)
            out.write(struct.pack("<IIII", 0, flow, len(data), len(data)) + data)


if __name__ == "__main__":
    main()
