#include "flow/mailbox_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

#define PAGE 4096u

/* At the limits 1024 x 64 x 343 packets twice: 720 MB. No product below overflows. */
static uint64_t part_bytes(uint32_t slot_cnt, uint32_t batch_max, uint32_t packets) {
  return tf_align_up((uint64_t)slot_cnt * batch_max * packets * sizeof(tf_packet_t), PAGE);
}

/* What is wrong with the sizes, or NULL: both sides check them alike. */
static const char *wrong_size(const tf_mailbox_spec_t *s) {
  if (s->epoch == 0) return "epoch is 0";
  if (!tf_is_pow2(s->slot_cnt) || s->slot_cnt < 2 || s->slot_cnt > TF_MAILBOX_SLOT_CNT_MAX)
    return "slot_cnt is no power of two of 2 to 1024";
  if (s->batch_max < 1 || s->batch_max > TF_MAILBOX_BATCH_MAX) return "batch_max is not 1 to 64";
  if (s->input_cnt < 1 || s->input_cnt > TF_MAILBOX_VALUES_MAX) return "input_cnt is not 1 to 1024";
  if (s->output_cnt < 1 || s->output_cnt > TF_MAILBOX_VALUES_MAX)
    return "output_cnt is not 1 to 1024";
  if (s->instrument_cnt < 1 || s->instrument_cnt > TF_MAILBOX_INSTRUMENT_MAX)
    return "instrument_cnt is not 1 to 1048576";
  if ((s->state_packets == 0) != (s->plan_bytes == 0)) return "a plan without a state room";
  if (s->state_packets > TF_MAILBOX_STATE_MAX) return "state_packets is not 1 to 4194304";
  if (s->plan_bytes > TF_MAILBOX_PLAN_BYTES_MAX) return "plan_bytes is not 1 to 67108864";
  if (s->plan_bytes > 0 && s->input_cnt < tf_market_row_values(0))
    return "input_cnt is less than a market row's";
  return NULL;
}

static void view_of(tf_mailbox_view_t *v, tf_mailbox_t *box, const tf_mailbox_spec_t *s) {
  uint32_t row_packets    = tf_mailbox_row_packets(s->input_cnt);
  uint32_t answer_packets = tf_mailbox_answer_packets(s->output_cnt);
  uint64_t answers_offset = PAGE + part_bytes(s->slot_cnt, s->batch_max, row_packets);
  uint64_t plan_offset    = answers_offset + part_bytes(s->slot_cnt, s->batch_max, answer_packets);
  uint64_t state_offset   = plan_offset + tf_align_up(s->plan_bytes, PAGE);
  uint8_t *at             = (uint8_t *)box;
  *v                      = (tf_mailbox_view_t){
                           .box            = box,
                           .requests       = (tf_packet_t *)(at + PAGE),
                           .answers        = (tf_packet_t *)(at + answers_offset),
                           .state          = s->state_packets ? (tf_packet_t *)(at + state_offset) : NULL,
                           .plan           = s->plan_bytes ? at + plan_offset : NULL,
                           .plan_bytes     = s->plan_bytes,
                           .state_packets  = s->state_packets,
                           .file_bytes     = state_offset + part_bytes(1, 1, s->state_packets),
                           .slot_mask      = s->slot_cnt - 1,
                           .batch_max      = s->batch_max,
                           .input_cnt      = s->input_cnt,
                           .output_cnt     = s->output_cnt,
                           .row_packets    = row_packets,
                           .answer_packets = answer_packets,
                           .instrument_cnt = s->instrument_cnt,
                           .window         = s->window,
                           .next_seq       = 1,
  };
}

/* 0: there is no such part. */
static uint64_t offset_of(const tf_mailbox_t *box, const void *part) {
  return part ? (uint64_t)((const uint8_t *)part - (const uint8_t *)box) : 0;
}

