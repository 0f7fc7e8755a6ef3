/* Somebody else's runtime that answers for a model: one file adapters/serve/<name>.c exporting tf_runtime_<name>, plus its
 * line in runtimes.def. It runs on a worker's thread (engine/serve/worker.h), never on a lane, so it may allocate, lock,
 * block and log; the tick does not wait for it, and a deadline is kept elsewhere (engine/serve/watch.h).
 *
 *   open -> (begin, poll, drop)* -> close
 *
 * A request is an input tensor of (1, width) floats, or (1, rows, width) where the model is over a window, oldest row
 * first; the answer output_cnt floats. A slot is one request under way, 0 .. in_flight - 1: begin starts one in a
 * free slot, poll tells which are done, drop gives one up. One thread at a time, but trouble. */
#ifndef TF_RUNTIME_H
#define TF_RUNTIME_H

#include "tf/decision.h"
#include "tf/err.h"

#define TF_RUNTIME_IN_FLIGHT_MAX 16u
#define TF_RUNTIME_TEXT_BYTES    512u

/* Why there is no answer: a closed set, with counters. X(id, name) */
#define TF_RUNTIME_MISSES(X)                                                                       \
  X(DEADLINE, "deadline") /* none within the deadline */                                           \
  X(CONNECT, "connect")   /* the server cannot be reached */                                       \
  X(CLOSED, "closed")     /* the connection ended before the answer did */                         \
  X(STATUS, "status")     /* the server answered with another status than 200 */                   \
  X(PROTOCOL, "protocol") /* what came is no HTTP, no JSON, or not what the protocol says */       \
  X(SHAPE, "shape")       /* not the outputs, the shape or the type that were declared */          \
  X(ID, "id")             /* the answer to another request, or of another model */                 \
  X(LIMIT, "limit")       /* larger than an answer may be */                                       \
  X(RUNTIME, "runtime")   /* the runtime itself failed */

typedef enum tf_runtime_miss {
#define TF_RUNTIME_MISS_ENUM_(id, name) TF_RUNTIME_MISS_##id,
  TF_RUNTIME_MISSES(TF_RUNTIME_MISS_ENUM_)
#undef TF_RUNTIME_MISS_ENUM_
      TF_RUNTIME_MISS_CNT,
  TF_RUNTIME_ANSWERED = TF_RUNTIME_MISS_CNT
} tf_runtime_miss_t;

/* Whether a runtime is asked. X(id, name) */
#define TF_RUNTIME_STATES(X)                                                                       \
  X(CLOSED, "closed")       /* it is: the breaker is closed */                                     \
  X(OPEN, "open")           /* it is not, after misses in a row */                                 \
  X(HALF_OPEN, "half_open") /* one request tries whether it answers again */

typedef enum tf_runtime_state {
#define TF_RUNTIME_STATE_ENUM_(id, name) TF_RUNTIME_##id,
  TF_RUNTIME_STATES(TF_RUNTIME_STATE_ENUM_)
#undef TF_RUNTIME_STATE_ENUM_
      TF_RUNTIME_STATE_CNT
} tf_runtime_state_t;

typedef enum tf_runtime_binary {
  TF_RUNTIME_BINARY_AUTO, /* where the server says that it can */
  TF_RUNTIME_BINARY_ON,
  TF_RUNTIME_BINARY_OFF
} tf_runtime_binary_t;

typedef struct tf_runtime_config {
  const char *model;   /* its name in the config */
  const char *file;    /* of a runtime in this process; else NULL */
  const char *library; /* NULL: where such libraries usually are */
  const char *host;    /* of a runtime behind a socket; else NULL */
  const char *path;    /* of the model there */
  uint16_t    port;
  bool        tls, insecure;
  const char *ca_file;        /* NULL: the system's */
  const char *header_file;    /* one line "Name: value" sent with each request; NULL: none */
  const char *input, *output; /* tensor names; NULL: the only one that there is */
  uint8_t     binary;         /* tf_runtime_binary_t */
  uint32_t    rows, width;    /* of the input; rows 1: it has no axis for them */
  uint32_t    output_cnt;
  uint32_t    in_flight; /* 1 .. TF_RUNTIME_IN_FLIGHT_MAX */
  uint32_t    threads;   /* that the runtime may use for one request */
} tf_runtime_config_t;

/* A request that is done. */
typedef struct tf_runtime_done {
  uint32_t     slot;
  uint32_t     miss;     /* tf_runtime_miss_t, ANSWERED: out holds output_cnt floats */
  uint64_t     retry_ns; /* the server asked to be left alone for so long; 0: it did not */
  const float *out;      /* until the next call */
} tf_runtime_done_t;

typedef struct tf_runtime {
  const char *name;
  uint8_t     path;   /* tf_path_t of its answers */
  uint32_t in_flight; /* more than this it cannot; TF_RUNTIME_IN_FLIGHT_MAX: what the config says */
  /* Before the start, on a control thread. *self is NULL on error. E_RUNTIME_*, E_MODEL_SHAPE. hash: of what it serves. A
   * server that is not there is no error: it may come. */
  tf_err_t (*open)(const tf_runtime_config_t *config, void **self, uint32_t *hash);
  /* id: never used before. rows are read before it returns. */
  void (*begin)(void *self, uint32_t slot, uint64_t id, const float *rows);
  /* Moves things on, waiting at most wait_ns for something to happen; at most cap that are done. */
  uint32_t (*poll)(void *self, uint64_t wait_ns, tf_runtime_done_t *done, uint32_t cap);
  void (*drop)(void *self, uint32_t slot);
  /* What went wrong last, into text (TF_RUNTIME_TEXT_BYTES); "" nothing yet. The worker's thread. */
  void (*trouble)(const void *self, char *text);
  void (*close)(void *self);
} tf_runtime_t;

#endif
