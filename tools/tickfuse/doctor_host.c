/* The checks of files: what the kernel and its settings say of themselves. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define SYS_CPU         "/sys/devices/system/cpu"
#define EXIT_US_MAX     10u /* a deeper idle state's exit latency shows in a tick */
#define MEMLOCK_MIN     (64u << 20)
#define NOFILE_GOOD     4096u
#define NOFILE_MIN      1024u
#define SOMAXCONN_MIN   1024u
#define RMEM_BYTES_MIN  (4u << 20)
#define STEAL_PPM_BAD   10000u
#define STEAL_PPM_WARN  1000u
#define SWAPPINESS_GOOD 10u
#define CPUS_MAX        4096

bool doctor_read(const doctor_host_t *host, const char *path, char *text, size_t bytes) {
  char full[1024];
  text[0] = '\0';
  if ((size_t)snprintf(full, sizeof full, "%s%s", host->root, path) >= sizeof full) return false;
  FILE *file = fopen(full, "re");
  if (!file) return false;
  size_t cnt    = fread(text, 1, bytes - 1, file);
  bool   failed = ferror(file);
  fclose(file);
  while (cnt > 0 && isspace((unsigned char)text[cnt - 1])) cnt--;
  text[cnt] = '\0';
  return !failed;
}

void doctor_say(doctor_finding_t *f, doctor_grade_t grade, const char *says, const char *remedy) {
  f->grade = grade;
  snprintf(f->says, sizeof f->says, "%s", says);
  snprintf(f->remedy, sizeof f->remedy, "%s", remedy);
}

void doctor_value(doctor_finding_t *f, const char *format, ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(f->value, sizeof f->value, format, args);
  va_end(args);
}

static bool read_u64(const doctor_host_t *host, const char *path, uint64_t *value) {
  char text[64], *end;
  if (!doctor_read(host, path, text, sizeof text) || !isdigit((unsigned char)text[0])) return false;
  *value = strtoull(text, &end, 10);
  return *end == '\0';
}

static void unknown(doctor_finding_t *f, const char *path) {
  doctor_value(f, "-");
  doctor_say(f, DOCTOR_UNKNOWN, "the host does not say", "");
  snprintf(f->says, sizeof f->says, "this host has no %s", path);
}

/* ---- kernel and io_uring ---- */

static bool kernel_version(const doctor_host_t *host, char *text, size_t bytes, unsigned *major,
                           unsigned *minor) {
  return doctor_read(host, "/proc/sys/kernel/osrelease", text, bytes) &&
         sscanf(text, "%u.%u", major, minor) == 2;
}

static void check_kernel(const doctor_host_t *host, doctor_finding_t *f) {
  char     text[80];
  unsigned major, minor;
  if (!kernel_version(host, text, sizeof text, &major, &minor)) {
    unknown(f, "/proc/sys/kernel/osrelease");
    return;
  }
  doctor_value(f, "%s", text);
  if (major > 6 || (major == 6 && minor >= 1))
    doctor_say(f, DOCTOR_GOOD, "io_uring with deferred task work (6.1)", "");
  else if (major == 6)
    doctor_say(f, DOCTOR_WARN, "io_uring without deferred task work, which 6.1 has",
               "install a kernel of 6.1 or newer");
  else
    doctor_say(f, DOCTOR_BAD, "no multishot receive before 6.0: the loop falls back to epoll",
               "install a kernel of 6.1 or newer");
}

static void check_io_uring(const doctor_host_t *host, doctor_finding_t *f) {
  uint64_t disabled;
  char     text[80];
  unsigned major, minor;
  if (!read_u64(host, "/proc/sys/kernel/io_uring_disabled", &disabled)) {
    bool old = kernel_version(host, text, sizeof text, &major, &minor) &&
               (major < 6 || (major == 6 && minor < 6));
    unknown(f, "/proc/sys/kernel/io_uring_disabled");
    if (old) doctor_say(f, DOCTOR_GOOD, "before 6.6 there is no switch to disable it", "");
    return;
  }
  doctor_value(f, "io_uring_disabled=%" PRIu64, disabled);
  if (disabled == 0)
    doctor_say(f, DOCTOR_GOOD, "io_uring is allowed to everybody", "");
  else if (disabled == 1)
    doctor_say(f, DOCTOR_WARN, "io_uring is for root and the group in io_uring_group only",
               "sysctl -w kernel.io_uring_disabled=0, or join kernel.io_uring_group");
  else
    doctor_say(f, DOCTOR_BAD, "io_uring is switched off: the loop falls back to epoll",
               "sysctl -w kernel.io_uring_disabled=0");
}

