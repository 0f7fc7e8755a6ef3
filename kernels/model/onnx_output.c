#include "model/onnx_output.h"

#include <string.h>

#include "core/error.h"
#include "model/onnx_tensor.h"

#define NAMES_BYTES 600u

/* ---- which output ---- */

/* One that says nothing of its type is taken for floats. */
static bool is_float(const Onnx__ValueInfoProto *info) {
  const bool typed = info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE &&
                     info->type->tensor_type->has_elem_type;
  return !typed || tf_onnx_tensor_is_float(info->type->tensor_type->elem_type);
}

/* "y", "z" */
static const char *list_names(const Onnx__GraphProto *graph, char *text) {
  size_t at = 0;
  text[0]   = 0;
  for (size_t i = 0; i < graph->n_output && at < NAMES_BYTES; i++)
    if (is_float(graph->output[i]))
      at += (size_t)snprintf(text + at, NAMES_BYTES - at, "%s\"%.80s\"", at ? ", " : "",
                             graph->output[i]->name);
  return text;
}

static tf_err_t find_asked(const char *path, const Onnx__GraphProto *graph, const char *asked,
                           tf_onnx_output_t *output) {
  char names[NAMES_BYTES];
  for (size_t i = 0; i < graph->n_output; i++) {
    if (strcmp(graph->output[i]->name, asked) != 0) continue;
    if (!is_float(graph->output[i]))
      return TF_ERR(E_MODEL_UNSUPPORTED,
                    "%s: output \"%.80s\" holds labels; the scores or probabilities they are made "
                    "from are wanted: %s",
                    path, asked, list_names(graph, names));
    output->name = graph->output[i]->name;
    return TF_OK;
  }
  return TF_ERR(E_MODEL_UNSUPPORTED, "%s: it has no output \"%.80s\"; those of floats are: %s",
                path, asked, list_names(graph, names));
}

static tf_err_t find_only(const char *path, const Onnx__GraphProto *graph,
                          tf_onnx_output_t *output) {
  char     names[NAMES_BYTES];
  uint32_t cnt = 0;
  for (size_t i = 0; i < graph->n_output; i++) {
    if (!is_float(graph->output[i])) continue;
    output->name = graph->output[i]->name;
    cnt++;
  }
  if (cnt == 1) return TF_OK;
  return TF_ERR(E_MODEL_UNSUPPORTED, "%s: %u outputs of floats, one is wanted%s%s", path, cnt,
                cnt ? ": say --output with one of " : "", list_names(graph, names));
}

/* ---- which nodes ---- */

/* A value and the node that gives it. */
typedef struct giver {
  const char *value;
  size_t      node;
} giver_t;

typedef struct search {
  giver_t *givers; /* in order of value */
  size_t   cnt;
  bool    *needed;
} search_t;

static int by_value(const void *a, const void *b) {
  return strcmp(((const giver_t *)a)->value, ((const giver_t *)b)->value);
}

static tf_err_t list_givers(const char *path, const Onnx__GraphProto *graph, search_t *s) {
  size_t cnt = 0;
  for (size_t i = 0; i < graph->n_node; i++) cnt += graph->node[i]->n_output;
  s->givers = malloc((cnt + 1) * sizeof *s->givers);
  if (!s->givers) return TF_ERR(E_CORE_NO_MEMORY, "%s: its nodes", path);
  for (size_t i = 0; i < graph->n_node; i++)
    for (size_t k = 0; k < graph->node[i]->n_output; k++) {
      const char *value = graph->node[i]->output[k];
      if (value && value[0]) s->givers[s->cnt++] = (giver_t){value, i};
    }
  qsort(s->givers, s->cnt, sizeof *s->givers, by_value);
  for (size_t i = 1; i < s->cnt; i++)
    if (strcmp(s->givers[i - 1].value, s->givers[i].value) == 0)
      return TF_ERR(E_MODEL_FORMAT, "%s: two nodes give \"%.80s\"", path, s->givers[i].value);
  return TF_OK;
}

/* The giver of value; before: only of a node before that one, so that cycles end. */
static void need(const search_t *s, const char *value, size_t before) {
  if (!value) return;
  const giver_t  key   = {.value = value};
  const giver_t *found = bsearch(&key, s->givers, s->cnt, sizeof key, by_value);
  if (found && found->node < before) s->needed[found->node] = true;
}

/* What a node reads, and what its branches (of If) read. */
static void need_inputs(const search_t *s, const Onnx__NodeProto *node, size_t before) {
  for (size_t i = 0; i < node->n_input; i++) need(s, node->input[i], before);
  for (size_t i = 0; i < node->n_attribute; i++) {
    const Onnx__GraphProto *branch = node->attribute[i]->g;
    if (!branch) continue;
    for (size_t k = 0; k < branch->n_node; k++) need_inputs(s, branch->node[k], before);
    for (size_t k = 0; k < branch->n_output; k++) need(s, branch->output[k]->name, before);
  }
}

tf_err_t tf_onnx_output_find(const char *path, const Onnx__GraphProto *graph, const char *asked,
                             tf_onnx_output_t *output) {
  search_t s = {0};
  *output    = (tf_onnx_output_t){0};
  for (size_t i = 0; i < graph->n_output; i++) {
    if (!graph->output[i]->name || !graph->output[i]->name[0])
      return TF_ERR(E_MODEL_FORMAT, "%s: an output without a name", path);
    output->beside_labels |= !is_float(graph->output[i]);
  }
  tf_err_t err = asked ? find_asked(path, graph, asked, output) : find_only(path, graph, output);
  if (!err) err = list_givers(path, graph, &s);
  if (!err) {
    output->needed = s.needed = calloc(graph->n_node + 1, sizeof *s.needed);
    if (!s.needed) err = TF_ERR(E_CORE_NO_MEMORY, "%s: its nodes", path);
  }
  if (!err) need(&s, output->name, graph->n_node);
  for (size_t i = graph->n_node; i-- > 0 && !err;)
    if (s.needed[i]) need_inputs(&s, graph->node[i], i);
  free(s.givers);
  return err;
}

void tf_onnx_output_fini(tf_onnx_output_t *output) {
  free(output->needed);
  *output = (tf_onnx_output_t){0};
}

bool tf_onnx_output_is_read(const Onnx__GraphProto *graph, const char *value) {
  for (size_t i = 0; i < graph->n_output; i++)
    if (graph->output[i]->name && strcmp(graph->output[i]->name, value) == 0) return true;
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *node = graph->node[i];
    for (size_t k = 0; k < node->n_input; k++)
      if (node->input[k] && strcmp(node->input[k], value) == 0) return true;
    for (size_t k = 0; k < node->n_attribute; k++)
      if (node->attribute[k]->g && tf_onnx_output_is_read(node->attribute[k]->g, value))
        return true;
  }
  return false;
}
