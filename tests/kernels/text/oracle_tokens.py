"""kernels/text against BERT's basic tokeniser and WordPiece written anew over Python's unicodedata.

    oracle_tokens.py TEST_TOKENS           our own oracle
    oracle_tokens.py TEST_TOKENS --peer    and HuggingFace's tokenizers, where this Python has it
"""
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata

VERSION = "14.0.0"  # of kernels/text/unicode_tables.inc
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
IDEOGRAPHS = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
              (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F)]
WORDS = ("fed raises rates by quarter point inflation surprise bitcoin ETF approved outage halts trading exchange hacked lawsuit "
         "settled growth slows earnings beat guidance cut über Müller naïve Łódź résumé İstanbul Ǆ ẞ straße").split()


def basic(text, lowers):
    out = []
    for c in text:
        category = unicodedata.category(c)
        if c not in "\t\n\r" and (c == "\ufffd" or category in ("Cc", "Cf", "Co")):
            continue
        alone = any(a <= ord(c) <= b for a, b in IDEOGRAPHS)
        if lowers:
            c = "".join(p.lower() for p in unicodedata.normalize("NFD", c) if unicodedata.category(p) != "Mn")
        out.append(f" {c} " if alone else c)
    words, word = [], ""
    for c in "".join(out):
        space = c in "\t\n\r" or unicodedata.category(c)[0] == "Z"
        point = unicodedata.category(c)[0] == "P" or (ord(c) < 128 and c.isprintable() and not c.isalnum() and not space)
        if space or point:
            words, word = words + ([word] if word else []) + ([c] if point else []), ""
        else:
            word += c
    return words + ([word] if word else [])


def pieces(word, vocab):
    if len(word) > 100:
        return ["[UNK]"]
    found, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                break
        else:
            return ["[UNK]"]
        found.append(piece)
        start = end
    return found


def tokens(found, vocab, cap):
    cut = len(found) > cap - 2
    return [int(cut), vocab["[CLS]"], *found[:cap - 2], vocab["[SEP]"]]


def vocabulary(rng):
    words = set("abcdefghijklmnopqrstuvwxyzäöü0123456789.,!?()$%ⴰ中文字가가") | {"##" + c for c in "abcdefghijklmnopqrstuvwxyzß가ᅡᆨ0123456789"}
    for word in WORDS:
        for w in (word, word.lower()):
            cut = rng.randrange(1, len(w) + 1)
            words |= {w[:cut]} | ({"##" + w[cut:]} if w[cut:] else set())
    return SPECIAL + sorted(w for w in words if w and not set(w) & set("\n\r"))


def made(rng):
    kind = rng.randrange(4)
    if kind == 0:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(20)))
    if kind == 1:
        return "".join(rng.choice(rng.choice(WORDS) + " \t,.;!?-()中文\u0301\u200b\u2028") for _ in range(rng.randrange(150)))
    if kind == 2:
        return "a" * rng.randrange(95, 105) + " " + rng.choice(WORDS)
    return "".join(chr(rng.choice((rng.randrange(1, 0x250), rng.randrange(1, 0x3200), rng.randrange(0xAC00, 0xD7A4),
                                   rng.randrange(0xE000, 0x30000)))) for _ in range(rng.randrange(40)))


def every_character():
    """Each stands between letters, so that its class and its plain form show."""
    chars = [chr(i) for i in range(1, 0x110000) if not 0xD800 <= i < 0xE000]
    return ["a" + "a a".join(chars[i:i + 100]) + "b" for i in range(0, len(chars), 100)]


def ours(binary, path, lowers, cap, texts):
    lines = "".join(text.encode().hex() + "\n" for text in texts)
    done = subprocess.run([binary, path, "lowers" if lowers else "keeps", str(cap)], input=lines, capture_output=True, text=True, check=True)
    return [[int(v) for v in line.split()] for line in done.stdout.splitlines()]


def theirs(path, lowers, cap):
    from tokenizers import BertWordPieceTokenizer
    peer = BertWordPieceTokenizer(path, lowercase=lowers, strip_accents=lowers)
    for name in SPECIAL:  # as words of a text they are none of ours
        assert peer.token_to_id(name) is not None
    peer.enable_truncation(cap)
    return lambda text: peer.encode(text).ids


def main():
    if unicodedata.unidata_version != VERSION:
        print(f"this Python has Unicode {unicodedata.unidata_version}, the tables are of {VERSION}")
        sys.exit(77)
    rng = random.Random(20261122)
    words = vocabulary(rng)
    vocab = {w: i for i, w in enumerate(words)}
    texts = [made(rng) for _ in range(2000)] + every_character()
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "vocab.txt")
        pathlib.Path(path).write_text("\n".join(words) + "\n")
        for lowers in (True, False):
            all_tokens = [[vocab[p] for w in basic(text, lowers) for p in pieces(w, vocab)] for text in texts]
            for cap in (3, 32, 2000):
                for text, found, known in zip(texts, ours(sys.argv[1], path, lowers, cap, texts), all_tokens, strict=True):
                    want = tokens(known, vocab, cap)
                    assert found == want, f"{text!r} lowers={lowers} cap={cap}: {found} for {want}"
            if "--peer" in sys.argv[2:]:
                peer, differ = theirs(path, lowers, 2000), 0
                for text, found in zip(texts, ours(sys.argv[1], path, lowers, 2000, texts), strict=True):
                    if found[1:] != peer(text):
                        differ += 1
                        print(f"differs: {text[:60]!r}")
                print(f"lowers={lowers}: {differ} of {len(texts)} texts differ from the peer's")
    print(f"{len(texts)} texts, the same tokens in both")


main()
