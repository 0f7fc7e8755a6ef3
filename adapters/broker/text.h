/* Text of the brokers' protocols, written and read a piece at a time: every record goes through it, and a format would take longer than
 * all else. Who writes has room. Pure; any thread. */
#ifndef TF_BROKER_TEXT_H
#define TF_BROKER_TEXT_H

#include <string.h>

#include "tf/base.h"

#define TF_TEXT_U64_CHARS 20u

/* Behind at, and ended by a NUL. Returns where that is. */
TF_INLINE size_t tf_text_put_bytes(char *out, size_t at, const void *bytes, size_t cnt) {
  memcpy(out + at, bytes, cnt);
  out[at + cnt] = '\0';
  return at + cnt;
}

TF_INLINE size_t tf_text_put(char *out, size_t at, const char *text) {
  return tf_text_put_bytes(out, at, text, strlen(text));
}

/* In decimal digits, TF_TEXT_U64_CHARS at most. */
TF_INLINE size_t tf_text_put_u64(char *out, size_t at, uint64_t number) {
  char digits[TF_TEXT_U64_CHARS], *first = digits + sizeof digits;
  do *--first = (char)('0' + number % 10);
  while (number /= 10);
  return tf_text_put_bytes(out, at, first, (size_t)(digits + sizeof digits - first));
}

/* Digits from *at on, which ends behind them. False: there are none, or they are more than 64 bits. */
TF_INLINE bool tf_text_read_u64(const char **at, const char *end, uint64_t *number) {
  const char *first = *at;
  for (*number = 0; *at < end && **at >= '0' && **at <= '9'; ++*at)
    if (__builtin_mul_overflow(*number, UINT64_C(10), number) ||
        __builtin_add_overflow(*number, (uint64_t)(**at - '0'), number))
      return false;
  return *at > first;
}

#endif
