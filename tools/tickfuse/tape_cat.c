/* `tickfuse tape cat`. */
#include <errno.h>
#include <string.h>

#include "event_text.h"
#include "tape_command.h"

int tf_tape_cat(const tf_tape_args_t *args) {
  static tf_tape_walk_t walk;
  tf_tape_choice_t      choice;
  const char           *format = args->format_cnt ? args->format[0] : "json";
  bool                  is_csv = !strcmp(format, "csv");
  if (!is_csv && strcmp(format, "json") != 0) {
    fprintf(stderr, "tickfuse: --format %s: cat prints json or csv\n", format);
    return TF_EXIT_USAGE;
  }
  if (!tf_tape_choice_read(args, &choice)) return TF_EXIT_USAGE;
  tf_err_t err = tf_tape_walk_init(&walk, args->files[0]);
  if (err) return tf_cli_fail(err);
  if (is_csv) fputs(tf_event_text_csv_header, stdout);
  for (const tf_event_t *e;
       choice.left && (e = tf_tape_walk_next(&walk, choice.from_ns, choice.to_ns));) {
    char text[TF_EVENT_TEXT_BYTES_MAX];
    if (!tf_tape_choice_takes(&choice, e, walk.reader.rows, walk.reader.row_cnt)) continue;
    size_t cnt = (is_csv ? tf_event_text_csv : tf_event_text_json)(e, walk.reader.rows,
                                                                   walk.reader.row_cnt, text);
    if (fwrite(text, 1, cnt, stdout) != cnt) break; /* the reader of a pipe went away */
    choice.left--;
  }
  fflush(stdout);
  int code = tf_tape_walk_verdict(&walk);
  tf_tape_walk_fini(&walk);
  return code;
}
