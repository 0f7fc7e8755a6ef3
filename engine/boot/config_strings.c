#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "boot/config_number.h"
#include "boot/config_parse.h"
#include "core/nearest.h"

#define WORDS_MAX      32
#define EXPR_BYTES_MAX 63 /* what a model file keeps of a feature */

const char *tf_config_strings_unknown(const tf_config_value_in_t *in, const tf_config_node_t *node,
                                      char *why) {
  char        found[TF_CONFIG_FOUND_BYTES], list[256], copies[WORDS_MAX][32];
  const char *names[WORDS_MAX];
  uint32_t    cnt = tf_config_table_word_cnt(in->key->words);
  for (uint32_t i = 0; i < cnt && i < WORDS_MAX; i++) {
    size_t      bytes_cnt;
    const char *word = tf_config_table_word(in->key->words, i, &bytes_cnt);
    snprintf(copies[i], sizeof copies[i], "%.*s", (int)bytes_cnt, word);
    names[i] = copies[i];
  }
  const char *near =
      node->kind == TF_CONFIG_SCALAR ? tf_nearest_name(node->text, names, cnt) : NULL;
  return tf_config_value_refuse(why, "found %s; %s%s%sallowed: %s%s",
                                tf_config_value_found(node, found), near ? "did you mean \"" : "",
                                near ? near : "", near ? "\"? " : "",
                                tf_config_table_words_text(in->key->words, list, sizeof list),
                                in->key->type == TF_CONFIG_TYPE_WORDS ? ", or all" : "");
}

const char *tf_config_strings_word(const tf_config_value_in_t *in, uint8_t *field, char *why) {
  int idx = tf_config_table_word_find(in->key->words, in->node->text);
  if (idx < 0) return tf_config_strings_unknown(in, in->node, why);
  *field = (uint8_t)idx;
  return tf_config_value_keep(in, why, in->node->text);
}

const char *tf_config_strings_words(const tf_config_value_in_t *in, uint32_t *field, char *why) {
  uint32_t word_cnt = tf_config_table_word_cnt(in->key->words), mask = 0;
  char     text[256], found[TF_CONFIG_FOUND_BYTES];
  TF_ASSERT(word_cnt < WORDS_MAX);
  if (in->node->kind == TF_CONFIG_SCALAR && strcmp(in->node->text, "all") == 0) {
    mask = (1u << word_cnt) - 1;
  } else {
    if (in->node->kind != TF_CONFIG_LIST)
      return tf_config_value_refuse(why, "found %s; expected a list of: %s, or all",
                                    tf_config_value_found(in->node, found),
                                    tf_config_table_words_text(in->key->words, text, sizeof text));
    if (in->node->child_cnt == 0)
      return tf_config_value_refuse(why,
                                    "an empty list; leave the key out, or name one or more of: %s",
                                    tf_config_table_words_text(in->key->words, text, sizeof text));
    for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
      int idx      = item->kind == TF_CONFIG_SCALAR
                         ? tf_config_table_word_find(in->key->words, item->text)
                         : -1;
      *in->culprit = item;
      if (idx < 0) return tf_config_strings_unknown(in, item, why);
      if (mask & 1u << idx) return tf_config_value_refuse(why, "\"%s\" is given twice", item->text);
      mask |= 1u << idx;
    }
  }
  *field = mask;
  if (mask == (1u << word_cnt) - 1) return "all";
  size_t used = 0;
  for (uint32_t i = 0; i < word_cnt; i++) {
    size_t      bytes_cnt;
    const char *word = tf_config_table_word(in->key->words, i, &bytes_cnt);
    if (mask & 1u << i)
      used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", used ? ", " : "[",
                               (int)bytes_cnt, word);
  }
  snprintf(text + used, sizeof text - used, "]");
  return tf_config_value_keep(in, why, text);
}

