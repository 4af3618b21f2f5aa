/* Which process this is, in words that another one can check: on which boot of which host, in which
 * pid namespace, since when.
 *
 * A pid alone says nothing: containers have colliding ones, and a number is used again. Only with
 * the same boot id and pid namespace can a process be known to be dead, by its number or by the
 * time at which the one of that number started. Whatever cannot be known counts as alive.
 * Threads: any.
 */
#ifndef FS_PROCESS_H
#define FS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

enum { PROCESS_HOST_SIZE = 65, PROCESS_BOOT_SIZE = 37 };

struct process {
    char host[PROCESS_HOST_SIZE]; /* for people; letters, digits, '.', '-', '_'; "-" if unknown */
    char boot[PROCESS_BOOT_SIZE]; /* the kernel's boot id, "-" if unknown */
    uint64_t pid;
    uint64_t pid_namespace; /* 0: unknown */
    uint64_t start_ticks;   /* since boot; 0: unknown, or shifted by a time namespace */
    bool clock_is_hosts;    /* CLOCK_BOOTTIME counts since that boot, for every process on it */
};

/* This process, as far as /proc tells. */
void process_self(struct process *self);

/* Whether `other` ran where `self` runs and does no more. */
bool process_is_dead(const struct process *other, const struct process *self);

#endif
