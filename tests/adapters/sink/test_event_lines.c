/* What we print of events is what we read: JSON of event_doc.h through the feed `events`, any event of any kind. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "feed/event_line.h"
#include "sink/decision_json.h"
#include "sink/event_doc.h"
#include "tf/io.h"
#include "tf/text.h"

#define EVENT_CNT 20000u

static unsigned seed = 5;
static uint64_t any(void) {
  uint64_t v = 0;
  for (int i = 0; i < 5; i++) v = v << 15 ^ (uint64_t)(uint32_t)rand_r(&seed);
  return v >> (uint32_t)rand_r(&seed) % 64;
}
static int64_t any_price(void) {
  int64_t v = (int64_t)(any() >> 1);
  return rand_r(&seed) % 4 == 0 ? -v : v;
}
static int64_t any_qty(void) { return (int64_t)(any() >> 1); }

/* All but the one that means that none is known (wire/decimal.h). */
static int8_t any_exp(void) {
  return (int8_t)(rand_r(&seed) % 4 ? -(rand_r(&seed) % 20) : rand_r(&seed) % 255 - 127);
}

/* All but commands. */
static uint8_t any_kind(void) {
  uint8_t kind = (uint8_t)((uint32_t)rand_r(&seed) % (TF_EVENT_KIND_CNT - 1));
  return kind < TF_EVENT_CONTROL ? kind : (uint8_t)(kind + 1);
}

static float any_float(void) {
  return (float)(int32_t)any() / (float)(1 + (uint32_t)rand_r(&seed) % 1000000);
}

static void fill_text(tf_event_t *e) {
  e->flags &= (uint8_t)~TF_FLAG_SIDE;
  e->price_exp = e->qty_exp = 0;
  e->u.text.id              = any();
  e->u.text.source          = (uint32_t)any();
  if (rand_r(&seed) % 4 == 0) {
    e->u.text.miss = (uint16_t)(1 + (uint32_t)rand_r(&seed) % (TF_TEXT_MISS_CNT - 1));
    return;
  }
  e->u.text.score      = any_float();
  e->u.text.confidence = any_float();
  e->u.text.novelty    = any_float();
  e->u.text.label      = (uint16_t)any();
  e->u.text.model_hash = (uint32_t)any();
}

static tf_event_t any_event(void) {
  tf_event_t e = {.ts_event_ns = any(),
                  .ts_recv_ns  = any(),
                  .kind        = any_kind(),
                  .flags       = (uint8_t)rand_r(&seed),
                  .price_exp   = any_exp(),
                  .qty_exp     = any_exp()};
  switch ((tf_event_kind_t)e.kind) {
  case TF_EVENT_TRADE:
    e.u.trade.price = any_price();
    e.u.trade.qty   = any_qty();
    e.u.trade.id    = any();
    break;
  case TF_EVENT_QUOTE:
    e.flags &= (uint8_t)~TF_FLAG_SIDE;
    e.u.quote.bid_price = any_price();
    e.u.quote.bid_qty   = any_qty();
    e.u.quote.ask_price = any_price();
    e.u.quote.ask_qty   = any_qty();
    break;
  case TF_EVENT_BOOK:
    e.u.level.price     = any_price();
    e.u.level.qty       = any_qty();
    e.u.level.venue_seq = any();
    e.u.level.level_cnt = 1 + (uint32_t)rand_r(&seed);
    e.u.level.level_idx = (uint32_t)rand_r(&seed) % e.u.level.level_cnt;
    break;
  case TF_EVENT_TICKER:
    e.flags &= (uint8_t)~TF_FLAG_SIDE;
    e.u.ticker.last_price   = any_price();
    e.u.ticker.volume       = any_qty();
    e.u.ticker.mark_price   = rand_r(&seed) % 2 ? any_price() : 0;
    e.u.ticker.funding_rate = rand_r(&seed) % 2 ? any_price() : TF_FUNDING_NONE;
    break;
  case TF_EVENT_TEXT: fill_text(&e); break;
  default:
    e.flags &= (uint8_t)~TF_FLAG_SIDE;
    e.u.status.book_state = (uint32_t)rand_r(&seed) % TF_BOOK_STATE_CNT;
    e.u.status.apply_from = any();
    e.u.status.gap_first  = any();
    e.u.status.gap_last   = any();
    if (rand_r(&seed) % 2) {
      e.u.word[1] = e.u.word[2] = e.u.word[3] = 0;
      e.u.listing.book_state                  = TF_BOOK_NONE;
      e.u.listing.trading                     = 1 + (uint32_t)rand_r(&seed) % (TF_TRADING_CNT - 1);
      e.u.listing.tick_size                   = any_qty();
      e.u.listing.lot_size                    = any_qty();
      if (e.u.listing.tick_size == 0) e.price_exp = 0;
      if (e.u.listing.lot_size == 0) e.qty_exp = 0;
    } else {
      e.price_exp = e.qty_exp = 0;
    }
  }
  return e;
}

