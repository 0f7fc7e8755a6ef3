#include "sink/clients.h"

#include <inttypes.h>

#include "core/error.h"
#include "core/log.h"
#include "sink/encode.h"

#define LOG_NS_BETWEEN     TF_NS_PER_SEC
#define PRICED_NS_BETWEEN  (100 * TF_NS_PER_MS)
#define CONTROL_BYTES      (3u * TF_FRAME_OUT_BYTES_MAX) /* WELCOME, LOST and a spare, before records */
#define LOST_BYTES         (TF_FRAME_HEADER_BYTES + sizeof(tf_frame_lost_t))
#define INSTRUMENT_CNT_MAX 512u /* a frame */
#define HISTORY_STEP_CNT   128  /* blocks of a journal that one client is served at once */

/* ---- leaving ---- */

static TF_COLD void log_end(tf_clients_t *c, const tf_sink_client_t *client, const char *event,
                            uint64_t now_ns) {
  struct tf_clients_log *log = &c->logs[client->end_reason];
  if (log->ns && now_ns - log->ns < LOG_NS_BETWEEN) {
    log->held++;
    return;
  }
  tf_log(TF_LOG_WARN, event,
         "sink=%s reason=%s peer=%s next_seq=%" PRIu64 " held=%" PRIu64 " text=\"%s\"",
         c->config.name, tf_frame_reason_name(client->end_reason), client->peer, client->next_seq,
         log->held, client->end_text);
  *log = (struct tf_clients_log){.ns = now_ns};
}

void tf_sink_client_let_go(tf_clients_t *c, tf_sink_client_t *client, tf_frame_reason_t reason,
                           const char *text, uint64_t now_ns) {
  if (client->phase == TF_SINK_CLIENT_ENDING) return;
  client->end_reason = (uint8_t)reason;
  snprintf(client->end_text, sizeof client->end_text, "%s", text);
  client->phase    = TF_SINK_CLIENT_ENDING;
  client->has_more = true;
  client->began_ns = now_ns;
  if (client->welcomed) {
    c->ended[reason]++;
    if (reason == TF_FRAME_REASON_CLOSED) return;
    c->counts->clients_evicted++;
    log_end(c, client, "sink_client_evicted", now_ns);
  } else {
    if (reason == TF_FRAME_REASON_CLOSED) return;
    c->refused[reason]++;
    c->counts->clients_refused++;
    log_end(c, client, "sink_client_refused", now_ns);
  }
}

void tf_sink_client_left(tf_clients_t *c, tf_sink_client_t *client) {
  if (client->history) tf_history_end(client->history);
  if (client->welcomed) c->counts->disconnects++;
  if (client->queue && c->queue.policy == TF_OVERFLOW_DROP_OLDEST) {
    uint64_t missed;
    while (tf_outq_take(client->queue, c->scratch, c->scratch_cnt, &missed) > 0)
      c->counts->client_dropped += missed;
  }
  client->phase = TF_SINK_CLIENT_FREE;
  client->queue = NULL;
  c->counts->clients--;
}

bool tf_sink_client_over(tf_clients_t *c, tf_sink_client_t *client, uint64_t now_ns) {
  bool waits = client->tx_at < client->tx_cnt;
  if (client->phase == TF_SINK_CLIENT_HELLO &&
      now_ns - client->began_ns >= TF_SINK_CLIENT_HELLO_NS_MAX)
    tf_sink_client_let_go(c, client, TF_FRAME_REASON_TIMEOUT, "no hello within 2 s", now_ns);
  if (waits && client->stuck_ns && now_ns - client->stuck_ns >= TF_SINK_CLIENT_WRITE_NS_MAX) {
    tf_sink_client_let_go(c, client, TF_FRAME_REASON_SLOW, "a write did not go on for 30 s",
                          now_ns);
    return true;
  }
  if (client->phase != TF_SINK_CLIENT_ENDING) return false;
  uint64_t most_ns = client->end_reason == TF_FRAME_REASON_CLOSED ? c->config.drain_ns_max
                                                                  : TF_SINK_CLIENT_END_NS_MAX;
  return (client->end_written && !waits) || now_ns - client->began_ns >= most_ns;
}

static void end_with_the_engine(tf_clients_t *c, tf_sink_client_t *client, uint64_t now_ns) {
  tf_sink_client_let_go(c, client, TF_FRAME_REASON_CLOSED, "the engine stops", now_ns);
}

void tf_clients_stop(tf_clients_t *c, uint64_t now_ns) {
  c->stopping = true;
  for (uint32_t i = 0; i < c->config.clients_max; i++)
    if (c->clients[i].phase == TF_SINK_CLIENT_HELLO) end_with_the_engine(c, &c->clients[i], now_ns);
}

