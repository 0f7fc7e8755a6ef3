/* Where backend auto put models at the last start (gpu.placements): one JSON object, a member for each model.
 *
 *   {"lstm": {"on": "worker", "model": "1f2e3d4c", "cpu_ns": 81000, "worker_ns": 9000}}
 *
 * What of it is read: on, for the model whose file has that hash. The figures are for people. A file that is not there,
 * or is none of these, is as if there were none: the next start writes it anew. Control plane. */
#ifndef TF_BOOT_PLACEMENT_FILE_H
#define TF_BOOT_PLACEMENT_FILE_H

#include "boot/placement_rule.h"
#include "stage/lane.h"

#define TF_PLACEMENT_FILE_BYTES_MAX 65536u

typedef struct tf_placement_row {
  char     name[32];
  uint32_t hash;
  bool     is_worker;
  uint64_t cpu_ns, worker_ns;
} tf_placement_row_t;

typedef struct tf_placement_file {
  tf_placement_row_t rows[TF_MODELS_MAX];
  uint32_t           cnt;
} tf_placement_file_t;

/* E_FILE_OPEN, E_FILE_FORMAT; file is empty then. */
tf_err_t tf_placement_file_read(tf_placement_file_t *file, const char *path);
/* The same, but what is wrong is logged; path NULL or not there: empty. */
void tf_placement_file_read_or_log(tf_placement_file_t *file, const char *path);
/* Whole or not at all. E_FILE_OPEN, E_FILE_WRITE. */
tf_err_t tf_placement_file_write(const tf_placement_file_t *file, const char *path);

void tf_placement_file_put(tf_placement_file_t *file, const char *name, uint32_t hash,
                           const tf_placement_t *place);
bool tf_placement_file_was_worker(const tf_placement_file_t *file, const char *name, uint32_t hash);

#endif
