#include "boot/config_value.h"

#include <stdarg.h>
#include <string.h>

#include "boot/config_number.h"
#include "boot/config_parse.h"
#include "core/text.h"

const char *tf_config_value_refuse(char why[TF_CONFIG_WHY_BYTES], const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(why, TF_CONFIG_WHY_BYTES, fmt, args);
  va_end(args);
  return NULL;
}

const char *tf_config_value_keep(const tf_config_value_in_t *in, char *why, const char *text) {
  const char *kept = tf_config_pool_text(in->pool, text, strlen(text));
  return kept ? kept : tf_config_value_refuse(why, "no memory");
}

/* YAML 1.2's plain words for nothing and for booleans: where text is due they must be quoted, so
 * that no two readers of the file disagree. yes, no, on, off are text. */
static bool is_among(const char *text, const char *const *words, size_t word_cnt) {
  for (size_t i = 0; i < word_cnt; i++)
    if (strcmp(text, words[i]) == 0) return true;
  return false;
}

static bool reads_boolean(const char *text) {
  static const char *const words[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
  return is_among(text, words, TF_ARRAY_CNT(words));
}

bool tf_config_value_is_nothing(const tf_config_node_t *node) {
  static const char *const words[] = {"", "~", "null", "Null", "NULL"};
  return node->plain && is_among(node->text, words, TF_ARRAY_CNT(words));
}

static bool is_boolean(const tf_config_node_t *node) {
  return node->plain && reads_boolean(node->text);
}

/* A scalar that is text: quoted, or plain and neither nothing, a boolean nor a number. */
bool tf_config_value_is_text(const tf_config_node_t *node) {
  return node->kind == TF_CONFIG_SCALAR && !tf_config_value_is_nothing(node) && !is_boolean(node) &&
         !(node->plain && tf_config_number_is(node->text));
}

const char *tf_config_value_found(const tf_config_node_t *node, char buf[TF_CONFIG_FOUND_BYTES]) {
  if (node->kind == TF_CONFIG_LIST)
    snprintf(buf, TF_CONFIG_FOUND_BYTES, node->child_cnt ? "a list" : "an empty list");
  else if (node->kind == TF_CONFIG_MAP)
    snprintf(buf, TF_CONFIG_FOUND_BYTES, node->child_cnt ? "a mapping" : "an empty mapping");
  else if (tf_config_value_is_nothing(node))
    snprintf(buf, TF_CONFIG_FOUND_BYTES, "nothing%s",
             strlen(node->text) > 1 ? " (the word null wants quotes)" : "");
  else if (is_boolean(node))
    snprintf(buf, TF_CONFIG_FOUND_BYTES, "%s, a boolean", node->text);
  else {
    char text[64];
    bool number = tf_config_number_is(node->text), mark = number || reads_boolean(node->text);
    tf_text_escape(node->text, node->text_cnt, text, sizeof text);
    if (node->plain && number)
      snprintf(buf, TF_CONFIG_FOUND_BYTES, "%s, a number", text);
    else
      snprintf(buf, TF_CONFIG_FOUND_BYTES, "\"%s\"%s", text, mark ? ", in quotes" : "");
  }
  return buf;
}

const char *tf_config_value_duration_text(uint64_t ns, char buf[32]) {
  return tf_config_number_unit_text(&tf_config_number_durations, ns, buf);
}

const char *tf_config_value_size_text(uint64_t bytes, char buf[32]) {
  return tf_config_number_unit_text(&tf_config_number_sizes, bytes, buf);
}

const char *tf_config_value_range_text(const tf_config_key_t *key, char *buf, size_t cap) {
  char least[32], most[32], words[64];
  buf[0] = '\0';
  switch (key->type) {
  case TF_CONFIG_TYPE_U32:
  case TF_CONFIG_TYPE_POW2:
  case TF_CONFIG_TYPE_CPU:
    snprintf(buf, cap, "%lld .. %lld%s%s", (long long)key->min, (long long)key->max,
             *key->unit ? " " : "", key->unit);
    break;
  case TF_CONFIG_TYPE_DURATION:
  case TF_CONFIG_TYPE_BAR:
    snprintf(buf, cap, "%s%s%s .. %s",
             key->words ? tf_config_table_words_text(key->words, words, sizeof words) : "",
             key->words ? ", or " : "", tf_config_value_duration_text((uint64_t)key->min, least),
             tf_config_value_duration_text((uint64_t)key->max, most));
    break;
  case TF_CONFIG_TYPE_SIZE:
    snprintf(buf, cap, "%s .. %s", tf_config_value_size_text((uint64_t)key->min, least),
             tf_config_value_size_text((uint64_t)key->max, most));
    break;
  case TF_CONFIG_TYPE_SPEED:
    snprintf(buf, cap, "%s .. %s",
             tf_config_number_unit_text(&tf_config_number_speeds, (uint64_t)key->min, least),
             tf_config_number_unit_text(&tf_config_number_speeds, (uint64_t)key->max, most));
    break;
  case TF_CONFIG_TYPE_RATE:
    snprintf(buf, cap, "%lld .. %lld per window", (long long)key->min, (long long)key->max);
    break;
  case TF_CONFIG_TYPE_NAME:
  case TF_CONFIG_TYPE_IDENT:
  case TF_CONFIG_TYPE_TEXT:
  case TF_CONFIG_TYPE_FILE:
    snprintf(buf, cap, "%lld .. %lld bytes", (long long)key->min, (long long)key->max);
    break;
  case TF_CONFIG_TYPE_WORDS:
  case TF_CONFIG_TYPE_TEXTS:
  case TF_CONFIG_TYPE_EXPRS:
  case TF_CONFIG_TYPE_WEIGHTS:
    snprintf(buf, cap, "%lld .. %lld items", (long long)key->min, (long long)key->max);
    break;
  default: break;
  }
  return buf;
}

const char *tf_config_value_parse(const tf_config_value_in_t *in, void *field,
                                  char why[TF_CONFIG_WHY_BYTES]) {
  bool takes_list = in->key->type == TF_CONFIG_TYPE_WORDS ||
                    in->key->type == TF_CONFIG_TYPE_TEXTS ||
                    in->key->type == TF_CONFIG_TYPE_EXPRS ||
                    in->key->type == TF_CONFIG_TYPE_WEIGHTS || in->key->type == TF_CONFIG_TYPE_URLS;
  if (in->node->kind != TF_CONFIG_SCALAR && !takes_list) {
    char found[TF_CONFIG_FOUND_BYTES];
    if (in->key->words && in->key->type == TF_CONFIG_TYPE_WORD)
      return tf_config_strings_unknown(in, in->node, why);
    return tf_config_value_refuse(why, "found %s; expected %s",
                                  tf_config_value_found(in->node, found),
                                  tf_config_table_type_name(in->key->type));
  }
  switch ((tf_config_type_t)in->key->type) {
  case TF_CONFIG_TYPE_BOOL: return tf_config_quantity_bool(in, field, why);
  case TF_CONFIG_TYPE_U32: return tf_config_quantity_u32(in, field, why);
  case TF_CONFIG_TYPE_POW2: return tf_config_quantity_pow2(in, field, why);
  case TF_CONFIG_TYPE_CPU: return tf_config_quantity_cpu(in, field, why);
  case TF_CONFIG_TYPE_DURATION: return tf_config_quantity_duration(in, field, why);
  case TF_CONFIG_TYPE_SIZE:
    return tf_config_quantity_of_unit(in, &tf_config_number_sizes, field, why);
  case TF_CONFIG_TYPE_RATE: return tf_config_quantity_rate(in, field, why);
  case TF_CONFIG_TYPE_SPEED:
    return tf_config_quantity_of_unit(in, &tf_config_number_speeds, field, why);
  case TF_CONFIG_TYPE_WORD: return tf_config_strings_word(in, field, why);
  case TF_CONFIG_TYPE_WORDS: return tf_config_strings_words(in, field, why);
  case TF_CONFIG_TYPE_NAME:
  case TF_CONFIG_TYPE_IDENT:
  case TF_CONFIG_TYPE_TEXT: return tf_config_strings_text(in, field, why);
  case TF_CONFIG_TYPE_FILE: return tf_config_strings_file(in, field, why);
  case TF_CONFIG_TYPE_TEXTS: return tf_config_strings_texts(in, field, why);
  case TF_CONFIG_TYPE_URL: return tf_config_address_url(in, field, why);
  case TF_CONFIG_TYPE_URLS: return tf_config_address_urls(in, field, why);
  case TF_CONFIG_TYPE_LISTEN: return tf_config_address_listen(in, field, why);
  case TF_CONFIG_TYPE_BAR: return tf_config_quantity_bar(in, field, why);
  case TF_CONFIG_TYPE_HOURS: return tf_config_quantity_hours(in, field, why);
  case TF_CONFIG_TYPE_OFFSET: return tf_config_quantity_offset(in, field, why);
  case TF_CONFIG_TYPE_EXPRS: return tf_config_strings_exprs(in, field, why);
  case TF_CONFIG_TYPE_WEIGHTS: return tf_config_strings_weights(in, field, why);
  case TF_CONFIG_TYPE_RANGE: return tf_config_quantity_range(in, field, why);
  case TF_CONFIG_TYPE_CNT: break;
  }
  TF_ASSERT(false && "a type without a parser");
  return NULL;
}
