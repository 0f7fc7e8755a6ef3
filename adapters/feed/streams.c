#include "feed/streams.h"

#include <string.h>

#include "core/error.h"

#define NEVER           UINT64_MAX
#define RUN_MAX         65535u               /* streams of one request */
#define RESYNC_QUIET_NS (60 * TF_NS_PER_SEC) /* after so long a repeat is none */
#define RESYNC_LATE_NS  (60 * TF_NS_PER_SEC)

enum { SAY_NOTHING, SAY_SUBSCRIBE, SAY_UNSUBSCRIBE };

TF_STATIC_ASSERT(TF_CHANNEL_TRADE == 1u << TF_EVENT_TRADE &&
                     TF_CHANNEL_QUOTE == 1u << TF_EVENT_QUOTE &&
                     TF_CHANNEL_BOOK == 1u << TF_EVENT_BOOK &&
                     TF_CHANNEL_TICKER == 1u << TF_EVENT_TICKER,
                 "an event's kind is the number of its channel");
TF_STATIC_ASSERT((TF_STREAMS_REQUESTS & (TF_STREAMS_REQUESTS - 1)) == 0, "a power of two");

const char *tf_stream_state_name(tf_stream_state_t state) {
  static const char *const names[] = {
#define NAME_(id, name) name,
      TF_STREAM_STATES(NAME_)
#undef NAME_
  };
  return state < TF_STREAM_STATE_CNT ? names[state] : "?";
}

/* ---- rows ---- */

static uint32_t channel_idx_of(const tf_streams_t *s, const tf_stream_t *row) {
  return (uint32_t)(row - s->rows) / s->config.symbol_cap;
}
static uint32_t symbol_of(const tf_streams_t *s, const tf_stream_t *row) {
  return (uint32_t)(row - s->rows) % s->config.symbol_cap;
}
static uint32_t instrument_of(const tf_streams_t *s, const tf_stream_t *row) {
  return s->instrument_ids[symbol_of(s, row)];
}

/* Whether the venue sends something right behind its yes: then silence is a fault. */
static bool is_prompt(const tf_streams_t *s, const tf_stream_t *row) {
  uint32_t channel = 1u << channel_idx_of(s, row);
  return (channel & (TF_CHANNEL_BOOK | s->config.feed->snapshot_channels)) != 0;
}

static bool is_unseen(tf_stream_state_t state) {
  return state == TF_STREAM_WANTED || state == TF_STREAM_ASKED || state == TF_STREAM_ACKED ||
         state == TF_STREAM_REFUSED || state == TF_STREAM_SILENT;
}

static void move_to(tf_streams_t *s, tf_stream_t *row, tf_stream_state_t state) {
  s->unseen_cnt -= is_unseen(row->state);
  s->counts.by_state[row->state]--;
  row->state = (uint8_t)state;
  s->counts.by_state[state]++;
  s->unseen_cnt += is_unseen(state);
}

static void set_awaited(tf_streams_t *s, tf_stream_t *row, bool is_awaited) {
  s->awaited_cnt += (uint32_t)is_awaited - (uint32_t)row->is_awaited;
  row->is_awaited = is_awaited;
}

static void set_resyncing(tf_streams_t *s, tf_stream_t *row, bool is_resyncing) {
  s->resyncing_cnt += (uint32_t)is_resyncing - (uint32_t)row->is_resyncing;
  row->is_resyncing = is_resyncing;
}

static void schedule(tf_streams_t *s, tf_stream_t *row, uint64_t due_ns) {
  row->due_ns = due_ns;
  if (due_ns < s->next_due_ns) s->next_due_ns = due_ns;
}

static void say(tf_streams_t *s, tf_stream_t *row, uint8_t what, uint64_t due_ns) {
  row->say = what;
  schedule(s, row, due_ns);
}

