/* The importer against graphs built here with protobuf-c: what it refuses, and in which words; that
 * damaged files are survived; that the committed example is imported to the committed bytes. What
 * it accepts is measured against numpy by oracle_onnx.py. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "model/graph_file.h"
#include "model/import_onnx.h"
#include "model/onnx_net.h"
#include "model/onnx_wire.h"

#define NODES_MAX 4
#define FLOAT     ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT

/* A model [n, 2] -> one node -> y, whose parts a case may spoil before it is packed. */
typedef struct parts {
  Onnx__ModelProto                  model;
  Onnx__OperatorSetIdProto          opset, *opsets[2];
  Onnx__GraphProto                  graph;
  Onnx__NodeProto                   nodes[NODES_MAX], *node_list[NODES_MAX];
  char                             *node_inputs[NODES_MAX][3], *node_outputs[NODES_MAX][2];
  Onnx__AttributeProto              attribute, *attributes[1];
  Onnx__TensorProto                 weight, bias, *initializers[3];
  int64_t                           weight_dims[2], bias_dims[1];
  float                             weight_values[2], bias_values[1];
  Onnx__StringStringEntryProto      external, *externals[1];
  Onnx__ValueInfoProto              input, output, *inputs[2], *outputs[2];
  Onnx__TypeProto                   type;
  Onnx__TypeProto__Tensor           tensor_type;
  Onnx__TensorShapeProto            shape;
  Onnx__TensorShapeProto__Dimension dims[2], *dim_list[2];
} parts_t;

static void node_init(parts_t *p, int idx, const char *op, const char *a, const char *b,
                      const char *c, const char *output) {
  Onnx__NodeProto *node = &p->nodes[idx];
  onnx__node_proto__init(node);
  p->node_list[idx]       = node;
  p->node_inputs[idx][0]  = (char *)(uintptr_t)a;
  p->node_inputs[idx][1]  = (char *)(uintptr_t)b;
  p->node_inputs[idx][2]  = (char *)(uintptr_t)c;
  p->node_outputs[idx][0] = (char *)(uintptr_t)output;
  p->node_outputs[idx][1] = (char *)(uintptr_t) "second";
  node->input             = p->node_inputs[idx];
  node->n_input           = (size_t)((a != NULL) + (b != NULL) + (c != NULL));
  node->output            = p->node_outputs[idx];
  node->n_output          = 1;
  node->op_type           = (char *)(uintptr_t)op;
  node->name              = (char *)(uintptr_t) "the_node";
}

static void tensor_init(Onnx__TensorProto *t, const char *name, int64_t *dims, size_t n_dims,
                        float *values, size_t cnt) {
  onnx__tensor_proto__init(t);
  t->name          = (char *)(uintptr_t)name;
  t->dims          = dims;
  t->n_dims        = n_dims;
  t->has_data_type = 1;
  t->data_type     = FLOAT;
  t->float_data    = values;
  t->n_float_data  = cnt;
}

static void parts_init(parts_t *p) {
  memset(p, 0, sizeof *p);
  onnx__model_proto__init(&p->model);
  onnx__operator_set_id_proto__init(&p->opset);
  onnx__graph_proto__init(&p->graph);
  onnx__attribute_proto__init(&p->attribute);
  onnx__value_info_proto__init(&p->input);
  onnx__value_info_proto__init(&p->output);
  onnx__type_proto__init(&p->type);
  onnx__type_proto__tensor__init(&p->tensor_type);
  onnx__tensor_shape_proto__init(&p->shape);
  onnx__string_string_entry_proto__init(&p->external);
  p->opset.has_version = 1;
  p->opset.version     = 13;
  p->opset.domain      = (char *)(uintptr_t) "";
  p->opsets[0] = p->opsets[1] = &p->opset;
  p->model.opset_import       = p->opsets;
  p->model.n_opset_import     = 1;
  p->model.has_ir_version     = 1;
  p->model.ir_version         = 8;
  p->model.graph              = &p->graph;
  for (int i = 0; i < 2; i++) {
    onnx__tensor_shape_proto__dimension__init(&p->dims[i]);
    p->dim_list[i] = &p->dims[i];
  }
  p->dims[1].value_case        = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
  p->dims[1].dim_value         = 2;
  p->shape.dim                 = p->dim_list;
  p->shape.n_dim               = 2;
  p->tensor_type.shape         = &p->shape;
  p->tensor_type.has_elem_type = 1;
  p->tensor_type.elem_type     = FLOAT;
  p->type.value_case           = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  p->type.tensor_type          = &p->tensor_type;
  p->input.name                = (char *)(uintptr_t) "x";
  p->input.type                = &p->type;
  p->output.name               = (char *)(uintptr_t) "y";
  p->output.type               = &p->type;
  p->inputs[0] = p->inputs[1] = &p->input;
  p->outputs[0] = p->outputs[1] = &p->output;
  p->weight_dims[0] = 2, p->weight_dims[1] = 1, p->bias_dims[0] = 1;
  p->weight_values[0] = 0.5f, p->weight_values[1] = -1.5f, p->bias_values[0] = 0.25f;
  tensor_init(&p->weight, "w", p->weight_dims, 2, p->weight_values, 2);
  tensor_init(&p->bias, "b", p->bias_dims, 1, p->bias_values, 1);
  p->initializers[0] = &p->weight, p->initializers[1] = &p->bias, p->initializers[2] = &p->bias;
  node_init(p, 0, "Gemm", "x", "w", "b", "y");
  p->attributes[0]       = &p->attribute;
  p->externals[0]        = &p->external;
  p->graph.node          = p->node_list;
  p->graph.n_node        = 1;
  p->graph.initializer   = p->initializers;
  p->graph.n_initializer = 2;
  p->graph.input         = p->inputs;
  p->graph.n_input       = 1;
  p->graph.output        = p->outputs;
  p->graph.n_output      = 1;
}