/* ---- cores ---- */

static void check_governor(const doctor_host_t *host, doctor_finding_t *f) {
  char     path[96], text[64], other[64] = "";
  uint32_t cnt = 0, slow = 0;
  for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
    snprintf(path, sizeof path, SYS_CPU "/cpu%d/cpufreq/scaling_governor", cpu);
    if (!doctor_read(host, path, text, sizeof text)) break;
    cnt++;
    if (strcmp(text, "performance") == 0) continue;
    if (slow++ == 0) snprintf(other, sizeof other, "%s", text);
  }
  if (cnt == 0) {
    unknown(f, "cpufreq: a virtual machine's clock is its host's affair");
    return;
  }
  if (slow == 0) {
    doctor_value(f, "performance");
    doctor_say(f, DOCTOR_GOOD, "every core stays at its full clock", "");
    return;
  }
  doctor_value(f, "%s on %u of %u cores", other, slow, cnt);
  doctor_say(f, DOCTOR_WARN, "a core that was idle answers at a low clock first",
             "cpupower frequency-set -g performance");
}

static void check_idle_states(const doctor_host_t *host, doctor_finding_t *f) {
  char     path[96], name[64] = "", text[64];
  uint64_t exit_us = 0, deepest_us = 0;
  int      state = 0;
  for (;; state++) {
    uint64_t off = 0;
    snprintf(path, sizeof path, SYS_CPU "/cpu0/cpuidle/state%d/latency", state);
    if (!read_u64(host, path, &exit_us)) break;
    snprintf(path, sizeof path, SYS_CPU "/cpu0/cpuidle/state%d/disable", state);
    read_u64(host, path, &off);
    if (off || exit_us < deepest_us) continue;
    deepest_us = exit_us;
    snprintf(path, sizeof path, SYS_CPU "/cpu0/cpuidle/state%d/name", state);
    if (doctor_read(host, path, text, sizeof text)) snprintf(name, sizeof name, "%s", text);
  }
  if (state == 0) {
    unknown(f, "cpuidle");
    return;
  }
  doctor_value(f, "%s, %" PRIu64 " us to leave", name, deepest_us);
  if (deepest_us <= EXIT_US_MAX)
    doctor_say(f, DOCTOR_GOOD, "the deepest idle state is left at once", "");
  else
    doctor_say(f, DOCTOR_WARN, "a core that sleeps this deep wakes late; one that spins does not",
               "cpupower idle-set -D 10, or engine.idle: spin");
}

static void check_cpu_list(const doctor_host_t *host, const char *path, const char *good,
                           const char *warn, const char *remedy, doctor_finding_t *f) {
  char text[96];
  bool there = doctor_read(host, path, text, sizeof text);
  if (there && text[0] != '\0' && strcmp(text, "(null)") != 0) {
    doctor_value(f, "%s", text);
    doctor_say(f, DOCTOR_GOOD, good, "");
    return;
  }
  doctor_value(f, "none");
  doctor_say(f, DOCTOR_WARN, warn, remedy);
}

static void check_isolated(const doctor_host_t *host, doctor_finding_t *f) {
  check_cpu_list(host, SYS_CPU "/isolated",
                 "no other task is put on these cores: pin lanes to them",
                 "the scheduler may put other tasks on a lane's core",
                 "kernel command line: isolcpus=managed_irq,domain,2-3 (the lanes' cores)", f);
}

static void check_nohz_full(const doctor_host_t *host, doctor_finding_t *f) {
  check_cpu_list(host, SYS_CPU "/nohz_full", "the timer leaves these cores alone",
                 "the timer interrupts a lane 100 to 1000 times a second",
                 "kernel command line: nohz_full=2-3 rcu_nocbs=2-3 (the lanes' cores)", f);
}

