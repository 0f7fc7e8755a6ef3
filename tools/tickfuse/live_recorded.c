#include "live_recorded.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "tf/route.h"

#define MESSAGE_EVENTS_MAX 65536u
#define INSTRUMENTS_MAX    4096u /* of a recording */
#define NAMES_SHOWN_BYTES  200
#define LOOP_NS_MIN        TF_NS_PER_SEC

/* ---- whose is it ---- */

static uint32_t ours_of(const tf_live_recorded_t *r, const char *name) {
  for (uint32_t i = 0; i < r->wanted_cnt; i++)
    if (strcmp(r->config.instruments->rows[r->wanted[i]].name, name) == 0) return r->wanted[i];
  return TF_ROUTE_NONE;
}

/* Rows that came since the last look. */
static void look_up(tf_live_recorded_t *r) {
  uint32_t cnt = tf_load_relaxed_u32(&r->table.cnt); /* relaxed: this thread is the only writer */
  for (; r->known_cnt < cnt; r->known_cnt++)
    r->ours[r->known_cnt] = ours_of(r, r->table.rows[r->known_cnt].name);
}

/* ---- what it brings ---- */

static bool is_of_channels(uint8_t kind, uint32_t channels) {
  static const uint32_t channel_of[TF_EVENT_KIND_CNT] = {[TF_EVENT_TRADE]  = TF_CHANNEL_TRADE,
                                                         [TF_EVENT_QUOTE]  = TF_CHANNEL_QUOTE,
                                                         [TF_EVENT_BOOK]   = TF_CHANNEL_BOOK,
                                                         [TF_EVENT_TICKER] = TF_CHANNEL_TICKER,
                                                         [TF_EVENT_STATUS] = TF_CHANNEL_BOOK};
  return kind < TF_EVENT_KIND_CNT && (channel_of[kind] & channels) != 0;
}

static void publish_one(tf_live_recorded_t *r, tf_event_t *e, uint64_t origin_tsc,
                        uint64_t decoded_tsc) {
  tf_batch_t one = {e, 1, origin_tsc, decoded_tsc};
  r->source.counts.messages++;
  r->source.counts.msgs_control++; /* as the capture's record of it is counted */
  r->source.counts.events[e->kind]++;
  r->source.newest_recv_ns = e->ts_recv_ns;
  r->source.publisher.publish(r->source.publisher.self, &one);
}

static void on_batch(void *self, const tf_batch_t *batch) {
  tf_live_recorded_t *r       = self;
  uint64_t            wall_ns = tf_clock_wall_ns();
  look_up(r);
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    tf_event_t e = batch->events[i];
    if (!is_of_channels(e.kind, r->config.channels) || e.instrument_id >= r->known_cnt) continue;
    e.instrument_id = r->ours[e.instrument_id];
    if (e.instrument_id == TF_ROUTE_NONE) continue;
    e.ts_recv_ns = wall_ns;
    e.flags |= TF_FLAG_BAD_TS;
    r->published_cnt++;
    publish_one(r, &e, batch->origin_tsc, batch->decoded_tsc);
  }
}

/* ---- beginning and end ---- */

static void be_over(tf_live_recorded_t *r, const char *why) {
  r->is_over           = true;
  r->source.feed_state = TF_FEED_DOWN;
  tf_log(TF_LOG_WARN, "recording_over", "path=%s text=\"%s\"", r->config.path, why);
}

static bool begin_anew(tf_live_recorded_t *r) {
  r->published_cnt = 0;
  r->is_over       = false;
  r->begun_ns      = tf_clock_monotonic_ns();
  if (tf_replay_rewind(&r->replay) == TF_OK) return true;
  be_over(r, tf_error_text());
  return false;
}

/* Its books so far are not those that it will begin with. */
static void say_syncing(tf_live_recorded_t *r) {
  uint64_t now_tsc = tf_clock_ticks();
  for (uint32_t i = 0; i < r->wanted_cnt && (r->config.channels & TF_CHANNEL_BOOK); i++) {
    tf_event_t e = {.ts_recv_ns    = tf_clock_wall_ns(),
                    .instrument_id = r->wanted[i],
                    .kind          = TF_EVENT_STATUS,
                    .flags         = TF_FLAG_LAST,
                    .u.status      = {.book_state = TF_BOOK_SYNCING}};
    publish_one(r, &e, now_tsc, now_tsc);
  }
}

static int recorded_poll(tf_source_t *source, uint64_t now_ns) {
  tf_live_recorded_t *r = (tf_live_recorded_t *)source;
  if (r->replay.stopped) return TF_SOURCE_DONE;
  if (r->is_resting || r->is_over || source->is_standby) return 0;
  int n = r->replay.source.ops->poll(&r->replay.source, now_ns);
  if (n >= 0) return n;
  if (n != TF_SOURCE_DONE)
    be_over(r, tf_error_text());
  else if (!r->config.loops)
    be_over(r, "end");
  else if (r->published_cnt == 0) /* it would be read again and again, as fast as it goes */
    be_over(r, "end; nothing of this feed was in it");
  else if (tf_clock_monotonic_ns() - r->begun_ns < LOOP_NS_MIN)
    return 0;
  else if (begin_anew(r))
    say_syncing(r);
  return 1;
}

static void recorded_stop(tf_source_t *source) {
  tf_live_recorded_t *r = (tf_live_recorded_t *)source;
  r->replay.source.ops->stop(&r->replay.source);
}

