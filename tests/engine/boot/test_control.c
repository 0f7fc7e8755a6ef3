/* The control socket as friends and enemies meet it: FAULTS section 3, row control socket. */
#include "cmocka_tf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "boot/control_request.h"
#include "boot/control_socket.h"
#include "core/clock.h"
#include "core/error.h"

#define MANY 1000

static char                 folder[] = "/tmp/tf_control_XXXXXX";
static char                 path[64];
static tf_control_socket_t *served;
static volatile size_t      seen_cnt; /* bytes of the last line */

/* ---- requests ---- */

static tf_err_t parse(const char *line, tf_control_request_t *r) {
  return tf_control_request_parse(line, strlen(line), r);
}

static void requests_are_read(void **state) {
  (void)state;
  tf_control_request_t r;
  assert_int_equal(parse("{\"command\":\"status\"}", &r), TF_OK);
  assert_int_equal(r.command, TF_CONTROL_COMMAND_STATUS);
  assert_int_equal(parse("{\"token\":\"abc\",\"command\":\"drain\"}", &r), TF_OK);
  assert_string_equal(r.token, "abc");
  assert_int_equal(
      parse("{\"command\":\"position\",\"instrument\":\"X\",\"position\":\"-12.50\"}", &r), TF_OK);
  assert_string_equal(r.instrument, "X");
  assert_int_equal(r.position, -1250);
  assert_int_equal(r.position_exp, -2);
  assert_int_equal(parse("{\"command\":\"subscribe\",\"feed\":\"main\",\"symbol\":\"A/B\","
                         "\"channels\":\"book,trade\"}",
                         &r),
                   TF_OK);
  assert_string_equal(r.feed, "main");
  assert_string_equal(r.symbol, "A/B");
  assert_int_equal(r.channels, TF_CHANNEL_BOOK | TF_CHANNEL_TRADE);
  assert_int_equal(parse("{\"command\":\"unsubscribe\",\"feed\":\"f\",\"symbol\":\"X\"}", &r),
                   TF_OK);
  assert_int_equal(r.channels, 0);
  assert_int_equal(parse("{\"command\":\"streams\",\"feed\":\"f\",\"from\":\"999999999\"}", &r),
                   TF_OK);
  assert_int_equal(r.from, 999999999);
}

static void wrong_requests_are_refused_with_the_place_and_the_remedy(void **state) {
  (void)state;
  static const struct {
    const char *line, *text;
  } cases[] = {
      {"",                                                                                    "column 0"                               },
      {"GET / HTTP/1.1",                                                                      "wanted: {\"command\":\"status\"}"       },
      {"[]",                                                                                  "a JSON object is wanted"                },
      {"{}",                                                                                  "\"command\" is missing"                 },
      {"{\"command\":1}",                                                                     "a text in quotes is wanted"             },
      {"{\"command\":\"stats\"}",                                                             "did you mean \"status\"?"               },
      {"{\"command\":\"halt\",\"force\":\"x\"}",                                              "\"force\" is not a key"                 },
      {"{\"command\":\"halt\",\"command\":\"status\"}",                                       "duplicate"                              },
      {"{\"command\":\"subscribe\",\"feed\":\"f\"}",                                          "subscribe wants \"feed\" and \"symbol\""},
      {"{\"command\":\"unsubscribe\",\"symbol\":\"X\"}",                                      "unsubscribe wants"                      },
      {"{\"command\":\"streams\"}",                                                           "streams wants \"feed\""                 },
      {"{\"command\":\"streams\",\"feed\":\"f\",\"from\":\"1000000000\"}",                    "no place of a list"                     },
      {"{\"command\":\"streams\",\"feed\":\"f\",\"from\":\"-1\"}",                            "no place of a list"                     },
      {"{\"command\":\"subscribe\",\"channels\":\"\"}",                                       "known: trade,quote,book,ticker"         },
      {"{\"command\":\"subscribe\",\"channels\":\"trade,\"}",                                 "known: trade,quote,book,ticker"         },
      {"{\"command\":\"subscribe\",\"channels\":\"trades\"}",                                 "known: trade,quote,book,ticker"         },
      {"{\"command\":\"subscribe\",\"symbol\":\"0123456789012345678901234567890123456789\"}",
       "at most 39"                                                                                                                    },
      {"{\"command\":\"position\",\"instrument\":\"X\"}",                                     "position wants"                         },
      {"{\"command\":\"position\",\"instrument\":\"X\",\"position\":\"\"}",                   "is no decimal"                          },
      {"{\"command\":\"position\",\"instrument\":\"X\",\"position\":\"-\"}",                  "is no decimal"                          },
      {"{\"command\":\"position\",\"instrument\":\"X\",\"position\":\"1.\"}",                 "is no decimal"                          },
      {"{\"command\":\"position\",\"instrument\":\"X\",\"position\":\".5\"}",                 "is no decimal"                          },
      {"{\"command\":\"position\",\"instrument\":\"X\",\"position\":\"1e5\"}",                "is no decimal"                          },
      {"{\"command\":\"position\",\"instrument\":\"X\",\"position\":\"nan\"}",                "is no decimal"                          },
      {"{\"command\":\"\\u001b[2J\"}",                                                        "\\u001B[2J"                             },
      {"{\"command\":\"halt\"} x",                                                            "column"                                 },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_control_request_t r;
    assert_int_equal(parse(cases[i].line, &r), E_CONTROL_REQUEST);
    if (!strstr(tf_error_text(), cases[i].text))
      fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].line, tf_error_text(), cases[i].text);
  }
}