/* Nothing more is to be said or waited for. */
static void rest(tf_streams_t *s, tf_stream_t *row, tf_stream_state_t state) {
  move_to(s, row, state);
  set_awaited(s, row, false);
  set_resyncing(s, row, false);
  row->say    = SAY_NOTHING;
  row->due_ns = NEVER;
}

/* ---- what is wanted ---- */

static void want_row(tf_streams_t *s, tf_stream_t *row, uint64_t now_ns) {
  bool is_given_up = row->state == TF_STREAM_REFUSED || row->state == TF_STREAM_SILENT;
  if (row->is_wanted && !is_given_up) return;
  bool ends      = row->state == TF_STREAM_UNWANTED && row->say == SAY_UNSUBSCRIBE;
  row->is_wanted = true;
  row->try_cnt   = 0;
  row->run_max   = RUN_MAX;
  row->text_idx  = 0;
  move_to(s, row, TF_STREAM_WANTED);
  set_awaited(s, row, is_prompt(s, row));
  say(s, row, ends ? SAY_UNSUBSCRIBE : SAY_SUBSCRIBE, now_ns);
}

void tf_streams_want(tf_streams_t *s, uint32_t symbol, uint32_t instrument_id, uint32_t channels,
                     uint64_t now_ns) {
  TF_ASSERT(symbol < s->config.symbol_cap);
  s->instrument_ids[symbol] = instrument_id;
  if (instrument_id < s->config.instrument_cap) s->symbols[instrument_id] = symbol;
  for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++)
    if (channels & 1u << c) want_row(s, tf_streams_row(s, symbol, c), now_ns);
}

void tf_streams_unwant(tf_streams_t *s, uint32_t symbol, uint32_t channels, uint64_t now_ns) {
  TF_ASSERT(symbol < s->config.symbol_cap);
  for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++) {
    tf_stream_t *row = tf_streams_row(s, symbol, c);
    if (!(channels & 1u << c) || !row->is_wanted) continue;
    bool is_on     = row->request_id != 0 && row->state != TF_STREAM_REFUSED;
    row->is_wanted = false;
    rest(s, row, is_on ? TF_STREAM_UNWANTED : TF_STREAM_NONE);
    if (is_on) say(s, row, SAY_UNSUBSCRIBE, now_ns);
  }
}

uint32_t tf_streams_wanted(const tf_streams_t *s, uint32_t symbol) {
  uint32_t channels = 0;
  for (uint32_t c = 0; c < TF_CHANNEL_CNT && symbol < s->config.symbol_cap; c++)
    channels |= (uint32_t)tf_streams_row(s, symbol, c)->is_wanted << c;
  return channels;
}

/* ---- requests ---- */

static tf_stream_request_t *request_of(const tf_streams_t *s, uint64_t id) {
  return &s->requests[id & (TF_STREAMS_REQUESTS - 1)];
}

/* Sent on this connection, and not so long ago that its place was taken. */
static bool is_remembered(const tf_streams_t *s, uint64_t id) {
  return id <= s->newest_id && s->newest_id - id < TF_STREAMS_REQUESTS &&
         request_of(s, id)->cnt > 0;
}

static void note_sent(tf_streams_t *s, const tf_feed_request_t *r, uint64_t now_ns) {
  uint32_t channel_idx  = (uint32_t)__builtin_ctz(r->channel);
  uint32_t base         = channel_idx * s->config.symbol_cap;
  s->newest_id          = r->id;
  *request_of(s, r->id) = (tf_stream_request_t){.sent_ns   = now_ns,
                                                .row_first = base + r->symbols[0],
                                                .row_last  = base + r->symbols[r->symbol_cnt - 1],
                                                .cnt       = r->symbol_cnt,
                                                .is_unsubscribe = r->unsubscribe};
  s->counts.requests++;
  for (uint32_t i = 0; i < r->symbol_cnt; i++) {
    tf_stream_t *row = &s->rows[base + r->symbols[i]];
    row->request_id  = r->id;
    if (row->unanswered < UINT8_MAX) row->unanswered++;
    if (!r->unsubscribe) {
      move_to(s, row, TF_STREAM_ASKED);
      row->asked_ns   = now_ns;
      row->has_deltas = false;
      say(s, row, SAY_NOTHING, now_ns + TF_STREAMS_FIRST_DATA_NS);
    } else if (row->is_wanted) {
      row->resync_ns = now_ns;
      s->counts.resyncs++;
      say(s, row, SAY_SUBSCRIBE, now_ns);
    } else {
      say(s, row, SAY_NOTHING, now_ns + TF_STREAMS_FIRST_DATA_NS);
    }
  }
}

