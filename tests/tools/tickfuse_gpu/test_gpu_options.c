/* The worker's command line: what it refuses, what --probe says as JSON and as text, what --check says. */
#include "cmocka_tf.h"

#include <jansson.h>
#include <string.h>

#include "core/clock.h"
#include "tickfuse_gpu/worker_rig.h"

#define MLP  "models/example-mlp.safetensors"
#define LSTM "models/example-lstm.safetensors"

#define RUN(environment, text, ...)                                                                \
  rig_run((const char *const[]){rig_worker, __VA_ARGS__, NULL}, environment, text)

static void bad_options_are_named_with_what_they_may_be(void **state) {
  (void)state;
  static const struct {
    const char *option, *value, *says;
  } rows[] = {
      {"--precision",       "fp99",           "fp32, bf16, fp16 or int8"},
      {"--device",          "64",             "0 to 63"                 },
      {"--device",          "turn:64",        "0 to 63"                 },
      {"--device",          "turn:",          "0 to 63"                 },
      {"--device",          "-1",             "0 to 63"                 },
      {"--memory-fraction", "0",              "above 0, up to 1"        },
      {"--memory-fraction", "1.01",           "above 0, up to 1"        },
      {"--memory-fraction", "half",           "above 0, up to 1"        },
      {"--mailbox",         "x",              "a descriptor"            },
      {"--model",           LSTM,             "usage:"                  },
      {"--mailbox",         "3",              "usage:"                  },
      {"--colour",          "red",            "--colour"                },
      {"--probe",           "and-more-words", "no option"               },
  };
  char text[RIG_TEXT_BYTES];
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(RUN(NULL, text, rows[i].option, rows[i].value), 2);
    assert_non_null(strstr(text, rows[i].says));
  }
  assert_int_equal(RUN(NULL, text, "--check"), 2);
  assert_int_equal(RUN(NULL, text, "--help"), 0);
  assert_non_null(strstr(text, "--memory-fraction F"));
}

static json_t *parsed(const char *text) {
  json_t *all = json_loads(text, 0, NULL);
  assert_non_null(all);
  return all;
}

static const char *word_of(json_t *all, const char *key) {
  return json_string_value(json_object_get(all, key));
}

static void a_probe_says_what_would_run_where(void **state) {
  (void)state;
  char text[RIG_TEXT_BYTES];
  assert_int_equal(RUN(NULL, text, "--probe", "--json", "--model", MLP, "--precision", "fp16"), 0);
  json_t *all    = parsed(text);
  json_t *device = json_array_get(json_object_get(all, "devices"), 0);
  json_t *model  = json_object_get(all, "model");
  json_t *run    = json_array_get(json_object_get(model, "runs"), 0);
  assert_true(json_is_null(json_object_get(all, "error")));
  assert_true(json_integer_value(json_object_get(device, "sm_cnt")) > 0);
  assert_string_equal(word_of(model, "name"), "example-mlp");
  assert_string_equal(word_of(run, "where"), "persistent");
  assert_string_equal(word_of(run, "kernel"), "net");
  assert_string_equal(word_of(run, "precision"), "fp16");
  assert_true(json_integer_value(json_object_get(run, "shared_bytes")) > 0);
  json_decref(all);
  assert_int_equal(RUN(NULL, text, "--probe", "--model", MLP, "--precision", "fp16"), 0);
  assert_non_null(strstr(text, "on device 0: persistent, net kernel in fp16"));
}

