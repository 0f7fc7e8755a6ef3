/* `tickfuse control`: requests to a running engine's control socket (boot/control.h), their answers
 * printed. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "boot/control_socket.h"
#include "cli.h"

#define ANSWER_WAIT_S 5
#define TOKEN_BYTES   128
#define WORDS_MAX     64

#define MODEL_LOOK_US   20000
#define MODEL_LOOKS_MAX 3000 /* a minute for a model to be loaded and prepared */

/* Connected, with a time limit on each wait; -1 with errno. */
static int connect_to(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval     limit   = {.tv_sec = ANSWER_WAIT_S};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, strlen(path) + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  int why = errno;
  close(fd);
  errno = why;
  return -1;
}

/* Sends a line and reads one. False with errno (0: the engine hung up). */
static bool exchange(int fd, const char *line, char *answer, size_t cap) {
  size_t used = 0;
  if (send(fd, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line)) return false;
  while (used + 1 < cap) {
    errno       = 0;
    ssize_t got = recv(fd, answer + used, cap - 1 - used, 0);
    if (got <= 0) return false;
    used += (size_t)got;
    answer[used] = '\0';
    if (answer[used - 1] == '\n') return true;
  }
  return false;
}

static bool read_token(const char *path, char token[TOKEN_BYTES]) {
  FILE *file = fopen(path, "re");
  bool  ok   = file && fgets(token, TOKEN_BYTES, file);
  if (file) fclose(file);
  if (ok) token[strcspn(token, "\r\n")] = '\0';
  return ok;
}

#define INT_(object, key)  (long long)json_integer_value(json_object_get(object, key))
#define TEXT_(object, key) json_string_value(json_object_get(object, key))

static void print_leg(const json_t *leg) {
  const json_t *rate = json_object_get(leg, "win_rate");
  printf("legs       %lld %-4s endpoint %lld %10lld messages %10lld duplicates", INT_(leg, "leg"),
         json_is_true(json_object_get(leg, "up")) ? "up" : "down", INT_(leg, "endpoint"),
         INT_(leg, "messages"), INT_(leg, "duplicates"));
  if (json_is_real(rate))
    printf("  first in %.1f %% of %lld, by p50 %.1f p99 %.1f us", 100.0 * json_real_value(rate),
           INT_(leg, "races"), (double)INT_(leg, "lead_p50_ns") / 1e3,
           (double)INT_(leg, "lead_p99_ns") / 1e3);
  printf("\n");
}

/* "ends       reset 2, eof 1", where there are any. */
static void print_causes(const char *what, const json_t *causes) {
  const char *word, *before = "";
  json_t     *cnt;
  if (json_object_size(causes) == 0) return;
  printf("%-10s", what);
  json_object_foreach((json_t *)causes, word, cnt) {
    printf("%s %s %lld", before, word, (long long)json_integer_value(cnt));
    before = ",";
  }
  printf("\n");
}

static void print_clocks(const json_t *clocks) {
  const char *kind;
  json_t     *clock;
  json_object_foreach((json_t *)clocks, kind, clock) {
    printf("clock      %-8s offset %.3f ms, drift %.3f ppm, delay p99 %.3f ms\n", kind,
           (double)INT_(clock, "offset_ns") / 1e6, (double)INT_(clock, "drift_ppb") / 1e3,
           (double)INT_(clock, "delay_p99_ns") / 1e6);
  }
}

static void print_feed(const json_t *feed) {
  size_t        i;
  const json_t *leg;
  printf("feed     %-16s %-10s %10lld messages %6lld gaps %4lld connects%s%s\n",
         TEXT_(feed, "name"), TEXT_(feed, "state"), INT_(feed, "messages"), INT_(feed, "gaps"),
         INT_(feed, "connects"),
         json_is_true(json_object_get(feed, "standby")) ? ", stands by" : "",
         json_is_true(json_object_get(feed, "broken")) ? ", REFUSED for good" : "");
  json_array_foreach(json_object_get(feed, "legs"), i, leg) print_leg(leg);
  print_causes("ends", json_object_get(feed, "ends"));
  print_causes("no dial", json_object_get(feed, "dials_failed"));
  print_clocks(json_object_get(feed, "clock"));
}

