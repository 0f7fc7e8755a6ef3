/* What we use of ONNX Runtime's C API, declared by ourselves, so that a build needs none of its files: the library is loaded
 * at run time. The API is one struct of function pointers that only ever grows at its end; all of these are of its version 1,
 * whose 102 members stand where they stood in 2019 (onnxruntime_c_api.cc asserts it), so that is the version asked for.
 *
 * Every function gives NULL or a status that the caller releases. */
#ifndef SERVE_ORT_API_H
#define SERVE_ORT_API_H

#include "tf/base.h"

#define TF_ORT_API_VERSION    1u
#define TF_ORT_LOGGING_ERROR  3
#define TF_ORT_SEQUENTIAL     0
#define TF_ORT_OPTIMIZE_ALL   99
#define TF_ORT_DEVICE_MEMORY  0 /* allocator: no arena */
#define TF_ORT_MEMORY_DEFAULT 0
#define TF_ORT_FLOAT          1 /* element type */

typedef struct tf_ort_status      tf_ort_status_t;
typedef struct tf_ort_env         tf_ort_env_t;
typedef struct tf_ort_session     tf_ort_session_t;
typedef struct tf_ort_options     tf_ort_options_t;
typedef struct tf_ort_run_options tf_ort_run_options_t;
typedef struct tf_ort_value       tf_ort_value_t;
typedef struct tf_ort_type        tf_ort_type_t;
typedef struct tf_ort_tensor_info tf_ort_tensor_info_t;
typedef struct tf_ort_memory      tf_ort_memory_t;
typedef struct tf_ort_allocator   tf_ort_allocator_t;
typedef void (*tf_ort_unused_t)(void);