static void sizes_of_a_request_hold_exactly(void **state) {
  (void)state;
  tf_control_request_t r;
  char                 line[512], digits[64], name[160];
  for (uint32_t n = 17; n <= 19; n++) { /* digits of a position: 18 */
    memset(digits, '9', n);
    digits[n] = '\0';
    snprintf(line, sizeof line,
             "{\"command\":\"position\",\"instrument\":\"X\",\"position\":\"%s\"}", digits);
    assert_int_equal(parse(line, &r), n <= 18 ? TF_OK : E_CONTROL_REQUEST);
  }
  for (uint32_t n = 62; n <= 64; n++) { /* bytes of an instrument: 63 */
    memset(name, 'x', n);
    name[n] = '\0';
    snprintf(line, sizeof line, "{\"command\":\"halt\",\"instrument\":\"%s\"}", name);
    assert_int_equal(parse(line, &r), n <= 63 ? TF_OK : E_CONTROL_REQUEST);
  }
  for (uint32_t n = 126; n <= 128; n++) { /* bytes of a token: 127 */
    memset(name, 'x', n);
    name[n] = '\0';
    snprintf(line, sizeof line, "{\"command\":\"halt\",\"token\":\"%s\"}", name);
    assert_int_equal(parse(line, &r), n <= 127 ? TF_OK : E_CONTROL_REQUEST);
  }
}

/* ---- the socket ---- */

static size_t echo_length(void *self, const char *line, size_t cnt, char *answer, size_t cap) {
  (void)self;
  assert_int_equal(strlen(line), cnt);
  seen_cnt = cnt;
  return (size_t)snprintf(answer, cap, "%zu", cnt);
}

static tf_err_t serve(const char *where) {
  tf_control_handler_t handler = {NULL, echo_length};
  return tf_control_socket_start(where, &handler, &served);
}

static tf_control_socket_counts_t end_service(void) {
  tf_control_socket_counts_t counts = {0};
  tf_control_socket_stop(served, &counts);
  served = NULL;
  return counts;
}

