#include "text/text_file.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"

#define LENGTH_STEP 8u

/* ---- what it may hold ---- */

static bool is_word(const char *name, size_t cnt) {
  for (size_t i = 0; i < cnt; i++) {
    const char c         = name[i];
    const bool is_letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9');
    if (!is_letter && c != '-' && c != '_') return false;
  }
  return cnt > 0 && cnt < TF_TEXT_LABEL_BYTES;
}

tf_err_t tf_text_file_add_label(const char *where, const char *name, size_t cnt, double weight,
                                tf_text_model_t *m) {
  if (m->label_cnt == TF_TEXT_LABELS_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: more than %u labels", where, TF_TEXT_LABELS_MAX);
  if (!is_word(name, cnt))
    return TF_ERR(E_MODEL_FORMAT, "%s: label \"%.*s\": 1 to %u letters, digits, - and _", where,
                  (int)(cnt < 80 ? cnt : 80), name, TF_TEXT_LABEL_BYTES - 1);
  if (!isfinite((float)weight))
    return TF_ERR(E_MODEL_FORMAT, "%s: the weight of label %.*s is no number", where, (int)cnt,
                  name);
  for (uint32_t i = 0; i < m->label_cnt; i++)
    if (strlen(m->labels[i]) == cnt && memcmp(m->labels[i], name, cnt) == 0)
      return TF_ERR(E_MODEL_FORMAT, "%s: label %.*s stands twice", where, (int)cnt, name);
  memcpy(m->labels[m->label_cnt], name, cnt);
  m->labels[m->label_cnt][cnt] = 0;
  m->weights[m->label_cnt++]   = (float)weight;
  return TF_OK;
}

tf_err_t tf_text_file_add_length(const char *where, uint64_t length, tf_text_model_t *m) {
  const uint32_t before = m->length_cnt ? m->lengths[m->length_cnt - 1] : 0;
  if (m->length_cnt == TF_TEXT_LENGTHS_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: more than %u lengths", where, TF_TEXT_LENGTHS_MAX);
  if (length < LENGTH_STEP || length > TF_TEXT_FILE_LENGTH_MAX || length % LENGTH_STEP != 0)
    return TF_ERR(E_MODEL_FORMAT, "%s: a length of %llu tokens: multiples of %u up to %u", where,
                  (unsigned long long)length, LENGTH_STEP, TF_TEXT_FILE_LENGTH_MAX);
  if (length <= before)
    return TF_ERR(E_MODEL_FORMAT, "%s: length %llu behind %u: they ascend", where,
                  (unsigned long long)length, before);
  m->lengths[m->length_cnt++] = (uint32_t)length;
  return TF_OK;
}

tf_err_t tf_text_file_labels(const char *text, tf_text_model_t *m) {
  tf_err_t err = TF_OK;
  for (const char *at = text; !err;) {
    const char  *colon = strchr(at, ':');
    char        *end;
    const double weight = colon ? strtod(colon + 1, &end) : 0.0;
    if (!colon || end == colon + 1 || (*end && *end != ','))
      return TF_ERR(E_MODEL_FORMAT,
                    "--labels: \"%.60s\": NAME:WEIGHT,.. is wanted, as negative:-1,neutral:0", at);
    err = tf_text_file_add_label("--labels", at, (size_t)(colon - at), weight, m);
    if (!*end) break;
    at = end + 1;
  }
  return err;
}

/* ---- reading ---- */

static tf_err_t read_labels(const char *text, const char *label, tf_text_model_t *m) {
  size_t   i;
  json_t  *row, *all = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
  tf_err_t err =
      json_is_array(all) ? TF_OK : TF_ERR(E_MODEL_FORMAT, "%s: its labels are no list", label);
  json_array_foreach(all, i, row) {
    const char   *name   = json_string_value(json_array_get(row, 0));
    const json_t *weight = json_array_get(row, 1);
    if (!err && (json_array_size(row) != 2 || !name || !json_is_number(weight)))
      err = TF_ERR(E_MODEL_FORMAT, "%s: label %zu is no pair of name and weight", label, i);
    if (!err) err = tf_text_file_add_label(label, name, strlen(name), json_number_value(weight), m);
  }
  json_decref(all);
  return err;
}

/* Of the names of its tensors: nothing else may be in it. */
static tf_err_t read_lengths(const tf_safetensors_t *st, const char *label, tf_text_model_t *m) {
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < st->tensor_cnt && !err; i++) {
    const tf_safetensors_tensor_t *t = &st->tensors[i];
    unsigned                       length;
    int                            end = 0;
    if (t->dtype != TF_SAFETENSORS_U8)
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\" is not of bytes", label, t->name);
    if (strcmp(t->name, TF_TEXT_FILE_VOCAB) == 0) continue;
    if (sscanf(t->name, TF_TEXT_FILE_NET "%n", &length, &end) != 1 || t->name[end])
      return TF_ERR(E_MODEL_FORMAT, "%s: tensor \"%s\": only %s and net.N are known", label,
                    t->name, TF_TEXT_FILE_VOCAB);
    err = tf_text_file_add_length(label, length, m);
  }
  if (!err && m->length_cnt == 0) err = TF_ERR(E_MODEL_FORMAT, "%s: it holds no net.N", label);
  return err;
}