static void attribute_int(parts_t *p, const char *name, int64_t value) {
  p->attribute.name       = (char *)(uintptr_t)name;
  p->attribute.has_type   = 1;
  p->attribute.type       = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
  p->attribute.has_i      = 1;
  p->attribute.i          = value;
  p->nodes[0].attribute   = p->attributes;
  p->nodes[0].n_attribute = 1;
}

static tf_err_t import_bytes(const uint8_t *bytes, size_t cnt, const char *features,
                             tf_graph_t *graph, tf_import_onnx_report_t *report) {
  tf_features_t list = {0};
  assert_int_equal(tf_features_parse(&list, features), TF_OK);
  tf_import_onnx_spec_t spec = {.name = "model", .features = &list};
  tf_err_t              err  = tf_import_onnx_parse("m.onnx", bytes, cnt, &spec, graph, report);
  tf_features_fini(&list);
  return err;
}

static uint8_t *pack(const parts_t *p, size_t *cnt) {
  *cnt           = onnx__model_proto__get_packed_size(&p->model);
  uint8_t *bytes = malloc(*cnt);
  assert_non_null(bytes);
  onnx__model_proto__pack(&p->model, bytes);
  return bytes;
}

static tf_err_t import_parts(const parts_t *p, const char *features) {
  size_t                  cnt;
  uint8_t                *bytes = pack(p, &cnt);
  tf_graph_t             *graph = calloc(1, sizeof *graph);
  tf_import_onnx_report_t report;
  tf_err_t                err = import_bytes(bytes, cnt, features, graph, &report);
  tf_graph_fini(graph);
  free(graph);
  free(bytes);
  return err;
}

static void spoil_nothing(parts_t *p) { (void)p; }
static void spoil_op(parts_t *p) { p->nodes[0].op_type = (char *)(uintptr_t) "Swish"; }
static void spoil_no_op(parts_t *p) { p->nodes[0].op_type = NULL; }
static void spoil_domain(parts_t *p) { p->nodes[0].domain = (char *)(uintptr_t) "com.microsoft"; }
static void spoil_opset_old(parts_t *p) { p->opset.version = 6; }
static void spoil_opset_future(parts_t *p) { p->opset.version = 22; }
static void spoil_opset_none(parts_t *p) { p->model.n_opset_import = 0; }
static void spoil_opset_twice(parts_t *p) { p->model.n_opset_import = 2; }
static void spoil_graph(parts_t *p) { p->model.graph = NULL; }
static void spoil_external(parts_t *p) {
  p->external.key           = (char *)(uintptr_t) "location";
  p->external.value         = (char *)(uintptr_t) "/etc/passwd";
  p->weight.external_data   = p->externals;
  p->weight.n_external_data = 1;
  p->weight.n_float_data    = 0;
}
static void spoil_location(parts_t *p) {
  p->weight.has_data_location = 1;
  p->weight.data_location     = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}
