#include "cmocka_tf.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "json_probe.h"
#include "wire/json_steps.h"

static uint64_t rng_state = 0x2545f4914f6cdd1du;
static uint64_t rng(void) {
  rng_state ^= rng_state << 13;
  rng_state ^= rng_state >> 7;
  rng_state ^= rng_state << 17;
  return rng_state;
}

static tf_json_orders_t orders[3];
static probe_t          probe, other;

/* Reads text with its pad; the message may hold NUL bytes. */
static tf_json_result_t read_bytes(const char *text, size_t bytes, bool predict) {
  static char buf[4 << 20];
  assert_true(bytes + TF_BYTES_PAD <= sizeof(buf));
  memcpy(buf, text, bytes);
  memset(buf + bytes, 'x', TF_BYTES_PAD);
  return probe_read(&probe, predict ? orders : NULL, buf, bytes);
}
static tf_json_result_t read_text(const char *text) { return read_bytes(text, strlen(text), true); }

static void what_is_not_json_is_refused_as_syntax(void **state) {
  (void)state;
  static const char *const wrong[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "{}}",
                                      "{} x",
                                      "\xef\xbb\xbf{}",
                                      "{\"e\"}",
                                      "{\"e\":}",
                                      "{\"e\":1,}",
                                      "{,\"e\":1}",
                                      "{\"e\":1 \"m\":2}",
                                      "{e:1}",
                                      "{'e':1}",
                                      "{\"e\":'x'}",
                                      "{\"e\":tru}",
                                      "{\"m\":truE}",
                                      "{\"m\":nul}",
                                      "{\"m\":falsy}",
                                      "{\"E\":01}",
                                      "{\"E\":-}",
                                      "{\"E\":1.}",
                                      "{\"E\":.1}",
                                      "{\"E\":1e}",
                                      "{\"E\":+1}",
                                      "{\"E\":0x1}",
                                      "{\"E\":1 2}",
                                      "{\"E\":NaN}",
                                      "{\"E\":12a}",
                                      "{\"x\":[1,]}",
                                      "{\"x\":[,1]}",
                                      "{\"x\":[1 2]}",
                                      "{\"x\":[1}",
                                      "{\"x\":{\"y\":1]}",
                                      "{\"x\":{\"y\"}}",
                                      "{\"x\":[\"\\x\"]}",
                                      "{\"x\":\"\\u12g4\"}",
                                      "{\"x\":\"\\u123\"}",
                                      "{\"x\":\"\t\"}",
                                      "{\"x\":\"\n\"}",
                                      "{\"x\":\"unended}",
                                      "{\"x\":\"\\\"}",
                                      "{\"b\":[[\"1\",\"2\"],]}",
                                      "{\"b\":[[\"1\",\"2\"]",
                                      "{\"b\":[[\"1\" \"2\"]]}",
                                      "{\"b\":[[\"1\",\"2\"}]}",
                                      "{\"b\":[\"1\",\"2\"",
                                      "[1,2",
                                      "nul",
                                      "\"x",
                                      "-"};
  for (size_t i = 0; i < TF_ARRAY_CNT(wrong); i++) {
    /* after a message that taught what would come next */
    read_text("{\"e\":\"x\",\"E\":1,\"m\":true,\"x\":[1]}");
    assert_int_equal(read_text(wrong[i]), TF_JSON_SYNTAX);
    assert_int_equal(read_bytes(wrong[i], strlen(wrong[i]), false), TF_JSON_SYNTAX);
  }
  assert_int_equal(read_bytes("{\"x\":\"a\0b\"}", 11, true), TF_JSON_SYNTAX);
  assert_int_equal(read_bytes("{}\0", 3, true), TF_JSON_SYNTAX);
}

static void values_of_another_kind_than_wanted_are_kept_and_not_made(void **state) {
  (void)state;
  assert_int_equal(
      read_text("{\"e\":null,\"E\":\"12\",\"p\":[1],\"b\":{\"x\":2},\"a\":true,\"data\":7}"),
      TF_JSON_OK);
  static const uint8_t kinds[] = {TF_JSON_NULL, TF_JSON_STRING, TF_JSON_ARRAY, TF_JSON_OBJECT,
                                  TF_JSON_TRUE};
  for (uint32_t i = 0; i < TF_ARRAY_CNT(kinds); i++) {
    assert_int_equal(probe.root_values[i].kind, kinds[i]);
    assert_int_equal(probe.root_values[i].made, TF_JSON_MADE_NONE);
  }
  assert_int_equal(probe.root_values[PROBE_DATA].kind, TF_JSON_NUMBER);
  assert_int_equal(probe.data.seen, 0);
}

static void numbers_that_do_not_fit_are_bad_and_not_a_syntax_error(void **state) {
  (void)state;
  static const char *const texts[] = {"{\"E\":1.5}",
                                      "{\"E\":-1}",
                                      "{\"E\":1e3}",
                                      "{\"E\":18446744073709551616}",
                                      "{\"p\":1e400}",
                                      "{\"p\":\"1e400\"}",
                                      "{\"p\":\"\"}",
                                      "{\"p\":\"NaN\"}",
                                      "{\"p\":\"+1\"}",
                                      "{\"p\":\"1.\"}",
                                      "{\"p\":\" 1\"}",
                                      "{\"p\":\"92233720368547758.081\"}",
                                      "{\"b\":[[\"1\",\"x\"]]}",
                                      "{\"b\":[[\"1\",\"2\"],[1e400,\"1\"]]}"};
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) {
    assert_int_equal(read_text(texts[i]), TF_JSON_OK);
    uint32_t key = (uint32_t)__builtin_ctzll(probe.root.seen);
    assert_int_equal(probe.root_values[key].made, TF_JSON_MADE_BAD);
  }
}

static void the_first_prediction_of_a_number_may_meet_none(void **state) {
  (void)state;
  static const char *const texts[] = {"{\"p\":\"s\"}", "{\"p\":\"\"}", "{\"p\":\"\\u0041\"}"};
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) {
    tf_json_orders_init(&orders[0]);
    for (int round = 0; round < 3; round++) { /* learned as a quoted number that had no form yet */
      assert_int_equal(read_text(texts[i]), TF_JSON_OK);
      assert_int_equal(probe.root_values[PROBE_P].made, TF_JSON_MADE_BAD);
    }
    assert_int_equal(read_text("{\"p\":\"12.5\"}"), TF_JSON_OK);
    assert_int_equal(probe.root_values[PROBE_P].as.mantissa, 125);
  }
}