/* F70: each in words, with its status. */
static void what_is_missing_is_told_from_what_is_broken(void **state) {
  (void)state;
  static const struct {
    const char *environment, *code;
    int         status;
  } rows[] = {
      {"CUDA_VISIBLE_DEVICES=",        "E_GPU_NO_DEVICE", 4},
      {"TICKFUSE_GPU_FAULTS=driver=1", "E_GPU_DRIVER",    5},
      {"TICKFUSE_GPU_FAULTS=dri=1",    "E_CORE_ARGUMENT", 1},
  };
  char text[RIG_TEXT_BYTES];
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(RUN(rows[i].environment, text, "--probe", "--json"), rows[i].status);
    json_t *all = parsed(text);
    assert_string_equal(word_of(json_object_get(all, "error"), "code"), rows[i].code);
    assert_int_equal(json_array_size(json_object_get(all, "devices")), 0);
    json_decref(all);
    assert_int_equal(RUN(rows[i].environment, text, "--probe"), rows[i].status);
    assert_non_null(strstr(text, rows[i].code));
    assert_int_equal(RUN(rows[i].environment, text, "--check", "--model", LSTM), rows[i].status);
  }
  assert_int_equal(RUN(NULL, text, "--probe", "--json", "--model", "/nowhere"), 3);
  json_t *all = parsed(text);
  assert_string_equal(word_of(json_object_get(json_object_get(all, "model"), "error"), "code"),
                      "E_FILE_OPEN");
  json_decref(all);
  assert_int_equal(RUN(NULL, text, "--check", "--model", LSTM, "--device", "1"), 4);
  assert_int_equal(RUN(NULL, text, "--mailbox", "0", "--model", LSTM), 3);
}

/* turn:N is counted round those that are left; 1 of 0,2,1 is device 2; a list ends at one that is not there. */
static void devices_are_those_that_are_visible_and_taken_in_turn(void **state) {
  (void)state;
  static const struct {
    const char *visible, *device, *says;
    int         status;
  } rows[] = {
      {"0,1,2", "turn:0",  "device 0,",                              0},
      {"0,1,2", "turn:4",  "device 1,",                              0},
      {"0,1,2", "turn:63", "device 0,",                              0},
      {"0,2,1", "1",       "device 2,",                              0},
      {"2",     "turn:5",  "device 2,",                              0},
      {"1,9,0", "turn:1",  "device 1,",                              0},
      {"0,1",   "2",       "device 2 of 2",                          4},
      {"9",     "0",       "CUDA_VISIBLE_DEVICES is 9",              4},
      {"",      "turn:1",  "CUDA_VISIBLE_DEVICES hides all of them", 4},
  };
  char text[RIG_TEXT_BYTES];
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(RUN("TICKFUSE_GPU_FAULTS=devices=3", text, "--check", "--model", MLP,
                         "--visible-devices", rows[i].visible, "--device", rows[i].device),
                     rows[i].status);
    if (!strstr(text, rows[i].says)) fail_msg("%s", text);
  }
  assert_int_equal(RUN("TICKFUSE_GPU_FAULTS=devices=3", text, "--probe", "--json"), 0);
  json_t *all = parsed(text);
  assert_int_equal(json_array_size(json_object_get(all, "devices")), 3);
  json_decref(all);
}

static void a_check_gives_the_known_answers_on_the_device(void **state) {
  (void)state;
  char text[RIG_TEXT_BYTES];
  assert_int_equal(RUN(NULL, text, "--check", "--model", LSTM, "--precision", "fp16"), 0);
  assert_non_null(strstr(text, "known answers are right"));
  assert_int_equal(
      RUN("TICKFUSE_GPU_FAULTS=flip=1/1", text, "--check", "--model", LSTM, "--precision", "fp16"),
      8);
  assert_non_null(strstr(text, "E_MODEL_CHECK"));
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_gpu_options TICKFUSE-GPU-ON-CPU\n"), 1;
  rig_worker = argv[1];
  tf_clock_calibrate();
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(bad_options_are_named_with_what_they_may_be),
      cmocka_unit_test(a_probe_says_what_would_run_where),
      cmocka_unit_test(what_is_missing_is_told_from_what_is_broken),
      cmocka_unit_test(devices_are_those_that_are_visible_and_taken_in_turn),
      cmocka_unit_test(a_check_gives_the_known_answers_on_the_device),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
