#include "par/job.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/guard.h"
#include "par/monotonic.h"
#include "par/thread.h"

enum { LOOK_MOST_MS = 1000 }; /* that the time between two looks counts */

/* A log line on its way to the caller. */
struct line {
    struct line *next;
    b10_log_level level;
    char text[];
};

/* A report that the task waits to see answered. */
struct question {
    const struct b10_progress *report; /* borrowed from the job's thread, which waits; NULL: none */
    int answer;
};

struct job {
    const struct job_task *task;
    void *state;
    struct log log;           /* the task's: into `lines` */
    struct progress progress; /* the task's */
    struct cancel stop;
    struct b10_error error;
    enum b10_reason reason;
    pthread_t thread;

    pthread_mutex_t lock; /* the rest is under it */
    pthread_cond_t news;  /* for the caller */
    pthread_cond_t told;  /* for the job's thread: the question is answered */
    struct question question;
    struct line *first; /* owned */
    struct line **last;
    bool done;
    bool abandoned;
};

/* ---- the job's thread ---- */

static void add_line(void *user, b10_log_level level, const char *text)
{
    struct job *job = user;
    const size_t size = strlen(text) + 1;
    struct line *line = malloc(sizeof(*line) + size);
    if (line == NULL)
        return; /* a line is lost, the operation is not */
    *line = (struct line){.level = level};
    memcpy(line->text, text, size);
    pthread_mutex_lock(&job->lock);
    *job->last = line;
    job->last = &line->next;
    pthread_cond_signal(&job->news);
    pthread_mutex_unlock(&job->lock);
}

/* Hands the report over; nobody answers any more once the job is abandoned. */
static int hand_over(void *user, const struct b10_progress *report)
{
    struct job *job = user;
    pthread_mutex_lock(&job->lock);
    job->question = (struct question){.report = report};
    pthread_cond_signal(&job->news);
    while (job->question.report != NULL && !job->abandoned)
        pthread_cond_wait(&job->told, &job->lock);
    const int answer = job->question.answer;
    pthread_mutex_unlock(&job->lock);
    return answer;
}

static void job_free(struct job *job)
{
    while (job->first != NULL) {
        struct line *line = job->first;
        job->first = line->next;
        free(line);
    }
    pthread_mutex_destroy(&job->lock);
    pthread_cond_destroy(&job->news);
    pthread_cond_destroy(&job->told);
    free(job);
}

static void *run_task(void *argument)
{
    struct job *job = argument;
    progress_thread(&job->progress, 1);
    job->reason = job->task->run(job->state, &job->log, &job->progress, &job->error);
    progress_thread(&job->progress, -1);
    pthread_mutex_lock(&job->lock);
    const bool abandoned = job->abandoned;
    job->done = true;
    pthread_cond_signal(&job->news);
    pthread_mutex_unlock(&job->lock);
    if (abandoned) {
        job->task->release(job->state);
        job_free(job);
    }
    return NULL;
}

/* ---- the caller's thread ---- */

/* What the caller keeps an eye on while it waits. */
struct watch {
    const struct job_listener *listener;
    const char *object;
    uint64_t started_ns;
    uint64_t moves;      /* as last seen */
    uint64_t looked_ns;  /* when they were last looked at */
    uint64_t quiet_ns;   /* how long they have not changed, as seen */
    uint64_t told_ns;    /* when the callback was last called */
    uint64_t stopped_ns; /* when the stop sign went up; 0: it is not */
    bool late;           /* because of the deadline */
};

static uint64_t ms_since(uint64_t then_ns)
{
    return (clock_now_ns() - then_ns) / 1000000;
}

static void stop(struct job *job, struct watch *watch, const struct b10_error *why)
{
    cancel_trip(&job->stop, why);
    watch->stopped_ns = clock_now_ns();
}

static void cancel(struct job *job, struct watch *watch, const char *by)
{
    struct b10_error why = ERROR_NONE;
    if (watch->stopped_ns != 0)
        return;
    error_set(&why, B10_REASON_CANCELLED, "cancelled by %s", by);
    stop(job, watch, &why);
}

