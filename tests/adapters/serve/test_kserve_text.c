/* What is sent to a model server, and what its answers mean: each that is not what was asked for has its reason. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "serve/kserve_text.h"
#include "tf/model.h"

static const tf_kserve_model_t text_model = {
    .input = "x", .output = "y", .rows = 1, .width = 2, .output_cnt = 3};

static void a_request_is_what_the_protocol_says(void **state) {
  char              body[4096];
  size_t            json_cnt;
  const float       rows[] = {1.5f, -1e-30f, 0.1f, 3e38f};
  tf_kserve_model_t m      = text_model;
  (void)state;
  size_t cnt = tf_kserve_request_write(&m, 7, rows, body, sizeof body, &json_cnt);
  char   wanted[512];
  snprintf(wanted, sizeof wanted,
           "{\"id\":\"7\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\","
           "\"data\":[%.9g,"
           "%.9g]}],\"outputs\":[{\"name\":\"y\"}]}",
           (double)rows[0], (double)rows[1]);
  assert_int_equal(cnt, strlen(wanted));
  assert_memory_equal(body, wanted, cnt);
  assert_int_equal(json_cnt, cnt);

  m.rows = 2, m.is_binary = true;
  cnt = tf_kserve_request_write(&m, 8, rows, body, sizeof body, &json_cnt);
  const char *binary =
      "{\"id\":\"8\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,2,2],\"datatype\":\"FP32\","
      "\"parameters\":{\"binary_data_size\":16}}],\"outputs\":[{\"name\":\"y\","
      "\"parameters\":{\"binary_data\":true}}]}";
  assert_int_equal(json_cnt, strlen(binary));
  assert_memory_equal(body, binary, json_cnt);
  assert_int_equal(cnt - json_cnt, sizeof rows);
  assert_memory_equal(body + json_cnt, rows, sizeof rows);
}

static void the_largest_request_fits_in_what_is_reserved(void **state) {
  tf_kserve_model_t m = {.rows = 64, .width = 16, .output_cnt = 1};
  static float      rows[64 * 16];
  size_t            cap  = tf_kserve_request_bytes(&m), json_cnt;
  char             *body = malloc(cap);
  (void)state;
  memset(m.input, '"', sizeof m.input - 1); /* each is escaped */
  memset(m.output, '\\', sizeof m.output - 1);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) rows[i] = -1.17549435e-38f;
  assert_true(tf_kserve_request_write(&m, UINT64_MAX, rows, body, cap, &json_cnt) < cap);
  m.is_binary = true;
  assert_true(tf_kserve_request_write(&m, UINT64_MAX, rows, body, cap, &json_cnt) < cap);
  free(body);
  m.rows = m.width = UINT32_MAX;
  assert_int_equal(tf_kserve_request_bytes(&m), 0);
}

typedef struct answer {
  const char       *body;
  tf_runtime_miss_t miss;
  const char       *text;
} answer_t;

#define OUT(inner) "{\"id\":\"7\",\"outputs\":[{\"name\":\"y\"," inner "}]}"
#define GOOD       "\"datatype\":\"FP32\",\"shape\":[1,3],"

