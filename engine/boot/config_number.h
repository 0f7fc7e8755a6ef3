/* Numbers of the config as text, read without the C library's locale and its leniency: no octal, no
 * hex, no underscores, no sexagesimals, no blanks. Private to engine/boot; pure. */
#ifndef TF_BOOT_CONFIG_NUMBER_H
#define TF_BOOT_CONFIG_NUMBER_H

#include "tf/base.h"

typedef enum tf_number_read {
  TF_NUMBER_OK,
  TF_NUMBER_BAD,     /* not such a number */
  TF_NUMBER_NO_UNIT, /* a number, where a unit is due */
  TF_NUMBER_BIG      /* does not fit */
} tf_number_read_t;

typedef struct tf_number_units {
  const char *what;    /* "duration" */
  const char *names;   /* "ns, us, ms, s, m, h" */
  const char *example; /* "250ms" */
  uint32_t    unit_cnt;
  struct {
    const char *name;
    uint64_t    scale;
  } units[6]; /* smallest first */
} tf_number_units_t;

extern const tf_number_units_t tf_config_number_durations; /* in ns */
extern const tf_number_units_t tf_config_number_sizes;     /* in bytes */
extern const tf_number_units_t tf_config_number_speeds;    /* "2.5x", in thousandths */

/* Would a YAML 1.1 or 1.2 reader take this plain text for a number? */
bool tf_config_number_is(const char *text);

tf_number_read_t tf_config_number_whole(const char *text, int64_t *value);

/* Digits with at most one point, at most 15 digits after leading zeros: read exactly as the nearest
 * double. */
tf_number_read_t tf_config_number_decimal(const char *text, double *value);

/* "250ms", "1.5s", "64MiB": exact, so 0.5ns is BAD. */
tf_number_read_t tf_config_number_quantity(const tf_number_units_t *units, const char *text,
                                           uint64_t *value);

/* The inverse, in the largest unit that divides value; where none does, in the smallest, with decimals:
 * its scale is a power of ten. Returns buf. */
const char *tf_config_number_unit_text(const tf_number_units_t *units, uint64_t value,
                                       char buf[32]);

#endif
