#include "broker/redis_reply.h"

#include <hiredis/read.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "broker/text.h"
#include "core/error.h"

/* Any address says "made": nothing is. */
static char object;

enum { MEMBER_OTHER, MEMBER_LAST_ID, MEMBER_LAST_ENTRY };

static tf_redis_reader_t *reader_of(const redisReadTask *task) { return task->privdata; }

static uint32_t depth_of(const redisReadTask *task) {
  uint32_t depth = 0;
  for (; task->parent; task = task->parent) depth++;
  return depth;
}

static void take_text(tf_redis_reply_t *reply, const char *text, size_t cnt) {
  if (cnt > sizeof reply->text - 1) cnt = sizeof reply->text - 1;
  for (size_t i = 0; i < cnt; i++)
    reply->text[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
  reply->text[cnt] = '\0';
}

/* "1042-0": both parts decimal and within 64 bits. */
static void take_last_id(tf_redis_tail_t *tail, const char *text, size_t cnt) {
  const char *end   = text + cnt;
  tail->has_last_id = true;
  tail->last_id_bad = !tf_text_read_u64(&text, end, &tail->last_id) || text == end ||
                      *text++ != '-' || !tf_text_read_u64(&text, end, &tail->last_id_minor) ||
                      text != end;
}

/* Of an entry [id, [field, value, ...]], alone in XINFO's answer or of XRANGE's array of them. */
static void take_field(tf_redis_reader_t *r, const redisReadTask *task, const char *text,
                       size_t cnt) {
  if (task->idx % 2 == 0)
    r->is_writer = cnt == strlen(TF_REDIS_WRITER) && !memcmp(text, TF_REDIS_WRITER, cnt);
  else if (r->is_writer && r->own_writer &&
           (cnt != strlen(r->own_writer) || memcmp(text, r->own_writer, cnt)))
    r->reply.foreign_cnt++;
}

/* XINFO STREAM: name, value, name, value; of last-entry the value is [id, [field, value, ...]]. */
static void take_member(tf_redis_reader_t *r, const redisReadTask *task, const char *text,
                        size_t cnt) {
  static const char last_id[] = "last-generated-id", last_entry[] = "last-entry";
  tf_redis_tail_t  *tail  = &r->reply.tail;
  uint32_t          depth = depth_of(task);
  if (depth == 3) take_field(r, task, text, cnt);
  if (depth == 1 && task->idx % 2 == 0) {
    r->member = MEMBER_OTHER;
    if (cnt == sizeof last_id - 1 && !memcmp(text, last_id, cnt)) r->member = MEMBER_LAST_ID;
    if (cnt == sizeof last_entry - 1 && !memcmp(text, last_entry, cnt))
      r->member = MEMBER_LAST_ENTRY;
  } else if (depth == 1 && r->member == MEMBER_LAST_ID) {
    take_last_id(tail, text, cnt);
  } else if (depth == 2 && r->member == MEMBER_LAST_ENTRY && task->idx == 0) {
    tail->has_entry = true;
  } else if (depth == 3 && r->member == MEMBER_LAST_ENTRY && task->idx == 0 &&
             cnt < sizeof tail->first_field) {
    memcpy(tail->first_field, text, cnt);
    tail->first_field[cnt] = '\0';
  }
}

static void *create_string(const redisReadTask *task, char *text, size_t cnt) {
  tf_redis_reader_t *r = reader_of(task);
  if (task->type == REDIS_REPLY_ERROR && r->reply.error_cnt++ == 0) take_text(&r->reply, text, cnt);
  if (task->parent) {
    take_member(r, task, text, cnt);
    return &object;
  }
  r->reply.kind = task->type == REDIS_REPLY_ERROR    ? TF_REDIS_ERROR
                  : task->type == REDIS_REPLY_STATUS ? TF_REDIS_STATUS
                                                     : TF_REDIS_BULK;
  if (task->type == REDIS_REPLY_STATUS) take_text(&r->reply, text, cnt);
  return &object;
}

static void *create_array(const redisReadTask *task, int element_cnt) {
  tf_redis_reader_t *r = reader_of(task);
  if (element_cnt > TF_REDIS_REPLY_ELEMENTS_MAX) return NULL; /* the reader says "out of memory" */
  if (!task->parent) {
    r->reply.kind        = TF_REDIS_ARRAY;
    r->reply.element_cnt = (uint32_t)element_cnt;
  }
  return &object;
}

static void *create_integer(const redisReadTask *task, long long number) {
  (void)number;
  if (!task->parent) reader_of(task)->reply.kind = TF_REDIS_INTEGER;
  return &object;
}

static void *create_nil(const redisReadTask *task) {
  reader_of(task)->reply.nil_cnt++;
  if (!task->parent) reader_of(task)->reply.kind = TF_REDIS_NIL;
  return &object;
}

static void free_object(void *made) { (void)made; }

tf_err_t tf_redis_reply_init(tf_redis_reader_t *r) {
  static redisReplyObjectFunctions calls = {create_string, create_array, create_integer, create_nil,
                                            free_object};
  memset(r, 0, sizeof *r);
  r->reader = redisReaderCreateWithFunctions(&calls);
  if (!r->reader) return TF_ERR(E_CORE_NO_MEMORY, "the reader of Redis' answers");
  r->reader->privdata = r;
  return TF_OK;
}

void tf_redis_reply_fini(tf_redis_reader_t *r) {
  if (r->reader) redisReaderFree(r->reader);
  r->reader = NULL;
}

static tf_err_t refuse(const tf_redis_reader_t *r) {
  if (r->reader->err == REDIS_ERR_OOM)
    return TF_ERR(E_BROKER_IO, "Redis answers with an array of more than %d elements",
                  TF_REDIS_REPLY_ELEMENTS_MAX);
  return TF_ERR(E_BROKER_IO, "Redis' answer is no RESP: %s", r->reader->errstr);
}

tf_err_t tf_redis_reply_feed(tf_redis_reader_t *r, const char *bytes, size_t bytes_cnt) {
  if (r->reader->len - r->reader->pos + bytes_cnt > TF_REDIS_REPLY_BYTES_MAX)
    return TF_ERR(E_BROKER_IO, "Redis' answer is longer than %u bytes", TF_REDIS_REPLY_BYTES_MAX);
  return redisReaderFeed(r->reader, bytes, bytes_cnt) == REDIS_OK ? TF_OK : refuse(r);
}

bool tf_redis_reply_is_between(const tf_redis_reader_t *r) {
  const redisReader *reader = r->reader;
  return reader->pos == reader->len &&
         (reader->ridx < 0 || (reader->ridx == 0 && reader->rstack[0].type < 0));
}

int tf_redis_reply_next(tf_redis_reader_t *r, tf_redis_reply_t *reply) {
  void *whole = NULL;
  if (redisReaderGetReply(r->reader, &whole) != REDIS_OK) return refuse(r);
  if (!whole) return 0;
  *reply = r->reply;
  memset(&r->reply, 0, sizeof r->reply);
  r->member = MEMBER_OTHER;
  return 1;
}
