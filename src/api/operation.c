#include "api/operation.h"

#include <stdlib.h>
#include <string.h>

#include "api/boundary.h"
#include "base/guard.h"
#include "cache/accuse.h"
#include "cache/clear.h"
#include "cache/diff.h"
#include "cache/doctor.h"
#include "cache/explain.h"
#include "cache/inspect.h"
#include "cache/load.h"
#include "cache/prune.h"
#include "cache/save.h"
#include "cache/transfer.h"
#include "cache/unload.h"
#include "server/flow.h"

/* ---- what each of them does, on its job's thread ---- */

/* Everything that an operation touches: its job's own, should the caller leave it behind. */
struct operation {
    const struct operation_kind *kind;
    struct given *given;      /* owned */
    struct settings settings; /* owned; read on the job's thread */
    char *texts[2];           /* owned: arguments */
    struct b10_prune_rules rules;
    void *result; /* owned: the record or the list that it fills; NULL: none yet */
};

struct operation_kind {
    enum b10_reason (*work)(struct operation *operation, struct log *log, struct progress *progress,
                            struct b10_error *error);
    enum settings_need need;
    bool writes_volume; /* B10_SAVE_TIMEOUT_SECONDS counts, not B10_LOAD_TIMEOUT_SECONDS */
    flow_phase_fn flow; /* in place of work: a part of b10_serve_flow, and not its end */
    bool waits;         /* neither counts */
    size_t record_size; /* of the result, a struct that begins with its struct_size; 0: a list */
};

static enum b10_reason work_load(struct operation *operation, struct log *log,
                                 struct progress *progress, struct b10_error *error)
{
    return load_cache(&operation->settings, log, progress, operation->result, error);
}

static enum b10_reason work_save(struct operation *operation, struct log *log,
                                 struct progress *progress, struct b10_error *error)
{
    return save_cache(&operation->settings, log, progress, operation->result, error);
}

static enum b10_reason work_clear(struct operation *operation, struct log *log,
                                  struct progress *progress, struct b10_error *error)
{
    return clear_local(&operation->settings, log, progress, operation->result, error);
}

static enum b10_reason work_unload(struct operation *operation, struct log *log,
                                   struct progress *progress, struct b10_error *error)
{
    return unload_cache(&operation->settings, log, progress, operation->result, error);
}

static enum b10_reason work_mark(struct operation *operation, struct log *log,
                                 struct progress *progress, struct b10_error *error)
{
    return accuse_archive(&operation->settings, operation->texts[0], log, progress, error);
}

static enum b10_reason work_info(struct operation *operation, struct log *log,
                                 struct progress *progress, struct b10_error *error)
{
    return inspect_info(&operation->settings, log, operation->result, progress, error);
}

static enum b10_reason work_list(struct operation *operation, struct log *log,
                                 struct progress *progress, struct b10_error *error)
{
    (void)log;
    struct b10_cache_list *list = NULL;
    TRY(inspect_list(&operation->settings, &list, progress, error));
    operation->result = list;
    return B10_REASON_OK;
}

static enum b10_reason work_diff(struct operation *operation, struct log *log,
                                 struct progress *progress, struct b10_error *error)
{
    struct b10_diff_list *list = NULL;
    TRY(diff_cache(&operation->settings, NULL, &list, log, progress, error));
    operation->result = list;
    return B10_REASON_OK;
}

static enum b10_reason work_explain(struct operation *operation, struct log *log,
                                    struct progress *progress, struct b10_error *error)
{
    struct b10_comparison_list *list = NULL;
    TRY(explain_archives(&operation->settings, &list, log, progress, error));
    operation->result = list;
    return B10_REASON_OK;
}

static enum b10_reason work_prune(struct operation *operation, struct log *log,
                                  struct progress *progress, struct b10_error *error)
{
    struct b10_prune_list *list = NULL;
    TRY(prune_archives(&operation->settings, &operation->rules, &list, log, progress, error));
    operation->result = list;
    return B10_REASON_OK;
}

static enum b10_reason work_doctor(struct operation *operation, struct log *log,
                                   struct progress *progress, struct b10_error *error)
{
    (void)log;
    struct b10_check_list *list = NULL;
    TRY(doctor_examine(&operation->settings, &list, progress, error));
    operation->result = list;
    return B10_REASON_OK;
}

static enum b10_reason work_verify(struct operation *operation, struct log *log,
                                   struct progress *progress, struct b10_error *error)
{
    return inspect_verify(&operation->settings, operation->texts[0], log, progress,
                          operation->result, error);
}

static enum b10_reason work_transfer(struct operation *operation, struct log *log,
                                     struct progress *progress, struct b10_error *error)
{
    return transfer_file(&operation->settings, operation->texts[0], operation->texts[1], log,
                         progress, error);
}

const struct operation_kind operation_load = {.work = work_load,
                                              .need = SETTINGS_VOLUME,
                                              .record_size = sizeof(struct b10_report)};
const struct operation_kind operation_save = {.work = work_save,
                                              .need = SETTINGS_VOLUME,
                                              .writes_volume = true,
                                              .record_size = sizeof(struct b10_report)};
const struct operation_kind operation_clear = {.work = work_clear,
                                               .need = SETTINGS_LOCAL,
                                               .record_size = sizeof(struct b10_report)};
