#include "text/tokens.h"

#include "text/unicode.h"

#define WORD_BYTES_MAX (TF_TOKENS_WORD_CHARS_MAX * TF_UNICODE_UTF8_MAX)

typedef struct writer {
  const tf_vocab_t *vocab;
  uint32_t         *tokens;
  uint32_t          cnt, cap; /* cap: without [SEP] */
  bool              is_cut;
  uint32_t char_cnt; /* of the word that is open; those beyond the limit are counted alone */
  uint32_t byte_cnt;
  uint8_t  word[WORD_BYTES_MAX];
} writer_t;

static void put_token(writer_t *w, uint32_t token) {
  if (w->cnt < w->cap)
    w->tokens[w->cnt++] = token;
  else
    w->is_cut = true;
}

/* The longest piece of the word's rest from start on; how many bytes, 0: there is none. */
static uint32_t longest(const writer_t *w, uint32_t start, uint32_t *token) {
  const uint8_t *from = w->word + start;
  const uint32_t left = w->byte_cnt - start;
  const uint32_t cnt  = left < w->vocab->piece_bytes_max ? left : w->vocab->piece_bytes_max;
  uint64_t       hashes[WORD_BYTES_MAX], hash = start ? TF_VOCAB_GOES_ON : TF_VOCAB_WORD;
  for (uint32_t i = 0; i < cnt; i++) hashes[i] = hash = tf_vocab_hash(hash, from[i]);
  for (uint32_t n = cnt; n > 0; n--) {
    *token = tf_vocab_find(w->vocab, hashes[n - 1], start > 0, from, n);
    if (*token != TF_VOCAB_NONE) return n;
  }
  return 0;
}

static void end_word(writer_t *w) {
  uint32_t pieces[WORD_BYTES_MAX], cnt = 0;
  if (w->char_cnt == 0) return;
  bool is_known = w->char_cnt <= TF_TOKENS_WORD_CHARS_MAX;
  for (uint32_t start = 0; start < w->byte_cnt && is_known; cnt++) {
    const uint32_t bytes = longest(w, start, &pieces[cnt]);
    is_known             = bytes > 0;
    start += bytes;
  }
  if (!is_known) pieces[0] = w->vocab->unknown, cnt = 1;
  for (uint32_t i = 0; i < cnt; i++) put_token(w, pieces[i]);
  w->char_cnt = w->byte_cnt = 0;
}

static void add_char(writer_t *w, uint32_t c) {
  if (w->char_cnt++ < TF_TOKENS_WORD_CHARS_MAX)
    w->byte_cnt += tf_unicode_put(c, w->word + w->byte_cnt);
}

static void take_plain(writer_t *w, uint32_t c) {
  switch (tf_unicode_class(c)) {
  case TF_UNICODE_SPACE: end_word(w); break;
  case TF_UNICODE_POINT:
    end_word(w);
    add_char(w, c);
    end_word(w);
    break;
  default: add_char(w, c); break;
  }
}

static void take(writer_t *w, uint32_t c, bool lowers) {
  uint32_t   plain[TF_UNICODE_PLAIN_MAX] = {c}, cnt = 1;
  const bool is_alone = tf_unicode_is_ideograph(c);
  if (tf_unicode_class(c) == TF_UNICODE_OTHER) return;
  if (is_alone) end_word(w);
  if (lowers) cnt = tf_unicode_plain(c, plain);
  for (uint32_t i = 0; i < cnt; i++) take_plain(w, plain[i]);
  if (is_alone) end_word(w);
}

uint32_t tf_tokens_of(const tf_vocab_t *vocab, bool lowers, const char *bytes, size_t bytes_cnt,
                      uint32_t *tokens, uint32_t cap, bool *is_cut) {
  TF_ASSERT(cap >= TF_TOKENS_CNT_MIN);
  writer_t       w  = {.vocab = vocab, .tokens = tokens, .cap = cap - 1};
  const uint8_t *at = (const uint8_t *)bytes, *end = at + bytes_cnt;
  put_token(&w, vocab->begin);
  while (at < end && !w.is_cut) take(&w, tf_unicode_next(&at, end), lowers);
  if (!w.is_cut) end_word(&w);
  tokens[w.cnt] = vocab->end;
  *is_cut       = w.is_cut;
  return w.cnt + 1;
}
