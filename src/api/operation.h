/* The full calls as jobs: each prepared on the caller's thread, performed on one of its own, so that
 * a volume that hangs holds nobody who may not wait.
 *
 *     prepare (configuration, environment, arguments: copies) ──▶ perform ──▶ result ──▶ free
 *                                                                   └── left behind: the operation is
 *                                                                       its thread's, NULL here
 * full.c builds the synchronous calls on it, async.c the others, simple.c the simple ones.
 * Threads: one at a time.
 */
#ifndef API_OPERATION_H
#define API_OPERATION_H

#include "api/call.h"

struct operation; /* opaque */
struct operation_kind;

extern const struct operation_kind operation_load;
extern const struct operation_kind operation_save;
extern const struct operation_kind operation_clear;
extern const struct operation_kind operation_unload;
extern const struct operation_kind operation_mark;
extern const struct operation_kind operation_prune;
extern const struct operation_kind operation_info;
extern const struct operation_kind operation_list;
extern const struct operation_kind operation_explain;
extern const struct operation_kind operation_diff;
/* phases of b10_serve_flow; the record is a struct flow */
extern const struct operation_kind operation_flow_load;
extern const struct operation_kind operation_flow_wait;
extern const struct operation_kind operation_flow_settle;
extern const struct operation_kind operation_flow_compare;
extern const struct operation_kind operation_flow_save;
extern const struct operation_kind operation_verify;
extern const struct operation_kind operation_doctor;
extern const struct operation_kind operation_transfer;

/* `first`, `second`: text arguments, NULL where the operation has none. FORKED, NO_MEMORY. */
MUST_CHECK enum b10_reason operation_prepare(struct operation **out,
                                             const struct operation_kind *kind, struct call *call,
                                             const b10_config *config, const char *first,
                                             const char *second);

/* operation_prune: by these rules. */
void operation_set_rules(struct operation *operation, const struct b10_prune_rules *rules);

/* The reason that the work came to, its words in call->error. *threads_left: how many threads are
 * still inside a system call; then *operation is theirs and NULL afterwards. */
MUST_CHECK enum b10_reason operation_perform(struct operation **operation, struct call *call,
                                             unsigned *threads_left);

/* The record that the operation filled, or its list; NULL where there is none. */
void *operation_result(struct operation *operation);
void *operation_take_result(struct operation *operation); /* the caller's, to be freed */

void operation_free(struct operation *operation); /* NULL is fine */
void operation_guard(struct operation **operation);

/* The calls without an exported name, so that nothing inside the library calls through one.
 * Promises as in b10transfer.h. */
OperationStatus full_load(const b10_config *config, const b10_options *options, b10_report *report,
                          b10_error *error);
OperationStatus full_save(const b10_config *config, const b10_options *options, b10_report *report,
                          b10_error *error);
OperationStatus full_clear(const b10_config *config, const b10_options *options, b10_report *report,
                           b10_error *error);
OperationStatus full_info(const b10_config *config, const b10_options *options,
                          b10_cache_info *info, b10_error *error);
OperationStatus full_serve(const b10_config *config, const b10_options *options,
                           b10_serve_report *report, b10_error *error);
OperationStatus full_list(const b10_config *config, const b10_options *options,
                          b10_cache_list **list, b10_error *error);

/* INTERNAL, naming the argument. */
enum b10_reason operation_no_argument(struct call *call, const char *function,
                                      const char *argument);

/* INTERNAL unless the caller's report (NULL allowed) has its size. */
MUST_CHECK enum b10_reason operation_check_report(const b10_report *report, struct call *call);

/* Fills the caller's report (NULL allowed) after the operation (NULL: left behind, or never
 * begun). */
void operation_report(b10_report *to, struct operation *operation, enum b10_reason reason,
                      const struct call *call, unsigned threads_left);

#endif