static void a_level_without_two_numbers_is_not_made(void **state) {
  (void)state;
  static const char *const texts[] = {"{\"b\":[[]]}",
                                      "{\"b\":[[\"1\"]]}",
                                      "{\"b\":[1]}",
                                      "{\"b\":[[\"1\",\"2\"],{}]}",
                                      "{\"b\":[[\"1\",null]]}",
                                      "{\"b\":[[[\"1\"],\"2\"]]}"};
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) {
    assert_int_equal(read_text(texts[i]), TF_JSON_OK);
    assert_int_equal(probe.root_values[PROBE_B].made, TF_JSON_MADE_NONE);
  }
}

/* n of open, then n of close, inside {"x":..}. */
static tf_json_result_t read_nested(char open, char close, size_t n) {
  static char text[300000];
  size_t      at = (size_t)sprintf(text, "{\"x\":");
  for (size_t i = 0; i < n; i++) {
    text[at++] = open;
    if (open == '{') at += (size_t)sprintf(text + at, "\"k\":");
  }
  text[at++] = '1';
  for (size_t i = 0; i < n; i++) text[at++] = close;
  text[at++] = '}';
  return read_bytes(text, at, true);
}

static void limits_hold_at_n_and_not_at_n_plus_one(void **state) {
  (void)state;
  char *text = malloc(2 * TF_JSON_ELEMENTS_MAX + 64);
  /* depth: the root is 1 */
  assert_int_equal(read_nested('[', ']', TF_JSON_DEPTH_MAX - 1), TF_JSON_OK);
  assert_int_equal(read_nested('[', ']', TF_JSON_DEPTH_MAX), TF_JSON_LIMIT);
  assert_int_equal(read_nested('{', '}', TF_JSON_DEPTH_MAX - 1), TF_JSON_OK);
  assert_int_equal(read_nested('{', '}', TF_JSON_DEPTH_MAX), TF_JSON_LIMIT);
  assert_int_equal(read_nested('[', ']', 100000), TF_JSON_LIMIT);
  /* strings, as values and as keys */
  for (size_t over = 0; over < 2; over++) {
    size_t n  = TF_JSON_STRING_BYTES_MAX + over;
    size_t at = (size_t)sprintf(text, "{\"e\":\"");
    memset(text + at, 's', n);
    strcpy(text + at + n, "\"}");
    assert_int_equal(read_text(text), over ? TF_JSON_LIMIT : TF_JSON_OK);
    memset(text + 2, 's', n);
    strcpy(text + 2 + n, "\":1}");
    assert_int_equal(read_text(text), over ? TF_JSON_LIMIT : TF_JSON_OK);
  }
  /* digits, skipped and wanted */
  for (size_t over = 0; over < 2; over++) {
    for (int wanted = 0; wanted < 2; wanted++) {
      size_t at = (size_t)sprintf(text, "{\"%s\":", wanted ? "p" : "x");
      memset(text + at, '1', TF_JSON_DIGITS_MAX + over);
      strcpy(text + at + TF_JSON_DIGITS_MAX + over, "}");
      assert_int_equal(read_text(text), over ? TF_JSON_LIMIT : TF_JSON_OK);
    }
  }
  /* keys of one object, read and skipped */
  for (size_t over = 0; over < 2; over++) {
    for (int nested = 0; nested < 2; nested++) {
      size_t at = (size_t)sprintf(text, "%s{", nested ? "{\"x\":" : "");
      for (size_t i = 0; i < TF_JSON_KEYS_MAX + over; i++) {
        at += (size_t)sprintf(text + at, "%s\"k%zu\":1", i ? "," : "", i);
      }
      strcpy(text + at, nested ? "}}" : "}");
      assert_int_equal(read_text(text), over ? TF_JSON_LIMIT : TF_JSON_OK);
      assert_int_equal(read_text(text), over ? TF_JSON_LIMIT : TF_JSON_OK);
    }
  }
  /* elements */
  for (size_t over = 0; over < 2; over++) {
    size_t at = (size_t)sprintf(text, "{\"x\":[0");
    for (size_t i = 1; i < TF_JSON_ELEMENTS_MAX + over; i++) {
      text[at++] = ',';
      text[at++] = '0';
    }
    strcpy(text + at, "]}");
    assert_int_equal(read_text(text), over ? TF_JSON_LIMIT : TF_JSON_OK);
  }
  /* rows */
  for (size_t over = 0; over < 2; over++) {
    size_t at = (size_t)sprintf(text, "{\"b\":[[\"1\",\"2\"]");
    for (size_t i = 1; i < PROBE_ROWS + over; i++)
      at += (size_t)sprintf(text + at, ",[\"1\",\"2\"]");
    strcpy(text + at, "]}");
    assert_int_equal(read_text(text), over ? TF_JSON_LIMIT : TF_JSON_OK);
    assert_int_equal(read_bytes(text, strlen(text), false), over ? TF_JSON_LIMIT : TF_JSON_OK);
  }
  free(text);
}

static void the_first_of_a_repeated_key_counts(void **state) {
  (void)state;
  for (int round = 0; round < 3; round++) { /* unlearned, learned */
    assert_int_equal(read_text("{\"E\":1,\"p\":\"2\",\"E\":3,\"p\":[],\"E\":5}"), TF_JSON_OK);
    assert_int_equal(tf_json_u64(&probe.json, &probe.root_values[PROBE_TIME]), 1);
    assert_int_equal(probe.root_values[PROBE_P].as.mantissa, 2);
    assert_int_equal(probe.json.duplicate_key_cnt, 3);
  }
  /* a message that ends in a key which the prediction has in an earlier place */
  assert_int_equal(read_text("{\"E\":1,\"m\":true}"), TF_JSON_OK);
  assert_int_equal(read_text("{\"E\":2, \"m\":true,\"E\":4}"), TF_JSON_OK);
  assert_int_equal(read_text("{\"E\" :2,\"m\":true,\"E\":4}"), TF_JSON_OK);
  assert_int_equal(tf_json_u64(&probe.json, &probe.root_values[PROBE_TIME]), 2);
  assert_int_equal(probe.json.duplicate_key_cnt, 1);
}