static void print_status(const json_t *answer) {
  const json_t *hist = json_object_get(answer, "tick_to_decision_ns");
  size_t        i;
  const json_t *row;
  printf("engine   pid %lld, %s, up %.0f s%s\n", INT_(answer, "pid"), TEXT_(answer, "config"),
         json_real_value(json_object_get(answer, "uptime_seconds")),
         json_is_true(json_object_get(answer, "halted")) ? ", HALTED" : "");
  json_array_foreach(json_object_get(answer, "feeds"), i, row) print_feed(row);
  printf("lane     %lld events, %lld ticks, %lld decisions, %lld waiting\n",
         INT_(answer, "events_consumed"), INT_(answer, "ticks"), INT_(answer, "decisions"),
         INT_(answer, "event_ring_lag"));
  printf("latency  tick to decision p50 %.1f p99 %.1f p99.9 %.1f max %.1f us\n",
         (double)INT_(hist, "p50") / 1e3, (double)INT_(hist, "p99") / 1e3,
         (double)INT_(hist, "p99_9") / 1e3, (double)INT_(hist, "max") / 1e3);
  json_array_foreach(json_object_get(answer, "sinks"), i, row)
      printf("sink     %-24s %10lld acked %6lld dropped\n", TEXT_(row, "name"), INT_(row, "acked"),
             INT_(row, "dropped"));
}

/* ---- streams ---- */

static void print_age(const json_t *row, const char *key, int width) {
  const json_t *age = json_object_get(row, key);
  if (json_is_real(age))
    printf(" %*.1f s", width - 2, json_real_value(age));
  else
    printf(" %*s", width, "-");
}

static void print_stream(const char *feed, const json_t *row) {
  const char *instrument = json_string_value(json_object_get(row, "instrument"));
  const char *refusal    = json_string_value(json_object_get(row, "refusal"));
  printf("%-12s %-28s %-7s %-12s", feed, instrument ? instrument : "?",
         json_string_value(json_object_get(row, "channel")),
         json_string_value(json_object_get(row, "state")));
  print_age(row, "data_age_seconds", 10);
  print_age(row, "asked_age_seconds", 10);
  printf(" %8lld %5lld%s%s\n", (long long)json_integer_value(json_object_get(row, "request")),
         (long long)json_integer_value(json_object_get(row, "tries")), refusal ? "  " : "",
         refusal ? refusal : "");
}

/* ---- requests ---- */

typedef struct client {
  int         fd;
  const char *socket;
  char        token[TOKEN_BYTES];
  bool        as_json;
} client_t;

typedef struct options { /* NULL: not given */
  const char *channels, *sha256, *share, *share_by;
} options_t;

/* Asks, takes the request over, and gives the answer; NULL: that it has none was said. */
static json_t *ask(const client_t *c, json_t *request) {
  static char answer[TF_CONTROL_ANSWER_BYTES_MAX];
  if (*c->token) json_object_set_new(request, "token", json_string(c->token));
  char *text = json_dumps(request, JSON_COMPACT), *line = NULL;
  bool  ok = text && asprintf(&line, "%s\n", text) >= 0;
  free(text);
  json_decref(request);
  errno = 0;
  ok    = ok && exchange(c->fd, line, answer, sizeof answer);
  if (!ok)
    fprintf(stderr, "tickfuse: %s: %s\n", c->socket,
            errno ? strerror(errno) : "the engine hung up without an answer");
  free(line);
  json_t *root = ok ? json_loads(answer, 0, NULL) : NULL;
  if (ok && !root) fprintf(stderr, "tickfuse: %s: an answer that is no JSON\n", c->socket);
  return root;
}

static int exit_code(const json_t *answer) {
  const char *code = json_string_value(json_object_get(answer, "code"));
  if (json_is_true(json_object_get(answer, "ok"))) return TF_EXIT_DONE;
  return code && !strcmp(code, "E_CONTROL_REQUEST") ? TF_EXIT_USAGE : TF_EXIT_FAILED;
}

/* Over a list of answers the worst. */
static int worse(int a, int b) { return a != TF_EXIT_DONE ? a : b; }

static void print_words(const json_t *list) {
  size_t        i;
  const json_t *word;
  json_array_foreach(list, i, word) printf("%s%s", i ? ", " : "", json_string_value(word));
}

