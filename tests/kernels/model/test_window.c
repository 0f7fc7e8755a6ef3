/* The sliding-window schedule against what it stands for: each answer is bit for bit that of a full
 * recompute of its window, in whatever order the deferred work was done, and near the graph in
 * double. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/loader.h"
#include "model/shapes.h"

static uint64_t seed = 7;

static uint32_t below(uint32_t cnt) { /* 0 .. cnt - 1 */
  float x;
  tf_shapes_noise(&x, 1, &seed);
  return (uint32_t)((x + 1.0f) * 0.5f * (float)cnt) % cnt;
}

static float *noise(uint64_t cnt, float scale) {
  float *values = malloc(cnt * sizeof *values);
  tf_shapes_noise(values, cnt, &seed);
  for (uint64_t i = 0; i < cnt; i++) values[i] *= scale;
  return values;
}

static void append(tf_graph_t *g, const char *name, uint64_t weight_cnt, uint64_t bias_cnt,
                   float scale) {
  tf_op_params_t params = {.weight_cnt = weight_cnt, .bias_cnt = bias_cnt};
  assert_int_equal(tf_graph_append(g, tf_op_find(name), "n", &params,
                                   weight_cnt ? noise(weight_cnt, scale) : NULL,
                                   bias_cnt ? noise(bias_cnt, scale) : NULL),
                   TF_OK);
}

/* What a test model is made of: "+" and "*" before the window, then l (lstm) or g (gru) layers and a
 * head, or f (flatten) and a perceptron. */
typedef struct model_case {
  const char *text;
  uint32_t    window, input_cnt, units;
} model_case_t;

static const model_case_t cases[] = {
    {"l",     5,  6,  7 },
    {"ll",    7,  3,  20},
    {"*+lll", 4,  17, 33},
    {"g",     5,  6,  7 },
    {"+gg",   6,  5,  16},
    {"gl",    3,  4,  9 },
    {"f",     5,  6,  16},
    {"*+f",   9,  3,  21},
    {"ll",    2,  8,  8 },
    {"f",     2,  1,  1 },
    {"l",     31, 10, 40},
};

static tf_graph_t *graph_of(const model_case_t *c) {
  tf_graph_t *g = calloc(1, sizeof *g);
  assert_int_equal(tf_graph_init(g, "case", c->input_cnt), TF_OK);
  assert_int_equal(tf_graph_set_window(g, c->window), TF_OK);
  for (const char *t = c->text; *t; t++) {
    uint64_t in = g->output_cnt, units = c->units;
    switch (*t) {
    case '+': append(g, "add", in, 0, 1.0f); break;
    case '*': append(g, "mul", in, 0, 1.0f); break;
    case 'l': append(g, "lstm", 4 * units * (in + units), 4 * units, 0.6f); break;
    case 'g': append(g, "gru", 3 * units * (in + units), 4 * units, 0.6f); break;
    case 'f':
      append(g, "flatten", 0, 0, 0.0f);
      append(g, "gemm", g->output_cnt * units, units, 0.3f);
      append(g, "relu", 0, 0, 0.0f);
      break;
    }
  }
  if (g->row_cnt > 1) append(g, "last", 0, 0, 0.0f);
  append(g, "gemm", 3 * (uint64_t)g->output_cnt, 3, 0.5f);
  append(g, "tanh", 0, 0, 0.0f);
  return g;
}

static void graph_delete(tf_graph_t *g) {
  tf_graph_fini(g);
  free(g);
}

/* Every instruction set and precision of a case. */
static void each_model(const model_case_t *c,
                       void (*visit)(const tf_graph_t *graph, const tf_model_t *model)) {
  tf_graph_t *g = graph_of(c);
  for (int isa = 0; isa < TF_ISA_CNT; isa++)
    for (int precision = 0; precision < TF_PRECISION_CNT; precision++) {
      tf_loader_options_t options = {.isa   = (tf_isa_t)isa,
                                     .model = {.precision = (tf_precision_t)precision}};
      tf_model_t         *model;
      if (!tf_isa_supported(options.isa)) continue;
      assert_int_equal(tf_loader_make(g, &options, &model), TF_OK);
      visit(g, model);
      tf_loader_unload(model);
    }
  graph_delete(g);
}