/* The venue needs no request for these: another channel brings them. */
static void note_carried(tf_streams_t *s, const tf_feed_request_t *r) {
  uint32_t channel_idx = (uint32_t)__builtin_ctz(r->channel);
  for (uint32_t i = 0; i < r->symbol_cnt; i++) {
    tf_stream_t *row = tf_streams_row(s, r->symbols[i], channel_idx);
    rest(s, row, row->is_wanted ? TF_STREAM_CARRIED : TF_STREAM_NONE);
  }
}

static uint8_t text_idx_of(tf_streams_t *s, const char *text) {
  char cut[TF_STREAMS_TEXT_BYTES];
  snprintf(cut, sizeof cut, "%s", text && *text ? text : "refused without a reason");
  for (uint32_t i = 1; i < s->text_cnt; i++)
    if (strcmp(s->texts[i], cut) == 0) return (uint8_t)i;
  if (s->text_cnt < TF_STREAMS_TEXTS) s->text_cnt++; /* behind that the last is the newest */
  memcpy(s->texts[s->text_cnt - 1], cut, sizeof cut);
  return (uint8_t)(s->text_cnt - 1);
}

/* The venue knows no such symbols, as is known before it is asked. */
static void note_unknown(tf_streams_t *s, const tf_feed_request_t *r, const char *text) {
  for (uint32_t i = 0; i < r->symbol_cnt; i++) {
    tf_stream_t *row = tf_streams_row(s, r->symbols[i], (uint32_t)__builtin_ctz(r->channel));
    row->text_idx    = text_idx_of(s, text);
    s->trouble_row   = (uint32_t)(row - s->rows);
    s->counts.refused++;
    rest(s, row, TF_STREAM_REFUSED);
  }
}

/* The symbols that a request of this row may hold beside its own. */
static uint32_t gather(tf_streams_t *s, const tf_stream_t *first, uint64_t now_ns) {
  uint32_t           limit = first->run_max < s->run_cap ? first->run_max : s->run_cap;
  uint32_t           cnt   = 0;
  const tf_stream_t *row   = first;
  for (uint32_t symbol = symbol_of(s, first); symbol < s->config.symbol_cap && cnt < limit;
       symbol++, row++)
    if (row->due_ns <= now_ns && row->say == first->say && row->run_max == first->run_max)
      s->run[cnt++] = symbol;
  return cnt;
}

static int say_run(tf_streams_t *s, const tf_stream_t *first, uint64_t now_ns, char *text,
                   size_t cap) {
  const tf_feed_t  *feed    = s->config.feed;
  tf_feed_request_t request = {.unsubscribe = first->say == SAY_UNSUBSCRIBE,
                               .channel     = 1u << channel_idx_of(s, first),
                               .symbols     = s->run,
                               .symbol_cnt  = gather(s, first, now_ns),
                               .id          = s->newest_id + 1};
  size_t            cnt     = 0;
  while (feed->request && (cnt = feed->request(s->config.feed_state, &request, text, cap)) >= cap) {
    if (cnt == TF_FEED_UNKNOWN_SYMBOL) {
      note_unknown(s, &request, text);
      return 1;
    }
    if (request.symbol_cnt == 1)
      return TF_ERR(E_FEED_LIMIT, "a request of %zu bytes for one stream, %zu are allowed", cnt,
                    cap - 1);
    request.symbol_cnt = (request.symbol_cnt + 1) / 2;
  }
  if (cnt == 0) {
    note_carried(s, &request);
    return 1;
  }
  if (!s->config.port.send(s->config.port.self, text, cnt)) return 0;
  note_sent(s, &request, now_ns);
  return 1;
}

