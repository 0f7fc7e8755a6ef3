#include "sim/playback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "core/error.h"
#include "file/recording.h"
#include "stage/book.h"

#define EVENTS_MAX           131072 /* a recorded snapshot of Coinbase has 40,000 levels and more */
#define BOOK_LEVELS          16384
#define BOOK_PENDING         8192
#define RECORDED_SYMBOLS_MAX 64
#define SYMBOLS_BYTES        (RECORDED_SYMBOLS_MAX * 32)
#define SYMBOL_SCAN_RECORDS  20000 /* symbols that appear later are left out */
#define NAME_BYTES_MAX       31

/* What a record says: text, or a gzip member of text where the venue sends those. */
typedef struct reader {
  z_stream    gzip;
  char       *plain; /* SIM_MESSAGE_BYTES_MAX */
  const char *text;
  size_t      cnt;
  sim_route_t route;
  char        name[NAME_BYTES_MAX + 1]; /* of the instrument, here */
} reader_t;

struct sim_playback {
  reader_t         reader;
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
  tf_book_keeper_t books[RECORDED_SYMBOLS_MAX]; /* by instrument id */
  sim_exchange_t  *exchange;
};

/* Messages of one venue are what an exchange sends: of a capture those of its first feed. */
static bool is_played(const tf_record_t *r) {
  return r->fault == TF_RECORD_OK && r->tap == TF_TAP_FRAME && r->source_idx == 0;
}

static tf_err_t reader_init(reader_t *r) {
  *r = (reader_t){.plain = malloc(SIM_MESSAGE_BYTES_MAX)};
  if (!r->plain || inflateInit2(&r->gzip, MAX_WBITS + 16) != Z_OK)
    return TF_ERR(E_CORE_NO_MEMORY, "sim: playback");
  return TF_OK;
}

static void reader_fini(reader_t *r) {
  inflateEnd(&r->gzip);
  free(r->plain);
}

static bool inflate_record(reader_t *r, const tf_record_t *record) {
  inflateReset(&r->gzip);
  r->gzip.next_in   = (z_const Bytef *)(uintptr_t)record->bytes;
  r->gzip.avail_in  = record->bytes_cnt;
  r->gzip.next_out  = (Bytef *)r->plain;
  r->gzip.avail_out = SIM_MESSAGE_BYTES_MAX;
  if (inflate(&r->gzip, Z_FINISH) != Z_STREAM_END) return false;
  r->text = r->plain;
  r->cnt  = SIM_MESSAGE_BYTES_MAX - r->gzip.avail_out;
  return true;
}

/* Whose it is: r->route, r->name. False: nobody's. */
static bool read_record(reader_t *r, const sim_venue_t *venue, const tf_record_t *record) {
  bool is_gzip = record->bytes_cnt > 2 && !memcmp(record->bytes, "\x1f\x8b", 2);
  r->text      = record->bytes;
  r->cnt       = record->bytes_cnt;
  if (record->kind == TF_FRAME_HTTP || (is_gzip && !inflate_record(r, record)) ||
      !venue->route(r->text, r->cnt, &r->route))
    return false;
  const char *suffix = venue->suffix ? venue->suffix(r->text, r->cnt, record->target) : "";
  int         cnt =
      snprintf(r->name, sizeof r->name, "%.*s%s", (int)r->route.name_cnt, r->route.name, suffix);
  return cnt > 0 && (size_t)cnt < sizeof r->name;
}