static void each_case(void (*visit)(const tf_graph_t *graph, const tf_model_t *model)) {
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) each_model(&cases[i], visit);
}

/* An instrument: its rows since its window was reset, and a session to recompute in. */
#define TICKS_MAX 192u
typedef struct instrument {
  tf_loader_session_t live, again;
  float              *rows;
  uint32_t            row_cnt;
} instrument_t;

static void instrument_init(instrument_t *in, const tf_model_t *model) {
  assert_int_equal(tf_loader_session_init(&in->live, model), TF_OK);
  assert_int_equal(tf_loader_session_init(&in->again, model), TF_OK);
  model->reset(model, in->live.state);
  in->rows    = malloc(TICKS_MAX * model->input_cnt * sizeof *in->rows);
  in->row_cnt = 0;
}

static void instrument_fini(instrument_t *in) {
  tf_loader_session_fini(&in->live);
  tf_loader_session_fini(&in->again);
  free(in->rows);
}

/* One tick: answered from the window-th row on, with the bits of a recompute. scratch: shared. */
static void tick(instrument_t *in, const tf_model_t *model, void *scratch) {
  float *row    = in->rows + (size_t)in->row_cnt * model->input_cnt;
  float  out[3] = {77.0f, 77.0f, 77.0f}, want[3];
  assert_true(in->row_cnt < TICKS_MAX);
  tf_shapes_noise(row, model->input_cnt, &seed);
  in->row_cnt++;
  bool answered = model->step(model, in->live.state, scratch, row, out);
  assert_int_equal(answered, in->row_cnt >= model->window);
  if (!answered) {
    assert_true(out[0] == 77.0f && out[2] == 77.0f);
    return;
  }
  tf_loader_answer(&in->again, in->rows + (size_t)(in->row_cnt - model->window) * model->input_cnt,
                   want);
  assert_memory_equal(out, want, sizeof out);
}

static void visit_each_tick(const tf_graph_t *graph, const tf_model_t *model) {
  (void)graph;
  instrument_t in;
  instrument_init(&in, model);
  for (uint32_t i = 0; i < 4 * model->window + 3; i++) {
    tick(&in, model, in.live.scratch);
    model->advance(model, in.live.state, in.live.scratch);
  }
  instrument_fini(&in);
}

static void each_answer_has_the_bits_of_a_recompute(void **state) {
  (void)state;
  each_case(visit_each_tick);
}

static void visit_late_work(const tf_graph_t *graph, const tf_model_t *model) {
  (void)graph;
  instrument_t in;
  instrument_init(&in, model);
  for (uint32_t i = 0; i < 4 * model->window + 9; i++) {
    tick(&in, model, in.live.scratch);
    if (below(3) == 0) model->advance(model, in.live.state, in.live.scratch);
    if (below(40) == 0) model->advance(model, in.live.state, in.live.scratch);
  }
  for (uint32_t i = 0; i < model->window + 2; i++) tick(&in, model, in.live.scratch); /* a burst */
  instrument_fini(&in);
}

static void deferred_work_that_comes_late_or_never_changes_no_bit(void **state) {
  (void)state;
  each_case(visit_late_work);
}

static void visit_interleaved(const tf_graph_t *graph, const tf_model_t *model) {
  (void)graph;
  instrument_t in[3];
  for (int i = 0; i < 3; i++) instrument_init(&in[i], model);
  void *scratch = in[0].live.scratch; /* one lane, one scratch */
  for (uint32_t i = 0; i < 9 * model->window; i++) {
    instrument_t *at = &in[below(3)];
    if (at->row_cnt == TICKS_MAX) break;
    tick(at, model, scratch);
    if (below(2)) model->advance(model, at->live.state, scratch);
    if (below(4 * model->window) == 0) {
      model->reset(model, at->live.state);
      at->row_cnt = 0;
    }
  }
  for (int i = 0; i < 3; i++) instrument_fini(&in[i]);
}

static void instruments_and_resets_do_not_touch_one_another(void **state) {
  (void)state;
  each_case(visit_interleaved);
}

/* Instruments in twos: one is stepped with others, its twin by itself. */
typedef struct twins {
  tf_loader_session_t together, alone;
} twins_t;

