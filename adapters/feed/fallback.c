#include "feed/fallback.h"

#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"

static const char *const kind_names[] = {"primary", "endpoint", "venue", "tape"};
TF_STATIC_ASSERT(TF_ARRAY_CNT(kind_names) == TF_ROUTE_KIND_CNT, "a name each");

/* ---- what passes ---- */

static void tap_event(tf_fallback_t *c, const tf_event_t *e) {
  if (c->config.tap.on_record == NULL) return;
  c->config.tap.on_record(c->config.tap.self, &(tf_tap_record_t){.recv_ns    = e->ts_recv_ns,
                                                                 .source_idx = UINT32_MAX,
                                                                 .kind       = TF_TAP_CONTROL,
                                                                 .bytes_cnt  = sizeof *e,
                                                                 .bytes      = (const char *)e});
}

static void route_publish(void *self, const tf_batch_t *batch) {
  tf_fallback_route_t *r = self;
  tf_fallback_t       *c = r->chain;
  if (!r->filter.is_silent && !r->filter.is_mapped && r->kind != TF_ROUTE_TAPE) {
    r->target.publish(r->target.self, batch); /* the usual case: nothing to change */
    return;
  }
  TF_ASSERT(batch->event_cnt <= c->config.events_cap);
  tf_batch_t passed = *batch;
  passed.events     = c->events;
  passed.event_cnt  = tf_route_pass(&r->filter, batch->events, batch->event_cnt, c->events);
  r->source->held_events += batch->event_cnt - passed.event_cnt;
  for (uint32_t i = 0; r->kind == TF_ROUTE_TAPE && i < passed.event_cnt; i++)
    tap_event(c, &c->events[i]);
  if (passed.event_cnt > 0) r->target.publish(r->target.self, &passed);
}

/* An event of the chain's own. */
static void tell(tf_fallback_t *c, tf_event_t *e) {
  tap_event(c, e);
  c->source.counts.messages++;
  c->source.counts.msgs_control++;
  c->source.counts.events[e->kind]++;
  tf_batch_t batch = {
      .events = e, .event_cnt = 1, .origin_tsc = tf_clock_ticks(), .decoded_tsc = tf_clock_ticks()};
  c->source.publisher.publish(c->source.publisher.self, &batch);
}

/* ---- who serves ---- */

static void rest(tf_fallback_route_t *r, bool rests) {
  r->is_called          = !rests;
  r->takes_place_back   = false;
  r->good_since_ns      = 0;
  r->connects_before    = r->source->connects;
  r->source->is_standby = rests || r->chain->serving != (uint32_t)(r - r->chain->routes);
  r->source->ops->rest(r->source, rests);
}

/* A source that does not serve publishes nothing from here on. */
static void silence(tf_fallback_t *c, tf_fallback_route_t *off, uint64_t wall_ns) {
  off->filter.is_silent = true;
  if (off->source_idx == TF_ROUTE_NONE) return;
  tf_event_t e =
      tf_route_event(wall_ns, TF_ROUTE_NONE, 0, TF_ROUTE_NONE, off->source_idx, TF_ROUTE_NONE);
  tell(c, &e);
}

/* Of our i-th instrument: by which route it comes from here on, and that its book begins anew. */
static void tell_route(tf_fallback_t *c, uint32_t place, uint32_t i, uint64_t wall_ns) {
  const tf_fallback_route_t *on     = &c->routes[place];
  uint32_t                   ours   = c->instruments[i];
  uint32_t                   theirs = on->theirs_now ? on->theirs_now[i] : TF_ROUTE_NONE;
  tf_event_t e = tf_route_event(wall_ns, ours, tf_route_byte(on->kind, place), on->source_idx,
                                TF_ROUTE_NONE, theirs);
  tell(c, &e);
  if (!c->config.has_books) return;
  e = (tf_event_t){.ts_recv_ns    = wall_ns,
                   .instrument_id = ours,
                   .kind          = TF_EVENT_STATUS,
                   .flags         = TF_FLAG_LAST,
                   .u.status      = {.book_state = TF_BOOK_SYNCING}};
  tell(c, &e);
}

