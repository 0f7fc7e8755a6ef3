/* One intake and its inbox, and nothing else, for tests of what brokers do to it. Takes messages out of the inbox as acquire
 * would, and prints each: "POSITION KIND TARGET BYTES".
 *
 *   intake_pump TYPE URL STREAM [KEY=VALUE ...]
 *
 * Obeys a line at a time on stdin: hold (takes no more), go, counts (prints "counts {...}"); its end is the intake's. */
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/error.h"
#include "source/registry.h"

static const tf_intake_t *intake;
static void              *state;
static tf_inbox_t        *inbox;
static bool               holds;

static tf_intake_config_t config      = {.name = "wall", .message_bytes_max = 65536};
static uint64_t           inbox_bytes = 1u << 20;

static bool set_start(const char *value) {
  if (!strcmp(value, "new"))
    config.start = TF_INTAKE_NEW;
  else if (!strcmp(value, "all"))
    config.start = TF_INTAKE_ALL;
  else
    config.start = TF_INTAKE_BEHIND;
  if (config.start == TF_INTAKE_BEHIND) config.start_position = strtoull(value, NULL, 10);
  return true;
}

static bool set_text(const char *key, const char *value) {
  const struct {
    const char  *key;
    const char **place;
  } texts[] = {
      {"user",          &config.user         },
      {"password_file", &config.password_file},
      {"token_file",    &config.token_file   },
      {"ca_file",       &config.ca_file      },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(texts); i++)
    if (!strcmp(key, texts[i].key)) {
      *texts[i].place = value;
      return true;
    }
  return false;
}

static bool set(char *word) {
  char *value = strchr(word, '=');
  if (!value) return false;
  *value++        = '\0';
  uint64_t number = strtoull(value, NULL, 10);
  if (!strcmp(word, "start")) return set_start(value);
  if (!strcmp(word, "partitions")) return config.partition_cnt = (uint32_t)number, true;
  if (!strcmp(word, "partition")) return config.partition = (uint32_t)number, true;
  if (!strcmp(word, "max")) return config.message_bytes_max = (uint32_t)number, true;
  if (!strcmp(word, "inbox")) return inbox_bytes = number, true;
  return set_text(word, value);
}

static void print_counts(void) {
  tf_intake_counts_t c;
  intake->counts(state, &c);
  const struct {
    const char *name;
    uint64_t    value;
  } rows[] = {
      {"messages",    c.messages             },
      {"bytes",       c.bytes                },
      {"refused",     c.refused              },
      {"busy",        c.busy                 },
      {"connects",    c.connects             },
      {"disconnects", c.disconnects          },
      {"errors",      c.errors               },
      {"gaps",        c.gaps                 },
      {"doubles",     c.doubles              },
      {"lag",         c.lag                  },
      {"position",    c.position             },
      {"is_up",       c.is_up                },
      {"waiting",     tf_inbox_waiting(inbox)},
      {"taken",       tf_inbox_taken(inbox)  },
  };
  printf("counts {");
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++)
    printf("%s\"%s\": %llu", i ? ", " : "", rows[i].name, (unsigned long long)rows[i].value);
  printf("}\n");
}

/* False: stdin is at its end. */
static bool obey(void) {
  static char   line[64];
  static size_t cnt;
  struct pollfd in = {.fd = 0, .events = POLLIN};
  if (poll(&in, 1, 0) <= 0) return true;
  if (read(0, &line[cnt], 1) != 1) return false;
  if (line[cnt] != '\n') {
    TF_ASSERT(++cnt < sizeof line);
    return true;
  }
  line[cnt] = '\0';
  cnt       = 0;
  if (!strcmp(line, "hold")) holds = true;
  if (!strcmp(line, "go")) holds = false;
  if (!strcmp(line, "counts")) print_counts();
  fflush(stdout);
  return true;
}

static bool take(void) {
  tf_inbox_message_t m;
  if (holds || !tf_inbox_peek(inbox, &m)) return false;
  printf("%llu %u %s %.*s\n", (unsigned long long)m.position, m.kind, m.target, (int)m.bytes_cnt,
         m.bytes);
  tf_inbox_drop(inbox);
  return true;
}

int main(int argc, char **argv) {
  tf_clock_calibrate();
  if (argc < 4) return 2;
  config.url    = argv[2];
  config.stream = argv[3];
  for (uint32_t i = 0; i < tf_intake_cnt; i++)
    if (!strcmp(tf_intakes[i]->name, argv[1])) intake = tf_intakes[i];
  for (int i = 4; i < argc; i++)
    if (!set(argv[i])) return 2;
  if (!intake) return 2;
  inbox =
      tf_inbox_init(aligned_alloc(128, tf_align_up(tf_inbox_bytes(inbox_bytes), 128)), inbox_bytes);
  state = aligned_alloc(128, tf_align_up(intake->state_bytes(&config), 128));
  if (intake->open(state, &config, inbox)) {
    fprintf(stderr, "%s\n", tf_error_text());
    return 1;
  }
  while (obey())
    if (!take()) {
      fflush(stdout);
      nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
  intake->close(state);
  print_counts();
  free(state);
  free(inbox);
  return 0;
}
