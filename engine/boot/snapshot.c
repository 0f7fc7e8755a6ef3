#include "boot/snapshot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "boot/text_models.h"
#include "boot/text_source.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/hash.h"
#include "stage/feature_trail.h"
#include "stage/lane_walk.h"

/* ---- what the bytes mean ---- */

static uint64_t fold_bytes(uint64_t hash, const void *bytes, size_t cnt) {
  const uint8_t *at = bytes;
  for (; cnt >= 8; at += 8, cnt -= 8) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    hash = tf_hash_fold(hash, word);
  }
  uint64_t tail = cnt;
  for (size_t i = 0; i < cnt; i++) tail = tail << 8 | at[i];
  return tf_hash_fold(hash, tail);
}

static uint64_t fold_text(uint64_t hash, const char *text) {
  return fold_bytes(hash, text, strlen(text));
}

static uint64_t fold_rule(uint64_t hash, const tf_rule_t *rule) {
  return fold_bytes(tf_hash_fold(hash, rule->step_cnt), rule->steps,
                    rule->step_cnt * sizeof *rule->steps);
}

static uint64_t fold_strategy(uint64_t hash, const tf_strategy_t *s) {
  const tf_policy_config_t *c       = &s->config;
  const tf_rule_t          *rules[] = {&c->buy, &c->sell, &c->flat, &c->buy_until, &c->sell_until};
  hash                              = fold_text(hash, s->policy->name);
  for (size_t i = 0; i < TF_ARRAY_CNT(rules); i++) hash = fold_rule(hash, rules[i]);
  hash = tf_hash_fold(tf_hash_fold(hash, c->cooldown_ns), c->rate_cnt_max);
  hash = tf_hash_fold(tf_hash_fold(hash, c->rate_window_ns), c->book_states_ok);
  return tf_hash_fold(hash, s->model_idx);
}

static uint64_t fold_features(const tf_feature_plan_t *plan, uint64_t hash) {
  for (uint32_t i = 0; i < plan->feature_cnt; i++)
    hash = fold_text(hash, tf_feature_plan_name(plan, i));
  return tf_hash_fold(hash, plan->mem_bytes);
}

static uint64_t fold_bars(const tf_buffer_t *buffer, uint64_t hash) {
  for (uint32_t i = 0; i < buffer->bar_cnt; i++) {
    const tf_bar_spec_t *bar = &buffer->bars[i];
    hash                     = fold_text(tf_hash_fold(hash, bar->kind), bar->name);
    hash = fold_bytes(tf_hash_fold(hash, bar->span_ns), &bar->amount, sizeof bar->amount);
    hash = tf_hash_fold(tf_hash_fold(hash, bar->clock), bar->late_max_ns);
    hash = tf_hash_fold(tf_hash_fold(hash, bar->is_flat), bar->flow.ewma_bars);
    hash = tf_hash_fold(tf_hash_fold(hash, bar->flow.trades_min), bar->flow.trades_max);
    hash = tf_hash_fold(tf_hash_fold(hash, bar->session.length_ns), bar->session.open_ns);
    hash = tf_hash_fold(tf_hash_fold(hash, (uint64_t)bar->session.offset_ns), bar->session.days);
  }
  return hash;
}

static uint64_t fold_peers(const tf_feature_plan_t *plan, uint64_t hash) {
  for (uint32_t i = 0; i < plan->peer_cnt; i++) {
    const tf_feature_peer_t *peer = &plan->peers[i];
    hash                          = fold_text(fold_text(hash, peer->name), peer->instrument);
    hash                          = tf_hash_fold(tf_hash_fold(hash, peer->max_age_ns),
                                                 peer->books_ok | (uint64_t)peer->wakes << 32);
  }
  return hash;
}

static uint64_t fold_models(const tf_compute_t *compute, uint64_t hash) {
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    const tf_model_t *m = compute->models[i].main->model;
    hash                = tf_hash_fold(tf_hash_fold(hash, m->hash), m->state_bytes);
  }
  return hash;
}

static const char *const part_names[TF_SNAPSHOT_PART_CNT] = {"features", "bars", "peers",
                                                             "strategies", "models"};