const char *tf_config_strings_check(const tf_config_node_t *node, int64_t min, int64_t max,
                                    char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  tf_config_value_found(node, found);
  if (!tf_config_value_is_text(node)) {
    bool quotable = node->kind == TF_CONFIG_SCALAR && !tf_config_value_is_nothing(node);
    return tf_config_value_refuse(why, "found %s; expected text%s", found,
                                  quotable ? ": put it in quotes if it is meant" : "");
  }
  if (node->text_cnt < min)
    return tf_config_value_refuse(why, "empty text; leave the key out, or give it a value");
  if (node->text_cnt > max)
    return tf_config_value_refuse(why, "%s is %u bytes long; at most %lld", found, node->text_cnt,
                                  (long long)max);
  return node->text;
}

static bool is_name(const char *text, bool ident) {
  const size_t place = sizeof TF_CONFIG_OF_PARTITION - 1;
  if (!isalpha((unsigned char)text[0]) && text[0] != '_') return false;
  for (; *text; text++) {
    if (isalnum((unsigned char)*text) || *text == '_') continue;
    if (ident) return false;
    if (!strncmp(text, TF_CONFIG_OF_PARTITION, place))
      text += place - 1;
    else if (*text != '-' && *text != '.')
      return false;
  }
  return true;
}

const char *tf_config_strings_text(const tf_config_value_in_t *in, const char **field, char *why) {
  const char *text  = tf_config_strings_check(in->node, in->key->min, in->key->max, why);
  bool        ident = in->key->type == TF_CONFIG_TYPE_IDENT;
  if (!text) return NULL;
  if ((ident || in->key->type == TF_CONFIG_TYPE_NAME) && !is_name(text, ident)) {
    char found[TF_CONFIG_FOUND_BYTES];
    return tf_config_value_refuse(
        why, "found %s; a name begins with a letter or _ and has letters, digits, %s",
        tf_config_value_found(in->node, found), ident ? "_" : "_ - .");
  }
  *field = text;
  return text;
}

const char *tf_config_strings_file(const tf_config_value_in_t *in, const char **field, char *why) {
  const char *text = tf_config_strings_check(in->node, in->key->min, in->key->max, why);
  if (!text) return NULL;
  size_t bytes = strlen(in->dir) + strlen(text) + 1;
  char  *path  = tf_config_pool_take(in->pool, bytes);
  if (!path) return tf_config_value_refuse(why, "no memory");
  snprintf(path, bytes, "%s%s", text[0] == '/' ? "" : in->dir, text);
  *field = access(path, F_OK) == 0 ? path : text;
  return text;
}

/* Symbols go by thousands, so the text is sized first and built once. */
static const char *texts_text(const tf_config_value_in_t *in, char *why) {
  size_t bytes = 3;
  for (const tf_config_node_t *item = in->node->first; item; item = item->next)
    bytes += item->text_cnt + 2;
  char *text = tf_config_pool_take(in->pool, bytes);
  if (!text) return tf_config_value_refuse(why, "no memory");
  size_t used = 0;
  for (const tf_config_node_t *item = in->node->first; item; item = item->next)
    used += (size_t)snprintf(text + used, bytes - used, "%s%s", used ? ", " : "[", item->text);
  snprintf(text + used, bytes - used, "]");
  return text;
}

