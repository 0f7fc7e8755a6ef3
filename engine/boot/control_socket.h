/* The operator's socket: a Unix stream socket that speaks lines. This is its transport: who may
 * connect, how long a line may be and how long it may take; what a line means is the handler's.
 *
 * Who: the socket is 0600 in a directory that is 0700 and ours, and the caller's uid (SO_PEERCRED) must
 * be ours or root's. Neither the directory nor the socket is followed through a symbolic link.
 * Descriptors sent along are closed by the kernel: nothing here takes them (recv, not recvmsg).
 *
 * One thread of its own, never a lane's. It may allocate. */
#ifndef TF_BOOT_CONTROL_SOCKET_H
#define TF_BOOT_CONTROL_SOCKET_H

#include "tf/err.h"

#define TF_CONTROL_REQUEST_BYTES_MAX 65536u  /* of a line, its end not counted */
#define TF_CONTROL_ANSWER_BYTES_MAX  262144u /* a status of 64 connections, each with its legs */
#define TF_CONTROL_CLIENTS_MAX       8u
#define TF_CONTROL_REQUEST_NS_MAX    TF_NS_PER_SEC        /* from a line's first byte to its last */
#define TF_CONTROL_IDLE_NS_MAX       (60 * TF_NS_PER_SEC) /* without any */

typedef struct tf_control_socket tf_control_socket_t;

typedef struct tf_control_handler {
  void *self;
  /* A line without its end, NUL-terminated. Writes one line, without its end, and returns its length,
   * below cap. */
  size_t (*answer)(void *self, const char *line, size_t line_cnt, char *answer, size_t cap);
} tf_control_handler_t;

typedef struct tf_control_socket_counts { /* one writer: the socket's thread; read after stop */
  uint64_t clients, refused_full, refused_uid, requests, too_long, too_slow, cut_short;
} tf_control_socket_counts_t;

/* Makes the directory (if it is missing) and the socket, and starts the thread. E_CONTROL_SOCKET names
 * what is wrong with the place and the remedy; E_FILE_BUSY when another engine answers there. */
tf_err_t tf_control_socket_start(const char *path, const tf_control_handler_t *handler,
                                 tf_control_socket_t **socket);
/* Ends the thread, removes the socket if it is still ours. Accepts NULL. */
void tf_control_socket_stop(tf_control_socket_t *socket, tf_control_socket_counts_t *counts);

#endif
