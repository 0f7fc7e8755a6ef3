#include "live_routes.h"

#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"

#define TAPE_MESSAGE_EVENTS  65536u
#define TAPE_INSTRUMENTS_MAX 4096u /* that the connection does not have */

/* ---- a tape ---- */

static bool is_wanted(const tf_live_tape_route_t *t, const tf_event_t *e) {
  static const uint32_t channel_of[TF_EVENT_KIND_CNT] = {[TF_EVENT_TRADE]  = TF_CHANNEL_TRADE,
                                                         [TF_EVENT_QUOTE]  = TF_CHANNEL_QUOTE,
                                                         [TF_EVENT_BOOK]   = TF_CHANNEL_BOOK,
                                                         [TF_EVENT_TICKER] = TF_CHANNEL_TICKER,
                                                         [TF_EVENT_STATUS] = TF_CHANNEL_BOOK};
  if (e->kind >= TF_EVENT_KIND_CNT || !(channel_of[e->kind] & t->channels)) return false;
  for (uint32_t i = 0; i < t->instrument_cnt; i++)
    if (t->instruments[i] == e->instrument_id) return true;
  return false;
}

static void tape_publish(void *self, const tf_batch_t *batch) {
  tf_live_tape_route_t *t       = self;
  uint64_t              wall_ns = tf_clock_wall_ns();
  for (uint32_t i = 0; i < batch->event_cnt; i++) {
    tf_event_t e = batch->events[i];
    if (!is_wanted(t, &e)) continue;
    e.ts_recv_ns = wall_ns;
    e.flags |= TF_FLAG_BAD_TS;
    t->source.counts.messages++;
    t->source.counts.msgs_control++; /* as the capture's record of it is counted */
    t->source.counts.events[e.kind]++;
    t->source.newest_recv_ns = wall_ns;
    tf_batch_t one           = {&e, 1, batch->origin_tsc, batch->decoded_tsc};
    t->source.publisher.publish(t->source.publisher.self, &one);
  }
}

static int tape_poll(tf_source_t *source, uint64_t now_ns) {
  tf_live_tape_route_t *t = (tf_live_tape_route_t *)source;
  if (t->replay.stopped) return TF_SOURCE_DONE;
  if (t->is_resting || t->is_over || source->is_standby) return 0;
  int n = t->replay.source.ops->poll(&t->replay.source, now_ns);
  if (n >= 0) return n;
  t->is_over         = true;
  source->feed_state = TF_FEED_DOWN;
  tf_log(TF_LOG_WARN, "tape_over", "text=\"%s\"", n == TF_SOURCE_DONE ? "end" : tf_error_text());
  return 0;
}

static void tape_stop(tf_source_t *source) {
  tf_live_tape_route_t *t = (tf_live_tape_route_t *)source;
  t->replay.source.ops->stop(&t->replay.source);
}

/* It goes on where it rested, at its own pace. */
static void tape_rest(tf_source_t *source, bool rests) {
  tf_live_tape_route_t *t = (tf_live_tape_route_t *)source;
  if (t->is_resting == rests) return;
  t->is_resting = rests;
  if (rests)
    t->rest_ticks = tf_clock_ticks();
  else if (t->replay.started)
    t->replay.start_ticks += tf_clock_ticks() - t->rest_ticks;
  if (!rests && !t->is_over) source->connects++;
  source->feed_state = rests || t->is_over ? TF_FEED_DOWN : TF_FEED_LIVE;
}

static const tf_source_ops_t tape_ops = {.poll = tape_poll, .stop = tape_stop, .rest = tape_rest};