static void escapes_are_resolved_and_half_pairs_are_not(void **state) {
  (void)state;
  char text[64];
  assert_int_equal(read_text("{\"\\u0065\":\"a\\u00e9\\n\\ud83d\\ude00\\/\"}"), TF_JSON_OK);
  const tf_json_value_t *v = &probe.root_values[PROBE_E];
  assert_true(tf_json_seen(&probe.root, PROBE_E) && v->escaped);
  size_t n = tf_json_unescape(v->bytes, v->bytes_cnt, text, sizeof(text));
  assert_int_equal(n, 9);
  assert_memory_equal(text, "a\xc3\xa9\n\xf0\x9f\x98\x80/", n);
  assert_int_equal(tf_json_unescape(v->bytes, v->bytes_cnt, text, n), n);
  assert_true(tf_json_unescape(v->bytes, v->bytes_cnt, text, n - 1) == SIZE_MAX);
  static const char *const halves[] = {"\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041"};
  for (size_t i = 0; i < TF_ARRAY_CNT(halves); i++) {
    assert_true(tf_json_unescape(halves[i], strlen(halves[i]), text, sizeof(text)) == SIZE_MAX);
  }
  assert_int_equal(read_text("{\"\\u0000\":1,\"e\\u0000\":2,\"p\":\"\\u0031\\u002e5\"}"),
                   TF_JSON_OK);
  assert_false(tf_json_seen(&probe.root, PROBE_E));
  assert_int_equal(probe.root_values[PROBE_P].as.mantissa, 15);
  assert_int_equal(probe.root_values[PROBE_P].exp, -1);
  assert_int_equal(read_text("{\"e\":\"tr\\u0061de\"}"), TF_JSON_OK);
  assert_true(TF_JSON_TEXT_IS(&probe.root_values[PROBE_E], "trade"));
  assert_false(TF_JSON_TEXT_IS(&probe.root_values[PROBE_E], "trads"));
}

static void levels_are_read_in_any_layout(void **state) {
  (void)state;
  assert_int_equal(read_text("{\"b\":[[\"61837.63\",\"0.5\"],[1,2,\"x\",[3]] , [ \"1e2\" , \"0\" ],"
                             "[\"\\u0037\",8]],\"a\":[]}"),
                   TF_JSON_OK);
  const tf_json_value_t *b = &probe.root_values[PROBE_B];
  assert_int_equal(b->made, TF_JSON_MADE_LEVELS);
  assert_int_equal(b->as.levels.cnt, 4);
  static const int64_t prices[] = {6183763, 1, 1, 7}, qtys[] = {5, 2, 0, 8};
  static const int8_t  exps[] = {-2, 0, 2, 0};
  for (uint32_t i = 0; i < 4; i++) {
    assert_int_equal(probe.rows[i].u.level.price, prices[i]);
    assert_int_equal(probe.rows[i].u.level.qty, qtys[i]);
    assert_int_equal(probe.rows[i].price_exp, exps[i]);
  }
  assert_int_equal(probe.root_values[PROBE_A].as.levels.cnt, 0);
  assert_int_equal(probe.root_values[PROBE_A].as.levels.first, 4);
  assert_false(probe.json.any_negative);
  assert_int_equal(read_text("{\"b\":[[\"1\",\"-2\"]]}"), TF_JSON_OK);
  assert_true(probe.json.any_negative);
}

static void levels_behind_a_word_are_read_in_any_layout(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{\"w\":[[\"new\",37317.0,2960.5],[\"delete\",0.5,0.0]]}",
      "{ \"w\" : [ [ \"new\" , 37317.0 , 2960.5 ] , [ \"x\" , 0.5 , 0.0 ] ] }",
      "{\"w\":[[37317.0,2960.5],[0.5,0.0]]}",
      "{\"w\":[[\"a word of some length\",37317.0,2960.5,7],[\"\\u0061\",5e-1,0.0,{}]]}",
      "{\"w\":[[\"\",37317.0,2960.5],[\"longword\",0.5,0.0]]}"};
  for (size_t i = 0; i < 2 * TF_ARRAY_CNT(texts); i++) { /* each twice: learned, then predicted */
    assert_int_equal(read_text(texts[i / 2]), TF_JSON_OK);
    const tf_json_value_t *w = &probe.root_values[PROBE_W];
    assert_int_equal(w->made, TF_JSON_MADE_LEVELS);
    assert_int_equal(w->as.levels.cnt, 2);
    assert_int_equal(probe.rows[0].u.level.price, 373170);
    assert_int_equal(probe.rows[0].u.level.qty, 29605);
    assert_int_equal(probe.rows[0].qty_exp, -1);
    assert_int_equal(probe.rows[1].u.level.price, 5);
    assert_int_equal(probe.rows[1].price_exp, -1);
    assert_int_equal(probe.rows[1].u.level.qty, 0);
  }
}

static void levels_behind_a_word_that_are_none_are_told(void **state) {
  (void)state;
  static const struct {
    const char      *text;
    tf_json_result_t result;
    uint8_t          made;
  } cases[] = {
      {"{\"w\":[[\"new\",1.0]]}",         TF_JSON_OK,     TF_JSON_MADE_NONE  },
      {"{\"w\":[[\"new\",\"new\",1.0]]}", TF_JSON_OK,     TF_JSON_MADE_BAD   },
      {"{\"w\":[[\"new\",null,1.0]]}",    TF_JSON_OK,     TF_JSON_MADE_NONE  },
      {"{\"w\":[[\"new\"]]}",             TF_JSON_OK,     TF_JSON_MADE_NONE  },
      {"{\"w\":[[]]}",                    TF_JSON_OK,     TF_JSON_MADE_NONE  },
      {"{\"w\":[\"new\",1.0,2.0]}",       TF_JSON_OK,     TF_JSON_MADE_NONE  },
      {"{\"w\":7.5}",                     TF_JSON_OK,     TF_JSON_MADE_NONE  },
      {"{\"w\":[]}",                      TF_JSON_OK,     TF_JSON_MADE_LEVELS},
      {"{\"w\":[[\"new\",1.0,2.0],]}",    TF_JSON_SYNTAX, 0                  },
      {"{\"w\":[[\"new\",1.0,2.0]",       TF_JSON_SYNTAX, 0                  },
      {"{\"w\":[[\"new\",1.0,2.0",        TF_JSON_SYNTAX, 0                  },
      {"{\"w\":[[\"new",                  TF_JSON_SYNTAX, 0                  },
      {"{\"w\":[[\"new\" 1.0,2.0]]}",     TF_JSON_SYNTAX, 0                  },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    assert_int_equal(read_text("{\"w\":[[\"new\",37317.0,2960.5]]}"), TF_JSON_OK);
    assert_int_equal(read_text(cases[i].text), cases[i].result);
    if (cases[i].result == TF_JSON_OK)
      assert_int_equal(probe.root_values[PROBE_W].made, cases[i].made);
  }
}

