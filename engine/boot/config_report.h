/* The list of what is wrong with a config: every error found, up to a bound, each with its place,
 * so that a user mends a file in one round. Private to engine/boot and its callers; one thread. */
#ifndef TF_BOOT_CONFIG_REPORT_H
#define TF_BOOT_CONFIG_REPORT_H

#include "tf/err.h"

#define TF_CONFIG_ERRORS_MAX       20
#define TF_CONFIG_ERROR_TEXT_BYTES 832
#define TF_CONFIG_FOUND_BYTES      96

typedef struct tf_config_error {
  tf_err_t code;
  uint32_t source; /* order of printing: the file first, then each --set */
  uint32_t line, col;
  char     text[TF_CONFIG_ERROR_TEXT_BYTES]; /* "configs/x.yaml:12:7: feeds[0].venu: ..." */
} tf_config_error_t;

typedef struct tf_config_errors {
  uint32_t          error_cnt; /* kept, sorted by place once the load has ended */
  uint32_t          more_cnt;  /* found beyond the bound */
  tf_config_error_t errors[TF_CONFIG_ERRORS_MAX];
} tf_config_errors_t;

/* Appends one error. place: "configs/x.yaml:12:7" or "--set a=b"; path: "feeds[0].venu" or "". */
void tf_config_report_add(tf_config_errors_t *errors, tf_err_t code, uint32_t source, uint32_t line,
                          uint32_t col, const char *place, const char *path, const char *fmt, ...)
    TF_PRINTF(8, 9);

/* By source, line and column; equal places keep their order. */
void tf_config_report_sort(tf_config_errors_t *errors);

/* One line an error, and "... and N more" where the bound was met. */
void tf_config_report_print(const tf_config_errors_t *errors, FILE *out);

#endif