static void serve(tf_fallback_t *c, uint32_t place) {
  tf_fallback_route_t *on = &c->routes[place], *off = &c->routes[c->serving];
  uint64_t             wall_ns = tf_clock_wall_ns();
  silence(c, off, wall_ns);
  on->filter.is_silent = false;
  for (uint32_t i = 0; i < c->instrument_cnt; i++) tell_route(c, place, i, wall_ns);
  c->serving       = place;
  c->down_since_ns = 0;
  c->switch_cnt++;
  on->source->is_standby = false;
  on->takes_place_back   = false;
  for (uint32_t i = 0; i < c->config.route_cnt; i++) c->routes[i].source->is_standby = i != place;
  for (uint32_t i = place + 1; i < c->config.route_cnt; i++)
    if (c->routes[i].is_called) rest(&c->routes[i], true);
  tf_log(TF_LOG_WARN, "route_switched", "connection=%s route=%u kind=%s", c->config.name, place,
         kind_names[on->kind]);
}

static bool is_good(const tf_source_t *s) {
  return s->feed_state == TF_FEED_LIVE || s->feed_state == TF_FEED_RESYNC;
}

/* Not in order: a connection that stands and brings nothing is no better than none. */
static bool is_down(const tf_source_t *s) {
  return s->feed_state == TF_FEED_DOWN || s->feed_state == TF_FEED_CONNECTING ||
         s->feed_state == TF_FEED_SYNCING;
}

/* A route that was called and has connected: it serves if it was called to, or if nobody does. */
static bool take_what_came(tf_fallback_t *c) {
  for (uint32_t i = 0; i < c->config.route_cnt; i++) {
    tf_fallback_route_t *r = &c->routes[i];
    if (i == c->serving || !r->is_called || r->source->connects == r->connects_before) continue;
    if (!r->takes_place_back && !(i > c->serving && c->down_since_ns != 0)) continue;
    serve(c, i);
    return true;
  }
  return false;
}

static void call_next(tf_fallback_t *c, uint64_t now_ns) {
  uint64_t since_ns = c->called_ns > c->down_since_ns ? c->called_ns : c->down_since_ns;
  if (now_ns - since_ns < c->config.after_ns) return;
  for (uint32_t i = c->serving + 1; i < c->config.route_cnt; i++) {
    if (c->routes[i].is_called) continue;
    c->called_ns = now_ns;
    rest(&c->routes[i], false);
    return;
  }
}

/* Better routes that are in order for long enough: the best of them is asked to connect anew. */
static void call_back(tf_fallback_t *c, uint64_t now_ns) {
  for (uint32_t i = 0; i < c->serving; i++) {
    tf_fallback_route_t *r = &c->routes[i];
    if (!r->is_called) rest(r, false);
    if (r->takes_place_back && now_ns - r->good_since_ns < c->config.after_ns) return;
    if (r->takes_place_back) /* it did not come back after all */
      r->takes_place_back = false, r->good_since_ns = 0;
    if (!is_good(r->source))
      r->good_since_ns = 0;
    else if (r->good_since_ns == 0)
      r->good_since_ns = now_ns;
    else if (now_ns - r->good_since_ns >= c->config.back_ns) {
      rest(r, true);
      rest(r, false);
      r->takes_place_back = true;
      r->good_since_ns    = now_ns;
      return;
    }
  }
}

/* The serving route is in order: what was called meanwhile is not needed. */
static void recovered(tf_fallback_t *c) {
  c->down_since_ns = 0;
  if (TF_LIKELY(c->called_ns == 0)) return;
  c->called_ns = 0;
  for (uint32_t i = c->serving + 1; i < c->config.route_cnt; i++)
    if (c->routes[i].is_called) rest(&c->routes[i], true);
}

