/* A completion port that a test scripts, with a loop on it and one connection attached: keeps the
 * operations that it is given and answers what the test says. */
#ifndef TESTS_ENGINE_IO_SCRIPT_H
#define TESTS_ENGINE_IO_SCRIPT_H

#include "io/port.h"

#define OPS_MAX    64
#define BUFFER_CNT 4
#define STRIDE     128

typedef enum kind { RECV, ACCEPT, SEND, CANCEL } kind_t;

typedef struct op {
  kind_t         kind;
  int            fd;
  uint64_t       tag, target;
  const uint8_t *source; /* of a send, where the loop keeps it */
  uint8_t        bytes[256];
  uint32_t       bytes_cnt;
} op_t;

typedef struct script {
  tf_port_t       port;
  op_t            ops[OPS_MAX]; /* not completed yet */
  uint32_t        op_cnt;
  tf_completion_t done[OPS_MAX];
  uint32_t        done_cnt;
  bool            refuse;
  uint32_t        refused_cnt;
  uint32_t        returned[BUFFER_CNT];
} script_t;

extern script_t        script;
extern uint8_t         buffers[BUFFER_CNT * STRIDE + TF_BYTES_PAD];
extern tf_io_t        *io;
extern int             pair[2]; /* pair[0] is attached as conn */
extern tf_io_conn_t    conn;
extern char            got[4096];
extern size_t          got_cnt;
extern int             closed_cnt, closed_errno;
extern tf_io_handler_t handler;

void script_open(uint64_t audit_ns);
void script_close(void);
void script_attach(void); /* a new pair, once the old one has ended */

uint32_t under_way(kind_t kind);
op_t    *first(kind_t kind);
void     complete_tag(uint64_t tag, int32_t res, uint16_t flags, uint16_t buffer_idx);
/* Completes an operation; one without MORE leaves the list. */
void complete(op_t *op, int32_t res, uint16_t flags, uint16_t buffer_idx);
void receive(const char *text, uint32_t flags);
void pass(void);

#endif
