/* A listening socket, TCP or Unix, and how connections are taken from it: nobody who waits there can
 * make the thread spin, not even when descriptors run out. The owner waits for fd to be readable.
 *
 * A Unix socket lies in a directory that is ours and that others cannot write, made (0700) if it is not
 * there; neither it nor the socket is followed through a symbolic link. What a killed predecessor left
 * there is replaced, one that answers is not.
 *
 * One thread at a time. Control plane, but accept. */
#ifndef TF_CORE_LISTENER_H
#define TF_CORE_LISTENER_H

#include "tf/err.h"

struct sockaddr_storage;

#define TF_LISTENER_NAME_BYTES 64 /* of a Unix socket's file name, with its NUL */
#define TF_LISTENER_DIR_BYTES  128

typedef struct tf_listener {
  int      fd;       /* -1: none */
  int      spare_fd; /* given up for a moment to turn a caller away when descriptors run out */
  uint16_t port;     /* tcp: the one that was bound */
  bool     loopback;
  int      folder_fd; /* unix: the directory */
  uint64_t inode;     /* and the socket that we made in it; 0: none */
  char     name[TF_LISTENER_NAME_BYTES];
  uint64_t turned_away; /* no descriptor was left for them */
} tf_listener_t;

/* For whom: errors carry code, and begin with what ("control.path", "sinks.0.url"). */
typedef struct tf_listener_use {
  tf_err_t    code;
  const char *what;
  int         backlog;
  bool        shared; /* unix: other users may connect: their checks are the owner's */
} tf_listener_use_t;

/* host: numeric. Port 0: a free one. On error nothing is open. */
tf_err_t tf_listener_tcp(tf_listener_t *listener, const tf_listener_use_t *use, const char *host,
                         uint16_t port);
/* E_FILE_BUSY: another process answers there; the text has its pid. */
tf_err_t tf_listener_unix(tf_listener_t *listener, const tf_listener_use_t *use, const char *path);
/* Removes a Unix socket that is still ours. Accepts one that failed to open. */
void tf_listener_close(tf_listener_t *listener);

/* A connection, non-blocking, or -1: none now, or one was turned away. */
int tf_listener_accept(tf_listener_t *listener);

/* "127.0.0.1:80", "[::1]:80", "unix:pid=7,uid=1000": of a connection's other side, for logs. */
void tf_listener_peer(int fd, char *text, size_t cap);

#define TF_LISTENER_HOST_BYTES 64

/* "scheme://HOST:PORT/PATH" of a listener: HOST numeric, in brackets where it has colons, or localhost;
 * *path is what follows the port, "" or from '/' on. Errors as of use. */
tf_err_t tf_listener_url(const tf_listener_use_t *use, const char *url, const char *scheme,
                         char host[TF_LISTENER_HOST_BYTES], uint16_t *port, const char **path);

/* Reads a numeric address; *bytes is its size, *loopback whether it is this machine's alone. */
bool tf_listener_address(const char *host, uint16_t port, struct sockaddr_storage *address,
                         uint32_t *bytes, bool *loopback);

#endif
