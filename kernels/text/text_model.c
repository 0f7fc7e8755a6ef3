#include "text/text_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "model/graph_file.h"
#include "model/loader.h"
#include "text/text_file.h"
#include "text/tokens.h"

typedef struct own {
  tf_vocab_t  vocab;
  bool        lowers;
  tf_model_t *nets[TF_TEXT_LENGTHS_MAX];
} own_t;

/* ---- reading a text; scratch: tokens, rows, outputs, then the net's own ---- */

typedef struct places {
  uint32_t *tokens;
  float    *rows, *out;
  void     *net;
} places_t;

static size_t lay(const tf_text_model_t *m, void *scratch, places_t *p) {
  const size_t length = m->lengths[m->length_cnt - 1];
  const size_t tokens = tf_align_up(length * sizeof(uint32_t), TF_LINE_BYTES);
  const size_t rows   = tf_align_up(length * TF_TEXT_FILE_COLUMNS * sizeof(float), TF_LINE_BYTES);
  const size_t out    = tf_align_up(TF_TEXT_OUTPUTS_MAX * sizeof(float), TF_LINE_BYTES);
  uint8_t     *at     = scratch;
  if (p)
    *p = (places_t){(void *)at, (void *)(at + tokens), (void *)(at + tokens + rows),
                    at + tokens + rows + out};
  return tokens + rows + out;
}

uint32_t tf_text_model_tokens(const tf_text_model_t *m, const char *bytes, uint32_t bytes_cnt,
                              uint32_t *tokens, bool *is_cut) {
  const own_t *own = m->own;
  return tf_tokens_of(&own->vocab, own->lowers, bytes, bytes_cnt, tokens,
                      m->lengths[m->length_cnt - 1], is_cut);
}

static bool take_apart(const tf_text_model_t *m, const float *out, tf_text_reading_t *reading,
                       float *embedding) {
  float    score = 0.0f;
  uint16_t label = 0;
  bool     good  = true;
  for (uint32_t i = 0; i < m->label_cnt; i++) {
    good = good && isfinite(out[i]);
    score += m->weights[i] * out[i];
    if (out[i] > out[label]) label = (uint16_t)i;
  }
  for (uint32_t i = 0; i < m->embedding_cnt && embedding; i++) {
    embedding[i] = out[m->label_cnt + i];
    good         = good && isfinite(embedding[i]);
  }
  reading->score      = score;
  reading->label      = label;
  reading->confidence = m->label_cnt ? out[label] : 0.0f;
  return good && isfinite(score);
}

static bool run_net(const tf_text_model_t *m, uint32_t idx, const places_t *p, uint32_t cnt,
                    tf_text_reading_t *reading, float *embedding) {
  const own_t *own = m->own;
  for (uint32_t i = 0; i < m->lengths[idx]; i++) {
    p->rows[TF_TEXT_FILE_COLUMNS * i]     = (float)(i < cnt ? p->tokens[i] : own->vocab.pad);
    p->rows[TF_TEXT_FILE_COLUMNS * i + 1] = i < cnt ? 1.0f : 0.0f;
  }
  reading->token_cnt = cnt;
  tf_net_plan_run(tf_loader_net(own->nets[idx]), p->net, p->rows, p->out);
  return take_apart(m, p->out, reading, embedding);
}

bool tf_text_model_read_at(const tf_text_model_t *m, uint32_t idx, void *scratch, const char *bytes,
                           uint32_t bytes_cnt, tf_text_reading_t *reading, float *embedding) {
  places_t p;
  (void)lay(m, scratch, &p);
  const uint32_t cnt = tf_text_model_tokens(m, bytes, bytes_cnt, p.tokens, &reading->is_cut);
  TF_ASSERT(cnt <= m->lengths[idx]);
  return run_net(m, idx, &p, cnt, reading, embedding);
}

static bool read_text(const tf_text_model_t *m, void *scratch, const char *bytes,
                      uint32_t bytes_cnt, tf_text_reading_t *reading, float *embedding) {
  places_t p;
  uint32_t idx = 0;
  (void)lay(m, scratch, &p);
  const uint32_t cnt = tf_text_model_tokens(m, bytes, bytes_cnt, p.tokens, &reading->is_cut);
  while (m->lengths[idx] < cnt) idx++;
  return run_net(m, idx, &p, cnt, reading, embedding);
}

/* ---- loading ---- */

static void unload(tf_text_model_t *m) {
  if (!m) return;
  own_t *own = m->own;
  for (uint32_t i = 0; own && i < TF_TEXT_LENGTHS_MAX; i++) tf_loader_unload(own->nets[i]);
  if (own) tf_vocab_fini(&own->vocab);
  free(own);
  free(m);
}

