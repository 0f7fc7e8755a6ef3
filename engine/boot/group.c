#include "boot/group.h"

#include <string.h>

#include "core/error.h"

/* ---- the table ---- */

size_t tf_group_table_bytes(const tf_group_table_t *table) {
  return sizeof table->head + table->head.member_cnt * sizeof table->members[0] +
         table->head.partition_cnt * sizeof table->partitions[0];
}

static tf_err_t check_members(const tf_group_table_t *table) {
  for (uint32_t i = 0; i < table->head.member_cnt; i++) {
    const tf_group_member_t *m = &table->members[i];
    if (!memchr(m->name, '\0', sizeof m->name) || (m->name[0] && m->session == 0))
      return TF_ERR(E_GROUP_STORE, "the group's table: row %u is not a member's", i);
  }
  for (uint32_t i = 0; i < table->head.partition_cnt; i++) {
    uint32_t place = table->partitions[i].member;
    if (place != TF_GROUP_NOBODY &&
        (place >= table->head.member_cnt || !table->members[place].name[0]))
      return TF_ERR(E_GROUP_STORE,
                    "the group's table: partition %u is held by row %u, which is nobody's", i,
                    place);
  }
  return TF_OK;
}

tf_err_t tf_group_table_read(const void *bytes, size_t bytes_cnt, tf_group_table_t *table) {
  tf_group_head_t head;
  if (bytes_cnt < sizeof head)
    return TF_ERR(E_GROUP_STORE, "the group's table: %zu bytes; its head alone has %zu", bytes_cnt,
                  sizeof head);
  memcpy(&head, bytes, sizeof head);
  if (head.magic != TF_GROUP_MAGIC || head.version != TF_GROUP_VERSION)
    return TF_ERR(E_GROUP_STORE, "the group's table: not one, or not of version %u",
                  TF_GROUP_VERSION);
  if (head.member_cnt > TF_GROUP_MEMBERS_MAX || head.partition_cnt > TF_GROUP_PARTITIONS_MAX)
    return TF_ERR(E_GROUP_STORE, "the group's table: %u members, %u partitions; at most %u and %u",
                  head.member_cnt, head.partition_cnt, TF_GROUP_MEMBERS_MAX,
                  TF_GROUP_PARTITIONS_MAX);
  memset(table, 0, sizeof *table);
  table->head                  = head;
  const uint8_t *from          = (const uint8_t *)bytes + sizeof head;
  size_t         members_bytes = head.member_cnt * sizeof table->members[0];
  if (bytes_cnt != tf_group_table_bytes(table))
    return TF_ERR(E_GROUP_STORE, "the group's table: %zu bytes; its head says %zu", bytes_cnt,
                  tf_group_table_bytes(table));
  memcpy(table->members, from, members_bytes);
  memcpy(table->partitions, from + members_bytes, head.partition_cnt * sizeof table->partitions[0]);
  return check_members(table);
}

static bool is_member(const tf_group_table_t *t, uint32_t place) {
  return place < t->head.member_cnt && t->members[place].name[0] != '\0';
}

/* It is there, and takes partitions. */
static bool is_active(const tf_group_table_t *t, uint32_t place) {
  return is_member(t, place) && !(t->members[place].flags & TF_GROUP_MEMBER_LEAVES);
}

uint32_t tf_group_held_cnt(const tf_group_table_t *table, uint32_t place) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < table->head.partition_cnt; i++)
    cnt += table->partitions[i].member == place;
  return cnt;
}

/* ---- who ought to have how many ---- */

static uint32_t at_most(const tf_group_table_t *t, uint32_t place, uint32_t level) {
  uint32_t max = t->members[place].share_max;
  return max && max < level ? max : level;
}

/* How many partitions are had if everybody has level, but for those that have a lower bound. */
static uint32_t filled(const tf_group_table_t *t, uint32_t level) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < t->head.member_cnt; i++)
    if (is_active(t, i)) cnt += at_most(t, i, level);
  return cnt;
}