static void spoil_dtype(parts_t *p) {
  p->weight.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64;
}
static void spoil_count(parts_t *p) { p->weight.n_float_data = 1; }
static void spoil_dims_product(parts_t *p) {
  p->weight_dims[0] = p->weight_dims[1] = INT64_C(1) << 40;
}
static void spoil_dims_negative(parts_t *p) { p->weight_dims[0] = -2; }
static void spoil_dims_swapped(parts_t *p) { p->weight_dims[0] = 1, p->weight_dims[1] = 2; }
static void spoil_rank(parts_t *p) { p->weight.n_dims = 1; }
static void spoil_raw_and_list(parts_t *p) {
  p->weight.has_raw_data = 1;
  p->weight.raw_data     = (ProtobufCBinaryData){8, (uint8_t *)p->weight_values};
}
static void spoil_raw_odd(parts_t *p) {
  spoil_raw_and_list(p);
  p->weight.n_float_data = 0;
  p->weight.raw_data.len = 7;
}
static void spoil_nan(parts_t *p) { p->weight_values[1] = NAN; }
static void spoil_infinite(parts_t *p) { p->bias_values[0] = INFINITY; }
static void spoil_duplicate(parts_t *p) { p->graph.n_initializer = 3; }
static void spoil_bias(parts_t *p) { p->nodes[0].input[2] = (char *)(uintptr_t) "w"; }
static void spoil_two_inputs(parts_t *p) { p->graph.n_input = 2; }
static void spoil_no_input(parts_t *p) { p->graph.n_input = 0; }
static void spoil_two_outputs(parts_t *p) { p->graph.n_output = 2; }
static void spoil_input_type(parts_t *p) { /* the output keeps its own */
  static Onnx__TypeProto         type;
  static Onnx__TypeProto__Tensor tensor_type;
  tensor_type           = p->tensor_type;
  tensor_type.elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
  type                  = p->type;
  type.tensor_type      = &tensor_type;
  p->input.type         = &type;
}
static void spoil_output_type(parts_t *p) { p->tensor_type.elem_type = 7; }
static void spoil_input_rank(parts_t *p) { p->shape.n_dim = 1; }
static void spoil_input_width(parts_t *p) { p->dims[1].dim_value = 3; }
static void spoil_input_untyped(parts_t *p) { p->input.type = NULL; }
static void spoil_unknown_value(parts_t *p) { p->nodes[0].input[0] = (char *)(uintptr_t) "later"; }
static void spoil_cycle(parts_t *p) { p->nodes[0].input[0] = (char *)(uintptr_t) "y"; }
static void spoil_self(parts_t *p) {
  p->nodes[0].output[0] = (char *)(uintptr_t) "x";
  p->output.name        = (char *)(uintptr_t) "x";
}
static void spoil_two_givers(parts_t *p) {
  node_init(p, 1, "Gemm", "x", "w", "b", "y");
  p->graph.n_node = 2;
}
static void spoil_bomb(parts_t *p) { /* an axis of 2^24, times 2 */
  static int64_t sizes[2] = {1 << 24, 2};
  p->weight_dims[0]       = 2;
  p->weight.n_dims        = 1;
  p->weight.data_type     = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
  p->weight.n_float_data  = 0;
  p->weight.int64_data    = sizes;
  p->weight.n_int64_data  = 2;
  node_init(p, 0, "Expand", "x", "w", NULL, "y");
}
static void spoil_two_results(parts_t *p) { p->nodes[0].n_output = 2; }
static void spoil_no_result(parts_t *p) { p->nodes[0].n_output = 0; }
static void spoil_output_name(parts_t *p) { p->output.name = (char *)(uintptr_t) "z"; }
static void spoil_no_nodes(parts_t *p) {
  p->graph.n_node = 0;
  p->output.name  = (char *)(uintptr_t) "x";
}
static void spoil_attribute(parts_t *p) { attribute_int(p, "broadcast", 1); }
static void spoil_attribute_type(parts_t *p) { attribute_int(p, "alpha", 1); }
static void spoil_trans_a(parts_t *p) { attribute_int(p, "transA", 1); }
static void spoil_trans_b(parts_t *p) { attribute_int(p, "transB", 1); }
static void spoil_square(parts_t *p) { p->nodes[0].input[1] = (char *)(uintptr_t) "x"; }
static void spoil_no_inputs(parts_t *p) { p->nodes[0].n_input = 0; }
static void spoil_output_width(parts_t *p) {
  static float wide[2 * (TF_MODEL_OUTPUTS_MAX + 1)];
  p->weight_dims[1] = TF_MODEL_OUTPUTS_MAX + 1;
  tensor_init(&p->weight, "w", p->weight_dims, 2, wide, TF_ARRAY_CNT(wide));
  node_init(p, 0, "MatMul", "x", "w", NULL, "y");
}
static void spoil_branch(parts_t *p) {
  node_init(p, 0, "Relu", "x", NULL, NULL, "h");
  node_init(p, 1, "Add", "h", "x", NULL, "s");
  p->graph.n_node = 2;
}
static void spoil_add_shape(parts_t *p) {
  p->weight_dims[0] = 2, p->weight_dims[1] = 1;
  node_init(p, 0, "Add", "x", "w", NULL, "y");
}
static void spoil_div_zero(parts_t *p) {
  p->weight_dims[0] = 1, p->weight_dims[1] = 2;
  p->weight_values[1] = 0.0f;
  node_init(p, 0, "Div", "x", "w", NULL, "y");
}
static void spoil_div_by(parts_t *p) { node_init(p, 0, "Div", "b", "x", NULL, "y"); }
static void spoil_softmax(parts_t *p) {
  node_init(p, 0, "Softmax", "x", NULL, NULL, "y");
  attribute_int(p, "axis", 0);
}
static void spoil_cast(parts_t *p) {
  node_init(p, 0, "Cast", "x", NULL, NULL, "y");
  attribute_int(p, "to", 7);
}
static void spoil_flatten(parts_t *p) {
  node_init(p, 0, "Flatten", "x", NULL, NULL, "y");
  attribute_int(p, "axis", 0);
}
static void spoil_reshape(parts_t *p) { node_init(p, 0, "Reshape", "x", "w", NULL, "y"); }
static void spoil_clip(parts_t *p) { node_init(p, 0, "Clip", "x", "w", NULL, "y"); }
static void spoil_constant(parts_t *p) { node_init(p, 0, "Constant", NULL, NULL, NULL, "y"); }
static void spoil_constants_only(parts_t *p) { node_init(p, 0, "Gemm", "w", "b", NULL, "y"); }
static void spoil_works_on_constant(parts_t *p) { node_init(p, 0, "Relu", "w", NULL, NULL, "y"); }