static void fold_parts(const tf_engine_t *e, uint64_t parts[TF_SNAPSHOT_PART_CNT]) {
  const tf_lane_t *lane         = &e->runner.lane;
  const uint64_t   seed         = tf_hash_fold(TF_HASH_SEED, TF_SNAPSHOT_VERSION);
  parts[TF_SNAPSHOT_FEATURES]   = fold_features(&e->plan, seed);
  parts[TF_SNAPSHOT_BARS]       = fold_bars(&lane->buffer, seed);
  parts[TF_SNAPSHOT_PEERS]      = fold_peers(&e->plan, seed);
  parts[TF_SNAPSHOT_STRATEGIES] = seed;
  for (uint32_t i = 0; i < lane->decide.strategy_cnt; i++)
    parts[TF_SNAPSHOT_STRATEGIES] =
        fold_strategy(parts[TF_SNAPSHOT_STRATEGIES], &lane->decide.strategies[i]);
  parts[TF_SNAPSHOT_MODELS] = fold_models(&lane->compute, seed);
}

/* The parts that are another than the engine's, as a list. "": none is. */
static void name_others(const tf_engine_t *e, const tf_snapshot_head_t *head, char *text,
                        size_t bytes) {
  uint64_t parts[TF_SNAPSHOT_PART_CNT];
  size_t   at = 0;
  fold_parts(e, parts);
  text[0] = '\0';
  for (uint32_t i = 0; i < TF_SNAPSHOT_PART_CNT; i++)
    if (parts[i] != head->parts[i])
      at += (size_t)snprintf(text + at, bytes - at, "%s%s", at ? ", " : "", part_names[i]);
}

/* ---- pieces ---- */

typedef struct source_row {
  char     name[TF_SNAPSHOT_SOURCE_BYTES];
  uint64_t position;
} source_row_t;

typedef struct record_head {
  uint32_t        bytes; /* of the record, this included */
  uint32_t        id;
  tf_instrument_t instrument;
} record_head_t;

TF_STATIC_ASSERT(sizeof(source_row_t) == 40 && sizeof(record_head_t) % 8 == 0,
                 "part of the snapshot's format");

static void walk_sources(tf_engine_t *e, tf_walk_t *w) {
  const tf_acquire_t *a = &e->runner.acquire;
  for (uint32_t i = 0; i < a->source_cnt; i++) {
    source_row_t row = {.position = a->sources[i]->position};
    memcpy(row.name, e->source_names[i], sizeof row.name);
    tf_walk(w, &row, sizeof row);
  }
}

static void walk_acquire(tf_engine_t *e, tf_walk_t *w) {
  tf_acquire_walk(&e->runner.acquire, w);
  if (w->way != TF_WALK_LOAD) walk_sources(e, w);
}

/* Names and metadata of a row, as whoever is not its decoder may read them. */
static tf_instrument_t read_row(const tf_engine_t *e, uint32_t id) {
  const tf_instrument_t *from = &e->instruments.rows[id];
  if (tf_instrument_metadata(from) != TF_METADATA_NONE) return *from;
  tf_instrument_t row = {.id = id, .price_exp = INT8_MIN, .qty_exp = INT8_MIN};
  memcpy(row.name, from->name, sizeof row.name);
  memcpy(row.symbol, from->symbol, sizeof row.symbol);
  return row;
}

static size_t count_record(tf_engine_t *e) {
  tf_lane_t *lane = &e->runner.lane;
  tf_walk_t  all = tf_walk_count(), held = tf_walk_count(), book = tf_walk_count();
  if (e->instruments.cap == 0) return sizeof(record_head_t);
  tf_lane_walk_learnt(lane, &lane->instruments[0], &all);
  tf_lane_walk_rest(lane, &lane->instruments[0], &all);
  tf_feature_trail_walk_held(&e->plan, lane->instruments[0].features, &held);
  tf_book_walk(&lane->instruments[0].keeper, &book);
  return sizeof(record_head_t) + all.bytes - held.bytes - book.bytes;
}

static size_t count_trails(const tf_feature_plan_t *plan) {
  size_t bytes = 0;
  for (uint32_t i = 0; i < plan->trail_cnt; i++)
    bytes += (size_t)plan->trails[i].cap * plan->trails[i].entry_bytes;
  return bytes;
}

