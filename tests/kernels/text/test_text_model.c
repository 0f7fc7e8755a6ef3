/* A texts' model from ONNX to answers: tests/data/text/news.onnx, as tools/make_text_model.py made it. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "text/text_import.h"
#include "text/text_model.h"

#define ONNX   "tests/data/text/news.onnx"
#define VOCAB  "tests/data/text/vocab.txt"
#define LABELS "negative:-1,neutral:0,positive:1"

static char             path[] = "/tmp/tickfuse-text-XXXXXX";
static tf_text_model_t *model;
static void            *scratch;
static float            embedding[TF_TEXT_OUTPUTS_MAX];

static tf_err_t import(const char *labels, const char *lengths, tf_precision_t precision,
                       tf_text_model_t **out) {
  const tf_text_import_spec_t spec    = {.name    = "news",
                                         .onnx    = ONNX,
                                         .vocab   = VOCAB,
                                         .labels  = labels,
                                         .lengths = lengths,
                                         .lowers  = true};
  const tf_model_options_t    options = {.precision = precision};
  return tf_text_import(&spec, path, &options, out);
}

static int setup(void **state) {
  (void)state;
  const int file = mkstemp(path);
  if (file < 0) return -1;
  close(file);
  tf_err_t err = import(LABELS, "16,32,64", TF_PRECISION_AUTO, &model);
  if (err) fprintf(stderr, "%s\n", tf_error_text());
  if (!err) scratch = aligned_alloc(TF_LINE_BYTES, tf_align_up(model->scratch_bytes, 64));
  return err || !scratch ? -1 : 0;
}

static int teardown(void **state) {
  (void)state;
  tf_text_loader.unload(model);
  free(scratch);
  unlink(path);
  return 0;
}

static tf_text_reading_t read_of(const char *text) {
  tf_text_reading_t reading;
  assert_true(model->read(model, scratch, text, (uint32_t)strlen(text), &reading, embedding));
  return reading;
}

static void a_model_says_what_it_was_taught(void **state) {
  (void)state;
  static const struct {
    const char *text, *label;
  } ROWS[] = {
      {"Exchange hacked, trading network outage", "negative"},
      {"Fed market report on bitcoin",            "neutral" },
      {"Company BEATS guidance; record profit!",  "positive"},
      {"Court halts bank on fraud probe",         "negative"},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    const tf_text_reading_t r = read_of(ROWS[i].text);
    assert_string_equal(model->labels[r.label], ROWS[i].label);
    assert_true(r.confidence > 0.5f && r.confidence <= 1.0f);
    assert_true(fabsf(r.score - model->weights[r.label]) < 0.5f);
    assert_false(r.is_cut);
  }
}

/* What a mask hides leaves no trace. */
static void a_text_is_the_same_bits_in_a_longer_net(void **state) {
  (void)state;
  static const char *const WORDS[] = {"bank", "hacked", "record", "profit", ",", "fed", "xq"};
  char                     text[512];
  float                    other[TF_TEXT_OUTPUTS_MAX];
  uint32_t                 seed = 5;
  for (uint32_t round = 0; round < 60; round++) {
    text[0] = 0;
    for (uint32_t i = 0; i < round % 12; i++) {
      seed = seed * 1103515245 + 12345;
      strcat(strcat(text, WORDS[(seed >> 16) % TF_ARRAY_CNT(WORDS)]), " ");
    }
    tf_text_reading_t first, again;
    assert_true(model->read(model, scratch, text, (uint32_t)strlen(text), &first, embedding));
    for (uint32_t idx = 0; idx < model->length_cnt; idx++) {
      if (model->lengths[idx] < first.token_cnt) continue;
      memset(&again, 0, sizeof again);
      assert_true(
          tf_text_model_read_at(model, idx, scratch, text, (uint32_t)strlen(text), &again, other));
      assert_memory_equal(&again.score, &first.score, sizeof first.score);
      assert_memory_equal(&again.confidence, &first.confidence, sizeof first.confidence);
      assert_int_equal(again.label, first.label);
      assert_memory_equal(other, embedding, model->embedding_cnt * sizeof *other);
    }
  }
}