const struct operation_kind operation_unload = {.work = work_unload,
                                                .need = SETTINGS_VOLUME,
                                                .record_size = sizeof(struct b10_report)};
const struct operation_kind operation_mark = {.work = work_mark,
                                              .need = SETTINGS_VOLUME,
                                              .writes_volume = true};
const struct operation_kind operation_prune = {.work = work_prune,
                                               .need = SETTINGS_VOLUME,
                                               .writes_volume = true};
const struct operation_kind operation_info = {.work = work_info,
                                              .need = SETTINGS_LOCAL,
                                              .record_size = sizeof(struct b10_cache_info)};
const struct operation_kind operation_list = {.work = work_list, .need = SETTINGS_LOCAL};
const struct operation_kind operation_explain = {.work = work_explain, .need = SETTINGS_LOCAL};
const struct operation_kind operation_doctor = {.work = work_doctor,
                                                .need = SETTINGS_LOCAL,
                                                .writes_volume = true};
const struct operation_kind operation_diff = {.work = work_diff, .need = SETTINGS_VOLUME};
const struct operation_kind operation_verify = {.work = work_verify,
                                                .need = SETTINGS_LOCAL,
                                                .record_size = sizeof(struct b10_verify_report)};
const struct operation_kind operation_transfer = {.work = work_transfer,
                                                  .need = SETTINGS_LOCAL,
                                                  .writes_volume = true};

#define FLOW_PHASE(function)                                                                       \
    .flow = (function), .need = SETTINGS_VOLUME, .record_size = sizeof(struct flow)

const struct operation_kind operation_flow_load = {FLOW_PHASE(flow_load)};
const struct operation_kind operation_flow_wait = {FLOW_PHASE(flow_wait), .waits = true};
const struct operation_kind operation_flow_settle = {FLOW_PHASE(flow_settle), .waits = true};
const struct operation_kind operation_flow_compare = {FLOW_PHASE(flow_compare)};
const struct operation_kind operation_flow_save = {FLOW_PHASE(flow_save), .writes_volume = true};

/* ---- its life ---- */

static void release(void *state)
{
    struct operation *operation = state;
    if (operation == NULL)
        return;
    given_free(operation->given);
    settings_release(&operation->settings);
    free(operation->texts[0]);
    free(operation->texts[1]);
    free(operation->result);
    free(operation);
}

void operation_free(struct operation *operation)
{
    release(operation);
}

void operation_guard(struct operation **operation)
{
    release(*operation);
    *operation = NULL;
}

/* *result: an empty struct of `size` bytes that begins with its struct_size. */
static enum b10_reason new_record(void **result, size_t size, struct b10_error *error)
{
    const uint32_t struct_size = (uint32_t)size;
    *result = calloc(1, size);
    if (*result == NULL)
        return error_no_memory(error);
    memcpy(*result, &struct_size, sizeof(struct_size));
    return B10_REASON_OK;
}

enum b10_reason operation_prepare(struct operation **out, const struct operation_kind *kind,
                                  struct call *call, const b10_config *config, const char *first,
                                  const char *second)
{
    const char *texts[] = {first, second};
    *out = NULL;
    TRY(call_given(call, config));
    if (kind->flow != NULL)
        TRY(given_for_server(call->given, &call->error));
    SCOPED(operation) struct operation *operation = calloc(1, sizeof(*operation));
    if (operation == NULL)
        return error_no_memory(&call->error);
    operation->kind = kind;
    operation->given = HEAP_TAKE(call->given);
    for (size_t i = 0; i < 2; i++)
        if (texts[i] != NULL && (operation->texts[i] = strdup(texts[i])) == NULL)
            return error_no_memory(&call->error);
    if (kind->record_size > 0)
        TRY(new_record(&operation->result, kind->record_size, &call->error));
    *out = HEAP_TAKE(operation);
    return B10_REASON_OK;
}

void operation_set_rules(struct operation *operation, const struct b10_prune_rules *rules)
{
    operation->rules = *rules;
}

/* On the job's thread: settings, then the work. */
static enum b10_reason run(void *state, struct log *log, struct progress *progress,
                           struct b10_error *error)
{
    struct operation *operation = state;
    const struct operation_kind *kind = operation->kind;
    struct settings *settings = &operation->settings;
    TRY(settings_read(settings, operation->given, kind->need, log, error));
    if (!kind->waits)
        progress_limit(progress,
                       kind->writes_volume ? settings->save_timeout_s : settings->load_timeout_s);
    TRY(progress_step(progress, error));
    if (kind->flow != NULL)
        return kind->flow(operation->result, settings, log, progress, error);
    TRY(kind->work(operation, log, progress, error));
    progress_final(progress);
    return B10_REASON_OK;
}

enum b10_reason operation_perform(struct operation **operation, struct call *call,
                                  unsigned *threads_left)
{
    static const struct job_task task = {run, release};
    char object[1024]; /* the operation's own copy may be gone by then */
    snprintf(object, sizeof(object), "%s", given_shared_dir((*operation)->given));
    const enum b10_reason reason =
        job_run(&task, *operation, &call->listener, object, threads_left, &call->error);
    if (*threads_left > 0)
        *operation = NULL;
    return reason;
}

void *operation_result(struct operation *operation)
{
    return operation == NULL ? NULL : operation->result;
}

void *operation_take_result(struct operation *operation)
{
    return operation == NULL ? NULL : HEAP_TAKE(operation->result);
}