static tf_err_t tape_init(tf_live_tape_route_t *t, const char *path,
                          const tf_instruments_t *instruments) {
  t->table.cnt  = instruments->cnt;
  t->table.cap  = instruments->cnt + TAPE_INSTRUMENTS_MAX;
  t->table.rows = calloc(t->table.cap, sizeof *t->table.rows);
  if (!t->table.rows) return TF_ERR(E_CORE_NO_MEMORY, "for the instruments of the tape %s", path);
  memcpy(t->table.rows, instruments->rows, instruments->cnt * sizeof *instruments->rows);
  tf_replay_input_t  input  = {.path = path};
  tf_replay_config_t config = {.inputs      = &input,
                               .input_cnt   = 1,
                               .speed       = 1.0,
                               .event_cap   = TAPE_MESSAGE_EVENTS,
                               .instruments = &t->table};
  size_t             bytes  = tf_replay_footprint(&config);
  if (bytes == 0) return tf_error_code();
  t->memory = aligned_alloc(TF_LINE_BYTES, bytes);
  if (!t->memory) return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for the tape %s", bytes, path);
  tf_err_t err = tf_replay_init(&t->replay, &config, t->memory);
  if (err) return tf_error_add(err, "opening the tape %s", path);
  t->replay.source.publisher = (tf_publisher_t){t, tape_publish};
  t->source.ops              = &tape_ops;
  t->source.feed_state       = TF_FEED_DOWN;
  return TF_OK;
}

/* ---- a chain ---- */

static uint32_t id_of(const tf_instruments_t *table, const tf_feed_t *feed, const char *symbol) {
  char name[TF_SYMBOL_BYTES_MAX + 32];
  snprintf(name, sizeof name, "%s.%s", symbol, feed->suffix);
  for (uint32_t i = 0; i < table->cnt; i++)
    if (strcasecmp(table->rows[i].name, name) == 0) return i;
  return TF_ROUTE_NONE;
}

/* The ids that the row's feed gives to what stands in for each of the primary's symbols. */
static tf_err_t map_venue(tf_live_route_t *r, const tf_live_connection_t *primary,
                          const tf_live_connection_t *row, const tf_instruments_t *table,
                          uint32_t place) {
  uint32_t *theirs = r->theirs[place] = malloc(primary->symbol_cnt * sizeof *theirs);
  if (!theirs) return TF_ERR(E_CORE_NO_MEMORY, "for the routes of %s", primary->name);
  for (uint32_t i = 0; i < primary->symbol_cnt; i++) {
    theirs[i] = TF_ROUTE_NONE;
    for (uint32_t k = 0; k < row->symbol_cnt; k++)
      if (row->ours[k] == primary->symbols[i]) theirs[i] = id_of(table, row->feed, row->symbols[k]);
  }
  return TF_OK;
}

static tf_err_t add_tape(tf_live_route_t *r, const tf_config_fallback_t *f,
                         const tf_live_connection_t *primary, tf_engine_t *engine, uint32_t place) {
  tf_live_tape_route_t *t = r->tapes[place] = calloc(1, sizeof *t);
  if (!t) return TF_ERR(E_CORE_NO_MEMORY, "for the tape of %s", primary->name);
  t->instruments    = r->instruments;
  t->instrument_cnt = primary->symbol_cnt;
  t->channels       = primary->channels;
  char name[TF_METRICS_NAME_BYTES];
  snprintf(name, sizeof name, "%.28s~%u", primary->name, place);
  tf_err_t err = tape_init(t, f->tape, &engine->instruments);
  return err ? err : tf_engine_add_source(engine, &t->source, name);
}