static int dial(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

/* The next line, "" when the engine hung up; waits 5 s at most. */
static const char *hear(int fd) {
  static char   buf[256];
  size_t        used = 0;
  struct pollfd p    = {.fd = fd, .events = POLLIN};
  while (used + 1 < sizeof buf && poll(&p, 1, 5000) == 1) {
    ssize_t got = recv(fd, buf + used, 1, 0);
    if (got <= 0) break;
    if (buf[used] == '\n') break;
    used++;
  }
  buf[used] = '\0';
  return buf;
}

static void say(int fd, const char *text, size_t cnt) {
  assert_int_equal(send(fd, text, cnt, MSG_NOSIGNAL), cnt);
}

static void lines_are_answered_however_they_are_cut(void **state) {
  (void)state;
  assert_int_equal(serve(path), TF_OK);
  int fd = dial();
  say(fd, "abc\nde\n", 7);
  assert_string_equal(hear(fd), "3");
  assert_string_equal(hear(fd), "2");
  for (const char *at = "half a message\n"; *at; at++) say(fd, at, 1);
  assert_string_equal(hear(fd), "14");
  close(fd);
  tf_control_socket_counts_t counts = end_service();
  assert_int_equal(counts.requests, 3);
}

static void a_line_may_have_64_KiB_and_not_a_byte_more(void **state) {
  (void)state;
  static char line[TF_CONTROL_REQUEST_BYTES_MAX + 2];
  assert_int_equal(serve(path), TF_OK);
  for (uint32_t n = TF_CONTROL_REQUEST_BYTES_MAX - 1; n <= TF_CONTROL_REQUEST_BYTES_MAX + 1; n++) {
    int fd = dial();
    memset(line, 'x', n);
    line[n] = '\n';
    for (uint32_t at = 0; at < n + 1;) {
      ssize_t sent = send(fd, line + at, n + 1 - at, MSG_NOSIGNAL);
      if (sent <= 0) break; /* cut off in the middle of too much */
      at += (uint32_t)sent;
    }
    const char *heard = hear(fd);
    if (n <= TF_CONTROL_REQUEST_BYTES_MAX)
      assert_int_equal(atoi(heard), n);
    else
      assert_non_null(strstr(heard, "more than 65536 bytes"));
    close(fd);
  }
  tf_control_socket_counts_t counts = end_service();
  assert_int_equal(counts.too_long, 1);
  assert_int_equal(counts.requests, 2);
}

static void the_ninth_client_is_turned_away_and_the_others_served(void **state) {
  (void)state;
  int fds[TF_CONTROL_CLIENTS_MAX + 1];
  assert_int_equal(serve(path), TF_OK);
  for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++) {
    fds[i] = dial();
    say(fds[i], "x\n", 2);
    assert_string_equal(hear(fds[i]), "1");
  }
  int ninth = dial();
  assert_string_equal(hear(ninth), "");
  close(ninth);
  say(fds[3], "still\n", 6);
  assert_string_equal(hear(fds[3]), "5");
  for (uint32_t i = 0; i < TF_CONTROL_CLIENTS_MAX; i++) close(fds[i]);
  assert_int_equal(end_service().refused_full, 1);
}

static void a_thousand_callers_leave_nothing_behind(void **state) {
  (void)state;
  assert_int_equal(serve(path), TF_OK);
  uint32_t answered = 0;
  for (uint32_t i = 0; i < MANY; i++) {
    int fd = dial();
    if (send(fd, "x\n", 2, MSG_NOSIGNAL) == 2) answered += *hear(fd) == '1';
    close(fd);
  }
  int fd = dial();
  say(fd, "after\n", 6);
  assert_string_equal(hear(fd), "5");
  close(fd);
  tf_control_socket_counts_t counts = end_service();
  assert_int_equal(counts.clients + counts.refused_full, MANY + 1);
  assert_int_equal(counts.requests, answered + 1);
  assert_true(answered > MANY / 2);
}

static void a_half_message_and_then_silence_is_cut_after_a_second(void **state) {
  (void)state;
  assert_int_equal(serve(path), TF_OK);
  int fd = dial();
  say(fd, "half", 4);
  uint64_t begin_ns = tf_clock_monotonic_ns();
  assert_string_equal(hear(fd), "");
  uint64_t took_ns = tf_clock_monotonic_ns() - begin_ns;
  assert_true(took_ns > 700 * TF_NS_PER_MS && took_ns < 3 * TF_NS_PER_SEC);
  close(fd);
  assert_int_equal(end_service().too_slow, 1);
}

static uint32_t open_descriptors(void) {
  DIR     *dir = opendir("/proc/self/fd");
  uint32_t cnt = 0;
  while (readdir(dir)) cnt++;
  closedir(dir);
  return cnt;
}

