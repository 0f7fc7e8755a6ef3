#include "cmocka_tf.h"

#include <string.h>

#include "feed/draft.h"

#define ROWS_MAX 24u

/* Levels of two keys anywhere in a message: all bids in their order, then all asks in theirs. */
static void sides_are_gathered_bids_first_in_their_order(void **state) {
  (void)state;
  for (uint32_t bid_cnt = 0; bid_cnt < 9; bid_cnt++) {
    for (uint32_t ask_cnt = 0; ask_cnt < 9; ask_cnt++) {
      for (uint32_t form = 0; form < 8;
           form++) { /* asks first, rows before the first, rows between */
        bool            asks_first = form & 1;
        uint32_t        before = form & 2 ? 2 : 0, between = form & 4 ? 3 : 0;
        tf_event_t      rows[ROWS_MAX];
        tf_json_value_t bids = {.what = 0}, asks = {.what = 0};
        bids.as.levels.cnt   = bid_cnt;
        asks.as.levels.cnt   = ask_cnt;
        bids.as.levels.first = before + (asks_first ? ask_cnt + between : 0);
        asks.as.levels.first = before + (asks_first ? 0 : bid_cnt + between);
        memset(rows, 0, sizeof rows);
        for (uint32_t i = 0; i < bid_cnt + ask_cnt; i++) {
          bool        is_ask = i >= bid_cnt;
          tf_event_t *row =
              &rows[is_ask ? asks.as.levels.first + i - bid_cnt : bids.as.levels.first + i];
          row->ingest_seq = row->instrument_id = i + 1;
          row->price_exp = row->qty_exp = (int8_t)(i + 1);
          row->u.level.price = row->u.level.qty = i + 1;
        }
        tf_draft_gather_sides(rows, &bids, &asks);
        for (uint32_t i = 0; i < bid_cnt + ask_cnt; i++) {
          assert_int_equal(rows[i].u.level.price, i + 1);
          assert_int_equal(rows[i].u.level.qty, i + 1);
          assert_int_equal(rows[i].price_exp, i + 1);
          assert_int_equal(rows[i].qty_exp, i + 1);
          assert_int_equal(rows[i].ingest_seq, i + 1);
          assert_int_equal(rows[i].instrument_id, i + 1);
        }
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sides_are_gathered_bids_first_in_their_order)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
