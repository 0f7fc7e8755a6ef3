#include "source/source.h"

#include "core/clock.h"
#include "core/error.h"
#include "feed/legs.h"

#define LOOK_NS (10 * TF_NS_PER_MS) /* at the intake's state */

typedef struct inbox_source {
  tf_source_t              source; /* first */
  tf_inbox_source_config_t config;
  tf_feed_out_t            out;
  tf_legs_t                legs;
  uint64_t                 origin_ticks; /* of the message that is being decoded */
  uint64_t                 look_due_ns;
  bool                     is_stopped;
} inbox_source_t;

/* What the decoder made of a message. Nobody can be asked for anything. */
static void on_out(void *self, uint32_t leg, tf_feed_out_t *out) {
  inbox_source_t *s = self;
  (void)leg;
  if (out->event_cnt > 0) {
    const tf_event_t *newest  = &out->events[out->event_cnt - 1];
    const tf_batch_t  batch   = {.events      = out->events,
                                 .event_cnt   = out->event_cnt,
                                 .origin_tsc  = s->origin_ticks,
                                 .decoded_tsc = tf_clock_ticks()};
    s->source.newest_recv_ns  = newest->ts_recv_ns;
    s->source.newest_event_ns = newest->ts_event_ns;
    s->source.publisher.publish(s->source.publisher.self, &batch);
  }
  out->event_cnt = out->resync_cnt = out->answer_cnt = out->reply_bytes_cnt = 0;
  out->reconnect = out->leaving = false;
}

static void take(inbox_source_t *s, const tf_inbox_message_t *m) {
  const tf_inbox_source_config_t *c     = &s->config;
  const tf_frame_t                frame = {.bytes     = m->bytes,
                                           .bytes_cnt = m->bytes_cnt,
                                           .kind      = (uint8_t)m->kind,
                                           .recv_ns   = m->recv_ns,
                                           .target    = m->target};
  if (c->tap.on_record)
    c->tap.on_record(c->tap.self, &(tf_tap_record_t){.recv_ns    = m->recv_ns,
                                                     .source_idx = c->tap_source_idx,
                                                     .kind       = TF_TAP_FRAME,
                                                     .frame_kind = (uint8_t)m->kind,
                                                     .bytes_cnt  = m->bytes_cnt,
                                                     .bytes      = m->bytes,
                                                     .target     = m->target});
  s->origin_ticks = tf_clock_ticks_of_wall(m->recv_ns);
  /* relaxed: one writer; a reader wants each word untorn, and sums at quiescence only */
  tf_store_relaxed(&s->source.bytes_framed, s->source.bytes_framed + m->bytes_cnt);
  tf_store_relaxed(&s->source.bytes_rx, s->source.bytes_rx + m->bytes_cnt); /* relaxed: as above */
  tf_legs_frame(&s->legs, 0, &frame);
  tf_store_relaxed(&s->source.position, m->position); /* relaxed: a word by itself */
}

static void look_at_intake(inbox_source_t *s, uint64_t now_ns) {
  tf_intake_counts_t counts = {.is_up = 1};
  s->look_due_ns            = now_ns + LOOK_NS;
  if (s->config.intake) s->config.intake->counts(s->config.intake_state, &counts);
  s->source.connects    = counts.connects;
  s->source.disconnects = counts.disconnects;
  s->source.feed_state  = counts.is_up ? TF_FEED_LIVE : TF_FEED_CONNECTING;
}

static int inbox_source_poll(tf_source_t *source, uint64_t now_ns) {
  inbox_source_t    *s = (inbox_source_t *)source;
  tf_inbox_message_t message;
  uint32_t           cnt = 0;
  if (TF_UNLIKELY(s->is_stopped)) return TF_SOURCE_DONE;
  if (TF_UNLIKELY(now_ns >= s->look_due_ns)) look_at_intake(s, now_ns);
  while (cnt < TF_INBOX_SOURCE_MESSAGES_PER_POLL && tf_inbox_peek(s->config.inbox, &message)) {
    take(s, &message);
    tf_inbox_drop(s->config.inbox);
    cnt++;
  }
  if (cnt == TF_INBOX_SOURCE_MESSAGES_PER_POLL) tf_inbox_leave(s->config.inbox);
  return (int)cnt;
}

static void inbox_source_stop(tf_source_t *source) {
  inbox_source_t *s  = (inbox_source_t *)source;
  s->is_stopped      = true;
  source->feed_state = TF_FEED_DOWN;
}

static const tf_source_ops_t ops = {.poll = inbox_source_poll, .stop = inbox_source_stop};

static tf_legs_config_t legs_config(const tf_inbox_source_config_t *config) {
  return (tf_legs_config_t){
      .feed = config->feed, .feed_config = &config->feed_config, .leg_cnt = 1};
}

size_t tf_inbox_source_arena_bytes(const tf_inbox_source_config_t *config) {
  const tf_legs_config_t legs = legs_config(config);
  return sizeof(inbox_source_t) + (size_t)config->events_cap * sizeof(tf_event_t) +
         tf_legs_footprint(&legs) + 3 * TF_LINE_PAIR_BYTES;
}

tf_err_t tf_inbox_source_init(const tf_inbox_source_config_t *config, tf_arena_t *arena,
                              tf_source_t **source) {
  inbox_source_t *s = tf_arena_take(arena, sizeof *s, TF_LINE_PAIR_BYTES);
  if (!s) return E_CORE_NO_MEMORY;
  s->config                    = *config;
  s->source.ops                = &ops;
  s->source.feed_state         = TF_FEED_CONNECTING;
  s->out.event_cap             = config->events_cap;
  s->out.counts                = &s->source.counts;
  const tf_legs_config_t  legs = legs_config(&s->config);
  const tf_legs_handler_t to   = {.self = s, .on_out = on_out};
  s->out.events =
      tf_arena_take(arena, (size_t)config->events_cap * sizeof(tf_event_t), TF_LINE_PAIR_BYTES);
  void *memory = tf_arena_take(arena, tf_legs_footprint(&legs), TF_LINE_PAIR_BYTES);
  if (!s->out.events || !memory) return E_CORE_NO_MEMORY;
  tf_err_t err = tf_legs_init(&s->legs, &legs, &s->out, &to, memory);
  if (err) return err;
  *source = &s->source;
  return TF_OK;
}
