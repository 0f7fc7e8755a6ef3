#include "model/net_file.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/error.h"

/* The name of constant number value: of the node that reads it first. */
static void name_of(const tf_net_t *net, uint32_t value, char *name) {
  for (uint32_t n = 0; n < net->node_cnt; n++)
    for (uint32_t i = 0; i < net->nodes[n].use.in_cnt; i++)
      if (net->nodes[n].in[i] == value) {
        snprintf(name, TF_NET_FILE_NAME_BYTES, "%u.%s.%u", n, net->nodes[n].use.op->name, i);
        return;
      }
  TF_ASSERT(false); /* tf_net_end leaves none that is not read */
}

uint32_t tf_net_file_sources(const tf_net_t *net, tf_safetensors_source_t *sources,
                             char (*names)[TF_NET_FILE_NAME_BYTES]) {
  uint32_t cnt = 0;
  for (uint32_t v = 0; v < net->value_cnt; v++) {
    const tf_net_value_t *value = &net->values[v];
    if (!value->constant) continue;
    name_of(net, v, names[cnt]);
    sources[cnt] = (tf_safetensors_source_t){
        .name = names[cnt], .rank = value->shape.rank, .values = value->constant};
    for (uint32_t i = 0; i < value->shape.rank; i++) sources[cnt].shape[i] = value->shape.dims[i];
    cnt++;
  }
  return cnt;
}

json_t *tf_net_file_ranges(const float *ranges) {
  uint32_t cnt = TF_TENSOR_RANGES_MAX;
  while (cnt && ranges[cnt - 1] == 0.0f) cnt--;
  json_t *list = cnt ? json_array() : NULL;
  for (uint32_t i = 0; i < cnt; i++) json_array_append_new(list, json_real((double)ranges[i]));
  return list;
}

static json_t *node_json(const tf_net_t *net, const tf_net_node_t *node) {
  const tf_tensor_use_t *use = &node->use;
  json_t                *all = json_pack("{s:s, s:s}", "op", use->op->name, "name", node->name),
         *list               = json_array();
  for (uint32_t i = 0; i < use->in_cnt; i++) {
    const tf_net_value_t *v = &net->values[node->in[i]];
    char                  name[TF_NET_FILE_NAME_BYTES];
    if (v->constant) {
      name_of(net, node->in[i], name);
      json_array_append_new(list, json_string(name));
    } else {
      json_array_append_new(list, json_integer(v->node == TF_NET_NONE ? -1 : (json_int_t)v->node));
    }
  }
  json_object_set_new(all, "in", list);
  if (use->row) json_object_set_new(all, "row", json_string(use->row->name));
  if (use->int_cnt) json_object_set_new(all, "ints", list = json_array());
  for (uint32_t i = 0; i < use->int_cnt; i++)
    json_array_append_new(list, json_integer(use->ints[i]));
  if (use->real_cnt) json_object_set_new(all, "reals", list = json_array());
  for (uint32_t i = 0; i < use->real_cnt; i++)
    json_array_append_new(list, json_real((double)(float)use->reals[i]));
  json_t *ranges = tf_net_file_ranges(use->ranges);
  if (ranges) json_object_set_new(all, "ranges", ranges);
  return all;
}

json_t *tf_net_file_nodes(const tf_net_t *net) {
  json_t *nodes = json_array();
  for (uint32_t n = 0; n < net->node_cnt; n++)
    json_array_append_new(nodes, node_json(net, &net->nodes[n]));
  return nodes;
}

/* ---- reading ---- */

typedef struct reader {
  tf_net_t             *net;
  tf_rounding_reader_t *tensors;
  const char           *label;
  uint32_t              values[TF_SAFETENSORS_TENSOR_CNT_MAX]; /* of each tensor that was read */
} reader_t;

