/* Listening sockets: where they may lie, who may reach them, what becomes of callers for whom there is
 * no descriptor. */
#include "core/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmocka_tf.h"
#include "core/error.h"

static char folder[] = "/tmp/tf-listener-XXXXXX";

static const tf_listener_use_t use = {.code = E_SINK_CONFIG, .what = "sinks.0.path", .backlog = 8};

static int call(const tf_listener_t *l) {
  struct sockaddr_storage at;
  socklen_t               bytes = sizeof at;
  assert_int_equal(getsockname(l->fd, (struct sockaddr *)&at, &bytes), 0);
  int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, bytes), 0);
  return fd;
}

static void await(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  assert_int_equal(poll(&p, 1, 60000), 1);
}

static void a_tcp_caller_is_taken_and_named(void **state) {
  (void)state;
  tf_listener_t l;
  char          peer[64];
  assert_int_equal(tf_listener_tcp(&l, &use, "127.0.0.1", 0), TF_OK);
  assert_true(l.port != 0 && l.loopback);
  assert_int_equal(tf_listener_accept(&l), -1);
  int fd = call(&l);
  await(l.fd);
  int taken = tf_listener_accept(&l);
  assert_true(taken >= 0);
  assert_true(fcntl(taken, F_GETFL) & O_NONBLOCK);
  tf_listener_peer(taken, peer, sizeof peer);
  assert_int_equal(strncmp(peer, "127.0.0.1:", 10), 0);
  close(taken);
  close(fd);
  tf_listener_close(&l);
  tf_listener_close(&l);
}

static void a_caller_without_a_descriptor_is_turned_away_and_counted(void **state) {
  (void)state;
  tf_listener_t l;
  struct rlimit before, none;
  assert_int_equal(tf_listener_tcp(&l, &use, "127.0.0.1", 0), TF_OK);
  int fd = call(&l);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  int next = dup(fd); /* the lowest that is free: from here on there is none */
  close(next);
  none          = before;
  none.rlim_cur = (rlim_t)next;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  struct pollfd p = {.fd = l.fd, .events = POLLIN};
  poll(&p, 1, 60000);
  int taken = tf_listener_accept(&l);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(taken, -1);
  assert_int_equal(l.turned_away, 1);
  await(fd);
  char byte;
  assert_int_equal(recv(fd, &byte, 1, 0), 0);
  close(fd);
  assert_true(l.spare_fd >= 0); /* and the next one likewise */
  tf_listener_close(&l);
}

static void a_unix_socket_is_ours_alone_unless_shared(void **state) {
  (void)state;
  struct stat       st;
  tf_listener_t     l, other;
  char              path[64], peer[64], expected[64], dir[64];
  tf_listener_use_t shared = use;
  shared.shared            = true;
  snprintf(dir, sizeof dir, "%s/own", folder);
  snprintf(path, sizeof path, "%s/own/out", folder);
  assert_int_equal(tf_listener_unix(&l, &use, path), TF_OK);
  assert_int_equal(stat(dir, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0700);
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);

  int fd = call(&l);
  await(l.fd);
  int taken = tf_listener_accept(&l);
  tf_listener_peer(taken, peer, sizeof peer);
  snprintf(expected, sizeof expected, "unix:pid=%d,uid=%u", (int)getpid(), getuid());
  assert_string_equal(peer, expected);
  close(taken);
  close(fd);

  assert_int_equal(tf_listener_unix(&other, &use, path), E_FILE_BUSY);
  snprintf(expected, sizeof expected, "another engine answers there, pid %d", (int)getpid());
  assert_non_null(strstr(tf_error_text(), expected));
  assert_int_equal(stat(path, &st), 0); /* what answers is left alone */
  tf_listener_close(&l);
  assert_int_equal(stat(path, &st), -1);

  assert_int_equal(chmod(dir, 0755), 0);
  assert_int_equal(tf_listener_unix(&l, &use, path), E_SINK_CONFIG);
  assert_non_null(strstr(tf_error_text(), "mode 0755, open to others: chmod 700"));
  assert_int_equal(tf_listener_unix(&l, &shared, path), TF_OK);
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0666);
  tf_listener_close(&l);
  assert_int_equal(chmod(dir, 0775), 0);
  assert_int_equal(tf_listener_unix(&l, &shared, path), E_SINK_CONFIG);
  assert_non_null(strstr(tf_error_text(), "mode 0775, open to others: chmod 755"));
  assert_int_equal(rmdir(dir), 0);
}

static void a_url_is_read_or_refused_with_what_is_wanted(void **state) {
  (void)state;
  static const struct {
    const char *url, *host;
    uint16_t    port;
    const char *path; /* NULL: refused */
  } of[] = {
      {"tcp://127.0.0.1:9001",    "127.0.0.1", 9001,  ""      },
      {"tcp://localhost:0/",      "127.0.0.1", 0,     "/"     },
      {"tcp://[::1]:65535/a/b?c", "::1",       65535, "/a/b?c"},
      {"tcp://0.0.0.0:1",         "0.0.0.0",   1,     ""      },
      {"tcp://127.0.0.1:65536",   NULL,        0,     NULL    },
      {"tcp://127.0.0.1:",        NULL,        0,     NULL    },
      {"tcp://127.0.0.1",         NULL,        0,     NULL    },
      {"tcp://127.0.0.1:1x",      NULL,        0,     NULL    },
      {"tcp://127.0.0.1:000001",  NULL,        0,     NULL    },
      {"tcp://:80",               NULL,        0,     NULL    },
      {"tcp://[::1:80",           NULL,        0,     NULL    },
      {"tcp://[::1]80",           NULL,        0,     NULL    },
      {"tcp://example.com:80",    NULL,        0,     NULL    },
      {"tls://127.0.0.1:80",      NULL,        0,     NULL    },
      {"127.0.0.1:80",            NULL,        0,     NULL    },
      {"",                        NULL,        0,     NULL    },
  };
  char        host[TF_LISTENER_HOST_BYTES];
  uint16_t    port;
  const char *path;
  for (size_t i = 0; i < TF_ARRAY_CNT(of); i++) {
    tf_err_t err = tf_listener_url(&use, of[i].url, "tcp", host, &port, &path);
    if (of[i].path) {
      assert_int_equal(err, TF_OK);
      assert_string_equal(host, of[i].host);
      assert_int_equal(port, of[i].port);
      assert_string_equal(path, of[i].path);
    } else {
      if (err != E_SINK_CONFIG) fail_msg("%s: %d", of[i].url, err);
      assert_non_null(strstr(tf_error_text(), "tcp://HOST:PORT is wanted"));
    }
  }
  char longest[200] = "tcp://";
  memset(longest + 6, '1', 64);
  strcpy(longest + 70, ":80");
  assert_int_equal(tf_listener_url(&use, longest, "tcp", host, &port, &path), E_SINK_CONFIG);
}

static int enter(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int leave(void **state) {
  (void)state;
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tcp_caller_is_taken_and_named),
      cmocka_unit_test(a_caller_without_a_descriptor_is_turned_away_and_counted),
      cmocka_unit_test(a_url_is_read_or_refused_with_what_is_wanted),
      cmocka_unit_test(a_unix_socket_is_ours_alone_unless_shared),
  };
  return cmocka_run_group_tests(tests, enter, leave);
}
