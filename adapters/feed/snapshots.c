#include "feed/snapshots.h"

#include <string.h>

#include "core/error.h"
#include "feed/backoff.h"
#include "feed/ticket.h"

#define METADATA_TRIES 3
#define RETRY_BASE_NS  (TF_NS_PER_SEC)
#define RETRY_BOUND_NS (60 * TF_NS_PER_SEC)
/* 418 and 429 without Retry-After: Binance's shortest ban is two minutes. */
#define BAN_NS (120 * TF_NS_PER_SEC)

size_t tf_snapshots_arena_bytes(uint32_t cap) {
  return cap * sizeof(uint32_t) + TF_TLS_TX_BYTES_MIN + 2 * TF_LINE_BYTES;
}

tf_err_t tf_snapshots_init(tf_snapshots_t *s, uint32_t cap, tf_arena_t *arena) {
  memset(s, 0, sizeof *s);
  s->dial.fd      = -1;
  s->cap          = cap;
  s->ids          = tf_arena_take(arena, cap * sizeof *s->ids, TF_LINE_BYTES);
  uint8_t *tls_tx = tf_arena_take(arena, TF_TLS_TX_BYTES_MIN, TF_LINE_BYTES);
  if (!s->ids || !tls_tx) return tf_error_add(E_CORE_ARENA_FULL, "making a feed's snapshot queue");
  tf_dial_init(&s->dial, tls_tx, TF_TLS_TX_BYTES_MIN, NULL);
  return TF_OK;
}

void tf_snapshots_fini(tf_snapshots_t *s) { tf_dial_fini(&s->dial); }

bool tf_snapshots_pending(const tf_snapshots_t *s) {
  return s->cnt > 0 || (s->away && !s->late && !s->is_metadata);
}

void tf_snapshots_want(tf_snapshots_t *s, uint32_t instrument_id) {
  for (uint32_t i = 0; i < s->cnt; i++)
    if (s->ids[(s->head + i) % s->cap] == instrument_id) return;
  if (s->cnt == s->cap) {
    s->dropped_cnt++;
    return;
  }
  s->ids[(s->head + s->cnt++) % s->cap] = instrument_id;
}

void tf_snapshots_forget(tf_snapshots_t *s) {
  s->cnt  = 0;
  s->late = s->away && !s->is_metadata;
}

static void submit(tf_snapshots_t *s, const char *why, bool is_metadata) {
  s->dial.why    = why;
  s->is_metadata = is_metadata;
  s->late        = false;
  s->away        = tf_dialer_submit(s->dialer, s->client, &s->dial);
  TF_ASSERT(s->away); /* one at a time */
}

void tf_snapshots_ask_metadata(tf_snapshots_t *s) {
  if (s->metadata_on || !tf_feed_tells_metadata(s->feed)) return;
  s->metadata_on          = true;
  s->metadata_idx         = 0;
  s->metadata_failure_cnt = 0;
}

static bool write_metadata_dial(tf_snapshots_t *s) {
  tf_dial_t *d = &s->dial;
  if (s->feed->tickets_tell_metadata)
    return tf_ticket_ask(d, s->feed, s->metadata_idx, s->endpoint);
  size_t need =
      s->feed->metadata_target(s->feed_state, s->metadata_idx, d->target, sizeof d->target);
  d->kind     = TF_DIAL_GET;
  d->endpoint = s->endpoint;
  return need > 0 && need < sizeof d->target;
}

static int metadata_tick(tf_snapshots_t *s) {
  if (!s->metadata_on) return 0;
  s->metadata_on = write_metadata_dial(s);
  if (s->metadata_on) submit(s, "metadata", true);
  return 1;
}

int tf_snapshots_tick(tf_snapshots_t *s, uint64_t now_ns, bool books_done) {
  if (s->away || now_ns < s->due_ns) return 0;
  if (s->cnt == 0) return books_done ? metadata_tick(s) : 0;
  uint32_t id = s->ids[s->head];
  s->head     = (s->head + 1) % s->cap;
  s->cnt--;
  tf_dial_t *d    = &s->dial;
  size_t     need = 0; /* a feed without REST snapshots has nobody to ask */
  if (s->feed->snapshot_target)
    need = s->feed->snapshot_target(s->feed_state, id, d->target, sizeof d->target);
  if (need == 0 || need >= sizeof d->target) {
    s->dropped_cnt++;
    return 1;
  }
  s->id       = id;
  d->kind     = TF_DIAL_GET;
  d->endpoint = s->endpoint;
  submit(s, "snapshot", false);
  s->asked_cnt++;
  return 1;
}

/* Full jitter as for connections, but each try waits at least the gap. */
static void retry(tf_snapshots_t *s, uint64_t now_ns, uint64_t hold_ns) {
  uint64_t bound = RETRY_BASE_NS;
  for (uint32_t i = 0; i < s->failure_cnt && bound < RETRY_BOUND_NS; i++) bound *= 2;
  uint64_t delay = tf_backoff_draw(bound, s->random.u32(s->random.self));
  if (delay < s->gap_ns) delay = s->gap_ns;
  if (delay < hold_ns) delay = hold_ns;
  s->due_ns = now_ns + delay;
  s->failure_cnt++;
  s->failed_cnt++;
  if (!s->is_metadata) {
    tf_snapshots_want(s, s->id);
  } else if (++s->metadata_failure_cnt == METADATA_TRIES) {
    s->metadata_on       = false;
    s->metadata_given_up = true;
  }
}

static void give_back(tf_snapshots_t *s) {
  if (!s->dial.body) return;
  s->dial.kind = TF_DIAL_RELEASE;
  s->away      = tf_dialer_submit(s->dialer, s->client, &s->dial);
  s->late      = true; /* nothing is awaited of it */
  TF_ASSERT(s->away);
}

bool tf_snapshots_returned(tf_snapshots_t *s, uint64_t now_ns, tf_frame_t *frame) {
  tf_dial_t *d = &s->dial;
  s->away      = false;
  if (d->kind == TF_DIAL_RELEASE) return false;
  if (s->late) {
    s->late_cnt++;
    s->due_ns = now_ns + s->gap_ns;
    give_back(s);
    return false;
  }
  if (d->err != TF_OK || d->body_cnt > UINT32_MAX) {
    bool     banned = d->http_status == 418 || d->http_status == 429;
    uint64_t hold   = d->retry_after_s != UINT32_MAX ? d->retry_after_s * TF_NS_PER_SEC
                      : banned                       ? BAN_NS
                                                     : 0;
    retry(s, now_ns, hold);
    give_back(s);
    return false;
  }
  *frame = (tf_frame_t){.bytes     = (const char *)d->body,
                        .bytes_cnt = (uint32_t)d->body_cnt,
                        .kind      = TF_FRAME_HTTP,
                        .target    = d->target};
  return true;
}

void tf_snapshots_settle(tf_snapshots_t *s, uint64_t now_ns, tf_verdict_t verdict) {
  if (verdict == TF_VERDICT_REJECTED) {
    retry(s, now_ns, 0);
  } else {
    s->taken_cnt += !s->is_metadata;
    s->metadata_idx += s->is_metadata;
    if (s->is_metadata && s->dial.body_cnt > s->metadata_bytes_max)
      s->metadata_bytes_max = (uint32_t)s->dial.body_cnt;
    s->failure_cnt = 0;
    s->due_ns      = now_ns + s->gap_ns;
  }
  give_back(s);
}