tf_snapshot_sizes_t tf_snapshot_sizes(tf_engine_t *e) {
  tf_lane_t *lane    = &e->runner.lane;
  tf_walk_t  acquire = tf_walk_count(), shared = tf_walk_count();
  walk_acquire(e, &acquire);
  tf_lane_walk(lane, &shared);
  const tf_book_keeper_t *book = &lane->instruments[0].keeper;
  return (tf_snapshot_sizes_t){.acquire_bytes   = tf_align_up(acquire.bytes, 8),
                               .lane_bytes      = tf_align_up(shared.bytes, 8),
                               .record_bytes    = count_record(e),
                               .trail_bytes_max = count_trails(&e->plan),
                               .book_bytes_max  = TF_BOOK_WALK_BYTES(book->sides[0].levels_max, 0),
                               .pending_bytes_max =
                                   (size_t)book->pending_max * sizeof(tf_book_pending_t)};
}

void tf_snapshot_save_acquire(tf_engine_t *e, void *to, size_t room) {
  tf_walk_t w = tf_walk_save(to, room);
  walk_acquire(e, &w);
  TF_ASSERT(!w.is_short);
}

void tf_snapshot_save_lane(tf_engine_t *e, void *to, size_t room) {
  tf_walk_t w = tf_walk_save(to, room);
  tf_lane_walk(&e->runner.lane, &w);
  TF_ASSERT(!w.is_short);
}

size_t tf_snapshot_save_instrument(tf_engine_t *e, uint32_t id, void *to, size_t room,
                                   tf_walk_ring_t *later) {
  tf_lane_instrument_t *in   = &e->runner.lane.instruments[id];
  record_head_t         head = {.id = id, .instrument = read_row(e, id)};
  tf_walk_t             w    = tf_walk_save(to, room);
  w.later                    = later;
  tf_walk(&w, &head, sizeof head);
  tf_lane_walk_learnt(&e->runner.lane, in, &w);
  tf_lane_walk_rest(&e->runner.lane, in, &w);
  uint64_t zero = 0;
  tf_walk(&w, &zero, tf_align_up(w.bytes, 8) - w.bytes);
  if (w.is_short || w.bytes > UINT32_MAX) return 0;
  head.bytes = (uint32_t)w.bytes;
  memcpy(to, &head.bytes, sizeof head.bytes);
  return w.bytes;
}

static void note_models(const tf_engine_t *e, tf_snapshot_model_t *rows) {
  for (uint32_t i = 0; i < e->runner.lane.compute.model_cnt; i++) {
    const tf_compute_model_t *m = &e->runner.lane.compute.models[i];
    if (!m->swap || m->owns) continue;
    snprintf(rows[i].name, sizeof rows[i].name, "%s", e->config->models[i].name);
    rows[i].version        = m->main->number;
    rows[i].hash           = m->main->model->hash;
    rows[i].canary_version = m->canary ? m->canary->number : 0;
    if (m->canary) rows[i].share = m->share;
  }
}

static void note_texts(const tf_engine_t *e, tf_snapshot_model_t *rows) {
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++) {
    const tf_text_models_t *models = tf_text_source_swappable(e->texts, role);
    if (!models) continue;
    snprintf(rows[role].name, sizeof rows[role].name, "%s", tf_text_models_name(models));
    tf_text_models_serving(models, &rows[role].version, &rows[role].hash);
  }
}

void tf_snapshot_begin_head(const tf_engine_t *e, const tf_snapshot_sizes_t *sizes,
                            tf_snapshot_head_t *head) {
  const tf_lane_t *lane = &e->runner.lane;
  const char      *why  = tf_lane_walks(lane);
  *head                 = (tf_snapshot_head_t){
                      .mark           = {.decision_seq = lane->decide.decision_seq, .epoch = e->epoch},
                      .acquire_bytes  = sizes->acquire_bytes,
                      .lane_bytes     = sizes->lane_bytes,
                      .record_bytes   = sizes->record_bytes,
                      .source_cnt     = e->runner.acquire.source_cnt,
                      .instrument_cap = e->instruments.cap,
                      .halted         = lane->decide.halted
  };
  fold_parts(e, head->parts);
  head->mark.schema = fold_bytes(TF_HASH_SEED, head->parts, sizeof head->parts);
  if (why) snprintf(head->why_not, sizeof head->why_not, "%s", why);
  note_models(e, head->models);
  note_texts(e, head->texts);
}

static uint64_t digest_of(const tf_snapshot_head_t *head, size_t bytes_cnt) {
  tf_snapshot_head_t bare = *head;
  bare.digest             = 0;
  return fold_bytes(fold_bytes(TF_HASH_SEED, &bare, sizeof bare), head + 1,
                    bytes_cnt - sizeof *head);
}