tf_err_t tf_text_file_read(const tf_safetensors_t *st, const char *label, tf_text_model_t *m,
                           bool *lowers) {
  const char *format  = tf_safetensors_meta(st, "format"),
             *version = tf_safetensors_meta(st, "version"), *name = tf_safetensors_meta(st, "name"),
             *low = tf_safetensors_meta(st, "lowers");
  if (!format || strcmp(format, TF_TEXT_FILE_FORMAT) != 0)
    return TF_ERR(E_MODEL_FORMAT, "%s: no model of texts: its format is \"%.40s\", not \"%s\"",
                  label, format ? format : "", TF_TEXT_FILE_FORMAT);
  if (!version || strcmp(version, TF_TEXT_FILE_VERSION) != 0)
    return TF_ERR(E_MODEL_FORMAT, "%s: version \"%.20s\"; this build reads %s", label,
                  version ? version : "", TF_TEXT_FILE_VERSION);
  if (!name || !name[0] || strlen(name) >= sizeof m->name)
    return TF_ERR(E_MODEL_FORMAT, "%s: its name is missing or longer than %zu", label,
                  sizeof m->name - 1);
  memcpy(m->name, name, strlen(name) + 1);
  *lowers      = low && strcmp(low, "true") == 0;
  tf_err_t err = read_labels(tf_safetensors_meta(st, "labels"), label, m);
  return err ? err : read_lengths(st, label, m);
}

/* ---- writing ---- */

static char *labels_text(const tf_text_model_t *m) {
  json_t *all = json_array();
  for (uint32_t i = 0; i < m->label_cnt; i++)
    json_array_append_new(all, json_pack("[s, f]", m->labels[i], (double)m->weights[i]));
  char *text = json_dumps(all, JSON_COMPACT);
  json_decref(all);
  return text;
}

tf_err_t tf_text_file_write(const char *path, const tf_text_model_t *m, bool lowers,
                            const tf_text_file_part_t *vocab, const tf_text_file_part_t *nets) {
  char                    names[TF_TEXT_LENGTHS_MAX][16];
  tf_safetensors_source_t sources[TF_TEXT_LENGTHS_MAX + 1];
  char                   *labels = labels_text(m);
  if (!labels) return TF_ERR(E_CORE_NO_MEMORY, "%s", path);
  sources[0] = (tf_safetensors_source_t){.name   = TF_TEXT_FILE_VOCAB,
                                         .rank   = 1,
                                         .shape  = {vocab->cnt},
                                         .values = vocab->bytes,
                                         .dtype  = TF_SAFETENSORS_U8};
  for (uint32_t i = 0; i < m->length_cnt; i++) {
    snprintf(names[i], sizeof names[i], TF_TEXT_FILE_NET, m->lengths[i]);
    sources[i + 1] = (tf_safetensors_source_t){.name   = names[i],
                                               .rank   = 1,
                                               .shape  = {nets[i].cnt},
                                               .values = nets[i].bytes,
                                               .dtype  = TF_SAFETENSORS_U8};
  }
  const tf_safetensors_text_t texts[] = {
      {"format",  TF_TEXT_FILE_FORMAT      },
      {"labels",  labels                   },
      {"lowers",  lowers ? "true" : "false"},
      {"name",    m->name                  },
      {"version", TF_TEXT_FILE_VERSION     },
  };
  tf_err_t err = tf_safetensors_write(path, texts, TF_ARRAY_CNT(texts), sources, m->length_cnt + 1);
  free(labels);
  return err;
}