/* Asked, and nothing in order came in time. */
static void overdue(tf_streams_t *s, tf_stream_t *row, uint64_t now_ns) {
  bool prompt = is_prompt(s, row), is_book = channel_idx_of(s, row) == TF_EVENT_BOOK;
  if (row->state == TF_STREAM_UNWANTED) {
    rest(s, row, TF_STREAM_NONE);
    return;
  }
  row->due_ns = NEVER;
  if (!prompt && row->state == TF_STREAM_ACKED) return; /* quiet, for all we know */
  row->unanswered = 0;
  s->trouble_row  = (uint32_t)(row - s->rows);
  if (row->try_cnt == TF_STREAMS_TRIES) {
    s->counts.silent++;
    rest(s, row, TF_STREAM_SILENT);
    return;
  }
  row->try_cnt++;
  s->counts.silent_asked++;
  bool by_rest = is_book && s->config.port.want_snapshot != NULL;
  if (by_rest) s->config.port.want_snapshot(s->config.port.self, instrument_of(s, row));
  if (by_rest && row->has_deltas) {
    schedule(s, row, now_ns + TF_STREAMS_FIRST_DATA_NS);
    return;
  }
  move_to(s, row, TF_STREAM_WANTED);
  say(s, row, prompt && !by_rest ? SAY_UNSUBSCRIBE : SAY_SUBSCRIBE, now_ns);
}

/* The next row that is due, or NULL; then next_due_ns is when one will be. */
static tf_stream_t *due_row(tf_streams_t *s, uint64_t now_ns) {
  uint64_t next_ns = NEVER;
  for (uint32_t n = 0; n < s->row_cnt; n++) {
    tf_stream_t *row = &s->rows[s->cursor];
    if (row->due_ns <= now_ns) return row;
    if (row->due_ns < next_ns) next_ns = row->due_ns;
    if (++s->cursor == s->row_cnt) s->cursor = 0;
  }
  s->next_due_ns = next_ns;
  return NULL;
}

static int say_hello(tf_streams_t *s, uint64_t now_ns, char *text, size_t cap) {
  const tf_feed_t *feed = s->config.feed;
  size_t cnt = feed->hello ? feed->hello(s->config.feed_state, s->hello_idx, text, cap) : 0;
  if (cnt == TF_FEED_HELLO_WAIT) {
    if (s->hello_ns == 0) s->hello_ns = now_ns;
    if (now_ns - s->hello_ns < TF_STREAMS_FIRST_DATA_NS) return 0;
    cnt = 0;
  }
  s->hello_ns = 0;
  if (cnt >= cap)
    return TF_ERR(E_FEED_LIMIT, "a greeting of %zu bytes, %zu are allowed", cnt, cap - 1);
  s->is_greeted = cnt == 0;
  if (cnt > 0 && !s->config.port.send(s->config.port.self, text, cnt)) return 0;
  s->hello_idx += cnt > 0;
  return 1;
}

/* One message, or one row that is overdue. 0: nothing is due, or the pace does not allow it. */
static int step(tf_streams_t *s, uint64_t now_ns, char *text, size_t cap) {
  if (!s->is_greeted) return say_hello(s, now_ns, text, cap);
  if (now_ns < s->next_due_ns) return 0;
  tf_stream_t *row = due_row(s, now_ns);
  if (!row) return 0;
  if (row->say != SAY_NOTHING) return say_run(s, row, now_ns, text, cap);
  overdue(s, row, now_ns);
  return 1;
}