static tf_err_t take_tensor(reader_t *r, const char *name, uint32_t *value) {
  const tf_safetensors_tensor_t *t = tf_safetensors_find(r->tensors->st, name);
  if (!t) return TF_ERR(E_MODEL_FORMAT, "tensor \"%.100s\" is not in it", name);
  const size_t idx = (size_t)(t - r->tensors->st->tensors);
  if (r->tensors->used[idx]) {
    *value = r->values[idx];
    return TF_OK;
  }
  tf_tensor_shape_t shape = {.rank = t->rank};
  if (t->rank > TF_TENSOR_RANK_MAX)
    return TF_ERR(E_MODEL_SHAPE, "tensor \"%s\" is of rank %u", t->name, t->rank);
  for (uint32_t i = 0; i < t->rank; i++) {
    if (t->shape[i] > TF_TENSOR_CNT_MAX)
      return TF_ERR(E_MODEL_SHAPE, "tensor \"%s\": axis %u is %llu", t->name, i,
                    (unsigned long long)t->shape[i]);
    shape.dims[i] = (uint32_t)t->shape[i];
  }
  tf_err_t err = tf_tensor_shape_count(&shape);
  if (err) return tf_error_add(err, "tensor \"%s\"", t->name);
  float *constant;
  err = tf_rounding_take(r->tensors, (uint32_t)idx, &constant);
  if (!err) err = tf_net_add_constant(r->net, t->name, &shape, constant, value);
  if (err) return err;
  r->values[idx] = *value;
  return TF_OK;
}

static tf_err_t read_input(reader_t *r, const json_t *input, uint32_t *value) {
  if (json_is_string(input)) return take_tensor(r, json_string_value(input), value);
  const json_int_t number = json_is_integer(input) ? json_integer_value(input) : -2;
  if (number < -1 || number >= (json_int_t)r->net->node_cnt)
    return TF_ERR(
        E_MODEL_FORMAT,
        "an input is no tensor's name and no number of -1 to %d: a node reads what comes before it",
        (int)r->net->node_cnt - 1);
  *value = number < 0 ? TF_NET_INPUT : r->net->nodes[number].out;
  return TF_OK;
}

/* Lists of a node: their length, at most max; a key that is missing is an empty one. */
static tf_err_t list_of(const json_t *node, const char *key, uint32_t max, const json_t **list,
                        uint32_t *cnt) {
  *list = json_object_get(node, key);
  *cnt  = 0;
  if (!*list) return TF_OK;
  if (!json_is_array(*list) || json_array_size(*list) > max)
    return TF_ERR(E_MODEL_FORMAT, "\"%s\" is no list of at most %u", key, max);
  *cnt = (uint32_t)json_array_size(*list);
  return TF_OK;
}

static tf_err_t check_keys(json_t *node) {
  static const char *const keys[] = {"op", "name", "in", "row", "ints", "reals", "ranges"};
  const char              *key;
  json_t                  *ignored;
  json_object_foreach(node, key, ignored) {
    bool known = false;
    for (size_t i = 0; i < TF_ARRAY_CNT(keys); i++) known |= strcmp(key, keys[i]) == 0;
    if (!known) return TF_ERR(E_MODEL_FORMAT, "a node has no \"%.32s\"", key);
  }
  return TF_OK;
}

static tf_err_t read_ops(const json_t *node, tf_net_spec_t *spec) {
  const char *op  = json_string_value(json_object_get(node, "op")),
             *row = json_string_value(json_object_get(node, "row"));
  spec->name      = json_string_value(json_object_get(node, "name"));
  if (!op || !spec->name) return TF_ERR(E_MODEL_FORMAT, "no op or name text");
  spec->op  = tf_tensor_find(op);
  spec->row = row ? tf_op_find(row) : NULL;
  if (!spec->op) return TF_ERR(E_MODEL_UNSUPPORTED, "op \"%.32s\" is not known to this build", op);
  if (json_object_get(node, "row") && !spec->row)
    return TF_ERR(E_MODEL_UNSUPPORTED, "row op \"%.32s\" is not known to this build",
                  row ? row : "");
  return TF_OK;
}

tf_err_t tf_net_file_read_ranges(const json_t *node, uint32_t cnt, float *ranges) {
  const json_t *list;
  uint32_t      found;
  tf_err_t      err = list_of(node, "ranges", cnt, &list, &found);
  for (uint32_t i = 0; i < found && !err; i++) {
    const json_t *range = json_array_get(list, i);
    ranges[i]           = (float)json_number_value(range);
    if (!json_is_number(range) || !(ranges[i] >= 0.0f && ranges[i] <= TF_NET_FILE_RANGE_MAX))
      err = TF_ERR(E_MODEL_FORMAT, "\"ranges\": number %u is none of 0 to %g", i,
                   (double)TF_NET_FILE_RANGE_MAX);
  }
  return err;
}

