#include "engine/io/script.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmocka_tf.h"

script_t          script;
uint8_t           buffers[BUFFER_CNT * STRIDE + TF_BYTES_PAD];
static tf_arena_t arena;
tf_io_t          *io;
int               pair[2];
tf_io_conn_t      conn;
char              got[4096];
size_t            got_cnt;
int               closed_cnt, closed_errno;
tf_io_handler_t   handler;

static bool put(kind_t kind, int fd, uint64_t tag, uint64_t target, const void *bytes,
                uint32_t cnt) {
  if (script.refuse) {
    script.refused_cnt++;
    return false;
  }
  assert_true(script.op_cnt < OPS_MAX);
  op_t *op = &script.ops[script.op_cnt++];
  *op      = (op_t){
           .kind = kind, .fd = fd, .tag = tag, .target = target, .source = bytes, .bytes_cnt = cnt};
  assert_true(cnt <= sizeof op->bytes);
  if (cnt > 0) memcpy(op->bytes, bytes, cnt);
  return true;
}

static bool recv_arm(tf_port_t *p, int fd, uint64_t tag) {
  (void)p;
  return put(RECV, fd, tag, 0, NULL, 0);
}
static bool accept_arm(tf_port_t *p, int fd, uint64_t tag) {
  (void)p;
  return put(ACCEPT, fd, tag, 0, NULL, 0);
}
static bool send_bytes(tf_port_t *p, int fd, const void *bytes, uint32_t cnt, uint64_t tag) {
  (void)p;
  return put(SEND, fd, tag, 0, bytes, cnt);
}
static bool cancel(tf_port_t *p, uint64_t target, uint64_t tag) {
  (void)p;
  return put(CANCEL, -1, tag, target, NULL, 0);
}
static int reap(tf_port_t *p, uint64_t wait_ns, tf_completion_t *out, uint32_t cap) {
  (void)p;
  (void)wait_ns;
  assert_true(script.done_cnt <= cap);
  memcpy(out, script.done, script.done_cnt * sizeof *out);
  int cnt         = (int)script.done_cnt;
  script.done_cnt = 0;
  return cnt;
}
static void buffer_return(tf_port_t *p, uint16_t idx) {
  (void)p;
  script.returned[idx]++;
}
static void fini(tf_port_t *p) { (void)p; }

static const tf_port_ops_t script_ops = {"script", recv_arm, accept_arm,    send_bytes,
                                         cancel,   reap,     buffer_return, fini};

static void on_bytes(void *self, tf_io_conn_t id, const uint8_t *bytes, size_t cnt,
                     uint64_t recv_ns) {
  (void)self;
  (void)recv_ns;
  assert_int_equal(id, conn);
  assert_true(got_cnt + cnt <= sizeof got);
  memcpy(got + got_cnt, bytes, cnt);
  got_cnt += cnt;
}

static void on_closed(void *self, tf_io_conn_t id, int sys_errno) {
  (void)self;
  assert_int_equal(id, conn);
  closed_cnt++;
  closed_errno = sys_errno;
}

void script_attach(void) {
  if (pair[1] > 0) close(pair[1]);
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  assert_int_equal(tf_io_attach(io, pair[0], &handler, &conn), TF_OK);
  got_cnt    = 0;
  closed_cnt = closed_errno = 0;
  pass();
}

void script_open(uint64_t audit_ns) {
  script                    = (script_t){0};
  script.port.ops           = &script_ops;
  script.port.net           = &tf_net_kernel;
  script.port.buffers       = buffers;
  script.port.buffer_stride = STRIDE;
  handler                   = (tf_io_handler_t){.on_bytes = on_bytes, .on_closed = on_closed};
  tf_io_config_t config     = {.conns_max = 2, .send_bytes = 256, .audit_ns = audit_ns};
  assert_int_equal(tf_arena_init(&arena, "loop", tf_loop_arena_bytes(&config)), TF_OK);
  assert_int_equal(tf_loop_open(&config, &arena, &script.port, &io), TF_OK);
  script_attach();
}

void script_close(void) {
  close(pair[1]);
  pair[1] = 0;
  tf_io_fini(io);
  tf_arena_fini(&arena);
}

uint32_t under_way(kind_t kind) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < script.op_cnt; i++) cnt += script.ops[i].kind == kind;
  return cnt;
}

op_t *first(kind_t kind) {
  for (uint32_t i = 0; i < script.op_cnt; i++)
    if (script.ops[i].kind == kind) return &script.ops[i];
  fail_msg("no such operation under way");
  return NULL;
}

void complete_tag(uint64_t tag, int32_t res, uint16_t flags, uint16_t buffer_idx) {
  script.done[script.done_cnt++] =
      (tf_completion_t){.tag = tag, .res = res, .flags = flags, .buffer_idx = buffer_idx};
}

void complete(op_t *op, int32_t res, uint16_t flags, uint16_t buffer_idx) {
  complete_tag(op->tag, res, flags, buffer_idx);
  if (!(flags & TF_COMPLETION_MORE)) *op = script.ops[--script.op_cnt];
}

void pass(void) { assert_true(tf_io_poll(io, 0) >= 0); }

void receive(const char *text, uint32_t flags) {
  memcpy(buffers, text, strlen(text));
  complete(first(RECV), (int32_t)strlen(text), (uint16_t)(flags | TF_COMPLETION_BUFFER), 0);
}
