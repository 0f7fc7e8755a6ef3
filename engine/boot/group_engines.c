#include "boot/group_engines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"

extern char **environ;

#define PATH_BYTES 1100u

/* ---- a process ---- */

static void add_output(posix_spawn_file_actions_t *files, const char *log_dir, uint32_t partition) {
  char path[PATH_BYTES];
  posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(files, STDERR_FILENO, STDOUT_FILENO);
  if (!log_dir) return;
  snprintf(path, sizeof path, "%s/%04u.log", log_dir, partition);
  posix_spawn_file_actions_addopen(files, STDOUT_FILENO, path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(files, STDOUT_FILENO, STDERR_FILENO);
}

static int spawn(const tf_group_engines_config_t *config, uint32_t partition,
                 const char *const *argv, pid_t *pid) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t          attr;
  sigset_t                   none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGINT), sigaddset(&usual, SIGTERM), sigaddset(&usual, SIGPIPE);
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attr);
  add_output(&files, config->log_dir, partition);
  posix_spawn_file_actions_adddup2(&files, config->lease_fd, TF_GROUP_LEASE_FD);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setsigdefault(&attr, &usual);
  posix_spawnattr_setpgroup(&attr, 0); /* a terminal's ^C is the supervisor's to hear */
  posix_spawnattr_setflags(&attr,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  int failed = posix_spawnp(pid, argv[0], &files, &attr, (char *const *)(uintptr_t)argv, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&files);
  return failed;
}

static void pause_after(tf_group_engine_t *e, uint64_t now_ns) {
  bool is_young = now_ns - e->started_ns < TF_GROUP_YOUNG;
  e->pause_ns   = !is_young || e->pause_ns == 0 ? TF_GROUP_PAUSE_MIN : 2 * e->pause_ns;
  if (e->pause_ns > TF_GROUP_PAUSE_MAX) e->pause_ns = TF_GROUP_PAUSE_MAX;
  e->not_before_ns = now_ns + e->pause_ns;
}

static void start(tf_group_engines_t *g, uint32_t partition, uint32_t epoch, uint64_t now_ns) {
  tf_group_engine_t *e      = &g->engines[partition];
  const char *const *argv   = g->config.argv_of(g->config.self, partition, epoch);
  int                failed = spawn(&g->config, partition, argv, &e->pid);
  e->epoch                  = epoch;
  e->started_ns             = now_ns;
  e->told_ns                = 0;
  e->is_killed              = false;
  if (failed) {
    e->pid = 0;
    pause_after(e, now_ns);
    tf_log(TF_LOG_ERROR, "group_engine_not_started", "partition=%04u program=\"%s\" why=\"%s\"",
           partition, argv[0], strerror(failed));
    return;
  }
  g->counts.starts++;
  g->counts.running++;
  tf_log(TF_LOG_NOTICE, "group_engine_started", "partition=%04u epoch=%u pid=%d", partition, epoch,
         (int)e->pid);
}

static void tell(tf_group_engines_t *g, tf_group_engine_t *e, uint64_t now_ns) {
  if (e->told_ns) return;
  e->told_ns = now_ns;
  g->counts.stops++;
  (void)kill(e->pid, SIGTERM);
}

static void end_by_force(tf_group_engines_t *g, tf_group_engine_t *e, uint32_t partition,
                         const char *why) {
  if (e->is_killed) return;
  e->is_killed = true;
  g->counts.kills++;
  tf_log(TF_LOG_WARN, "group_engine_killed", "partition=%04u epoch=%u why=\"%s\"", partition,
         e->epoch, why);
  (void)kill(e->pid, SIGKILL);
}

/* ---- what becomes of it ---- */

static void has_ended(tf_group_engines_t *g, tf_group_t *group, uint32_t partition, int status,
                      uint64_t now_ns) {
  tf_group_engine_t *e        = &g->engines[partition];
  bool               is_asked = e->told_ns || e->is_killed;
  g->counts.running--;
  g->counts.ends += !is_asked;
  if (!is_asked) pause_after(e, now_ns);
  tf_log(is_asked ? TF_LOG_NOTICE : TF_LOG_WARN, "group_engine_ended",
         "partition=%04u epoch=%u pid=%d %s=%d", partition, e->epoch, (int)e->pid,
         WIFSIGNALED(status) ? "signal" : "exit",
         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  e->pid = 0;
  tf_group_used(group, partition, e->epoch);
}

static void reap(tf_group_engines_t *g, tf_group_t *group, uint64_t now_ns) {
  int status;
  for (uint32_t p = 0; p < group->config.partition_cnt; p++)
    if (g->engines[p].pid && waitpid(g->engines[p].pid, &status, WNOHANG) == g->engines[p].pid)
      has_ended(g, group, p, status, now_ns);
}

/* What it says of itself goes into the table; one that said something once does so on. */
static void hear(tf_group_engines_t *g, tf_group_t *group, uint32_t p, uint64_t now_ns) {
  tf_group_engine_t *e = &g->engines[p];
  tf_lease_row_t     said;
  if (!tf_lease_row_get(g->page, p, e->epoch, &said)) return;
  tf_group_tell(group, p, said.events_behind, said.decisions_behind);
  uint64_t still_ns = now_ns > said.beat_ns ? now_ns - said.beat_ns : 0;
  if (!e->told_ns && still_ns >= TF_GROUP_STILL * group->config.lease_ns)
    end_by_force(g, e, p, "it stands still");
}

/* Of one that runs. */
static void watch(tf_group_engines_t *g, const tf_group_t *group, uint32_t p, uint64_t now_ns) {
  tf_group_engine_t *e        = &g->engines[p];
  uint64_t           lease_ns = group->config.lease_ns;
  uint64_t           left_ns  = group->safe_until_ns > now_ns ? group->safe_until_ns - now_ns : 0;
  bool               is_held  = group->own[p].epoch == e->epoch;
  if (!is_held || left_ns < lease_ns / 4)
    end_by_force(g, e, p, is_held ? "the lease is not renewed" : "another has the partition");
  else if (left_ns < lease_ns * 3 / 8 || group->own[p].gives_up)
    tell(g, e, now_ns);
  if (e->told_ns && now_ns - e->told_ns >= g->config.stop_ns)
    end_by_force(g, e, p, "it does not end by itself");
}

void tf_group_engines_follow(tf_group_engines_t *engines, tf_group_t *group, uint64_t now_ns) {
  uint32_t epoch;
  reap(engines, group, now_ns);
  for (uint32_t p = 0; p < group->config.partition_cnt; p++) {
    tf_group_engine_t *e = &engines->engines[p];
    if (e->pid) {
      hear(engines, group, p, now_ns);
      watch(engines, group, p, now_ns);
    } else if (group->own[p].gives_up) {
      tf_group_stopped(group, p);
    } else if (now_ns >= e->not_before_ns && tf_group_holds(group, p, now_ns, &epoch) &&
               group->safe_until_ns - now_ns >= group->config.lease_ns * 3 / 8) {
      start(engines, p, epoch, now_ns);
    }
  }
}

void tf_group_engines_end(tf_group_engines_t *engines, uint32_t partition_cnt) {
  for (uint32_t p = 0; p < partition_cnt; p++)
    if (engines->engines[p].pid) (void)kill(engines->engines[p].pid, SIGKILL);
  for (uint32_t p = 0; p < partition_cnt; p++)
    if (engines->engines[p].pid) (void)waitpid(engines->engines[p].pid, NULL, 0);
}
