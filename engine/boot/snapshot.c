#include "boot/snapshot.h"

#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/hash.h"

/* An instrument's part that is no stage's memory. */
typedef struct record_head {
  tf_instrument_t instrument;
  uint64_t        now_ns;
  uint64_t change_cnt; /* of the book: what indicators keep beside it must not match a new one */
  double   bid, ask, bid_qty, ask_qty, trade_price, trade_qty, mark_price, funding_rate, position;
  int64_t  bid_mantissa, ask_mantissa, trade_mantissa;
  int32_t  trade_side;
  int8_t   bbo_price_exp, trade_price_exp;
  uint8_t  has_bbo, has_trade, has_quote;
  uint8_t  reserved[7];
} record_head_t;

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

static uint64_t schema_of(const tf_engine_t *e) {
  const tf_lane_t *lane = &e->runner.lane;
  uint64_t         hash = tf_hash_fold(TF_HASH_SEED, TF_SNAPSHOT_VERSION);
  for (uint32_t i = 0; i < e->plan.feature_cnt; i++)
    hash = fold_text(hash, tf_feature_plan_name(&e->plan, i));
  hash = tf_hash_fold(hash, e->plan.mem_bytes);
  for (uint32_t i = 0; i < lane->buffer.bar_cnt; i++) {
    const tf_bar_spec_t *bar = &lane->buffer.bars[i];
    hash                     = fold_text(tf_hash_fold(hash, bar->kind), bar->name);
    hash = fold_bytes(tf_hash_fold(hash, bar->span_ns), &bar->amount, sizeof bar->amount);
    hash = tf_hash_fold(tf_hash_fold(hash, bar->clock), bar->late_max_ns);
    hash = tf_hash_fold(tf_hash_fold(hash, bar->is_flat), bar->flow.ewma_bars);
    hash = tf_hash_fold(tf_hash_fold(hash, bar->flow.trades_min), bar->flow.trades_max);
    hash = tf_hash_fold(tf_hash_fold(hash, bar->session.length_ns), bar->session.open_ns);
    hash = tf_hash_fold(tf_hash_fold(hash, (uint64_t)bar->session.offset_ns), bar->session.days);
  }
  for (uint32_t i = 0; i < e->plan.peer_cnt; i++) {
    const tf_feature_peer_t *peer = &e->plan.peers[i];
    hash                          = fold_text(fold_text(hash, peer->name), peer->instrument);
    hash                          = tf_hash_fold(tf_hash_fold(hash, peer->max_age_ns),
                                                 peer->books_ok | (uint64_t)peer->wakes << 32);
  }
  for (uint32_t i = 0; i < lane->decide.strategy_cnt; i++)
    hash = fold_strategy(hash, &lane->decide.strategies[i]);
  for (uint32_t i = 0; i < lane->compute.model_cnt; i++) {
    const tf_model_t *m = lane->compute.models[i].main->model;
    hash                = tf_hash_fold(tf_hash_fold(hash, m->hash), m->state_bytes);
  }
  return hash;
}

/* ---- one instrument ---- */

/* Each part of a record, in order: both ways walk the same list. */
typedef void part_t(void *ctx, void *memory, size_t bytes);

static void each_kept_row(const tf_kept_rows_t *k, uint32_t idx, part_t *part, void *ctx) {
  if (k->row_cap == 0) return;
  part(ctx, k->rows + (size_t)idx * k->row_cap * k->width,
       (size_t)k->row_cap * k->width * sizeof *k->rows);
  part(ctx, &k->cnt[idx], sizeof k->cnt[idx]);
  part(ctx, &k->next_idx[idx], sizeof k->next_idx[idx]);
}

/* Of a model that is one an instrument the rows alone: whose window there is depends on what has been brought. */
static void each_part_of_model(const tf_compute_model_t *m, uint32_t id, part_t *part, void *ctx) {
  if (m->owns) {
    each_kept_row(&m->owns[id].swap->kept, 0, part, ctx);
    return;
  }
  if (m->main->windows) part(ctx, tf_version_window(m->main, id), m->main->model->state_bytes);
  if (m->swap) each_kept_row(&m->swap->kept, id, part, ctx);
}

static void each_part(const tf_engine_t *e, const tf_lane_instrument_t *in, part_t *part,
                      void *ctx) {
  const tf_lane_t *lane = &e->runner.lane;
  part(ctx, (void *)in->bars, lane->buffer.bar_cnt * sizeof in->bars[0]);
  part(ctx, in->features, e->plan.mem_bytes);
  for (uint32_t i = 0; i < lane->decide.strategy_cnt; i++) {
    const tf_strategy_t *s = &lane->decide.strategies[i];
    part(ctx, in->policies[i], s->policy->state_bytes(&s->config));
  }
  for (uint32_t i = 0; i < lane->compute.model_cnt; i++)
    each_part_of_model(&lane->compute.models[i], in->id, part, ctx);
}