bool tf_clients_have_more(const tf_clients_t *c) {
  for (uint32_t i = 0; i < c->config.clients_max; i++)
    if (c->clients[i].phase != TF_SINK_CLIENT_FREE && c->clients[i].has_more &&
        c->clients[i].tx_at == c->clients[i].tx_cnt)
      return true;
  return false;
}

bool tf_clients_have_unsent(const tf_clients_t *c) {
  for (uint32_t i = 0; i < c->config.clients_max; i++)
    if (c->clients[i].phase != TF_SINK_CLIENT_FREE &&
        (c->clients[i].has_more || c->clients[i].tx_at < c->clients[i].tx_cnt))
      return true;
  return false;
}

/* ---- coming ---- */

void tf_clients_refuse(tf_clients_t *c, const char *peer, tf_frame_reason_t reason,
                       const char *text, uint64_t now_ns) {
  tf_sink_client_t nobody = {.end_reason = (uint8_t)reason};
  snprintf(nobody.peer, sizeof nobody.peer, "%s", peer);
  snprintf(nobody.end_text, sizeof nobody.end_text, "%s", text);
  c->refused[reason]++;
  c->counts->clients_refused++;
  log_end(c, &nobody, "sink_client_refused", now_ns);
}

tf_sink_client_t *tf_clients_admit(tf_clients_t *c, const char *peer, bool token_shown,
                                   uint64_t now_ns) {
  tf_sink_client_t *client = NULL;
  for (uint32_t i = 0; i < c->config.clients_max && !client; i++)
    if (c->clients[i].phase == TF_SINK_CLIENT_FREE) client = &c->clients[i];
  if (!client) {
    char text[TF_FRAME_TEXT_BYTES];
    snprintf(text, sizeof text, "%u clients are connected", c->config.clients_max);
    tf_clients_refuse(c, peer, TF_FRAME_REASON_FULL, text, now_ns);
    return NULL;
  }
  *client = (tf_sink_client_t){.phase        = TF_SINK_CLIENT_HELLO,
                               .token_shown  = token_shown,
                               .began_ns     = now_ns,
                               .tx           = client->tx,
                               .queue_memory = client->queue_memory,
                               .history      = client->history};
  snprintf(client->peer, sizeof client->peer, "%s", peer);
  c->counts->clients++;
  return client;
}

size_t tf_clients_full(const tf_clients_t *c, uint8_t *out) {
  return tf_frame_out_end(c->config.format, TF_FRAME_REASON_FULL, 0, "clients_max are connected",
                          out);
}

bool tf_clients_token_is(const tf_clients_t *c, const char *token, size_t cnt) {
  return c->wants_token && tf_secret_equal(c->token, c->token_bytes, token, cnt);
}

/* Where a client begins: at what the backlog has, or behind all of it. */
static void begin(tf_clients_t *c, tf_sink_client_t *client, uint64_t resume_from,
                  uint64_t now_ns) {
  const tf_backlog_t *b     = &c->backlog;
  uint64_t            next  = b->head ? tf_backlog_seq(b, b->head - 1) + 1 : 0;
  bool                ahead = next ? resume_from > next : resume_from == TF_FRAME_RESUME_NEXT;
  client->phase             = TF_SINK_CLIENT_CATCHUP;
  client->has_more          = true;
  client->hello_pos         = b->head;
  client->next_seq          = ahead ? next : resume_from;
  client->told_ns           = now_ns;
  c->counts->connects++;
  client->older = client->history && !ahead;
  if (client->older) tf_history_begin(client->history, c->config.history, client->next_seq);
}

static void on_hello(tf_clients_t *c, tf_sink_client_t *client, const tf_hello_t *hello,
                     uint64_t now_ns) {
  if (c->wants_token && !client->token_shown &&
      !tf_clients_token_is(c, hello->token, hello->token_bytes))
    tf_sink_client_let_go(c, client, TF_FRAME_REASON_TOKEN,
                          hello->token_bytes ? "that is not the token" : "a token is wanted",
                          now_ns);
  else if (hello->carries != TF_HELLO_CARRIES_ANY && hello->carries != c->config.shape.carries)
    tf_sink_client_let_go(c, client, TF_FRAME_REASON_PROTOCOL,
                          "hello: this sink carries something else", now_ns);
  else
    begin(c, client, hello->resume_from, now_ns);
}