static void check_smt(const doctor_host_t *host, doctor_finding_t *f) {
  uint64_t active;
  char     text[64] = "";
  if (!read_u64(host, SYS_CPU "/smt/active", &active)) {
    unknown(f, SYS_CPU "/smt");
    return;
  }
  if (!active) {
    doctor_value(f, "off");
    doctor_say(f, DOCTOR_GOOD, "each core runs one thread", "");
    return;
  }
  doctor_read(host, SYS_CPU "/cpu0/topology/thread_siblings_list", text, sizeof text);
  doctor_value(f, "on, cpu 0 shares with %s", text);
  doctor_say(f, DOCTOR_WARN, "a sibling shares the core's units and caches with a lane",
             "leave each lane's sibling idle, or echo off > " SYS_CPU "/smt/control");
}

static void check_clocksource(const doctor_host_t *host, doctor_finding_t *f) {
  char text[64];
  if (!doctor_read(host, "/sys/devices/system/clocksource/clocksource0/current_clocksource", text,
                   sizeof text)) {
    unknown(f, "clocksource");
    return;
  }
  doctor_value(f, "%s", text);
  if (strcmp(text, "tsc") == 0 || strcmp(text, "arch_sys_counter") == 0)
    doctor_say(f, DOCTOR_GOOD, "the kernel reads the same counter as we do", "");
  else
    doctor_say(f, DOCTOR_BAD, "the kernel distrusts the time stamp counter; clock calls are slow",
               "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource, or "
               "kernel command line: tsc=reliable");
}

static void check_tsc(const doctor_host_t *host, doctor_finding_t *f) {
  static char text[DOCTOR_TEXT_BYTES];
  bool        there = doctor_read(host, "/proc/cpuinfo", text, sizeof text);
  char       *flags = there ? strstr(text, "\nflags") : NULL;
  if (!flags) {
    unknown(f, "flags line in /proc/cpuinfo");
    return;
  }
  flags[1 + strcspn(flags + 1, "\n")] = '\0';
  bool constant = strstr(flags, " constant_tsc"), nonstop = strstr(flags, " nonstop_tsc");
  doctor_value(f, "%s, %s", constant ? "constant" : "not constant",
               nonstop ? "nonstop" : "stops when idle");
  if (constant && nonstop)
    doctor_say(f, DOCTOR_GOOD, "latencies are measured by a counter of one rate", "");
  else
    doctor_say(f, DOCTOR_BAD, "the time stamp counter changes its rate: latencies are not true",
               "use a processor, or a machine type, with an invariant TSC");
}

static void check_numa(const doctor_host_t *host, doctor_finding_t *f) {
  char     text[64];
  uint64_t balancing = 0;
  if (!doctor_read(host, "/sys/devices/system/node/online", text, sizeof text)) {
    unknown(f, "/sys/devices/system/node");
    return;
  }
  read_u64(host, "/proc/sys/kernel/numa_balancing", &balancing);
  bool several = strpbrk(text, "-,") != NULL;
  doctor_value(f, "nodes %s, balancing %s", text, balancing ? "on" : "off");
  if (!several)
    doctor_say(f, DOCTOR_GOOD, "all memory is equally near", "");
  else if (balancing)
    doctor_say(f, DOCTOR_WARN,
               "the kernel unmaps pages to see who uses them: a lane faults on them",
               "sysctl -w kernel.numa_balancing=0, and pin lanes (engine.lanes[].cpu)");
  else
    doctor_say(f, DOCTOR_WARN, "memory of another node is slower by a half",
               "pin lanes to the network card's node (engine.lanes[].cpu)");
}

/* ---- memory ---- */

