/* Where a model is answered, from figures that are told: no clock, no process. */
#include "cmocka_tf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot/placement_file.h"
#include "core/error.h"

#define US UINT64_C(1000)

static tf_placement_t judged(uint64_t cpu_us, uint64_t worker_us, bool was_worker) {
  tf_placement_t p = {.is_served     = true,
                      .was_worker    = was_worker,
                      .cpu_ns        = cpu_us * US,
                      .worker_ns     = worker_us * US,
                      .worker_p99_ns = worker_us * US,
                      .deadline_ns   = 1000 * US};
  tf_placement_judge(&p);
  return p;
}

static void a_model_moves_only_to_what_is_sooner_by_a_quarter(void **state) {
  (void)state;
  static const struct {
    uint64_t cpu_us, worker_us;
    bool     was_worker, is_worker;
  } rows[] = {
      {100, 79,  false, true }, /* 79 and a quarter are 98 */
      {100, 80,  false, false}, /* 80 and a quarter are 100: as soon is not sooner */
      {100, 100, false, false},
      {10,  100, false, false},
      {80,  100, true,  true },
      {79,  100, true,  false},
      {100, 100, true,  true },
      {100, 80,  true,  true },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_placement_t p = judged(rows[i].cpu_us, rows[i].worker_us, rows[i].was_worker);
    assert_int_equal(p.is_worker, rows[i].is_worker);
    assert_non_null(strstr(p.why, "quarter"));
  }
}

static void two_figures_near_one_another_send_it_nowhere(void **state) {
  (void)state;
  for (int was = 0; was < 2; was++) {
    bool is_worker = was;
    for (uint64_t start = 0; start < 100; start++) /* 91 .. 109 against 100, to and fro */
      is_worker = judged(100, 91 + start * 7 % 19, is_worker).is_worker;
    assert_int_equal(is_worker, was);
  }
}

static void a_cpu_beyond_the_budget_gives_way_to_any_sooner_worker(void **state) {
  (void)state;
  tf_placement_t p = judged(100, 99, false);
  assert_false(p.is_worker);
  p.budget_ns = 100 * US;
  tf_placement_judge(&p);
  assert_false(p.is_worker); /* as long as the budget is within it */
  p.budget_ns = 100 * US - 1;
  tf_placement_judge(&p);
  assert_true(p.is_worker);
  assert_non_null(strstr(p.why, "more than the budget of 100.0 us"));
  p.worker_ns = 100 * US;
  tf_placement_judge(&p);
  assert_false(p.is_worker); /* no sooner: one process less that can fail */
}

static void a_worker_that_is_late_silent_or_not_there_is_the_cpus(void **state) {
  (void)state;
  tf_placement_t p = judged(100, 10, true);
  assert_true(p.is_worker);
  p.worker_p99_ns = p.deadline_ns;
  tf_placement_judge(&p);
  assert_true(p.is_worker);
  p.worker_p99_ns = p.deadline_ns + 1;
  tf_placement_judge(&p);
  assert_false(p.is_worker);
  assert_non_null(strstr(p.why, "the deadline is 1000.0 us"));
  p.worker_ns = 0;
  tf_placement_judge(&p);
  assert_string_equal(p.why, "the worker answers nothing");
  p.is_served = false;
  tf_placement_judge(&p);
  assert_string_equal(p.why, "no worker serves: it did not start in time");
  snprintf(p.trouble, sizeof p.trouble, "exit status 3");
  tf_placement_judge(&p);
  assert_string_equal(p.why, "no worker serves: exit status 3");
  assert_false(p.is_worker);
}