typedef struct many {
  const tf_model_t *model;
  twins_t           twins[TF_MODEL_ROWS_MAX];
  uint32_t          twin_cnt;
  uint8_t          *scratch;
  float            *rows, *outs;
} many_t;

/* cnt of them, any, tick at once; some do their deferred work afterwards, and some begin anew. */
static void tick_together(many_t *m, uint32_t cnt) {
  const tf_model_t *model = m->model;
  uint32_t          order[TF_MODEL_ROWS_MAX];
  void             *states[TF_MODEL_ROWS_MAX];
  bool              answered[TF_MODEL_ROWS_MAX];
  for (uint32_t i = 0; i < m->twin_cnt; i++) order[i] = i;
  for (uint32_t i = 0; i < cnt; i++) {
    uint32_t other = i + below(m->twin_cnt - i), it = order[other];
    order[other] = order[i];
    order[i]     = it;
    states[i]    = m->twins[it].together.state;
  }
  tf_shapes_noise(m->rows, (uint64_t)cnt * model->input_cnt, &seed);
  for (uint32_t i = 0; i < cnt * 3; i++) m->outs[i] = 77.0f;
  model->step_many(model, states, m->scratch, m->rows, cnt, m->outs, answered);
  for (uint32_t i = 0; i < cnt; i++) {
    twins_t *t      = &m->twins[order[i]];
    float    out[3] = {77.0f, 77.0f, 77.0f};
    assert_int_equal(answered[i], model->step(model, t->alone.state, t->alone.scratch,
                                              m->rows + i * model->input_cnt, out));
    assert_memory_equal(m->outs + i * 3, out, sizeof out);
    bool advances = below(3) > 0, resets = below(5 * model->window) == 0;
    for (int k = 0; k < 2; k++) {
      void *state = k ? t->alone.state : t->together.state;
      if (advances) model->advance(model, state, t->alone.scratch);
      if (resets) model->reset(model, state);
    }
  }
}

static void visit_together(const tf_graph_t *graph, const tf_model_t *model) {
  (void)graph;
  many_t *m   = calloc(1, sizeof *m);
  m->model    = model;
  m->twin_cnt = model->window < 4 ? TF_MODEL_ROWS_MAX : 5; /* as many as are allowed, of a few */
  m->scratch  = aligned_alloc(TF_LINE_BYTES, tf_align_up(model->many_scratch_bytes, TF_LINE_BYTES));
  m->rows     = malloc(sizeof(float) * TF_MODEL_ROWS_MAX * model->input_cnt);
  m->outs     = malloc(sizeof(float) * TF_MODEL_ROWS_MAX * 3);
  for (uint32_t i = 0; i < m->twin_cnt; i++)
    for (int k = 0; k < 2; k++) {
      tf_loader_session_t *s = k ? &m->twins[i].alone : &m->twins[i].together;
      assert_int_equal(tf_loader_session_init(s, model), TF_OK);
      model->reset(model, s->state);
    }
  for (uint32_t n = 0; n < model->window + 3; n++) tick_together(m, m->twin_cnt);
  for (uint32_t n = 0; n < 3 * model->window; n++) tick_together(m, 1 + below(m->twin_cnt));
  for (uint32_t i = 0; i < m->twin_cnt; i++) {
    tf_loader_session_fini(&m->twins[i].together);
    tf_loader_session_fini(&m->twins[i].alone);
  }
  free(m->scratch);
  free(m->rows);
  free(m->outs);
  free(m);
}

static void windows_stepped_together_have_the_bits_of_each_by_itself(void **state) {
  (void)state;
  each_case(visit_together);
}

static void visit_error(const tf_graph_t *graph, const tf_model_t *model) {
  static const double bounds[] = {1e-6, 0.03, 0.004, 0.06};
  double              worst    = 0.0;
  tf_loader_session_t s;
  assert_int_equal(tf_loader_session_init(&s, model), TF_OK);
  for (int i = 0; i < 12; i++) {
    float *rows = noise((uint64_t)model->window * model->input_cnt, 1.0f), out[3];
    double want[3];
    tf_loader_answer(&s, rows, out);
    assert_int_equal(tf_graph_eval(graph, rows, want), TF_OK);
    for (int o = 0; o < 3; o++) worst = fmax(worst, fabs((double)out[o] - want[o]));
    free(rows);
  }
  tf_loader_session_fini(&s);
  if (!(worst <= bounds[model->precision]))
    fail_msg("%u rows of %u, %s: off by %g", model->window, model->input_cnt,
             tf_precision_name(model->precision), worst);
}

