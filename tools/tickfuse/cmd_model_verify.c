/* tickfuse model verify. */
#include <math.h>
#include <string.h>

#include "cmd_model.h"
#include "core/error.h"
#include "model/measure.h"
#include "model/shapes.h"

#define BIT_ROWS 1024u

/* Windows on each instruction set: known answers, errors, and how far they are apart. */
typedef struct verdict {
  double   check_error_max;
  double   error_max;
  double   apart_max; /* between two instruction sets */
  uint32_t error_cnt;
  uint32_t isa_cnt;
  bool     same_bits;
} verdict_t;

static tf_err_t compare(const tf_model_t *a, const tf_model_t *b, verdict_t *v) {
  const size_t        each = (size_t)a->input_cnt * a->window;
  uint64_t            seed = 3;
  float              *rows = malloc(each * sizeof *rows);
  float              *out = malloc(2 * a->output_cnt * sizeof *out), *other = out + a->output_cnt;
  tf_loader_session_t sa = {0}, sb = {0};
  tf_err_t            err = rows && out ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "test rows");
  if (!err) err = tf_loader_session_init(&sa, a);
  if (!err) err = tf_loader_session_init(&sb, b);
  for (uint32_t r = 0; r < BIT_ROWS / a->window + 1 && !err; r++) {
    tf_shapes_noise(rows, each, &seed);
    tf_loader_answer(&sa, rows, out);
    tf_loader_answer(&sb, rows, other);
    if (memcmp(out, other, a->output_cnt * sizeof *out) != 0) v->same_bits = false;
    for (uint32_t o = 0; o < a->output_cnt; o++)
      v->apart_max = fmax(v->apart_max, fabs((double)out[o] - (double)other[o]));
  }
  tf_loader_session_fini(&sa);
  tf_loader_session_fini(&sb);
  free(rows);
  free(out);
  return err;
}

static tf_err_t verify_isa(const tf_graph_t *graph, const tf_model_t *best,
                           const tf_loader_options_t *options, verdict_t *v) {
  tf_model_t *model       = NULL;
  double      check_error = 0.0, error = 0.0;
  tf_err_t    err = tf_loader_make(graph, options, &model);
  if (!err) err = tf_loader_check(graph, model, &options->model, &check_error);
  if (!err) err = tf_measure_error(graph, model, &error, &v->error_cnt);
  if (!err) err = compare(best, model, v);
  v->check_error_max = fmax(v->check_error_max, check_error);
  v->error_max       = fmax(v->error_max, error);
  v->isa_cnt += 1;
  tf_loader_unload(model);
  return err;
}

static tf_err_t verify_all(const tf_cmd_model_args_t *args, const tf_graph_t *graph,
                           const tf_model_t *best, verdict_t *v) {
  tf_loader_options_t options = args->options;
  tf_err_t            err     = TF_OK;
  *v                          = (verdict_t){.same_bits = true};
  for (int isa = 0; isa < TF_ISA_CNT && !err; isa++) {
    options.isa = (tf_isa_t)isa;
    if (tf_isa_supported(options.isa)) err = verify_isa(graph, best, &options, v);
  }
  bool   exact = best->precision != TF_PRECISION_BF16;
  double bound = tf_loader_error_max(&options.model, best->precision);
  if (!err && exact && !v->same_bits)
    err = TF_ERR(E_MODEL_CHECK, "model %s: instruction sets disagree in bits", graph->name);
  if (!err && !(v->apart_max <= bound))
    err =
        TF_ERR(E_MODEL_CHECK, "model %s: instruction sets are %.2g apart, at most %.2g is allowed",
               graph->name, v->apart_max, bound);
  return err;
}

static int report_verify(const tf_cmd_model_args_t *args, const tf_graph_t *graph,
                         const tf_model_t *model, const verdict_t *v) {
  if (args->json)
    return tf_cmd_model_print(json_pack(
        "{s:s, s:b, s:s, s:s, s:i, s:f, s:f, s:s, s:i, s:b, s:f}", "file", args->file, "ok", 1,
        "sha256", model->sha256_hex, "precision", tf_precision_name(model->precision),
        "known_answers", (int)graph->check_cnt, "check_error_max", v->check_error_max, "error_max",
        v->error_max, "error_weights", tf_precision_name(graph->precision), "instruction_sets",
        (int)v->isa_cnt, "same_bits", (int)v->same_bits, "apart_max", v->apart_max));
  printf("%s: good. sha256 %s; in %s %u known answers within %.1g, %u random %s within %.1g of "
         "double%s, ",
         args->file, model->sha256_hex, tf_precision_name(model->precision), graph->check_cnt,
         v->check_error_max, v->error_cnt, model->window > 1 ? "windows" : "rows", v->error_max,
         tf_cmd_model_weights_note(graph));
  if (v->same_bits)
    printf("the same bits on %u instruction sets\n", v->isa_cnt);
  else
    printf("%u instruction sets within %.1g\n", v->isa_cnt, v->apart_max);
  return 0;
}

int tf_cmd_model_verify(const tf_cmd_model_args_t *args) {
  tf_model_t *model;
  verdict_t   v;
  tf_graph_t *graph = calloc(1, sizeof *graph);
  if (!graph) return TF_EXIT_FAILED;
  tf_err_t err = tf_loader_load(args->file, &args->options, &model, graph);
  if (!err) err = verify_all(args, graph, model, &v);
  int code = err ? tf_cmd_model_failed(args, err) : report_verify(args, graph, model, &v);
  tf_loader_unload(model);
  tf_graph_fini(graph);
  free(graph);
  return code;
}
