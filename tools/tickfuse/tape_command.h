/* What the subcommands of `tickfuse tape` share: their arguments, the walk over a tape's events, and the
 * bar that shows how far a long one is. */
#ifndef TICKFUSE_TAPE_COMMAND_H
#define TICKFUSE_TAPE_COMMAND_H

#include "cli.h"
#include "file/tape_reader.h"

#define TF_TAPE_FILES_MAX 32

typedef struct tf_tape_args {
  const char *files[TF_TAPE_FILES_MAX];
  uint32_t    file_cnt;
  const char *out[TF_CLI_VALUES_MAX], *format[TF_CLI_VALUES_MAX], *venue[TF_CLI_VALUES_MAX],
      *kind[TF_CLI_VALUES_MAX], *instrument[TF_CLI_VALUES_MAX], *from[TF_CLI_VALUES_MAX],
      *to[TF_CLI_VALUES_MAX], *count[TF_CLI_VALUES_MAX], *every[TF_CLI_VALUES_MAX],
      *events[TF_CLI_VALUES_MAX];
  uint32_t out_cnt, format_cnt, venue_cnt, kind_cnt, instrument_cnt, from_cnt, to_cnt, count_cnt,
      every_cnt, events_cnt, json;
} tf_tape_args_t;

int tf_tape_info(const tf_tape_args_t *args);    /* tape_check.c */
int tf_tape_verify(const tf_tape_args_t *args);  /* tape_check.c */
int tf_tape_diff(const tf_tape_args_t *args);    /* tape_diff.c */
int tf_tape_cat(const tf_tape_args_t *args);     /* tape_cat.c */
int tf_tape_convert(const tf_tape_args_t *args); /* tape_convert.c; also merge */
int tf_tape_split(const tf_tape_args_t *args);   /* tape_split.c */

/* "1723161255030314000" or RFC 3339 "2024-08-08T23:54:15.03Z", in ns since 1970. Says what is wrong
 * and returns false. */
bool tf_tape_time(const char *option, const char *text, uint64_t *ns);
/* A whole number above 0. Says what is wrong and returns false. */
bool tf_tape_number(const char *option, const char *text, uint64_t *value);

/* What of a tape's events is wanted. */
typedef struct tf_tape_choice {
  uint32_t           kinds;                /* bit per tf_event_kind_t */
  uint64_t           from_ns, to_ns, left; /* left: events still wanted */
  const char *const *names;                /* of instruments; name_cnt 0: all */
  uint32_t           name_cnt;
} tf_tape_choice_t;

/* Reads --kind, --instrument, --from, --to, --count. False: something is wrong and was said. */
bool tf_tape_choice_read(const tf_tape_args_t *args, tf_tape_choice_t *choice);
bool tf_tape_choice_takes(const tf_tape_choice_t *choice, const tf_event_t *event,
                          const tf_instrument_t *rows, uint32_t row_cnt);

/* One event after the other through all blocks; those that are damaged are passed over and noted in
 * the reader. */
typedef struct tf_tape_walk {
  tf_tape_reader_t reader;
  tf_event_t       events[256];
  uint32_t         at, cnt;
  uint64_t         next_block;
} tf_tape_walk_t;

tf_err_t tf_tape_walk_init(tf_tape_walk_t *walk, const char *path);
void     tf_tape_walk_fini(tf_tape_walk_t *walk);
/* NULL at the end. Blocks outside [from_ns, to_ns) are not read. */
const tf_event_t *tf_tape_walk_next(tf_tape_walk_t *walk, uint64_t from_ns, uint64_t to_ns);
/* Says on stderr what of the tape is lost, if anything. Returns the exit code. */
int tf_tape_walk_verdict(const tf_tape_walk_t *walk);

/* A line on stderr that is drawn over itself, ten times a second, where that is a terminal. total 0:
 * not known. */
void tf_tape_progress(const char *what, uint64_t done, uint64_t total, const char *unit);
void tf_tape_progress_end(void);

#endif
