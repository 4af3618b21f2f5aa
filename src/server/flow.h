/* Beside a server that starts: load, wait until it is ready, wait until its cache is quiet, compare, save.
 *
 *     flow_load ──▶ flow_wait ──▶ flow_settle ──▶ flow_compare ──▶ flow_save
 *
 * Each can be called by itself, and is a job of its own (api/serve.c): a volume that hangs during the
 * load keeps nobody from saving later, and nobody waits for a server under the time-outs of a
 * volume. What they know of each other is in one struct without pointers, of which every job has its own copy: one
 * that is left behind changes nobody else's.
 *
 * Each logs one line: what it did, in how many seconds.
 * Threads: one at a time; `desk` see there.
 */
#ifndef SERVER_FLOW_H
#define SERVER_FLOW_H

#include "server/await.h"
#include "server/settle.h"

struct flow {
    uint32_t struct_size; /* of a record, see api/operation.c */
    uint32_t phases;      /* b10_serve_phase bits: those that were begun */
    struct b10_report load;
    struct b10_report save;
    struct b10_error load_error; /* code OK: it has loaded, or was not begun */
    struct b10_error save_error;
    struct desk desk; /* open: the host says whether the server is ready */
    bool ready;
    struct awaited awaited;
    struct settled settled;
    uint32_t warmth;      /* b10_warmth */
    uint64_t local_files; /* as in b10_diff_list */
    uint64_t local_bytes;
    uint64_t new_files;
    uint64_t new_bytes;
    uint64_t new_directories;
    char verdict[512];
};

void flow_init(struct flow *flow);

typedef enum b10_reason (*flow_phase_fn)(struct flow *flow, const struct settings *settings,
                                         struct log *log, struct progress *progress,
                                         struct b10_error *error);

MUST_CHECK enum b10_reason flow_load(struct flow *flow, const struct settings *settings,
                                     struct log *log, struct progress *progress,
                                     struct b10_error *error);
MUST_CHECK enum b10_reason flow_wait(struct flow *flow, const struct settings *settings,
                                     struct log *log, struct progress *progress,
                                     struct b10_error *error);
MUST_CHECK enum b10_reason flow_settle(struct flow *flow, const struct settings *settings,
                                       struct log *log, struct progress *progress,
                                       struct b10_error *error);
MUST_CHECK enum b10_reason flow_compare(struct flow *flow, const struct settings *settings,
                                        struct log *log, struct progress *progress,
                                        struct b10_error *error);
MUST_CHECK enum b10_reason flow_save(struct flow *flow, const struct settings *settings,
                                     struct log *log, struct progress *progress,
                                     struct b10_error *error);

/* warmth and verdict, from what the other fields say. */
void flow_judge(struct flow *flow);

#endif
