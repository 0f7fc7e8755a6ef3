/* A vocabulary and a text from anywhere: the tokens stay in their room and are the vocabulary's. The text is what is behind
 * the first NUL. */
#include <string.h>

#include "text/tokens.h"

#define CAP 32u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t cnt) {
  static const char LINES[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
  static char       lines[1 << 16];
  uint32_t          tokens[CAP];
  bool              is_cut;
  tf_vocab_t        vocab;
  const uint8_t    *end  = memchr(bytes, 0, cnt);
  size_t            own  = end ? (size_t)(end - bytes) : 0;
  const char       *text = (const char *)bytes + own;
  if (own > sizeof lines - sizeof LINES) return 0;
  memcpy(lines, LINES, sizeof LINES - 1);
  memcpy(lines + sizeof LINES - 1, bytes, own);
  if (tf_vocab_init(&vocab, "fuzz", lines, sizeof LINES - 1 + own) != TF_OK) return 0;
  for (int lowers = 0; lowers < 2; lowers++) {
    uint32_t token_cnt = tf_tokens_of(&vocab, lowers, text, cnt - own, tokens, CAP, &is_cut);
    TF_ASSERT(token_cnt >= 2 && token_cnt <= CAP);
    TF_ASSERT(tokens[0] == vocab.begin && tokens[token_cnt - 1] == vocab.end);
    for (uint32_t i = 0; i < token_cnt; i++) TF_ASSERT(tokens[i] < vocab.token_cnt);
  }
  tf_vocab_fini(&vocab);
  return 0;
}
