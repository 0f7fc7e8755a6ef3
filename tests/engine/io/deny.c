#include "engine/io/deny.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cmocka_tf.h"

#define CHILD_NO_SECCOMP 9

void deny_call(uint32_t call, uint32_t arg1, uint32_t sys_errno) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, arg1 == DENY_ANY ? 1 : 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arg1, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | sys_errno),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  if (arg1 == DENY_ANY) { /* the third and fourth line fall away */
    memmove(&filter[2], &filter[4], 2 * sizeof filter[0]);
  }
  struct sock_fprog program = {.len = arg1 == DENY_ANY ? 4 : 6, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    _exit(CHILD_NO_SECCOMP);
}

void in_child(void (*body)(void)) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == CHILD_NO_SECCOMP) {
    print_message("seccomp filters are not available\n");
    skip();
  }
  assert_int_equal(WEXITSTATUS(status), 0);
}