static void answers_are_near_the_graph_in_double(void **state) {
  (void)state;
  each_case(visit_error);
}

/* What a NaN row leaves in the states must be gone after a reset. */
static void reset_forgets_a_nan(void **state) {
  (void)state;
  for (size_t c = 0; c < TF_ARRAY_CNT(cases); c++) {
    tf_graph_t         *g       = graph_of(&cases[c]);
    tf_loader_options_t options = tf_loader_preset();
    tf_model_t         *model;
    instrument_t        in;
    float               row[32], out[3];
    assert_int_equal(tf_loader_make(g, &options, &model), TF_OK);
    instrument_init(&in, model);
    for (uint32_t i = 0; i < 32; i++) row[i] = NAN;
    for (uint32_t i = 0; i < model->window + 1; i++) {
      bool answered = model->step(model, in.live.state, in.live.scratch, row, out);
      if (answered) assert_true(isnan(out[0]));
      model->advance(model, in.live.state, in.live.scratch);
    }
    model->reset(model, in.live.state);
    for (uint32_t i = 0; i < 2 * model->window; i++) {
      tick(&in, model, in.live.scratch);
      model->advance(model, in.live.state, in.live.scratch);
    }
    instrument_fini(&in);
    tf_loader_unload(model);
    graph_delete(g);
  }
}

static void params_of_the_named_shapes_are_the_published_ones(void **state) {
  (void)state;
  const struct {
    const char *name;
    uint64_t    param_cnt;
  } shapes[] = {
      {"lstm_a", 160901  },
      {"lstm_b", 1002601 },
      {"lstm_c", 30017001},
      {"mlp",    295808  }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(shapes); i++) {
    tf_graph_t *g = calloc(1, sizeof *g);
    assert_int_equal(tf_shapes_make(g, shapes[i].name, 1), TF_OK);
    assert_int_equal(g->param_cnt, shapes[i].param_cnt);
    graph_delete(g);
  }
}

static void chains_without_a_schedule_are_refused_by_what_stands_where(void **state) {
  (void)state;
  const struct {
    const char *ops[6];
    const char *says;
  } chains[] = {
      {{"lstm", "relu", "lstm", "last", "gemm"}, "relu \"n\", between recurrent layers"},
      {{"gemm", "last"},                         "recurrent layers and the last row"   },
      {{"lstm", "flatten", "gemm"},              "recurrent layers and the last row"   },
      {{"flatten", "relu", "gemm"},              "behind flatten stands relu"          },
      {{"flatten"},                              "behind flatten stands nothing"       },
      {{"lstm", "gemm"},                         "answers with 4 rows"                 },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(chains); i++) {
    tf_graph_t         *g       = calloc(1, sizeof *g);
    tf_loader_options_t options = tf_loader_preset();
    tf_model_t         *model;
    assert_int_equal(tf_graph_init(g, "chain", 3), TF_OK);
    assert_int_equal(tf_graph_set_window(g, 4), TF_OK);
    for (int n = 0; n < 6 && chains[i].ops[n]; n++) {
      const char *op  = chains[i].ops[n];
      bool        rnn = strcmp(op, "lstm") == 0, dense = strcmp(op, "gemm") == 0;
      uint64_t    in = g->output_cnt;
      append(g, op, rnn ? 20 * (in + 5) : dense ? in : 0, rnn ? 20 : dense ? 1 : 0, 1.0f);
    }
    tf_err_t err = tf_loader_make(g, &options, &model);
    assert_true(err == E_MODEL_UNSUPPORTED || err == E_MODEL_SHAPE);
    if (!strstr(tf_error_text(), chains[i].says))
      fail_msg("'%s' does not say '%s'", tf_error_text(), chains[i].says);
    graph_delete(g);
  }
}

