#include "snapshot_rig.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"
#include "file/replay.h"
#include "inputs.h"
#include "registry.h"

#define DECISIONS_MAX (1u << 20)

rig_tape_t    rig_tape;
rig_decided_t rig_decided;
rig_store_t   rig_store;

/* ---- the tape ---- */

void rig_clear_tape(void) {
  rig_tape_t *t = &rig_tape;
  if (!t->events) {
    t->events           = malloc(RIG_EVENTS_MAX * sizeof *t->events);
    t->batches          = malloc(RIG_EVENTS_MAX * sizeof *t->batches);
    t->instruments.cap  = RIG_INSTRUMENTS_MAX;
    t->instruments.rows = malloc(RIG_INSTRUMENTS_MAX * sizeof *t->instruments.rows);
  }
  t->event_cnt = t->batch_cnt = t->instruments.cnt = 0;
  memset(t->instruments.rows, 0, RIG_INSTRUMENTS_MAX * sizeof *t->instruments.rows);
}

void rig_append(const tf_event_t *events, uint32_t event_cnt) {
  rig_tape_t *t = &rig_tape;
  if (t->event_cnt + event_cnt > RIG_EVENTS_MAX) return;
  memcpy(t->events + t->event_cnt, events, event_cnt * sizeof *t->events);
  t->batches[t->batch_cnt++] = (rig_batch_t){t->event_cnt, event_cnt};
  t->event_cnt += event_cnt;
}

static void append(void *self, const tf_batch_t *batch) {
  (void)self;
  rig_append(batch->events, batch->event_cnt);
}

void rig_decode(const char *const *inputs, uint32_t cnt) {
  static tf_inputs_t resolved;
  tf_replay_t        replay = {0};
  rig_clear_tape();
  memset(&resolved, 0, sizeof resolved);
  tf_replay_config_t config = {.inputs      = resolved.rows,
                               .input_cnt   = cnt,
                               .event_cap   = 65536,
                               .instruments = &rig_tape.instruments};
  if (tf_inputs_resolve(&resolved, &rig_tape.instruments, NULL, NULL, inputs, cnt))
    fail_msg("%s", tf_error_text());
  void *memory = aligned_alloc(64, tf_replay_footprint(&config));
  if (tf_replay_init(&replay, &config, memory)) fail_msg("%s", tf_error_text());
  replay.source.publisher = (tf_publisher_t){NULL, append};
  while (rig_tape.event_cnt < RIG_EVENTS_MAX - 65536 &&
         replay.source.ops->poll(&replay.source, 0) >= 0)
    continue;
  tf_replay_fini(&replay);
  tf_inputs_fini(&resolved);
  free(memory);
  assert_true(rig_tape.event_cnt > 0);
}

void rig_decode_made(void) {
  static const char *const MADE[] = {"binance-spot:tests/data/binance_spot_made.txt",
                                     "binance-usdm:tests/data/binance_usdm_made.txt"};
  rig_decode(MADE, 2);
}

/* ---- engines ---- */

static size_t   sink_bytes(const tf_sink_config_t *c) { return (void)c, sizeof(uint64_t); }
static tf_err_t sink_open(void *s, const tf_sink_config_t *c) { return (void)s, (void)c, TF_OK; }
static tf_err_t sink_flush(void *s, uint64_t now_ns) { return (void)s, (void)now_ns, TF_OK; }
static tf_err_t sink_close(void *s) { return (void)s, TF_OK; }
static int      sink_offer(void *state, const void *records, uint32_t n) {
       (void)state;
       const tf_decision_t *d = records;
       if (!rig_decided.lines) rig_decided.lines = malloc(DECISIONS_MAX * sizeof *rig_decided.lines);
  for (uint32_t i = 0; i < n; i++) {
         assert_true(rig_decided.cnt < DECISIONS_MAX);
         memcpy(rig_decided.lines[rig_decided.cnt++].bytes, &d[i], sizeof(rig_line_t));
  }
       return (int)n;
}

static const tf_sink_t kept = {.name        = "kept",
                               .policies    = TF_OVERFLOW_BIT(TF_OVERFLOW_BLOCK),
                               .policy      = TF_OVERFLOW_BLOCK,
                               .carries     = 1u << TF_CARRIES_DECISIONS,
                               .state_bytes = sink_bytes,
                               .open        = sink_open,
                               .offer       = sink_offer,
                               .flush       = sink_flush,
                               .close       = sink_close};

static const tf_source_ops_t no_ops;

void rig_load_config(const char *text, tf_config_t **config) {
  static tf_config_errors_t errors;
  if (tf_config_load_text("test", text, NULL, 0, NULL, &errors, config))
    fail_msg("%s", tf_error_text());
}

