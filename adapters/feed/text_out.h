/* Text into a buffer that may be too small, for what a feed writes to its venue: cnt goes on counting,
 * so the caller learns the length that is needed (tf/feed.h). Always NUL-terminated. */
#ifndef TF_FEED_TEXT_OUT_H
#define TF_FEED_TEXT_OUT_H

#include "tf/base.h"

typedef struct tf_text_out {
  char  *buf;
  size_t cap, cnt;
} tf_text_out_t;

TF_INLINE void tf_text_out_char(tf_text_out_t *t, char c) {
  if (t->cnt + 1 < t->cap) t->buf[t->cnt] = c;
  t->cnt++;
}

TF_INLINE void tf_text_out_put(tf_text_out_t *t, const char *s) {
  while (*s != '\0') tf_text_out_char(t, *s++);
}

TF_INLINE void tf_text_out_u64(tf_text_out_t *t, uint64_t value) {
  char  digits[20];
  char *p = digits + sizeof digits;
  do {
    *--p = (char)('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (p < digits + sizeof digits) tf_text_out_char(t, *p++);
}

/* Stream names spell symbols in lower case; bytes outside ASCII stay. */
TF_INLINE void tf_text_out_lower(tf_text_out_t *t, const char *s) {
  for (; *s != '\0'; s++) tf_text_out_char(t, (char)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s));
}

TF_INLINE void tf_text_out_url(tf_text_out_t *t, const char *s) {
  for (; *s != '\0'; s++) {
    uint8_t c     = (uint8_t)*s;
    bool    plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                 c == '_' || c == '-' || c == '.';
    if (plain) {
      tf_text_out_char(t, *s);
    } else {
      tf_text_out_char(t, '%');
      tf_text_out_char(t, "0123456789ABCDEF"[c >> 4]);
      tf_text_out_char(t, "0123456789ABCDEF"[c & 15]);
    }
  }
}

TF_INLINE size_t tf_text_out_finish(tf_text_out_t *t) {
  if (t->cap > 0) t->buf[t->cnt < t->cap ? t->cnt : t->cap - 1] = '\0';
  return t->cnt;
}

#endif
