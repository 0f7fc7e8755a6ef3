/* `tickfuse tape`: what to do with tick files. */
#include "tape_command.h"

#include <string.h>

static const char about_info[] =
    "Says what a tape holds: instruments, events by block, times, where it came from.";
static const char about_cat[] =
    "Prints events, one line each, numbers exactly as the venue wrote them.";
static const char about_verify[] = "Reads every byte: checksums, columns, times, the hash over all "
                                   "events. Exit 3 and one line for\n"
                                   "each damaged place.";
static const char about_convert[] =
    "Makes a tape of recordings, captures and other tapes, merged by receive time; or CSV or JSON\n"
    "lines of any of them, where --out ends in .csv or .jsonl or --format says so.";
static const char about_merge[] =
    "Makes one tape of several, by receive time; on equal times the one named first goes first.\n"
    "The same as convert.";
static const char about_split[] =
    "Cuts a tape into PREFIX.000.tape, PREFIX.001.tape and so on: by time, by number of events, "
    "or\n"
    "one for each instrument. Messages stay whole, events keep their ingest_seq.";
static const char about_diff[] =
    "Compares two tapes event by event and prints the first that differs. Exit 1 if they do.\n"
    "ingest_seq is not compared: it counts what else is in the tape.";

static const struct {
  const char *name;
  int (*run)(const tf_tape_args_t *args);
  const char *usage, *about;
  uint32_t    files_min, files_max;
  const char *options; /* the first letters of those that it takes, see list_options */
} subs[] = {
    {"info",    tf_tape_info,    "FILE... [--json]",                                                about_info,    1, TF_TAPE_FILES_MAX, "j"       },
    {"cat",     tf_tape_cat,
     "FILE [--format json|csv] [--kind K,K] [--instrument NAME] [--from T] [--to T] [--count N]",   about_cat,     1, 1,                 "jFkiftn" },
    {"verify",  tf_tape_verify,  "FILE... [--json]",                                                about_verify,  1, TF_TAPE_FILES_MAX, "j"       },
    {"convert", tf_tape_convert,
     "[VENUE:]FILE... --out FILE [--venue V] [--format tape|csv|json] [--from T] [--to T]",         about_convert, 1, TF_TAPE_FILES_MAX, "joFvkift"},
    {"merge",   tf_tape_convert, "FILE... --out FILE",                                              about_merge,   1, TF_TAPE_FILES_MAX, "joft"    },
    {"split",   tf_tape_split,   "FILE --out PREFIX [--every 1h | --events N | --instrument each]",
     about_split,                                                                                                  1, 1,                 "joieE"   },
    {"diff",    tf_tape_diff,    "FILE FILE [--json]",                                              about_diff,    2, 2,                 "j"       },
};

/* The options that the letters name. */
static uint32_t list_options(tf_tape_args_t *a, const char *letters, tf_cli_option_t *options) {
  const struct {
    char            letter;
    tf_cli_option_t option;
  } all[] = {
      {'o', {"--out", "FILE", "where to write; it must not exist", a->out, &a->out_cnt}        },
      {'F',
       {"--format", "F", "tape, json or csv, whatever the name ends in", a->format,
        &a->format_cnt}                                                                        },
      {'v', {"--venue", "V", "the venue of recordings that name none", a->venue, &a->venue_cnt}},
      {'k',
       {"--kind", "K,K", "only these: trade, quote, book, ticker, status, control, text", a->kind,
        &a->kind_cnt}                                                                          },
      {'i',
       {"--instrument", "NAME", "only this one, as in BTCUSDT.BINANCE-SPOT; may be repeated",
        a->instrument, &a->instrument_cnt}                                                     },
      {'f',
       {"--from", "T", "received at or after: ns since 1970, or 2024-08-08T23:54:15Z", a->from,
        &a->from_cnt}                                                                          },
      {'t', {"--to", "T", "received before", a->to, &a->to_cnt}                                },
      {'n', {"--count", "N", "stop after N events", a->count, &a->count_cnt}                   },
      {'e',
       {"--every", "T", "a new file for each span of receive time, as in 1h", a->every,
        &a->every_cnt}                                                                         },
      {'E', {"--events", "N", "a new file after N events", a->events, &a->events_cnt}          },
      {'j', {"--json", NULL, "print JSON", NULL, &a->json}                                     },
  };
  uint32_t cnt = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(all); i++)
    if (strchr(letters, all[i].letter)) options[cnt++] = all[i].option;
  return cnt;
}

static int usage(FILE *out) {
  fprintf(out, "usage: tickfuse tape info|cat|verify|convert|merge|split|diff FILE...\n\n"
               "Tick files: normalised events in compressed columns, exact to the bit.\n\n");
  for (size_t i = 0; i < TF_ARRAY_CNT(subs); i++)
    fprintf(out, "  %-8s %s\n", subs[i].name, subs[i].usage);
  return out == stdout ? TF_EXIT_DONE : TF_EXIT_USAGE;
}

int tf_cmd_tape(int argc, char **argv) {
  static tf_tape_args_t args;
  const char           *names[TF_ARRAY_CNT(subs)];
  if (argc < 2) return usage(stderr);
  if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) return usage(stdout);
  for (size_t i = 0; i < TF_ARRAY_CNT(subs); i++) {
    names[i] = subs[i].name;
    if (strcmp(argv[1], names[i]) != 0) continue;
    tf_cli_option_t options[16];
    char            line[256];
    snprintf(line, sizeof line, "tape %s %s", subs[i].name, subs[i].usage);
    const tf_cli_spec_t spec = {.usage          = line,
                                .about          = subs[i].about,
                                .options        = options,
                                .option_cnt     = list_options(&args, subs[i].options, options),
                                .positional     = args.files,
                                .positional_min = subs[i].files_min,
                                .positional_max = subs[i].files_max};
    int                 code = tf_cli_parse(&spec, argc - 1, argv + 1);
    if (code >= 0) return code;
    while (args.file_cnt < TF_TAPE_FILES_MAX && args.files[args.file_cnt]) args.file_cnt++;
    return subs[i].run(&args);
  }
  tf_cli_unknown("tape command", argv[1], names, TF_ARRAY_CNT(names));
  return TF_EXIT_USAGE;
}
