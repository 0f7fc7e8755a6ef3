/* The descriptors that a kernel knows. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/port.h"
#include "io/shed.h"

static int kernel_admit(tf_port_t *port, int fd) {
  if (fcntl(fd, F_GETFL) < 0) return errno;
  tf_socket_prepare(fd, &port->wants);
  return 0;
}

static int kernel_recv(tf_port_t *port, int fd, void *bytes, size_t cnt) {
  (void)port;
  ssize_t got = recv(fd, bytes, cnt, MSG_DONTWAIT);
  return got < 0 ? -errno : (int)got;
}

static void kernel_shutdown(tf_port_t *port, int fd) {
  (void)port;
  shutdown(fd, SHUT_RDWR);
}

static void kernel_close(tf_port_t *port, int fd) {
  (void)port;
  close(fd);
}

static int kernel_readable(tf_port_t *port, struct pollfd *fds, nfds_t cnt) {
  (void)port;
  return poll(fds, cnt, 0);
}

static int kernel_shed(tf_port_t *port, int spare_fd, int listen_fd) {
  (void)port;
  return tf_shed_one(spare_fd, listen_fd);
}

const tf_net_ops_t tf_net_kernel = {
    .admit    = kernel_admit,
    .recv     = kernel_recv,
    .shutdown = kernel_shutdown,
    .close    = kernel_close,
    .readable = kernel_readable,
    .shed     = kernel_shed,
};
