#include <string.h>

#include "core/error.h"
#include "feed/binance_state.h"

/* Text into a buffer that may be too small: cnt goes on counting, so the caller learns the length
 * that is needed. Always NUL-terminated. */
typedef struct {
  char  *buf;
  size_t cap, cnt;
} text_t;

static void put_char(text_t *t, char c) {
  if (t->cnt + 1 < t->cap) t->buf[t->cnt] = c;
  t->cnt++;
}
static void put_text(text_t *t, const char *s) {
  while (*s != '\0') put_char(t, *s++);
}
static size_t finish(text_t *t) {
  if (t->cap > 0) t->buf[t->cnt < t->cap ? t->cnt : t->cap - 1] = '\0';
  return t->cnt;
}

/* Stream names spell the symbol in lower case; bytes outside ASCII stay. */
static void put_lower(text_t *t, const char *s) {
  for (; *s != '\0'; s++) put_char(t, (char)(*s >= 'A' && *s <= 'Z' ? *s + 32 : *s));
}

static void put_url_encoded(text_t *t, const char *s) {
  for (; *s != '\0'; s++) {
    uint8_t c     = (uint8_t)*s;
    bool    plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                 c == '_' || c == '-' || c == '.';
    if (plain) {
      put_char(t, *s);
    } else {
      put_char(t, '%');
      put_char(t, "0123456789ABCDEF"[c >> 4]);
      put_char(t, "0123456789ABCDEF"[c & 15]);
    }
  }
}

/* The names of the streams that the channels ask for, at most three. */
static uint32_t stream_names(const tf_binance_state_t *st, const char *names[3]) {
  uint32_t cnt = 0;
  if (st->channels & TF_CHANNEL_TRADE) names[cnt++] = "trade";
  if (st->channels & TF_CHANNEL_QUOTE) names[cnt++] = "bookTicker";
  if (st->channels & TF_CHANNEL_BOOK) names[cnt++] = st->market->book_stream;
  return cnt;
}

/* 0, with the error record set, where one connection cannot carry the streams. */
size_t tf_binance_live_ws_target(const void *state, char *buf, size_t cap) {
  const tf_binance_state_t *st = state;
  const char               *names[3];
  uint64_t                  stream_cnt = (uint64_t)stream_names(st, names) * st->asked_cnt;
  if (stream_cnt == 0 || stream_cnt > TF_BINANCE_STREAMS_MAX) {
    tf_error_set(E_FEED_LIMIT, __FILE__, __LINE__,
                 "%llu streams for one connection to %s, allowed are 1 to %u: spread the "
                 "instruments over several feeds",
                 (unsigned long long)stream_cnt, st->market->suffix, TF_BINANCE_STREAMS_MAX);
    return 0;
  }
  text_t t = {buf, cap, 0};
  put_text(&t, st->market->ws_path);
  return finish(&t);
}

size_t tf_binance_live_subscribe(void *state, uint32_t message_idx, char *buf, size_t cap) {
  const tf_binance_state_t *st = state;
  const char               *names[3];
  uint32_t                  name_cnt   = stream_names(st, names);
  uint64_t                  stream_cnt = (uint64_t)name_cnt * st->asked_cnt;
  uint64_t                  stream     = (uint64_t)message_idx * TF_BINANCE_SUBSCRIBE_STREAMS;
  uint64_t                  stop       = stream + TF_BINANCE_SUBSCRIBE_STREAMS;
  if (stop > stream_cnt) stop = stream_cnt;
  if (stream >= stop) return 0;
  text_t t = {buf, cap, 0};
  put_text(&t, "{\"method\":\"SUBSCRIBE\",\"params\":[");
  for (bool is_first = true; stream < stop; stream++, is_first = false) {
    put_text(&t, is_first ? "\"" : ",\"");
    put_lower(&t, st->symbols.rows[stream / name_cnt].text);
    put_char(&t, '@');
    put_text(&t, names[stream % name_cnt]);
    put_char(&t, '"');
  }
  char id[40];
  snprintf(id, sizeof(id), "],\"id\":%u}", message_idx + 1);
  put_text(&t, id);
  return finish(&t);
}

size_t tf_binance_live_snapshot_target(const void *state, uint32_t instrument_id, char *buf,
                                       size_t cap) {
  const tf_binance_state_t *st = state;
  for (uint32_t i = 0; i < st->symbols.cnt; i++) {
    if (st->symbols.rows[i].instrument_id != instrument_id) continue;
    text_t t = {buf, cap, 0};
    char   limit[32];
    put_text(&t, st->market->rest_path);
    put_text(&t, "?symbol=");
    put_url_encoded(&t, st->symbols.rows[i].text);
    snprintf(limit, sizeof(limit), "&limit=%u", st->market->snapshot_limit);
    put_text(&t, limit);
    return finish(&t);
  }
  return 0;
}
