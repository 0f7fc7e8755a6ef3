/* tickfuse model ops. */
#include "cmd_model.h"

#include <string.h>

#include "model/onnx_net.h"

/* " axis keepdims " as a list. */
static json_t *attributes_of(const tf_onnx_net_op_t *op) {
  json_t *list = json_array();
  for (const char *at = op->attributes + strspn(op->attributes, " "); *at;) {
    const size_t length = strcspn(at, " ");
    json_array_append_new(list, json_stringn(at, length));
    at += length;
    at += strspn(at, " ");
  }
  return list;
}

int tf_cmd_model_ops(const tf_cmd_model_args_t *args) {
  const tf_onnx_net_op_t *op;
  json_t                 *all = args->json ? json_object() : NULL;
  if (args->file) return tf_cmd_model_usage("ops", "it takes no file");
  for (uint32_t i = 0; (op = tf_onnx_net_at(i)) != NULL; i++) {
    if (all)
      json_object_set_new(all, op->type, attributes_of(op));
    else
      printf("%-24s%s%s\n", op->type, op->domain ? op->domain : "", op->attributes);
  }
  return all ? tf_cmd_model_print(all) : 0;
}
