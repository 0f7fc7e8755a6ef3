/* What config_value.c calls for each type, and what those that read a type share. Each writes *field and returns the
 * canonical text, or returns NULL with why, *field as it was (config_value.h). Private to config_*.c. */
#ifndef TF_BOOT_CONFIG_PARSE_H
#define TF_BOOT_CONFIG_PARSE_H

#include "boot/config_number.h"
#include "boot/config_value.h"

/* ---- config_value.c: for all ---- */

/* Writes why; NULL, so that a parser can return it. */
const char *tf_config_value_refuse(char why[TF_CONFIG_WHY_BYTES], const char *fmt, ...)
    TF_PRINTF(2, 3);
/* A copy of text that lives as long as the config; NULL and why: no memory. */
const char *tf_config_value_keep(const tf_config_value_in_t *in, char *why, const char *text);
/* One of YAML's plain words for nothing. */
bool tf_config_value_is_nothing(const tf_config_node_t *node);
/* A scalar that is text: quoted, or plain and neither nothing, a boolean nor a number. */
bool tf_config_value_is_text(const tf_config_node_t *node);

/* ---- config_quantity.c: numbers, quantities with a unit, what is spelt like one ---- */

const char *tf_config_quantity_bool(const tf_config_value_in_t *in, bool *field, char *why);
const char *tf_config_quantity_u32(const tf_config_value_in_t *in, uint32_t *field, char *why);
const char *tf_config_quantity_pow2(const tf_config_value_in_t *in, uint32_t *field, char *why);
const char *tf_config_quantity_cpu(const tf_config_value_in_t *in, int32_t *field, char *why);
/* An amount with one of the units. */
const char *tf_config_quantity_of_unit(const tf_config_value_in_t *in,
                                       const tf_number_units_t *units, uint64_t *field, char *why);
const char *tf_config_quantity_rate(const tf_config_value_in_t *in, tf_config_rate_t *field,
                                    char *why);
const char *tf_config_quantity_bar(const tf_config_value_in_t *in, tf_config_bar_size_t *field,
                                   char *why);
const char *tf_config_quantity_hours(const tf_config_value_in_t *in, tf_config_hours_t *field,
                                     char *why);
const char *tf_config_quantity_offset(const tf_config_value_in_t *in, int64_t *field, char *why);
const char *tf_config_quantity_range(const tf_config_value_in_t *in, tf_config_range_t *field,
                                     char *why);
/* Or one of the key's words: 0, UINT64_MAX. */
const char *tf_config_quantity_duration(const tf_config_value_in_t *in, uint64_t *field, char *why);

/* ---- config_strings.c: words, names, files, and lists of scalars ---- */

/* Refuses the node: none of the key's words, which are named, and the nearest. NULL. */
const char *tf_config_strings_unknown(const tf_config_value_in_t *in, const tf_config_node_t *node,
                                      char *why);
/* The node's text, of min to max bytes; NULL and why. */
const char *tf_config_strings_check(const tf_config_node_t *node, int64_t min, int64_t max,
                                    char *why);
const char *tf_config_strings_word(const tf_config_value_in_t *in, uint8_t *field, char *why);
const char *tf_config_strings_words(const tf_config_value_in_t *in, uint32_t *field, char *why);
const char *tf_config_strings_text(const tf_config_value_in_t *in, const char **field, char *why);
const char *tf_config_strings_file(const tf_config_value_in_t *in, const char **field, char *why);
const char *tf_config_strings_texts(const tf_config_value_in_t *in, tf_config_texts_t *field,
                                    char *why);
const char *tf_config_strings_exprs(const tf_config_value_in_t *in, tf_config_texts_t *field,
                                    char *why);
const char *tf_config_strings_weights(const tf_config_value_in_t *in, tf_config_weights_t *field,
                                      char *why);

/* ---- config_address.c: urls, and an address to listen at ---- */

const char *tf_config_address_url(const tf_config_value_in_t *in, tf_config_url_t *field,
                                  char *why);
const char *tf_config_address_urls(const tf_config_value_in_t *in, tf_config_urls_t *field,
                                   char *why);
const char *tf_config_address_listen(const tf_config_value_in_t *in, tf_config_listen_t *field,
                                     char *why);

#endif