static void limits_hold_at_the_number_and_one_beyond(void **state) {
  (void)state;
  tf_graph_t *g = calloc(1, sizeof *g);
  assert_int_equal(tf_graph_init(g, "limits", 16), TF_OK);
  assert_int_equal(tf_graph_set_window(g, 0), E_MODEL_SHAPE);
  assert_int_equal(tf_graph_set_window(g, TF_GRAPH_WINDOW_MAX + 1), E_MODEL_SHAPE);
  assert_int_equal(tf_graph_set_window(g, TF_GRAPH_WINDOW_MAX), TF_OK);
  append(g, "flatten", 0, 0, 0.0f); /* 16 * 4096 is TF_OP_WIDTH_MAX */
  assert_int_equal(g->output_cnt, TF_OP_WIDTH_MAX);
  tf_graph_fini(g);
  assert_int_equal(tf_graph_init(g, "limits", 17), TF_OK);
  assert_int_equal(tf_graph_set_window(g, TF_GRAPH_WINDOW_MAX), TF_OK);
  assert_int_equal(tf_graph_append(g, tf_op_find("flatten"), "n", &(tf_op_params_t){0}, NULL, NULL),
                   E_MODEL_SHAPE);
  tf_graph_fini(g);
  assert_int_equal(tf_graph_init(g, "limits", 1), TF_OK);
  assert_int_equal(tf_graph_append(g, tf_op_find("last"), "n", &(tf_op_params_t){0}, NULL, NULL),
                   E_MODEL_SHAPE); /* of a single row */
  assert_int_equal(tf_graph_set_window(g, 2), TF_OK);
  for (uint32_t i = 0; i < TF_WINDOW_LAYERS_MAX; i++) append(g, "lstm", i ? 8 : 8, 4, 1.0f);
  append(g, "last", 0, 0, 0.0f);
  tf_loader_options_t options = tf_loader_preset();
  tf_model_t         *model;
  assert_int_equal(tf_loader_make(g, &options, &model), TF_OK);
  tf_loader_unload(model);
  tf_graph_fini(g);
  assert_int_equal(tf_graph_init(g, "limits", 1), TF_OK);
  assert_int_equal(tf_graph_set_window(g, 2), TF_OK);
  for (uint32_t i = 0; i < TF_WINDOW_LAYERS_MAX + 1; i++) append(g, "lstm", 8, 4, 1.0f);
  append(g, "last", 0, 0, 0.0f);
  assert_int_equal(tf_loader_make(g, &options, &model), E_MODEL_UNSUPPORTED);
  graph_delete(g);
}

/* A precision that is too coarse for what was asked is refused with both numbers. */
static void known_answers_bound_the_error(void **state) {
  (void)state;
  tf_graph_t         *g       = graph_of(&cases[1]);
  tf_loader_options_t options = tf_loader_preset();
  tf_model_t         *model;
  double              error_max;
  options.model.precision = TF_PRECISION_INT8;
  assert_int_equal(tf_graph_make_checks(g), TF_OK);
  assert_int_equal(tf_loader_make(g, &options, &model), TF_OK);
  assert_int_equal(tf_loader_check(g, model, &options.model, &error_max), TF_OK);
  assert_true(error_max > 1e-6);
  options.model.error_max = error_max * 0.99;
  assert_int_equal(tf_loader_check(g, model, &options.model, NULL), E_MODEL_CHECK);
  assert_non_null(strstr(tf_error_text(), "in int8"));
  options.model.error_max = error_max * 1.01;
  assert_int_equal(tf_loader_check(g, model, &options.model, NULL), TF_OK);
  tf_loader_unload(model);
  graph_delete(g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chains_without_a_schedule_are_refused_by_what_stands_where),
      cmocka_unit_test(limits_hold_at_the_number_and_one_beyond),
      cmocka_unit_test(known_answers_bound_the_error),
      cmocka_unit_test(each_answer_has_the_bits_of_a_recompute),
      cmocka_unit_test(deferred_work_that_comes_late_or_never_changes_no_bit),
      cmocka_unit_test(instruments_and_resets_do_not_touch_one_another),
      cmocka_unit_test(windows_stepped_together_have_the_bits_of_each_by_itself),
      cmocka_unit_test(answers_are_near_the_graph_in_double),
      cmocka_unit_test(reset_forgets_a_nan),
      cmocka_unit_test(params_of_the_named_shapes_are_the_published_ones),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
