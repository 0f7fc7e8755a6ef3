#include "core/error.h"

#include <stdarg.h>
#include <string.h>

#include "core/text.h"

typedef struct tf_error_record {
  tf_err_t    code;
  const char *file;
  int         line;
  char        text[TF_ERROR_TEXT_BYTES];
  char        origin[96];
} tf_error_record_t;

static _Thread_local tf_error_record_t record;

tf_err_t tf_error_set(tf_err_t code, const char *file, int line, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  record.code = code;
  record.file = file;
  record.line = line;
  vsnprintf(record.text, sizeof record.text, fmt, args);
  va_end(args);
  tf_text_flatten(record.text);
  return code;
}

tf_err_t tf_error_add(tf_err_t code, const char *fmt, ...) {
  size_t used = strlen(record.text);
  if (used + 10 >= sizeof record.text) return code;
  memcpy(record.text + used, ": while ", 9);
  used += 8;
  va_list args;
  va_start(args, fmt);
  vsnprintf(record.text + used, sizeof record.text - used, fmt, args);
  va_end(args);
  tf_text_flatten(record.text);
  return code;
}

const char *tf_error_text(void) { return record.text; }

tf_err_t tf_error_code(void) { return record.code; }

const char *tf_error_origin(void) {
  const char *file = record.file ? record.file : "?";
  const char *base = strrchr(file, '/');
  snprintf(record.origin, sizeof record.origin, "%s:%d", base ? base + 1 : file, record.line);
  return record.origin;
}

const char *tf_error_name(tf_err_t code) {
  switch (code) {
#define TF_ERR_NAME_(id, number, text)                                                             \
  case id: return #id;
    TF_ERRORS(TF_ERR_NAME_)
#undef TF_ERR_NAME_
  default: return code == TF_OK ? "TF_OK" : "E_UNKNOWN";
  }
}

const char *tf_error_meaning(tf_err_t code) {
  switch (code) {
#define TF_ERR_TEXT_(id, number, text)                                                             \
  case id: return text;
    TF_ERRORS(TF_ERR_TEXT_)
#undef TF_ERR_TEXT_
  default: return code == TF_OK ? "no error" : "no such error code";
  }
}
