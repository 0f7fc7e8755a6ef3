/* tickfuse model run. */
#include <math.h>

#include "cmd_model.h"
#include "core/error.h"
#include "model/npy.h"

/* How many windows x holds, and how far apart they begin; 0 where it does not fit the model. */
static uint64_t window_cnt(const tf_model_t *model, const tf_npy_t *x, size_t *stride) {
  size_t row = model->input_cnt, whole = row * model->window;
  *stride = whole;
  if (x->column_cnt != row || (x->rank == 3 && x->middle_cnt != model->window)) return 0;
  if (model->window == 1 || x->rank == 3) return x->row_cnt / model->window;
  *stride = row; /* rows that follow one another: each window of them */
  return x->row_cnt < model->window ? 0 : x->row_cnt - model->window + 1;
}

static int refuse_shape(const tf_cmd_model_args_t *args, const tf_model_t *model,
                        const tf_npy_t *x) {
  char middle[24] = "", wanted[24] = "";
  if (x->rank == 3) snprintf(middle, sizeof middle, "%llu, ", (unsigned long long)x->middle_cnt);
  if (model->window > 1) snprintf(wanted, sizeof wanted, "%u, ", model->window);
  fprintf(stderr, "tickfuse model run: %s is [%llu, %s%llu], model %s takes [n, %s%u]%s\n",
          args->input,
          (unsigned long long)(x->rank == 3 ? x->row_cnt / (x->middle_cnt ? x->middle_cnt : 1)
                                            : x->row_cnt),
          middle, (unsigned long long)x->column_cnt, model->name, wanted, model->input_cnt,
          model->window > 1 ? " or at least so many rows" : "");
  return TF_EXIT_DATA;
}

/* Rows that follow one another, one at a time, as the engine has them. */
static void slide(const tf_loader_session_t *s, const tf_npy_t *x, float *out) {
  const tf_model_t *m = s->model;
  m->reset(m, s->state);
  for (uint64_t r = 0; r < x->row_cnt; r++) {
    const bool answered = m->step(m, s->state, s->scratch, x->values + r * m->input_cnt, out);
    m->advance(m, s->state, s->scratch);
    if (answered) out += m->output_cnt;
  }
}

static int run_rows(const tf_cmd_model_args_t *args, const tf_model_t *model, const tf_npy_t *x) {
  size_t   stride;
  uint64_t nan_cnt = 0, cnt = window_cnt(model, x, &stride);
  if (cnt == 0 && (x->row_cnt > 0 || x->column_cnt != model->input_cnt))
    return refuse_shape(args, model, x);
  tf_loader_session_t session;
  float              *out = malloc(cnt ? cnt * model->output_cnt * sizeof *out : 1);
  tf_err_t            err = tf_loader_session_init(&session, model);
  if (!err && !out) err = TF_ERR(E_CORE_NO_MEMORY, "%s: its outputs", args->out);
  const bool slides = model->window > 1 && stride == model->input_cnt;
  if (!err && slides) slide(&session, x, out);
  for (uint64_t r = 0; r < cnt && !err; r++) {
    float *y = out + r * model->output_cnt;
    if (!slides) tf_loader_answer(&session, x->values + r * stride, y);
    nan_cnt += isnan(y[0]) != 0;
  }
  if (!err) err = tf_npy_write(args->out, cnt, model->output_cnt, out);
  free(out);
  tf_loader_session_fini(&session);
  if (err) return tf_cmd_model_failed(args, err);
  if (args->json)
    return tf_cmd_model_print(json_pack("{s:s, s:I, s:i, s:I}", "file", args->out, "rows",
                                        (json_int_t)cnt, "outputs", (int)model->output_cnt,
                                        "nan_rows", (json_int_t)nan_cnt));
  printf("%s: %llu rows of %u", args->out, (unsigned long long)cnt, model->output_cnt);
  if (nan_cnt) printf(", %llu of them NaN", (unsigned long long)nan_cnt);
  putchar('\n');
  return 0;
}

int tf_cmd_model_run(const tf_cmd_model_args_t *args) {
  if (!args->input) return tf_cmd_model_usage("run", "--input X.npy is missing");
  if (!args->out) return tf_cmd_model_usage("run", "--out Y.npy is missing");
  tf_model_t *model;
  tf_npy_t    x   = {0};
  tf_err_t    err = tf_loader_load(args->file, &args->options, &model, NULL);
  if (!err) err = tf_npy_read(&x, args->input);
  int code = err ? tf_cmd_model_failed(args, err) : run_rows(args, model, &x);
  tf_npy_fini(&x);
  tf_loader_unload(model);
  return code;
}