typedef struct tf_ort_api {
  tf_ort_unused_t unused_0[2];
  const char *(*status_text)(const tf_ort_status_t *status); /* 2: GetErrorMessage */
  tf_ort_status_t *(*create_env)(int level, const char *name, tf_ort_env_t **out);
  tf_ort_unused_t unused_4[3];
  tf_ort_status_t *(*create_session)(const tf_ort_env_t *env, const char *path, /* 7 */
                                     const tf_ort_options_t *options, tf_ort_session_t **out);
  tf_ort_unused_t unused_8[1];
  tf_ort_status_t *(*run)(tf_ort_session_t *session, const tf_ort_run_options_t *options, /* 9 */
                          const char *const *input_names, const tf_ort_value_t *const *inputs,
                          size_t input_cnt, const char *const *output_names, size_t output_cnt,
                          tf_ort_value_t **outputs);
  tf_ort_status_t *(*create_options)(tf_ort_options_t **out);
  tf_ort_unused_t unused_11[2];
  tf_ort_status_t *(*set_execution_mode)(tf_ort_options_t *options, int mode); /* 13 */
  tf_ort_unused_t unused_14[3];
  tf_ort_status_t *(*disable_mem_pattern)(tf_ort_options_t *options); /* 17 */
  tf_ort_unused_t unused_18[1];
  tf_ort_status_t *(*disable_arena)(tf_ort_options_t *options); /* 19: DisableCpuMemArena */
  tf_ort_unused_t unused_20[3];
  tf_ort_status_t *(*set_optimization)(tf_ort_options_t *options, int level); /* 23 */
  tf_ort_status_t *(*set_intra_threads)(tf_ort_options_t *options, int cnt);
  tf_ort_status_t *(*set_inter_threads)(tf_ort_options_t *options, int cnt);
  tf_ort_unused_t unused_26[4];
  tf_ort_status_t *(*input_cnt)(const tf_ort_session_t *session, size_t *out); /* 30 */
  tf_ort_status_t *(*output_cnt)(const tf_ort_session_t *session, size_t *out);
  tf_ort_unused_t unused_32[1];
  tf_ort_status_t *(*input_type)(const tf_ort_session_t *session, size_t idx, /* 33 */
                                 tf_ort_type_t **out);
  tf_ort_status_t *(*output_type)(const tf_ort_session_t *session, size_t idx, tf_ort_type_t **out);
  tf_ort_unused_t unused_35[1];
  tf_ort_status_t *(*input_name)(const tf_ort_session_t *session, size_t idx, /* 36 */
                                 tf_ort_allocator_t *allocator, char **out);
  tf_ort_status_t *(*output_name)(const tf_ort_session_t *session, size_t idx,
                                  tf_ort_allocator_t *allocator, char **out);
  tf_ort_unused_t unused_38[11];
  tf_ort_status_t *(*create_tensor)(const tf_ort_memory_t *memory, void *data, /* 49 */
                                    size_t bytes_cnt, const int64_t *shape, size_t shape_cnt,
                                    int type, tf_ort_value_t **out);
  tf_ort_unused_t unused_50[1];
  tf_ort_status_t *(*tensor_data)(tf_ort_value_t *value, void **out); /* 51 */
  tf_ort_unused_t unused_52[3];
  tf_ort_status_t *(*tensor_info_of)(
      const tf_ort_type_t         *type, /* 55: the type's own, not to be released */
      const tf_ort_tensor_info_t **out);
  tf_ort_unused_t unused_56[4];
  tf_ort_status_t *(*element_type)(const tf_ort_tensor_info_t *info, int *out); /* 60 */
  tf_ort_status_t *(*dimension_cnt)(const tf_ort_tensor_info_t *info, size_t *out);
  tf_ort_status_t *(*dimensions)(const tf_ort_tensor_info_t *info, int64_t *out, size_t cnt);
  tf_ort_unused_t unused_63[1];
  tf_ort_status_t *(*element_cnt)(const tf_ort_tensor_info_t *info, size_t *out); /* 64 */
  tf_ort_status_t *(*value_info)(const tf_ort_value_t *value, tf_ort_tensor_info_t **out);
  tf_ort_unused_t unused_66[3];
  tf_ort_status_t *(*create_memory)(int allocator, int kind, tf_ort_memory_t **out); /* 69 */
  tf_ort_unused_t unused_70[6];
  tf_ort_status_t *(*allocator_free)(tf_ort_allocator_t *allocator, void *memory); /* 76 */
  tf_ort_unused_t unused_77[1];
  tf_ort_status_t *(*default_allocator)(tf_ort_allocator_t **out); /* 78 */
  tf_ort_unused_t unused_79[13];
  void (*release_env)(tf_ort_env_t *env); /* 92 */
  void (*release_status)(tf_ort_status_t *status);
  void (*release_memory)(tf_ort_memory_t *memory);
  void (*release_session)(tf_ort_session_t *session);
  void (*release_value)(tf_ort_value_t *value);
  tf_ort_unused_t unused_97[1];
  void (*release_type)(tf_ort_type_t *type); /* 98 */
  void (*release_tensor_info)(tf_ort_tensor_info_t *info);
  void (*release_options)(tf_ort_options_t *options);
} tf_ort_api_t;

#define TF_ORT_AT_(member, place)                                                                  \
  TF_STATIC_ASSERT(offsetof(tf_ort_api_t, member) == (place) * sizeof(void *),                     \
                   "a member of the API stands in another place")
TF_ORT_AT_(create_session, 7);
TF_ORT_AT_(run, 9);
TF_ORT_AT_(set_optimization, 23);
TF_ORT_AT_(output_name, 37);
TF_ORT_AT_(create_tensor, 49);
TF_ORT_AT_(element_type, 60);
TF_ORT_AT_(create_memory, 69);
TF_ORT_AT_(default_allocator, 78);
TF_ORT_AT_(release_options, 100);

typedef struct tf_ort_base {
  const tf_ort_api_t *(*api)(uint32_t version); /* NULL: it has none of that version */
  const char *(*version)(void);
} tf_ort_base_t;

#endif