/* Price, quantity and two texts are five elements with the level itself; they are counted in the hot way too. */
static void levels_with_texts_behind_count_all_their_elements(void **state) {
  (void)state;
  static const tf_json_key_t   keys[]  = {TF_JSON_KEY("b", TF_JSON_WANT_LEVELS)};
  static const tf_json_shape_t shape   = {keys, 1};
  const size_t                 cnt     = TF_JSON_ELEMENTS_MAX / 5;
  const char                   level[] = "[\"1\",\"2\",\"3\",\"4\"],";
  char                        *text    = malloc((cnt + 1) * (sizeof level - 1) + 64 + TF_BYTES_PAD);
  tf_event_t                  *rows    = malloc((cnt + 2) * sizeof *rows);
  for (uint32_t over = 0; over < 2; over++) {
    size_t at = (size_t)sprintf(text, "{\"b\":[");
    for (size_t i = 0; i < cnt; i++, at += sizeof level - 1) memcpy(text + at, level, sizeof level);
    at += (size_t)sprintf(text + at - !over, over ? "[]]}" : "]}") - !over;
    memset(text + at, 0, TF_BYTES_PAD);
    tf_json_value_t  values[2];
    tf_json_object_t root = {.shape = &shape, .values = values};
    tf_json_t        json = {.rows = rows, .row_cap = (uint32_t)cnt + 2};
    assert_int_equal(tf_json_read(&json, text, at, &root), over ? TF_JSON_LIMIT : TF_JSON_OK);
    if (!over) assert_int_equal(values[0].as.levels.cnt, cnt);
  }
  free(text);
  free(rows);
}

static const char *const samples[] = {
    "{\"stream\":\"btcusdt@trade\",\"data\":{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\","
    "\"p\":\"61837.63000000\",\"m\":true,\"M\":true}}",
    "{\"e\":\"x\",\"E\":1,\"p\":-1.5e3,\"b\":[[\"1.5\",\"2\"],[\"3\",\"4.25\"]],\"a\":\"7\",\"m\":"
    "false}",
    "{\"a\":12345,\"x\":{\"y\":[1,2.5,{\"z\":null}]},\"lastUpdateIdOfAll\":77,\"E\":2}",
    "{ \"p\" : \"0.00000001\" , \"b\" : [ ] , \"e\" : \"\\u0041\" , \"unknown\" : \"a\\\"b\" }",
    "{\"E\":12,\"E\":13,\"data\":{\"E\":1234567890123456,\"b\":[[\"1\",\"2\"]],\"a\":[[1,2]]}}",
    "{\"p\":123,\"E\":99999999999999999999,\"m\":\"text of some length here\",\"data\":[]}",
    "[1,2,{\"e\":3}]",
    "{\"data\":{\"t\":[[1,2.5,\"te\",[[1,2]],[3],null],[12345678,\"-7.25\",\"\",[],4,{\"x\":[]}]],"
    "\"items\":[[5,-6]]}}",
    "{\"data\":{\"t\":[1234567890123456789,0.5,\"\\u0041\",[[\"1\",\"2\"]],\"hb\",1.5,7,8],"
    "\"data\":[1,2]}}",
    "{\"lastUpdateId\":160,\"b\":[[\"0.0024\",\"10\"]],\"a\":[[\"0.0026\",\"100\"]]}",
    "{\"b\":[[\"1.5\",\"2\",\"0\",\"1\"],[\"1.6\",\"3\",\"1234567\"],[\"1.7\",\"4\",\"12345678\"],"
    "[\"1.8\",\"5\",\"a\"],[\"1.9\",\"6\",\"0\",\"1\",\"2\"],[\"2\",\"7\",\"\"]],\"a\":[]}",
    "{\"b\":[[32.372,0.037,1],[32.3,23,0],[0,1,12,3],[5,6,10]],\"a\":[[1,2],[3.5,4]],\"w\":[[\"n\","
    "1.5,2]]}",
    "{\"E\":2008995016326377159,\"x\":-0.181,\"p\":-12.5,\"e\":\"a86bc51e-f76b-5a6e-a3bc-"
    "b704d30d78e3\"}",
    "{\"E\":18446744073709551615,\"p\":\"525802862.66014328\",\"m\":null,\"b\":[[\"1234567890."
    "12345678\",\"-1\"]]}",
    "{\"p\":\"-0.00\",\"unknown_key_of_a_venue\":1234567890.12345678,\"m\":\"\",\"p2\":1e5,\"e\":"
    "null}"};

/* A sample, or pieces of two, with a few bytes changed. */
static size_t make_message(char *text) {
  const char *first = samples[rng() % TF_ARRAY_CNT(samples)];
  size_t      n     = strlen(first);
  memcpy(text, first, n);
  uint64_t kind = rng() % 8;
  if (kind == 0) {
    const char *second = samples[rng() % TF_ARRAY_CNT(samples)];
    size_t      cut = rng() % (n + 1), from = rng() % strlen(second);
    strcpy(text + cut, second + from);
    n = strlen(text);
  }
  static const char any[] = "{}[]\",:\\eEpbam01.-+ \t\nutrfalsn";
  for (uint64_t i = kind < 3 ? 0 : rng() % 4; i > 0; i--) {
    size_t at = rng() % n;
    switch (rng() % 3) {
    case 0: text[at] = any[rng() % (sizeof(any) - 1)]; break;
    case 1: /* insert */
      memmove(text + at + 1, text + at, n - at);
      text[at] = any[rng() % (sizeof(any) - 1)];
      n++;
      break;
    default: /* delete */ memmove(text + at, text + at + 1, n - at - 1); n -= n > 1;
    }
  }
  if (rng() % 16 == 0) n = rng() % (n + 1);
  return n;
}

