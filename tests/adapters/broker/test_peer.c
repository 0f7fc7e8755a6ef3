#include "cmocka_tf.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/peer.h"

static int stream_socket(int family, struct sockaddr_storage *at, socklen_t *bytes) {
  struct sockaddr_in  v4   = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6   = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  bool                is_4 = family == AF_INET;
  int                 fd   = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  *bytes = sizeof *at;
  if (bind(fd, is_4 ? (void *)&v4 : (void *)&v6, is_4 ? sizeof v4 : sizeof v6) != 0) {
    close(fd);
    return -1;
  }
  assert_int_equal(getsockname(fd, (struct sockaddr *)at, bytes), 0);
  return fd;
}

static void a_socket_that_is_connected_to_itself_is_known(void **state) {
  (void)state;
  static const int families[] = {AF_INET, AF_INET6};
  for (size_t i = 0; i < TF_ARRAY_CNT(families); i++) {
    struct sockaddr_storage at;
    socklen_t               bytes;
    int                     fd = stream_socket(families[i], &at, &bytes);
    if (fd < 0) continue; /* a machine without IPv6 */
    assert_false(tf_peer_is_self(fd));
    assert_int_equal(connect(fd, (struct sockaddr *)&at, bytes), 0); /* TCP takes that */
    assert_true(tf_peer_is_self(fd));
    close(fd);
    int server = socket(families[i], SOCK_STREAM | SOCK_CLOEXEC, 0); /* gets the port at once */
    assert_int_equal(bind(server, (struct sockaddr *)&at, bytes), 0);
    assert_int_equal(listen(server, 1), 0);
    close(server);
  }
}

static void a_socket_with_another_peer_is_not(void **state) {
  (void)state;
  struct sockaddr_storage at;
  socklen_t               bytes;
  int listener = stream_socket(AF_INET, &at, &bytes), fd = socket(AF_INET, SOCK_STREAM, 0), pair[2];
  assert_int_equal(listen(listener, 1), 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&at, bytes), 0);
  assert_false(tf_peer_is_self(fd));
  int peer = accept(listener, NULL, NULL);
  assert_false(tf_peer_is_self(peer));
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  assert_false(tf_peer_is_self(pair[0])); /* both without a name */
  assert_false(tf_peer_is_self(-1));
  close(fd), close(peer), close(listener), close(pair[0]), close(pair[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_socket_that_is_connected_to_itself_is_known),
      cmocka_unit_test(a_socket_with_another_peer_is_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
