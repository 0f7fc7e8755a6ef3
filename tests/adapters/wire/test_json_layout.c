#include "cmocka_tf.h"

#include "json_probe.h"

static uint64_t rng_state = 0x2545f4914f6cdd1du;
static uint64_t rng(void) {
  rng_state ^= rng_state << 13;
  rng_state ^= rng_state >> 7;
  rng_state ^= rng_state << 17;
  return rng_state;
}

static tf_json_layouts_t layouts;
static probe_t           probe, plain;

#define CAP 8192u
static char text[CAP], copy[CAP];

static void put(const char *bytes, size_t cnt) {
  assert_true(cnt + TF_BYTES_PAD <= CAP);
  memcpy(text, bytes, cnt);
  memcpy(copy, bytes, cnt);
  for (size_t i = 0; i < TF_BYTES_PAD; i++) text[cnt + i] = "0\"],}[{:"[i % 8];
  memset(copy + cnt, 0, TF_BYTES_PAD);
}

static bool is_known(size_t cnt) { return tf_json_layout_find(&layouts, text, cnt) != NULL; }

/* Both ways, which must say the same; true if the message had a layout. */
static bool read_both(const char *bytes, size_t cnt) {
  put(bytes, cnt);
  probe_read_known(&probe, NULL, &layouts, text, cnt);
  bool had_one = is_known(cnt);
  probe_read(&plain, NULL, copy, cnt);
  if (!probe_same(&probe, &plain)) fail_msg("another reading of %.*s", (int)cnt, bytes);
  return had_one;
}

/* Seen a few times it is learned. */
static bool learn_bytes(const char *bytes, size_t cnt) {
  for (int i = 0; i < 200 && !read_both(bytes, cnt); i++) {
  }
  return read_both(bytes, cnt);
}
static bool learn(const char *bytes) { return learn_bytes(bytes, strlen(bytes)); }

static int set_up(void **state) {
  (void)state;
  tf_json_layouts_init(&layouts);
  return 0;
}

static const char *const learnable[] = {
    "{}",
    "[]",
    "{\"e\":\"trade\",\"E\":1699999999123,\"p\":\"35123.10\",\"m\":true,\"new_quantity\":0."
    "00250000}",
    "{\"e\":\"\",\"E\":0,\"p\":\"\",\"m\":null,\"lastUpdateIdOfAll\":1234567890123456789}",
    "{\"p\":-0.00000012,\"new_quantity\":\"-12345678901234567\"}",
    "{\"p\":\"9223372036854775.807\",\"E\":123456789012345678901234567}",
    "{\"b\":[[\"1.5\",\"2\"],[\"1.4\",\"0.25\",\"0\",\"12\"]],\"a\":[[1.6,3],[1.7,4,0]],\"w\":[["
    "\"new\",1,2]]}",
    "{\"b\":[],\"a\":\"12.5\",\"w\":\"x\",\"items\":[]}",
    "{\"data\":{\"p\":\"1.25\",\"x\":{\"y\":[1,-2.5,\"z\",{\"q\":null}]},\"b\":[[\"1\",\"2\"]]},"
    "\"E\":7}",
    "{\"items\":[{\"p\":\"1.5\",\"new_quantity\":\"3\"},{\"new_quantity\":\"4\",\"p\":2.75}],\"E\":"
    "1}",
    "{\"items\":[[1],[2]],\"data\":{\"t\":[12,\"1.5\",\"word\",[[\"1\",\"2\"]],7,false]}}",
    "{\"data\":{\"t\":[[1,2.5,\"a\"],[2,-3.5,\"b\"]]}}",
    "{\"items\":[[1,\"2.5\",\"a\"],{\"p\":\"1.5\"},[2,-3.5,\"b\"]],\"E\":1}",
    "{\"items\":[1,\"a\",2.5],\"E\":1}",
    "{ \"e\" : \"spaced\" , \"E\" : 12 }",
    "{\"unknown\":1.5,\"another\":\"text\",\"third\":[true,false,null],\"e\":\"x\"} ",
    "{\"m\":{\"any\":[1,2]},\"e\":[1,2],\"E\":{\"x\":1},\"p\":[3]}",
};