int tf_streams_tick(tf_streams_t *s, uint64_t now_ns, char *text, size_t cap) {
  int work = 0, done;
  while ((done = step(s, now_ns, text, cap)) > 0) work += done;
  if (done < 0) return done;
  if (s->is_greeted && s->counts.by_state[TF_STREAM_WANTED] == 0) s->is_asked = true;
  return work;
}

/* ---- answers ---- */

/* streams: of the request that was refused as a whole. */
static void refuse(tf_streams_t *s, tf_stream_t *row, uint32_t streams, uint64_t now_ns) {
  move_to(s, row, TF_STREAM_REFUSED);
  s->trouble_row = (uint32_t)(row - s->rows);
  if (streams > 1) {
    row->run_max = (uint16_t)((streams + 1) / 2);
    say(s, row, SAY_SUBSCRIBE, now_ns + TF_STREAMS_REFUSED_NS);
  } else if (row->try_cnt < TF_STREAMS_TRIES) {
    say(s, row, SAY_SUBSCRIBE, now_ns + (TF_STREAMS_REFUSED_NS << row->try_cnt++));
  } else {
    s->counts.refused++;
    rest(s, row, TF_STREAM_REFUSED);
  }
}

/* The answer to the newest request of this row. */
static void settle(tf_streams_t *s, tf_stream_t *row, const tf_feed_answer_t *a, uint32_t streams,
                   uint8_t text_idx, uint64_t now_ns) {
  bool is_unsubscribe = request_of(s, row->request_id)->is_unsubscribe;
  row->unanswered     = 0;
  s->counts.acks += !a->is_refusal;
  s->counts.refusals += a->is_refusal;
  if (is_unsubscribe) {
    if (row->state == TF_STREAM_UNWANTED && row->say == SAY_NOTHING) rest(s, row, TF_STREAM_NONE);
    return;
  }
  if (row->state != TF_STREAM_ASKED && row->state != TF_STREAM_ACKED) return; /* it has data */
  if (!a->is_refusal) {
    move_to(s, row, TF_STREAM_ACKED);
    return;
  }
  row->text_idx = text_idx;
  refuse(s, row, streams, now_ns);
}

/* Of one instrument: whose the answer is, is certain; to which request, only by its id. */
static bool answer_stream(tf_streams_t *s, const tf_feed_answer_t *a, uint8_t text_idx,
                          uint64_t now_ns) {
  bool     is_known = false;
  uint32_t channels = a->channel;
  if (channels == 0 && a->request_id != 0 && is_remembered(s, a->request_id))
    channels = 1u << request_of(s, a->request_id)->row_first / s->config.symbol_cap;
  uint32_t symbol =
      a->instrument_id < s->config.instrument_cap ? s->symbols[a->instrument_id] : UINT32_MAX;
  if (symbol == UINT32_MAX) return false;
  for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++) {
    tf_stream_t *row = tf_streams_row(s, symbol, c);
    if ((channels != 0 && !(channels & 1u << c)) || row->unanswered == 0) continue;
    bool is_newest = a->request_id == 0 ? row->unanswered == 1 : a->request_id == row->request_id;
    is_known       = is_known || a->request_id == 0 || a->request_id <= s->newest_id;
    if (is_newest)
      settle(s, row, a, 1, text_idx, now_ns);
    else
      row->unanswered--;
  }
  return is_known;
}

/* The oldest request that nobody answered and whose time is not over. NULL: none. */
static tf_stream_request_t *oldest_of(tf_streams_t *s, uint32_t channels, uint64_t now_ns,
                                      uint64_t *id) {
  if (s->newest_id + 1 - s->oldest_id > TF_STREAMS_REQUESTS) /* none sent: oldest is newest + 1 */
    s->oldest_id = s->newest_id + 1 - TF_STREAMS_REQUESTS;
  bool is_front = true;
  for (*id = s->oldest_id; *id <= s->newest_id; ++*id) {
    tf_stream_request_t *r       = request_of(s, *id);
    bool                 is_past = r->is_answered || now_ns - r->sent_ns > TF_STREAMS_FIRST_DATA_NS;
    if (is_past && is_front) s->oldest_id = *id + 1;
    is_front = is_front && is_past;
    if (!is_past && (channels == 0 || channels & 1u << r->row_first / s->config.symbol_cap))
      return r;
  }
  return NULL;
}