void tf_sink_client_said(tf_clients_t *c, tf_sink_client_t *client, const uint8_t *bytes,
                         size_t cnt, uint64_t now_ns) {
  tf_hello_t hello;
  char       why[TF_HELLO_WHY_BYTES];
  if (client->phase == TF_SINK_CLIENT_ENDING || cnt == 0) return;
  if (client->phase != TF_SINK_CLIENT_HELLO) {
    tf_sink_client_let_go(c, client, TF_FRAME_REASON_PROTOCOL,
                          "a client says nothing after its hello", now_ns);
    return;
  }
  size_t room = sizeof client->rx - client->rx_cnt, more = cnt < room ? cnt : room;
  memcpy(client->rx + client->rx_cnt, bytes, more);
  client->rx_cnt += (uint32_t)more;
  int took = tf_hello_read(c->config.format, client->rx, client->rx_cnt, &hello, why);
  if (took < 0)
    tf_sink_client_let_go(c, client, TF_FRAME_REASON_PROTOCOL, why, now_ns);
  else if (took > 0 && ((size_t)took < client->rx_cnt || more < cnt))
    tf_sink_client_let_go(c, client, TF_FRAME_REASON_PROTOCOL,
                          "a client says nothing after its hello", now_ns);
  else if (took > 0)
    on_hello(c, client, &hello, now_ns);
  tf_secret_wipe(&hello, sizeof hello);
  if (took != 0) tf_secret_wipe(client->rx, sizeof client->rx);
}

/* ---- what it is sent ---- */

static size_t room(const tf_clients_t *c, const tf_sink_client_t *client) {
  return c->tx_cap - client->tx_cnt;
}

static void write_welcome(tf_clients_t *c, tf_sink_client_t *client, uint64_t next_seq) {
  bool               decisions = c->config.shape.carries == TF_CARRIES_DECISIONS;
  uint32_t           filtered  = c->config.is_filtered ? TF_FRAME_FILTERED : 0;
  tf_frame_welcome_t w         = {.next_seq       = next_seq,
                                  .epoch          = c->config.epoch,
                                  .record_bytes   = c->config.shape.bytes,
                                  .carries        = (uint8_t)(c->config.shape.carries | filtered),
                                  .policy         = (uint8_t)c->config.policy,
                                  .record_version = decisions ? TF_DECISION_VERSION : TF_EVENT_VERSION,
                                  .heartbeat_ms   = (uint32_t)(TF_FRAME_HEARTBEAT_NS / TF_NS_PER_MS)};
  snprintf(w.stream, sizeof w.stream, "%s", c->config.name);
  client->tx_cnt += tf_frame_out_welcome(c->config.format, &w, client->tx + client->tx_cnt);
  client->welcomed = true;
}

static void write_lost(tf_clients_t *c, tf_sink_client_t *client, uint64_t first, uint64_t last,
                       uint64_t cnt, tf_frame_reason_t reason) {
  tf_frame_lost_t lost = {
      .first_seq = first, .last_seq = last, .record_cnt = cnt, .reason = (uint32_t)reason};
  client->tx_cnt +=
      tf_frame_out_lost(c->config.format, &lost, client->prev_seq, client->tx + client->tx_cnt);
  client->next_seq = last + 1;
}

/* The next record is seq: welcomes the client, and tells what it cannot have before that. */
static void go_on_at(tf_clients_t *c, tf_sink_client_t *client, uint64_t seq) {
  if (!client->welcomed) write_welcome(c, client, seq);
  if (client->next_seq && seq > client->next_seq)
    write_lost(c, client, client->next_seq, seq - 1, c->contiguous ? seq - client->next_seq : 0,
               TF_FRAME_REASON_HISTORY);
  client->next_seq = seq;
}

/* As many records as surely fit, each with a LOST before it. */
static uint32_t fit(const tf_clients_t *c, const tf_sink_client_t *client, uint32_t n) {
  size_t free_bytes = room(c, client);
  size_t cnt = free_bytes > CONTROL_BYTES ? (free_bytes - CONTROL_BYTES) / c->record_bytes_max : 0;
  return cnt < n ? (uint32_t)cnt : n;
}

/* n records that follow one another go into one frame. */
static void write_run(tf_clients_t *c, tf_sink_client_t *client, const uint8_t *records,
                      uint32_t n) {
  const tf_record_shape_t *shape = &c->config.shape;
  uint64_t                 first = tf_record_seq(shape, records);
  uint64_t                 last  = tf_record_seq(shape, records + (size_t)(n - 1) * shape->bytes);
  uint8_t                 *out   = client->tx + client->tx_cnt;
  if (c->config.format == TF_FORMAT_BINARY) {
    tf_frame_out_header(TF_FRAME_RECORDS, (uint16_t)n, n * shape->bytes, first, client->prev_seq,
                        out);
    memcpy(out + TF_FRAME_HEADER_BYTES, records, (size_t)n * shape->bytes);
    client->tx_cnt += TF_FRAME_HEADER_BYTES + (size_t)n * shape->bytes;
  } else {
    for (uint32_t i = 0; i < n; i++) {
      const uint8_t *record = records + (size_t)i * shape->bytes;
      tf_decision_t  d;
      bool           late = false;
      if (shape->carries == TF_CARRIES_DECISIONS) {
        memcpy(&d, record, sizeof d);
        late   = d.path & TF_PATH_LATE;
        d.path = (uint8_t)(d.path & ~TF_PATH_LATE);
        record = (const uint8_t *)&d;
      }
      client->tx_cnt += tf_encode(&c->config, record, late, client->tx + client->tx_cnt);
    }
  }
  client->prev_seq = last;
  client->next_seq = last + 1;
}