static void count_part(void *ctx, void *memory, size_t bytes) {
  (void)memory;
  *(size_t *)ctx += bytes;
}

static void save_part(void *ctx, void *memory, size_t bytes) {
  uint8_t **at = ctx;
  memcpy(*at, memory, bytes);
  *at += bytes;
}

static void load_part(void *ctx, void *memory, size_t bytes) {
  const uint8_t **at = ctx;
  memcpy(memory, *at, bytes);
  *at += bytes;
}

static size_t record_bytes_of(const tf_engine_t *e) {
  size_t bytes = sizeof(record_head_t);
  if (e->instruments.cap) each_part(e, &e->runner.lane.instruments[0], count_part, &bytes);
  return tf_align_up(bytes, 8);
}

/* The strategies' states keep a pointer to their config: attached to where it is, or to nothing. */
static void attach_policies(const tf_engine_t *e, tf_lane_instrument_t *in, bool attached) {
  const tf_decide_t *decide = &e->runner.lane.decide;
  for (uint32_t i = 0; i < decide->strategy_cnt; i++) {
    const tf_strategy_t *s = &decide->strategies[i];
    s->policy->attach(in->policies[i], attached ? &s->config : NULL);
  }
}

static void save(const tf_engine_t *e, uint32_t id, uint8_t *at) {
  tf_lane_instrument_t *in   = &e->runner.lane.instruments[id];
  const tf_market_t    *m    = &in->market;
  record_head_t         head = {.now_ns          = m->now_ns,
                                .change_cnt      = in->keeper.book.change_cnt,
                                .bid             = m->bid,
                                .ask             = m->ask,
                                .bid_qty         = m->bid_qty,
                                .ask_qty         = m->ask_qty,
                                .trade_price     = m->trade_price,
                                .trade_qty       = m->trade_qty,
                                .mark_price      = m->mark_price,
                                .funding_rate    = m->funding_rate,
                                .position        = in->position,
                                .bid_mantissa    = in->bid_price,
                                .ask_mantissa    = in->ask_price,
                                .trade_mantissa  = in->trade_price,
                                .trade_side      = m->trade_side,
                                .bbo_price_exp   = in->bbo_price_exp,
                                .trade_price_exp = in->trade_price_exp,
                                .has_bbo         = in->has_bbo,
                                .has_trade       = in->has_trade,
                                .has_quote       = m->has_quote};
  head.instrument            = e->instruments.rows[id];
  memcpy(at, &head, sizeof head);
  at += sizeof head;
  attach_policies(e, in, false);
  each_part(e, in, save_part, &at);
  attach_policies(e, in, true);
}

static void load(tf_engine_t *e, uint32_t id, const uint8_t *at) {
  tf_lane_instrument_t *in = &e->runner.lane.instruments[id];
  tf_market_t          *m  = &in->market;
  record_head_t         head;
  memcpy(&head, at, sizeof head);
  at += sizeof head;
  m->now_ns = head.now_ns;
  m->bid = head.bid, m->ask = head.ask, m->bid_qty = head.bid_qty, m->ask_qty = head.ask_qty;
  m->trade_price = head.trade_price, m->trade_qty = head.trade_qty;
  m->mark_price = head.mark_price, m->funding_rate = head.funding_rate;
  m->trade_side = head.trade_side, m->has_quote = head.has_quote;
  in->bid_price = head.bid_mantissa, in->ask_price = head.ask_mantissa;
  in->trade_price   = head.trade_mantissa;
  in->bbo_price_exp = head.bbo_price_exp, in->trade_price_exp = head.trade_price_exp;
  in->has_bbo = head.has_bbo, in->has_trade = head.has_trade;
  in->position               = head.position;
  in->keeper.book.change_cnt = head.change_cnt + 1;
  each_part(e, in, load_part, &at);
  attach_policies(e, in, true);
  for (uint32_t i = 0; i < e->runner.lane.compute.model_cnt; i++)
    if (e->runner.lane.compute.models[i].owns)
      tf_swap_remake(e->runner.lane.compute.models[i].owns[id].swap, 0);
}

/* ---- all of them ---- */

