/* config_keys.def as data: sections, their keys and groups. Read by the binder, by --set and by
 * `schema`. Constant. */
#ifndef TF_BOOT_CONFIG_TABLE_H
#define TF_BOOT_CONFIG_TABLE_H

#include "boot/config.h"

typedef enum tf_config_type {
  TF_CONFIG_TYPE_BOOL,
  TF_CONFIG_TYPE_U32,      /* whole number */
  TF_CONFIG_TYPE_POW2,     /* whole number, a power of two */
  TF_CONFIG_TYPE_CPU,      /* whole number, may be negative */
  TF_CONFIG_TYPE_DURATION, /* with unit, kept in ns */
  TF_CONFIG_TYPE_SIZE,     /* with unit, kept in bytes */
  TF_CONFIG_TYPE_RATE,     /* count/duration */
  TF_CONFIG_TYPE_SPEED,    /* 1x, 2.5x; kept in thousandths */
  TF_CONFIG_TYPE_WORD,     /* one of words */
  TF_CONFIG_TYPE_WORDS,    /* a list of words, or all; a bit mask */
  TF_CONFIG_TYPE_NAME,     /* letters, digits, _ - . */
  TF_CONFIG_TYPE_IDENT,    /* letters, digits, _, as expressions read names */
  TF_CONFIG_TYPE_TEXT,
  TF_CONFIG_TYPE_FILE,
  TF_CONFIG_TYPE_TEXTS, /* a list of different texts; ["*"] is the empty list: all */
  TF_CONFIG_TYPE_URL,
  TF_CONFIG_TYPE_URLS, /* a list of different urls */
  TF_CONFIG_TYPE_LISTEN,
  TF_CONFIG_TYPE_BAR,
  TF_CONFIG_TYPE_HOURS,  /* 09:30-16:00; of the next day where the end is not after the beginning */
  TF_CONFIG_TYPE_OFFSET, /* -05:00; kept in ns */
  TF_CONFIG_TYPE_EXPRS,  /* a list of different expressions, which may have blanks and commas */
  TF_CONFIG_TYPE_WEIGHTS, /* a list of numbers above 0 */
  TF_CONFIG_TYPE_RANGE,   /* -1..1, ..5, 0..: two numbers, either may be left out */
  TF_CONFIG_TYPE_CNT
} tf_config_type_t;

typedef enum tf_config_kind {
  TF_CONFIG_KIND_SECTION,
  TF_CONFIG_KIND_LIST,
  TF_CONFIG_KIND_MAP,
  TF_CONFIG_KIND_ITEMS
} tf_config_kind_t;

typedef struct tf_config_key {
  const char *name;
  uint8_t     type; /* tf_config_type_t */
  uint32_t    offset;
  const char *unit;
  const char *standard; /* the default as YAML text; NULL: may be left out; "!...": required */
  int64_t     min, max;
  const char *words; /* "a|b|c" or NULL */
  const char *help;
} tf_config_key_t;

typedef struct tf_config_section tf_config_section_t;

typedef struct tf_config_group {
  const char                *name;
  uint8_t                    kind; /* tf_config_kind_t */
  const tf_config_section_t *section;
  uint32_t                   offset, cnt_offset;
  uint32_t                   cap;
  const char                *standard;
  const char                *help;
} tf_config_group_t;

struct tf_config_section {
  uint32_t                 bytes; /* of its struct */
  const tf_config_key_t   *keys;
  uint32_t                 key_cnt;
  const tf_config_group_t *groups;
  uint32_t                 group_cnt;
};

extern const tf_config_section_t tf_config_table_root;

TF_INLINE bool tf_config_table_required(const tf_config_key_t *key) {
  return key->standard && key->standard[0] == '!';
}

/* "bool", "whole number", "duration", ... as schema prints it. */
const char *tf_config_table_type_name(uint8_t type);

/* Number of words, and word i (not NUL-terminated; its length in *word_cnt_bytes). */
uint32_t    tf_config_table_word_cnt(const char *words);
const char *tf_config_table_word(const char *words, uint32_t idx, size_t *bytes_cnt);
/* Index of text among words, -1 if it is none. */
int tf_config_table_word_find(const char *words, const char *text);
/* words as "a, b, c". Returns buf. */
const char *tf_config_table_words_text(const char *words, char *buf, size_t cap);

typedef struct tf_config_profile_row {
  const char *profile, *key, *value;
} tf_config_profile_row_t;

extern const tf_config_profile_row_t tf_config_table_profiles[];
extern const uint32_t                tf_config_table_profile_cnt;

#endif