static void a_message_seen_often_has_a_layout_and_says_the_same(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(learnable); i++) {
    bool is_object = learnable[i][0] == '{'; /* as the root is */
    assert_int_equal(learn(learnable[i]), is_object);
  }
}

static void other_digits_and_words_of_the_same_length_are_the_same_layout(void **state) {
  (void)state;
  assert_true(learn("{\"e\":\"trade\",\"p\":\"35123.10\",\"E\":10,\"x\":0.5}"));
  static const char *const alike[] = {"{\"e\":\"quote\",\"p\":\"10000.99\",\"E\":99,\"x\":9.9}",
                                      "{\"e\":\"t{,:]\",\"p\":\"99999.00\",\"E\":10,\"x\":0.0}"};
  static const char *const apart[] = {
      "{\"e\":\"tra\\ne\",\"p\":\"35123.10\",\"E\":10,\"x\":0.5}",
      "{\"e\":\"tr\"de\",\"p\":\"35123.10\",\"E\":10,\"x\":0.5}",
      "{\"e\":\"tr\nde\",\"p\":\"35123.10\",\"E\":10,\"x\":0.5}",
      "{\"e\":\"trade\",\"p\":\"05123.10\",\"E\":10,\"x\":0.5}",
      "{\"e\":\"trade\",\"p\":\"3512.310\",\"E\":10,\"x\":0.5}",
      "{\"e\":\"trade\",\"p\":\"35123.1e\",\"E\":10,\"x\":0.5}",
      "{\"e\":\"trade\",\"p\":\"-5123.10\",\"E\":10,\"x\":0.5}",
      "{\"e\":\"trade\",\"p\":\"35123.10\",\"E\":01,\"x\":0.5}",
      "{\"e\":\"trade\",\"p\":\"35123.10\",\"E\":1 ,\"x\":0.5}",
      "{\"e\":\"trade\",\"q\":\"35123.10\",\"E\":10,\"x\":0.5}",
      "{\"e\":\"trade\",\"p\":\"35123.10\",\"E\":10,\"x\":0,5}",
      "{\"e\":\"trade\",\"p\":\"35123.10\",\"E\":10,\"x\":0.5]",
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(alike); i++)
    assert_true(read_both(alike[i], strlen(alike[i])));
  for (size_t i = 0; i < TF_ARRAY_CNT(apart); i++) {
    put(apart[i], strlen(apart[i]));
    assert_false(is_known(strlen(apart[i])));
    read_both(apart[i], strlen(apart[i]));
  }
}

static void what_a_layout_cannot_say_is_never_learned(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{\"e\":\"a\\nb\"}",
      "{\"p\":1e5}",
      "{\"p\":\"1.5e-3\"}",
      "{\"p\":\"x\"}",
      "{\"e\":\"x\",\"e\":\"y\"}",
      "{\"b\":[[\"-1\",\"2\"]]}",
      "{\"b\":[1]}",
      "{\"b\":[[\"1\"]]}",
      "{\"E\":-1}",
      "{\"E\":1.5}",
      "{\"items\":[1,{\"p\":1}]}",
      "{\"b\":[[\"12345678901234567\",\"1\"]]}",
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) assert_false(learn(texts[i]));
}

static void any_byte_may_change_and_both_ways_say_the_same(void **state) {
  (void)state;
  static const char bytes[]   = "0123456789.-+eE\"\\,:[]{} \n\t\x01\x7f\x80\xff"
                                "ntfaz";
  uint32_t          known_cnt = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(learnable); i++) learn(learnable[i]);
  for (uint32_t round = 0; round < 400000; round++) {
    const char *from = learnable[rng() % TF_ARRAY_CNT(learnable)];
    size_t      cnt  = strlen(from);
    char        message[512];
    memcpy(message, from, cnt);
    for (uint64_t left = 1 + rng() % 3; left > 0; left--) {
      size_t at   = rng() % cnt;
      message[at] = rng() % 2 && message[at] >= '0' && message[at] <= '9'
                        ? (char)('0' + rng() % 10)
                        : bytes[rng() % (sizeof bytes - 1)];
    }
    known_cnt += read_both(message, cnt);
  }
  assert_in_range(known_cnt, 20000, 200000);
}

