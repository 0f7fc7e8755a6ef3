/* NumPy's array file, version 1.0 and 2.0, as far as rows of numbers go: little-endian float32 or
 * float64, C order, rank 1 to 3; or a structured array as `features eval` writes it: columns of 8 bytes and one of text, which are
 * not values, then columns of one type of float. Format: numpy.lib.format's documentation. Strict: the header is
 * the dictionary that NumPy writes, the file ends where the data end. Control plane only. */
#ifndef TF_KERNELS_MODEL_NPY_H
#define TF_KERNELS_MODEL_NPY_H

#include "tf/err.h"

#define TF_NPY_HEADER_BYTES_MAX 131072u
#define TF_NPY_COLUMNS_MAX      1024u /* with a name */
#define TF_NPY_NAME_BYTES       64u
#define TF_NPY_GROUPS_MAX       4096u /* texts that differ */
#define TF_NPY_FILE_BYTES_MAX   (UINT64_C(4) << 30)

typedef struct tf_npy {
  uint32_t rank;
  uint64_t row_cnt;    /* of rank 3: of all windows together */
  uint64_t middle_cnt; /* rank 3: rows in a window; else 1 */
  uint64_t column_cnt; /* rank 1 of n values is one row of n */
  float   *values;     /* malloc'd; float64 is rounded */
  /* Of a structured array; NULL otherwise. All malloc'd. */
  char (*names)[TF_NPY_NAME_BYTES]; /* (column_cnt) */
  uint32_t *groups; /* (row_cnt) which of the texts its row has, numbered as they come */
  uint32_t  group_cnt;
} tf_npy_t;

/* E_FILE_OPEN; E_FILE_FORMAT for anything else than such a file, a float64 too large for float32
 * included; E_FILE_DAMAGED for one cut short or too long; E_CORE_NO_MEMORY. Empty on failure. */
tf_err_t tf_npy_read(tf_npy_t *npy, const char *path);
void     tf_npy_fini(tf_npy_t *npy); /* accepts a zeroed one */

/* Writes float32, rank 2, version 1.0. E_FILE_WRITE. */
tf_err_t tf_npy_write(const char *path, uint64_t row_cnt, uint64_t column_cnt, const float *values);

#endif