static void check_thp(const doctor_host_t *host, doctor_finding_t *f) {
  char text[96];
  if (!doctor_read(host, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text)) {
    unknown(f, "transparent huge pages");
    return;
  }
  char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;
  if (to) *to = '\0';
  const char *word = to ? from + 1 : text;
  doctor_value(f, "%s", word);
  if (strcmp(word, "madvise") == 0)
    doctor_say(f, DOCTOR_GOOD, "the arenas ask for huge pages and get them, others do not", "");
  else if (strcmp(word, "always") == 0)
    doctor_say(f, DOCTOR_WARN, "the kernel compacts memory under every process",
               "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
  else
    doctor_say(f, DOCTOR_WARN, "the arenas get small pages, unless huge ones are reserved",
               "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

static bool field_u64(const char *text, const char *name, uint64_t *value) {
  const char *at = strstr(text, name);
  return at && sscanf(at + strlen(name), " %" SCNu64, value) == 1;
}

static void check_huge_pages(const doctor_host_t *host, doctor_finding_t *f) {
  static char text[DOCTOR_TEXT_BYTES];
  uint64_t    total = 0, spare = 0, size_kb = 0;
  if (!doctor_read(host, "/proc/meminfo", text, sizeof text) ||
      !field_u64(text, "HugePages_Total:", &total) || !field_u64(text, "HugePages_Free:", &spare) ||
      !field_u64(text, "Hugepagesize:", &size_kb)) {
    unknown(f, "huge pages in /proc/meminfo");
    return;
  }
  doctor_value(f, "%" PRIu64 " of %" PRIu64 " free, %" PRIu64 " KiB each", spare, total, size_kb);
  if (spare > 0)
    doctor_say(f, DOCTOR_GOOD, "arenas of that size are on huge pages, for certain", "");
  else
    doctor_say(f, DOCTOR_WARN, "arenas depend on transparent huge pages being found",
               "sysctl -w vm.nr_hugepages=256");
}

static void check_swap(const doctor_host_t *host, doctor_finding_t *f) {
  char     text[4096];
  uint64_t swappiness = 0;
  if (!doctor_read(host, "/proc/swaps", text, sizeof text)) {
    unknown(f, "/proc/swaps");
    return;
  }
  read_u64(host, "/proc/sys/vm/swappiness", &swappiness);
  bool used = strchr(text, '\n') != NULL; /* a line below the heading */
  doctor_value(f, "%s, swappiness %" PRIu64, used ? "on" : "none", swappiness);
  if (!used || swappiness <= SWAPPINESS_GOOD)
    doctor_say(f, DOCTOR_GOOD, "memory stays memory", "");
  else
    doctor_say(f, DOCTOR_WARN, "a page of the engine may have to come from disk",
               "swapoff -a, or sysctl -w vm.swappiness=1");
}

/* ---- limits ---- */

/* The soft limit of a row of /proc/self/limits. */
static bool limit_of(const doctor_host_t *host, const char *name, uint64_t *soft) {
  char text[8192];
  if (!doctor_read(host, "/proc/self/limits", text, sizeof text)) return false;
  const char *at = strstr(text, name);
  if (!at) return false;
  at += strlen(name);
  at += strspn(at, " ");
  if (strncmp(at, "unlimited", 9) == 0)
    *soft = UINT64_MAX;
  else if (sscanf(at, "%" SCNu64, soft) != 1)
    return false;
  return true;
}

static void check_memlock(const doctor_host_t *host, doctor_finding_t *f) {
  uint64_t soft;
  if (!limit_of(host, "Max locked memory", &soft)) {
    unknown(f, "locked memory in /proc/self/limits");
    return;
  }
  if (soft == UINT64_MAX)
    doctor_value(f, "unlimited");
  else
    doctor_value(f, "%" PRIu64 " KiB", soft / 1024);
  char     text[80];
  unsigned major = 0, minor = 0;
  bool     charged = kernel_version(host, text, sizeof text, &major, &minor) &&
                 (major < 5 || (major == 5 && minor < 12));
  if (soft >= MEMLOCK_MIN || !charged)
    doctor_say(f, DOCTOR_GOOD, "the loop's rings fit, or are not charged (5.12 and newer)", "");
  else
    doctor_say(f, DOCTOR_WARN,
               "this kernel charges io_uring's rings to it: the loop may be refused",
               "ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit");
}

static void check_nofile(const doctor_host_t *host, doctor_finding_t *f) {
  uint64_t soft;
  if (!limit_of(host, "Max open files", &soft)) {
    unknown(f, "open files in /proc/self/limits");
    return;
  }
  if (soft == UINT64_MAX)
    doctor_value(f, "unlimited");
  else
    doctor_value(f, "%" PRIu64, soft);
  if (soft >= NOFILE_GOOD)
    doctor_say(f, DOCTOR_GOOD, "enough descriptors for feeds, sinks and clients", "");
  else
    doctor_say(f, soft >= NOFILE_MIN ? DOCTOR_WARN : DOCTOR_BAD,
               "many feeds and websocket clients run out of descriptors",
               "ulimit -n 65536, or LimitNOFILE=65536 in the unit");
}

/* The path of a cgroup controller in /proc/self/cgroup; "" names the unified hierarchy. */
static bool cgroup_path(const doctor_host_t *host, const char *controller, char *path,
                        size_t bytes) {
  char text[8192];
  if (!doctor_read(host, "/proc/self/cgroup", text, sizeof text)) return false;
  for (char *line = text, *next; line && *line; line = next) {
    next = strchr(line, '\n');
    if (next) *next++ = '\0';
    char *names = strchr(line, ':'), *where = names ? strchr(names + 1, ':') : NULL;
    if (!where) continue;
    *where = '\0';
    if (strcmp(names + 1, controller) != 0) continue;
    snprintf(path, bytes, "%s", strcmp(where + 1, "/") == 0 ? "" : where + 1);
    return true;
  }
  return false;
}

static void say_quota(doctor_finding_t *f, double cores) {
  if (cores <= 0) {
    doctor_value(f, "none");
    doctor_say(f, DOCTOR_GOOD, "no quota stops the engine in the middle of a period", "");
    return;
  }
  doctor_value(f, "%.2f cores", cores);
  doctor_say(f, DOCTOR_BAD, "once the quota is used the engine stands still for up to 100 ms",
             "take the CPU limit off (CPUQuota= of the unit, --cpus of the container)");
}

static void check_cpu_quota(const doctor_host_t *host, doctor_finding_t *f) {
  char     path[600], file[700], text[64];
  uint64_t quota_us, period_us;
  if (cgroup_path(host, "", path, sizeof path)) {
    snprintf(file, sizeof file, "/sys/fs/cgroup%s/cpu.max", path);
    if (doctor_read(host, file, text, sizeof text)) {
      bool limited = sscanf(text, "%" SCNu64 " %" SCNu64, &quota_us, &period_us) == 2;
      say_quota(f, limited && period_us > 0 ? (double)quota_us / (double)period_us : 0);
      return;
    }
  }
  if (cgroup_path(host, "cpu", path, sizeof path) ||
      cgroup_path(host, "cpu,cpuacct", path, sizeof path)) {
    snprintf(file, sizeof file, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", path);
    if (read_u64(host, file, &quota_us)) { /* -1, no quota, is not a number of digits */
      snprintf(file, sizeof file, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", path);
      bool known = read_u64(host, file, &period_us) && period_us > 0;
      say_quota(f, known ? (double)quota_us / (double)period_us : 1);
      return;
    }
  }
  say_quota(f, 0); /* the root has no file: nothing can be limited there */
}

static void check_steal(const doctor_host_t *host, doctor_finding_t *f) {
  static char text[DOCTOR_TEXT_BYTES];
  uint64_t    t[8] = {0}, sum = 0;
  if (!doctor_read(host, "/proc/stat", text, sizeof text) ||
      sscanf(text,
             "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
             " %" SCNu64,
             &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8) {
    unknown(f, "steal in /proc/stat");
    return;
  }
  for (int i = 0; i < 8; i++) sum += t[i];
  double ppm = sum ? 1e6 * (double)t[7] / (double)sum : 0;
  doctor_value(f, "%.3f %% since boot", ppm / 1e4);
  if (ppm < STEAL_PPM_WARN)
    doctor_say(f, DOCTOR_GOOD, "the hypervisor gives the cores when they are asked for", "");
  else
    doctor_say(f, ppm < STEAL_PPM_BAD ? DOCTOR_WARN : DOCTOR_BAD,
               "the hypervisor runs others on our cores meanwhile",
               "take an instance with cores of its own (dedicated, or bare metal)");
}

/* ---- interrupts and the network ---- */

static bool process_runs(const doctor_host_t *host, const char *name) {
  char path[1024], text[64];
  bool found = false;
  snprintf(path, sizeof path, "%s/proc", host->root);
  DIR *dir = opendir(path);
  for (struct dirent *e; dir && !found && (e = readdir(dir)) != NULL;) {
    if (!isdigit((unsigned char)e->d_name[0])) continue;
    snprintf(path, sizeof path, "/proc/%s/comm", e->d_name);
    found = doctor_read(host, path, text, sizeof text) && strcmp(text, name) == 0;
  }
  if (dir) closedir(dir);
  return found;
}

static void check_irqbalance(const doctor_host_t *host, doctor_finding_t *f) {
  bool runs = process_runs(host, "irqbalance");
  doctor_value(f, "%s", runs ? "runs" : "does not run");
  if (!runs)
    doctor_say(f, DOCTOR_GOOD, "interrupts stay where they were put", "");
  else
    doctor_say(f, DOCTOR_WARN, "interrupts may be moved onto a lane's core",
               "systemctl stop irqbalance, or IRQBALANCE_BANNED_CPULIST= the lanes' cores");
}

static void check_busy_poll(const doctor_host_t *host, doctor_finding_t *f) {
  uint64_t poll_us, read_us;
  if (!read_u64(host, "/proc/sys/net/core/busy_poll", &poll_us) ||
      !read_u64(host, "/proc/sys/net/core/busy_read", &read_us)) {
    unknown(f, "net.core.busy_poll");
    return;
  }
  doctor_value(f, "poll %" PRIu64 " us, read %" PRIu64 " us", poll_us, read_us);
  if (poll_us > 0 && read_us > 0)
    doctor_say(f, DOCTOR_GOOD, "the kernel polls the network card for whoever waits", "");
  else
    doctor_say(f, DOCTOR_WARN, "packets wait for the card's interrupt",
               "engine.busy_poll: 50us, or sysctl -w net.core.busy_poll=50 net.core.busy_read=50");
}

static void check_at_least(const doctor_host_t *host, const char *path, uint64_t min,
                           const char *good, const char *warn, const char *remedy,
                           doctor_finding_t *f) {
  uint64_t value;
  if (!read_u64(host, path, &value)) {
    unknown(f, path);
    return;
  }
  doctor_value(f, "%" PRIu64, value);
  doctor_say(f, value >= min ? DOCTOR_GOOD : DOCTOR_WARN, value >= min ? good : warn,
             value >= min ? "" : remedy);
}

static void check_somaxconn(const doctor_host_t *host, doctor_finding_t *f) {
  check_at_least(host, "/proc/sys/net/core/somaxconn", SOMAXCONN_MIN,
                 "listeners queue a burst of clients", "a burst of clients is turned away",
                 "sysctl -w net.core.somaxconn=4096", f);
}

static void check_rmem(const doctor_host_t *host, doctor_finding_t *f) {
  check_at_least(host, "/proc/sys/net/core/rmem_max", RMEM_BYTES_MIN,
                 "a burst of market data fits a socket's buffer",
                 "a burst of market data closes the TCP window",
                 "sysctl -w net.core.rmem_max=16777216", f);
}

const doctor_check_t doctor_checks[] = {
    {"kernel",      check_kernel     },
    {"io_uring",    check_io_uring   },
    {"governor",    check_governor   },
    {"idle_states", check_idle_states},
    {"isolated",    check_isolated   },
    {"nohz_full",   check_nohz_full  },
    {"smt",         check_smt        },
    {"thp",         check_thp        },
    {"huge_pages",  check_huge_pages },
    {"memlock",     check_memlock    },
    {"nofile",      check_nofile     },
    {"clocksource", check_clocksource},
    {"tsc",         check_tsc        },
    {"numa",        check_numa       },
    {"swap",        check_swap       },
    {"irqbalance",  check_irqbalance },
    {"busy_poll",   check_busy_poll  },
    {"somaxconn",   check_somaxconn  },
    {"rmem_max",    check_rmem       },
    {"cpu_quota",   check_cpu_quota  },
    {"steal",       check_steal      },
};
const uint32_t doctor_check_cnt = TF_ARRAY_CNT(doctor_checks);