/* What the engine said, for people or as it is. */
static void print_answer(const client_t *c, const json_t *answer) {
  const json_t *channels = json_object_get(answer, "channels");
  if (c->as_json) {
    json_dumpf(answer, stdout, JSON_COMPACT);
    printf("\n");
  } else if (!json_is_true(json_object_get(answer, "ok"))) {
    fprintf(stderr, "tickfuse: %s: %s\n", json_string_value(json_object_get(answer, "code")),
            json_string_value(json_object_get(answer, "error")));
  } else if (json_object_get(answer, "feeds")) {
    print_status(answer);
  } else if (channels) {
    printf("%s %s: ", json_string_value(json_object_get(answer, "command")),
           json_string_value(json_object_get(answer, "instrument")));
    print_words(channels);
    printf("%s\n", json_array_size(channels) ? "" : "nothing changed");
  } else if (json_object_get(answer, "ingest_seq")) {
    printf("done at ingest_seq %lld\n",
           (long long)json_integer_value(json_object_get(answer, "ingest_seq")));
  } else {
    printf("done\n");
  }
}

static int tell(const client_t *c, json_t *request) {
  json_t *answer = ask(c, request);
  if (!answer) return TF_EXIT_FAILED;
  print_answer(c, answer);
  int code = exit_code(answer);
  json_decref(answer);
  return code;
}

/* One request a symbol. */
static int change_streams(const client_t *c, const char *const *words, const char *channels) {
  int code = TF_EXIT_DONE;
  if (!words[2] || !words[3]) {
    fprintf(stderr, "tickfuse: %s wants a FEED and at least one SYMBOL\n", words[1]);
    return TF_EXIT_USAGE;
  }
  for (uint32_t i = 3; words[i]; i++)
    code = worse(code, tell(c, json_pack("{ss ss ss ss*}", "command", words[1], "feed", words[2],
                                         "symbol", words[i], "channels", channels)));
  return code;
}

/* All pages of a feed, appended to list. Its last answer, or NULL. */
static json_t *feed_streams(const client_t *c, const char *feed, json_t *list) {
  char from[16] = "0";
  for (;;) {
    json_t *answer =
        ask(c, json_pack("{ss ss ss}", "command", "streams", "feed", feed, "from", from));
    size_t  i;
    json_t *row;
    if (!answer) return NULL;
    json_array_foreach(json_object_get(answer, "streams"), i, row) {
      json_object_set_new(row, "feed", json_string(feed));
      json_array_append(list, row);
    }
    const json_t *next = json_object_get(answer, "next");
    if (!json_is_integer(next)) return answer;
    snprintf(from, sizeof from, "%lld", (long long)json_integer_value(next));
    json_decref(answer);
  }
}

static void print_streams(const client_t *c, const json_t *list) {
  size_t        i;
  const json_t *row;
  if (c->as_json) {
    json_dumpf(list, stdout, JSON_COMPACT);
    printf("\n");
    return;
  }
  printf("%-12s %-28s %-7s %-12s %10s %10s %8s %5s\n", "feed", "instrument", "channel", "state",
         "data", "asked", "request", "tries");
  json_array_foreach(list, i, row)
      print_stream(json_string_value(json_object_get(row, "feed")), row);
}

static int list_streams(const client_t *c, const char *feed) {
  json_t *list = json_array(), *status = NULL;
  int     code = TF_EXIT_DONE;
  size_t  i;
  json_t *row;
  if (feed) {
    json_t *answer = feed_streams(c, feed, list);
    code           = answer ? exit_code(answer) : TF_EXIT_FAILED;
    if (answer && code != TF_EXIT_DONE) print_answer(c, answer);
    json_decref(answer);
  } else if ((status = ask(c, json_pack("{ss}", "command", "status")))) {
    code = exit_code(status);
    if (code != TF_EXIT_DONE) print_answer(c, status);
    json_array_foreach(json_object_get(status, "feeds"), i, row) { /* some have no streams */
      json_decref(feed_streams(c, json_string_value(json_object_get(row, "name")), list));
    }
  } else {
    code = TF_EXIT_FAILED;
  }
  if (code == TF_EXIT_DONE) print_streams(c, list);
  json_decref(status);
  json_decref(list);
  return code;
}

/* ---- models ---- */

static void print_model(const json_t *row) {
  const char   *refusal  = TEXT_(row, "refusal_text");
  const json_t *beside   = json_object_get(row, "beside"),
               *previous = json_object_get(row, "previous");
  printf("%-16s version %-6lld %.12s  %-10s", TEXT_(row, "name"), INT_(row, "version"),
         TEXT_(row, "sha256"), TEXT_(row, "state"));
  if (json_is_integer(beside)) printf("  beside %lld", INT_(row, "beside"));
  if (json_is_integer(previous)) printf("  before %lld", INT_(row, "previous"));
  const json_t *canary = json_object_get(row, "canary");
  if (canary)
    printf("  on %.0f %% of the %s: %lld answers, %lld refused, %lld late",
           json_real_value(json_object_get(canary, "share")), TEXT_(canary, "share_by"),
           INT_(canary, "answers"), INT_(canary, "refused"), INT_(canary, "late"));
  printf("  %lld swaps, %lld refused%s%s\n", INT_(row, "swaps"), INT_(row, "refused"),
         refusal ? ": " : "", refusal ? refusal : "");
}

