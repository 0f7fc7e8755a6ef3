/* What a Redis answered, read as it comes and kept as a digest: hiredis' reader finds the bounds of
 * each answer, and calls of our own take from it what the sink wants, so that an answer costs no
 * memory of its own, whatever it claims to be. One thread; reading allocates only hiredis' buffer.
 *
 * Limits (FAULTS.md section 3): nested no deeper than hiredis' 7, an answer no longer than
 * TF_REDIS_REPLY_BYTES_MAX, no array longer than TF_REDIS_REPLY_ELEMENTS_MAX. What is over them ends the
 * connection. */
#ifndef TF_BROKER_REDIS_REPLY_H
#define TF_BROKER_REDIS_REPLY_H

#include "tf/err.h"

#define TF_REDIS_REPLY_BYTES_MAX    (1u << 20)
#define TF_REDIS_REPLY_ELEMENTS_MAX 4096
#define TF_REDIS_TEXT_BYTES         256u
#define TF_REDIS_WRITER             "writer" /* the field behind the record: which process wrote it */

typedef enum tf_redis_kind {
  TF_REDIS_STATUS,
  TF_REDIS_ERROR,
  TF_REDIS_INTEGER,
  TF_REDIS_BULK,
  TF_REDIS_NIL,
  TF_REDIS_ARRAY
} tf_redis_kind_t;

/* Of XINFO STREAM's answer, and of an entry's id. */
typedef struct tf_redis_tail {
  bool     has_last_id, has_entry; /* entry: the last that is still there */
  bool     last_id_bad;            /* no id: N-N */
  uint64_t last_id, last_id_minor; /* last-generated-id */
  char     first_field[32];        /* of that entry; "" if there is none or it is longer */
} tf_redis_tail_t;

typedef struct tf_redis_reply {
  tf_redis_kind_t kind;
  uint32_t        element_cnt;    /* ARRAY: on the first level */
  uint32_t        error_cnt;      /* errors in it, itself included */
  uint32_t        nil_cnt;        /* nils in it, itself included */
  char text[TF_REDIS_TEXT_BYTES]; /* STATUS; of the first error, if there is one; cut, printable */
  uint32_t        foreign_cnt;    /* entries in it whose field "writer" is not the reader's own */
  tf_redis_tail_t tail;           /* as far as the answer is one of XINFO STREAM */
} tf_redis_reply_t;

typedef struct tf_redis_reader {
  struct redisReader *reader; /* hiredis' */
  tf_redis_reply_t    reply;  /* being read */
  /* of the walk through XINFO's answer: which member's value comes next, and where in last-entry */
  uint8_t     member;
  bool        is_writer;  /* the value that comes next is of an entry's field "writer" */
  const char *own_writer; /* the owner's to set; NULL: nobody is foreign */
} tf_redis_reader_t;

tf_err_t tf_redis_reply_init(tf_redis_reader_t *r);
void     tf_redis_reply_fini(tf_redis_reader_t *r); /* accepts a zeroed one */

/* Takes bytes as they came. E_BROKER_IO: no RESP, or over a limit; the text says which. */
tf_err_t tf_redis_reply_feed(tf_redis_reader_t *r, const char *bytes, size_t bytes_cnt);
/* All that was fed was read, up to the end of an answer. */
bool tf_redis_reply_is_between(const tf_redis_reader_t *r);
/* 1: *reply is the next whole answer. 0: more bytes are wanted. < 0: as feed. */
int tf_redis_reply_next(tf_redis_reader_t *r, tf_redis_reply_t *reply);

#endif
