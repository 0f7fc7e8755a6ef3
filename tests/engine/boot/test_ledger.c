#include "cmocka_tf.h"

#include <string.h>

#include "boot/ledger.h"

static tf_engine_t     engine;
static tf_source_t     source;
static const tf_sink_t in_place = {.name = "in_place"};

/* A run in which everything is accounted for. */
static void balanced(void) {
  memset(&engine, 0, sizeof engine);
  memset(&source, 0, sizeof source);
  tf_runner_t *r            = &engine.runner;
  r->acquire.sources[0]     = &source;
  r->acquire.source_cnt     = 1;
  source.bytes_rx           = 100;
  source.bytes_framed       = 70;
  source.bytes_partial      = 10;
  source.bytes_rejected     = 20;
  tf_feed_counts_t *c       = &source.counts;
  c->messages               = 10;
  c->msgs_data              = 5;
  c->msgs_control           = 2;
  c->rejected[0]            = 1;
  c->ignored_type_cnt       = 1;
  c->ignored[0].cnt         = 2;
  c->events[TF_EVENT_TRADE] = 4;
  c->events[TF_EVENT_BOOK]  = 6;
  r->acquire.ingest_seq     = 10;
  r->lane.events            = 10;
  r->lane.compute.counts    = (tf_compute_counts_t){
         .ticks = 5, .requested = 5, .done = 3, .skipped_warmup = 1, .skipped_output = 1};
  r->lane.decide.counts.decisions      = 3;
  r->emit.handed[TF_CARRIES_DECISIONS] = 3;
  r->emit.sink_cnt                     = 1;
  r->emit.sinks[0].sink                = &in_place;
  r->emit.sinks[0].taken               = 2;
  r->emit.sinks[0].dropped_full        = 1;
}

static void accounted_run_balances_to_zero(void **state) {
  (void)state;
  tf_ledger_t ledger;
  balanced();
  tf_ledger_close(&ledger, &engine);
  assert_int_equal(ledger.total, 0);
}

/* Each row must be able to fail, alone, and by the amount that is missing. */
static void each_row_shows_what_it_lost(void **state) {
  (void)state;
  struct {
    uint64_t       *word;
    tf_ledger_row_t row;
  } losses[] = {
      {&source.bytes_framed,                        TF_LEDGER_BYTES    },
      {&source.counts.msgs_data,                    TF_LEDGER_MESSAGES },
      {&source.counts.ignored[0].cnt,               TF_LEDGER_MESSAGES },
      {&engine.runner.lane.events,                  TF_LEDGER_CONSUMED },
      {&engine.runner.lane.compute.counts.done,     TF_LEDGER_INFERENCE},
      {&engine.runner.lane.decide.counts.decisions, TF_LEDGER_DECISIONS},
      {&engine.runner.emit.sinks[0].taken,          TF_LEDGER_SINKS    }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(losses); i++) {
    tf_ledger_t ledger;
    balanced();
    *losses[i].word -= 1;
    tf_ledger_close(&ledger, &engine);
    assert_int_equal(ledger.total, 1);
    assert_int_not_equal(ledger.residual[losses[i].row], 0);
  }
}

static void losses_of_opposite_sign_do_not_cancel(void **state) {
  (void)state;
  tf_ledger_t ledger;
  balanced();
  source.bytes_framed -= 1;
  source.counts.msgs_data += 1;
  tf_ledger_close(&ledger, &engine);
  assert_int_equal(ledger.total, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(accounted_run_balances_to_zero),
      cmocka_unit_test(each_row_shows_what_it_lost),
      cmocka_unit_test(losses_of_opposite_sign_do_not_cancel),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