static void all_ways_to_compare_say_the_same(void **state) {
  (void)state;
  const tf_json_layout_way_t *any = tf_json_layout_way(TF_JSON_LAYOUT_WAYS - 1);
  tf_json_block_t             blocks[TF_JSON_LAYOUT_BLOCKS];
  char                        bytes[TF_JSON_LAYOUT_BYTES];
  uint32_t                    match_cnt = 0;
  for (uint32_t round = 0; round < 20000; round++) {
    uint32_t cnt = 1 + (uint32_t)(rng() % TF_JSON_LAYOUT_BLOCKS);
    memset(blocks, 0, sizeof blocks);
    for (uint32_t i = 0; i < cnt * 64; i++) {
      tf_json_block_t *b = &blocks[i / 64];
      uint8_t          c = (uint8_t)("0123456789\"\\az\xff"[rng() % 15]);
      bytes[i]           = (char)c;
      b->least[i % 64]   = c == '\\' ? 0 : (uint8_t)(c - rng() % 2);
      b->most[i % 64]    = c == '\\' ? UINT8_MAX : c;
      b->inside |= (uint64_t)(c != '\\') << i % 64;
      b->quotes |= (uint64_t)(c == '"') << i % 64;
    }
    uint32_t at = (uint32_t)(rng() % (cnt * 64));
    if (round % 2) bytes[at] = "09\"\\z\xff\x01"[rng() % 7];
    bool             expected = any->matches(blocks, cnt, bytes);
    tf_json_places_t places   = any->places(bytes);
    match_cnt += expected;
    for (uint32_t i = 0; i < TF_JSON_LAYOUT_WAYS; i++) {
      const tf_json_layout_way_t *way = tf_json_layout_way(i);
      if (way == NULL) continue;
      assert_int_equal(way->matches(blocks, cnt, bytes), expected);
      assert_memory_equal(&(tf_json_places_t[]){way->places(bytes)}, &places, sizeof places);
    }
  }
  assert_in_range(match_cnt, 10000, 19000);
}

static void each_way_reads_the_same(void **state) {
  for (uint32_t i = 0; i < TF_JSON_LAYOUT_WAYS; i++) {
    if (tf_json_layout_way(i) == NULL) continue;
    set_up(state);
    layouts.way = tf_json_layout_way(i);
    a_message_seen_often_has_a_layout_and_says_the_same(state);
    other_digits_and_words_of_the_same_length_are_the_same_layout(state);
  }
}

/* {"e":"aaa.."} of so many bytes */
static size_t long_message(char *to, size_t bytes) {
  memset(to, 'a', bytes);
  memcpy(to, "{\"e\":\"", 6);
  memcpy(to + bytes - 2, "\"}", 2);
  return bytes;
}

static void
a_message_of_as_many_bytes_as_the_limit_is_learned_and_of_one_more_is_not(void **state) {
  (void)state;
  char message[TF_JSON_LAYOUT_BYTES + 2];
  for (size_t bytes = TF_JSON_LAYOUT_BYTES - 1; bytes <= TF_JSON_LAYOUT_BYTES + 1; bytes++) {
    long_message(message, bytes);
    assert_int_equal(learn_bytes(message, bytes), bytes <= TF_JSON_LAYOUT_BYTES);
  }
}

