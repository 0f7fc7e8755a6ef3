#include "model/onnx_node.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

#define REFUSE(file, node, code, fmt, ...)                                                         \
  TF_ERR(code, "%s: node \"%.80s\" (%.32s): " fmt, file, tf_onnx_node_label(node),                 \
         (node)->op_type ? (node)->op_type : "no op", __VA_ARGS__)

const char *tf_onnx_node_label(const Onnx__NodeProto *node) {
  if (node->name && node->name[0]) return node->name;
  return node->n_output && node->output[0] ? node->output[0] : "without a name";
}

tf_err_t tf_onnx_node_attribute(const char *path, const Onnx__NodeProto *node, const char *name,
                                Onnx__AttributeProto__AttributeType type,
                                const Onnx__AttributeProto        **found) {
  *found = NULL;
  for (size_t i = 0; i < node->n_attribute; i++) {
    const Onnx__AttributeProto *a = node->attribute[i];
    if (!a->name || strcmp(a->name, name) != 0) continue;
    if (!a->has_type || a->type != type)
      return REFUSE(path, node, E_MODEL_FORMAT, "attribute %s has another type than it should",
                    name);
    *found = a;
    return TF_OK;
  }
  return TF_OK;
}

tf_err_t tf_onnx_node_int(const char *path, const Onnx__NodeProto *node, const char *name,
                          int64_t preset, int64_t *value) {
  const Onnx__AttributeProto *a;
  tf_err_t                    err =
      tf_onnx_node_attribute(path, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, &a);
  *value = a ? a->i : preset;
  return err;
}

tf_err_t tf_onnx_node_float(const char *path, const Onnx__NodeProto *node, const char *name,
                            float preset, float *value) {
  const Onnx__AttributeProto *a;
  tf_err_t                    err =
      tf_onnx_node_attribute(path, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, &a);
  *value = a ? a->f : preset;
  if (!err && !isfinite(*value))
    err = REFUSE(path, node, E_MODEL_WEIGHTS, "attribute %s is %g", name, (double)*value);
  return err;
}

const char *tf_onnx_node_input(const Onnx__NodeProto *node, size_t idx) {
  return idx < node->n_input && node->input[idx] && node->input[idx][0] ? node->input[idx] : NULL;
}

bool tf_onnx_node_is_standard(const Onnx__NodeProto *node) {
  return !node->domain || !node->domain[0] || strcmp(node->domain, "ai.onnx") == 0;
}

tf_err_t tf_onnx_node_takes(const char *path, const Onnx__NodeProto *node, const char *names) {
  for (size_t i = 0; i < node->n_attribute; i++) {
    const char *name = node->attribute[i]->name ? node->attribute[i]->name : "";
    char        word[64];
    snprintf(word, sizeof word, " %.60s ", name);
    if (strlen(name) > 60 || strchr(name, ' ') || !strstr(names, word))
      return REFUSE(path, node, E_MODEL_UNSUPPORTED,
                    "attribute \"%.40s\" is not supported (takes:%s)", name,
                    names[0] ? names : " none");
  }
  return TF_OK;
}
