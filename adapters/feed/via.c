#include "feed/via.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_write(const uint8_t *bytes, size_t cnt, char *text) {
  for (size_t i = 0; i < cnt; i += 3) {
    uint32_t word = (uint32_t)bytes[i] << 16;
    if (i + 1 < cnt) word |= (uint32_t)bytes[i + 1] << 8;
    if (i + 2 < cnt) word |= bytes[i + 2];
    *text++ = base64_digits[word >> 18];
    *text++ = base64_digits[word >> 12 & 63];
    *text++ = i + 1 < cnt ? base64_digits[word >> 6 & 63] : '=';
    *text++ = i + 2 < cnt ? base64_digits[word & 63] : '=';
  }
  *text = '\0';
}

tf_err_t tf_via_authorize(tf_via_t *via, const tf_feed_key_t *key) {
  char both[sizeof key->id + sizeof key->secret];
  if (strchr(key->id, ':'))
    return TF_ERR(E_FEED_KEY,
                  "the proxy's key file: an id with a colon; Basic credentials end it there");
  int cnt = snprintf(both, sizeof both, "%s:%s", key->id, key->secret);
  base64_write((const uint8_t *)both, (size_t)cnt, via->proxy_authorization);
  explicit_bzero(both, sizeof both);
  return TF_OK;
}

static bool bind_source(int fd, const tf_address_t *source) {
  int one = 1; /* the port with connect: as many connections as there are peers and ports */
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  return bind(fd, (const struct sockaddr *)&source->addr, source->addr_cnt) == 0;
}

int tf_via_socket(const tf_via_t *via, int family, const char **what) {
  *what  = "";
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (!via) return fd;
  bool is_bound = true;
  if (via->interface) {
    socklen_t cnt = (socklen_t)strlen(via->interface);
    is_bound      = setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, via->interface, cnt) == 0;
    *what         = "interface ";
  }
  if (is_bound && via->source.addr_cnt > 0) {
    is_bound = bind_source(fd, &via->source);
    *what    = "source_address ";
  }
  if (is_bound) {
    *what = "";
    return fd;
  }
  int bound_errno = errno;
  close(fd);
  errno = bound_errno;
  return -1;
}