/* The highest level to which there are partitions enough for everybody. */
static uint32_t level_of(const tf_group_table_t *t) {
  uint32_t low = 0, high = t->head.partition_cnt;
  while (low < high) {
    uint32_t middle = (low + high + 1) / 2;
    if (filled(t, middle) <= t->head.partition_cnt)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

/* The partitions that are left above the level go to those that hold most, so that nothing moves for them. */
uint32_t tf_group_share(const tf_group_table_t *table, uint32_t place) {
  if (!is_active(table, place)) return 0;
  uint32_t level = level_of(table), before = 0, held = tf_group_held_cnt(table, place);
  uint32_t left = table->head.partition_cnt - filled(table, level);
  if (at_most(table, place, level + 1) == at_most(table, place, level))
    return at_most(table, place, level);
  for (uint32_t i = 0; i < table->head.member_cnt; i++) {
    if (i == place || !is_active(table, i) ||
        at_most(table, i, level + 1) == at_most(table, i, level))
      continue;
    uint32_t other = tf_group_held_cnt(table, i);
    before += other > held || (other == held && i < place);
  }
  return level + (before < left);
}

bool tf_group_is_settled(const tf_group_table_t *table) {
  for (uint32_t i = 0; i < table->head.member_cnt; i++)
    if (is_member(table, i) && tf_group_held_cnt(table, i) != tf_group_share(table, i))
      return false;
  return true;
}

/* ---- a member ---- */

tf_err_t tf_group_init(tf_group_t *group, const tf_group_config_t *config) {
  size_t chars = strlen(config->member);
  if (chars == 0 || chars >= TF_GROUP_NAME_BYTES)
    return TF_ERR(E_CONFIG_VALUE, "group.member: %zu characters; 1 to %u are allowed", chars,
                  TF_GROUP_NAME_BYTES - 1);
  if (config->partition_cnt == 0 || config->partition_cnt > TF_GROUP_PARTITIONS_MAX)
    return TF_ERR(E_CONFIG_VALUE, "group.partitions: %u; 1 to %u are allowed",
                  config->partition_cnt, TF_GROUP_PARTITIONS_MAX);
  TF_ASSERT(config->session != 0);
  TF_ASSERT(config->lease_ns >= 100 * TF_NS_PER_MS);
  memset(group, 0, sizeof *group);
  group->config = *config;
  group->place  = TF_GROUP_NOBODY;
  group->does   = TF_GROUP_READ;
  return TF_OK;
}

static uint32_t own_place(const tf_group_t *g, const tf_group_table_t *t) {
  for (uint32_t i = 0; i < t->head.member_cnt; i++)
    if (is_member(t, i) && t->members[i].session == g->config.session) return i;
  return TF_GROUP_NOBODY;
}

static void lapse(tf_group_t *g) {
  g->counts.lapses += g->safe_until_ns != 0 && !g->leaves;
  g->safe_until_ns = 0;
}

/* Of what it has too much, the last partitions are given up; those that are being given up already come first. */
static void choose_given_up(tf_group_t *g, uint32_t share) {
  uint32_t over = g->held_cnt > share ? g->held_cnt - share : 0;
  for (uint32_t i = 0; i < g->config.partition_cnt; i++) {
    tf_group_own_t *own = &g->own[i];
    own->gives_up       = own->gives_up && over > 0;
    over -= own->gives_up;
  }
  for (uint32_t i = g->config.partition_cnt; i-- > 0 && over > 0;) {
    if (g->own[i].epoch == 0 || g->own[i].gives_up) continue;
    g->own[i].gives_up = true;
    over--;
  }
}

static void look_at(tf_group_t *g, uint64_t now_ns) {
  const tf_group_table_t *t = &g->table;
  for (uint32_t i = 0; i < TF_GROUP_MEMBERS_MAX; i++) {
    const tf_group_member_t *m    = &t->members[i];
    tf_group_seen_t         *seen = &g->seen[i];
    if (seen->session != m->session || seen->beat != m->beat)
      *seen = (tf_group_seen_t){m->session, m->beat, now_ns};
  }
  if (g->table_id == t->head.id) return;
  g->table_id       = t->head.id;
  g->table_since_ns = now_ns;
}

/* table is what the store has: what of it is this member's. */
static void take_over(tf_group_t *g, uint64_t now_ns) {
  const tf_group_table_t *t = &g->table;
  look_at(g, now_ns);
  g->place    = own_place(g, t);
  g->held_cnt = 0;
  for (uint32_t i = 0; i < g->config.partition_cnt; i++) {
    const tf_group_partition_t *p       = &t->partitions[i];
    bool                        is_held = g->place != TF_GROUP_NOBODY && p->member == g->place;
    if (!is_held || g->own[i].epoch != p->epoch)
      g->own[i] = (tf_group_own_t){.epoch = is_held ? p->epoch : 0};
    g->held_cnt += is_held;
  }
  if (g->place == TF_GROUP_NOBODY)
    lapse(g);
  else
    choose_given_up(g, tf_group_share(t, g->place));
}

bool tf_group_holds(const tf_group_t *group, uint32_t partition, uint64_t now_ns, uint32_t *epoch) {
  const tf_group_own_t *own = &group->own[partition];
  *epoch                    = own->epoch;
  return own->epoch != 0 && own->used_epoch != own->epoch && !own->gives_up &&
         now_ns < group->safe_until_ns;
}

void tf_group_stopped(tf_group_t *group, uint32_t partition) {
  group->own[partition].stopped = group->own[partition].gives_up;
}

void tf_group_used(tf_group_t *group, uint32_t partition, uint32_t epoch) {
  if (group->own[partition].epoch == epoch) group->own[partition].used_epoch = epoch;
}

static uint32_t saturate(uint64_t cnt) { return cnt > UINT32_MAX ? UINT32_MAX : (uint32_t)cnt; }

void tf_group_tell(tf_group_t *group, uint32_t partition, uint64_t events_behind,
                   uint64_t decisions_behind) {
  group->own[partition].events_behind    = saturate(events_behind);
  group->own[partition].decisions_behind = saturate(decisions_behind);
}

void tf_group_leave(tf_group_t *group) { group->leaves = true; }

/* ---- the next table ---- */

static void set_free(tf_group_partition_t *p) {
  *p = (tf_group_partition_t){.epoch = p->epoch, .member = TF_GROUP_NOBODY};
}

static void free_partitions_of(tf_group_table_t *t, uint32_t place) {
  for (uint32_t i = 0; i < t->head.partition_cnt; i++)
    if (t->partitions[i].member == place) set_free(&t->partitions[i]);
}

static void evict(tf_group_t *g, uint64_t now_ns) {
  for (uint32_t i = 0; i < g->next.head.member_cnt; i++) {
    if (!is_member(&g->next, i) || i == g->place) continue;
    if (now_ns - g->seen[i].since_ns < g->config.lease_ns) continue;
    free_partitions_of(&g->next, i);
    memset(&g->next.members[i], 0, sizeof g->next.members[i]);
  }
}

/* Its row in the next table; TF_GROUP_NOBODY: there is no room. */
static uint32_t sit_down(tf_group_t *g) {
  tf_group_table_t *t     = &g->next;
  uint32_t          place = g->place;
  for (uint32_t i = 0; i < TF_GROUP_MEMBERS_MAX && place == TF_GROUP_NOBODY; i++)
    if (i >= t->head.member_cnt || !t->members[i].name[0]) place = i;
  if (place == TF_GROUP_NOBODY) return place;
  if (place >= t->head.member_cnt) t->head.member_cnt = place + 1;
  tf_group_member_t *m = &t->members[place];
  memset(m, 0, sizeof *m);
  memcpy(m->name, g->config.member, strlen(g->config.member));
  m->session   = g->config.session;
  m->beat      = ++g->beat;
  m->share_max = g->config.share_max;
  m->flags     = g->leaves ? TF_GROUP_MEMBER_LEAVES : 0;
  return place;
}

/* Releases, later epochs, how far its engines are. Returns how many it has then. */
static uint32_t put_back(tf_group_t *g, uint32_t place) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < g->config.partition_cnt; i++) {
    tf_group_partition_t *p   = &g->next.partitions[i];
    const tf_group_own_t *own = &g->own[i];
    if (p->member != place) continue;
    p->events_behind    = own->events_behind;
    p->decisions_behind = own->decisions_behind;
    if (own->stopped)
      set_free(p);
    else if (own->used_epoch == p->epoch)
      p->epoch++;
    cnt += p->member == place;
  }
  return cnt;
}

