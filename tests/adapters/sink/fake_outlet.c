#include "adapters/sink/fake_outlet.h"

#include <string.h>

#include "core/error.h"
#include "tf/atomic.h"

fake_script_t fake_script;

static uint64_t healed;
static uint64_t kept[FAKE_KEPT_MAX], kept_cnt, late_cnt, goes_on_wait_ns;

typedef struct fake {
  tf_outlet_counts_t counts;
  tf_record_shape_t  shape;
  uint64_t           random;
  bool               is_ready;
  uint32_t           connection, away, poll_cnt;
  uint64_t           acked_seq;                   /* of this connection */
  uint64_t           in_flight[TF_EGRESS_WINDOW]; /* sent, not kept yet */
  uint32_t           in_flight_cnt;
} fake_t;

void        fake_heal(void) { tf_store_release(&healed, 1); }         /* pairs with: is_healed */
static bool is_healed(void) { return tf_load_acquire(&healed) != 0; } /* pairs with: fake_heal */

uint64_t fake_kept_cnt(void) { return kept_cnt; }
uint64_t fake_kept_seq(uint64_t i) { return kept[i]; }
uint64_t fake_late_cnt(void) { return late_cnt; }
uint64_t fake_goes_on_wait_ns(void) { return goes_on_wait_ns; }

void fake_forget(uint64_t from_seq) {
  while (kept_cnt > 0 && kept[kept_cnt - 1] >= from_seq) kept_cnt--;
}

void fake_reset(const fake_script_t *script) {
  fake_script = *script;
  healed = kept_cnt = late_cnt = goes_on_wait_ns = 0;
  for (uint64_t seq = 1; seq <= script->begin_tail; seq++) kept[kept_cnt++] = seq;
}

static uint32_t draw(fake_t *f, uint32_t below) {
  f->random = f->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (uint32_t)(f->random >> 33) % below;
}

static bool one_in(fake_t *f, uint32_t n) { return n != 0 && !is_healed() && draw(f, n) == 0; }

static size_t state_bytes(const tf_sink_config_t *config) {
  (void)config;
  return sizeof(fake_t);
}

static tf_err_t open_fake(void *state, const tf_sink_config_t *config) {
  fake_t *f = state;
  memset(f, 0, sizeof *f);
  f->shape  = config->shape;
  f->random = fake_script.seed;
  return TF_OK;
}

/* The first n in flight reach it. */
static void keep(fake_t *f, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (kept_cnt < FAKE_KEPT_MAX) kept[kept_cnt++] = f->in_flight[i];
  f->in_flight_cnt -= n;
  memmove(f->in_flight, f->in_flight + n, f->in_flight_cnt * sizeof *f->in_flight);
}

/* A part of what was in flight arrived, and nothing of it is acked. */
static void cut(fake_t *f) {
  keep(f, draw(f, f->in_flight_cnt + 1));
  f->in_flight_cnt = 0;
  f->is_ready      = false;
  f->away          = fake_script.away_polls ? draw(f, fake_script.away_polls) : 0;
  f->counts.disconnects++;
}

static void connect_again(fake_t *f) {
  f->is_ready  = true;
  f->acked_seq = 0;
  f->connection++;
  f->counts.connects++;
}

static void poll_fake(void *state, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view) {
  fake_t *f = state;
  (void)now_ns;
  view->goes_on = f->poll_cnt++ < fake_script.goes_on_polls;
  if (view->goes_on) goes_on_wait_ns += wait_ns;
  bool is_dead = fake_script.is_dead && !is_healed();
  if (f->is_ready && (is_dead || one_in(f, fake_script.cut_in))) cut(f);
  if (!f->is_ready && !is_dead && (is_healed() || f->away == 0 || --f->away == 0)) connect_again(f);
  bool acks = is_healed() || (!fake_script.is_deaf && one_in(f, fake_script.ack_in));
  acks &= !view->goes_on;
  if (f->is_ready && acks) {
    keep(f, is_healed() ? f->in_flight_cnt : draw(f, f->in_flight_cnt + 1));
    if (kept_cnt) f->acked_seq = kept[kept_cnt - 1];
  }
  bool has_failed =
      fake_script.fail_at_seq && kept_cnt && kept[kept_cnt - 1] >= fake_script.fail_at_seq;
  if (has_failed) (void)TF_ERR(E_SINK_IO, "the fake has had enough");
  view->phase = has_failed ? TF_OUTLET_FAILED : !f->is_ready ? TF_OUTLET_DOWN : TF_OUTLET_READY;
  view->connection = f->connection;
  view->tail_seq   = kept_cnt ? kept[kept_cnt - 1] : 0;
  view->acked_seq  = f->acked_seq;
}

static uint32_t send_fake(void *state, const tf_out_t *outs, uint32_t n) {
  fake_t *f = state;
  TF_ASSERT(f->is_ready);
  if (one_in(f, fake_script.refuse_in)) return 0;
  if (!is_healed() && fake_script.send_max) {
    uint32_t most = 1 + draw(f, fake_script.send_max);
    n             = n < most ? n : most;
  }
  for (uint32_t i = 0; i < n; i++) {
    TF_ASSERT(outs[i].seq == tf_record_seq(&f->shape, outs[i].record));
    f->in_flight[f->in_flight_cnt++] = outs[i].seq;
    late_cnt += outs[i].late;
    f->counts.bytes += f->shape.bytes;
  }
  return n;
}

static void flush_fake(void *state, uint64_t now_ns) { (void)state, (void)now_ns; }
static const tf_outlet_counts_t *counts_fake(const void *state) {
  return &((const fake_t *)state)->counts;
}
static void close_fake(void *state) { (void)state; }

static const tf_outlet_t outlet    = {.state_bytes = state_bytes,
                                      .open        = open_fake,
                                      .poll        = poll_fake,
                                      .send        = send_fake,
                                      .flush       = flush_fake,
                                      .counts      = counts_fake,
                                      .close       = close_fake,
                                      .keeps_tail  = true};
static const tf_outlet_t forgetful = {.state_bytes = state_bytes,
                                      .open        = open_fake,
                                      .poll        = poll_fake,
                                      .send        = send_fake,
                                      .flush       = flush_fake,
                                      .counts      = counts_fake,
                                      .close       = close_fake};

#define ALL_POLICIES ((1u << TF_OVERFLOW_CNT) - 1)
TF_EGRESS_SINK(fake, "a destination that does as its script says",
               *(fake_script.keeps_no_tail ? &forgetful : &outlet), ALL_POLICIES, TF_OVERFLOW_BLOCK,
               1u << TF_CARRIES_DECISIONS, "path", NULL);