static void prediction_never_changes_what_is_read(void **state) {
  (void)state;
  static char text[2048], again[2048];
  for (int i = 0; i < 3; i++) tf_json_orders_init(&orders[i]);
  uint32_t ok_cnt = 0;
  for (int round = 0; round < 150000; round++) {
    size_t n = make_message(text);
    memset(text + n, (int)rng(), TF_BYTES_PAD);
    memcpy(again, text, n);
    for (size_t i = 0; i < TF_BYTES_PAD; i++) again[n + i] = (char)rng();
    probe_read(&probe, orders, text, n); /* with what all before have taught */
    probe_read(&other, NULL, again, n);
    if (!probe_same(&probe, &other)) fail_msg("differs: %.*s", (int)n, text);
    ok_cnt += probe.json.result == TF_JSON_OK;
  }
  assert_true(ok_cnt > 50000 && ok_cnt < 290000);
}

/* Jansson as the judge of what is JSON. It refuses two things that we do not (numbers beyond a
 * double, half surrogate pairs), which the samples cannot grow. */
static void what_is_json_is_what_jansson_takes(void **state) {
  (void)state;
  static char text[2048];
  for (int round = 0; round < 50000; round++) {
    size_t n = make_message(text);
    memset(text + n, 0, TF_BYTES_PAD);
    bool taken = probe_read(&probe, orders, text, n) == TF_JSON_OK;
    if (memmem(text, n, "\\u", 2) != NULL || memchr(text, 'e', n) == NULL) continue;
    json_error_t error;
    json_t      *judged =
        json_loadb(text, n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
    bool overflow = judged == NULL && strstr(error.text, "overflow") != NULL;
    if (!overflow && (judged != NULL) != taken) fail_msg("%d: %.*s", taken, (int)n, text);
    json_decref(judged);
  }
}

/* The message lies so that its pad ends at a page that cannot be read. */
static void cut_short_anywhere_it_is_syntax_and_nothing_behind_the_pad_is_read(void **state) {
  (void)state;
  size_t page  = (size_t)sysconf(_SC_PAGESIZE);
  char  *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(pages != MAP_FAILED);
  assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
  for (size_t i = 0; i < TF_ARRAY_CNT(samples); i++) {
    size_t whole = strlen(samples[i]);
    for (size_t n = 0; n <= whole; n++) {
      /* what follows in the pad is what the message would have gone on with */
      char *text = pages + page - TF_BYTES_PAD - n;
      memset(text + n, '0', TF_BYTES_PAD);
      size_t behind = whole - n < TF_BYTES_PAD ? whole - n : TF_BYTES_PAD;
      memcpy(text, samples[i], n + behind);
      probe_read(&other, orders, samples[i], 0);
      static char full[4096];
      strcpy(full, samples[i]);
      probe_read(&other, orders, full, whole); /* teaches */
      tf_json_result_t result = probe_read(&probe, orders, text, n);
      assert_int_equal(result, n == whole ? TF_JSON_OK : TF_JSON_SYNTAX);
      assert_int_equal(probe_read(&probe, NULL, text, n), result);
    }
  }
  munmap(pages, 2 * page);
}

static void learned_messages_take_the_predicted_way(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) tf_json_orders_init(&orders[i]);
  assert_int_equal(read_text(samples[0]), TF_JSON_OK);
  static const char *const texts[] = {"{\"e\":\"", ",\"E\":", ",\"s\":\"",
                                      ",\"p\":\"", ",\"m\":", ",\"M\":"};
  const tf_json_order_t   *order   = orders[1].order;
  uint32_t                 at      = order->first_at[0];
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++) {
    const tf_json_step_t *step = &order->steps[at / sizeof *step];
    assert_int_equal(step->text_bytes, strlen(texts[i]));
    assert_memory_equal(step->text, texts[i], strlen(texts[i]));
    at = step->next_at[0];
  }
  assert_int_equal(at, 0);
}

static void items_are_read_one_by_one_and_leave_rows(void **state) {
  (void)state;
  static const char text[] = "{\"items\":[{\"p\":\"1.5\",\"new_quantity\":\"20\"},"
                             "{\"p\":\"2.5\",\"new_quantity\":\"0.30\"} , {}],\"E\":7}";
  for (int round = 0; round < 3; round++) { /* unlearned, learned */
    assert_int_equal(read_text(text), TF_JSON_OK);
    const tf_json_value_t *items = &probe.root_values[PROBE_ITEMS];
    assert_int_equal(items->made, TF_JSON_MADE_ITEMS);
    assert_int_equal(items->as.levels.first, 0);
    assert_int_equal(items->as.levels.cnt, 3);
    assert_int_equal(probe.rows[1].u.level.price, 25);
    assert_int_equal(probe.rows[1].u.level.qty, 30);
    assert_int_equal(probe.rows[1].qty_exp, -2);
    assert_int_equal(probe.rows[2].u.level.price, 0);
    assert_int_equal(tf_json_u64(&probe.json, &probe.root_values[PROBE_TIME]), 7);
  }
  assert_int_equal(read_text("{\"items\":[{},1,{}]}"), TF_JSON_OK);
  assert_int_equal(probe.root_values[PROBE_ITEMS].made, TF_JSON_MADE_NONE);
  assert_int_equal(read_text("{\"items\":[]}"), TF_JSON_OK);
  assert_int_equal(probe.root_values[PROBE_ITEMS].made, TF_JSON_MADE_ITEMS);
  static const char *const wrong[] = {"{\"items\":[{},]}", "{\"items\":[{} {}]}", "{\"items\":[{}",
                                      "{\"items\":[{}}",   "{\"items\":[,{}]}",   "{\"items\":["};
  for (size_t i = 0; i < TF_ARRAY_CNT(wrong); i++)
    assert_int_equal(read_text(wrong[i]), TF_JSON_SYNTAX);
}

