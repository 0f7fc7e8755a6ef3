#include "live_routes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/error.h"

#define SPEED_SCALE 1000.0 /* the config's thousandths */

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

static tf_err_t add_recorded(tf_live_route_t *r, const tf_config_feed_t *feed,
                             const tf_config_fallback_t *f, const tf_live_connection_t *primary,
                             tf_engine_t *engine, uint32_t place) {
  tf_live_recorded_t *t = r->recorded[place] = calloc(1, sizeof *t);
  if (!t) return TF_ERR(E_CORE_NO_MEMORY, "for what stands in for %s", primary->name);
  tf_live_recorded_config_t config = {.path        = f->tape ? f->tape : f->capture,
                                      .is_capture  = f->capture != NULL,
                                      .speed       = (double)f->speed / SPEED_SCALE,
                                      .loops       = f->at_end == TF_CONFIG_AT_END_LOOP,
                                      .instruments = &engine->instruments,
                                      .wanted      = r->instruments,
                                      .wanted_cnt  = primary->symbol_cnt,
                                      .wanted_max = primary->symbol_cnt + tf_config_feed_room(feed),
                                      .channels   = primary->channels,
                                      .suffix     = primary->feed->suffix};
  char                      name[TF_METRICS_NAME_BYTES];
  snprintf(name, sizeof name, "%.28s~%u", primary->name, place);
  tf_err_t err = tf_live_recorded_init(t, &config);
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
    if (f->fallbacks[k].tape || f->fallbacks[k].capture) {
      err = add_recorded(r, f, &f->fallbacks[k], primary, engine, cnt);
      if (err) return err;
      chain[cnt] = (tf_fallback_route_t){
          .source = &r->recorded[cnt]->source, .kind = TF_ROUTE_TAPE, .source_idx = TF_ROUTE_NONE};
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
      if (row->kind == TF_ROUTE_VENUE) {
        chain[cnt].pairs    = f->fallbacks[k].instruments.items;
        chain[cnt].pair_cnt = f->fallbacks[k].instruments.item_cnt;
      }
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
      if (r->recorded[k]) tf_live_recorded_fini(r->recorded[k]);
      free(r->recorded[k]);
    }
    if (r) free(r->instruments);
    free(r);
    routes->rows[i] = NULL;
  }
  tf_arena_fini(&routes->arena);
}
