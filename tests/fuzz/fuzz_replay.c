/* The main of a fuzz target where there is no libFuzzer: runs each seed, each of its prefixes, and
 * a fixed set of mutations, every input in a heap block of its own size so that asan sees its end.
 * Crashes on the input that crashes; its name and mutation are printed before. */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_BYTES_MAX   (1u << 20)
#define PREFIXES_MAX      512
#define MUTATIONS         300
#define MUTATED_BYTES_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t bytes_cnt);

static char     what[512];
static uint32_t seed;

static uint32_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  return seed ^= seed << 5;
}

static void on_crash(int number) {
  const char *text = "\nfuzz: crashed on ";
  if (write(2, text, strlen(text)) > 0 && write(2, what, strlen(what)) > 0) {
  }
  signal(number, SIG_DFL);
  raise(number);
}

static void run(const uint8_t *bytes, size_t cnt) {
  uint8_t *copy = malloc(cnt ? cnt : 1);
  if (!copy) exit(2);
  memcpy(copy, bytes, cnt);
  LLVMFuzzerTestOneInput(copy, cnt);
  free(copy);
}

static void mutate(const uint8_t *bytes, size_t cnt, uint8_t *work) {
  static const uint8_t edges[] = {0, 1, 0x7D, 0x7E, 0x7F, 0x80, 0xFE, 0xFF};
  memcpy(work, bytes, cnt);
  for (uint32_t n = 1 + next_random() % 4; n > 0 && cnt > 0; n--) {
    const size_t at = next_random() % cnt;
    switch (next_random() % 5) {
    case 0: work[at] ^= (uint8_t)(1u << next_random() % 8); break;
    case 1: work[at] = edges[next_random() % sizeof edges]; break;
    case 2: work[at] = (uint8_t)next_random(); break;
    case 3: /* cut out */
      memmove(work + at, work + at + 1, cnt - at - 1);
      cnt--;
      break;
    default: /* copy a run elsewhere */
    {
      const size_t to  = next_random() % cnt;
      const size_t max = cnt - (at > to ? at : to);
      memmove(work + to, work + at, next_random() % max + 1);
    }
    }
  }
  run(work, cnt);
}

static int run_file(const char *path) {
  static uint8_t bytes[INPUT_BYTES_MAX], work[MUTATED_BYTES_MAX];
  FILE          *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    return 1;
  }
  const size_t cnt = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  snprintf(what, sizeof what, "%s as it is\n", path);
  run(bytes, cnt);
  for (size_t n = 0; n < cnt && n < PREFIXES_MAX; n++) {
    snprintf(what, sizeof what, "%s cut to %zu bytes\n", path, n);
    run(bytes, n);
  }
  seed = 2463534242u;
  for (int i = 0; i < MUTATIONS && cnt <= MUTATED_BYTES_MAX; i++) {
    snprintf(what, sizeof what, "%s mutation %d\n", path, i);
    mutate(bytes, cnt, work);
  }
  return 0;
}

int main(int argc, char **argv) {
  int input_cnt = 0, failed = 0;
  signal(SIGABRT, on_crash);
  signal(SIGSEGV, on_crash);
  for (int i = 1; i < argc; i++) {
    struct stat st;
    if (stat(argv[i], &st) == 0 && S_ISREG(st.st_mode)) {
      failed |= run_file(argv[i]);
      input_cnt++;
      continue;
    }
    struct dirent **names;
    const int       name_cnt = scandir(argv[i], &names, NULL, alphasort);
    for (int n = 0; n < name_cnt; n++) {
      char path[4096];
      snprintf(path, sizeof path, "%s/%s", argv[i], names[n]->d_name);
      if (names[n]->d_name[0] != '.') {
        failed |= run_file(path);
        input_cnt++;
      }
      free(names[n]);
    }
    if (name_cnt >= 0) free(names);
  }
  if (input_cnt == 0) fprintf(stderr, "fuzz: no seeds in %s\n", argc > 1 ? argv[1] : "no argument");
  printf("fuzz: %d seeds, %d mutations each\n", input_cnt, MUTATIONS);
  return failed || input_cnt == 0;
}