static void descriptors_sent_along_are_not_kept(void **state) {
  (void)state;
  assert_int_equal(serve(path), TF_OK);
  int      fd = dial();
  uint32_t before;
  say(fd, "x\n", 2);
  assert_string_equal(hear(fd), "1");
  before = open_descriptors();
  for (int i = 0; i < 50; i++) {
    int           file = open("/dev/null", O_RDONLY), many[16];
    char          control[CMSG_SPACE(sizeof many)];
    struct iovec  iov     = {.iov_base = "fd\n", .iov_len = 3};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    for (int k = 0; k < 16; k++) many[k] = file;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    *c                = (struct cmsghdr){CMSG_LEN(sizeof many), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(c), many, sizeof many);
    assert_int_equal(sendmsg(fd, &message, 0), 3);
    close(file);
    assert_string_equal(hear(fd), "2");
  }
  assert_int_equal(open_descriptors(), before);
  close(fd);
  end_service();
}

/* ---- its place ---- */

static void refused_with(const char *where, tf_err_t code, const char *text) {
  assert_int_equal(serve(where), code);
  assert_null(served);
  if (!strstr(tf_error_text(), text)) fail_msg("\"%s\" lacks \"%s\"", tf_error_text(), text);
}

static void the_socket_and_its_directory_are_ours_alone(void **state) {
  (void)state;
  struct stat st;
  char        where[96];
  snprintf(where, sizeof where, "%s/made/control", folder);
  assert_int_equal(serve(where), TF_OK);
  assert_int_equal(stat(where, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  end_service();
  assert_int_not_equal(access(where, F_OK), 0); /* it cleans up */
  snprintf(where, sizeof where, "%s/made", folder);
  assert_int_equal(stat(where, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0700);
  assert_int_equal(chmod(where, 0750), 0);
  snprintf(where, sizeof where, "%s/made/control", folder);
  refused_with(where, E_CONTROL_SOCKET, "chmod 700 it");
  snprintf(where, sizeof where, "%s/made", folder);
  rmdir(where);
}

static void links_and_other_files_are_refused(void **state) {
  (void)state;
  char where[96], target[96];
  snprintf(target, sizeof target, "%s/link", folder);
  assert_int_equal(symlink(folder, target), 0);
  snprintf(where, sizeof where, "%s/link/control", folder);
  refused_with(where, E_CONTROL_SOCKET, "symbolic link");
  unlink(target);
  snprintf(target, sizeof target, "%s/file", folder);
  close(open(target, O_CREAT | O_WRONLY, 0600));
  refused_with(target, E_CONTROL_SOCKET, "is no socket");
  unlink(target);
  assert_int_equal(symlink("/dev/null", target), 0);
  refused_with(target, E_CONTROL_SOCKET, "is no socket");
  unlink(target);
  refused_with("control", E_CONTROL_SOCKET, "in a directory of its own");
  refused_with("/nowhere/at/all/control", E_CONTROL_SOCKET, "cannot be made");
}

static void a_dead_engines_socket_is_replaced_a_living_ones_is_not(void **state) {
  (void)state;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int dead = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof address), 0);
  close(dead); /* its name stays, as after kill -9 */
  assert_int_equal(serve(path), TF_OK);
  tf_control_socket_t *living = served;
  char                 busy[64];
  snprintf(busy, sizeof busy, "another engine answers there, pid %d", (int)getpid());
  refused_with(path, E_FILE_BUSY, busy);
  served = living;
  end_service();
}

static int enter(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/control", folder);
  return 0;
}

static int leave(void **state) {
  (void)state;
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_read),
      cmocka_unit_test(wrong_requests_are_refused_with_the_place_and_the_remedy),
      cmocka_unit_test(sizes_of_a_request_hold_exactly),
      cmocka_unit_test(lines_are_answered_however_they_are_cut),
      cmocka_unit_test(a_line_may_have_64_KiB_and_not_a_byte_more),
      cmocka_unit_test(the_ninth_client_is_turned_away_and_the_others_served),
      cmocka_unit_test(a_thousand_callers_leave_nothing_behind),
      cmocka_unit_test(a_half_message_and_then_silence_is_cut_after_a_second),
      cmocka_unit_test(descriptors_sent_along_are_not_kept),
      cmocka_unit_test(the_socket_and_its_directory_are_ours_alone),
      cmocka_unit_test(links_and_other_files_are_refused),
      cmocka_unit_test(a_dead_engines_socket_is_replaced_a_living_ones_is_not),
  };
  return cmocka_run_group_tests(tests, enter, leave);
}