void tf_snapshot_seal_head(tf_snapshot_head_t *head, size_t bytes_cnt) {
  head->records_bytes =
      bytes_cnt - sizeof *head - (size_t)head->acquire_bytes - (size_t)head->lane_bytes;
  head->digest = digest_of(head, bytes_cnt);
}

/* ---- the whole ---- */

size_t tf_snapshot_bytes_max(tf_engine_t *e) {
  tf_snapshot_sizes_t s = tf_snapshot_sizes(e);
  size_t              record =
      tf_align_up(s.record_bytes + s.trail_bytes_max + s.book_bytes_max + s.pending_bytes_max, 8);
  return sizeof(tf_snapshot_head_t) + s.acquire_bytes + s.lane_bytes + e->instruments.cap * record;
}

size_t tf_snapshot_take(tf_engine_t *e, void *bytes, size_t room) {
  /* pairs with: whoever appends to the table */
  uint32_t            cnt   = tf_load_acquire_u32(&e->instruments.cnt);
  tf_snapshot_sizes_t sizes = tf_snapshot_sizes(e);
  tf_snapshot_head_t *head  = bytes;
  size_t              at    = sizeof *head + sizes.acquire_bytes + sizes.lane_bytes;
  memset(bytes, 0, at);
  tf_snapshot_begin_head(e, &sizes, head);
  head->mark.ingest_seq = e->runner.acquire.ingest_seq;
  tf_snapshot_save_acquire(e, head + 1, sizes.acquire_bytes);
  tf_snapshot_save_lane(e, (uint8_t *)(head + 1) + sizes.acquire_bytes, sizes.lane_bytes);
  for (uint32_t i = 0; i < cnt; i++) {
    size_t took = tf_snapshot_save_instrument(e, i, (uint8_t *)bytes + at, room - at, NULL);
    TF_ASSERT(took > 0);
    at += took;
    uint64_t now_ns = e->runner.lane.instruments[i].market.now_ns;
    if (now_ns > head->mark.as_of_ns) head->mark.as_of_ns = now_ns;
  }
  head->mark.instrument_cnt = cnt;
  tf_snapshot_seal_head(head, at);
  return at;
}

/* ---- what is in one ---- */

const tf_snapshot_model_t *tf_snapshot_find_model(const void *bytes, size_t bytes_cnt,
                                                  const char *name) {
  const tf_snapshot_head_t *head = bytes; /* malloc'd, so aligned */
  for (uint32_t i = 0; head && bytes_cnt >= sizeof *head && i < TF_MODELS_MAX; i++)
    if (!strncmp(head->models[i].name, name, sizeof head->models[i].name)) return &head->models[i];
  return NULL;
}

const tf_snapshot_model_t *tf_snapshot_find_texts(const void *bytes, size_t bytes_cnt,
                                                  tf_texts_role_t role, const char *name) {
  const tf_snapshot_head_t *head = bytes; /* malloc'd, so aligned */
  if (!head || bytes_cnt < sizeof *head) return NULL;
  const tf_snapshot_model_t *row = &head->texts[role];
  return strncmp(row->name, name, sizeof row->name) == 0 ? row : NULL;
}

static tf_err_t check_bytes(const tf_snapshot_head_t *head, size_t bytes_cnt) {
  if (bytes_cnt < sizeof *head) return TF_ERR(E_BOOT_SNAPSHOT, "%zu bytes: cut short", bytes_cnt);
  size_t sum = sizeof *head;
  if (__builtin_add_overflow(sum, head->acquire_bytes, &sum) ||
      __builtin_add_overflow(sum, head->lane_bytes, &sum) ||
      __builtin_add_overflow(sum, head->records_bytes, &sum) || sum != bytes_cnt)
    return TF_ERR(E_BOOT_SNAPSHOT, "%zu bytes, where its head says %zu", bytes_cnt, sum);
  if (digest_of(head, bytes_cnt) == head->digest) return TF_OK;
  return TF_ERR(E_BOOT_SNAPSHOT, "its digest does not fit its bytes");
}

tf_err_t tf_snapshot_read_mark(const void *bytes, size_t bytes_cnt, tf_snapshot_mark_t *mark) {
  const tf_snapshot_head_t *head = bytes;
  tf_err_t                  err  = check_bytes(head, bytes_cnt);
  if (!err) *mark = head->mark;
  return err;
}