const char *tf_config_strings_texts(const tf_config_value_in_t *in, tf_config_texts_t *field,
                                    char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (in->node->kind != TF_CONFIG_LIST)
    return tf_config_value_refuse(why, "found %s; expected a list of texts",
                                  tf_config_value_found(in->node, found));
  if (in->node->child_cnt < in->key->min && in->key->min == 1)
    return tf_config_value_refuse(why, "an empty list; leave the key out, or [\"*\"] for all");
  if (in->node->child_cnt < in->key->min)
    return tf_config_value_refuse(why, "%u items; at least %lld", in->node->child_cnt,
                                  (long long)in->key->min);
  if (in->node->child_cnt > in->key->max)
    return tf_config_value_refuse(why, "%u items; at most %lld", in->node->child_cnt,
                                  (long long)in->key->max);
  const char **items = tf_config_pool_take(in->pool, in->node->child_cnt * sizeof *items);
  if (!items) return tf_config_value_refuse(why, "no memory");
  uint32_t cnt = 0;
  for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
    *in->culprit = item;
    if (item->kind == TF_CONFIG_POISON)
      return tf_config_value_refuse(why, "has an item that was refused");
    if (!tf_config_strings_check(item, 1, TF_SYMBOL_BYTES_MAX - 1, why)) return NULL;
    if (strcmp(item->text, "*") == 0 && in->node->child_cnt > 1)
      return tf_config_value_refuse(why, "\"*\" means all and stands alone");
    if (strpbrk(item->text, " ,[]"))
      return tf_config_value_refuse(why, "found %s; an item has no blanks, commas or brackets",
                                    tf_config_value_found(item, found));
    for (uint32_t i = 0; i < cnt; i++)
      if (strcmp(items[i], item->text) == 0)
        return tf_config_value_refuse(why, "%s is given twice", tf_config_value_found(item, found));
    items[cnt++] = item->text;
  }
  field->items    = items;
  field->item_cnt = strcmp(items[0], "*") == 0 ? 0 : cnt;
  return texts_text(in, why);
}

static const char *check_list(const tf_config_value_in_t *in, const char *what, char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (in->node->kind != TF_CONFIG_LIST)
    return tf_config_value_refuse(why, "found %s; expected a list of %s",
                                  tf_config_value_found(in->node, found), what);
  if (in->node->child_cnt < in->key->min || in->node->child_cnt > in->key->max)
    return tf_config_value_refuse(why, "%u items; allowed: %lld to %lld", in->node->child_cnt,
                                  (long long)in->key->min, (long long)in->key->max);
  return what;
}

/* What stands in an expression is for whoever compiles it. */
const char *tf_config_strings_exprs(const tf_config_value_in_t *in, tf_config_texts_t *field,
                                    char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (!check_list(in, "expressions", why)) return NULL;
  const char **items = tf_config_pool_take(in->pool, in->node->child_cnt * sizeof *items);
  uint32_t     cnt   = 0;
  if (!items) return tf_config_value_refuse(why, "no memory");
  for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
    *in->culprit = item;
    if (item->kind == TF_CONFIG_POISON)
      return tf_config_value_refuse(why, "has an item that was refused");
    if (!tf_config_strings_check(item, 1, EXPR_BYTES_MAX, why)) return NULL;
    for (uint32_t i = 0; i < cnt; i++)
      if (strcmp(items[i], item->text) == 0)
        return tf_config_value_refuse(why, "%s is given twice", tf_config_value_found(item, found));
    items[cnt++] = item->text;
  }
  *field = (tf_config_texts_t){items, cnt};
  return texts_text(in, why);
}

const char *tf_config_strings_weights(const tf_config_value_in_t *in, tf_config_weights_t *field,
                                      char *why) {
  char found[TF_CONFIG_FOUND_BYTES];
  if (!check_list(in, "numbers", why)) return NULL;
  double  *items = tf_config_pool_take(in->pool, in->node->child_cnt * sizeof *items);
  uint32_t cnt   = 0;
  if (!items) return tf_config_value_refuse(why, "no memory");
  for (const tf_config_node_t *item = in->node->first; item; item = item->next) {
    *in->culprit   = item;
    double *weight = &items[cnt++];
    if (item->kind != TF_CONFIG_SCALAR || !item->plain ||
        tf_config_number_decimal(item->text, weight) != TF_NUMBER_OK || !(*weight > 0))
      return tf_config_value_refuse(why, "found %s; a weight is a number above 0",
                                    tf_config_value_found(item, found));
  }
  *field = (tf_config_weights_t){items, cnt};
  return texts_text(in, why);
}
