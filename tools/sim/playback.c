#include "playback.h"

#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "file/recording.h"
#include "stage/book.h"
#include "wire/decimal.h"

#define EVENTS_MAX          65536
#define SYMBOL_SCAN_RECORDS 20000 /* symbols that appear later are left out */

struct sim_playback {
  tf_recording_t   recording;
  tf_record_t      record;
  bool             has_record, is_open;
  double           speed;
  uint64_t         start_ns, first_recv_ns;
  const tf_feed_t *feed;
  void            *feed_state;
  tf_feed_out_t    out;
  tf_feed_counts_t counts;
  tf_feed_config_t feed_config;
  tf_instruments_t instruments;
  tf_arena_t       arena;
  tf_book_keeper_t books[SIM_SYMBOLS_MAX]; /* by instrument id */
  sim_binance_t   *binance;
};

/* Messages of one venue are what an exchange sends: of a capture those of its first feed. */
static bool is_played(const tf_record_t *r) {
  return r->fault == TF_RECORD_OK && r->tap == TF_TAP_FRAME && r->source_idx == 0;
}

/* {"stream":"NAME","data":DATA}: where NAME and DATA stand. */
static bool split_combined(const tf_record_t *r, const char **name, size_t *name_cnt,
                           const char **data, size_t *data_cnt) {
  static const char head[] = "{\"stream\":\"", middle[] = "\",\"data\":";
  const char       *end = r->bytes + r->bytes_cnt;
  if (r->bytes_cnt < sizeof head || memcmp(r->bytes, head, sizeof head - 1) != 0) return false;
  *name             = r->bytes + sizeof head - 1;
  const char *quote = memchr(*name, '"', (size_t)(end - *name));
  if (!quote || (size_t)(end - quote) < sizeof middle ||
      memcmp(quote, middle, sizeof middle - 1) != 0 || end[-1] != '}')
    return false;
  *name_cnt = (size_t)(quote - *name);
  *data     = quote + sizeof middle - 1;
  *data_cnt = (size_t)(end - 1 - *data);
  return true;
}

static tf_err_t find_symbols(const char *path, char *list, size_t cap) {
  static tf_recording_t recording;
  tf_err_t              err = tf_recording_init(&recording, path);
  if (err) return err;
  list[0] = '\0';
  tf_record_t record;
  for (int i = 0; i < SYMBOL_SCAN_RECORDS; i++) {
    tf_recording_result_t result = tf_recording_next(&recording, &record);
    if (result == TF_RECORDING_AGAIN) continue;
    if (result != TF_RECORDING_RECORD) break;
    const char *name, *data;
    size_t      name_cnt, data_cnt;
    if (!is_played(&record) || !split_combined(&record, &name, &name_cnt, &data, &data_cnt))
      continue;
    char        symbol[40] = ",";
    const char *at         = memchr(name, '@', name_cnt);
    if (!at || (size_t)(at - name) > 30) continue;
    memcpy(symbol + 1, name, (size_t)(at - name));
    char with_comma[96];
    snprintf(with_comma, sizeof with_comma, "%s,", symbol);
    char have[1400];
    snprintf(have, sizeof have, ",%s,", list);
    if (strstr(have, with_comma) || strlen(list) + strlen(symbol) + 1 >= cap) continue;
    strcat(list, list[0] ? symbol : symbol + 1);
  }
  tf_recording_fini(&recording);
  return list[0] ? TF_OK
                 : TF_ERR(E_FILE_FORMAT,
                          "%s: no frame with a stream name in its first %d records: the "
                          "simulator plays combined-stream recordings",
                          path, SYMBOL_SCAN_RECORDS);
}

static uint32_t instrument_of(const sim_playback_t *p, uint32_t symbol) {
  for (uint32_t i = 0; i < p->instruments.cnt; i++)
    if (!strcmp(p->instruments.rows[i].symbol, p->binance->symbols[symbol].name)) return i;
  return UINT32_MAX;
}

static char *put_side(char *at, const char *end, const tf_book_t *book, bool ask, uint32_t limit) {
  const tf_book_side_t *side = ask ? &book->ask : &book->bid;
  uint32_t              sent = 0;
  for (uint32_t level = side->cnt; level-- > 0 && sent < limit && end - at > 512;) {
    if (side->qty[level] == 0) continue; /* a hole */
    char price[TF_DECIMAL_TEXT_BYTES], qty[TF_DECIMAL_TEXT_BYTES];
    tf_decimal_format(side->price[level], book->price_exp, price);
    tf_decimal_format(side->qty[level], book->qty_exp, qty);
    at += snprintf(at, (size_t)(end - at), "%s[\"%s\",\"%s\"]", sent++ ? "," : "", price, qty);
  }
  return at;
}

/* 0 until the recording's own snapshot has been bridged. */
static size_t render_snapshot(void *self, uint32_t symbol, uint32_t limit, char *buf, size_t cap) {
  sim_playback_t *p  = self;
  uint32_t        id = instrument_of(p, symbol);
  if (id == UINT32_MAX || p->books[id].book.state != TF_BOOK_OK || cap < 8192) return 0;
  const tf_book_t *book = &p->books[id].book;
  const char      *end  = buf + cap - 64;
  char *at = buf + sprintf(buf, "{\"lastUpdateId\":%" PRIu64 ",\"bids\":[", book->venue_seq);
  at       = put_side(at, end, book, false, limit);
  at += sprintf(at, "],\"asks\":[");
  at = put_side(at, end, book, true, limit);
  at += sprintf(at, "]}");
  return (size_t)(at - buf);
}

