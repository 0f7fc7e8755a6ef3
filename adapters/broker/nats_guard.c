#include "broker/nats_guard.h"

#include <string.h>

#include "broker/text.h"
#include "core/error.h"

#define WORDS_MAX 5u /* HMSG subject sid reply header-bytes; the total is the last */

/* A line without its CR LF. */
typedef struct line {
  const char *bytes;
  size_t      cnt;
} line_t;

static bool begins(line_t line, const char *word) {
  size_t cnt = strlen(word);
  return line.cnt >= cnt && memcmp(line.bytes, word, cnt) == 0;
}

static bool is_whole(line_t line, const char *text) {
  return line.cnt == strlen(text) && begins(line, text);
}

static int quoted(line_t line) { return line.cnt < 80 ? (int)line.cnt : 80; }

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
  return tf_text_read_u64(&at, end, number) && (at == end || *at == ' ') && *number <= max;
}

static tf_err_t take_message(tf_nats_guard_t *g, line_t line, bool has_headers) {
  const char *words[WORDS_MAX];
  const char *end = line.bytes + line.cnt;
  uint32_t min = has_headers ? 4 : 3, cnt = split(line.bytes + (has_headers ? 5 : 4), end, words);
  uint64_t max = g->payload_bytes_max, total = 0, header = 0;
  bool     good = line.cnt <= TF_NATS_GUARD_MESSAGE_LINE_BYTES && (cnt == min || cnt == min + 1) &&
              number_of(words[cnt - 1], end, max, &total);
  if (good && has_headers) good = number_of(words[cnt - 2], end, max, &header) && header <= total;
  if (!good)
    return TF_ERR(
        E_BROKER_IO,
        "NATS sends a message of no size, of more than %u bytes, or behind a line of more "
        "than %u: \"%.*s\"",
        g->payload_bytes_max, TF_NATS_GUARD_MESSAGE_LINE_BYTES, quoted(line), line.bytes);
  g->skip = total + 2;
  return TF_OK;
}

static tf_err_t take_line(tf_nats_guard_t *g, line_t line) {
  if (begins(line, "MSG ")) return take_message(g, line, false);
  if (begins(line, "HMSG ")) return take_message(g, line, true);
  if (is_whole(line, "PING") || is_whole(line, "PONG") || is_whole(line, "+OK") ||
      begins(line, "-ERR ") || begins(line, "INFO "))
    return TF_OK;
  return TF_ERR(E_BROKER_IO, "NATS sends what is no NATS: \"%.*s\"", quoted(line), line.bytes);
}

/* CR stands before LF and nowhere else. from: what is before it was looked at. */
static tf_err_t check_end(const char *line, size_t from, size_t cnt, bool has_feed) {
  const char *end = memchr(line + from, '\r', cnt - from);
  if (has_feed ? cnt >= 2 && end == line + cnt - 2 : !end || end == line + cnt - 1) return TF_OK;
  return TF_ERR(E_BROKER_IO, "NATS sends a line that does not end in CR LF");
}

int tf_nats_guard_next(tf_nats_guard_t *g, const char **at, const char *end,
                       tf_nats_piece_t *piece) {
  const char *begin = *at, *line = begin;
  size_t      left = (size_t)(end - begin), before = g->line_cnt;
  if (left == 0) return 0;
  if (g->skip) {
    if (left > g->skip) left = (size_t)g->skip;
    *piece = (tf_nats_piece_t){begin, left, false};
    g->skip -= left;
    *at += left;
    return 1;
  }
  const char *feed = memchr(begin, '\n', left);
  size_t      cnt  = feed ? (size_t)(feed + 1 - begin) : left;
  *at += cnt;
  if (before + cnt - (feed != NULL) > TF_NATS_GUARD_LINE_BYTES)
    return TF_ERR(E_BROKER_IO, "NATS sends a line of more than %u bytes", TF_NATS_GUARD_LINE_BYTES);
  if (before || !feed) {
    memcpy(g->line + before, begin, cnt);
    line = g->line;
    cnt += before;
  }
  g->line_cnt  = feed ? 0 : (uint32_t)cnt;
  tf_err_t err = check_end(line, before ? before - 1 : 0, cnt, feed);
  if (err || !feed) return err;
  *piece = (tf_nats_piece_t){line, cnt, true};
  err    = take_line(g, (line_t){line, cnt - 2});
  return err ? err : 1;
}

tf_err_t tf_nats_guard_check(tf_nats_guard_t *g, const char *bytes, size_t bytes_cnt) {
  tf_nats_piece_t piece;
  const char     *at  = bytes;
  int             got = 1;
  while (got > 0) got = tf_nats_guard_next(g, &at, bytes + bytes_cnt, &piece);
  return got;
}