static void recorded_rest(tf_source_t *source, bool rests) {
  tf_live_recorded_t *r = (tf_live_recorded_t *)source;
  if (r->is_resting == rests) return;
  r->is_resting      = rests;
  source->feed_state = TF_FEED_DOWN;
  if (rests || !begin_anew(r)) return;
  source->connects++;
  source->feed_state = TF_FEED_LIVE;
}

/* An instrument that the feed was subscribed to while it runs. */
static void recorded_command(tf_source_t *source, const tf_source_command_t *command,
                             tf_source_reply_t *reply) {
  tf_live_recorded_t     *r     = (tf_live_recorded_t *)source;
  const tf_instruments_t *table = r->config.instruments;
  char                    name[TF_INSTRUMENT_NAME_BYTES];
  memset(reply, 0, sizeof *reply);
  reply->instrument_id = TF_ROUTE_NONE;
  reply->next          = UINT32_MAX;
  if (command->kind != TF_SOURCE_SUBSCRIBE || r->wanted_cnt == r->config.wanted_max) return;
  snprintf(name, sizeof name, "%s.%s", command->symbol, r->config.suffix);
  uint32_t cnt = tf_load_relaxed_u32(&table->cnt); /* relaxed: this thread is the only writer */
  for (uint32_t id = 0; id < cnt; id++) {
    if (strcasecmp(table->rows[id].name, name) != 0) continue;
    reply->instrument_id = id;
    if (ours_of(r, table->rows[id].name) == id) return;
    r->wanted[r->wanted_cnt++] = id;
    r->known_cnt               = 0; /* all rows are looked up again */
    return;
  }
}

static const tf_source_ops_t recorded_ops = {.poll    = recorded_poll,
                                             .stop    = recorded_stop,
                                             .command = recorded_command,
                                             .rest    = recorded_rest};

/* ---- lifetime ---- */

static tf_err_t memory_init(tf_live_recorded_t *r) {
  const tf_live_recorded_config_t *c = &r->config;

  r->table.cap  = INSTRUMENTS_MAX;
  r->table.rows = calloc(r->table.cap, sizeof *r->table.rows);
  r->ours       = calloc(r->table.cap, sizeof *r->ours);
  r->wanted     = calloc(c->wanted_max + 1, sizeof *r->wanted);
  if (!r->table.rows || !r->ours || !r->wanted)
    return TF_ERR(E_CORE_NO_MEMORY, "for the instruments of %s", c->path);
  memcpy(r->wanted, c->wanted, c->wanted_cnt * sizeof *r->wanted);
  r->wanted_cnt = c->wanted_cnt;
  return TF_OK;
}

static tf_err_t replay_init(tf_live_recorded_t *r) {
  const tf_live_recorded_config_t *c     = &r->config;
  tf_replay_input_t                input = {.path = c->path};
  if (c->is_capture) {
    tf_err_t err = tf_inputs_resolve(&r->inputs, &r->table, NULL, NULL, &r->config.path, 1);
    if (err) return err;
    input = r->inputs.rows[0];
    if (input.feed_cnt == 0) return TF_ERR(E_FILE_FORMAT, "%s: is no capture", c->path);
  }
  tf_replay_config_t config = {.inputs      = &input,
                               .input_cnt   = 1,
                               .speed       = c->speed,
                               .event_cap   = MESSAGE_EVENTS_MAX,
                               .instruments = &r->table};
  size_t             bytes  = tf_replay_footprint(&config);
  if (bytes == 0) return tf_error_code();
  r->memory = aligned_alloc(TF_LINE_BYTES, bytes);
  if (!r->memory) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for %s", bytes, c->path);
  return tf_replay_init(&r->replay, &config, r->memory);
}

static tf_err_t check_instruments(const tf_live_recorded_t *r) {
  char   names[NAMES_SHOWN_BYTES] = "";
  size_t used                     = 0;
  for (uint32_t i = 0; i < r->known_cnt; i++)
    if (r->ours[i] != TF_ROUTE_NONE) return TF_OK;
  for (uint32_t i = 0; i < r->known_cnt && used < sizeof names; i++)
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                             r->table.rows[i].name);
  return TF_ERR(E_BOOT_INPUT, "%s: wanted is %s or another of the feed's; it has %s",
                r->config.path, r->config.instruments->rows[r->wanted[0]].name,
                used ? names : "none at all");
}

tf_err_t tf_live_recorded_init(tf_live_recorded_t *r, const tf_live_recorded_config_t *config) {
  TF_ASSERT(config->wanted_cnt > 0 && config->wanted_cnt <= config->wanted_max);
  r->config    = *config;
  tf_err_t err = memory_init(r);
  if (!err) err = replay_init(r);
  if (err) return tf_error_add(err, "opening %s to stand in", config->path);
  look_up(r);
  r->replay.source.publisher = (tf_publisher_t){r, on_batch};
  r->source.ops              = &recorded_ops;
  r->source.feed_state       = TF_FEED_DOWN;
  return check_instruments(r);
}

void tf_live_recorded_fini(tf_live_recorded_t *r) {
  tf_replay_fini(&r->replay);
  tf_inputs_fini(&r->inputs);
  free(r->memory);
  free(r->table.rows);
  free(r->ours);
  free(r->wanted);
}