static uint64_t find_position(const tf_snapshot_head_t *head, const char *source) {
  const uint64_t rows_bytes = (uint64_t)head->source_cnt * sizeof(source_row_t);
  if (rows_bytes > head->acquire_bytes) return 0;
  const uint8_t *at = (const uint8_t *)(head + 1) + head->acquire_bytes - rows_bytes;
  for (uint32_t i = 0; i < head->source_cnt; i++) {
    source_row_t row;
    memcpy(&row, at + i * sizeof row, sizeof row);
    if (!strncmp(row.name, source, sizeof row.name)) return row.position;
  }
  return 0;
}

uint64_t tf_snapshot_find_position(const void *bytes, size_t bytes_cnt, const char *source) {
  return check_bytes(bytes, bytes_cnt) ? 0 : find_position(bytes, source);
}

/* ---- going on ---- */

static tf_err_t check(tf_engine_t *e, const tf_snapshot_head_t *head,
                      const tf_snapshot_way_t *way) {
  char others[64];
  name_others(e, head, others, sizeof others);
  if (others[0])
    return TF_ERR(E_BOOT_SNAPSHOT, "it was taken with other %s than %s has", others,
                  e->config->path);
  if (head->record_bytes != tf_snapshot_sizes(e).record_bytes)
    return TF_ERR(
        E_BOOT_SNAPSHOT, "%llu bytes an instrument, where %s has %zu: a model is served otherwise",
        (unsigned long long)head->record_bytes, e->config->path, tf_snapshot_sizes(e).record_bytes);
  if (way->now_ns && way->now_ns + way->age_max_ns < head->mark.as_of_ns)
    return TF_ERR(E_BOOT_SNAPSHOT, "it is %llu s ahead of this machine's clock: which is wrong?",
                  (unsigned long long)((head->mark.as_of_ns - way->now_ns) / TF_NS_PER_SEC));
  if (way->now_ns && head->mark.as_of_ns + way->age_max_ns < way->now_ns)
    return TF_ERR(E_BOOT_SNAPSHOT, "it is %llu s old; engine.snapshot_age_max is %llu s",
                  (unsigned long long)((way->now_ns - head->mark.as_of_ns) / TF_NS_PER_SEC),
                  (unsigned long long)(way->age_max_ns / TF_NS_PER_SEC));
  if (!way->is_exact) return TF_OK;
  if (head->why_not[0])
    return TF_ERR(E_BOOT_SNAPSHOT, "nobody can go on from it exactly: %.*s",
                  (int)sizeof head->why_not, head->why_not);
  if (head->instrument_cap != e->instruments.cap)
    return TF_ERR(E_BOOT_SNAPSHOT, "its engine had room for %u instruments, this one has for %u",
                  head->instrument_cap, e->instruments.cap);
  return TF_OK;
}

#define NO_ID UINT32_MAX

static uint32_t find(const tf_instruments_t *table, const tf_instrument_t *row) {
  uint32_t cnt = tf_load_relaxed_u32(&table->cnt); /* relaxed: nothing runs yet */
  for (uint32_t id = 0; id < cnt; id++)
    if (!strncmp(table->rows[id].name, row->name, sizeof row->name)) return id;
  return NO_ID;
}

/* The id of the instrument of that name: of a row that a feed has made already, or of a new one. */
static uint32_t find_or_append(tf_instruments_t *table, const tf_instrument_t *row) {
  uint32_t id = find(table, row);
  if (id != NO_ID) return id;
  id                        = tf_load_relaxed_u32(&table->cnt); /* relaxed: nothing runs yet */
  table->rows[id]           = *row;
  table->rows[id].id        = id;
  table->rows[id].price_exp = table->rows[id].qty_exp = INT8_MIN; /* the first price sets it */
  tf_store_release_u32(&table->cnt, id + 1); /* pairs with: readers of instruments.cnt */
  return id;
}

/* The next record, from at on; NULL: there are no more, or (*err) it is none. */
static const uint8_t *next_record(const tf_snapshot_head_t *head, size_t *at, record_head_t *record,
                                  tf_err_t *err) {
  const uint8_t *records =
      (const uint8_t *)(head + 1) + (size_t)head->acquire_bytes + (size_t)head->lane_bytes;
  size_t left = (size_t)head->records_bytes - *at;
  if (left == 0) return NULL;
  const uint8_t *here = records + *at;
  if (left >= sizeof *record) memcpy(record, here, sizeof *record);
  if (left < sizeof *record || record->bytes > left || record->bytes < head->record_bytes)
    *err = TF_ERR(E_BOOT_SNAPSHOT, "the record at byte %zu of its instruments is cut short", *at);
  else if (!memchr(record->instrument.name, 0, sizeof record->instrument.name) ||
           !memchr(record->instrument.symbol, 0, sizeof record->instrument.symbol))
    *err = TF_ERR(E_BOOT_SNAPSHOT, "instrument %u has no name", record->id);
  if (*err) return NULL;
  *at += record->bytes;
  return here;
}

