#include "boot/config_report.h"

#include <stdarg.h>
#include <string.h>

void tf_config_report_add(tf_config_errors_t *errors, tf_err_t code, uint32_t source, uint32_t line,
                          uint32_t col, const char *place, const char *path, const char *fmt, ...) {
  if (errors->error_cnt == TF_CONFIG_ERRORS_MAX) {
    errors->more_cnt++;
    return;
  }
  tf_config_error_t *error = &errors->errors[errors->error_cnt++];
  *error   = (tf_config_error_t){.code = code, .source = source, .line = line, .col = col};
  int used = snprintf(error->text, sizeof error->text, "%s: %s%s", place, path, *path ? ": " : "");
  if (used < 0 || (size_t)used >= sizeof error->text) return;
  va_list args;
  va_start(args, fmt);
  vsnprintf(error->text + used, sizeof error->text - (size_t)used, fmt, args);
  va_end(args);
}

static bool is_after(const tf_config_error_t *a, const tf_config_error_t *b) {
  if (a->source != b->source) return a->source > b->source;
  if (a->line != b->line) return a->line > b->line;
  return a->col > b->col;
}

void tf_config_report_sort(tf_config_errors_t *errors) {
  for (uint32_t i = 1; i < errors->error_cnt; i++) {
    tf_config_error_t moved = errors->errors[i];
    uint32_t          j     = i;
    for (; j > 0 && is_after(&errors->errors[j - 1], &moved); j--)
      errors->errors[j] = errors->errors[j - 1];
    errors->errors[j] = moved;
  }
}

void tf_config_report_print(const tf_config_errors_t *errors, FILE *out) {
  for (uint32_t i = 0; i < errors->error_cnt; i++) fprintf(out, "%s\n", errors->errors[i].text);
  if (errors->more_cnt) fprintf(out, "... and %u more\n", errors->more_cnt);
}