/* Under the lock, which is open while the callback runs. */
static void deliver_lines(struct job *job, const struct watch *watch)
{
    struct line *lines = job->first;
    job->first = NULL;
    job->last = &job->first;
    pthread_mutex_unlock(&job->lock);
    while (lines != NULL) {
        SCOPED(heap) struct line *line = lines;
        lines = line->next;
        if (watch->listener->log != NULL)
            watch->listener->log(watch->listener->log_user, line->level, line->text);
    }
    pthread_mutex_lock(&job->lock);
}

static int tell(struct watch *watch, const struct b10_progress *report)
{
    watch->told_ns = clock_now_ns();
    if (watch->listener->progress == NULL)
        return 0;
    return watch->listener->progress(watch->listener->progress_user, report);
}

/* Under the lock, likewise. */
static void answer(struct job *job, struct watch *watch)
{
    const struct b10_progress report = *job->question.report;
    pthread_mutex_unlock(&job->lock);
    const int said = tell(watch, &report);
    if (said != 0)
        cancel(job, watch, "the progress callback");
    pthread_mutex_lock(&job->lock);
    job->question = (struct question){.answer = said};
    pthread_cond_signal(&job->told);
}

static void tell_on_time(struct job *job, struct watch *watch)
{
    struct b10_progress now;
    if (watch->listener->progress == NULL || watch->stopped_ns != 0 ||
        ms_since(watch->told_ns) < PROGRESS_INTERVAL_MS)
        return;
    progress_read(&job->progress, &now);
    if (tell(watch, &now) != 0)
        cancel(job, watch, "the progress callback");
}

/* A long gap between two looks counts little: what stopped the caller (a frozen container, a paused
 * machine, a callback of its own) has mostly stopped the job, too. */
static void look_at_moves(const struct job *job, struct watch *watch)
{
    const uint64_t moves = atomic_load(&job->progress.moves);
    const uint64_t now_ns = clock_now_ns();
    const uint64_t gap_ns = now_ns - watch->looked_ns;
    const uint64_t most_ns = (uint64_t)LOOK_MOST_MS * 1000000;
    watch->quiet_ns =
        moves == watch->moves ? watch->quiet_ns + (gap_ns < most_ns ? gap_ns : most_ns) : 0;
    watch->moves = moves;
    watch->looked_ns = now_ns;
}

static void look_at_deadline(struct job *job, struct watch *watch)
{
    struct b10_error why = ERROR_NONE;
    struct b10_progress now;
    const uint64_t limit_s = atomic_load(&job->progress.limit_s);
    const bool late = limit_s > 0 ? ms_since(watch->started_ns) >= limit_s * 1000
                                  : watch->quiet_ns >= JOB_QUIET_S * UINT64_C(1000000000);
    if (!late || watch->late)
        return;
    watch->late = true;
    progress_read(&job->progress, &now);
    if (limit_s > 0)
        error_set(&why, B10_REASON_TIMEOUT, "'%s': not done after %" PRIu64 " s%s%s", watch->object,
                  limit_s, *now.phase != '\0' ? ", still in phase " : "", now.phase);
    else
        error_set(&why, B10_REASON_TIMEOUT, "'%s' has not answered for %d s%s%s", watch->object,
                  (int)JOB_QUIET_S, *now.phase != '\0' ? ", in phase " : "", now.phase);
    stop(job, watch, &why);
}

/* The task had its moment to end. */
static bool is_hopeless(const struct watch *watch)
{
    if (watch->late)
        return ms_since(watch->stopped_ns) >= JOB_TIMEOUT_GRACE_MS;
    return watch->stopped_ns != 0 && ms_since(watch->stopped_ns) >= JOB_CANCELLED_GRACE_MS &&
           watch->quiet_ns >= JOB_CANCELLED_GRACE_MS * UINT64_C(1000000);
}

static void look_around(struct job *job, struct watch *watch)
{
    const struct job_listener *listener = watch->listener;
    tell_on_time(job, watch);
    if (listener->wants_stop != NULL && listener->wants_stop(listener->wants_stop_user))
        cancel(job, watch, "b10_cancel");
    look_at_moves(job, watch);
    look_at_deadline(job, watch);
}

