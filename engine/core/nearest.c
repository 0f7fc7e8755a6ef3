#include "core/nearest.h"

#include <string.h>

static char lower(char c) { return (c >= 'A' && c <= 'Z') ? (char)(c + 32) : c; }

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

uint32_t tf_nearest_distance(const char *a, const char *b) {
  size_t a_len = strnlen(a, TF_NEAREST_CHARS_MAX + 1), b_len = strnlen(b, TF_NEAREST_CHARS_MAX + 1);
  if (a_len > TF_NEAREST_CHARS_MAX || b_len > TF_NEAREST_CHARS_MAX) return UINT32_MAX;

  /* Three rows of the table: this one, the last, and the one before it, which a swap looks at. */
  uint32_t rows[3][TF_NEAREST_CHARS_MAX + 1];
  for (size_t j = 0; j <= b_len; j++) rows[0][j] = (uint32_t)j;
  for (size_t i = 1; i <= a_len; i++) {
    uint32_t       *row    = rows[i % 3];
    const uint32_t *above  = rows[(i + 2) % 3];
    const uint32_t *above2 = rows[(i + 1) % 3];
    row[0]                 = (uint32_t)i;
    for (size_t j = 1; j <= b_len; j++) {
      char     x = lower(a[i - 1]), y = lower(b[j - 1]);
      uint32_t d = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x == y ? 0 : 1));
      if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2])) {
        d = least(d, above2[j - 2] + 1);
      }
      row[j] = d;
    }
  }
  return rows[a_len % 3][b_len];
}

const char *tf_nearest_name(const char *name, const char *const *known, size_t known_cnt) {
  const char *best     = NULL;
  uint32_t    best_far = UINT32_MAX;
  size_t      name_len = strlen(name);
  for (size_t i = 0; i < known_cnt; i++) {
    if (!known[i]) continue;
    size_t   known_len = strlen(known[i]);
    size_t   longer    = name_len > known_len ? name_len : known_len;
    uint32_t allowed   = longer < 3 ? 1 : (uint32_t)(longer / 3);
    uint32_t far       = tf_nearest_distance(name, known[i]);
    if (far <= allowed && far < best_far) {
      best     = known[i];
      best_far = far;
    }
  }
  return best;
}
