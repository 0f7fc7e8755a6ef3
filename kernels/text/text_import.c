#include "text/text_import.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "model/graph_file.h"
#include "model/import_onnx.h"
#include "model/rounding.h"
#include "text/text_file.h"
#include "text/text_model.h"
#include "text/vocab.h"

#define VOCAB_BYTES_MAX (64u << 20)
#define PATH_BYTES      4096u
/* Texts of a net's known answers: all tokens, half of them, the least. */
#define CHECKS 3u

typedef struct import {
  const tf_text_import_spec_t *spec;
  tf_text_model_t              said; /* labels and lengths */
  tf_text_file_part_t          vocab, nets[TF_TEXT_LENGTHS_MAX];
  void                        *owned[TF_TEXT_LENGTHS_MAX + 1];
  uint32_t                     owned_cnt;
  uint32_t                     token_cnt, first, last, pad;
} import_t;

static tf_err_t read_file(import_t *im, const char *path, uint64_t bytes_max,
                          tf_text_file_part_t *part) {
  struct stat about;
  FILE       *file = fopen(path, "rb");
  if (!file || fstat(fileno(file), &about) || !S_ISREG(about.st_mode)) {
    if (file) fclose(file);
    return TF_ERR(E_FILE_OPEN, "%s: no file to read", path);
  }
  const uint64_t cnt   = (uint64_t)about.st_size;
  void          *bytes = cnt <= bytes_max ? malloc(cnt + 1) : NULL;
  const bool     whole = bytes && fread(bytes, 1, cnt, file) == cnt;
  fclose(file);
  if (bytes) im->owned[im->owned_cnt++] = bytes;
  if (cnt > bytes_max)
    return TF_ERR(E_MODEL_FORMAT, "%s: %llu bytes, at most %llu are read", path,
                  (unsigned long long)cnt, (unsigned long long)bytes_max);
  *part = (tf_text_file_part_t){bytes, cnt};
  return whole ? TF_OK : TF_ERR(bytes ? E_FILE_DAMAGED : E_CORE_NO_MEMORY, "%s", path);
}

static tf_err_t read_lengths(const char *text, tf_text_model_t *said) {
  tf_err_t err = TF_OK;
  for (const char *at = text; !err;) {
    char              *end;
    unsigned long long length = strtoull(at, &end, 10);
    if (end == at || *at == '-' || (*end && *end != ','))
      return TF_ERR(E_MODEL_FORMAT, "--lengths: \"%.40s\": numbers of tokens, as 16,32,64", at);
    err = tf_text_file_add_length("--lengths", length, said);
    if (!*end) break;
    at = end + 1;
  }
  return err;
}

static tf_err_t read_vocab(import_t *im) {
  tf_vocab_t vocab;
  tf_err_t   err = read_file(im, im->spec->vocab, VOCAB_BYTES_MAX, &im->vocab);
  if (!err) err = tf_vocab_init(&vocab, im->spec->vocab, im->vocab.bytes, im->vocab.cnt);
  if (err) return err;
  im->token_cnt = vocab.token_cnt, im->first = vocab.begin, im->last = vocab.end;
  im->pad = vocab.pad;
  tf_vocab_fini(&vocab);
  return TF_OK;
}

/* ---- a net ---- */

static void fill_check(const import_t *im, uint32_t length, uint32_t cnt, uint64_t seed,
                       float *rows) {
  for (uint32_t i = 0; i < length; i++) {
    seed                 = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const uint32_t any   = (uint32_t)((seed >> 33) % im->token_cnt);
    const uint32_t token = i == 0 ? im->first : i + 1 == cnt ? im->last : i < cnt ? any : im->pad;
    rows[TF_TEXT_FILE_COLUMNS * i]     = (float)token;
    rows[TF_TEXT_FILE_COLUMNS * i + 1] = i < cnt ? 1.0f : 0.0f;
  }
}

static tf_err_t make_checks(const import_t *im, uint32_t length, tf_graph_t *graph) {
  const uint32_t cnts[CHECKS] = {length, length / 2, 3};
  const size_t   each         = (size_t)length * TF_TEXT_FILE_COLUMNS;
  const float   *windows[CHECKS];
  float         *rows = malloc(CHECKS * each * sizeof *rows);
  if (!rows) return TF_ERR(E_CORE_NO_MEMORY, "known answers");
  for (uint32_t i = 0; i < CHECKS; i++) {
    fill_check(im, length, cnts[i], i + 1, rows + i * each);
    windows[i] = rows + i * each;
  }
  tf_err_t err = tf_graph_make_checks_of(graph, windows, CHECKS);
  free(rows);
  return err;
}

/* Its known answers are those of the weights as they came. */
static tf_err_t make_net(import_t *im, uint32_t idx, const char *path, tf_precision_t precision) {
  char                    part[PATH_BYTES];
  tf_import_onnx_report_t report;
  tf_features_t           features = {0};
  tf_import_onnx_spec_t   spec     = {.name     = im->spec->name,
                                      .features = &features,
                                      .window   = im->said.lengths[idx],
                                      .output   = im->spec->output,
                                      .is_text  = true};
  tf_graph_t             *graph    = calloc(1, sizeof *graph);
  if (!graph) return TF_ERR(E_CORE_NO_MEMORY, "%s", im->spec->onnx);
  if (snprintf(part, sizeof part, "%s.%u.part", path, spec.window) >= (int)sizeof part) {
    free(graph);
    return TF_ERR(E_FILE_OPEN, "%s: the path is too long", path);
  }
  tf_err_t err = tf_features_parse(&features, "token, mask");
  if (!err) err = tf_import_onnx(im->spec->onnx, &spec, graph, &report);
  if (!err) err = make_checks(im, spec.window, graph);
  if (!err && precision != TF_PRECISION_AUTO) err = tf_rounding_apply(graph, precision);
  if (!err) err = tf_graph_file_write(graph, part);
  if (!err) err = read_file(im, part, TF_SAFETENSORS_FILE_BYTES_MAX, &im->nets[idx]);
  (void)unlink(part);
  tf_features_fini(&features);
  tf_graph_fini(graph);
  free(graph);
  return err;
}

tf_err_t tf_text_import(const tf_text_import_spec_t *spec, const char *path,
                        const tf_model_options_t *options, tf_text_model_t **model) {
  import_t im = {.spec = spec};
  *model      = NULL;
  snprintf(im.said.name, sizeof im.said.name, "%s", spec->name);
  tf_err_t err = spec->labels ? tf_text_file_labels(spec->labels, &im.said) : TF_OK;
  if (!err) err = read_lengths(spec->lengths, &im.said);
  if (!err) err = read_vocab(&im);
  for (uint32_t i = 0; i < im.said.length_cnt && !err; i++)
    err = make_net(&im, i, path, options->precision);
  if (!err) err = tf_text_file_write(path, &im.said, spec->lowers, &im.vocab, im.nets);
  for (uint32_t i = 0; i < im.owned_cnt; i++) free(im.owned[i]);
  return err ? err : tf_text_loader.load(path, options, model);
}