size_t tf_snapshot_bytes_max(const tf_engine_t *e) {
  return sizeof(tf_snapshot_head_t) + e->instruments.cap * record_bytes_of(e);
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

const tf_snapshot_model_t *tf_snapshot_find_model(const void *bytes, size_t bytes_cnt,
                                                  const char *name) {
  const tf_snapshot_head_t *head = bytes; /* malloc'd, so aligned */
  for (uint32_t i = 0; head && bytes_cnt >= sizeof *head && i < TF_MODELS_MAX; i++)
    if (!strncmp(head->models[i].name, name, sizeof head->models[i].name)) return &head->models[i];
  return NULL;
}

size_t tf_snapshot_take(const tf_engine_t *e, void *bytes) {
  /* pairs with: whoever appends to the table */
  uint32_t           cnt  = tf_load_acquire_u32(&e->instruments.cnt);
  tf_snapshot_head_t head = {.schema         = schema_of(e),
                             .record_bytes   = record_bytes_of(e),
                             .instrument_cnt = cnt,
                             .halted         = e->runner.lane.decide.halted};
  uint8_t           *at   = (uint8_t *)bytes + sizeof head;
  note_models(e, head.models);
  memset(at, 0, cnt * head.record_bytes);
  for (uint32_t i = 0; i < cnt; i++, at += head.record_bytes) {
    save(e, i, at);
    uint64_t now_ns = e->runner.lane.instruments[i].market.now_ns;
    if (now_ns > head.as_of_ns) head.as_of_ns = now_ns;
  }
  memcpy(bytes, &head, sizeof head);
  return sizeof head + cnt * head.record_bytes;
}

static tf_err_t check(const tf_engine_t *e, const tf_snapshot_head_t *head, size_t bytes_cnt,
                      uint64_t now_ns, uint64_t age_max_ns) {
  size_t records;
  if (head->schema != schema_of(e) || head->record_bytes != record_bytes_of(e))
    return TF_ERR(E_BOOT_SNAPSHOT,
                  "it was taken with other features, bars, strategies or models than %s has",
                  e->config->path);
  if (__builtin_mul_overflow(head->record_bytes, (size_t)head->instrument_cnt, &records) ||
      bytes_cnt - sizeof *head != records)
    return TF_ERR(E_BOOT_SNAPSHOT, "%zu bytes, where %u instruments take %zu", bytes_cnt,
                  head->instrument_cnt, records + sizeof *head);
  if (now_ns && head->as_of_ns + age_max_ns < now_ns)
    return TF_ERR(E_BOOT_SNAPSHOT, "it is %llu s old; engine.snapshot_age_max is %llu s",
                  (unsigned long long)((now_ns - head->as_of_ns) / TF_NS_PER_SEC),
                  (unsigned long long)(age_max_ns / TF_NS_PER_SEC));
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

static tf_err_t check_instruments(const tf_engine_t *e, const tf_snapshot_head_t *head,
                                  const uint8_t *records) {
  /* relaxed: nothing runs yet */
  uint32_t added = 0, room = e->instruments.cap - tf_load_relaxed_u32(&e->instruments.cnt);
  for (uint32_t i = 0; i < head->instrument_cnt; i++) {
    tf_instrument_t row;
    memcpy(&row, records + i * head->record_bytes, sizeof row);
    if (!memchr(row.name, 0, sizeof row.name) || !memchr(row.symbol, 0, sizeof row.symbol))
      return TF_ERR(E_BOOT_SNAPSHOT, "instrument %u has no name", i);
    added += find(&e->instruments, &row) == NO_ID;
  }
  if (added <= room) return TF_OK;
  return TF_ERR(E_BOOT_SNAPSHOT, "it has %u instruments, there is room for %u",
                head->instrument_cnt, e->instruments.cap);
}

tf_err_t tf_snapshot_restore(tf_engine_t *e, const void *bytes, size_t bytes_cnt, uint64_t now_ns,
                             uint64_t age_max_ns) {
  tf_snapshot_head_t head;
  if (bytes_cnt < sizeof head) return TF_ERR(E_BOOT_SNAPSHOT, "%zu bytes: cut short", bytes_cnt);
  memcpy(&head, bytes, sizeof head);
  tf_err_t err = check(e, &head, bytes_cnt, now_ns, age_max_ns);
  if (err) return err;
  const uint8_t *records = (const uint8_t *)bytes + sizeof head;
  err                    = check_instruments(e, &head, records);
  for (uint32_t i = 0; i < head.instrument_cnt && !err; i++) {
    tf_instrument_t row;
    memcpy(&row, records + i * head.record_bytes, sizeof row);
    load(e, find_or_append(&e->instruments, &row), records + i * head.record_bytes);
  }
  if (err) return err;
  e->runner.lane.decide.halted = head.halted;
  return TF_OK;
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