static void the_budget_is_told_with_what_was_measured(void **state) {
  (void)state;
  char           text[96];
  tf_placement_t p = {.cpu_ns = 1500, .budget_ns = 2000};
  tf_placement_say_budget(&p, text, sizeof text);
  assert_string_equal(text, "1.5 us of a budget of 2.0 us");
  p.cpu_ns = 2001;
  tf_placement_say_budget(&p, text, sizeof text);
  assert_string_equal(text, "2.0 us of a budget of 2.0 us: beyond it");
  p.budget_ns = 0;
  tf_placement_say_budget(&p, text, sizeof text);
  assert_string_equal(text, "");
}

/* ---- what the config allows ---- */

static tf_placement_option_t chosen(const char *models) {
  char                  text[512];
  tf_config_t          *config = NULL;
  tf_placement_option_t option;
  snprintf(text, sizeof text, "gpu: {worker: /bin/true, stub: /nowhere/stub}\nmodels: [%s]\n",
           models);
  assert_int_equal(tf_config_load_text("t.yaml", text, NULL, 0, NULL, NULL, &config), TF_OK);
  tf_placement_choose(config, config->model_cnt - 1, &option);
  tf_config_free(config);
  return option;
}

static void a_config_leaves_a_place_open_or_says_why_not(void **state) {
  (void)state;
  static const struct {
    const char           *models;
    tf_placement_choice_t choice;
    const char           *program, *why;
    /* clang-format off */
  } rows[] = {
      {"{name: a, file: x}", TF_PLACEMENT_OPEN, "/bin/true", "measured at the start, with /bin/true"},
      {"{name: a, file: x, backend: cpu}", TF_PLACEMENT_CPU, "", "the config says backend: cpu"},
      {"{name: a, file: x, backend: gpu}", TF_PLACEMENT_WORKER, "/bin/true", "the config says backend: gpu"},
      {"{name: a, file: x, backend: stub}", TF_PLACEMENT_WORKER, "", "no worker program: /nowhere/stub is no program"},
      {"{name: a, file: x, backend: onnxruntime, inputs: [mid]}", TF_PLACEMENT_RUNTIME, "", "backend: onnxruntime"},
      {"{name: b, file: x}, {name: c, file: x}, {name: a, ensemble: [b, c]}", TF_PLACEMENT_CPU, "", "an ensemble is a sum on the lane"},
      {"{name: a, file: x, registry: 'r/{symbol}'}", TF_PLACEMENT_CPU, "", "models of instruments are run on the lane"},
  };
  /* clang-format on */
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_placement_option_t o = chosen(rows[i].models);
    assert_int_equal(o.choice, rows[i].choice);
    assert_string_equal(o.program, rows[i].program);
    assert_non_null(strstr(o.why, rows[i].why));
  }
}

/* ---- the file between two starts ---- */

static char path[64];

static void write_text(const char *text, size_t cnt) {
  FILE *out = fopen(path, "we");
  assert_non_null(out);
  assert_int_equal(fwrite(text, 1, cnt, out), cnt);
  assert_int_equal(fclose(out), 0);
}

static void what_was_kept_is_read_for_the_same_file_alone(void **state) {
  (void)state;
  static tf_placement_file_t file, again;
  tf_placement_t             p = {.is_worker = true, .cpu_ns = 5000, .worker_ns = 100};
  tf_placement_file_put(&file, "far", 0x00c0ffee, &p);
  p.is_worker = false;
  tf_placement_file_put(&file, "near", 7, &p);
  assert_int_equal(tf_placement_file_write(&file, path), TF_OK);
  assert_int_equal(tf_placement_file_read(&again, path), TF_OK);
  assert_int_equal(again.cnt, 2);
  assert_true(tf_placement_file_was_worker(&again, "far", 0x00c0ffee));
  assert_false(tf_placement_file_was_worker(&again, "far", 0x00c0ffef)); /* another file */
  assert_false(tf_placement_file_was_worker(&again, "near", 7));
  assert_false(tf_placement_file_was_worker(&again, "fa", 0x00c0ffee));
}

