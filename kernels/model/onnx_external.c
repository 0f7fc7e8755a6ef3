#include "model/onnx_external.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

/* What external_data says; absent is the whole file. */
typedef struct place {
  const char *location;
  uint64_t    offset, length;
  bool        has_length;
} place_t;

typedef struct source {
  const char *label, *name;
} source_t;

#define REFUSE(s, code, fmt, ...)                                                                  \
  TF_ERR(code, "%s: tensor \"%.100s\": " fmt, (s)->label, (s)->name, __VA_ARGS__)

bool tf_onnx_external_is(const Onnx__TensorProto *proto) {
  return proto->n_external_data ||
         (proto->has_data_location &&
          proto->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT);
}

static bool read_number(const char *text, uint64_t *number) {
  *number = 0;
  for (const char *c = text; *c; c++)
    if (*c < '0' || *c > '9' || __builtin_mul_overflow(*number, 10u, number) ||
        __builtin_add_overflow(*number, (uint64_t)(*c - '0'), number))
      return false;
  return text[0] != 0;
}

static tf_err_t read_place(const source_t *s, const Onnx__TensorProto *proto, place_t *place) {
  *place = (place_t){0};
  for (size_t i = 0; i < proto->n_external_data; i++) {
    const Onnx__StringStringEntryProto *entry = proto->external_data[i];
    const char *key = entry->key ? entry->key : "", *value = entry->value ? entry->value : "";
    uint64_t   *number = NULL;
    if (strcmp(key, "location") == 0) place->location = value;
    if (strcmp(key, "offset") == 0) number = &place->offset;
    if (strcmp(key, "length") == 0) number = &place->length, place->has_length = true;
    if (number && !read_number(value, number))
      return REFUSE(s, E_MODEL_FORMAT, "its %s \"%.40s\" in another file is no number", key, value);
  }
  if (place->location && place->location[0]) return TF_OK;
  return REFUSE(s, E_MODEL_FORMAT, "%s", "its data lie in another file, which has no name");
}

/* Opens a path of plain names below folder, one by one: a link in the way is not followed. */
static tf_err_t open_below(const source_t *s, const char *folder, const char *location, int *fd) {
  char part[TF_ONNX_EXTERNAL_NAME_BYTES];
  int  at = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (at < 0) return TF_ERR(E_FILE_OPEN, "%s: %s", folder, strerror(errno));
  for (const char *rest = location;;) {
    const size_t length = strcspn(rest, "/");
    const bool   last   = rest[length] == 0;
    if (length == 0 || length >= sizeof part || (length == 2 && memcmp(rest, "..", 2) == 0)) {
      close(at);
      return REFUSE(
          s, E_MODEL_UNSUPPORTED,
          "its data lie in \"%.200s\"; a path below the model's folder is wanted, without "
          "\"..\"",
          location);
    }
    memcpy(part, rest, length);
    part[length] = 0;
    const int next =
        openat(at, part, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (last ? O_NONBLOCK : O_DIRECTORY));
    const int why = errno;
    close(at);
    if (next < 0)
      return REFUSE(s, E_FILE_OPEN, "its data lie in %.200s: %s", location,
                    why == ELOOP ? "a symbolic link, which is not followed" : strerror(why));
    at = next;
    if (last) break;
    rest += length + 1;
  }
  *fd = at;
  return TF_OK;
}

static tf_err_t read_part(const source_t *s, const place_t *place, int fd, uint64_t bytes,
                          uint8_t *target) {
  struct stat info;
  uint64_t    end;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
    return REFUSE(s, E_FILE_OPEN, "its data lie in %.200s: no regular file", place->location);
  if (place->has_length && place->length != bytes)
    return REFUSE(s, E_MODEL_FORMAT, "%llu bytes in %.200s, its dimensions say %llu",
                  (unsigned long long)place->length, place->location, (unsigned long long)bytes);
  if (__builtin_add_overflow(place->offset, bytes, &end) || end > (uint64_t)info.st_size)
    return REFUSE(s, E_MODEL_FORMAT, "%llu bytes at offset %llu of %.200s, which has %lld",
                  (unsigned long long)bytes, (unsigned long long)place->offset, place->location,
                  (long long)info.st_size);
  for (uint64_t done = 0; done < bytes;) {
    ssize_t n = pread(fd, target + done, bytes - done, (off_t)(place->offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0)
      return REFUSE(s, E_FILE_DAMAGED, "its data in %.200s: %s", place->location,
                    n < 0 ? strerror(errno) : "cut short");
    done += (uint64_t)n;
  }
  return TF_OK;
}

tf_err_t tf_onnx_external_read(const char *label, const char *folder,
                               const Onnx__TensorProto *proto, const char *name, uint64_t bytes,
                               void *target) {
  const source_t s = {label, name};
  place_t        place;
  int            fd  = -1;
  tf_err_t       err = read_place(&s, proto, &place);
  if (!err && !folder)
    err = REFUSE(&s, E_MODEL_UNSUPPORTED,
                 "its data lie in another file, \"%.200s\", and the model came from memory",
                 place.location);
  if (!err) err = open_below(&s, folder, place.location, &fd);
  if (err) return err;
  err = read_part(&s, &place, fd, bytes, target);
  close(fd);
  return err;
}