/* n <= fit. missed: dropped before the first, of a shape with holes. */
static void write_records(tf_clients_t *c, tf_sink_client_t *client, const uint8_t *records,
                          uint32_t n, uint64_t missed) {
  const tf_record_shape_t *shape    = &c->config.shape;
  bool                     conflate = c->config.policy == TF_OVERFLOW_CONFLATE;
  bool                     splits   = c->contiguous && !conflate;
  uint32_t                 most     = c->config.batch_max;
  for (uint32_t i = 0, run; i < n; i += run) {
    const uint8_t *at  = records + (size_t)i * shape->bytes;
    uint64_t       seq = tf_record_seq(shape, at);
    if (!conflate && client->next_seq && seq > client->next_seq && (c->contiguous || missed))
      write_lost(c, client, client->next_seq, seq - 1,
                 c->contiguous ? seq - client->next_seq : missed, TF_FRAME_REASON_DROPPED);
    missed = 0;
    for (run = 1; i + run < n && run < most; run++)
      if (splits && tf_record_seq(shape, at + (size_t)run * shape->bytes) != seq + run) break;
    write_run(c, client, at, run);
  }
}

/* ---- instruments ---- */

static void list_labels(tf_clients_t *c) {
  uint32_t cnt = c->config.shape.carries == TF_CARRIES_EVENTS ? tf_labels_cnt(c->config.labels) : 0;
  while (c->label_cnt < cnt)
    c->instrument_list[c->instrument_list_cnt++] = TF_FRAME_LABEL_ID + c->label_cnt++;
}

/* Lists rows that the decoder has published since, and those whose scale has become known. */
static void list_instruments(tf_clients_t *c, uint64_t now_ns) {
  if (!c->config.instruments) return;
  list_labels(c);
  /* pairs with: the decoder's publication of its rows (tf/instrument.h) */
  uint32_t cnt = tf_load_acquire_u32(&c->config.instruments->cnt);
  if (cnt > c->config.instruments->cap) cnt = c->config.instruments->cap;
  bool look = c->unpriced_cnt && now_ns - c->priced_ns >= PRICED_NS_BETWEEN;
  if (cnt == c->instrument_cnt && !look) return;
  for (uint32_t id = look ? 0 : c->instrument_cnt; id < cnt; id++) {
    const tf_instrument_t *row      = &c->config.instruments->rows[id];
    bool                   is_new   = id >= c->instrument_cnt;
    bool                   is_known = tf_instrument_metadata(row) != TF_METADATA_NONE;
    if (!is_new && (c->instrument_priced[id] || !is_known)) continue;
    c->instrument_list[c->instrument_list_cnt++] = id;
    c->instrument_priced[id]                     = is_known;
    if (is_new && !is_known) c->unpriced_cnt++;
    if (!is_new) c->unpriced_cnt--;
  }
  c->instrument_cnt = cnt;
  c->priced_ns      = now_ns;
}

static tf_frame_instrument_t name_row(const tf_clients_t *c, uint32_t id) {
  tf_frame_instrument_t  row    = {.id = id, .price_exp = INT8_MIN};
  const tf_instrument_t *source = &c->config.instruments->rows[id];
  if (id >= TF_FRAME_LABEL_ID) {
    snprintf(row.name, sizeof row.name, "%s",
             tf_labels_word(c->config.labels, id - TF_FRAME_LABEL_ID));
    return row;
  }
  if (tf_instrument_metadata(source) != TF_METADATA_NONE) row.price_exp = source->price_exp;
  snprintf(row.name, sizeof row.name, "%s", source->name);
  return row;
}

