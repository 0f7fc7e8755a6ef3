#include "core/text.h"

#include <stdio.h>
#include <string.h>

/* One code point; a byte that starts none stands for itself. */
static uint32_t code_point(const unsigned char *s, size_t cnt, size_t *len) {
  if (s[0] < 0x80) return *len = 1, s[0];
  size_t want = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  if (want > cnt || s[0] < 0xC0 || s[0] > 0xF7) return *len = 1, s[0];
  uint32_t cp = s[0] & (0x7Fu >> want);
  for (size_t i = 1; i < want; i++) {
    if ((s[i] & 0xC0) != 0x80) return *len = 1, s[0];
    cp = cp << 6 | (s[i] & 0x3Fu);
  }
  *len = want;
  return cp;
}

const char *tf_text_escape(const char *text, size_t text_cnt, char *buf, size_t cap) {
  size_t used = 0;
  for (size_t i = 0, len; i < text_cnt; i += len) {
    uint32_t cp = code_point((const unsigned char *)text + i, text_cnt - i, &len);
    char     piece[16];
    if (cp == '"' || cp == '\\')
      snprintf(piece, sizeof piece, "\\%c", (char)cp);
    else if (cp >= 0x20 && cp < 0x7F)
      snprintf(piece, sizeof piece, "%c", (char)cp);
    else
      snprintf(piece, sizeof piece, cp > 0xFFFF ? "\\U%08X" : "\\u%04X", cp);
    size_t piece_cnt = strlen(piece);
    if (used + piece_cnt + 4 > cap) {
      memcpy(buf + used, "...", 3);
      used += 3;
      break;
    }
    memcpy(buf + used, piece, piece_cnt);
    used += piece_cnt;
  }
  buf[used] = '\0';
  return buf;
}

void tf_text_flatten(char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7F) *text = '?';
}