static int fallback_poll(tf_source_t *source, uint64_t now_ns) {
  tf_fallback_t *c = (tf_fallback_t *)source;
  if (TF_UNLIKELY(c->is_stopping)) return TF_SOURCE_DONE;
  if (TF_UNLIKELY(!c->has_begun)) {
    c->has_begun = true;
    for (uint32_t i = 1; i < c->config.route_cnt; i++)
      silence(c, &c->routes[i], tf_clock_wall_ns());
  }
  const tf_source_t *serving = c->routes[c->serving].source;
  if (TF_LIKELY(is_good(serving)))
    recovered(c);
  else if (c->down_since_ns == 0 && is_down(serving))
    c->down_since_ns = now_ns;
  if (TF_LIKELY(c->serving == 0 && c->down_since_ns == 0)) return 0;
  if (take_what_came(c)) return 1;
  if (c->down_since_ns != 0) call_next(c, now_ns);
  if (c->serving > 0) call_back(c, now_ns);
  return 0;
}

static void fallback_stop(tf_source_t *source) { ((tf_fallback_t *)source)->is_stopping = true; }

/* ---- symbols that come later ---- */

/* What the route's venue calls our symbol; false: it has none. */
static bool their_symbol(const tf_fallback_route_t *r, const char *ours,
                         char theirs[TF_SYMBOL_BYTES_MAX]) {
  size_t cnt = strlen(ours);
  if (r->pairs == NULL) return snprintf(theirs, TF_SYMBOL_BYTES_MAX, "%s", ours) > 0;
  for (uint32_t i = 0; i < r->pair_cnt; i++)
    if (strncasecmp(r->pairs[i], ours, cnt) == 0 && r->pairs[i][cnt] == '=')
      return snprintf(theirs, TF_SYMBOL_BYTES_MAX, "%s", r->pairs[i] + cnt + 1) > 0;
  return false;
}

/* The feed's own connection took the command: the route takes it too. Returns its id; TF_ROUTE_NONE: none. */
static uint32_t pass_on(tf_fallback_t *c, tf_fallback_route_t *r,
                        const tf_source_command_t *command) {
  tf_source_command_t theirs = *command;
  tf_source_reply_t   reply;
  if (!their_symbol(r, command->symbol, theirs.symbol) || !r->source->ops->command)
    return TF_ROUTE_NONE;
  r->source->ops->command(r->source, &theirs, &reply);
  if (reply.err == TF_OK) return reply.instrument_id;
  tf_log(TF_LOG_WARN, "route_without", "connection=%s route=%u symbol=%s text=\"%s\"",
         c->config.name, (uint32_t)(r - c->routes), theirs.symbol, reply.text);
  return TF_ROUTE_NONE;
}

/* The place of an instrument among ours; instrument_cnt: it is new. */
static uint32_t place_of(const tf_fallback_t *c, uint32_t instrument_id) {
  uint32_t i = 0;
  while (i < c->instrument_cnt && c->instruments[i] != instrument_id) i++;
  return i;
}

static void subscribed(tf_fallback_t *c, const tf_source_command_t *command,
                       uint32_t instrument_id) {
  uint32_t place  = place_of(c, instrument_id);
  bool     is_new = place == c->instrument_cnt;
  TF_ASSERT(place < c->config.instrument_cap); /* as many as the engine's table has rows */
  c->instruments[place] = instrument_id;
  c->instrument_cnt += is_new;
  for (uint32_t i = 1; i < c->config.route_cnt; i++) {
    tf_fallback_route_t *r      = &c->routes[i];
    uint32_t             theirs = pass_on(c, r, command);
    if (!r->theirs_now) continue;
    r->theirs_now[place] = theirs;
    if (theirs != TF_ROUTE_NONE) tf_route_map(&r->filter, theirs, instrument_id);
  }
  if (is_new && c->serving != 0) tell_route(c, c->serving, place, tf_clock_wall_ns());
}

