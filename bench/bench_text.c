/* V6: texts a second of one thread's CPU time: tokens alone, and a text's whole reading (tokens, net, label, embedding), by the length of the net that
 * it takes. The model is a file that `model import --vocab` wrote (TF_BENCH_TEXT_MODEL), else the small one of the tests,
 * imported here. The peer on the same ONNX file is bench/peer_text_ort.py, which runs this in turn with ONNX Runtime. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench_print.h"
#include "core/error.h"
#include "text/text_import.h"
#include "text/text_model.h"

#define RUNS_MAX 1000u
#define REPEATS  20u
#define ONNX     "tests/data/text/news.onnx"
#define VOCAB    "tests/data/text/vocab.txt"

static const char *const WORDS[] = {"exchange", "hacked", "profit", "record", "bank",
                                    "fed",      "market", "report", "of",     "bitcoin"};
static tf_text_model_t  *model;
static void             *scratch;
static uint32_t          tokens[512];

/* Of words that are a token each. */
static uint32_t make_text(uint32_t word_cnt, uint32_t seed, char *text) {
  text[0] = 0;
  for (uint32_t i = 0; i < word_cnt; i++) {
    seed = seed * 1103515245 + 12345;
    strcat(strcat(text, WORDS[(seed >> 16) % TF_ARRAY_CNT(WORDS)]), " ");
  }
  return (uint32_t)strlen(text);
}

static tf_err_t load(char *path) {
  const char                 *own     = getenv("TF_BENCH_TEXT_MODEL");
  const char                 *said    = getenv("TF_BENCH_TEXT_PRECISION");
  static const char *const    NAMES[] = {"fp32", "bf16", "fp16", "int8"};
  const tf_text_import_spec_t spec    = {.name    = "news",
                                         .onnx    = ONNX,
                                         .vocab   = VOCAB,
                                         .labels  = "negative:-1,neutral:0,positive:1",
                                         .lengths = "16,32,64",
                                         .lowers  = true};
  tf_model_options_t          options = {.precision = TF_PRECISION_AUTO, .error_max = 1};
  for (uint32_t i = 0; said && i < TF_PRECISION_CNT; i++)
    if (strcmp(said, NAMES[i]) == 0) options.precision = (tf_precision_t)i;
  return own ? tf_text_loader.load(own, &options, &model)
             : tf_text_import(&spec, path, &options, &model);
}

/* Of this thread: others may have the core meanwhile. */
static double cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

/* The median of cnt times; of tokens, which take as long as a few looks at the clock, each of REPEATS. */
static double ns_of(bool whole, uint32_t word_cnt, uint32_t cnt) {
  static char       text[TF_TEXT_BYTES_MAX];
  tf_text_reading_t reading;
  float             embedding[TF_TEXT_OUTPUTS_MAX];
  static double     values[RUNS_MAX];
  bool              is_cut;
  const uint32_t    bytes = make_text(word_cnt, 7, text), repeats = whole ? 1 : REPEATS;
  for (uint32_t n = 0; n < cnt; n++) {
    const double begin = cpu_ns();
    for (uint32_t i = 0; i < repeats; i++)
      if (whole)
        TF_ASSERT(model->read(model, scratch, text, bytes, &reading, embedding));
      else
        (void)tf_text_model_tokens(model, text, bytes, tokens, &is_cut);
    values[n] = (cpu_ns() - begin) / repeats;
  }
  return tf_bench_median(values, cnt);
}

int main(int argc, char **argv) {
  tf_bench_options_t options;
  char               path[] = "/tmp/tickfuse-bench-text-XXXXXX", names[TF_TEXT_LENGTHS_MAX][40];
  tf_bench_row_t     rows[TF_TEXT_LENGTHS_MAX + 1];
  int code = tf_bench_options_parse(argc, argv, "texts a second, one thread", &options);
  if (code >= 0) return code;
  const int file = mkstemp(path);
  if (file < 0 || close(file) || load(path)) {
    fprintf(stderr, "bench_text: %s\n", tf_error_text());
    return 1;
  }
  (void)unlink(path);
  scratch = aligned_alloc(TF_LINE_BYTES, tf_align_up(model->scratch_bytes, TF_LINE_BYTES));
  TF_ASSERT(scratch);
  const uint32_t longest = model->lengths[model->length_cnt - 1];
  rows[0]                = (tf_bench_row_t){.name       = "text_tokens",
                                            .ours       = ns_of(false, longest - 2, options.smoke ? 50 : RUNS_MAX),
                                            .unit       = "ns",
                                            .peer_value = (double)NAN,
                                            .budget     = (double)NAN,
                                            .lower_is_better = true};
  for (uint32_t i = 0; i < model->length_cnt; i++) {
    const double ns = ns_of(true, model->lengths[i] - 2, options.smoke ? 3 : 300);
    snprintf(names[i], sizeof names[i], "texts_of_%u_tokens", model->lengths[i]);
    rows[i + 1] = (tf_bench_row_t){.name       = names[i],
                                   .ours       = 1e9 / ns,
                                   .unit       = "texts/s",
                                   .peer_value = (double)NAN,
                                   .budget     = (double)NAN};
  }
  tf_bench_print(rows, model->length_cnt + 1, options.json);
  tf_text_loader.unload(model);
  free(scratch);
  return 0;
}