static bool is_settled(const json_t *row) {
  const char *state = TEXT_(row, "state");
  return state && (!strcmp(state, "idle") || !strcmp(state, "ready") || !strcmp(state, "canary"));
}

static const json_t *find_model(const json_t *answer, const char *name) {
  size_t        i;
  const json_t *row;
  json_array_foreach(json_object_get(answer, "models"), i, row) {
    if (!strcmp(TEXT_(row, "name"), name)) return row;
  }
  return NULL;
}

/* Until the request was worked on, or the time is over; what came of it. */
static json_t *await_model(const client_t *c, const char *name) {
  for (int look = 0;; look++) {
    json_t       *answer = ask(c, json_pack("{ss ss}", "command", "model", "verb", "list"));
    const json_t *row    = find_model(answer, name);
    if (!row || is_settled(row) || look == MODEL_LOOKS_MAX) return answer;
    json_decref(answer);
    usleep(MODEL_LOOK_US);
  }
}

static int tell_models(const client_t *c, const char *const *words, const options_t *o) {
  const char *verb = words[2] ? words[2] : "list", *name = words[2] ? words[3] : NULL;
  json_t *answer = ask(c, json_pack("{ss ss ss* ss* ss* ss* ss*}", "command", "model", "verb", verb,
                                    "model", name, "version", name ? words[4] : NULL, "sha256",
                                    o->sha256, "share", o->share, "share_by", o->share_by));
  size_t  i;
  const json_t *row;
  int           code = answer ? exit_code(answer) : TF_EXIT_FAILED;
  if (answer && code == TF_EXIT_DONE && name) {
    json_decref(answer);
    answer = await_model(c, name);
    row    = find_model(answer, name);
    code =
        row && is_settled(row) && !json_object_get(row, "refusal") ? TF_EXIT_DONE : TF_EXIT_FAILED;
  }
  if (!answer) return TF_EXIT_FAILED;
  if (c->as_json || !json_is_true(json_object_get(answer, "ok")))
    print_answer(c, answer);
  else
    json_array_foreach(json_object_get(answer, "models"), i, row) print_model(row);
  json_decref(answer);
  return code;
}

/* ---- the model cache ---- */

static void print_level(const json_t *l) {
  printf(
      "level    %-12s %10lld hits %8lld misses %6lld models %12lld bytes, %.3f ms a hit (%.3f at "
      "most), %lld damaged, %lld failed\n",
      TEXT_(l, "level"), INT_(l, "hits"), INT_(l, "misses"), INT_(l, "models"), INT_(l, "bytes"),
      json_real_value(json_object_get(l, "hit_ms_mean")),
      json_real_value(json_object_get(l, "hit_ms_max")), INT_(l, "damaged"), INT_(l, "failed"));
}

static void print_cached(const json_t *row) {
  printf("%-40s %-10s version %-6lld %10lld bytes %8lld takes%s%s\n", TEXT_(row, "key"),
         TEXT_(row, "level"), INT_(row, "version"), INT_(row, "bytes"), INT_(row, "takes"),
         INT_(row, "holders") ? ", serves" : "",
         json_is_true(json_object_get(row, "pinned")) ? ", pinned" : "");
}

static const json_t *request_of(const json_t *answer) {
  return json_object_get(json_object_get(answer, "model_cache"), "request");
}

/* What became of a request: its refusal is the answer's. */
static void take_outcome(json_t *answer, json_int_t serial) {
  const json_t *request = request_of(answer);
  const char   *state   = TEXT_(request, "state");
  bool          is_lost = INT_(request, "serial") != serial || !strcmp(state, "working");
  if (!is_lost && !strcmp(state, "done")) return;
  json_object_set_new(answer, "ok", json_false());
  json_object_set_new(answer, "code",
                      json_string(is_lost ? "E_MODEL_BUSY" : TEXT_(request, "code")));
  json_object_set_new(answer, "error",
                      json_string(is_lost ? "it is not known what became of the request"
                                          : TEXT_(request, "error")));
}

