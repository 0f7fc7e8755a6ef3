"""Reads a capture by the text of capture_format.h alone: struct, a CRC-32C of its own, libzstd by ctypes. The
records must be those that test_capture --make put in (its made_record, written here a second time)."""
import ctypes
import ctypes.util
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

MAKER = sys.argv.pop(1)
COUNT = 9000
TEXT = "the quick brown fox jumps over the lazy dog, again"
POLY = 0x82F63B78
TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (POLY if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ TABLE[(crc ^ b) & 0xFF]
    return crc ^ 0xFFFFFFFF


def decompress(data, size):
    zstd = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    zstd.ZSTD_decompress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(size + 1)
    n = zstd.ZSTD_decompress(out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
    assert n == size, n
    return out.raw[:size]


def made(i):
    """(kind, frame_kind, leg, source, recv_ns, target, bytes)"""
    recv, source, body = 1000 + i * 10, i % 2, f'{{"i":{i},"text":"{TEXT[:i % 50]}"}}'.encode()
    leg = 0 if i % 13 == 6 else i % 5
    if i % 7 == 3:
        return 1, 2, leg, source, recv, b"/api/v3/depth?symbol=BTCUSDT\0", body
    if i % 11 == 5:
        return (2, 6, 7, 9)[i % 4], 0, leg, source, recv, b"", b""
    if i % 13 == 6:
        return 3, 0, leg, 0xFFFFFFFF, recv, b"", struct.pack("<QQQIBBbb32x", 0, recv, i, 0, 5, 0, 0, 0)
    return 1, 1 if i % 17 == 2 else 0, leg, source, recv, b"", body


class Format(unittest.TestCase):
    def read_file(self, data, chain, is_last):
        magic, version, header_bytes, tickfuse, config_hash, _, started, _, first_block, first_record, idx, prev, \
            feed_cnt, symbol_cnt = struct.unpack_from("<8sII16sQQQQQQIIII", data)
        self.assertEqual((magic, version, config_hash), (b"TFCAPT\r\n", 1, 0x1122334455667788))
        self.assertEqual((tickfuse.rstrip(b"\0"), started), (b"0.1.0", 1700000000000000000))
        self.assertEqual(struct.unpack_from("<I", data, 124)[0], crc32c(data[:124] + data[128:header_bytes]))
        self.assertEqual((feed_cnt, symbol_cnt, header_bytes), (2, 3, 128 + 2 * 368 + 3 * 40))
        name, venue, url, channels, pending, depth, symbols = struct.unpack_from("<64s32s256sIIII", data, 128 + 368)
        self.assertEqual((name.rstrip(b"\0"), venue.rstrip(b"\0"), url.strip(b"\0")), (b"perp", b"binance-usdm", b""))
        self.assertEqual((channels, pending, depth, symbols), (3, 128, 50, 1))
        self.assertEqual([data[128 + 736 + 40 * k:][:40].rstrip(b"\0") for k in range(3)], [b"BTCUSDT", b"ETHUSDT", b"BTCUSDT"])
        self.assertEqual((first_block, first_record, idx, prev), chain[:4])
        at, index, records = header_bytes, [], []
        block_seq, record_seq, file_idx, prev = chain
        while True:
            head = data[at:at + 64]
            magic, kind, flags, seq, first, cnt, raw, stored, prev_crc, first_ns, last_ns, payload_crc, crc = \
                struct.unpack("<IHHQQIIIIQQII", head)
            self.assertEqual((magic, seq, first, prev_crc, crc), (0x42434654, block_seq, record_seq, prev, crc32c(head[:60])))
            payload = data[at + 64:at + 64 + stored]
            self.assertEqual(payload_crc, crc32c(payload))
            if kind == 2:
                self.assertEqual(flags, 0 if is_last else 2)
                break
            payload = decompress(payload, raw) if flags & 1 else payload
            index.append((at, first, first_ns, last_ns, cnt, 0))
            times, place = [], 0
            for _ in range(cnt):
                size, source, recv, target, tap, frame, leg, zero = struct.unpack_from("<IIQHBBB3s", payload, place)
                self.assertEqual(zero, bytes(3))
                place += 24
                records.append((tap, frame, leg, source, recv, payload[place:place + target], payload[place + target:place + target + size]))
                place += target + size
                times.append(recv)
            self.assertEqual((place, min(times), max(times)), (raw, first_ns, last_ns))
            at, block_seq, record_seq, prev = at + 64 + stored, block_seq + 1, record_seq + cnt, crc
        self.assertEqual(index, [struct.unpack_from("<QQQQII", payload, 40 * i) for i in range(len(index))])
        offset, total, magic, zero, crc = struct.unpack("<QQ8sII", data[-32:])
        self.assertEqual((offset, total, magic, zero, crc), (at, len(records), b"TFCEND\r\n", 0, crc32c(data[-32:-4])))
        self.assertEqual(at + 64 + 40 * len(index) + 32, len(data))
        return records, (block_seq, record_seq, file_idx + 1, prev)

    def test_files_are_what_the_format_says(self):
        with tempfile.TemporaryDirectory() as scratch:
            subprocess.run([MAKER, "--make", f"{scratch}/c", str(COUNT)], check=True)
            files = sorted(pathlib.Path(scratch, "c").iterdir())
            self.assertEqual([f.name for f in files], [f"capture-{i + 1:04}.tfc" for i in range(len(files))])
            self.assertGreater(len(files), 1)
            records, chain = [], (1, 1, 1, 0)
            for file in files:
                more, chain = self.read_file(file.read_bytes(), chain, file == files[-1])
                records += more
            self.assertEqual(len(records), COUNT)
            for i, record in enumerate(records):
                self.assertEqual(record, made(i), i)


if __name__ == "__main__":
    unittest.main(verbosity=2)