/* An object leaves its p and new_quantity, an array its number and its decimal. */
static void items_may_begin_with_either_bracket(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{\"items\":[[7,2.5],{\"p\":\"7\",\"new_quantity\":2.5}, [7,\"2.5\",\"x\"]],\"E\":7}",
      "{\"items\":[{\"new_quantity\":\"2.5\",\"p\":7},[7,2.5],[7,2.5]],\"E\":7}",
      "{\"items\":[[7,2.5],[7,2.5],[7,2.5]],\"E\":7}",
  };
  for (size_t i = 0; i < 4 * TF_ARRAY_CNT(texts); i++) { /* unlearned, learned, not predicted */
    assert_int_equal(read_bytes(texts[i / 4], strlen(texts[i / 4]), i % 4 != 3), TF_JSON_OK);
    const tf_json_value_t *items = &probe.root_values[PROBE_ITEMS];
    assert_int_equal(items->made, TF_JSON_MADE_ITEMS);
    assert_int_equal(items->as.levels.cnt, 3);
    for (uint32_t k = 0; k < 3; k++) {
      assert_int_equal(probe.rows[k].u.level.price, 7);
      assert_int_equal(probe.rows[k].u.level.qty, 25);
      assert_int_equal(probe.rows[k].qty_exp, -1);
    }
    assert_int_equal(tf_json_u64(&probe.json, &probe.root_values[PROBE_TIME]), 7);
  }
  assert_int_equal(read_text("{\"items\":[[7,2.5],7]}"), TF_JSON_OK);
  assert_int_equal(probe.root_values[PROBE_ITEMS].made, TF_JSON_MADE_NONE);
  static const char *const wrong[] = {"{\"items\":[[1,]]}", "{\"items\":[[1} ]}",
                                      "{\"items\":[[1] [2]]}", "{\"items\":[[1],",
                                      "{\"items\":[[1,2"};
  for (size_t i = 0; i < TF_ARRAY_CNT(wrong); i++)
    assert_int_equal(read_text(wrong[i]), TF_JSON_SYNTAX);
}

/* A row an object, its number the price. */
static void put_side_row(tf_json_t *json, tf_json_object_t *item) {
  tf_event_t *row = tf_json_put_row(json);
  if (row == NULL) return;
  row->u.level.price = tf_json_seen(item, 0) ? item->values[0].as.mantissa : -1;
}

static void sides_by_place_are_two_lists_of_rows(void **state) {
  (void)state;
  static const tf_json_key_t keys[] = {
      TF_JSON_KEY("levels", TF_JSON_WANT_SIDES),
      {"", 255, TF_JSON_WANT_BYTES},
      TF_JSON_KEY("list", TF_JSON_WANT_ITEMS)
  };
  static const tf_json_key_t   item_keys[] = {TF_JSON_KEY("p", TF_JSON_WANT_DECIMAL)};
  static const tf_json_shape_t shape = {keys, 3}, item_shape = {item_keys, 1};
  static const struct {
    const char      *text;
    tf_json_result_t result;
    tf_json_made_t   made;
    uint32_t         first_cnt, second_cnt;
  } rows[] = {
      {"{\"levels\":[[{\"p\":1},{\"p\":2}],[{\"p\":3}]]}", TF_JSON_OK,     TF_JSON_MADE_ITEMS, 2, 1},
      {"{\"levels\": [ [ ] , [{\"p\":1} , {}] ] }",        TF_JSON_OK,     TF_JSON_MADE_ITEMS, 0, 2},
      {"{\"levels\":[{\"p\":1},null]}",                    TF_JSON_OK,     TF_JSON_MADE_ITEMS, 1, 0},
      {"{\"levels\":[null,{\"p\":1}]}",                    TF_JSON_OK,     TF_JSON_MADE_ITEMS, 0, 1},
      {"{\"levels\":[]}",                                  TF_JSON_OK,     TF_JSON_MADE_NONE,  0, 0},
      {"{\"levels\":[[]]}",                                TF_JSON_OK,     TF_JSON_MADE_NONE,  0, 0},
      {"{\"levels\":[[],[],[]]}",                          TF_JSON_OK,     TF_JSON_MADE_NONE,  0, 0},
      {"{\"levels\":[[1],[]]}",                            TF_JSON_OK,     TF_JSON_MADE_NONE,  0, 0},
      {"{\"levels\":[[],7]}",                              TF_JSON_OK,     TF_JSON_MADE_NONE,  0, 0},
      {"{\"levels\":7}",                                   TF_JSON_OK,     TF_JSON_MADE_NONE,  0, 0},
      {"{\"levels\":[[],[]}",                              TF_JSON_SYNTAX, 0,                  0, 0},
      {"{\"levels\":[[] []]}",                             TF_JSON_SYNTAX, 0,                  0, 0},
      {"{\"levels\":[[],",                                 TF_JSON_SYNTAX, 0,                  0, 0},
      {"{\"levels\":[,[]]}",                               TF_JSON_SYNTAX, 0,                  0, 0},
  };
  tf_event_t       events[4];
  tf_json_value_t  values[4], item_values[2];
  tf_json_object_t item = {
      .shape = &item_shape, .orders = &orders[1], .values = item_values, .on_item = put_side_row};
  tf_json_object_t root = {.shape = &shape, .orders = &orders[0], .values = values, .child = &item};
  for (size_t i = 0; i < 3 * TF_ARRAY_CNT(rows); i++) { /* unlearned, learned */
    char text[128] = {0};
    strcpy(text, rows[i / 3].text);
    tf_json_t json = {.rows = events, .row_cap = 4};
    assert_int_equal(tf_json_read(&json, text, strlen(text), &root), rows[i / 3].result);
    if (rows[i / 3].result != TF_JSON_OK) continue;
    assert_int_equal(values[0].made, rows[i / 3].made);
    if (values[0].made != TF_JSON_MADE_ITEMS) continue;
    assert_int_equal(values[0].as.levels.first, 0);
    assert_int_equal(values[0].as.levels.cnt, rows[i / 3].first_cnt);
    assert_int_equal(values[1].as.levels.first, rows[i / 3].first_cnt);
    assert_int_equal(values[1].as.levels.cnt, rows[i / 3].second_cnt);
    assert_int_equal(json.row_cnt, rows[i / 3].first_cnt + rows[i / 3].second_cnt);
  }
  static const char number[32 + TF_BYTES_PAD] = "{\"list\":\"1.50\"}";
  for (int round = 0; round < 3; round++) {
    tf_json_t json = {.rows = events, .row_cap = 4};
    assert_int_equal(tf_json_read(&json, number, strlen(number), &root), TF_JSON_OK);
    assert_int_equal(values[2].made, TF_JSON_MADE_DECIMAL);
    assert_int_equal(values[2].as.mantissa, 150);
    assert_int_equal(values[2].exp, -2);
  }
}