/* A product takes as many as it has rows; other nodes none. */
static tf_err_t read_ranges(reader_t *r, const json_t *node) {
  tf_net_node_t *last = &r->net->nodes[r->net->node_cnt - 1];
  return tf_net_file_read_ranges(node, tf_products_range_cnt_of_op(&last->use), last->use.ranges);
}

static tf_err_t read_node(reader_t *r, json_t *node) {
  const json_t *in, *ints, *reals;
  uint32_t      values[TF_TENSOR_INPUTS_MAX], ignored;
  int64_t       int_values[TF_TENSOR_INTS_MAX];
  double        real_values[TF_TENSOR_REALS_MAX];
  tf_net_spec_t spec = {.in = values, .ints = int_values, .reals = real_values};
  tf_err_t      err = json_is_object(node) ? check_keys(node) : TF_ERR(E_MODEL_FORMAT, "no object");
  if (!err) err = read_ops(node, &spec);
  if (!err) err = list_of(node, "in", TF_TENSOR_INPUTS_MAX, &in, &spec.in_cnt);
  if (!err) err = list_of(node, "ints", TF_TENSOR_INTS_MAX, &ints, &spec.int_cnt);
  if (!err) err = list_of(node, "reals", TF_TENSOR_REALS_MAX, &reals, &spec.real_cnt);
  for (uint32_t i = 0; i < spec.in_cnt && !err; i++)
    err = read_input(r, json_array_get(in, i), &values[i]);
  for (uint32_t i = 0; i < spec.int_cnt && !err; i++) {
    int_values[i] = json_integer_value(json_array_get(ints, i));
    if (!json_is_integer(json_array_get(ints, i)))
      err = TF_ERR(E_MODEL_FORMAT, "\"ints\": number %u is none", i);
  }
  for (uint32_t i = 0; i < spec.real_cnt && !err; i++) {
    const json_t *real = json_array_get(reals, i);
    real_values[i]     = (double)(float)json_number_value(real);
    if (!json_is_number(real) || !(fabs(json_number_value(real)) <= (double)FLT_MAX))
      err = TF_ERR(E_MODEL_FORMAT, "\"reals\": number %u is no float", i);
  }
  if (!err) err = tf_net_add(r->net, &spec, &ignored);
  return err ? err : read_ranges(r, node);
}

static tf_err_t read_nodes(reader_t *r, const json_t *nodes) {
  if (!json_is_array(nodes) || json_array_size(nodes) == 0 ||
      json_array_size(nodes) > TF_NET_NODE_CNT_MAX)
    return TF_ERR(E_MODEL_FORMAT, "%s: graph: 1 to %u nodes are wanted", r->label,
                  TF_NET_NODE_CNT_MAX);
  for (size_t i = 0; i < json_array_size(nodes); i++) {
    tf_err_t err = read_node(r, json_array_get(nodes, i));
    if (err) return tf_error_add(err, "%s: node %zu", r->label, i);
  }
  const uint32_t cnt = r->net->node_cnt;
  tf_err_t       err = tf_net_end(r->net, r->net->nodes[cnt - 1].out);
  if (!err && r->net->node_cnt != cnt)
    err = TF_ERR(E_MODEL_FORMAT, "%s: %u nodes that the last one does not need", r->label,
                 cnt - r->net->node_cnt);
  return err;
}

tf_err_t tf_net_file_read(const json_t *nodes, tf_rounding_reader_t *tensors, const char *label,
                          uint32_t window, uint32_t input_cnt, tf_net_t **net) {
  *net        = NULL;
  reader_t *r = calloc(1, sizeof *r);
  if (!r) return TF_ERR(E_CORE_NO_MEMORY, "%s: its graph", label);
  *r           = (reader_t){.tensors = tensors, .label = label};
  tf_err_t err = tf_net_new(window, input_cnt, &r->net);
  if (!err) err = read_nodes(r, nodes);
  if (err)
    tf_net_delete(r->net);
  else
    *net = r->net;
  free(r);
  return err;
}