void rig_begin_engine(tf_engine_t *e, const tf_config_t *config, tf_source_t *source,
                      const rig_piece_t *from, const tf_snapshot_way_t *way) {
  static tf_registry_t          registry;
  static const tf_sink_t *const sinks[] = {&kept};
  registry                              = *tickfuse_registry();
  registry.sinks                        = sinks;
  registry.sink_cnt                     = 1;
  tf_engine_options_t options           = {.is_replay = true};
  if (tf_engine_init(e, config, &registry, &options)) fail_msg("%s", tf_error_text());
  *source = (tf_source_t){.ops = &no_ops};
  assert_int_equal(tf_engine_add_source(e, source, "tape"), TF_OK);
  if (!from || !from->snapshot) {
    assert_true(rig_tape.instruments.cnt <= e->instruments.cap);
    memcpy(e->instruments.rows, rig_tape.instruments.rows,
           rig_tape.instruments.cnt * sizeof *rig_tape.instruments.rows);
    e->instruments.cnt = rig_tape.instruments.cnt;
  } else if (tf_snapshot_restore(e, from->snapshot, from->bytes, way)) {
    fail_msg("%s", tf_error_text());
  }
}

void rig_give(tf_engine_t *e, tf_source_t *source, uint32_t from, uint32_t to) {
  static tf_event_t events[65536];
  for (uint32_t b = from; b < to; b++) {
    const rig_batch_t *row = &rig_tape.batches[b];
    memcpy(events, rig_tape.events + row->first, row->cnt * sizeof *events);
    tf_batch_t batch = {.events = events, .event_cnt = row->cnt, .origin_tsc = tf_clock_ticks()};
    source->position = b + 1;
    source->publisher.publish(source->publisher.self, &batch);
    if (e->runner.lane.batch) (void)tf_batch_settle(&e->runner.lane, b % 7 == 6);
  }
  if (e->runner.lane.batch) (void)tf_batch_settle(&e->runner.lane, true);
}

void rig_take(tf_engine_t *e, rig_piece_t *piece) {
  free(piece->snapshot);
  size_t room        = tf_snapshot_bytes_max(e);
  piece->snapshot    = malloc(room);
  piece->bytes       = tf_snapshot_take(e, piece->snapshot, room);
  piece->events_hash = e->runner.acquire.events_hash;
  piece->decisions_hash =
      tf_decide_hash(&e->runner.lane.decide, tf_load_acquire_u32(&e->instruments.cnt));
}

void rig_run_piece(const tf_config_t *config, uint32_t from, uint32_t to, rig_piece_t *piece) {
  static tf_engine_t engine;
  tf_source_t        source;
  rig_begin_engine(&engine, config, &source, piece, &(tf_snapshot_way_t){.is_exact = true});
  if (piece->snapshot)
    assert_int_equal(tf_snapshot_find_position(piece->snapshot, piece->bytes, "tape"), from);
  rig_give(&engine, &source, from, to);
  rig_take(&engine, piece);
  tf_engine_fini(&engine);
}

/* ---- a store ---- */

void rig_empty_store(void) {
  for (uint32_t i = 0; i < rig_store.cnt; i++) free(rig_store.pieces[i].snapshot);
  rig_store.cnt = rig_store.put_cnt = 0;
}

static tf_err_t store_put(void *self, const char *name, const tf_snapshot_mark_t *mark,
                          const void *bytes, size_t bytes_cnt) {
  (void)self;
  assert_string_equal(name, "kept");
  rig_store.put_cnt++;
  if (rig_store.refuses) return TF_ERR(E_FILE_WRITE, "the store is full");
  if (rig_store.cnt == RIG_KEPT_MAX) return TF_OK;
  rig_piece_t *p                           = &rig_store.pieces[rig_store.cnt];
  rig_store.decision_seqs[rig_store.cnt++] = mark->decision_seq;
  p->snapshot                              = malloc(bytes_cnt);
  p->bytes                                 = bytes_cnt;
  memcpy(p->snapshot, bytes, bytes_cnt);
  return TF_OK;
}

static tf_err_t store_get(void *self, const char *name, uint32_t back_cnt, void **bytes,
                          size_t *bytes_cnt) {
  (void)self, (void)name, (void)back_cnt, (void)bytes, (void)bytes_cnt;
  return E_BOOT_SNAPSHOT_NONE;
}

tf_snapshot_live_t *rig_start_live(tf_engine_t *e) {
  const tf_snapshot_live_config_t to = {
      .store = {.put = store_put, .get = store_get},
        .name = "kept"
  };
  if (tf_snapshot_live_start(e, &to, &e->snapshots)) fail_msg("%s", tf_error_text());
  return e->snapshots;
}