static tf_err_t make_chain(tf_live_routes_t *routes, const tf_config_t *config,
                           const tf_live_plan_t *plan, uint32_t idx, tf_source_t *const *sources,
                           tf_engine_t *engine, tf_tap_t tap) {
  const tf_live_connection_t *primary = &plan->rows[idx];
  const tf_config_feed_t     *f       = &config->feeds[primary->feed_idx];
  tf_fallback_route_t         chain[TF_FALLBACK_ROUTES_MAX];
  uint32_t                    cnt = 0;
  tf_live_route_t            *r = routes->rows[idx] = calloc(1, sizeof *r);
  if (r) r->instruments = malloc(primary->symbol_cnt * sizeof *r->instruments);
  if (!r || !r->instruments) return TF_ERR(E_CORE_NO_MEMORY, "for the routes of %s", primary->name);
  for (uint32_t i = 0; i < primary->symbol_cnt; i++)
    r->instruments[i] = id_of(&engine->instruments, primary->feed, primary->symbols[i]);
  chain[cnt++] = (tf_fallback_route_t){.source = sources[idx], .source_idx = idx};
  for (uint32_t k = 0; k < f->fallback_cnt; k++) {
    tf_err_t err = TF_OK;
    if (f->fallbacks[k].tape) {
      err = add_tape(r, &f->fallbacks[k], primary, engine, cnt);
      if (err) return err;
      chain[cnt] = (tf_fallback_route_t){
          .source = &r->tapes[cnt]->source, .kind = TF_ROUTE_TAPE, .source_idx = TF_ROUTE_NONE};
      cnt++;
      continue;
    }
    for (uint32_t i = 0; i < plan->cnt; i++) {
      const tf_live_connection_t *row = &plan->rows[i];
      if (row->kind == TF_ROUTE_PRIMARY || row->primary_idx != idx || row->fallback_idx != k)
        continue;
      if (row->kind == TF_ROUTE_VENUE) err = map_venue(r, primary, row, &engine->instruments, cnt);
      if (err) return err;
      chain[cnt] = (tf_fallback_route_t){
          .source = sources[i], .kind = row->kind, .source_idx = i, .theirs = r->theirs[cnt]};
      cnt++;
    }
  }
  tf_fallback_config_t c   = {.name           = primary->name,
                              .routes         = chain,
                              .route_cnt      = cnt,
                              .instruments    = r->instruments,
                              .instrument_cnt = primary->symbol_cnt,
                              .instrument_cap = engine->instruments.cap,
                              .has_books      = primary->channels & TF_CHANNEL_BOOK,
                              .after_ns       = f->fallback_after_ns,
                              .back_ns        = f->fallback_back_ns,
                              .events_cap     = config->engine.message_levels_max,
                              .tap            = tap};
  tf_err_t             err = tf_fallback_init(&r->chain, &c, &routes->arena);
  return err ? err : tf_acquire_add(&engine->runner.acquire, &r->chain.source);
}

static size_t arena_bytes(const tf_config_t *config, const tf_live_plan_t *plan,
                          const tf_engine_t *engine) {
  tf_fallback_config_t most  = {.route_cnt      = TF_FALLBACK_ROUTES_MAX,
                                .instrument_cap = engine->instruments.cap,
                                .events_cap     = config->engine.message_levels_max};
  size_t               bytes = 1 << 16;
  for (uint32_t i = 0; i < plan->cnt; i++)
    if (plan->rows[i].kind == TF_ROUTE_PRIMARY &&
        config->feeds[plan->rows[i].feed_idx].fallback_cnt > 0)
      bytes += tf_fallback_arena_bytes(&most);
  return bytes;
}

tf_err_t tf_live_routes_start(tf_live_routes_t *routes, const tf_config_t *config,
                              const tf_live_plan_t *plan, tf_source_t *const *sources,
                              tf_engine_t *engine, tf_tap_t tap) {
  tf_err_t err = tf_arena_init(&routes->arena, "routes", arena_bytes(config, plan, engine));
  for (uint32_t i = 0; i < plan->cnt && !err; i++)
    if (plan->rows[i].kind == TF_ROUTE_PRIMARY &&
        config->feeds[plan->rows[i].feed_idx].fallback_cnt > 0)
      err = make_chain(routes, config, plan, i, sources, engine, tap);
  return err;
}

void tf_live_routes_stop(tf_live_routes_t *routes) {
  for (uint32_t i = 0; i < TF_LIVE_CONNECTIONS_MAX; i++) {
    tf_live_route_t *r = routes->rows[i];
    for (uint32_t k = 0; r && k < TF_FALLBACK_ROUTES_MAX; k++) {
      free(r->theirs[k]);
      if (!r->tapes[k]) continue;
      tf_replay_fini(&r->tapes[k]->replay);
      free(r->tapes[k]->memory);
      free(r->tapes[k]->table.rows);
      free(r->tapes[k]);
    }
    if (r) free(r->instruments);
    free(r);
    routes->rows[i] = NULL;
  }
  tf_arena_fini(&routes->arena);
}