static void write_instruments(tf_clients_t *c, tf_sink_client_t *client) {
  uint32_t n = c->instrument_list_cnt - client->told_cnt;
  if (n > INSTRUMENT_CNT_MAX) n = INSTRUMENT_CNT_MAX;
  uint32_t bytes = n * (uint32_t)sizeof(tf_frame_instrument_t);
  uint8_t *out   = client->tx + client->tx_cnt;
  tf_frame_out_header(TF_FRAME_INSTRUMENTS, (uint16_t)n, bytes, client->next_seq, client->prev_seq,
                      out);
  out += TF_FRAME_HEADER_BYTES;
  for (uint32_t i = 0; i < n; i++, out += sizeof(tf_frame_instrument_t)) {
    const tf_frame_instrument_t row = name_row(c, c->instrument_list[client->told_cnt + i]);
    memcpy(out, &row, sizeof row);
  }
  client->told_cnt += n;
  client->tx_cnt += TF_FRAME_HEADER_BYTES + bytes;
}

/* ---- where it comes from ---- */

static void compose_live(tf_clients_t *c, tf_sink_client_t *client, uint64_t now_ns) {
  uint64_t missed = 0;
  uint32_t n      = fit(c, client, c->scratch_cnt);
  n               = tf_outq_take(client->queue, c->scratch, n, &missed);
  bool oldest     = c->config.policy == TF_OVERFLOW_DROP_OLDEST;
  if (oldest) c->counts->client_dropped += missed;
  if (n > 0) {
    write_records(c, client, c->scratch, n, missed);
    client->has_more = true;
  } else if (client->gap_cnt) {
    write_lost(c, client, c->contiguous && client->next_seq ? client->next_seq : client->gap_first,
               client->gap_last, client->gap_cnt, TF_FRAME_REASON_DROPPED);
    client->gap_cnt = 0;
  } else if (c->stopping) {
    end_with_the_engine(c, client, now_ns);
  }
}

static void go_live(tf_clients_t *c, tf_sink_client_t *client) {
  if (!client->welcomed) write_welcome(c, client, client->next_seq);
  client->queue    = tf_outq_init(client->queue_memory, &c->queue);
  client->phase    = TF_SINK_CLIENT_LIVE;
  client->has_more = true;
  if (client->history) tf_history_end(client->history);
}

/* next_seq lies in the backlog, or behind it. */
static void compose_backlog(tf_clients_t *c, tf_sink_client_t *client) {
  const tf_backlog_t *b     = &c->backlog;
  uint64_t            pos   = tf_backlog_find(b, client->next_seq);
  uint64_t            ahead = tf_backlog_seq(b, b->head - 1) + 1;
  if (client->next_seq > ahead) { /* nothing was known when it asked: it saw another stream */
    uint64_t oldest  = tf_backlog_oldest(b);
    pos              = client->hello_pos > oldest ? client->hello_pos : oldest;
    client->next_seq = pos < b->head ? tf_backlog_seq(b, pos) : ahead;
  }
  if (pos == b->head) {
    go_live(c, client);
    return;
  }
  client->has_more = true;
  if (!client->welcomed) { /* names come before records */
    write_welcome(c, client, tf_backlog_seq(b, pos));
    return;
  }
  uint32_t n = tf_backlog_run(b, pos, fit(c, client, UINT32_MAX));
  if (n) write_records(c, client, tf_backlog_at(b, pos), n, tf_backlog_before(b, pos));
}

/* What lies before the backlog, as much as fits. False: there is nothing more, and it does not wait for any. */
static bool compose_history(tf_clients_t *c, tf_sink_client_t *client, uint64_t now_ns) {
  const tf_decision_t *decisions;
  uint32_t             n;
  bool                 is_new;
  client->has_more = true;
  for (int i = 0; i < HISTORY_STEP_CNT; i++)
    switch (tf_history_step(client->history, &decisions, &n)) {
    case TF_HISTORY_MORE: break;
    case TF_HISTORY_RECORDS:
      client->asked_ns = 0;
      n                = fit(c, client, n);
      is_new           = !client->welcomed;
      if (n == 0) return true;
      go_on_at(c, client, decisions[0].decision_seq);
      if (is_new) return true; /* names come before records */
      write_records(c, client, (const uint8_t *)decisions, n, 0);
      tf_history_took(client->history, n);
      break;
    case TF_HISTORY_END:
      client->has_more = false;
      if (client->asked_ns == 0) client->asked_ns = now_ns;
      if (!client->welcomed) write_welcome(c, client, client->next_seq);
      return client->tx_cnt > 0 || (c->backlog.head > 0 && !c->stopping &&
                                    now_ns - client->asked_ns < TF_SINK_CLIENT_HISTORY_NS_MAX);
    }
  return true;
}