/* A level takes two, the side two and the message one. */
static void as_many_values_as_a_layout_has_room_for_are_learned_and_one_more_is_not(void **state) {
  (void)state;
  uint32_t level_cnt = (TF_JSON_LAYOUT_TAKES - 3) / 2;
  assert_int_equal(TF_JSON_LAYOUT_TAKES % 2, 0);
  for (uint32_t more = 0; more < 3; more++) {
    char   message[512];
    size_t cnt = (size_t)sprintf(message, "{%s\"b\":[", more == 1 ? "\"e\":\"x\"," : "");
    for (uint32_t i = 0; i < level_cnt + (more == 2); i++)
      cnt += (size_t)sprintf(message + cnt, "%s[\"1\",\"2\"]", i > 0 ? "," : "");
    sprintf(message + cnt, "]}");
    assert_int_equal(learn(message), more < 2);
  }
}

static void the_oldest_layouts_make_room_for_others(void **state) {
  (void)state;
  char message[512];
  for (uint32_t pass = 0; pass < 3; pass++) {
    for (size_t bytes = 20; bytes < 20 + 2 * TF_JSON_LAYOUTS; bytes++) {
      long_message(message, bytes);
      learn_bytes(message, bytes);
    }
  }
  layouts.credit = UINT32_MAX / 2; /* what may be learned was spent */
  long_message(message, 500);
  assert_true(learn_bytes(message, 500));
}

static void learning_has_to_be_paid_for(void **state) {
  (void)state;
  uint32_t learned_cnt = 0;
  for (uint32_t i = 0; i < 3000; i++) { /* each a layout of its own */
    char   message[128];
    size_t cnt = (size_t)sprintf(message, "{\"e\":\"%.*s\",\"E\":1,\"u%u\":\"%.*s\"}",
                                 (int)(rng() % 8), "aaaaaaaa", i, (int)(rng() % 8), "aaaaaaaa");
    for (int seen = 0; seen < 24; seen++) read_both(message, cnt);
    learned_cnt += is_known(cnt);
  }
  assert_in_range(learned_cnt, 100, 2000);
}

static void a_child_that_changed_leads_the_general_way(void **state) {
  (void)state;
  static const char message[] = "{\"data\":{\"p\":1.5},\"E\":1}";
  assert_true(learn(message));
  put(message, sizeof message - 1);
  probe.root.child = NULL;
  assert_false(is_known(sizeof message - 1));
  probe.root.child = &probe.data;
  assert_true(is_known(sizeof message - 1));
}

static void rows_without_room_are_over_the_limit(void **state) {
  (void)state;
  static const char message[] = "{\"b\":[[\"1\",\"2\"],[\"3\",\"4\"]],\"items\":[{\"p\":1}]}";
  assert_true(learn(message));
  put(message, sizeof message - 1);
  for (uint32_t cap = 0; cap < 5; cap++) {
    probe.json.row_cap      = cap;
    tf_json_result_t result = tf_json_read(&probe.json, text, sizeof message - 1, &probe.root);
    assert_int_equal(result, cap < 3 ? TF_JSON_LIMIT : TF_JSON_OK);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_message_seen_often_has_a_layout_and_says_the_same, set_up),
      cmocka_unit_test_setup(other_digits_and_words_of_the_same_length_are_the_same_layout, set_up),
      cmocka_unit_test_setup(what_a_layout_cannot_say_is_never_learned, set_up),
      cmocka_unit_test_setup(any_byte_may_change_and_both_ways_say_the_same, set_up),
      cmocka_unit_test_setup(all_ways_to_compare_say_the_same, set_up),
      cmocka_unit_test_setup(each_way_reads_the_same, set_up),
      cmocka_unit_test_setup(
          a_message_of_as_many_bytes_as_the_limit_is_learned_and_of_one_more_is_not, set_up),
      cmocka_unit_test_setup(
          as_many_values_as_a_layout_has_room_for_are_learned_and_one_more_is_not, set_up),
      cmocka_unit_test_setup(the_oldest_layouts_make_room_for_others, set_up),
      cmocka_unit_test_setup(learning_has_to_be_paid_for, set_up),
      cmocka_unit_test_setup(a_child_that_changed_leads_the_general_way, set_up),
      cmocka_unit_test_setup(rows_without_room_are_over_the_limit, set_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