static bool answer_request(tf_streams_t *s, const tf_feed_answer_t *a, uint8_t text_idx,
                           uint64_t now_ns) {
  uint64_t             id = a->request_id;
  tf_stream_request_t *r  = NULL;
  if (id == 0)
    r = oldest_of(s, a->channel, now_ns, &id);
  else if (is_remembered(s, id))
    r = request_of(s, id);
  if (r == NULL) return false;
  r->is_answered = true;
  for (uint32_t i = r->row_first; i <= r->row_last; i++)
    if (s->rows[i].request_id == id && s->rows[i].unanswered > 0)
      settle(s, &s->rows[i], a, r->cnt, text_idx, now_ns);
  return true;
}

void tf_streams_answered(tf_streams_t *s, const tf_feed_answer_t *answers, uint32_t cnt,
                         const char *error, uint64_t now_ns) {
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_feed_answer_t *a        = &answers[i];
    uint8_t                 text_idx = a->is_refusal ? text_idx_of(s, error) : 0;
    bool                    is_one   = a->instrument_id != UINT32_MAX;
    bool                    is_ours =
        is_one ? answer_stream(s, a, text_idx, now_ns) : answer_request(s, a, text_idx, now_ns);
    s->counts.strays += !is_ours;
  }
}

/* ---- data ---- */

static void arrived(tf_streams_t *s, tf_stream_t *row, uint64_t recv_ns) {
  if (!is_unseen(row->state) || row->request_id == 0) return;
  /* what was on its way when the stream was unsubscribed says nothing of its next subscription */
  if (row->say == SAY_SUBSCRIBE && request_of(s, row->request_id)->is_unsubscribe) return;
  row->try_cnt = 0;
  row->data_ns = recv_ns;
  rest(s, row, TF_STREAM_LIVE);
}

void tf_streams_look(tf_streams_t *s, const tf_event_t *events, uint32_t cnt) {
  bool in_band = s->config.port.want_snapshot == NULL;
  for (uint32_t i = 0; i < cnt; i++) {
    const tf_event_t *e = &events[i];
    if (e->instrument_id >= s->config.instrument_cap) continue;
    uint32_t symbol = s->symbols[e->instrument_id];
    if (symbol == UINT32_MAX || tf_event_is_listing(e)) continue;
    tf_stream_t *book  = tf_streams_row(s, symbol, TF_EVENT_BOOK);
    bool         is_ok = false;
    if (e->kind == TF_EVENT_STATUS) {
      is_ok = e->u.status.book_state == TF_BOOK_OK;
    } else if (e->kind == TF_EVENT_BOOK) {
      book->has_deltas = true;
      is_ok            = book->is_continued || (in_band && (e->flags & TF_FLAG_SNAPSHOT));
    } else if (e->kind < TF_CHANNEL_CNT) {
      arrived(s, tf_streams_row(s, symbol, e->kind), e->ts_recv_ns);
    }
    /* a venue without quotes has them from its book */
    if (is_ok)
      arrived(s, book->is_wanted ? book : tf_streams_row(s, symbol, TF_EVENT_QUOTE), e->ts_recv_ns);
  }
}

/* ---- books that start over ---- */

static tf_stream_t *book_of(const tf_streams_t *s, uint32_t instrument_id) {
  uint32_t symbol =
      instrument_id < s->config.instrument_cap ? s->symbols[instrument_id] : UINT32_MAX;
  if (symbol == UINT32_MAX) return NULL;
  tf_stream_t *book = tf_streams_row(s, symbol, TF_EVENT_BOOK);
  return book->is_wanted ? book : tf_streams_row(s, symbol, TF_EVENT_QUOTE);
}