/* The step for exactly these bytes; NULL: nothing was learned of them. */
static const tf_json_step_t *step_of(const tf_json_orders_t *all, const char *text) {
  const tf_json_order_t *of = all->order;
  for (uint32_t i = 1; i < of->step_cnt; i++) {
    const tf_json_step_t *step  = &of->steps[i];
    size_t                bytes = step->text_bytes, front = bytes < 16 ? bytes : 16;
    if (strlen(text) == bytes && memcmp(step->text, text, front) == 0 &&
        memcmp(step->more, text + front, bytes - front) == 0)
      return step;
  }
  return NULL;
}

/* A key is predicted in two comparisons where its bytes and those around it are more than 16. */
static void keys_are_predicted_up_to_23_bytes(void **state) {
  (void)state;
  for (uint32_t bytes = 1; bytes < 32; bytes++) {
    char text[64] = "{\"E\":1,\"", member[64] = ",\"", again[64];
    for (uint32_t i = 0; i < bytes; i++) text[8 + i] = member[2 + i] = (char)('a' + i % 26);
    strcpy(text + 8 + bytes, "\":\"s\"}");
    strcpy(member + 2 + bytes, "\":\"");
    tf_json_orders_init(&orders[0]);
    assert_int_equal(read_text(text), TF_JSON_OK);
    assert_int_equal(step_of(&orders[0], member) != NULL, bytes <= 23);
    assert_int_equal(read_text(text), TF_JSON_OK);
    strcpy(again, text); /* another key that is the same but for its last byte */
    again[7 + bytes] = '~';
    assert_int_equal(read_text(again), TF_JSON_OK);
    assert_int_equal(read_text(text), TF_JSON_OK);
  }
  tf_json_orders_init(&orders[1]);
  assert_int_equal(read_text("{\"items\":[{\"p\":\"1\",\"new_quantity\":\"2\"}]}"), TF_JSON_OK);
  assert_int_equal(step_of(&orders[1], ",\"new_quantity\":\"")->form, TF_JSON_FORM_LONG);
  assert_int_equal(read_text("{\"items\":[{\"p\":\"1\",\"new_quantity\":2}]}"), TF_JSON_OK);
  assert_int_equal(probe.rows[0].u.level.qty, 2);
}

/* Forms of message that begin alike: what they share is learned once, and nothing is forgotten. */
static void forms_that_begin_alike_are_all_remembered(void **state) {
  (void)state;
  static const char *const texts[] = {"{\"lastUpdateIdOfAll\":0,\"E\":1,\"p\":\"1.5\",\"m\":true}",
                                      "{\"lastUpdateIdOfAll\":1,\"b\":[[\"1\",\"2\"]],\"E\":2}",
                                      "{\"lastUpdateIdOfAll\":2,\"other\":[1,2],\"E\":3,\"p\":7}"};
  tf_json_orders_init(&orders[0]);
  for (uint32_t round = 0; round < 30; round++) {
    assert_int_equal(read_text(texts[round % 3]), TF_JSON_OK);
    assert_int_equal(tf_json_u64(&probe.json, &probe.root_values[PROBE_LONG]), round % 3);
    assert_int_equal(tf_json_u64(&probe.json, &probe.root_values[PROBE_TIME]), round % 3 + 1);
    /* seven members, "p" as text and as number, and the one that matches nothing */
    if (round >= 2) assert_int_equal(orders[0].order->step_cnt, 8);
  }
}

/* More keys than there is room for: all is forgotten and learned anew, and nothing is read wrong. */
static void keys_without_end_only_cost_time(void **state) {
  (void)state;
  char text[128];
  for (uint32_t i = 0; i < 1000; i++) {
    snprintf(text, sizeof text, "{\"key%u\":%u,\"E\":%u,\"p\":\"2.5\"}", i, i, i);
    assert_int_equal(read_text(text), TF_JSON_OK);
    assert_int_equal(tf_json_u64(&probe.json, &probe.root_values[PROBE_TIME]), i);
    assert_int_equal(probe.root_values[PROBE_P].as.mantissa, 25);
    assert_true(orders[0].order->step_cnt <= TF_JSON_STEPS_MAX + 1);
  }
}

static void items_fill_rows_up_to_their_cap(void **state) {
  (void)state;
  char *text = malloc(PROBE_ROWS * 4 + 64);
  for (size_t over = 0; over < 2; over++) {
    size_t at = (size_t)sprintf(text, "{\"items\":[{}");
    for (size_t i = 1; i < PROBE_ROWS + over; i++) at += (size_t)sprintf(text + at, ",{}");
    strcpy(text + at, "]}");
    assert_int_equal(read_text(text), over ? TF_JSON_LIMIT : TF_JSON_OK);
  }
  free(text);
}