static void answers_are_read_or_refused_with_a_reason(void **state) {
  static const answer_t answers[] = {
      {OUT(GOOD "\"data\":[1,2,3.5]"),                                                  TF_RUNTIME_ANSWERED,      ""             },
      {OUT(GOOD "\"data\":[[1,2,3.5]]"),                                                TF_RUNTIME_ANSWERED,      ""             },
      {OUT("\"datatype\":\"FP64\",\"shape\":[3],\"data\":[1,2,3.5]"),                   TF_RUNTIME_ANSWERED,      ""             },
      {"{\"outputs\":[{\"name\":\"z\"},{\"name\":\"y\"," GOOD "\"data\":[1,2,3.5]}]}",
       TF_RUNTIME_ANSWERED,                                                                                       ""             },
      {OUT(GOOD "\"data\":[1,2]"),                                                      TF_RUNTIME_MISS_SHAPE,    "3 numbers"    },
      {OUT(GOOD "\"data\":[1,2,3,4]"),                                                  TF_RUNTIME_MISS_SHAPE,    "3 numbers"    },
      {OUT(GOOD "\"data\":[1,2,\"3\"]"),                                                TF_RUNTIME_MISS_SHAPE,    "3 numbers"    },
      {OUT(GOOD "\"data\":{}"),                                                         TF_RUNTIME_MISS_SHAPE,    "3 numbers"    },
      {OUT(GOOD "\"data\":[[[[[[[[[[1,2,3]]]]]]]]]]"),                                  TF_RUNTIME_MISS_SHAPE,    "3 numbers"    },
      {OUT(GOOD "\"x\":0"),                                                             TF_RUNTIME_MISS_SHAPE,    "3 numbers"    },
      {OUT("\"datatype\":\"INT8\",\"shape\":[3],\"data\":[1,2,3]"),                     TF_RUNTIME_MISS_SHAPE,    "INT8"         },
      {OUT("\"shape\":[3],\"data\":[1,2,3]"),                                           TF_RUNTIME_MISS_SHAPE,    "datatype none"},
      {OUT("\"datatype\":\"FP32\",\"shape\":[2,2],\"data\":[1,2,3]"),                   TF_RUNTIME_MISS_SHAPE,
       "its shape"                                                                                                               },
      {OUT("\"datatype\":\"FP32\",\"shape\":[-3,-1],\"data\":[1,2,3]"),                 TF_RUNTIME_MISS_SHAPE,
       "its shape"                                                                                                               },
      {OUT("\"datatype\":\"FP32\",\"shape\":[4294967296,4294967299],\"data\":[1,2,3]"),
       TF_RUNTIME_MISS_SHAPE,                                                                                     "its shape"    },
      {OUT("\"datatype\":\"FP32\",\"shape\":[1,1,1,1,1,1,1,1,3],\"data\":[1,2,3]"),
       TF_RUNTIME_MISS_SHAPE,                                                                                     "its shape"    },
      {"{\"id\":\"8\",\"outputs\":[]}",                                                 TF_RUNTIME_MISS_ID,       "7 was asked"  },
      {"{\"id\":\"7\",\"outputs\":[]}",                                                 TF_RUNTIME_MISS_SHAPE,    "called y"     },
      {"{\"id\":\"7\",\"outputs\":7}",                                                  TF_RUNTIME_MISS_PROTOCOL, "list"         },
      {"{\"id\":\"7\"}",                                                                TF_RUNTIME_MISS_PROTOCOL, "list"         },
      {"[]",                                                                            TF_RUNTIME_MISS_PROTOCOL, "no JSON"      },
      {"",                                                                              TF_RUNTIME_MISS_PROTOCOL, "no JSON"      },
      {"{\"outputs\":[],\"outputs\":[]}",                                               TF_RUNTIME_MISS_PROTOCOL, "duplicate"    },
      {OUT(GOOD "\"data\":[NaN,2,3]"),                                                  TF_RUNTIME_MISS_PROTOCOL, "no JSON"      },
      {OUT(GOOD "\"parameters\":{\"binary_data_size\":12}"),                            TF_RUNTIME_MISS_PROTOCOL, "behind"       },
      {OUT(GOOD "\"parameters\":{\"binary_data_size\":8}"),                             TF_RUNTIME_MISS_SHAPE,    "not 12"       },
  };
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(answers); i++) {
    float             out[TF_MODEL_OUTPUTS_MAX]   = {0};
    char              text[TF_RUNTIME_TEXT_BYTES] = "";
    size_t            cnt                         = strlen(answers[i].body);
    tf_runtime_miss_t miss =
        tf_kserve_answer_read(&text_model, 7, answers[i].body, cnt, cnt, out, text);
    if (miss != answers[i].miss || !strstr(text, answers[i].text))
      fail_msg("%s: %d, \"%s\"", answers[i].body, (int)miss, text);
    if (miss == TF_RUNTIME_ANSWERED)
      assert_true(out[0] == 1.0f && out[1] == 2.0f && out[2] == 3.5f);
  }
}

