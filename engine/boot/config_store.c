#include "boot/config_store.h"

#include <stdarg.h>

const char *tf_config_store_place(const tf_config_store_t *store, uint32_t source, uint32_t line,
                                  uint32_t col, char *buf, size_t cap) {
  TF_ASSERT(source < TF_CONFIG_SOURCES_MAX);
  if (source == TF_CONFIG_SOURCE_FILE && line > 0)
    snprintf(buf, cap, "%s:%u:%u", store->labels[source], line, col);
  else
    snprintf(buf, cap, "%s", store->labels[source]);
  return buf;
}

void tf_config_store_report(tf_config_store_t *store, tf_err_t code, uint32_t source, uint32_t line,
                            uint32_t col, const char *path, const char *fmt, ...) {
  char    place[TF_CONFIG_PLACE_BYTES], text[TF_CONFIG_ERROR_TEXT_BYTES];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  tf_config_store_place(store, source, line, col, place, sizeof place);
  tf_config_report_add(store->errors, code, source, line, col, place, path, "%s", text);
}
