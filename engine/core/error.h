/* The error record of a thread: set once where an operating error arises, with its file and line,
 * then context is appended outward as it travels up ("while ..."). Printing is the caller's.
 * Every folder may use it. Never on a lane after start: hot code counts instead. */
#ifndef TF_CORE_ERROR_H
#define TF_CORE_ERROR_H

#include "tf/err.h"

#define TF_ERROR_TEXT_BYTES 1024

/* Sets this thread's error record and returns code: `return TF_ERR(E_FILE_OPEN, "%s: %s", path,
 * strerror(errno));`. The text says what was found, what is allowed, and the remedy. */
#define TF_ERR(code, ...) tf_error_set((code), __FILE__, __LINE__, __VA_ARGS__)

tf_err_t tf_error_set(tf_err_t code, const char *file, int line, const char *fmt, ...)
    TF_PRINTF(4, 5);

/* Appends ": while <context>" to the record. Returns code unchanged. */
tf_err_t tf_error_add(tf_err_t code, const char *fmt, ...) TF_PRINTF(2, 3);

/* This thread's record: its text without the code, the code, and "file.c:123" of its origin. Valid
 * until the thread's next error. */
const char *tf_error_text(void);
tf_err_t    tf_error_code(void);
const char *tf_error_origin(void);

/* "E_FILE_OPEN" and what it means; "E_UNKNOWN" for a number that is none. */
const char *tf_error_name(tf_err_t code);
const char *tf_error_meaning(tf_err_t code);

#endif