static void graphs_that_are_not_supported_are_refused_in_words(void **state) {
  (void)state;
  static const struct {
    void (*spoil)(parts_t *);
    tf_err_t    err;
    const char *says;
  } cases[] = {
      {spoil_op,                E_MODEL_UNSUPPORTED,
       "node \"the_node\" (Swish): is not supported; supported are: AveragePool, BatchNorm"      },
      {spoil_no_op,             E_MODEL_UNSUPPORTED, "(no op)"                                   },
      {spoil_domain,            E_MODEL_UNSUPPORTED, "in domain com.microsoft"                   },
      {spoil_opset_old,         E_MODEL_UNSUPPORTED, "operator set 6; 7 to 21"                   },
      {spoil_opset_future,      E_MODEL_UNSUPPORTED, "operator set 22"                           },
      {spoil_opset_none,        E_MODEL_UNSUPPORTED, "operator set 0"                            },
      {spoil_opset_twice,       E_MODEL_FORMAT,      "two operator sets"                         },
      {spoil_graph,             E_MODEL_FORMAT,      "no graph"                                  },
      {spoil_external,          E_MODEL_UNSUPPORTED, "\"/etc/passwd\", and the model came from"  },
      {spoil_location,          E_MODEL_FORMAT,      "data here and in another file"             },
      {spoil_dtype,             E_MODEL_UNSUPPORTED, "type COMPLEX64; FLOAT, DOUBLE, FLOAT16, B" },
      {spoil_count,             E_MODEL_FORMAT,      "holds 1 values, its dimensions say 2"      },
      {spoil_dims_product,      E_MODEL_FORMAT,      "out of range"                              },
      {spoil_dims_negative,     E_MODEL_FORMAT,      "dimension 0, -2"                           },
      {spoil_dims_swapped,      E_MODEL_SHAPE,       "[1,2] times [1,2]"                         },
      {spoil_rank,              E_MODEL_SHAPE,       "a matrix is wanted"                        },
      {spoil_raw_and_list,      E_MODEL_FORMAT,      "raw data are no list"                      },
      {spoil_raw_odd,           E_MODEL_FORMAT,      "7 bytes of raw data"                       },
      {spoil_nan,               E_MODEL_WEIGHTS,     "tensor \"w\": element 1 is"                },
      {spoil_infinite,          E_MODEL_WEIGHTS,     "tensor \"b\": element 0 is inf"            },
      {spoil_duplicate,         E_MODEL_FORMAT,      "two tensors are called \"b\""              },
      {spoil_bias,              E_MODEL_SHAPE,       "does not fit a row of 1"                   },
      {spoil_two_inputs,        E_MODEL_SCHEMA,      "take 4 values"                             },
      {spoil_no_input,          E_MODEL_FORMAT,      "no input"                                  },
      {spoil_two_outputs,       E_MODEL_UNSUPPORTED, "2 outputs of floats, one is wanted: say --"},
      {spoil_input_type,        E_MODEL_UNSUPPORTED, "no tensor of floats"                       },
      {spoil_output_type,       E_MODEL_UNSUPPORTED, "0 outputs of floats"                       },
      {spoil_input_rank,        E_MODEL_UNSUPPORTED, "rank 1; [batch, n]"                        },
      {spoil_input_width,       E_MODEL_SCHEMA,      "takes 3 values, 2 features were given"     },
      {spoil_input_untyped,     E_MODEL_UNSUPPORTED, "no tensor of floats"                       },
      {spoil_unknown_value,     E_MODEL_UNSUPPORTED, "\"later\", which is neither"               },
      {spoil_cycle,             E_MODEL_UNSUPPORTED, "\"y\", which is neither"                   },
      {spoil_self,              E_MODEL_FORMAT,      "\"x\", which is there"                     },
      {spoil_two_givers,        E_MODEL_FORMAT,      "two nodes give \"y\""                      },
      {spoil_bomb,              E_MODEL_SHAPE,       "[16777216,2]; 1 to 16777216 values"        },
      {spoil_two_results,       E_MODEL_FORMAT,      "2 outputs"                                 },
      {spoil_no_result,         E_MODEL_UNSUPPORTED, "its output is \"y\", which no node gives"  },
      {spoil_output_name,       E_MODEL_UNSUPPORTED, "its output is \"z\", which no node gives"  },
      {spoil_no_nodes,          E_MODEL_UNSUPPORTED, "output is its input"                       },
      {spoil_attribute,         E_MODEL_UNSUPPORTED, "attribute \"broadcast\""                   },
      {spoil_attribute_type,    E_MODEL_FORMAT,      "attribute alpha has another type"          },
      {spoil_trans_a,           E_MODEL_SHAPE,       "[2,1] times [2,1]"                         },
      {spoil_trans_b,           E_MODEL_SHAPE,       "[1,2] times [1,2]"                         },
      {spoil_square,            E_MODEL_SHAPE,       "[1,2] times [1,2]"                         },
      {spoil_no_inputs,         E_MODEL_FORMAT,      "0 inputs"                                  },
      {spoil_output_width,      E_MODEL_SHAPE,       "257 wide; at most 256"                     },
      {spoil_branch,            E_MODEL_UNSUPPORTED, "\"y\", which no node gives"                },
      {spoil_add_shape,         E_MODEL_SHAPE,       "its output is [2,2]"                       },
      {spoil_div_zero,          E_MODEL_WEIGHTS,     "no float"                                  },
      {spoil_div_by,            TF_OK,               ""                                          },
      {spoil_softmax,           TF_OK,               ""                                          },
      {spoil_cast,              TF_OK,               ""                                          },
      {spoil_flatten,           E_MODEL_UNSUPPORTED, "its output is its input"                   },
      {spoil_reshape,           E_MODEL_SHAPE,       "a list of 2 numbers"                       },
      {spoil_clip,              E_MODEL_UNSUPPORTED, "no constant of one value"                  },
      {spoil_constant,          E_MODEL_FORMAT,      "holds 0 values"                            },
      {spoil_constants_only,    E_MODEL_SHAPE,       "a matrix is wanted"                        },
      {spoil_works_on_constant, E_MODEL_UNSUPPORTED, "its output is a constant"                  },
      {spoil_nothing,           TF_OK,               ""                                          },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    parts_t p;
    parts_init(&p);
    cases[i].spoil(&p);
    tf_err_t err = import_parts(&p, "a,b");
    if (err != cases[i].err)
      fail_msg("case %zu: %s, not %s: %s", i, tf_error_name(err), tf_error_name(cases[i].err),
               tf_error_text());
    if (err && (!strstr(tf_error_text(), cases[i].says) || !strstr(tf_error_text(), "m.onnx")))
      fail_msg("case %zu: '%s' does not say '%s' and the file", i, tf_error_text(), cases[i].says);
  }
}

