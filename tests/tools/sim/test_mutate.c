#include "cmocka_tf.h"

#include <jansson.h>
#include <string.h>

#include "sim/mutate.h"

#define DRAWS 400

static const char *const texts[] = {
    "{\"e\":\"trade\",\"E\":1672515782136,\"s\":\"BTCUSDT\",\"t\":12345,\"p\":\"0.001\",\"q\":"
    "\"100.5\",\"m\":"
    "true}",
    "{\"stream\":\"btcusdt@depth\",\"data\":{\"e\":\"depthUpdate\",\"E\":1672515782136,\"u\":160,"
    "\"b\":[[\"0.0024\","
    "\"10.0\"]],\"a\":[]}}",
    "{\"channel\":\"book\",\"type\":\"update\",\"data\":[{\"symbol\":\"BTC/"
    "USD\",\"bids\":[{\"price\":61837.6,\"qty\":0.10000000}],\"asks\":[],\"checksum\":1234,"
    "\"timestamp\":"
    "\"2026-08-09T21:05:48.251397Z\"}]}",
    "[17,[[61837.1,1,0.5],[61838.2,1,-0.25]],42]",
    "{ \"a\" : { \"quote\\\"d\" : \"x\" } , \"list\" : [ 1.5 , \"two\" ] }"};

static char out[200000];

static json_t *mutated(sim_mutation_t mutation, uint64_t *rng, const char *text, size_t *cnt) {
  *cnt = sim_mutate(mutation, rng, text, strlen(text), out, sizeof out);
  return *cnt ? json_loadb(out, *cnt, JSON_DECODE_ANY, NULL) : NULL;
}

/* Every mutation but a bare number's leaves a text that another parser reads, and that is not what it was. */
static void mutated_texts_are_json_that_differs(void **state) {
  (void)state;
  uint64_t rng = 7;
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) {
    json_t *was = json_loads(texts[i], 0, NULL);
    assert_non_null(was);
    for (int m = SIM_MUTATE_FIELD_NEW; m <= SIM_MUTATE_TYPE_UNKNOWN; m++) {
      for (int n = 0; n < DRAWS; n++) {
        size_t  cnt;
        json_t *is = mutated((sim_mutation_t)m, &rng, texts[i], &cnt);
        if (!cnt) continue;
        if (!is || json_equal(is, was)) print_error("mutation %d: %.*s\n", m, (int)cnt, out);
        assert_non_null(is);
        assert_false(json_equal(is, was));
        json_decref(is);
      }
    }
    json_decref(was);
  }
}

static size_t size_of(const json_t *object) { return object ? json_object_size(object) : 0; }

static void fields_come_and_go_one_at_a_time(void **state) {
  (void)state;
  uint64_t rng = 9;
  size_t   cnt;
  for (int n = 0; n < DRAWS; n++) {
    json_t *more = mutated(SIM_MUTATE_FIELD_NEW, &rng, texts[0], &cnt);
    assert_int_equal(size_of(more), 8);
    json_decref(more);
    json_t *less = mutated(SIM_MUTATE_FIELD_MISSING, &rng, texts[0], &cnt);
    assert_int_equal(size_of(less), 6);
    json_decref(less);
    json_t *renamed = mutated(SIM_MUTATE_FIELD_RENAMED, &rng, texts[0], &cnt);
    assert_int_equal(size_of(renamed), 7);
    json_decref(renamed);
  }
}

/* Over many draws each kind of garbage is there, and only decimals are touched. */
static void numbers_become_each_kind_of_garbage(void **state) {
  (void)state;
  static const char *const wanted[] = {"\"NaN\"", "\"1e400\"",  "\"\"",    "\"-1\"",
                                       "\"0\"",   "\"1e-400\"", "000000.", "67890\""};
  uint64_t                 rng      = 3;
  for (size_t w = 0; w < TF_ARRAY_CNT(wanted); w++) {
    bool seen = false;
    for (int n = 0; n < DRAWS && !seen; n++) {
      size_t cnt;
      json_decref(mutated(SIM_MUTATE_NUMBER, &rng, texts[0], &cnt));
      assert_non_null(memmem(out, cnt, "1672515782136", 13));
      assert_non_null(memmem(out, cnt, "\"t\":12345,", 10));
      seen = memmem(out, cnt, wanted[w], strlen(wanted[w])) != NULL;
    }
    assert_true(seen);
  }
}

static void times_change_their_unit_and_nothing_else_does(void **state) {
  (void)state;
  uint64_t rng  = 3;
  bool     zero = false, micros = false;
  for (int n = 0; n < DRAWS; n++) {
    size_t  cnt;
    json_t *is = mutated(SIM_MUTATE_TIME, &rng, texts[0], &cnt);
    assert_non_null(is);
    json_int_t time = json_integer_value(json_object_get(is, "E"));
    zero |= time == 0;
    micros |= time == 1672515782136000;
    assert_int_not_equal(time, 1672515782136);
    assert_string_equal(json_string_value(json_object_get(is, "p")), "0.001");
    json_decref(is);
  }
  assert_true(zero && micros);
}

static void what_cannot_be_mutated_or_does_not_fit_is_left_alone(void **state) {
  (void)state;
  uint64_t rng = 1;
  assert_int_equal(sim_mutate(SIM_MUTATE_FIELD_NULL, &rng, "[1,2]", 5, out, sizeof out), 0);
  assert_int_equal(sim_mutate(SIM_MUTATE_FIELD_NEW, &rng, "[1,2]", 5, out, sizeof out), 0);
  assert_int_equal(sim_mutate(SIM_MUTATE_NUMBER, &rng, "{\"a\":\"b\"}", 9, out, sizeof out), 0);
  assert_int_equal(sim_mutate(SIM_MUTATE_FIELD_NEW, &rng, texts[0], strlen(texts[0]), out, 40), 0);
  static const char *const cut[] = {"{\"a", "{\"a\":", "{\"a\":\"b", "", "\"", "{\"a\\"};
  for (size_t i = 0; i < TF_ARRAY_CNT(cut); i++)
    for (int m = SIM_MUTATE_FIELD_NEW; m <= SIM_MUTATE_TIME; m++)
      (void)sim_mutate((sim_mutation_t)m, &rng, cut[i], strlen(cut[i]), out, sizeof out);
}

static void names_become_greek_or_64_kib_long(void **state) {
  (void)state;
  size_t cnt = sim_mutate_name("BTCUSDT", false, texts[0], strlen(texts[0]), out, sizeof out);
  assert_non_null(memmem(out, cnt, "\"BTCUSD\xCE\xA9\"", 10));
  cnt = sim_mutate_name("BTCUSDT", true, texts[0], strlen(texts[0]), out, sizeof out);
  assert_int_equal(cnt, strlen(texts[0]) - 1 + 65536);
  assert_int_equal(sim_mutate_name("ETHUSDT", false, texts[0], strlen(texts[0]), out, sizeof out),
                   0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mutated_texts_are_json_that_differs),
      cmocka_unit_test(fields_come_and_go_one_at_a_time),
      cmocka_unit_test(numbers_become_each_kind_of_garbage),
      cmocka_unit_test(times_change_their_unit_and_nothing_else_does),
      cmocka_unit_test(what_cannot_be_mutated_or_does_not_fit_is_left_alone),
      cmocka_unit_test(names_become_greek_or_64_kib_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
