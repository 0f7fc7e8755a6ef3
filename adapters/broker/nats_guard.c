#include "broker/nats_guard.h"

#include <string.h>

#include "core/error.h"

#define WORDS_MAX 5u /* HMSG subject sid reply header-bytes; the total is the last */

static bool begins(const tf_nats_guard_t *g, const char *word) {
  size_t cnt = strlen(word);
  return g->line_cnt >= cnt && memcmp(g->line, word, cnt) == 0;
}

static bool is_whole(const tf_nats_guard_t *g, const char *line) {
  return g->line_cnt == strlen(line) && begins(g, line);
}

/* The words behind the first; 0 if there are more than WORDS_MAX. nats-server writes two blanks where a reply would stand
 * that is empty.*/
static uint32_t split(const char *at, const char *end, const char *words[WORDS_MAX]) {
  uint32_t cnt = 0;
  while (at < end) {
    const char *blank = memchr(at, ' ', (size_t)(end - at));
    if (!blank) blank = end;
    if (blank > at && cnt == WORDS_MAX) return 0;
    if (blank > at) words[cnt++] = at;
    at = blank + 1;
  }
  return cnt;
}

/* A word of digits alone, up to a blank or the end of the line. */
static bool number_of(const char *at, const char *end, uint64_t max, uint64_t *number) {
  for (*number = 0; at < end && *at != ' '; at++) {
    if (*at < '0' || *at > '9') return false;
    *number = *number * 10 + (uint64_t)(*at - '0');
    if (*number > max) return false;
  }
  return true;
}

static tf_err_t take_message(tf_nats_guard_t *g, bool has_headers) {
  const char *words[WORDS_MAX];
  const char *end = g->line + g->line_cnt;
  uint32_t    min = has_headers ? 4 : 3, cnt = split(g->line + (has_headers ? 5 : 4), end, words);
  uint64_t    max = g->payload_bytes_max, total = 0, header = 0;
  bool        good = (cnt == min || cnt == min + 1) && number_of(words[cnt - 1], end, max, &total);
  if (good && has_headers) good = number_of(words[cnt - 2], end, max, &header) && header <= total;
  if (!good)
    return TF_ERR(E_BROKER_IO,
                  "NATS sends a message of no size, or of more than %u bytes: \"%.*s\"",
                  g->payload_bytes_max, g->line_cnt < 80 ? (int)g->line_cnt : 80, g->line);
  g->skip = total + 2;
  return TF_OK;
}

/* The line without its CR LF. */
static tf_err_t take_line(tf_nats_guard_t *g) {
  if (begins(g, "MSG ")) return take_message(g, false);
  if (begins(g, "HMSG ")) return take_message(g, true);
  if (is_whole(g, "PING") || is_whole(g, "PONG") || is_whole(g, "+OK") || begins(g, "-ERR ") ||
      begins(g, "INFO "))
    return TF_OK;
  return TF_ERR(E_BROKER_IO, "NATS sends what is no NATS: \"%.*s\"",
                g->line_cnt < 80 ? (int)g->line_cnt : 80, g->line);
}

static tf_err_t take_char(tf_nats_guard_t *g, char c) {
  bool after_cr = g->line_cnt > 0 && g->line[g->line_cnt - 1] == '\r';
  if (after_cr != (c == '\n'))
    return TF_ERR(E_BROKER_IO, "NATS sends a line that does not end in CR LF");
  if (c == '\n') {
    g->line_cnt--;
    tf_err_t err = take_line(g);
    g->line_cnt  = 0;
    return err;
  }
  if (g->line_cnt == TF_NATS_GUARD_LINE_BYTES)
    return TF_ERR(E_BROKER_IO, "NATS sends a line of more than %u bytes", TF_NATS_GUARD_LINE_BYTES);
  g->line[g->line_cnt++] = c;
  return TF_OK;
}

tf_err_t tf_nats_guard_check(tf_nats_guard_t *g, const char *bytes, size_t bytes_cnt) {
  for (size_t i = 0; i < bytes_cnt;) {
    if (g->skip) {
      size_t n = g->skip < bytes_cnt - i ? (size_t)g->skip : bytes_cnt - i;
      g->skip -= n;
      i += n;
      continue;
    }
    tf_err_t err = take_char(g, bytes[i++]);
    if (err) return err;
  }
  return TF_OK;
}