/* A tuple by itself and many of them; what stands in it at each place, and how many elements it has. */
static void tuples_are_read_by_place(void **state) {
  (void)state;
  static const struct {
    const char      *text;
    tf_json_result_t result;
    tf_json_made_t   made;
    uint32_t         cnt;
    uint64_t         seen; /* of the last one */
    int64_t          first, second;
  } rows[] = {
      {"{\"data\":{\"t\":[7,2.5]}}",                    TF_JSON_OK,     TF_JSON_MADE_ITEMS, 1, 3,  7, 25},
      {"{\"data\":{\"t\":[[7,2.5],[8,\"-1\",\"x\"]]}}", TF_JSON_OK,     TF_JSON_MADE_ITEMS, 2, 7,  8,
       -1                                                                                               },
      {"{\"data\":{\"t\": [ [ 7 , 2.5 ] , [9] ] }}",    TF_JSON_OK,     TF_JSON_MADE_ITEMS, 2, 1,  9, 0 },
      {"{\"data\":{\"t\":[1,2,3,4,5,6,7,8]}}",          TF_JSON_OK,     TF_JSON_MADE_ITEMS, 1, 63, 1, 2 },
      {"{\"data\":{\"t\":[]}}",                         TF_JSON_OK,     TF_JSON_MADE_ITEMS, 0, 0,  0, 0 },
      {"{\"data\":{\"t\":[[]]}}",                       TF_JSON_OK,     TF_JSON_MADE_ITEMS, 1, 0,  0, 0 },
      {"{\"data\":{\"t\":[[1,2],3]}}",                  TF_JSON_OK,     TF_JSON_MADE_NONE,  1, 3,  1, 2 },
      {"{\"data\":{\"t\":[-1,1e400]}}",                 TF_JSON_OK,     TF_JSON_MADE_ITEMS, 1, 3,  0, 0 },
      {"{\"data\":{\"t\":{}}}",                         TF_JSON_OK,     TF_JSON_MADE_NONE,  0, 0,  0, 0 },
      {"{\"data\":{\"t\":12}}",                         TF_JSON_OK,     TF_JSON_MADE_U64,   0, 0,  0, 0 },
      {"{\"data\":{\"t\":[1,]}}",                       TF_JSON_SYNTAX, 0,                  0, 0,  0, 0 },
      {"{\"data\":{\"t\":[,1]}}",                       TF_JSON_SYNTAX, 0,                  0, 0,  0, 0 },
      {"{\"data\":{\"t\":[1 2]}}",                      TF_JSON_SYNTAX, 0,                  0, 0,  0, 0 },
      {"{\"data\":{\"t\":[1,2}}",                       TF_JSON_SYNTAX, 0,                  0, 0,  0, 0 },
      {"{\"data\":{\"t\":[1,\"2]}}",                    TF_JSON_SYNTAX, 0,                  0, 0,  0, 0 },
      {"{\"data\":{\"t\":[01,2]}}",                     TF_JSON_SYNTAX, 0,                  0, 0,  0, 0 },
      {"{\"data\":{\"t\":[1,2",                         TF_JSON_SYNTAX, 0,                  0, 0,  0, 0 },
  };
  for (size_t i = 0; i < 4 * TF_ARRAY_CNT(rows); i++) { /* unlearned, learned, not predicted */
    const char *text = rows[i / 4].text;
    assert_int_equal(read_bytes(text, strlen(text), i % 4 != 3), rows[i / 4].result);
    if (rows[i / 4].result != TF_JSON_OK) continue;
    assert_int_equal(probe.data_values[PROBE_T].made, rows[i / 4].made);
    assert_int_equal(probe.json.row_cnt, rows[i / 4].cnt);
    if (rows[i / 4].cnt == 0) continue;
    const tf_event_t *last = &probe.rows[probe.json.row_cnt - 1];
    assert_int_equal(last->ts_event_ns, rows[i / 4].seen);
    assert_int_equal(last->u.level.price, rows[i / 4].first);
    assert_int_equal(last->u.level.qty, rows[i / 4].second);
  }
}

/* A message that is one: its root is a tuple. */
static void a_message_may_be_a_tuple(void **state) {
  (void)state;
  static const struct {
    const char      *text;
    tf_json_result_t result;
    tf_json_kind_t   kind;
  } rows[] = {
      {"[7,2.5,\"te\"]",      TF_JSON_OK,     TF_JSON_ARRAY },
      {" [ 7 , 2.5,\"te\"] ", TF_JSON_OK,     TF_JSON_ARRAY },
      {"{\"e\":1}",           TF_JSON_OK,     TF_JSON_OBJECT},
      {"17",                  TF_JSON_OK,     TF_JSON_NUMBER},
      {"[7,2.5,\"te\"",       TF_JSON_SYNTAX, 0             },
      {"[7,2.5,\"te\"]]",     TF_JSON_SYNTAX, 0             },
  };
  static tf_json_orders_t own;
  tf_json_value_t         v[PLACES + 1];
  tf_json_object_t root = {.shape = &tuple_shape, .orders = &own, .values = v, .is_tuple = true};
  tf_json_orders_init(&own);
  for (size_t i = 0; i < 3 * TF_ARRAY_CNT(rows); i++) {
    char text[128] = {0};
    strcpy(text, rows[i / 3].text);
    tf_json_t json = {0};
    assert_int_equal(tf_json_read(&json, text, strlen(text), &root), rows[i / 3].result);
    if (rows[i / 3].result != TF_JSON_OK) continue;
    assert_int_equal(json.root_kind, rows[i / 3].kind);
    if (json.root_kind != TF_JSON_ARRAY) continue;
    assert_int_equal(root.seen, 7);
    assert_int_equal(tf_json_u64(&json, &v[PLACE_U64]), 7);
    assert_int_equal(v[PLACE_DECIMAL].as.mantissa, 25);
    assert_true(TF_JSON_TEXT_IS(&v[PLACE_TEXT], "te"));
  }
}

static int set_up(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) tf_json_orders_init(&orders[i]);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_not_json_is_refused_as_syntax),
      cmocka_unit_test(items_may_begin_with_either_bracket),
      cmocka_unit_test(tuples_are_read_by_place),
      cmocka_unit_test(a_message_may_be_a_tuple),
      cmocka_unit_test(values_of_another_kind_than_wanted_are_kept_and_not_made),
      cmocka_unit_test(numbers_that_do_not_fit_are_bad_and_not_a_syntax_error),
      cmocka_unit_test(the_first_prediction_of_a_number_may_meet_none),
      cmocka_unit_test(a_level_without_two_numbers_is_not_made),
      cmocka_unit_test(limits_hold_at_n_and_not_at_n_plus_one),
      cmocka_unit_test(the_first_of_a_repeated_key_counts),
      cmocka_unit_test(escapes_are_resolved_and_half_pairs_are_not),
      cmocka_unit_test(levels_are_read_in_any_layout),
      cmocka_unit_test(levels_behind_a_word_are_read_in_any_layout),
      cmocka_unit_test(levels_behind_a_word_that_are_none_are_told),
      cmocka_unit_test(levels_with_texts_behind_count_all_their_elements),
      cmocka_unit_test(prediction_never_changes_what_is_read),
      cmocka_unit_test(what_is_json_is_what_jansson_takes),
      cmocka_unit_test(cut_short_anywhere_it_is_syntax_and_nothing_behind_the_pad_is_read),
      cmocka_unit_test(learned_messages_take_the_predicted_way),
      cmocka_unit_test(items_are_read_one_by_one_and_leave_rows),
      cmocka_unit_test(keys_are_predicted_up_to_23_bytes),
      cmocka_unit_test(forms_that_begin_alike_are_all_remembered),
      cmocka_unit_test(keys_without_end_only_cost_time),
      cmocka_unit_test_setup(sides_by_place_are_two_lists_of_rows, set_up),
      cmocka_unit_test(items_fill_rows_up_to_their_cap),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