static tf_err_t find_symbols(reader_t *reader, const char *path, const sim_venue_t *venue,
                             char *list, size_t cap) {
  static tf_recording_t recording;
  tf_err_t              err = tf_recording_init(&recording, path);
  if (err) return err;
  list[0] = '\0';
  tf_record_t record;
  for (int i = 0, found = 0; i < SYMBOL_SCAN_RECORDS && found < RECORDED_SYMBOLS_MAX; i++) {
    tf_recording_result_t result = tf_recording_next(&recording, &record);
    if (result == TF_RECORDING_AGAIN) continue;
    if (result != TF_RECORDING_RECORD) break;
    if (!is_played(&record) || !read_record(reader, venue, &record)) continue;
    char wanted[NAME_BYTES_MAX + 3], have[SYMBOLS_BYTES + 3];
    snprintf(wanted, sizeof wanted, ",%s,", reader->name);
    snprintf(have, sizeof have, ",%s,", list);
    size_t cnt = strlen(list);
    if (strstr(have, wanted) || cnt + strlen(reader->name) + 2 > cap) continue;
    snprintf(list + cnt, cap - cnt, "%s%s", cnt ? "," : "", reader->name);
    found++;
  }
  tf_recording_fini(&recording);
  return list[0] ? TF_OK
                 : TF_ERR(E_FILE_FORMAT,
                          "%s: no message of %s with an instrument's name in its first %d records: "
                          "is --venue right? Binance plays from combined streams",
                          path, venue->name, SYMBOL_SCAN_RECORDS);
}

static uint32_t instrument_of(const sim_playback_t *p, uint32_t symbol) {
  for (uint32_t i = 0; i < p->instruments.cnt; i++)
    if (!strcmp(p->instruments.rows[i].symbol, p->exchange->symbols[symbol].name)) return i;
  return UINT32_MAX;
}

static uint32_t view_side(const tf_book_side_t *side, uint32_t levels, sim_row_t *rows) {
  uint32_t cnt = 0;
  for (tf_book_cursor_t at = tf_book_best(side); at.qty != 0 && cnt < levels; tf_book_worse(&at))
    rows[cnt++] = (sim_row_t){at.price, at.qty};
  return cnt;
}

/* False until the recording's own snapshot has been there. */
static bool recorded_view(void *self, uint32_t symbol, uint32_t levels, sim_view_t *view) {
  sim_playback_t *p  = self;
  uint32_t        id = instrument_of(p, symbol);
  if (id == UINT32_MAX || p->books[id].book.state != TF_BOOK_OK) return false;
  const tf_book_t *book = &p->books[id].book;
  view->venue_seq       = book->venue_seq;
  view->price_digits    = book->price_exp < 0 ? (uint32_t)-book->price_exp : 0;
  view->qty_digits      = book->qty_exp < 0 ? (uint32_t)-book->qty_exp : 0;
  view->cnt[0]          = view_side(&book->bid, levels, view->rows[0]);
  view->cnt[1]          = view_side(&book->ask, levels, view->rows[1]);
  return view->cnt[0] && view->cnt[1];
}

static void keep_book(sim_playback_t *p, const tf_record_t *r) {
  tf_frame_t frame = {.bytes     = r->bytes,
                      .bytes_cnt = r->bytes_cnt,
                      .kind      = r->kind,
                      .recv_ns   = r->recv_ns,
                      .target    = r->target};
  p->out.event_cnt = p->out.resync_cnt = 0;
  p->feed->on_frame(p->feed_state, &frame, &p->out);
  for (uint32_t i = 0; i < p->out.event_cnt; i++) {
    const tf_event_t *e = &p->out.events[i];
    if (e->instrument_id < p->exchange->symbol_cnt)
      tf_book_on_event(&p->books[e->instrument_id], e);
  }
}

static void play(sim_playback_t *p) {
  sim_exchange_t    *x     = p->exchange;
  reader_t          *r     = &p->reader;
  const sim_route_t *route = &r->route;
  keep_book(p, &p->record);
  if (!read_record(r, x->venue, &p->record)) return;
  uint32_t symbol = sim_find_symbol(x, r->name, strlen(r->name));
  if (symbol == UINT32_MAX) symbol = sim_find_lower(x, r->name, strlen(r->name));
  if (symbol == UINT32_MAX) return;
  for (uint32_t channel = 0; channel < SIM_CHANNELS_MAX; channel++)
    if (route->channels >> channel & 1)
      sim_server_broadcast(x->server, sim_stream(symbol, channel), route->payload,
                           route->payload_cnt,
                           route->is_book ? SIM_MESSAGE_BOOK : SIM_MESSAGE_DATA);
}