static void denormal_weights_become_zero_and_are_counted(void **state) {
  (void)state;
  parts_t p;
  parts_init(&p);
  p.weight_values[1] = 1e-41f;
  size_t                  cnt;
  uint8_t                *bytes = pack(&p, &cnt);
  tf_graph_t             *graph = calloc(1, sizeof *graph);
  tf_import_onnx_report_t report;
  assert_int_equal(import_bytes(bytes, cnt, "a,b", graph, &report), TF_OK);
  assert_int_equal(report.denormal_cnt, 1);
  assert_int_equal(report.opset, 13);
  assert_true(graph->nodes[0].weight[1] == 0.0f);
  tf_graph_fini(graph);
  free(graph);
  free(bytes);
}

/* Puts an empty message into another cnt times, from the inside out: field i of the cycle holds the
 * one before, outer holds them all. As protobuf-c would recurse through them. */
static uint8_t *nest(const uint8_t *cycle, size_t cycle_cnt, const uint8_t *outer, size_t outer_cnt,
                     size_t depth, size_t *cnt) {
  size_t   cap   = depth * 5 + 64;
  uint8_t *bytes = malloc(cap);
  assert_non_null(bytes);
  *cnt = 0;
  for (size_t i = 0; i < depth + outer_cnt; i++) {
    uint8_t head[12];
    size_t  n = 0, length = *cnt;
    head[n++] = (uint8_t)((i < depth ? cycle[i % cycle_cnt] : outer[i - depth]) << 3 | 2);
    do {
      head[n++] = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
      length >>= 7;
    } while (length);
    *cnt += n;
    assert_true(*cnt <= cap);
    memcpy(bytes + cap - *cnt, head, n);
  }
  memmove(bytes, bytes + cap - *cnt, *cnt);
  return bytes;
}