bool tf_streams_wants_book(const tf_streams_t *s, uint32_t instrument_id) {
  const tf_stream_t *book = book_of(s, instrument_id);
  return book == NULL || book->is_wanted;
}

bool tf_streams_resync(tf_streams_t *s, uint32_t instrument_id, uint64_t now_ns) {
  tf_stream_t *row = book_of(s, instrument_id);
  if (row == NULL || s->config.feed->request == NULL) return false;
  if (row->state == TF_STREAM_CARRIED) return false;
  if (!row->is_wanted || row->request_id == 0 || row->say != SAY_NOTHING) return true;
  bool repeats    = row->resync_ns != 0 && now_ns - row->resync_ns < RESYNC_QUIET_NS;
  row->repeat_cnt = repeats ? (uint8_t)(row->repeat_cnt + (row->repeat_cnt < UINT8_MAX)) : 0;
  uint64_t late   = 0;
  if (row->repeat_cnt > 0)
    late = row->repeat_cnt > 6 ? RESYNC_LATE_NS : TF_NS_PER_SEC << (row->repeat_cnt - 1);
  move_to(s, row, TF_STREAM_WANTED);
  set_resyncing(s, row, true);
  say(s, row, SAY_UNSUBSCRIBE, now_ns + (late < RESYNC_LATE_NS ? late : RESYNC_LATE_NS));
  return true;
}

/* ---- lifetime ---- */

void tf_streams_restart(tf_streams_t *s) {
  for (uint32_t i = 0; i < s->row_cnt; i++) {
    tf_stream_t *row = &s->rows[i];
    rest(s, row, row->is_wanted ? TF_STREAM_WANTED : TF_STREAM_NONE);
    row->request_id = row->asked_ns = row->data_ns = row->resync_ns = 0;
    row->run_max                                                    = RUN_MAX;
    row->try_cnt = row->unanswered = row->text_idx = row->repeat_cnt = 0;
    row->has_deltas = row->is_continued = false;
    if (!row->is_wanted) continue;
    set_awaited(s, row, is_prompt(s, row));
    say(s, row, SAY_SUBSCRIBE, 0);
  }
  s->oldest_id  = s->newest_id + 1;
  s->cursor     = TF_EVENT_BOOK * s->config.symbol_cap; /* books first: they take longest */
  s->hello_idx  = 0;
  s->hello_ns   = 0;
  s->is_greeted = s->is_asked = false;
  memset(s->requests, 0, TF_STREAMS_REQUESTS * sizeof *s->requests);
}

static uint32_t run_cap_of(const tf_streams_config_t *config) {
  uint32_t cap = config->feed->symbols_per_request_max;
  if (cap == 0) cap = 1;
  if (cap > config->symbol_cap) cap = config->symbol_cap;
  return cap < RUN_MAX ? cap : RUN_MAX;
}

size_t tf_streams_arena_bytes(const tf_streams_config_t *c) {
  return (size_t)c->symbol_cap * (TF_CHANNEL_CNT * sizeof(tf_stream_t) + sizeof(uint32_t)) +
         ((size_t)c->instrument_cap + run_cap_of(c)) * sizeof(uint32_t) +
         TF_STREAMS_REQUESTS * sizeof(tf_stream_request_t) + 5 * TF_LINE_BYTES;
}