tf_err_t tf_mailbox_create(const tf_mailbox_spec_t *spec, tf_mailbox_view_t *view, int *fd) {
  const char *wrong = wrong_size(spec);
  if (wrong) return TF_ERR(E_CORE_ARGUMENT, "mailbox: %s", wrong);
  if (!__builtin_cpu_supports("avx"))
    return TF_ERR(E_CORE_ARGUMENT,
                  "mailbox: this CPU has no AVX, so 16 bytes are not stored at once");
  view_of(view, NULL, spec);
  int file = memfd_create("tickfuse-mailbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return TF_ERR(E_CORE_SYSTEM, "mailbox: memfd_create: %s", strerror(errno));
  void *at = MAP_FAILED;
  if (!ftruncate(file, (off_t)view->file_bytes) &&
      !fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
    at = mmap(NULL, view->file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (at == MAP_FAILED) {
    tf_err_t err = TF_ERR(E_CORE_SYSTEM, "mailbox of %llu bytes: %s",
                          (unsigned long long)view->file_bytes, strerror(errno));
    close(file);
    return err;
  }
  tf_mailbox_t *box = at;
  view_of(view, box, spec);
  box->layout_version  = TF_MAILBOX_LAYOUT_VERSION;
  box->epoch           = spec->epoch;
  box->file_bytes      = view->file_bytes;
  box->requests_offset = PAGE;
  box->answers_offset  = offset_of(box, view->answers);
  box->slot_cnt        = spec->slot_cnt;
  box->batch_max       = spec->batch_max;
  box->input_cnt       = spec->input_cnt;
  box->output_cnt      = spec->output_cnt;
  box->instrument_cnt  = spec->instrument_cnt;
  box->window          = spec->window;
  box->model_hash      = spec->model_hash;
  box->row_packets     = view->row_packets;
  box->answer_packets  = view->answer_packets;
  box->state_packets   = spec->state_packets;
  box->plan_bytes      = spec->plan_bytes;
  box->plan_offset     = offset_of(box, view->plan);
  box->state_offset    = offset_of(box, view->state);
  if (spec->plan_bytes > 0) memcpy((uint8_t *)box + box->plan_offset, spec->plan, spec->plan_bytes);
  tf_store_release(&box->magic, TF_MAILBOX_MAGIC); /* pairs with: tf_mailbox_open */
  *fd = file;
  return TF_OK;
}

tf_err_t tf_mailbox_open(int fd, tf_mailbox_view_t *view) {
  struct stat st;
  if (fstat(fd, &st))
    return TF_ERR(E_FILE_FORMAT, "mailbox: descriptor %d: %s", fd, strerror(errno));
  if (st.st_size < PAGE)
    return TF_ERR(E_FILE_FORMAT, "mailbox: descriptor %d is a file of %lld bytes, not a mailbox",
                  fd, (long long)st.st_size);
  void *at =
      mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (at == MAP_FAILED)
    return TF_ERR(E_FILE_FORMAT, "mailbox: descriptor %d: %s", fd, strerror(errno));
  tf_mailbox_t *box   = at;
  const char   *wrong = NULL;
  /* pairs with: tf_mailbox_create */
  if (tf_load_acquire(&box->magic) != TF_MAILBOX_MAGIC)
    wrong = "its magic is not a mailbox's";
  else if (box->layout_version != TF_MAILBOX_LAYOUT_VERSION)
    wrong = "it is of another version";
  tf_mailbox_spec_t spec = {.epoch          = box->epoch,
                            .slot_cnt       = box->slot_cnt,
                            .batch_max      = box->batch_max,
                            .input_cnt      = box->input_cnt,
                            .output_cnt     = box->output_cnt,
                            .instrument_cnt = box->instrument_cnt,
                            .window         = box->window,
                            .model_hash     = box->model_hash,
                            .state_packets  = box->state_packets,
                            .plan_bytes     = box->plan_bytes};
  if (!wrong) wrong = wrong_size(&spec);
  if (!wrong) {
    view_of(view, box, &spec);
    if (view->file_bytes != (uint64_t)st.st_size || box->file_bytes != view->file_bytes ||
        box->row_packets != view->row_packets || box->answer_packets != view->answer_packets ||
        box->requests_offset != PAGE || box->plan_offset != offset_of(box, view->plan) ||
        box->state_offset != offset_of(box, view->state) ||
        box->answers_offset != offset_of(box, view->answers))
      wrong = "its sizes do not fit each other or its file";
  }
  if (!wrong) return TF_OK;
  munmap(at, (size_t)st.st_size);
  *view = (tf_mailbox_view_t){0};
  return TF_ERR(E_FILE_FORMAT, "mailbox: descriptor %d: %s", fd, wrong);
}

void tf_mailbox_close(tf_mailbox_view_t *view) {
  if (view->box) munmap(view->box, view->file_bytes);
  *view = (tf_mailbox_view_t){0};
}