static void bytes_behind_the_json_are_the_outputs_in_their_order(void **state) {
  const char json[] =
      "{\"outputs\":[{\"name\":\"z\",\"parameters\":{\"binary_data_size\":4}},{\"name\":\"y\","
      "\"datatype\":\"FP32\",\"shape\":[3],\"parameters\":{\"binary_data_size\":12}}]}";
  const float raw[] = {9.0f, 1.0f, NAN, 3.0f};
  char        body[512], text[TF_RUNTIME_TEXT_BYTES];
  size_t      json_cnt = strlen(json);
  float       out[3];
  (void)state;
  memcpy(body, json, json_cnt);
  memcpy(body + json_cnt, raw, sizeof raw);
  assert_int_equal(
      tf_kserve_answer_read(&text_model, 1, body, json_cnt + sizeof raw, json_cnt, out, text),
      TF_RUNTIME_ANSWERED);
  assert_true(out[0] == 1.0f && isnan(out[1]) &&
              out[2] == 3.0f); /* no number: post-processing's to refuse */
  assert_int_equal(
      tf_kserve_answer_read(&text_model, 1, body, json_cnt + sizeof raw - 1, json_cnt, out, text),
      TF_RUNTIME_MISS_PROTOCOL);
  assert_int_equal(tf_kserve_answer_read(&text_model, 1, body, json_cnt, json_cnt + 1, out, text),
                   TF_RUNTIME_MISS_PROTOCOL);
}

static void metadata_without_tensors_is_taken_at_the_configs_word(void **state) {
  const char        body[] = "{\"name\":\"m\",\"inputs\":[],\"outputs\":[]}";
  tf_kserve_model_t m      = text_model;
  (void)state;
  assert_int_equal(tf_kserve_metadata_read(&m, "in", "out", body, strlen(body)), TF_OK);
  assert_string_equal(m.input, "in");
  assert_string_equal(m.output, "out");
  assert_int_equal(tf_kserve_metadata_read(&m, "in", NULL, body, strlen(body)), E_RUNTIME_MODEL);
}

static void names_are_taken_up_to_their_limit(void **state) {
  tf_kserve_model_t m = text_model;
  char              body[1024], name[TF_KSERVE_NAME_BYTES + 1];
  (void)state;
  for (size_t cnt = TF_KSERVE_NAME_BYTES - 2; cnt <= TF_KSERVE_NAME_BYTES; cnt++) {
    memset(name, 'n', cnt);
    name[cnt] = '\0';
    int n     = snprintf(
            body, sizeof body,
            "{\"inputs\":[{\"name\":\"%s\",\"datatype\":\"FP32\",\"shape\":[-1,2]}],\"outputs\":"
                "[{\"name\":\"y\",\"datatype\":\"FP64\",\"shape\":[-1,3]}]}",
            name);
    assert_int_equal(tf_kserve_metadata_read(&m, NULL, NULL, body, (size_t)n),
                     cnt < TF_KSERVE_NAME_BYTES ? TF_OK : E_RUNTIME_SERVER);
  }
}

static void extensions_are_looked_for_by_name(void **state) {
  const char yes[] = "{\"extensions\":[\"a\",3,\"binary_tensor_data\"]}",
             no[]  = "{\"extensions\":\"binary_tensor_data\"}";
  (void)state;
  assert_true(tf_kserve_offers_binary(yes, strlen(yes)));
  assert_false(tf_kserve_offers_binary(no, strlen(no)));
  assert_false(tf_kserve_offers_binary("x", 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_is_what_the_protocol_says),
      cmocka_unit_test(the_largest_request_fits_in_what_is_reserved),
      cmocka_unit_test(answers_are_read_or_refused_with_a_reason),
      cmocka_unit_test(bytes_behind_the_json_are_the_outputs_in_their_order),
      cmocka_unit_test(metadata_without_tensors_is_taken_at_the_configs_word),
      cmocka_unit_test(names_are_taken_up_to_their_limit),
      cmocka_unit_test(extensions_are_looked_for_by_name),
  };
  return cmocka_run_group_tests_name("kserve_text", tests, NULL, NULL);
}