static void compose_catchup(tf_clients_t *c, tf_sink_client_t *client, uint64_t now_ns) {
  const tf_backlog_t *b = &c->backlog;
  bool behind = b->head == 0 || client->next_seq < tf_backlog_seq(b, tf_backlog_oldest(b));
  if (behind && client->older && compose_history(c, client, now_ns)) return;
  if (b->head == 0) {
    if (!client->welcomed) write_welcome(c, client, client->next_seq);
    if (c->stopping)
      end_with_the_engine(c, client, now_ns);
    else if (client->next_seq == 0 && !client->older)
      go_live(c, client);
    return;
  }
  bool is_new = !client->welcomed;
  if (behind) go_on_at(c, client, tf_backlog_seq(b, tf_backlog_oldest(b)));
  client->has_more = true;
  if (behind && is_new) return;
  compose_backlog(c, client);
}

static void compose(tf_clients_t *c, tf_sink_client_t *client, uint64_t now_ns) {
  bool binary      = c->config.format == TF_FORMAT_BINARY;
  client->has_more = false;
  if (client->phase == TF_SINK_CLIENT_ENDING && !client->end_written) {
    client->tx_cnt =
        tf_frame_out_end(c->config.format, (tf_frame_reason_t)client->end_reason,
                         client->welcomed ? client->next_seq : 0, client->end_text, client->tx);
    client->end_written = true;
  } else if (client->welcomed && binary && client->told_cnt < c->instrument_list_cnt &&
             client->phase != TF_SINK_CLIENT_ENDING) {
    write_instruments(c, client);
    client->has_more = true;
  } else if (client->phase == TF_SINK_CLIENT_CATCHUP) {
    compose_catchup(c, client, now_ns);
  } else if (client->phase == TF_SINK_CLIENT_LIVE) {
    compose_live(c, client, now_ns);
  }
  bool beats = client->welcomed && client->phase != TF_SINK_CLIENT_ENDING;
  if (client->tx_cnt == 0 && beats && now_ns - client->told_ns >= TF_SINK_CLIENT_BEAT_NS)
    client->tx_cnt =
        tf_frame_out_heartbeat(c->config.format, client->next_seq, client->prev_seq, client->tx);
  if (client->tx_cnt) client->told_ns = now_ns;
}

const uint8_t *tf_sink_client_tx(tf_clients_t *c, tf_sink_client_t *client, size_t *cnt,
                                 uint64_t now_ns) {
  if (client->tx_at == client->tx_cnt) {
    client->tx_at = client->tx_cnt = 0;
    list_instruments(c, now_ns);
    compose(c, client, now_ns);
    client->stuck_ns = client->tx_cnt ? now_ns : 0;
  }
  *cnt = client->tx_cnt - client->tx_at;
  return client->tx + client->tx_at;
}

void tf_sink_client_sent(tf_sink_client_t *client, size_t cnt, uint64_t now_ns) {
  TF_ASSERT(cnt <= client->tx_cnt - client->tx_at);
  client->tx_at += cnt;
  if (cnt) client->stuck_ns = now_ns;
}

/* ---- records ---- */

static void queue_run(tf_clients_t *c, tf_sink_client_t *client, const uint8_t *records, uint32_t n,
                      uint64_t now_ns) {
  const tf_record_shape_t *shape = &c->config.shape;
  uint64_t                 low   = tf_outq_dropped_low(client->queue);
  uint32_t                 taken = client->gap_cnt ? 0 : tf_outq_offer(client->queue, records, n);
  c->counts->client_dropped += tf_outq_dropped_low(client->queue) - low;
  if (client->next_seq == 0) client->next_seq = tf_record_seq(shape, records);
  if (taken == n) return;
  if (c->config.policy == TF_OVERFLOW_DISCONNECT) {
    tf_sink_client_let_go(c, client, TF_FRAME_REASON_SLOW, "its queue is full: policy disconnect",
                          now_ns);
    return;
  }
  if (!client->gap_cnt)
    client->gap_first = tf_record_seq(shape, records + (size_t)taken * shape->bytes);
  client->gap_last = tf_record_seq(shape, records + (size_t)(n - 1) * shape->bytes);
  client->gap_cnt += n - taken;
  c->counts->client_dropped += n - taken;
}

uint32_t tf_clients_publish(tf_clients_t *c, const tf_out_t *outs, uint32_t n, uint64_t now_ns) {
  tf_backlog_t *b     = &c->backlog;
  uint64_t      first = b->head;
  if (n > b->slot_cnt) n = (uint32_t)b->slot_cnt;
  for (uint32_t i = 0; i < n; i++) {
    if (b->before) b->before[b->head & (b->slot_cnt - 1)] = outs[i].missed;
    uint8_t *at = tf_backlog_append(b, outs[i].record);
    if (outs[i].late && c->config.shape.carries == TF_CARRIES_DECISIONS)
      at[offsetof(tf_decision_t, path)] |= TF_PATH_LATE;
  }
  for (uint32_t i = 0; i < c->config.clients_max; i++) {
    tf_sink_client_t *client = &c->clients[i];
    for (uint64_t pos = first; pos < b->head && client->phase == TF_SINK_CLIENT_LIVE;) {
      uint32_t run = tf_backlog_run(b, pos, n), missed = tf_backlog_before(b, pos);
      if (client->gap_cnt)
        client->gap_cnt += missed;
      else if (missed)
        tf_outq_skip(client->queue, missed);
      queue_run(c, client, tf_backlog_at(b, pos), run, now_ns);
      pos += run;
    }
  }
  return n;
}