static void bombs_are_refused_before_they_are_unpacked(void **state) {
  (void)state;
  /* subgraphs without end: graph (7) > node (1) > attribute (5) > g (6) > node (1) ... */
  static const uint8_t subgraph[] = {6, 5, 1}, graph[] = {7};
  /* sequences of sequences: elem_type (1) < sequence_type (4), in type (2) of an input (11) */
  static const uint8_t sequence[] = {1, 4}, input[] = {2, 11, 7};
  Onnx__ModelProto    *model;
  char                 sha256_hex[65];
  size_t               cnt;
  uint8_t             *bytes = nest(subgraph, 3, graph, 1, 300000, &cnt);
  assert_int_equal(tf_onnx_wire_parse("m", bytes, cnt, &model, sha256_hex), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "nested"));
  free(bytes);
  bytes = nest(sequence, 2, input, 3, 300000, &cnt);
  assert_int_equal(tf_onnx_wire_parse("m", bytes, cnt, &model, sha256_hex), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "nested"));
  free(bytes);
  /* two bytes each: empty operator sets (8) */
  cnt   = 4 << 20;
  bytes = malloc(cnt);
  for (size_t i = 0; i < cnt; i += 2) bytes[i] = 8 << 3 | 2, bytes[i + 1] = 0;
  assert_int_equal(tf_onnx_wire_parse("m", bytes, cnt, &model, sha256_hex), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "fields"));
  assert_null(model);
  free(bytes);
}

/* ---- limits, each at its edge and one past it ---- */

/* tensor_cnt tensors that nobody reads behind the two that the node does. */
static void as_many_tensors_as_the_limit_are_read_and_one_more_is_not(void **state) {
  (void)state;
  static Onnx__TensorProto  extra[TF_ONNX_TENSOR_CNT_MAX + 1];
  static Onnx__TensorProto *list[TF_ONNX_TENSOR_CNT_MAX + 1];
  static char               names[TF_ONNX_TENSOR_CNT_MAX + 1][12];
  static float              value[1] = {1.0f};
  for (uint32_t cnt = TF_ONNX_TENSOR_CNT_MAX - 1; cnt <= TF_ONNX_TENSOR_CNT_MAX + 1; cnt++) {
    parts_t p;
    parts_init(&p);
    list[0] = &p.weight, list[1] = &p.bias;
    for (uint32_t i = 2; i < cnt; i++) {
      snprintf(names[i], sizeof names[i], "t%u", i);
      tensor_init(&extra[i], names[i], NULL, 0, value, 1);
      list[i] = &extra[i];
    }
    p.graph.initializer   = list;
    p.graph.n_initializer = cnt;
    assert_int_equal(import_parts(&p, "a,b"),
                     cnt > TF_ONNX_TENSOR_CNT_MAX ? E_MODEL_UNSUPPORTED : TF_OK);
  }
  assert_non_null(strstr(tf_error_text(), "more than 4096 tensors"));
}

static void as_many_axes_as_the_limit_are_read_and_one_more_is_not(void **state) {
  (void)state;
  for (uint32_t rank = TF_ONNX_TENSOR_RANK_MAX - 1; rank <= TF_ONNX_TENSOR_RANK_MAX + 1; rank++) {
    int64_t           dims[TF_ONNX_TENSOR_RANK_MAX + 1];
    float             value[1] = {1.0f};
    Onnx__TensorProto extra;
    parts_t           p;
    parts_init(&p);
    for (uint32_t i = 0; i < rank; i++) dims[i] = 1;
    tensor_init(&extra, "extra", dims, rank, value, 1);
    p.initializers[2]     = &extra;
    p.graph.n_initializer = 3;
    assert_int_equal(import_parts(&p, "a,b"),
                     rank > TF_ONNX_TENSOR_RANK_MAX ? E_MODEL_FORMAT : TF_OK);
  }
  assert_non_null(strstr(tf_error_text(), "rank 9, at most 8"));
}

static void as_many_inputs_as_the_limit_are_taken_and_one_more_is_not(void **state) {
  (void)state;
  enum { MOST = TF_ONNX_NET_INPUT_CNT_MAX };
  static const char *const features[] = {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o",
                                         "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p",
                                         "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"};
  for (uint32_t cnt = MOST - 1; cnt <= MOST + 1; cnt++) {
    Onnx__ValueInfoProto infos[MOST + 1], *list[MOST + 1];
    char                 names[MOST + 1][8], *inputs[MOST + 1];
    parts_t              p;
    parts_init(&p);
    p.dims[1].dim_value = 1;
    for (uint32_t i = 0; i < cnt; i++) {
      snprintf(names[i], sizeof names[i], "x%u", i);
      onnx__value_info_proto__init(&infos[i]);
      infos[i].name = inputs[i] = names[i];
      infos[i].type             = &p.type;
      list[i]                   = &infos[i];
    }
    node_init(&p, 0, "Sum", NULL, NULL, NULL, "y");
    p.nodes[0].input   = inputs;
    p.nodes[0].n_input = cnt;
    p.graph.input      = list;
    p.graph.n_input    = cnt;
    assert_int_equal(import_parts(&p, features[cnt - (MOST - 1)]),
                     cnt > MOST ? E_MODEL_UNSUPPORTED : TF_OK);
  }
  assert_non_null(strstr(tf_error_text(), "more than 16 inputs"));
}