static tf_err_t check_instruments(const tf_engine_t *e, const tf_snapshot_head_t *head) {
  /* relaxed: nothing runs yet */
  uint32_t      added = 0, room = e->instruments.cap - tf_load_relaxed_u32(&e->instruments.cnt);
  uint32_t      cnt = 0;
  tf_err_t      err = TF_OK;
  record_head_t record;
  for (size_t at = 0; next_record(head, &at, &record, &err); cnt++)
    added += find(&e->instruments, &record.instrument) == NO_ID;
  if (err) return err;
  if (cnt != head->mark.instrument_cnt)
    return TF_ERR(E_BOOT_SNAPSHOT, "%u instruments, where its head says %u", cnt,
                  head->mark.instrument_cnt);
  if (added <= room) return TF_OK;
  return TF_ERR(E_BOOT_SNAPSHOT, "it has %u instruments, there is room for %u", cnt,
                e->instruments.cap);
}

static void load_learnt(tf_engine_t *e, uint32_t id, const uint8_t *record, size_t bytes) {
  tf_lane_t            *lane = &e->runner.lane;
  tf_lane_instrument_t *in   = &lane->instruments[id];
  tf_walk_t             w    = tf_walk_load(record + sizeof(record_head_t), bytes);
  tf_lane_walk_learnt(lane, in, &w);
  in->keeper.book.change_cnt++; /* what indicators keep beside the book must not match a new one */
  for (uint32_t i = 0; i < lane->compute.model_cnt; i++)
    if (lane->compute.models[i].owns) tf_swap_remake(lane->compute.models[i].owns[id].swap, 0);
}

static tf_err_t restore_learnt(tf_engine_t *e, const tf_snapshot_head_t *head) {
  tf_err_t       err = TF_OK;
  record_head_t  record;
  const uint8_t *here;
  for (size_t at = 0; (here = next_record(head, &at, &record, &err));)
    load_learnt(e, find_or_append(&e->instruments, &record.instrument), here,
                record.bytes - sizeof record);
  e->runner.lane.decide.halted = head->halted;
  return err;
}

/* Instruments keep their numbers: events, hashes and decisions have them. Records lie in the order in which they were saved. */
static tf_err_t name_instruments(tf_engine_t *e, const tf_snapshot_head_t *head,
                                 const uint8_t **records) {
  tf_err_t       err = TF_OK;
  record_head_t  record;
  const uint8_t *here;
  for (size_t at = 0; (here = next_record(head, &at, &record, &err));) {
    if (record.id >= head->mark.instrument_cnt || records[record.id])
      return TF_ERR(E_BOOT_SNAPSHOT, "instrument %u is there twice, or is none", record.id);
    records[record.id] = here;
  }
  for (uint32_t id = 0; id < head->mark.instrument_cnt && !err; id++) {
    memcpy(&record, records[id], sizeof record);
    record.instrument.metadata = TF_METADATA_NONE;
    if (find_or_append(&e->instruments, &record.instrument) != id)
      err = TF_ERR(E_BOOT_SNAPSHOT, "%s was instrument %u there: the feeds, or their order, differ",
                   record.instrument.name, id);
  }
  return err;
}

static tf_err_t load_all(tf_engine_t *e, const tf_snapshot_head_t *head,
                         const uint8_t *const *records) {
  tf_lane_t     *lane = &e->runner.lane;
  const uint8_t *from = (const uint8_t *)(head + 1) + (size_t)head->acquire_bytes;
  tf_walk_t      w    = tf_walk_load(from, (size_t)head->lane_bytes);
  tf_lane_walk(lane, &w);
  if (w.is_short) return TF_ERR(E_BOOT_SNAPSHOT, "what all instruments share cannot be read");
  for (uint32_t id = 0; id < head->mark.instrument_cnt; id++) {
    record_head_t record;
    memcpy(&record, records[id], sizeof record);
    w = tf_walk_load(records[id] + sizeof record, record.bytes - sizeof record);
    tf_lane_walk_learnt(lane, &lane->instruments[id], &w);
    tf_lane_walk_rest(lane, &lane->instruments[id], &w);
    if (w.is_short || w.left >= 8)
      return TF_ERR(E_BOOT_SNAPSHOT,
                    "the state of %s cannot be read, or its book is deeper than here",
                    record.instrument.name);
  }
  tf_lane_settle_walk(lane);
  return TF_OK;
}