static void keep_book(sim_playback_t *p, const tf_record_t *r) {
  tf_frame_t frame = {r->bytes, r->bytes_cnt, r->kind, r->recv_ns, r->target};
  p->out.event_cnt = p->out.resync_cnt = 0;
  p->feed->on_frame(p->feed_state, &frame, &p->out);
  for (uint32_t i = 0; i < p->out.event_cnt; i++) {
    const tf_event_t *e = &p->out.events[i];
    if (e->instrument_id < SIM_SYMBOLS_MAX) tf_book_on_event(&p->books[e->instrument_id], e);
  }
}

static void play(sim_playback_t *p, sim_server_t *server) {
  const char *name, *data;
  size_t      name_cnt, data_cnt;
  keep_book(p, &p->record);
  if (!split_combined(&p->record, &name, &name_cnt, &data, &data_cnt)) return;
  uint32_t stream = sim_binance_stream(p->binance, name, name_cnt);
  char     text[64];
  if (stream == UINT32_MAX || name_cnt >= sizeof text) return;
  memcpy(text, name, name_cnt);
  text[name_cnt] = '\0';
  sim_server_broadcast(server, stream, text, data, data_cnt,
                       stream % SIM_CHANNEL_CNT == SIM_CHANNEL_DEPTH);
}

int sim_playback_poll(sim_playback_t *p, sim_server_t *server, uint64_t now_ns, uint64_t *wait_ns) {
  *wait_ns = 0;
  for (int burst = 0; burst < 256; burst++) {
    if (!p->has_record) {
      tf_recording_result_t result = tf_recording_next(&p->recording, &p->record);
      if (result == TF_RECORDING_AGAIN) continue;
      if (result == TF_RECORDING_END) return 0;
      if (result == TF_RECORDING_DAMAGE) return tf_recording_error(&p->recording);
      p->has_record = is_played(&p->record);
      if (!p->has_record) continue;
      if (!p->start_ns) {
        p->start_ns      = now_ns;
        p->first_recv_ns = p->record.recv_ns;
      }
    }
    uint64_t elapsed =
        p->record.recv_ns > p->first_recv_ns ? p->record.recv_ns - p->first_recv_ns : 0;
    uint64_t due_ns = p->start_ns + (uint64_t)((double)elapsed / p->speed);
    if (due_ns > now_ns) {
      *wait_ns = due_ns - now_ns;
      return 1;
    }
    play(p, server);
    p->has_record = false;
  }
  return 1;
}

static tf_err_t take_memory(sim_playback_t *p) {
  size_t   book_bytes = 8 * 8 * 4096 + 32 * 8192 + 4096;
  tf_err_t err =
      tf_arena_init(&p->arena, "playback",
                    EVENTS_MAX * sizeof(tf_event_t) + SIM_SYMBOLS_MAX * book_bytes + (8 << 20));
  if (err) return err;
  for (uint32_t i = 0; i < SIM_SYMBOLS_MAX && !err; i++)
    err = tf_book_init(&p->books[i], &p->arena, 4096, 8192);
  p->instruments      = (tf_instruments_t){.cap = SIM_SYMBOLS_MAX};
  p->instruments.rows = tf_arena_take(&p->arena, SIM_SYMBOLS_MAX * sizeof(tf_instrument_t), 64);
  p->out              = (tf_feed_out_t){.event_cap = EVENTS_MAX, .counts = &p->counts};
  p->out.events       = tf_arena_take(&p->arena, EVENTS_MAX * sizeof(tf_event_t), 64);
  p->feed_config =
      (tf_feed_config_t){.instruments = &p->instruments,
                         .channels    = TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE | TF_CHANNEL_BOOK,
                         .pending_cap = 1024};
  p->feed_state = tf_arena_take(&p->arena, p->feed->state_bytes(&p->feed_config), 64);
  if (err || !p->instruments.rows || !p->out.events || !p->feed_state) return E_CORE_ARENA_FULL;
  return p->feed->init(p->feed_state, &p->feed_config);
}

tf_err_t sim_playback_open(const char *path, const tf_feed_t *feed, bool futures, double speed,
                           sim_binance_t *binance, sim_playback_t **playback) {
  char     symbols[1200];
  tf_err_t err = find_symbols(path, symbols, sizeof symbols);
  if (!err) err = sim_binance_init(binance, futures, symbols, 1);
  if (err) return err;
  sim_playback_t *p = calloc(1, sizeof *p);
  if (!p) return TF_ERR(E_CORE_NO_MEMORY, "sim: playback");
  p->feed    = feed;
  p->speed   = speed;
  p->binance = binance;
  err        = take_memory(p);
  if (!err) err = tf_recording_init(&p->recording, path);
  p->is_open = !err;
  if (err) {
    sim_playback_close(p);
    return err;
  }
  binance->snapshot      = render_snapshot;
  binance->snapshot_self = p;
  *playback              = p;
  return TF_OK;
}

void sim_playback_close(sim_playback_t *p) {
  if (!p) return;
  if (p->is_open) tf_recording_fini(&p->recording);
  tf_arena_fini(&p->arena);
  free(p);
}