/* What is free, up to the share. */
static uint32_t take_free(tf_group_t *g, uint32_t place, uint32_t cnt) {
  uint32_t share = g->next.head.flags & TF_GROUP_OPEN ? tf_group_share(&g->next, place) : 0;
  for (uint32_t i = 0; i < g->config.partition_cnt && cnt < share; i++) {
    tf_group_partition_t *p = &g->next.partitions[i];
    if (p->member != TF_GROUP_NOBODY) continue;
    p->member = (uint16_t)place;
    p->epoch++;
    cnt++;
  }
  return cnt;
}

/* One that nobody has written yet; of one that the store has lost the epochs are remembered, and a member
 * that has just begun knows by the seconds since 1970 what must be later than they. */
static void make_table(tf_group_t *g, uint64_t now_ns) {
  tf_group_table_t *t        = &g->table;
  bool              is_known = t->head.magic != 0;
  uint32_t          floor    = (uint32_t)((now_ns + g->config.wall_offset_ns) / TF_NS_PER_SEC);
  memset(t->members, 0, sizeof t->members);
  t->head = (tf_group_head_t){.magic         = TF_GROUP_MAGIC,
                              .version       = TF_GROUP_VERSION,
                              .partition_cnt = g->config.partition_cnt,
                              .lease_ns      = g->config.lease_ns,
                              .id            = g->config.session + g->beat};
  for (uint32_t i = 0; i < g->config.partition_cnt; i++) {
    uint32_t epoch = is_known ? t->partitions[i].epoch + TF_GROUP_EPOCHS_LOST : 0;
    t->partitions[i] =
        (tf_group_partition_t){.epoch = epoch > floor ? epoch : floor, .member = TF_GROUP_NOBODY};
  }
}

