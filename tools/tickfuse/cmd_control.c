/* `tickfuse control`: one request to a running engine's control socket (boot/control.h), its answer
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
  printf("legs       %lld %-4s %10lld messages %10lld duplicates", INT_(leg, "leg"),
         json_is_true(json_object_get(leg, "up")) ? "up" : "down", INT_(leg, "messages"),
         INT_(leg, "duplicates"));
  if (json_is_real(rate))
    printf("  first in %.1f %% of %lld, by p50 %.1f p99 %.1f us", 100.0 * json_real_value(rate),
           INT_(leg, "races"), (double)INT_(leg, "lead_p50_ns") / 1e3,
           (double)INT_(leg, "lead_p99_ns") / 1e3);
  printf("\n");
}

static void print_status(const json_t *answer) {
  const json_t *hist = json_object_get(answer, "tick_to_decision_ns");
  size_t        i, k;
  const json_t *row, *leg;
  printf("engine   pid %lld, %s, up %.0f s%s\n", INT_(answer, "pid"), TEXT_(answer, "config"),
         json_real_value(json_object_get(answer, "uptime_seconds")),
         json_is_true(json_object_get(answer, "halted")) ? ", HALTED" : "");
  json_array_foreach(json_object_get(answer, "feeds"), i, row) {
    printf("feed     %-16s %-10s %10lld messages %6lld gaps %4lld connects\n", TEXT_(row, "name"),
           TEXT_(row, "state"), INT_(row, "messages"), INT_(row, "gaps"), INT_(row, "connects"));
    json_array_foreach(json_object_get(row, "legs"), k, leg) print_leg(leg);
  }
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

/* What the engine said, and the exit code that fits. */
static int print_answer(const char *answer, bool as_json) {
  json_t *root = json_loads(answer, 0, NULL);
  bool    ok   = json_is_true(json_object_get(root, "ok"));
  if (as_json)
    fputs(answer, stdout);
  else if (!ok)
    fprintf(stderr, "tickfuse: %s: %s\n", json_string_value(json_object_get(root, "code")),
            json_string_value(json_object_get(root, "error")));
  else if (json_object_get(root, "feeds"))
    print_status(root);
  else if (json_object_get(root, "ingest_seq"))
    printf("done at ingest_seq %lld\n",
           (long long)json_integer_value(json_object_get(root, "ingest_seq")));
  else
    printf("done\n");
  const char *code = json_string_value(json_object_get(root, "code"));
  bool        mine = code && !strcmp(code, "E_CONTROL_REQUEST");
  json_decref(root);
  return ok ? TF_EXIT_DONE : mine ? TF_EXIT_USAGE : TF_EXIT_FAILED;
}

int tf_cmd_control(int argc, char **argv) {
  static const char    *token_file[TF_CLI_VALUES_MAX];
  static char           answer[TF_CONTROL_ANSWER_BYTES_MAX], token[TOKEN_BYTES];
  const char           *words[4]       = {NULL};
  uint32_t              token_file_cnt = 0, json = 0;
  const tf_cli_option_t options[] = {
      {"--token-file", "FILE", "the token that control.token_file asks for", token_file,
       &token_file_cnt                                                                        },
      {"--json",       NULL,   "the answer as the socket gives it",          NULL,       &json},
  };
  const tf_cli_spec_t spec = {
      "control SOCKET status|halt|resume|drain [--token-file FILE] [--json]\n"
      "       tickfuse control SOCKET position INSTRUMENT QTY",
      "Asks a running engine for its state, holds its actions back (every decision is HOLD until\n"
      "resume), tells it what is held of an instrument (negative: short), or ends it in order: "
      "feeds\n"
      "closed, what is in flight decided and delivered. SOCKET is the config's control.path.",
      options,
      TF_ARRAY_CNT(options),
      words,
      2,
      4};
  int code = tf_cli_parse(&spec, argc, argv);
  if (code >= 0) return code;
  if (token_file_cnt && !read_token(token_file[token_file_cnt - 1], token)) {
    fprintf(stderr, "tickfuse: %s: %s\n", token_file[token_file_cnt - 1], strerror(errno));
    return TF_EXIT_USAGE;
  }
  json_t *request = json_pack("{ss* ss* ss* ss*}", "command", words[1], "instrument", words[2],
                              "position", words[3], "token", *token ? token : NULL);
  char   *line    = json_dumps(request, JSON_COMPACT);
  json_decref(request);
  if (!line) {
    fprintf(stderr, "tickfuse: an argument is not UTF-8\n");
    return TF_EXIT_USAGE;
  }
  char *text = NULL;
  if (asprintf(&text, "%s\n", line) < 0) return TF_EXIT_FAILED;
  free(line);
  int  fd = connect_to(words[0]);
  bool ok = fd >= 0 && exchange(fd, text, answer, sizeof answer);
  if (!ok)
    fprintf(stderr, "tickfuse: %s: %s\n", words[0],
            errno ? strerror(errno) : "the engine hung up without an answer");
  if (fd >= 0) close(fd);
  free(text);
  return ok ? print_answer(answer, json) : TF_EXIT_FAILED;
}
