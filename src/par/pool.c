#include "par/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/guard.h"
#include "par/monotonic.h"
#include "par/thread.h"

/* A task that slept longer than this, and for more than a quarter of its time, waited for a disk. */
enum { WAITED_NS = 1000000, WAITED_PART = 4 };

struct worker {
    struct pool *pool;
    unsigned number;
    pthread_t thread;
};

struct pool {
    const struct pool_work *work;
    void *context;
    struct cancel *cancel;
    struct progress *progress;
    pthread_mutex_t lock;
    pthread_cond_t moved; /* a worker has ended, or a task has waited */
    unsigned wanted;      /* how many workers there may be */
    unsigned started;
    unsigned running;
    uint64_t tasks;         /* that have ended */
    bool waiting;           /* one of them waited: more workers would help */
    bool drained;           /* `next` has said that there are no more */
    struct b10_error first; /* code OK until a task fails */
    struct worker workers[POOL_THREADS_MAX];
};

/* A task that was only told to stop does not hide the failure that stopped it. */
static void record(struct pool *pool, const struct b10_error *error)
{
    if (pool->first.code == B10_REASON_OK && error->code != B10_REASON_CANCELLED)
        pool->first = *error;
}

/* Under the lock. Whoever sees the stop sign after this finds the record filled. */
static void stop_for(struct pool *pool, enum b10_reason reason, struct b10_error *error)
{
    error_complete(error, reason);
    record(pool, error);
    cancel_trip(pool->cancel, error);
}

/* Under the lock: the next task, or false when there is nothing more to do. */
static bool take(struct pool *pool, void *task)
{
    if (pool->drained || cancel_tripped(pool->cancel))
        return false;
    struct b10_error error = ERROR_NONE;
    bool more = false;
    memset(task, 0, pool->work->task_size);
    enum b10_reason reason = pool->work->next(pool->context, task, &more, &error);
    if (reason != B10_REASON_OK)
        stop_for(pool, reason, &error);
    pool->drained = reason != B10_REASON_OK || !more;
    return !pool->drained;
}