/* A list, once the request is worked on, or the time is over. Takes answer. */
static json_t *await_cache(const client_t *c, json_t *answer) {
  const json_int_t serial = INT_(request_of(answer), "serial");
  for (int look = 0; look < MODEL_LOOKS_MAX; look++) {
    const json_t *request = request_of(answer);
    if (!request || strcmp(TEXT_(request, "state"), "working") != 0) break;
    usleep(MODEL_LOOK_US);
    json_decref(answer);
    answer = ask(c, json_pack("{ss ss}", "command", "cache", "verb", "list"));
  }
  if (request_of(answer)) take_outcome(answer, serial);
  return answer;
}

/* The engine's pages, one behind the other, in one answer. */
static json_t *ask_cache(const client_t *c, const char *verb, const char *key) {
  json_t *all = ask(c, json_pack("{ss ss ss*}", "command", "cache", "verb", verb, "key", key));
  if (key && json_is_true(json_object_get(all, "ok"))) all = await_cache(c, all);
  json_t *cache = json_object_get(all, "model_cache"), *next = NULL;
  while ((next = json_object_get(cache, "next")) && json_is_integer(next)) {
    char from[24];
    snprintf(from, sizeof from, "%lld", (long long)json_integer_value(next));
    json_t *page =
        ask(c, json_pack("{ss ss ss}", "command", "cache", "verb", "list", "from", from));
    json_t *more = json_object_get(page, "model_cache");
    if (!more) return page ? (json_decref(all), page) : all;
    json_array_extend(json_object_get(cache, "models"), json_object_get(more, "models"));
    json_object_set(cache, "next", json_object_get(more, "next"));
    json_decref(page);
  }
  return all;
}

static int tell_cache(const client_t *c, const char *const *words) {
  json_t       *answer = ask_cache(c, words[2] ? words[2] : "list", words[2] ? words[3] : NULL);
  size_t        i;
  const json_t *row;
  if (!answer) return TF_EXIT_FAILED;
  int           code  = exit_code(answer);
  const json_t *cache = json_object_get(answer, "model_cache");
  if (c->as_json || code != TF_EXIT_DONE) {
    print_answer(c, answer);
  } else {
    json_array_foreach(json_object_get(cache, "levels"), i, row) print_level(row);
    json_array_foreach(json_object_get(cache, "models"), i, row) print_cached(row);
  }
  json_decref(answer);
  return code;
}

/* ---- workers ---- */

static void print_worker(const json_t *row) {
  const char *state = TEXT_(row, "state"), *trouble = TEXT_(row, "trouble");
  const char *why = TEXT_(json_object_get(row, "placed"), "why");
  printf("%-16s %-9s %4lld starts %4lld swaps, %s%s%s\n", TEXT_(row, "name"), state ? state : "cpu",
         INT_(row, "starts"), INT_(row, "swaps"), why ? why : "",
         trouble ? "; the last one ended: " : "", trouble ? trouble : "");
}

static int tell_worker(const client_t *c, const char *const *words) {
  json_t *answer =
      ask(c, json_pack("{ss ss ss*}", "command", "worker", "verb", words[2] ? words[2] : "list",
                       "model", words[2] ? words[3] : NULL));
  size_t        i;
  const json_t *row;
  int           code = answer ? exit_code(answer) : TF_EXIT_FAILED;
  if (answer && (c->as_json || code != TF_EXIT_DONE))
    print_answer(c, answer);
  else
    json_array_foreach(json_object_get(answer, "workers"), i, row) print_worker(row);
  json_decref(answer);
  return code;
}

static int obey(const client_t *c, const char *const *words, const options_t *o) {
  const char *command = words[1];
  if (!strcmp(command, "model")) return tell_models(c, words, o);
  if (!strcmp(command, "cache")) return tell_cache(c, words);
  if (!strcmp(command, "worker")) return tell_worker(c, words);
  if (!strcmp(command, "subscribe") || !strcmp(command, "unsubscribe"))
    return change_streams(c, words, o->channels);
  if (!strcmp(command, "streams")) return list_streams(c, words[2]);
  json_t *request = json_pack("{ss ss* ss*}", "command", command, "instrument", words[2],
                              "position", words[2] ? words[3] : NULL);
  if (request) return tell(c, request);
  fprintf(stderr, "tickfuse: an argument is not UTF-8\n");
  return TF_EXIT_USAGE;
}

static bool are_utf8(const char *const *words) {
  for (uint32_t i = 0; words[i]; i++) {
    json_t *text = json_string(words[i]);
    if (!text) return false;
    json_decref(text);
  }
  return true;
}