static void fallback_command(tf_source_t *source, const tf_source_command_t *command,
                             tf_source_reply_t *reply) {
  tf_fallback_t *c   = (tf_fallback_t *)source;
  tf_source_t   *own = c->routes[0].source;
  own->ops->command(own, command, reply);
  if (reply->err != TF_OK) return;
  if (command->kind == TF_SOURCE_SUBSCRIBE) subscribed(c, command, reply->instrument_id);
  if (command->kind != TF_SOURCE_UNSUBSCRIBE) return;
  for (uint32_t i = 1; i < c->config.route_cnt; i++) pass_on(c, &c->routes[i], command);
}

static const tf_source_ops_t fallback_ops = {
    .poll = fallback_poll, .stop = fallback_stop, .command = fallback_command};

/* ---- lifetime ---- */

size_t tf_fallback_arena_bytes(const tf_fallback_config_t *config) {
  return config->events_cap * sizeof(tf_event_t) +
         (2 * config->route_cnt + 1) * (config->instrument_cap * sizeof(uint32_t) + TF_LINE_BYTES) +
         2 * TF_LINE_PAIR_BYTES;
}

/* (instrument_cap) ids, of which cnt are known already. */
static uint32_t *take_ids(const tf_fallback_t *c, const uint32_t *ids, uint32_t cnt,
                          tf_arena_t *arena) {
  size_t    bytes = c->config.instrument_cap * sizeof *ids;
  uint32_t *taken = tf_arena_take(arena, bytes, TF_LINE_BYTES);
  if (!taken) return NULL;
  memset(taken, 0xFF, bytes); /* TF_ROUTE_NONE */
  for (uint32_t i = 0; i < cnt; i++) taken[i] = ids[i];
  return taken;
}

static tf_err_t route_init(tf_fallback_t *c, tf_fallback_route_t *r, tf_arena_t *arena) {
  r->chain     = c;
  r->is_called = r == c->routes;
  r->filter = (tf_route_filter_t){.is_silent = r != c->routes, .map_cap = c->config.instrument_cap};
  r->target = r->source->publisher;
  r->source->publisher = (tf_publisher_t){r, route_publish};
  if (r != c->routes) rest(r, true);
  if (r->theirs == NULL) return TF_OK;
  r->filter.map = take_ids(c, NULL, 0, arena);
  r->theirs_now = take_ids(c, r->theirs, c->instrument_cnt, arena);
  if (!r->filter.map || !r->theirs_now)
    return tf_error_add(E_CORE_ARENA_FULL, "making the routes of %s", c->config.name);
  r->filter.is_mapped = true;
  for (uint32_t i = 0; i < c->instrument_cnt; i++)
    if (r->theirs[i] != TF_ROUTE_NONE) tf_route_map(&r->filter, r->theirs[i], c->instruments[i]);
  return TF_OK;
}

tf_err_t tf_fallback_init(tf_fallback_t *c, const tf_fallback_config_t *config, tf_arena_t *arena) {
  TF_ASSERT(config->route_cnt >= 1 && config->route_cnt <= TF_FALLBACK_ROUTES_MAX);
  memset(c, 0, sizeof *c);
  c->config            = *config;
  c->source.ops        = &fallback_ops;
  c->source.feed_state = TF_FEED_LIVE;
  c->source.is_aid     = true;
  c->events = tf_arena_take(arena, config->events_cap * sizeof(tf_event_t), TF_LINE_PAIR_BYTES);
  c->instruments    = take_ids(c, config->instruments, config->instrument_cnt, arena);
  c->instrument_cnt = config->instrument_cnt;
  if (!c->events || !c->instruments)
    return tf_error_add(E_CORE_ARENA_FULL, "making the routes of %s", config->name);
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < config->route_cnt && err == TF_OK; i++) {
    c->routes[i] = config->routes[i];
    err          = route_init(c, &c->routes[i], arena);
  }
  c->routes[0].source->commanded_by = &c->source;
  return err;
}