/* ---- lifetime ---- */

static void fill_defaults(tf_sink_config_t *config) {
  if (!config->clients_max) config->clients_max = TF_CLIENTS_DEFAULT;
  if (!config->client_slots) config->client_slots = TF_SINK_CLIENT_SLOTS_DEFAULT;
  if (!config->slot_cnt) config->slot_cnt = TF_CLIENTS_BACKLOG_DEFAULT;
  if (!config->shape.bytes) config->shape = tf_record_shape(TF_CARRIES_DECISIONS, 0);
  if (!config->drain_ns_max) config->drain_ns_max = TF_SINK_CLIENT_END_NS_MAX;
  if (!config->batch_max) config->batch_max = TF_CLIENTS_BATCH_DEFAULT;
  if (config->batch_max > UINT16_MAX) config->batch_max = UINT16_MAX;
}

typedef struct sizes {
  size_t records, before, scratch, list, priced, client, queue, tx, history;
  size_t total;
} sizes_t;

static bool is_contiguous(const tf_sink_config_t *config) {
  return tf_record_is_dense(config->shape.carries) && !config->is_filtered;
}

static tf_outq_config_t queue_config(const tf_sink_config_t *config) {
  bool fifo = config->policy == TF_OVERFLOW_DROP_NEWEST || config->policy == TF_OVERFLOW_DISCONNECT;
  return (tf_outq_config_t){
      .policy = fifo ? TF_OVERFLOW_BLOCK : config->policy, /* what does not fit is ours to treat */
      .shape  = config->shape,
      .ranks  = config->ranks,
      .tells_missed = !is_contiguous(config),
      .slot_cnt     = config->client_slots,
      .instrument_cap =
          config->instruments && config->instruments->cap ? config->instruments->cap : 1,
      .strategy_cap = config->strategy_cnt ? config->strategy_cnt : 1};
}

/* Of a record alone in the worst case: a LOST before it, a header of its own. */
static size_t record_bytes_max(const tf_sink_config_t *config) {
  return config->format == TF_FORMAT_JSON
             ? tf_encode_bytes_max(&config->shape, TF_FORMAT_JSON) + TF_FRAME_OUT_BYTES_MAX
             : config->shape.bytes + TF_FRAME_HEADER_BYTES + LOST_BYTES;
}

static size_t tx_bytes(const tf_sink_config_t *config) {
  size_t most = CONTROL_BYTES + 2 * record_bytes_max(config);
  return most > TF_SINK_CLIENT_TX_BYTES ? most : TF_SINK_CLIENT_TX_BYTES;
}

static bool measure(const tf_sink_config_t *config, sizes_t *s) {
  tf_outq_config_t queue = queue_config(config);
  size_t           cap   = config->instruments ? config->instruments->cap : 0, one;
  if (config->clients_max > TF_CLIENTS_MAX || !tf_is_pow2(config->slot_cnt) ||
      config->slot_cnt > TF_BCAST_SLOT_CNT_MAX || config->shape.bytes > TF_SINK_RECORD_BYTES_MAX)
    return false;
  s->records = tf_align_up(config->slot_cnt * config->shape.bytes, TF_LINE_PAIR_BYTES);
  s->before  = is_contiguous(config)
                   ? 0
                   : tf_align_up(config->slot_cnt * sizeof(uint32_t), TF_LINE_PAIR_BYTES);
  s->scratch = tf_align_up(tx_bytes(config), TF_LINE_PAIR_BYTES);
  s->list    = tf_align_up((2 * cap + TF_LABELS_MAX) * sizeof(uint32_t), TF_LINE_PAIR_BYTES);
  s->priced  = tf_align_up(cap, TF_LINE_PAIR_BYTES);
  s->client  = tf_align_up(sizeof(tf_sink_client_t), TF_LINE_PAIR_BYTES);
  s->queue   = tf_align_up(tf_outq_bytes(&queue), TF_LINE_PAIR_BYTES);
  s->tx      = tf_align_up(tx_bytes(config), TF_LINE_PAIR_BYTES);
  s->history = config->history ? tf_align_up(sizeof(tf_history_t), TF_LINE_PAIR_BYTES) : 0;
  one        = s->client + s->queue + s->tx + s->history;
  s->total   = tf_align_up(sizeof(tf_clients_t), TF_LINE_PAIR_BYTES) + s->records + s->before +
             s->scratch + s->list + s->priced;
  return s->queue && !__builtin_mul_overflow(one, (size_t)config->clients_max, &one) &&
         !__builtin_add_overflow(s->total, one, &s->total);
}