static bool is_looked_at(const tf_group_t *g, uint64_t now_ns) {
  return g->table_id == g->table.head.id && now_ns - g->table_since_ns >= g->config.lease_ns;
}

/* Does next say anything but this member's beat? */
static bool is_news(const tf_group_t *g) {
  const tf_group_table_t *a = &g->table, *b = &g->next;
  tf_group_member_t       own = g->next.members[g->place];
  if (memcmp(&a->head, &b->head, sizeof a->head) != 0) return true;
  own.beat = a->members[g->place].beat;
  for (uint32_t i = 0; i < a->head.member_cnt; i++)
    if (memcmp(&a->members[i], i == g->place ? &own : &b->members[i], sizeof own) != 0) return true;
  for (uint32_t i = 0; i < a->head.partition_cnt; i++)
    if (a->partitions[i].member != b->partitions[i].member ||
        a->partitions[i].epoch != b->partitions[i].epoch)
      return true;
  return false;
}

/* True: next is to be written. */
static bool propose(tf_group_t *g, uint64_t now_ns) {
  if (g->leaves && g->place == TF_GROUP_NOBODY) return false;
  if (g->revision == 0) make_table(g, now_ns);
  g->next = g->table;
  evict(g, now_ns);
  if (is_looked_at(g, now_ns)) g->next.head.flags |= TF_GROUP_OPEN;
  uint32_t place = sit_down(g);
  if (place == TF_GROUP_NOBODY) return false;
  uint32_t cnt = take_free(g, place, put_back(g, place));
  if (cnt == 0 && g->leaves) memset(&g->next.members[place], 0, sizeof g->next.members[place]);
  if (g->revision == 0 || g->place == TF_GROUP_NOBODY || is_news(g)) return true;
  return now_ns - g->renewed_ns >= g->config.lease_ns / TF_GROUP_BEATS_A_LEASE;
}

/* ---- when ---- */

static void wait_for(tf_group_t *g, uint64_t now_ns, uint32_t times_a_lease) {
  g->does    = TF_GROUP_WAIT;
  g->retries = times_a_lease == TF_GROUP_RETRIES_A_LEASE;
  g->next_ns = now_ns + g->config.lease_ns / times_a_lease;
}

static void wait_at_most(tf_group_t *g, uint64_t now_ns, uint64_t until_ns) {
  if (until_ns < g->next_ns) g->next_ns = until_ns > now_ns ? until_ns : now_ns;
}

/* Until the next beat, or another member's end; sooner where partitions are about to change hands. */
static void rest(tf_group_t *g, uint64_t now_ns) {
  bool is_open = (g->table.head.flags & TF_GROUP_OPEN) != 0;
  bool is_calm = !g->leaves && (!is_open || tf_group_is_settled(&g->table));
  wait_for(g, now_ns, is_calm ? TF_GROUP_BEATS_A_LEASE : TF_GROUP_POLLS_A_LEASE);
  if (g->renewed_ns)
    wait_at_most(g, now_ns, g->renewed_ns + g->config.lease_ns / TF_GROUP_BEATS_A_LEASE);
  if (!is_open) wait_at_most(g, now_ns, g->table_since_ns + g->config.lease_ns);
  for (uint32_t i = 0; i < g->table.head.member_cnt; i++)
    if (is_member(&g->table, i) && i != g->place)
      wait_at_most(g, now_ns, g->seen[i].since_ns + g->config.lease_ns);
}

/* What the store does not know yet and ought to. */
static bool has_wishes(const tf_group_t *g) {
  if (g->retries || g->place == TF_GROUP_NOBODY) return false;
  if (g->leaves && !(g->table.members[g->place].flags & TF_GROUP_MEMBER_LEAVES)) return true;
  for (uint32_t i = 0; i < g->config.partition_cnt; i++)
    if (g->own[i].stopped || (g->own[i].epoch && g->own[i].used_epoch == g->own[i].epoch))
      return true;
  return false;
}

tf_group_do_t tf_group_next(tf_group_t *group, uint64_t now_ns) {
  if (group->safe_until_ns && now_ns >= group->safe_until_ns) lapse(group);
  if (group->does == TF_GROUP_WAIT && (now_ns >= group->next_ns || has_wishes(group)))
    group->does = TF_GROUP_READ;
  return group->does;
}