/* It has known answers, and of these the labels' outputs are probabilities. */
static tf_err_t check_labels(const tf_text_model_t *m, const tf_graph_t *graph, const char *label) {
  for (uint32_t r = 0; r < graph->check_cnt; r++) {
    const float *out = graph->check_outputs + (size_t)r * graph->output_cnt;
    double       sum = 0.0;
    bool         ok  = true;
    for (uint32_t i = 0; i < m->label_cnt; i++) {
      sum += (double)out[i];
      ok = ok && out[i] >= 0.0f;
    }
    if (m->label_cnt && (!ok || fabs(sum - 1.0) > TF_TEXT_FILE_SUM_ERROR_MAX))
      return TF_ERR(
          E_MODEL_SHAPE,
          "%s: its first %u outputs are the labels' probabilities; in a known answer they "
          "sum up to %.6g: export them behind a softmax",
          label, m->label_cnt, sum);
  }
  return graph->check_cnt ? TF_OK : TF_ERR(E_MODEL_CHECK, "%s: it has no known answers", label);
}

/* Of one net, against those before it. */
static tf_err_t check_shape(tf_text_model_t *m, uint32_t idx, const tf_graph_t *graph,
                            const char *label) {
  const own_t *own = m->own;
  if (!graph->net || graph->window != m->lengths[idx] || graph->input_cnt != TF_TEXT_FILE_COLUMNS)
    return TF_ERR(E_MODEL_SHAPE, "%s: a window of %u rows of %u; %u of token and mask are wanted",
                  label, graph->window, graph->input_cnt, m->lengths[idx]);
  if (graph->output_cnt < m->label_cnt)
    return TF_ERR(E_MODEL_SHAPE, "%s: %u outputs for %u labels: each wants a probability", label,
                  graph->output_cnt, m->label_cnt);
  if (idx > 0 && graph->output_cnt != own->nets[0]->output_cnt)
    return TF_ERR(E_MODEL_SHAPE, "%s: %u outputs, the first net has %u", label, graph->output_cnt,
                  own->nets[0]->output_cnt);
  m->embedding_cnt = graph->output_cnt - m->label_cnt;
  return check_labels(m, graph, label);
}

static tf_err_t load_net(tf_text_model_t *m, uint32_t idx, const uint8_t *bytes, size_t cnt,
                         const char *label, const tf_loader_options_t *options) {
  own_t           *own = m->own;
  tf_safetensors_t st;
  tf_graph_t      *graph = calloc(1, sizeof *graph);
  if (!graph) return TF_ERR(E_CORE_NO_MEMORY, "%s", label);
  tf_err_t err = tf_safetensors_parse(&st, label, bytes, cnt);
  if (!err) err = tf_graph_file_read(graph, &st, label, TF_TEXT_OUTPUTS_MAX);
  if (!err) err = check_shape(m, idx, graph, label);
  if (!err) err = tf_loader_make(graph, options, &own->nets[idx]);
  if (!err) err = tf_loader_check(graph, own->nets[idx], &options->model, NULL);
  if (!err) m->precision = own->nets[idx]->precision;
  if (!err) m->param_cnt = own->nets[idx]->param_cnt;
  if (!err && m->scratch_bytes < own->nets[idx]->scratch_bytes)
    m->scratch_bytes = own->nets[idx]->scratch_bytes;
  tf_safetensors_fini(&st);
  tf_graph_fini(graph);
  free(graph);
  return err;
}

static tf_err_t load_parts(tf_text_model_t *m, const tf_safetensors_t *st, const char *path,
                           const tf_loader_options_t *options) {
  own_t                         *own   = m->own;
  const tf_safetensors_tensor_t *vocab = tf_safetensors_find(st, TF_TEXT_FILE_VOCAB);
  tf_err_t                       err   = tf_text_file_read(st, path, m, &own->lowers);
  if (!err && !vocab) err = TF_ERR(E_MODEL_FORMAT, "%s: it has no vocabulary", path);
  if (!err)
    err = tf_vocab_init(&own->vocab, path, (const char *)st->data + vocab->begin,
                        vocab->end - vocab->begin);
  for (uint32_t i = 0; i < m->length_cnt && !err; i++) {
    char name[32], label[512];
    snprintf(name, sizeof name, TF_TEXT_FILE_NET, m->lengths[i]);
    snprintf(label, sizeof label, "%s: %s", path, name);
    const tf_safetensors_tensor_t *t = tf_safetensors_find(st, name);
    err = load_net(m, i, st->data + t->begin, t->end - t->begin, label, options);
  }
  return err;
}

static tf_err_t load(const char *path, const tf_model_options_t *options, tf_text_model_t **model) {
  const tf_loader_options_t all = {.isa      = options->isa_forced ? options->isa : tf_isa_best(),
                                   .model    = *options,
                                   .is_whole = true};
  tf_safetensors_t          st;
  tf_text_model_t          *m = calloc(1, sizeof *m);
  *model                      = NULL;
  if (m) m->own = calloc(1, sizeof(own_t));
  if (!m || !m->own) {
    free(m);
    return TF_ERR(E_CORE_NO_MEMORY, "%s", path);
  }
  tf_err_t err = tf_safetensors_read(&st, path);
  if (!err) err = load_parts(m, &st, path, &all);
  if (!err) {
    memcpy(m->sha256_hex, st.sha256_hex, sizeof m->sha256_hex);
    m->hash = st.sha256_head;
    m->read = read_text;
    m->scratch_bytes += lay(m, NULL, NULL);
    *model = m;
  } else {
    unload(m);
  }
  tf_safetensors_fini(&st);
  return err;
}

const tf_text_loader_t tf_text_loader = {.load = load, .unload = unload};
