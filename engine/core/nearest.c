#include "core/nearest.h"

static int lower(unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

static size_t length(const char *text) {
  size_t cnt = 0;
  while (cnt < TF_NEAREST_BYTES_MAX && text[cnt]) cnt++;
  return cnt;
}

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t m = a < b ? a : b;
  return m < c ? m : c;
}

/* Optimal string alignment (Damerau-Levenshtein where no substring is edited twice), row by row:
 * a swap reaches back two rows, so three are kept. */
static uint32_t distance(const char *a, size_t a_cnt, const char *b, size_t b_cnt) {
  uint32_t rows[3][TF_NEAREST_BYTES_MAX + 1];
  for (size_t j = 0; j <= b_cnt; j++) rows[0][j] = (uint32_t)j;
  for (size_t i = 1; i <= a_cnt; i++) {
    uint32_t       *row   = rows[i % 3];
    const uint32_t *above = rows[(i + 2) % 3];
    const uint32_t *two   = rows[(i + 1) % 3];
    row[0]                = (uint32_t)i;
    for (size_t j = 1; j <= b_cnt; j++) {
      int ca = lower((unsigned char)a[i - 1]), cb = lower((unsigned char)b[j - 1]);
      row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (ca != cb));
      if (i > 1 && j > 1 && ca == lower((unsigned char)b[j - 2]) &&
          cb == lower((unsigned char)a[i - 2]) && two[j - 2] + 1 < row[j])
        row[j] = two[j - 2] + 1;
    }
  }
  return rows[a_cnt % 3][b_cnt];
}

const char *tf_nearest_name(const char *wanted, const char *const *names, uint32_t name_cnt) {
  size_t      wanted_cnt = length(wanted);
  uint32_t    best_max   = wanted_cnt / 3 > 1 ? (uint32_t)(wanted_cnt / 3) : 1;
  const char *best       = NULL;
  for (uint32_t i = 0; i < name_cnt; i++) {
    if (!names[i]) continue;
    uint32_t d = distance(wanted, wanted_cnt, names[i], length(names[i]));
    if (d > best_max || (best && d == best_max)) continue;
    best     = names[i];
    best_max = d;
  }
  return best;
}