static void a_text_longer_than_the_longest_net_is_cut_and_said(void **state) {
  (void)state;
  char text[512] = "";
  for (int i = 0; i < 62; i++) strcat(text, "bank ");
  assert_int_equal(read_of(text).token_cnt, 64);
  assert_false(read_of(text).is_cut);
  strcat(text, "hacked ");
  const tf_text_reading_t r = read_of(text);
  assert_int_equal(r.token_cnt, 64);
  assert_true(r.is_cut);
}

static void fewer_bits_say_nearly_the_same(void **state) {
  (void)state;
  const tf_precision_t precisions[] = {TF_PRECISION_BF16, TF_PRECISION_FP16, TF_PRECISION_INT8};
  const char          *text         = "Exchange hacked, trading network outage";
  const float          whole        = read_of(text).score;
  for (size_t i = 0; i < TF_ARRAY_CNT(precisions); i++) {
    tf_text_model_t         *other;
    const tf_model_options_t options = {.precision = precisions[i], .error_max = 0.1};
    assert_int_equal(tf_text_loader.load(path, &options, &other), TF_OK);
    assert_int_equal(other->precision, precisions[i]);
    void             *own = aligned_alloc(TF_LINE_BYTES, tf_align_up(other->scratch_bytes, 64));
    tf_text_reading_t r;
    assert_true(other->read(other, own, text, (uint32_t)strlen(text), &r, embedding));
    assert_true(fabsf(r.score - whole) < 0.1f);
    free(own);
    tf_text_loader.unload(other);
  }
}

static void refused(const char *labels, const char *lengths, const char *said) {
  tf_text_model_t *none;
  assert_int_equal(import(labels, lengths, TF_PRECISION_AUTO, &none),
                   strstr(said, "softmax") ? E_MODEL_SHAPE : E_MODEL_FORMAT);
  assert_null(none);
  if (!strstr(tf_error_text(), said)) fail_msg("\"%s\" does not say \"%s\"", tf_error_text(), said);
}

static void what_is_no_label_or_length_is_refused(void **state) {
  (void)state;
  char many[1024] = "a0:0";
  refused("negative", "16", "NAME:WEIGHT");
  refused("bad word:1", "16", "letters, digits");
  refused("a:1,a:2", "16", "stands twice");
  refused("a:nan", "16", "is no number");
  refused(LABELS, "12", "multiples of 8");
  refused(LABELS, "0", "multiples of 8");
  refused(LABELS, "520", "multiples of 8 up to 512");
  refused(LABELS, "32,16", "they ascend");
  refused(LABELS, "x", "numbers of tokens");
  refused(LABELS, "8,16,24,32,40,48,56,64,72", "more than 8 lengths");
  refused("a:1,b:0", "16", "behind a softmax"); /* the third probability is missing */
  for (uint32_t i = 1; i <= TF_TEXT_LABELS_MAX; i++) sprintf(many + strlen(many), ",a%u:0", i);
  refused(many, "16", "more than 32 labels");
}

/* Last: it breaks the file. */
static void files_cut_or_changed_are_refused(void **state) {
  (void)state;
  tf_text_model_t         *none;
  const tf_model_options_t options = {.precision = TF_PRECISION_AUTO};
  assert_int_equal(import(LABELS, "16", TF_PRECISION_AUTO, &none), TF_OK);
  tf_text_loader.unload(none);
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  const long bytes = ftell(file);
  fclose(file);
  for (long cut = bytes - 1; cut > 0; cut -= bytes / 7 + 1) {
    assert_int_equal(truncate(path, cut), 0);
    assert_int_not_equal(tf_text_loader.load(path, &options, &none), TF_OK);
    assert_null(none);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_says_what_it_was_taught),
      cmocka_unit_test(a_text_is_the_same_bits_in_a_longer_net),
      cmocka_unit_test(a_text_longer_than_the_longest_net_is_cut_and_said),
      cmocka_unit_test(fewer_bits_say_nearly_the_same),
      cmocka_unit_test(what_is_no_label_or_length_is_refused),
      cmocka_unit_test(files_cut_or_changed_are_refused),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