/* ---- answers ---- */

static uint64_t safe_from(const tf_group_t *g, uint64_t sent_ns) {
  return sent_ns + g->config.lease_ns - g->config.lease_ns / 64;
}

/* The store has this member's newest beat, which was sent at sent_ns. */
static void renewed(tf_group_t *g) {
  g->renewed_ns    = g->sent_ns;
  g->safe_until_ns = safe_from(g, g->sent_ns);
  g->is_doubted    = false;
}

static tf_err_t check_same_group(const tf_group_t *g, const tf_group_table_t *t) {
  if (t->head.partition_cnt != g->config.partition_cnt)
    return TF_ERR(E_CONFIG_CONFLICT,
                  "group.partitions: %u, and the group has %u: all members want the same number",
                  g->config.partition_cnt, t->head.partition_cnt);
  if (t->head.lease_ns != g->config.lease_ns)
    return TF_ERR(E_CONFIG_CONFLICT,
                  "group.lease: %llu ms, and the group has %llu ms: all members want the same",
                  (unsigned long long)(g->config.lease_ns / TF_NS_PER_MS),
                  (unsigned long long)(t->head.lease_ns / TF_NS_PER_MS));
  return TF_OK;
}

static void decide(tf_group_t *g, uint64_t now_ns) {
  if (propose(g, now_ns))
    g->does = TF_GROUP_SWAP;
  else if (g->leaves && g->place == TF_GROUP_NOBODY)
    g->does = TF_GROUP_LEFT;
  else
    rest(g, now_ns);
}

tf_err_t tf_group_was_read(tf_group_t *group, tf_group_result_t result, const void *bytes,
                           size_t bytes_cnt, uint64_t revision, uint64_t now_ns) {
  tf_group_table_t *t   = &group->next; /* next is made anew of each table that was read */
  tf_err_t          err = TF_OK;
  group->counts.reads++;
  if (result != TF_GROUP_DONE) {
    group->counts.failed++;
    wait_for(group, now_ns, TF_GROUP_RETRIES_A_LEASE);
    return TF_OK;
  }
  if (revision != 0) err = tf_group_table_read(bytes, bytes_cnt, t);
  if (revision != 0 && !err) err = check_same_group(group, t);
  if (err) {
    wait_for(group, now_ns, TF_GROUP_RETRIES_A_LEASE);
    return err;
  }
  if (revision != 0) group->table = *t;
  group->revision = revision;
  if (revision != 0) take_over(group, now_ns);
  if (group->is_doubted && group->place != TF_GROUP_NOBODY &&
      group->table.members[group->place].beat == group->beat && revision != 0)
    renewed(group);
  decide(group, now_ns);
  return TF_OK;
}

void tf_group_swap_begins(tf_group_t *group, uint64_t now_ns) {
  TF_ASSERT(group->does == TF_GROUP_SWAP);
  group->sent_ns    = now_ns;
  group->is_doubted = true;
}

static void count_changes(tf_group_t *g) {
  for (uint32_t i = 0; i < g->config.partition_cnt; i++) {
    bool is = g->place != TF_GROUP_NOBODY && g->next.partitions[i].member == g->place;
    g->counts.taken += is && g->own[i].epoch == 0;
    g->counts.given_up += !is && g->own[i].epoch != 0;
  }
  for (uint32_t i = 0; i < g->table.head.member_cnt; i++)
    g->counts.evicted += is_member(&g->table, i) && !is_member(&g->next, i) &&
                         g->table.members[i].session != g->config.session;
}

void tf_group_was_swapped(tf_group_t *group, tf_group_result_t result, uint64_t revision,
                          uint64_t now_ns) {
  group->counts.swaps++;
  group->counts.lost += result == TF_GROUP_LOST;
  group->counts.failed += result == TF_GROUP_FAILED;
  if (result == TF_GROUP_FAILED) {
    wait_for(group, now_ns, TF_GROUP_RETRIES_A_LEASE);
    return;
  }
  group->does = TF_GROUP_READ;
  if (result == TF_GROUP_LOST) {
    group->is_doubted = false;
    return;
  }
  bool leaves  = group->leaves;
  group->place = own_place(group, &group->next);
  count_changes(group);
  group->table    = group->next;
  group->revision = revision;
  renewed(group);
  take_over(group, now_ns);
  if (leaves && group->place == TF_GROUP_NOBODY)
    group->does = TF_GROUP_LEFT;
  else
    rest(group, now_ns);
}