static void nesting_and_fields_hold_at_their_edges(void **state) {
  (void)state;
  static const uint8_t subgraph[] = {6, 5, 1}, graph[] = {7};
  Onnx__ModelProto    *model;
  char                 sha256_hex[65];
  size_t               cnt;
  for (size_t depth = TF_ONNX_WIRE_DEPTH_MAX - 1; depth <= TF_ONNX_WIRE_DEPTH_MAX + 1; depth++) {
    uint8_t *bytes = nest(subgraph, 3, graph, 1, depth - 2, &cnt); /* the model and its graph */
    tf_err_t err   = tf_onnx_wire_parse("m", bytes, cnt, &model, sha256_hex);
    if (depth > TF_ONNX_WIRE_DEPTH_MAX)
      assert_int_equal(err, E_MODEL_UNSUPPORTED);
    else
      assert_true(err == TF_OK ||
                  err == E_MODEL_FORMAT); /* nodes without outputs need not unpack */
    if (!err) onnx__model_proto__free_unpacked(model, NULL);
    free(bytes);
  }
  for (uint64_t fields = TF_ONNX_WIRE_FIELD_CNT_MAX - 1; fields <= TF_ONNX_WIRE_FIELD_CNT_MAX + 1;
       fields++) {
    cnt            = 2 * fields;
    uint8_t *bytes = malloc(cnt);
    for (size_t i = 0; i < cnt; i += 2)
      bytes[i] = 6 << 3 | 2, bytes[i + 1] = 0; /* doc_string, anew each time */
    tf_err_t err = tf_onnx_wire_parse("m", bytes, cnt, &model, sha256_hex);
    assert_int_equal(err, fields > TF_ONNX_WIRE_FIELD_CNT_MAX ? E_MODEL_UNSUPPORTED : TF_OK);
    if (!err) onnx__model_proto__free_unpacked(model, NULL);
    free(bytes);
  }
}

/* A file of holes: it is refused by its size, and not read. */
static void files_larger_than_the_limit_are_not_read(void **state) {
  (void)state;
  char              path[64], sha256_hex[65];
  Onnx__ModelProto *model;
  snprintf(path, sizeof path, "/tmp/tickfuse_import_large_%d.onnx", (int)getpid());
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(ftruncate(fileno(file), (off_t)TF_ONNX_WIRE_FILE_BYTES_MAX + 1), 0);
  fclose(file);
  assert_int_equal(tf_onnx_wire_read(path, &model, sha256_hex), E_MODEL_FORMAT);
  assert_non_null(strstr(tf_error_text(), "1073741825 bytes, at most 1073741824"));
  unlink(path);
}

static void names_that_are_no_text_are_made_printable_or_refused(void **state) {
  (void)state;
  parts_t p;
  parts_init(&p);
  p.nodes[0].name = (char *)(uintptr_t) "\xff\xfe\x1b[2J";
  assert_int_equal(import_parts(&p, "a,b"), TF_OK);
  Onnx__StringStringEntryProto entry, *entries[1] = {&entry};
  onnx__string_string_entry_proto__init(&entry);
  entry.key                = (char *)(uintptr_t) "who";
  entry.value              = (char *)(uintptr_t) "\xff\xfe";
  p.model.metadata_props   = entries;
  p.model.n_metadata_props = 1;
  assert_int_equal(import_parts(&p, "a,b"), E_MODEL_FORMAT);
  assert_non_null(strstr(tf_error_text(), "metadata_props are not UTF-8"));
}

/* ---- damage ---- */

static uint8_t *read_model(const char *path, size_t *cnt) {
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  uint8_t *bytes = malloc(1 << 16);
  *cnt           = fread(bytes, 1, 1 << 16, file);
  fclose(file);
  assert_true(*cnt > 1000 && *cnt < 1 << 16);
  return bytes;
}

static uint8_t *read_example(size_t *cnt) { return read_model("models/example-mlp.onnx", cnt); }

/* Nets of all kinds of operations, as exporters wrote them: cut at every 64th byte, and with bytes flipped, imported whole. */
static void truncated_and_damaged_nets_are_survived(void **state) {
  (void)state;
  static const struct {
    const char *path, *features;
  } models[] = {
      {"tests/golden/models/sets_11.onnx",             "a,b,c,d,e,f"            },
      {"tests/golden/models/sets_21.onnx",             "a,b,c,d,e,f"            },
      {"tests/golden/models/conv_norm_dynamo.onnx",    "a,b,c,d,e,f"            },
      {"tests/golden/models/gru_dynamo.onnx",          "a,b,c,d,e,f,g"          },
      {"tests/golden/models/mlp.onnx",                 "a,b,c,d,e,f,g,h,i,j,k,l"},
      {"tests/golden/models/xgboost_two_classes.onnx", "a,b,c,d,e,f,g,h"        },
  };
  tf_graph_t *graph = calloc(1, sizeof *graph);
  uint64_t    x     = 88172645463325252u;
  for (size_t m = 0; m < TF_ARRAY_CNT(models); m++) {
    size_t                  cnt;
    uint8_t                *bytes = read_model(models[m].path, &cnt);
    tf_import_onnx_report_t report;
    assert_int_equal(import_bytes(bytes, cnt, models[m].features, graph, &report), TF_OK);
    tf_graph_fini(graph);
    for (size_t i = 0; i < cnt; i += 64) {
      uint8_t *cut = malloc(i ? i : 1); /* its own block: asan sees a read past it */
      memcpy(cut, bytes, i);
      assert_int_not_equal(import_bytes(cut, i, models[m].features, graph, &report), TF_OK);
      tf_graph_fini(graph);
      free(cut);
    }
    for (int i = 0; i < 250; i++) {
      x ^= x << 13, x ^= x >> 7, x ^= x << 17;
      const size_t  at   = x % cnt;
      const uint8_t kept = bytes[at];
      bytes[at] ^= (uint8_t)(1u << (x >> 40 & 7));
      (void)import_bytes(bytes, cnt, models[m].features, graph, &report);
      tf_graph_fini(graph);
      bytes[at] = kept;
    }
    free(bytes);
  }
  free(graph);
}

