#include "http/reply.h"

#include <stdarg.h>
#include <string.h>

#define CAP_MIN (16u * 1024)

void tf_reply_init(tf_reply_t *reply, int status, const char *type) {
  *reply = (tf_reply_t){.status = status, .type = type};
}

void tf_reply_fini(tf_reply_t *reply) {
  free(reply->memory);
  *reply = (tf_reply_t){0};
}

/* Room for bytes_cnt more and a NUL. */
static bool reserve(tf_reply_t *reply, size_t bytes_cnt) {
  size_t need = reply->body_cnt + bytes_cnt + 1;
  if (need > TF_REPLY_BYTES_MAX) reply->failed = true;
  if (reply->failed || need <= reply->cap) return !reply->failed;
  size_t cap = reply->cap ? reply->cap : CAP_MIN;
  while (cap < need) cap *= 2;
  char *memory = realloc(reply->memory, TF_REPLY_PRE_BYTES + cap);
  if (!memory) {
    reply->failed = true;
    return false;
  }
  reply->memory = memory;
  reply->cap    = cap;
  return true;
}

void tf_reply_add_bytes(tf_reply_t *reply, const char *bytes, size_t bytes_cnt) {
  if (!reserve(reply, bytes_cnt)) return;
  memcpy(tf_reply_body(reply) + reply->body_cnt, bytes, bytes_cnt);
  reply->body_cnt += bytes_cnt;
}

void tf_reply_add(tf_reply_t *reply, const char *fmt, ...) {
  char    line[1024];
  va_list args;
  va_start(args, fmt);
  int cnt = vsnprintf(line, sizeof line, fmt, args);
  va_end(args);
  if (cnt < 0 || (size_t)cnt >= sizeof line)
    reply->failed = true;
  else
    tf_reply_add_bytes(reply, line, (size_t)cnt);
}

/* Length of the valid UTF-8 sequence at s, a NUL-terminated text; 0 if none. */
static size_t utf8_len(const unsigned char *s) {
  if (s[0] < 0x80) return 1;
  size_t len = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
  if (s[0] < 0xC2 || s[0] > 0xF4) return 0;
  for (size_t i = 1; i < len; i++)
    if ((s[i] & 0xC0u) != 0x80) return 0;
  bool overlong  = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
  bool surrogate = s[0] == 0xED && s[1] >= 0xA0;
  return overlong || surrogate || (s[0] == 0xF4 && s[1] >= 0x90) ? 0 : len;
}

/* Replaces what the table names, copies valid UTF-8, and makes '?' of the rest. */
static void add_escaped(tf_reply_t *reply, const char *text, const char *const table[128]) {
  for (const unsigned char *s = (const unsigned char *)text; *s;) {
    size_t len = utf8_len(s);
    if (*s < 0x80 && table[*s])
      tf_reply_add_bytes(reply, table[*s], strlen(table[*s]));
    else if (len == 0 || *s < 0x20 || *s == 0x7F)
      tf_reply_add_bytes(reply, "?", 1);
    else
      tf_reply_add_bytes(reply, (const char *)s, len);
    s += len ? len : 1;
  }
}

void tf_reply_add_label(tf_reply_t *reply, const char *text) {
  static const char *const table[128] = {['\\'] = "\\\\", ['"'] = "\\\"", ['\n'] = "\\n"};
  add_escaped(reply, text, table);
}

void tf_reply_add_json(tf_reply_t *reply, const char *text) {
  static const char *const table[128] = {
      ['\\'] = "\\\\", ['"'] = "\\\"", ['\n'] = "\\n", ['\t'] = "\\t", ['<'] = "\\u003c"};
  add_escaped(reply, text, table);
}

void tf_reply_add_html(tf_reply_t *reply, const char *text) {
  static const char *const table[128] = {
      ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
  add_escaped(reply, text, table);
}