static void a_file_that_is_none_is_refused_with_its_place(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
    tf_err_t    err;
  } rows[] = {
      {"",                                                                                   ":1:0: ",              E_FILE_FORMAT},
      {"[]",                                                                                 "an object of models", E_FILE_FORMAT},
      {"{\"a\": 1}",                                                                         "\"a\": wanted",       E_FILE_FORMAT},
      {"{\"a\": {\"on\": \"gpu\", \"model\": \"00000001\"}}",                                "\"a\": wanted",       E_FILE_FORMAT},
      {"{\"a\": {\"on\": \"cpu\", \"model\": \"1\"}}",                                       "\"a\": wanted",       E_FILE_FORMAT},
      {"{\"a\": {\"on\": \"cpu\", \"model\": \"0000000g\"}}",                                "\"a\": wanted",       E_FILE_FORMAT},
      {"{\"a\": {}, \"a\": {}}",                                                             "duplicate",           E_FILE_FORMAT},
      {"{\"a23456789012345678901234567890ab\": {\"on\": \"cpu\", \"model\": \"00000001\"}}",
       "wanted",                                                                                                    E_FILE_FORMAT},
  };
  static tf_placement_file_t file;
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    write_text(rows[i].text, strlen(rows[i].text));
    assert_int_equal(tf_placement_file_read(&file, path), rows[i].err);
    assert_non_null(strstr(tf_error_text(), rows[i].says));
    assert_int_equal(file.cnt, 0);
  }
  unlink(path);
  assert_int_equal(tf_placement_file_read(&file, path), E_FILE_OPEN);
  tf_placement_file_read_or_log(&file, path); /* a first start */
  assert_int_equal(file.cnt, 0);
}

static void its_limits_hold(void **state) {
  (void)state;
  static char                text[TF_PLACEMENT_FILE_BYTES_MAX + 2];
  static tf_placement_file_t file;
  memset(text, ' ', sizeof text);
  memcpy(text, "{}", 2);
  write_text(text, TF_PLACEMENT_FILE_BYTES_MAX);
  assert_int_equal(tf_placement_file_read(&file, path), TF_OK);
  write_text(text, TF_PLACEMENT_FILE_BYTES_MAX + 1);
  assert_int_equal(tf_placement_file_read(&file, path), E_FILE_FORMAT);
  for (int cnt = TF_MODELS_MAX - 1; cnt <= TF_MODELS_MAX + 1; cnt++) {
    size_t used = (size_t)snprintf(text, sizeof text, "{");
    for (int i = 0; i < cnt; i++)
      used += (size_t)snprintf(text + used, sizeof text - used,
                               "%s\"m%d\": {\"on\": \"worker\", \"model\": \"0000000%d\"}",
                               i ? ", " : "", i, i);
    used += (size_t)snprintf(text + used, sizeof text - used, "}");
    write_text(text, used);
    assert_int_equal(tf_placement_file_read(&file, path),
                     cnt <= TF_MODELS_MAX ? TF_OK : E_FILE_FORMAT);
    assert_int_equal(file.cnt, cnt <= TF_MODELS_MAX ? cnt : 0);
  }
}

int main(void) {
  snprintf(path, sizeof path, "/tmp/tf-placements-%d", getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_moves_only_to_what_is_sooner_by_a_quarter),
      cmocka_unit_test(two_figures_near_one_another_send_it_nowhere),
      cmocka_unit_test(a_cpu_beyond_the_budget_gives_way_to_any_sooner_worker),
      cmocka_unit_test(a_worker_that_is_late_silent_or_not_there_is_the_cpus),
      cmocka_unit_test(the_budget_is_told_with_what_was_measured),
      cmocka_unit_test(a_config_leaves_a_place_open_or_says_why_not),
      cmocka_unit_test(what_was_kept_is_read_for_the_same_file_alone),
      cmocka_unit_test(a_file_that_is_none_is_refused_with_its_place),
      cmocka_unit_test(its_limits_hold),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