static const char *const example_features =
    "spread_bps,imbalance(5),ofi(1s),trade_imbalance(1s),zscore(mid,500),realized_vol(mid,100),"
    "ret(mid,50),rsi(s1.close,14),(microprice-mid)/spread,(ema(mid,20)-mid)/spread,"
    "(vwap(10s)-mid)/spread,trade_count(1s)";

static void truncated_and_damaged_examples_are_survived(void **state) {
  (void)state;
  size_t      cnt;
  uint8_t    *bytes = read_example(&cnt);
  tf_graph_t *graph = calloc(1, sizeof *graph);
  for (size_t i = 0; i < cnt; i += 3) {
    Onnx__ModelProto *model;
    char              sha256_hex[65];
    uint8_t          *cut = malloc(i ? i : 1); /* its own block: asan sees a read past it */
    memcpy(cut, bytes, i);
    if (tf_onnx_wire_parse("m", cut, i, &model, sha256_hex) == TF_OK)
      onnx__model_proto__free_unpacked(model, NULL);
    free(cut);
  }
  uint64_t x = 88172645463325252u;
  for (int i = 0; i < 3000; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    /* the first bytes and the last hold the structure, weights lie in between */
    size_t  at   = i % 2 ? x % 600 : cnt - 1 - x % 900;
    uint8_t kept = bytes[at];
    bytes[at]    = (uint8_t)(x >> 40);
    tf_import_onnx_report_t report;
    (void)import_bytes(bytes, cnt, example_features, graph, &report);
    tf_graph_fini(graph);
    bytes[at] = kept;
  }
  free(graph);
  free(bytes);
}

static void committed_example_is_imported_to_the_committed_bytes(void **state) {
  (void)state;
  char                    out[80];
  uint8_t                 ours[16384], committed[16384];
  tf_graph_t             *graph = calloc(1, sizeof *graph);
  tf_features_t           list  = {0};
  tf_import_onnx_report_t report;
  assert_int_equal(tf_features_read(&list, "models/example-mlp.features"), TF_OK);
  tf_import_onnx_spec_t spec = {.name = "example-mlp", .features = &list};
  assert_int_equal(tf_import_onnx("models/example-mlp.onnx", &spec, graph, &report), TF_OK);
  snprintf(out, sizeof out, "/tmp/tickfuse_import_%d.safetensors", (int)getpid());
  assert_int_equal(tf_graph_file_write(graph, out), TF_OK);
  tf_features_fini(&list);
  tf_graph_fini(graph);
  free(graph);
  FILE *a = fopen(out, "rb"), *b = fopen("models/example-mlp.safetensors", "rb");
  assert_true(a && b);
  size_t a_cnt = fread(ours, 1, sizeof ours, a), b_cnt = fread(committed, 1, sizeof committed, b);
  fclose(a);
  fclose(b);
  unlink(out);
  assert_true(a_cnt < sizeof ours);
  assert_int_equal(a_cnt, b_cnt);
  assert_memory_equal(ours, committed, a_cnt);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(graphs_that_are_not_supported_are_refused_in_words),
      cmocka_unit_test(bombs_are_refused_before_they_are_unpacked),
      cmocka_unit_test(as_many_tensors_as_the_limit_are_read_and_one_more_is_not),
      cmocka_unit_test(as_many_axes_as_the_limit_are_read_and_one_more_is_not),
      cmocka_unit_test(as_many_inputs_as_the_limit_are_taken_and_one_more_is_not),
      cmocka_unit_test(nesting_and_fields_hold_at_their_edges),
      cmocka_unit_test(files_larger_than_the_limit_are_not_read),
      cmocka_unit_test(names_that_are_no_text_are_made_printable_or_refused),
      cmocka_unit_test(truncated_and_damaged_examples_are_survived),
      cmocka_unit_test(truncated_and_damaged_nets_are_survived),
      cmocka_unit_test(denormal_weights_become_zero_and_are_counted),
      cmocka_unit_test(committed_example_is_imported_to_the_committed_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