size_t tf_clients_bytes(const tf_sink_config_t *given) {
  tf_sink_config_t config = *given;
  sizes_t          s;
  fill_defaults(&config);
  return measure(&config, &s) ? s.total : 0;
}

size_t tf_clients_tx_bytes(const tf_sink_config_t *given) {
  tf_sink_config_t config = *given;
  fill_defaults(&config);
  return tx_bytes(&config);
}

static tf_err_t check(const tf_sink_config_t *config) {
  const char *name = config->name ? config->name : "";
  if (config->format != TF_FORMAT_BINARY && config->format != TF_FORMAT_JSON)
    return TF_ERR(E_SINK_CONFIG, "sink %s: format: binary and json are allowed for a %s sink", name,
                  config->type);
  if (config->history && config->shape.carries != TF_CARRIES_DECISIONS)
    return TF_ERR(
        E_SINK_CONFIG,
        "sink %s: history: a journal holds decisions, and this sink carries something else", name);
  return TF_OK;
}

static uint8_t *carve(uint8_t **memory, size_t bytes) {
  uint8_t *at = *memory;
  *memory += bytes;
  return at;
}

static void lay_out(tf_clients_t *c, uint8_t *memory, const sizes_t *s) {
  c->backlog = (tf_backlog_t){.records  = carve(&memory, s->records),
                              .slot_cnt = c->config.slot_cnt,
                              .shape    = c->config.shape};
  if (s->before) c->backlog.before = (uint32_t *)(void *)carve(&memory, s->before);
  c->scratch           = carve(&memory, s->scratch);
  c->scratch_cnt       = (uint32_t)(s->scratch / c->config.shape.bytes);
  c->instrument_list   = (uint32_t *)(void *)carve(&memory, s->list);
  c->instrument_priced = carve(&memory, s->priced);
  c->clients           = (tf_sink_client_t *)(void *)memory;
  memory += tf_align_up(sizeof(tf_sink_client_t) * c->config.clients_max, TF_LINE_PAIR_BYTES);
  for (uint32_t i = 0; i < c->config.clients_max; i++) {
    c->clients[i]              = (tf_sink_client_t){.phase = TF_SINK_CLIENT_FREE};
    c->clients[i].queue_memory = carve(&memory, s->queue);
    c->clients[i].tx           = carve(&memory, s->tx);
    if (!s->history) continue;
    c->clients[i].history  = (tf_history_t *)(void *)carve(&memory, s->history);
    *c->clients[i].history = (tf_history_t){.is_open = false};
  }
}

tf_err_t tf_clients_init(tf_clients_t **clients, void *memory, const tf_sink_config_t *config,
                         tf_outlet_counts_t *counts) {
  tf_clients_t *c   = memory;
  tf_err_t      err = check(config);
  sizes_t       s;
  *clients = NULL;
  if (err) return err;
  *c = (tf_clients_t){.config = *config, .counts = counts};
  fill_defaults(&c->config);
  if (!measure(&c->config, &s))
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: slots %" PRIu64 ", client_slots %" PRIu64
                  " and clients_max %u: powers of two in 2 .. %" PRIu64 ", and at most %u clients",
                  config->name ? config->name : "", c->config.slot_cnt, c->config.client_slots,
                  c->config.clients_max, TF_BCAST_SLOT_CNT_MAX, TF_CLIENTS_MAX);
  c->contiguous       = is_contiguous(&c->config);
  c->queue            = queue_config(&c->config);
  c->tx_cap           = s.tx;
  c->record_bytes_max = record_bytes_max(&c->config);
  if (config->token_file) {
    err = tf_secret_read(config->token_file, c->token, sizeof c->token);
    if (err) return tf_error_add(err, "reading token_file of sink %s", config->name);
    c->token_bytes = (uint32_t)strlen(c->token);
    c->wants_token = true;
  }
  lay_out(c, (uint8_t *)memory + tf_align_up(sizeof *c, TF_LINE_PAIR_BYTES), &s);
  *clients = c;
  return TF_OK;
}

void tf_clients_fini(tf_clients_t *c) {
  for (uint32_t i = 0; i < c->config.clients_max; i++)
    if (c->clients[i].history) tf_history_end(c->clients[i].history);
  tf_secret_wipe(c->token, sizeof c->token);
}
