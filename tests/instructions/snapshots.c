#include "snapshots.h"

#include <sched.h>
#include <valgrind/callgrind.h>

#include "boot/snapshot_live.h"
#include "core/error.h"
#include "registry.h"

#define EVENTS      4096u
#define UNDER_WAY   (2 * TF_SNAPSHOT_EVENTS_BUSY) /* each of the second half brings a piece along */
#define INSTRUMENTS 256u                          /* more than those copy */
#define LEVELS      10u

static tf_engine_t engine;

static tf_err_t keep_none(void *self, const char *name, const tf_snapshot_mark_t *mark,
                          const void *bytes, size_t bytes_cnt) {
  (void)self, (void)name, (void)mark, (void)bytes, (void)bytes_cnt;
  return TF_OK;
}

static tf_err_t begin(tf_source_t *source) {
  static const tf_source_ops_t    no_ops;
  const char                     *sets[]  = {"sinks.0.type=\"null\"", "sinks.0.policy=auto",
                                             "engine.instruments_max=256", "engine.book_levels_max=64"};
  const tf_engine_options_t       options = {.is_replay = true};
  const tf_snapshot_live_config_t to      = {.store = {.put = keep_none}, .name = "none"};
  tf_config_t                    *config;
  if (tickfuse_load_config("bench/path.yaml", sets, TF_ARRAY_CNT(sets), &config) != 0)
    return E_CONFIG_VALUE;
  *source      = (tf_source_t){.ops = &no_ops};
  tf_err_t err = tf_engine_init(&engine, config, tickfuse_registry(), &options);
  if (!err) err = tf_engine_add_source(&engine, source, "made");
  if (!err) err = tf_snapshot_live_start(&engine, &to, &engine.snapshots);
  engine.instruments.cnt = INSTRUMENTS;
  return err;
}

static void publish(tf_source_t *source, tf_event_t *events, uint32_t cnt) {
  const tf_batch_t batch = {.events = events, .event_cnt = cnt};
  source->publisher.publish(source->publisher.self, &batch);
}

static void publish_book(tf_source_t *source, uint32_t id) {
  tf_event_t events[2 * LEVELS + 1];
  for (uint32_t i = 0; i <= 2 * LEVELS; i++) {
    events[i]                   = (tf_event_t){.ts_recv_ns    = 1000000 + id,
                                               .instrument_id = id,
                                               .kind          = TF_EVENT_BOOK,
                                               .flags     = (uint8_t)(TF_FLAG_SNAPSHOT | (i & 1 ? TF_FLAG_SIDE : 0)),
                                               .price_exp = -2,
                                               .qty_exp   = -3};
    events[i].u.level.price     = i & 1 ? 1000 + (int64_t)i : 1000 - (int64_t)i;
    events[i].u.level.qty       = 7;
    events[i].u.level.venue_seq = 1;
    events[i].u.level.level_idx = i;
    events[i].u.level.level_cnt = 2 * LEVELS;
  }
  events[2 * LEVELS].kind                = TF_EVENT_STATUS;
  events[2 * LEVELS].flags               = TF_FLAG_LAST;
  events[2 * LEVELS].u.word[0]           = 0;
  events[2 * LEVELS].u.status.book_state = TF_BOOK_OK;
  events[2 * LEVELS].u.status.apply_from = 2;
  publish(source, events, 2 * LEVELS + 1);
}

/* Acquire's part is saved; the lane's comes with the next event or pass. */
static void arm(void) {
  tf_source_t *aid = engine.runner.acquire.sources[1];
  (void)tf_snapshot_live_request(engine.snapshots);
  while (aid->ops->poll(aid, 0) == 0) sched_yield();
}

/* A command of a version to come: the lane counts it, and passes it over. */
static void give_events(uint64_t cnt) {
  static tf_event_t events[EVENTS];
  for (uint64_t i = 0; i < cnt; i++)
    events[i] = (tf_event_t){.kind       = TF_EVENT_CONTROL,
                             .ingest_seq = UINT64_MAX / 2,
                             .u          = {.control = {.command = UINT64_MAX}}};
  CALLGRIND_TOGGLE_COLLECT;
  tf_lane_on_events(&engine.runner.lane, events, (uint32_t)cnt, 0, 0);
  CALLGRIND_TOGGLE_COLLECT;
}

static uint64_t copy_all(void) {
  const tf_lane_onlooker_t *o   = &engine.runner.lane.onlooker;
  uint64_t                  cnt = INSTRUMENTS;
  CALLGRIND_TOGGLE_COLLECT;
  while (o->idle(o->self)) continue;
  CALLGRIND_TOGGLE_COLLECT;
  return cnt;
}

uint64_t snapshots_run(snapshots_case_t what) {
  tf_source_t source;
  uint64_t    cnt = EVENTS;
  if (begin(&source)) return 0;
  for (uint32_t id = 0; id < INSTRUMENTS; id++) publish_book(&source, id);
  if (what != SNAPSHOTS_NONE) arm();
  if (what == SNAPSHOTS_COPY) {
    cnt = copy_all();
  } else {
    if (what == SNAPSHOTS_UNDER_WAY) {
      publish_book(&source, 0); /* it begins */
      cnt = UNDER_WAY;
    }
    give_events(cnt);
  }
  tf_snapshot_live_stop(engine.snapshots);
  tf_engine_fini(&engine);
  return cnt;
}