tf_err_t tf_streams_init(tf_streams_t *s, const tf_streams_config_t *config, tf_arena_t *arena) {
  TF_ASSERT(config->symbol_cap > 0 && config->symbol_cap <= TF_STREAMS_SYMBOLS_MAX);
  memset(s, 0, sizeof *s);
  s->config         = *config;
  s->row_cnt        = TF_CHANNEL_CNT * config->symbol_cap;
  s->run_cap        = run_cap_of(config);
  s->text_cnt       = 1;
  s->trouble_row    = UINT32_MAX;
  s->rows           = tf_arena_take(arena, s->row_cnt * sizeof *s->rows, TF_LINE_BYTES);
  s->instrument_ids = tf_arena_take(arena, config->symbol_cap * sizeof(uint32_t), TF_LINE_BYTES);
  s->symbols  = tf_arena_take(arena, config->instrument_cap * sizeof(uint32_t), TF_LINE_BYTES);
  s->run      = tf_arena_take(arena, s->run_cap * sizeof(uint32_t), TF_LINE_BYTES);
  s->requests = tf_arena_take(arena, TF_STREAMS_REQUESTS * sizeof *s->requests, TF_LINE_BYTES);
  if (!s->rows || !s->instrument_ids || !s->symbols || !s->run || !s->requests)
    return tf_error_add(E_CORE_ARENA_FULL, "making a connection's table of streams");
  memset(s->rows, 0, s->row_cnt * sizeof *s->rows);
  memset(s->instrument_ids, 0xff, config->symbol_cap * sizeof(uint32_t));
  memset(s->symbols, 0xff, config->instrument_cap * sizeof(uint32_t));
  s->counts.by_state[TF_STREAM_NONE] = s->row_cnt;
  tf_streams_restart(s);
  return TF_OK;
}

void tf_streams_continue(tf_streams_t *s, const tf_streams_t *from) {
  for (uint32_t symbol = 0; symbol < s->config.symbol_cap; symbol++)
    tf_streams_row(s, symbol, TF_EVENT_BOOK)->is_continued =
        from != NULL && tf_streams_row(from, symbol, TF_EVENT_BOOK)->state == TF_STREAM_LIVE;
}

const char *tf_stream_channel_name(uint32_t channel) {
  return channel == TF_CHANNEL_TRADE    ? "trade"
         : channel == TF_CHANNEL_QUOTE  ? "quote"
         : channel == TF_CHANNEL_BOOK   ? "book"
         : channel == TF_CHANNEL_TICKER ? "ticker"
                                        : "?";
}

static tf_stream_trouble_t trouble_of(const tf_streams_t *s, const tf_stream_t *row) {
  return (tf_stream_trouble_t){.instrument_id = instrument_of(s, row),
                               .channel       = 1u << channel_idx_of(s, row),
                               .state         = (tf_stream_state_t)row->state,
                               .try_cnt       = row->try_cnt,
                               .is_given_up   = row->say == SAY_NOTHING && row->due_ns == NEVER,
                               .text          = s->texts[row->text_idx]};
}

bool tf_streams_trouble(tf_streams_t *s, tf_stream_trouble_t *trouble) {
  if (s->trouble_row == UINT32_MAX) return false;
  *trouble       = trouble_of(s, &s->rows[s->trouble_row]);
  s->trouble_row = UINT32_MAX;
  return true;
}

bool tf_streams_first_down(const tf_streams_t *s, tf_stream_trouble_t *trouble) {
  if (s->counts.by_state[TF_STREAM_REFUSED] + s->counts.by_state[TF_STREAM_SILENT] == 0)
    return false;
  uint32_t i = 0;
  while (s->rows[i].state != TF_STREAM_REFUSED && s->rows[i].state != TF_STREAM_SILENT) i++;
  *trouble = trouble_of(s, &s->rows[i]);
  return true;
}

bool tf_streams_next(const tf_streams_t *s, uint32_t *at, const tf_stream_t **row, uint32_t *symbol,
                     uint32_t *channel) {
  for (; *at < s->row_cnt; ++*at) {
    *row = &s->rows[*at];
    if ((*row)->state == TF_STREAM_NONE) continue;
    *symbol  = symbol_of(s, *row);
    *channel = 1u << channel_idx_of(s, *row);
    ++*at;
    return true;
  }
  return false;
}