static uint64_t thread_time_ns(void)
{
    struct timespec time = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

static bool mostly_slept(uint64_t wall_ns, uint64_t computing_ns)
{
    uint64_t asleep = wall_ns > computing_ns ? wall_ns - computing_ns : 0;
    return asleep > WAITED_NS && asleep > wall_ns / WAITED_PART;
}

/* Does the task; *waited: others could have worked meanwhile. */
static enum b10_reason work_watched(const struct pool *pool, unsigned number, void *task,
                                    bool *waited, struct b10_error *error)
{
    uint64_t begun = clock_now_ns(), computed = thread_time_ns();
    enum b10_reason reason = pool->work->work(pool->context, number, task, error);
    *waited = mostly_slept(clock_now_ns() - begun, thread_time_ns() - computed);
    return reason;
}

/* Under the lock. */
static void note_end(struct pool *pool, bool waited)
{
    pool->tasks++;
    if (!waited || pool->waiting)
        return;
    pool->waiting = true;
    pthread_cond_signal(&pool->moved);
}

/* One task from beginning to end; false when there was none or it failed. */
static bool step(struct pool *pool, unsigned number, void *task)
{
    pthread_mutex_lock(&pool->lock);
    bool taken = take(pool, task);
    bool may_grow = pool->started > 0 && pool->started < pool->wanted;
    pthread_mutex_unlock(&pool->lock);
    if (!taken)
        return false;

    struct b10_error error = ERROR_NONE;
    bool waited = false;
    enum b10_reason reason = may_grow ? work_watched(pool, number, task, &waited, &error)
                                      : pool->work->work(pool->context, number, task, &error);
    pthread_mutex_lock(&pool->lock);
    note_end(pool, waited);
    if (reason != B10_REASON_OK)
        stop_for(pool, reason, &error);
    pthread_mutex_unlock(&pool->lock);
    return reason == B10_REASON_OK;
}

static void *new_task(struct pool *pool)
{
    void *task = malloc(pool->work->task_size > 0 ? pool->work->task_size : 1);
    if (task == NULL) {
        struct b10_error error = ERROR_NONE;
        error_no_memory(&error);
        pthread_mutex_lock(&pool->lock);
        stop_for(pool, B10_REASON_NO_MEMORY, &error);
        pthread_mutex_unlock(&pool->lock);
    }
    return task;
}

static void *run_worker(void *argument)
{
    const struct worker *worker = argument;
    struct pool *pool = worker->pool;
    SCOPED(heap) void *task = new_task(pool);
    progress_thread(pool->progress, 1);
    while (task != NULL && step(pool, worker->number, task))
        continue;
    progress_thread(pool->progress, -1);
    pthread_mutex_lock(&pool->lock);
    pool->running--;
    pthread_cond_signal(&pool->moved);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* On the calling thread, the lock not held. False once the operation must stop. */
static bool tick(struct pool *pool, struct progress *progress)
{
    struct b10_error error = ERROR_NONE;
    if (progress_tick(progress, &error) == B10_REASON_OK)
        return true;
    pthread_mutex_lock(&pool->lock);
    if (pool->first.code == B10_REASON_OK)
        pool->first = error;
    pthread_mutex_unlock(&pool->lock);
    cancel_trip(pool->cancel, &error);
    return false;
}

static void run_inline(struct pool *pool, struct progress *progress)
{
    SCOPED(heap) void *task = new_task(pool);
    while (task != NULL && step(pool, 0, task) && tick(pool, progress))
        continue;
}

/* Under the lock: workers up to `count`, perhaps fewer; then no more are wanted. */
static void start_up_to(struct pool *pool, unsigned count)
{
    while (pool->started < count) {
        struct worker *worker = &pool->workers[pool->started];
        *worker = (struct worker){.pool = pool, .number = pool->started};
        if (!thread_start(&worker->thread, run_worker, worker))
            pool->wanted = count = pool->started;
        else
            pool->started++, pool->running++;
    }
}

/* Under the lock. Nothing having ended for a whole interval also means waiting. */
static void join_in(struct pool *pool, uint64_t tasks_before)
{
    bool useful = pool->waiting || pool->tasks == tasks_before;
    if (useful && !pool->drained && pool->started < pool->wanted)
        start_up_to(pool, pool->wanted);
}

/* Until every worker has ended; the callback is not asked again once it has cancelled. */
static void wait_all(struct pool *pool, struct progress *progress)
{
    bool listening = true;
    pthread_mutex_lock(&pool->lock);
    while (pool->running > 0) {
        struct timespec until = monotonic_after_ms(PROGRESS_INTERVAL_MS);
        uint64_t tasks = pool->tasks;
        bool quiet = pthread_cond_timedwait(&pool->moved, &pool->lock, &until) == ETIMEDOUT;
        join_in(pool, quiet ? tasks : UINT64_MAX);
        pthread_mutex_unlock(&pool->lock);
        listening = listening && tick(pool, progress);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

/* As many as there are processors begin: more would only push each other's buffers out of the
 * caches. */
static void start_first(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    start_up_to(pool, pool_threads(0, pool->wanted));
    pthread_mutex_unlock(&pool->lock);
}

static bool pool_init(struct pool *pool)
{
    if (pthread_mutex_init(&pool->lock, NULL) != 0)
        return false;
    if (monotonic_cond_init(&pool->moved))
        return true;
    pthread_mutex_destroy(&pool->lock);
    return false;
}

static void pool_release(struct pool *pool)
{
    pthread_cond_destroy(&pool->moved);
    pthread_mutex_destroy(&pool->lock);
}

/* What it came to: the first failure, else whatever tripped the stop sign. */
static enum b10_reason outcome(const struct pool *pool, struct b10_error *error)
{
    if (pool->first.code != B10_REASON_OK)
        return error_copy(error, &pool->first);
    return cancel_check(pool->cancel, error);
}

enum b10_reason pool_run(const struct pool_work *work, void *context, unsigned threads,
                         struct cancel *cancel, struct progress *progress, struct b10_error *error)
{
    struct pool pool = {.work = work,
                        .context = context,
                        .cancel = cancel,
                        .progress = progress,
                        .first = ERROR_NONE};
    pool.wanted = threads < POOL_THREADS_MAX ? threads : POOL_THREADS_MAX;
    if (!pool_init(&pool))
        return error_no_memory(error);

    if (pool.wanted > 1)
        start_first(&pool);
    if (pool.started > 0)
        wait_all(&pool, progress);
    else
        run_inline(&pool, progress);
    for (unsigned i = 0; i < pool.started; i++)
        pthread_join(pool.workers[i].thread, NULL);

    enum b10_reason reason = outcome(&pool, error);
    pool_release(&pool);
    return reason;
}

struct each {
    pool_each_fn each;
    void *context;
    size_t next;
    size_t count;
};

static enum b10_reason each_next(void *context, void *task, bool *more, struct b10_error *error)
{
    (void)error;
    struct each *each = context;
    *more = each->next < each->count;
    *(size_t *)task = each->next++;
    return B10_REASON_OK;
}

static enum b10_reason each_work(void *context, unsigned worker, void *task,
                                 struct b10_error *error)
{
    const struct each *each = context;
    return each->each(each->context, worker, *(const size_t *)task, error);
}

enum b10_reason pool_each(pool_each_fn each, void *context, size_t count, unsigned threads,
                          struct cancel *cancel, struct progress *progress, struct b10_error *error)
{
    static const struct pool_work work = {sizeof(size_t), each_next, each_work};
    struct each tasks = {.each = each, .context = context, .count = count};
    return pool_run(&work, &tasks, count < threads ? (unsigned)count : threads, cancel, progress,
                    error);
}

unsigned pool_threads(unsigned wanted, unsigned most)
{
    if (wanted == 0) {
        cpu_set_t usable;
        CPU_ZERO(&usable);
        /* Fails on hosts with more processors than the set has bits: many. */
        wanted = sched_getaffinity(0, sizeof(usable), &usable) == 0 ? (unsigned)CPU_COUNT(&usable)
                                                                    : most;
    }
    if (wanted > most)
        wanted = most;
    return wanted > 0 ? wanted : 1;
}