/* Under the lock. From the moment it is open again the job is its thread's, and may be gone. */
static void abandon(struct job *job, unsigned *left, struct b10_error *error)
{
    job->abandoned = true;
    *left = atomic_load(&job->progress.threads);
    (void)!cancel_check(&job->stop, error);
    pthread_detach(job->thread);
    pthread_cond_signal(&job->told);
}

/* Until the task has ended (true) or is left behind. */
static bool listen(struct job *job, struct watch *watch, unsigned *left, struct b10_error *error)
{
    pthread_mutex_lock(&job->lock);
    for (;;) {
        if (job->first != NULL)
            deliver_lines(job, watch);
        else if (job->question.report != NULL)
            answer(job, watch);
        else if (job->done || is_hopeless(watch))
            break;
        else {
            const struct timespec until = monotonic_after_ms(PROGRESS_INTERVAL_MS / 2);
            (void)pthread_cond_timedwait(&job->news, &job->lock, &until);
        }
        pthread_mutex_unlock(&job->lock);
        look_around(job, watch);
        pthread_mutex_lock(&job->lock);
    }
    const bool ended = job->done;
    if (!ended)
        abandon(job, left, error);
    pthread_mutex_unlock(&job->lock);
    return ended;
}

static struct job *job_new(const struct job_task *task, void *state)
{
    struct job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return NULL;
    job->task = task;
    job->state = state;
    job->log = (struct log){.fn = add_line, .user = job, .level = B10_LOG_INFO};
    job->stop = (struct cancel)CANCEL_CLEAR;
    job->error = (struct b10_error)ERROR_NONE;
    job->progress.fn = hand_over;
    job->progress.user = job;
    job->progress.handed_over = true;
    job->progress.stop = &job->stop;
    job->last = &job->first;
    const bool lock = pthread_mutex_init(&job->lock, NULL) == 0;
    const bool news = monotonic_cond_init(&job->news);
    const bool told = monotonic_cond_init(&job->told);
    if (lock && news && told)
        return job;
    free(job); /* what an initialisation that succeeded holds is within it */
    return NULL;
}

/* ---- without a thread ---- */

struct direct {
    const struct job_listener *listener;
    struct cancel stop;
};

static int tell_directly(void *user, const struct b10_progress *report)
{
    struct direct *direct = user;
    const struct job_listener *listener = direct->listener;
    struct b10_error why = ERROR_NONE;
    if (listener->wants_stop != NULL && listener->wants_stop(listener->wants_stop_user)) {
        error_set(&why, B10_REASON_CANCELLED, "cancelled by b10_cancel");
        cancel_trip(&direct->stop, &why);
    }
    return listener->progress == NULL ? 0 : listener->progress(listener->progress_user, report);
}

static enum b10_reason run_directly(const struct job_task *task, void *state,
                                    const struct job_listener *listener, struct b10_error *error)
{
    struct direct direct = {.listener = listener, .stop = CANCEL_CLEAR};
    struct log log = {.fn = listener->log, .user = listener->log_user, .level = B10_LOG_INFO};
    struct progress progress = {.fn = tell_directly, .user = &direct, .stop = &direct.stop};
    return task->run(state, &log, &progress, error);
}

/* ---- the whole ---- */

static enum b10_reason conclude(struct job *job, struct b10_error *error)
{
    pthread_join(job->thread, NULL);
    const enum b10_reason reason = job->reason;
    if (reason != B10_REASON_OK)
        (void)error_copy(error, &job->error);
    job_free(job);
    return reason;
}

enum b10_reason job_run(const struct job_task *task, void *state,
                        const struct job_listener *listener, const char *object, unsigned *left,
                        struct b10_error *error)
{
    const uint64_t now_ns = clock_now_ns();
    struct watch watch = {.listener = listener,
                          .object = object,
                          .started_ns = now_ns,
                          .looked_ns = now_ns,
                          .told_ns = now_ns};
    *left = 0;
    struct job *job = job_new(task, state);
    if (job == NULL)
        return error_no_memory(error);
    if (!thread_start(&job->thread, run_task, job)) {
        job_free(job);
        return run_directly(task, state, listener, error);
    }
    struct b10_error why = ERROR_NONE;
    if (listen(job, &watch, left, &why))
        return conclude(job, error);
    return error_copy(error, &why);
}