static tf_err_t restore_all(tf_engine_t *e, const tf_snapshot_head_t *head) {
  const uint8_t **records = calloc(head->mark.instrument_cnt + 1, sizeof *records);
  if (!records) return TF_ERR(E_CORE_NO_MEMORY, "%u instruments", head->mark.instrument_cnt);
  tf_err_t err = name_instruments(e, head, records);
  if (!err) err = load_all(e, head, records);
  free(records);
  return err;
}

/* Where its events begin: behind those that it had, or with them, to be passed over. */
static tf_err_t resume_stream(tf_engine_t *e, const tf_snapshot_head_t *head, bool from_beginning) {
  tf_acquire_t *a = &e->runner.acquire;
  tf_walk_t     w = tf_walk_load(head + 1, (size_t)head->acquire_bytes);
  if (from_beginning) {
    uint64_t hash;
    memcpy(&hash, (const uint8_t *)(head + 1) + sizeof a->ingest_seq, sizeof hash);
    tf_acquire_pass_over(a, head->mark.ingest_seq, hash);
    return TF_OK;
  }
  tf_acquire_walk(a, &w);
  for (uint32_t i = 0; i < a->source_cnt; i++) /* where it stands until it has brought something */
    if (e->source_names[i][0]) a->sources[i]->position = find_position(head, e->source_names[i]);
  return w.is_short ? TF_ERR(E_BOOT_SNAPSHOT, "where its stream stood cannot be read") : TF_OK;
}

tf_err_t tf_snapshot_restore(tf_engine_t *e, const void *bytes, size_t bytes_cnt,
                             const tf_snapshot_way_t *way) {
  const tf_snapshot_head_t *head = bytes; /* malloc'd, so aligned */
  tf_err_t                  err  = check_bytes(head, bytes_cnt);
  if (!err) err = check(e, head, way);
  if (!err) err = check_instruments(e, head);
  if (err) return err;
  if (!way->is_exact) return restore_learnt(e, head);
  err = restore_all(e, head);
  return err ? err : resume_stream(e, head, way->from_beginning);
}

/* ---- warm start ---- */

typedef struct warm {
  tf_lane_t *lane;
  uint64_t   event_cnt;
} warm_t;

static void publish_warm(void *self, const tf_batch_t *batch) {
  warm_t *w = self;
  w->event_cnt += batch->event_cnt;
  tf_lane_on_events(w->lane, batch->events, batch->event_cnt, 0, 0);
}

static void forget_market(tf_lane_instrument_t *in) {
  tf_market_t *m = &in->market;
  tf_book_forget(&in->keeper);
  m->bid = m->ask = m->bid_qty = m->ask_qty = m->trade_price = m->trade_qty = (double)NAN;
  m->mark_price = m->funding_rate = (double)NAN;
  m->trade_side                   = 0;
  m->has_quote = in->has_bbo = in->has_trade = false;
  in->position                               = (double)NAN;
  in->is_live                                = false;
}

tf_err_t tf_snapshot_warm(tf_engine_t *e, tf_source_t *source, uint64_t *event_cnt) {
  tf_lane_t *lane   = &e->runner.lane;
  warm_t     w      = {.lane = lane};
  int        n      = 0;
  source->publisher = (tf_publisher_t){&w, publish_warm};
  lane->warming     = true;
  while (n >= 0) n = source->ops->poll(source, tf_clock_wall_ns());
  lane->warming = false;
  tf_compute_forget_counts(&lane->compute);
  lane->events = lane->instruments_refused = lane->commands = 0;
  lane->buffer.late_events                                  = 0;
  lane->buffer.bar_counts                                   = (tf_bar_counts_t){0};
  lane->decide.halted                                       = false;
  for (uint32_t i = 0; i < lane->instrument_cap; i++) forget_market(&lane->instruments[i]);
  tf_universe_clear(&lane->universe);
  *event_cnt = w.event_cnt;
  return n == TF_SOURCE_DONE ? TF_OK : n;
}