int tf_cmd_control(int argc, char **argv) {
  static const char *token_file[TF_CLI_VALUES_MAX], *channels[TF_CLI_VALUES_MAX],
      *sha256[TF_CLI_VALUES_MAX], *share[TF_CLI_VALUES_MAX], *share_by[TF_CLI_VALUES_MAX];
  static client_t client;
  const char     *words[WORDS_MAX + 1] = {NULL};
  uint32_t token_file_cnt = 0, channels_cnt = 0, sha256_cnt = 0, share_cnt = 0, share_by_cnt = 0,
           json                   = 0;
  const tf_cli_option_t options[] = {
      {"--channels",   "LIST",
       "subscribe, unsubscribe: trade,quote,book,ticker; all that the feed has",        channels,
       &channels_cnt                                                                                             },
      {"--sha256",     "HEX",  "model load, swap: the SHA-256 that the file must have", sha256,
       &sha256_cnt                                                                                               },
      {"--share",      "N",    "model canary: per cent of the instruments or ticks",    share,      &share_cnt   },
      {"--share-by",   "WHAT", "model canary: instruments or ticks",                    share_by,   &share_by_cnt},
      {"--token-file", "FILE", "the token that control.token_file asks for",            token_file,
       &token_file_cnt                                                                                           },
      {"--json",       NULL,   "the answer as the socket gives it",                     NULL,       &json        },
  };
  const tf_cli_spec_t spec = {
      "control SOCKET status|halt|resume|drain|snapshot [--token-file FILE] [--json]\n"
      "       tickfuse control SOCKET position INSTRUMENT QTY\n"
      "       tickfuse control SOCKET subscribe|unsubscribe FEED SYMBOL... [--channels LIST]\n"
      "       tickfuse control SOCKET streams [FEED]\n"
      "       tickfuse control SOCKET model [list]\n"
      "       tickfuse control SOCKET model load|swap MODEL [VERSION] [--sha256 HEX]\n"
      "       tickfuse control SOCKET model canary MODEL [VERSION] [--share N] [--share-by WHAT]\n"
      "       tickfuse control SOCKET model rollback|drop|promote|abort MODEL\n"
      "       tickfuse control SOCKET cache [list]\n"
      "       tickfuse control SOCKET cache pin|unpin|evict|warm KEY\n"
      "       tickfuse control SOCKET worker [list]\n"
      "       tickfuse control SOCKET worker restart MODEL",
      "Asks a running engine for its state, holds its actions back (every decision is HOLD until\n"
      "resume), tells it what is held of an instrument (negative: short), or ends it in order: "
      "feeds\n"
      "closed, what is in flight decided and delivered. Changes what a feed is subscribed to "
      "without\n"
      "reconnecting, and lists its streams: state, age of the newest data and of the request, "
      "request,\n"
      "tries, the venue's refusal. Loads another version of a model from its registry, lets it\n"
      "serve, or goes back. Says what the model cache has at which level, and pins, evicts or "
      "loads\n"
      "one. Lists the workers that answer models, and starts one anew. SOCKET is the config's\n"
      "control.path.",
      options,
      TF_ARRAY_CNT(options),
      words,
      2,
      WORDS_MAX};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  client = (client_t){.fd = -1, .socket = words[0], .as_json = json > 0};
  if (token_file_cnt && !read_token(token_file[token_file_cnt - 1], client.token)) {
    fprintf(stderr, "tickfuse: %s: %s\n", token_file[token_file_cnt - 1], strerror(errno));
    return TF_EXIT_USAGE;
  }
  if (!are_utf8(words + 1)) {
    fprintf(stderr, "tickfuse: an argument is not UTF-8\n");
    return TF_EXIT_USAGE;
  }
  client.fd = connect_to(words[0]);
  if (client.fd < 0) {
    fprintf(stderr, "tickfuse: %s: %s\n", words[0], strerror(errno));
    return TF_EXIT_FAILED;
  }
  const options_t given = {
      .channels = channels_cnt ? channels[channels_cnt - 1] : NULL,
      .sha256   = sha256_cnt ? sha256[sha256_cnt - 1] : NULL,
      .share    = share_cnt ? share[share_cnt - 1] : NULL,
      .share_by = share_by_cnt ? share_by[share_by_cnt - 1] : NULL,
  };
  code = obey(&client, words, &given);
  close(client.fd);
  return code;
}
