/* Text that is being written into a caller's buffer. What does not fit is left out and full is
 * set, so that a message is checked once, when it is complete. */
#ifndef SIM_TEXT_H
#define SIM_TEXT_H

#include "tf/base.h"

typedef struct sim_text {
  char  *bytes;
  size_t cnt, cap;
  bool   full;
} sim_text_t;

TF_INLINE sim_text_t sim_text(char *bytes, size_t cap) {
  return (sim_text_t){.bytes = bytes, .cap = cap};
}

void sim_put(sim_text_t *text, const char *fmt, ...) TF_PRINTF(2, 3);
void sim_put_bytes(sim_text_t *text, const char *bytes, size_t cnt);

/* mantissa / 10^digits with exactly that many digits behind the point: 6183763, 2 is 61837.63. */
void sim_put_decimal(sim_text_t *text, int64_t mantissa, uint32_t digits);
/* The same without zeros at the end: 6183760, 2 is 61837.6. */
void sim_put_trimmed(sim_text_t *text, int64_t mantissa, uint32_t digits);

/* 2026-08-09T21:05:48.251397Z: ns since 1970 with 6 or 9 digits of a second. */
void sim_put_time(sim_text_t *text, uint64_t wall_ns, uint32_t digits);

#endif