static void any_event_comes_back_as_it_was(void **state) {
  (void)state;
  static tf_event_line_reader_t reader;
  static char                   text[TF_EVENT_DOC_BYTES_MAX + TF_BYTES_PAD];
  tf_instrument_t               row         = {.name = "BTC-USD_PERP.A-B_9"};
  tf_instruments_t              instruments = {.rows = &row, .cap = 1, .cnt = 1};
  tf_event_line_t               line;
  tf_event_line_reader_init(&reader);
  for (uint32_t i = 0; i < EVENT_CNT; i++) {
    tf_event_t e = any_event();
    tf_doc_t   doc;
    tf_doc_init(&doc, TF_FORMAT_JSON, (uint8_t *)text, TF_EVENT_DOC_BYTES_MAX);
    tf_event_doc_fields(&doc, &e, &instruments, NULL, i % 2);
    size_t cnt = tf_doc_end(&doc);
    tf_event_line_read(&reader, text, cnt, &line);
    if (line.verdict != TF_VERDICT_DATA || memcmp(&line.event, &e, sizeof e) != 0)
      fail_msg("%.*s: verdict %u at %s", (int)cnt, text, line.verdict, line.word);
    assert_string_equal(line.name, row.name);
  }
}

static void words_are_the_same_on_both_sides(void **state) {
  (void)state;
  for (uint32_t i = 0; i <= TF_EVENT_STATUS; i++)
    assert_string_equal(tf_event_line_kind(i), tf_event_doc_kind((uint8_t)i));
  for (uint32_t i = 0; i < TF_BOOK_STATE_CNT; i++)
    assert_string_equal(tf_event_line_book(i), tf_event_doc_book(i));
  for (uint32_t i = 0; i < TF_TRADING_CNT; i++)
    assert_string_equal(tf_event_line_trading(i), tf_decision_json_trading(i));
}

/* What is printed of a text with that label; labels may be NULL. */
static const char *text_with(uint16_t label, uint16_t miss, const tf_labels_t *labels) {
  static char      text[TF_EVENT_DOC_BYTES_MAX + 1];
  const tf_event_t e = {
      .kind = TF_EVENT_TEXT, .u.text = {.label = label, .miss = miss}
  };
  tf_doc_t doc;
  tf_doc_init(&doc, TF_FORMAT_JSON, (uint8_t *)text, TF_EVENT_DOC_BYTES_MAX);
  tf_event_doc_fields(&doc, &e, NULL, labels, false);
  text[tf_doc_end(&doc)] = '\0';
  return text;
}

static void a_label_is_named_where_its_word_is_known(void **state) {
  (void)state;
  static const tf_labels_t labels =
                               {
                                   .cnt = 2, .words = {"bad", "good", "not counted"}
  },
                           none;
  assert_non_null(
      strstr(text_with(1, 0, &labels), "\"model_hash\":\"00000000\",\"label_name\":\"good\"}"));
  assert_non_null(strstr(text_with(0, 0, &labels), "\"label_name\":\"bad\"}"));
  assert_null(strstr(text_with(2, 0, &labels), "label_name"));
  assert_null(strstr(text_with(1, TF_TEXT_MISS_FULL, &labels), "label_name"));
  assert_null(strstr(text_with(1, 0, &none), "label_name"));
  assert_null(strstr(text_with(1, 0, NULL), "label_name"));
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(any_event_comes_back_as_it_was),
                                     cmocka_unit_test(a_label_is_named_where_its_word_is_known),
                                     cmocka_unit_test(words_are_the_same_on_both_sides)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
