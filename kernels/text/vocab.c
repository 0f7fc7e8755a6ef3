#include "text/vocab.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "text/unicode.h"

#define FNV_BITS 29u /* FNV's low bits alone are poor */

static uint32_t slot_of(const tf_vocab_t *v, uint64_t hash) {
  return (uint32_t)(hash ^ hash >> FNV_BITS) & v->slot_mask;
}

static bool goes_on(const char *token, uint32_t cnt) {
  return cnt > 2 && token[0] == '#' && token[1] == '#';
}

static bool is_token(const tf_vocab_t *v, uint32_t token, bool is_within, const uint8_t *bytes,
                     uint32_t cnt) {
  const char    *own     = v->bytes + v->at[token];
  const uint32_t own_cnt = v->at[token + 1] - v->at[token], skip = is_within ? 2 : 0;
  return goes_on(own, own_cnt) == is_within && own_cnt == cnt + skip &&
         memcmp(own + skip, bytes, cnt) == 0;
}

uint32_t tf_vocab_find(const tf_vocab_t *v, uint64_t hash, bool is_within, const uint8_t *bytes,
                       uint32_t cnt) {
  for (uint32_t at = slot_of(v, hash);; at = (at + 1) & v->slot_mask) {
    if (v->slots[at] == 0) return TF_VOCAB_NONE;
    if (is_token(v, v->slots[at] - 1, is_within, bytes, cnt)) return v->slots[at] - 1;
  }
}

void tf_vocab_fini(tf_vocab_t *v) {
  free(v->slots);
  free(v->at);
  free(v->bytes);
  *v = (tf_vocab_t){0};
}

/* ---- lines ---- */

static tf_err_t check_line(const char *label, uint32_t line, const char *token, size_t cnt) {
  const uint8_t *at = (const uint8_t *)token, *end = at + cnt;
  if (cnt == 0) return TF_ERR(E_MODEL_FORMAT, "%s:%u: an empty token", label, line);
  if (cnt > TF_VOCAB_TOKEN_BYTES_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s:%u: a token of %zu bytes; at most %u are allowed", label,
                  line, cnt, TF_VOCAB_TOKEN_BYTES_MAX);
  while (at < end)
    if (tf_unicode_next(&at, end) == TF_UNICODE_INSTEAD)
      return TF_ERR(E_MODEL_FORMAT, "%s:%u: a token that is no UTF-8", label, line);
  return TF_OK;
}

static uint64_t hash_of(const char *token, uint32_t cnt) {
  const bool is_within = goes_on(token, cnt);
  uint64_t   hash      = is_within ? TF_VOCAB_GOES_ON : TF_VOCAB_WORD;
  for (uint32_t i = is_within ? 2 : 0; i < cnt; i++) hash = tf_vocab_hash(hash, (uint8_t)token[i]);
  return hash;
}

static tf_err_t add_line(tf_vocab_t *v, const char *label, const char *token, size_t bytes) {
  const uint32_t line = v->token_cnt + 1;
  if (v->token_cnt == TF_VOCAB_TOKEN_CNT_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: more than %u tokens", label, TF_VOCAB_TOKEN_CNT_MAX);
  tf_err_t err = check_line(label, line, token, bytes);
  if (err) return err;
  const uint32_t cnt       = (uint32_t)bytes;
  const bool     is_within = goes_on(token, cnt);
  const uint64_t hash      = hash_of(token, cnt);
  const uint32_t skip      = is_within ? 2 : 0;
  const uint32_t twin =
      tf_vocab_find(v, hash, is_within, (const uint8_t *)token + skip, cnt - skip);
  if (twin != TF_VOCAB_NONE)
    return TF_ERR(E_MODEL_FORMAT, "%s:%u: \"%.*s\" stands on line %u too", label, line, (int)cnt,
                  token, twin + 1);
  uint32_t slot = slot_of(v, hash);
  while (v->slots[slot]) slot = (slot + 1) & v->slot_mask;
  v->slots[slot] = line;
  memcpy(v->bytes + v->at[v->token_cnt], token, cnt);
  v->at[line]  = v->at[v->token_cnt] + cnt;
  v->token_cnt = line;
  if (v->piece_bytes_max < cnt - skip) v->piece_bytes_max = cnt - skip;
  return TF_OK;
}

static tf_err_t find_special(const tf_vocab_t *v, const char *label, const char *name,
                             uint32_t *token) {
  const uint32_t cnt = (uint32_t)strlen(name);
  *token             = tf_vocab_find(v, hash_of(name, cnt), false, (const uint8_t *)name, cnt);
  if (*token != TF_VOCAB_NONE) return TF_OK;
  return TF_ERR(E_MODEL_FORMAT, "%s: has no %s; [PAD], [UNK], [CLS] and [SEP] are needed", label,
                name);
}

static tf_err_t take_room(tf_vocab_t *v, const char *lines, size_t cnt) {
  size_t line_cnt = 1, slot_cnt = 16;
  for (size_t i = 0; i < cnt; i++) line_cnt += lines[i] == '\n';
  while (slot_cnt < 2 * line_cnt) slot_cnt *= 2;
  v->slots     = calloc(slot_cnt, sizeof *v->slots);
  v->at        = calloc(line_cnt + 1, sizeof *v->at);
  v->bytes     = malloc(cnt + 1);
  v->slot_mask = (uint32_t)(slot_cnt - 1);
  return v->slots && v->at && v->bytes ? TF_OK
                                       : TF_ERR(E_CORE_NO_MEMORY, "a vocabulary of %zu bytes", cnt);
}

tf_err_t tf_vocab_init(tf_vocab_t *v, const char *label, const char *lines, size_t cnt) {
  *v = (tf_vocab_t){0};
  if (cnt > (size_t)TF_VOCAB_TOKEN_CNT_MAX * (TF_VOCAB_TOKEN_BYTES_MAX + 1))
    return TF_ERR(E_MODEL_FORMAT, "%s: a vocabulary of %zu bytes", label, cnt);
  tf_err_t err = take_room(v, lines, cnt);
  for (size_t at = 0; at < cnt && !err;) {
    const char  *end   = memchr(lines + at, '\n', cnt - at);
    const size_t whole = end ? (size_t)(end - lines) - at : cnt - at;
    const bool   has_r = whole > 0 && lines[at + whole - 1] == '\r';
    err                = add_line(v, label, lines + at, whole - has_r);
    at += whole + 1;
  }
  if (!err) err = find_special(v, label, "[PAD]", &v->pad);
  if (!err) err = find_special(v, label, "[UNK]", &v->unknown);
  if (!err) err = find_special(v, label, "[CLS]", &v->begin);
  if (!err) err = find_special(v, label, "[SEP]", &v->end);
  if (err) tf_vocab_fini(v);
  return err;
}
