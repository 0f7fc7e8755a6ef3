"""Reads an uncompressed Arrow IPC file of integers, doubles and texts, from the format's documents
(arrow.apache.org/docs/format/Columnar.html, Schema.fbs, Message.fbs, File.fbs) and nothing of ours."""
import struct

import numpy as np


class Table:
    """A FlatBuffers table at a position of a buffer."""

    def __init__(self, buffer, at):
        self.buffer, self.at = buffer, at
        index = at - struct.unpack_from("<i", buffer, at)[0]
        size, table = struct.unpack_from("<HH", buffer, index)
        self.offsets = struct.unpack_from(f"<{(size - 4) // 2}H", buffer, index + 4)
        assert all(o < table for o in self.offsets) and at % 4 == 0

    @classmethod
    def root(cls, buffer):
        return cls(buffer, struct.unpack_from("<I", buffer, 0)[0])

    def place(self, i):
        return self.at + self.offsets[i] if i < len(self.offsets) and self.offsets[i] else None

    def value(self, i, kind, default=0):
        at = self.place(i)
        if at is None:
            return default
        assert (at - self.at) % struct.calcsize(kind) == 0
        return struct.unpack_from("<" + kind, self.buffer, at)[0]

    def target(self, i):
        at = self.place(i)
        return None if at is None else at + struct.unpack_from("<I", self.buffer, at)[0]

    def table(self, i):
        return Table(self.buffer, self.target(i))

    def text(self, i):
        at = self.target(i)
        size = struct.unpack_from("<I", self.buffer, at)[0]
        assert self.buffer[at + 4 + size] == 0
        return self.buffer[at + 4:at + 4 + size].decode()

    def tables(self, i):
        at = self.target(i)
        cnt = struct.unpack_from("<I", self.buffer, at)[0] if at is not None else 0
        places = [at + 4 + 4 * k for k in range(cnt)]
        return [Table(self.buffer, p + struct.unpack_from("<I", self.buffer, p)[0]) for p in places]

    def structs(self, i, kind):
        at = self.target(i)
        cnt = struct.unpack_from("<I", self.buffer, at)[0]
        assert (at + 4) % 8 == 0
        return [struct.unpack_from("<" + kind, self.buffer, at + 4 + k * struct.calcsize("<" + kind)) for k in range(cnt)]


V5, SCHEMA, BATCH = 4, 1, 3
INT, DOUBLE, UTF8 = 2, 3, 5


def message(data, at, header):
    mark, size = struct.unpack_from("<Ii", data, at)
    assert mark == 0xFFFFFFFF and size % 8 == 0 and at % 8 == 0
    found = Table.root(data[at + 8:at + 8 + size])
    assert found.value(0, "h") == V5 and found.value(1, "B") == header
    return found, at + 8 + size


def fields_of(schema):
    fields = []
    for field in schema.tables(1):
        kind = field.value(2, "B")
        if kind == INT:
            assert field.table(3).value(0, "i") == 64 and not field.table(3).value(1, "B")
        elif kind == DOUBLE:
            assert field.table(3).value(0, "h") == 2
        else:
            assert kind == UTF8
        assert not field.value(1, "B") and field.tables(5) == []
        fields.append((field.text(0), kind))
    return fields


def read(path):
    """{column: array or list of texts}, {metadata key: text}, rows of each batch."""
    data = path.read_bytes()
    assert data[:8] == b"ARROW1\0\0" and data[-6:] == b"ARROW1"
    size = struct.unpack_from("<i", data, len(data) - 10)[0]
    footer_at = len(data) - 10 - size
    footer = Table.root(data[footer_at:footer_at + size])
    assert footer.value(0, "h") == V5 and footer.structs(2, "qiiq") == []
    assert data[footer_at - 8:footer_at] == b"\xff\xff\xff\xff\0\0\0\0"
    fields = fields_of(footer.table(1))
    first, _ = message(data, 8, SCHEMA)
    assert fields_of(first.table(2)) == fields
    metadata = {pair.text(0): pair.text(1) for pair in footer.table(1).tables(2)}
    columns, counts = {name: [] for name, _ in fields}, []
    for offset, metadata_size, _, body_size in footer.structs(3, "qiiq"):
        found, body_at = message(data, offset, BATCH)
        assert body_at - offset == metadata_size and found.value(3, "q") == body_size
        batch = found.table(2)
        rows, buffers = batch.value(0, "q"), iter(batch.structs(2, "qq"))
        assert batch.structs(1, "qq") == [(rows, 0)] * len(fields)
        counts.append(rows)
        for name, kind in fields:
            assert next(buffers)[1] == 0
            at, size = next(buffers)
            assert at % 8 == 0 and at + size <= body_size
            raw = data[body_at + at:body_at + at + size]
            if kind == UTF8:
                ends = np.frombuffer(raw, "<i4")
                at, size = next(buffers)
                text = data[body_at + at:body_at + at + size]
                columns[name] += [text[a:b].decode() for a, b in zip(ends, ends[1:])]
            else:
                columns[name].append(np.frombuffer(raw, "<f8" if kind == DOUBLE else "<u8"))
            assert len(ends) == rows + 1 if kind == UTF8 else len(raw) == 8 * rows
        assert next(buffers, None) is None
    for name, kind in fields:
        if kind != UTF8:
            columns[name] = np.concatenate(columns[name]) if columns[name] else np.zeros(0)
    return columns, metadata, counts
