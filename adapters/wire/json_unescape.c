#include "wire/json.h"

static uint32_t hex4(const char *p) {
  uint32_t v = 0;
  for (int i = 0; i < 4; i++) {
    char c = p[i];
    v      = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return v;
}

static size_t put_utf8(char *text, uint32_t rune) {
  if (rune < 0x80) {
    text[0] = (char)rune;
    return 1;
  }
  if (rune < 0x800) {
    text[0] = (char)(0xc0 | rune >> 6);
    text[1] = (char)(0x80 | (rune & 0x3f));
    return 2;
  }
  if (rune < 0x10000) {
    text[0] = (char)(0xe0 | rune >> 12);
    text[1] = (char)(0x80 | (rune >> 6 & 0x3f));
    text[2] = (char)(0x80 | (rune & 0x3f));
    return 3;
  }
  text[0] = (char)(0xf0 | rune >> 18);
  text[1] = (char)(0x80 | (rune >> 12 & 0x3f));
  text[2] = (char)(0x80 | (rune >> 6 & 0x3f));
  text[3] = (char)(0x80 | (rune & 0x3f));
  return 4;
}

/* p behind "\u" of a validated string; UINT32_MAX for half a pair. */
static uint32_t take_rune(const char **p, const char *end) {
  uint32_t rune = hex4(*p);
  *p += 4;
  if (rune < 0xd800 || rune > 0xdfff) return rune;
  if (rune > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u') return UINT32_MAX;
  uint32_t low = hex4(*p + 2);
  if (low < 0xdc00 || low > 0xdfff) return UINT32_MAX;
  *p += 6;
  return 0x10000 + ((rune - 0xd800) << 10) + (low - 0xdc00);
}

size_t tf_json_unescape(const char *bytes, size_t bytes_cnt, char *text, size_t cap) {
  static const char from[] = "\"\\/bfnrt";
  static const char to[]   = "\"\\/\b\f\n\r\t";
  const char       *end    = bytes + bytes_cnt;
  size_t            n      = 0;
  for (const char *p = bytes; p < end;) {
    uint32_t rune = (uint8_t)*p++;
    char     utf8[4];
    size_t   utf8_bytes = 1;
    utf8[0]             = (char)rune;
    if (rune == '\\') {
      char c = *p++;
      if (c == 'u') {
        rune = take_rune(&p, end);
        if (rune == UINT32_MAX) return SIZE_MAX;
        utf8_bytes = put_utf8(utf8, rune);
      } else {
        utf8[0] = to[strchr(from, c) - from];
      }
    }
    if (utf8_bytes > cap - n) return SIZE_MAX;
    memcpy(text + n, utf8, utf8_bytes);
    n += utf8_bytes;
  }
  return n;
}