int sim_playback_poll(sim_playback_t *p, uint64_t now_ns, uint64_t *wait_ns) {
  *wait_ns = 0;
  for (int burst = 0; burst < 256; burst++) {
    if (!p->has_record) {
      tf_recording_result_t result = tf_recording_next(&p->recording, &p->record);
      if (result == TF_RECORDING_AGAIN) continue;
      if (result == TF_RECORDING_END) return 0;
      if (result == TF_RECORDING_DAMAGE) return tf_recording_error(&p->recording);
      p->has_record = is_played(&p->record);
      if (!p->has_record) continue;
      if (!p->start_ns && p->record.kind != TF_FRAME_HTTP) { /* REST may be minutes older */
        p->start_ns      = now_ns;
        p->first_recv_ns = p->record.recv_ns;
      }
    }
    bool     is_before = !p->start_ns || p->record.recv_ns < p->first_recv_ns;
    uint64_t elapsed   = is_before ? 0 : p->record.recv_ns - p->first_recv_ns;
    uint64_t due_ns    = p->start_ns + (uint64_t)((double)elapsed / p->speed);
    if (due_ns > now_ns) {
      *wait_ns = due_ns - now_ns;
      return 1;
    }
    play(p);
    p->has_record = false;
  }
  return 1;
}

static tf_err_t take_memory(sim_playback_t *p) {
  uint32_t book_cnt = p->exchange->symbol_cnt;
  size_t book_bytes = TF_BOOK_BYTES(BOOK_LEVELS) + BOOK_PENDING * sizeof(tf_book_pending_t) + 4096;
  p->feed_config =
      (tf_feed_config_t){.instruments = &p->instruments,
                         .channels    = TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE | TF_CHANNEL_BOOK,
                         .pending_cap = 1024};
  size_t   state_bytes = p->feed->state_bytes(p->feed, &p->feed_config);
  tf_err_t err         = tf_arena_init(&p->arena, "playback",
                                       EVENTS_MAX * sizeof(tf_event_t) + book_cnt * book_bytes +
                                           state_bytes + ((size_t)1 << 20));
  if (err) return err;
  for (uint32_t i = 0; i < book_cnt && !err; i++)
    err = tf_book_init(&p->books[i], &p->arena, BOOK_LEVELS, BOOK_PENDING);
  p->instruments      = (tf_instruments_t){.cap = book_cnt};
  p->instruments.rows = tf_arena_take(&p->arena, book_cnt * sizeof(tf_instrument_t), 64);
  p->out              = (tf_feed_out_t){.event_cap = EVENTS_MAX, .counts = &p->counts};
  p->out.events       = tf_arena_take(&p->arena, EVENTS_MAX * sizeof(tf_event_t), 64);
  p->feed_state       = tf_arena_take(&p->arena, state_bytes, 64);
  if (err || !p->instruments.rows || !p->out.events || !p->feed_state) return E_CORE_ARENA_FULL;
  return p->feed->init(p->feed, p->feed_state, &p->feed_config);
}

tf_err_t sim_playback_open(const char *path, const sim_venue_t *venue, const tf_feed_t *feed,
                           double speed, faults_t *faults, sim_exchange_t *x,
                           sim_playback_t **playback) {
  char            symbols[SYMBOLS_BYTES];
  sim_playback_t *p = calloc(1, sizeof *p);
  if (!p) return TF_ERR(E_CORE_NO_MEMORY, "sim: playback");
  p->feed      = feed;
  p->speed     = speed;
  p->exchange  = x;
  tf_err_t err = reader_init(&p->reader);
  if (!err) err = find_symbols(&p->reader, path, venue, symbols, sizeof symbols);
  if (!err) err = sim_exchange_init(x, venue, symbols, 1, 1, faults);
  if (!err) err = take_memory(p);
  if (!err) err = tf_recording_init(&p->recording, path);
  p->is_open = !err;
  if (err) {
    sim_playback_close(p);
    return err;
  }
  x->recorded_view = recorded_view;
  x->recorded_self = p;
  *playback        = p;
  return TF_OK;
}

void sim_playback_close(sim_playback_t *p) {
  if (!p) return;
  if (p->is_open) tf_recording_fini(&p->recording);
  reader_fini(&p->reader);
  tf_arena_fini(&p->arena);
  free(p);
}
