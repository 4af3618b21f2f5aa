/* A guest in its host: nothing of the process is changed by a save, a load, or any other call. */
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/replica.h"

extern char **environ;

/* Every call once, successes and failures among them. */
static void call_everything(struct replica *replica)
{
    b10_cache_info *info = calloc(1, sizeof(*info));
    b10_cache_list *list = NULL;
    assert_non_null(info);
    info->struct_size = sizeof(*info);
    replica_set(replica, "torchinductor_cache_dir", scratch_path(replica->scratch, "saved"));
    replica_set(replica, "b10_save_mode", "replace");
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(replica, "torchinductor_cache_dir", scratch_path(replica->scratch, "local"));
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    replica_assert(replica, replica_load(replica), B10_SKIPPED, B10_REASON_LOCAL_PRESENT);
    assert_int_equal(b10_info(replica_config(replica), NULL, info, &replica->error), B10_SUCCESS);
    assert_int_equal(b10_list(replica_config(replica), NULL, &list, &replica->error), B10_SUCCESS);
    b10_cache_list_free(list);
    assert_int_equal(b10_verify(replica_config(replica), NULL, replica_archive(replica), NULL,
                                &replica->error),
                     B10_SUCCESS);
    assert_int_equal(b10_clear(replica_config(replica), NULL, NULL, &replica->error), B10_SUCCESS);
    replica_set(replica, "b10fs_cache_dir", scratch_path(replica->scratch, "no/such/place"));
    replica_assert(replica, replica_load(replica), B10_DOES_NOT_EXIST, B10_REASON_ABSENT);
    replica_set(replica, "b10fs_cache_dir", scratch_path(replica->scratch, "volume"));
    free(info);
}

static void replica_start(struct replica *replica, void **state)
{
    replica_init(replica, *state);
    replica_fill(replica, "saved");
}

static void the_umask_of_the_host_is_never_touched(void **state)
{
    struct replica replica;
    replica_start(&replica, state);
    mode_t before = umask(0027);
    call_everything(&replica);
    mode_t after = umask(before);
    assert_int_equal(after, 0027);
    replica_release(&replica);
}

static void files_get_their_modes_from_the_umask(void **state)
{
    struct replica replica;
    struct stat stat;
    replica_start(&replica, state);
    assert_int_equal(chmod(scratch_path(*state, "saved/zz/large.bin"), 0700), 0);
    assert_int_equal(chmod(scratch_path(*state, "saved/zz/empty.py"), 0600), 0);
    assert_int_equal(chmod(scratch_path(*state, "saved/zz"), 0711), 0);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "saved"));
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(*state, "local"));
    mode_t before = umask(0027);
    OperationStatus status = replica_load(&replica);
    umask(before);
    replica_assert(&replica, status, B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(lstat(scratch_path(*state, "local/zz/large.bin"), &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0750);
    assert_int_equal(lstat(scratch_path(*state, "local/zz/empty.py"), &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0640);
    assert_int_equal(lstat(scratch_path(*state, "local/zz"), &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0750);
    assert_int_equal(lstat(scratch_path(*state, "local"), &stat), 0);
    assert_int_equal(stat.st_mode & 07777, 0750);
    replica_release(&replica);
}

static void the_working_directory_stays(void **state)
{
    struct replica replica;
    char before[4096];
    char after[4096];
    replica_start(&replica, state);
    assert_non_null(getcwd(before, sizeof(before)));
    call_everything(&replica);
    assert_non_null(getcwd(after, sizeof(after)));
    assert_string_equal(before, after);
    replica_release(&replica);
}

static void the_locale_stays(void **state)
{
    struct replica replica;
    replica_start(&replica, state);
    assert_non_null(setlocale(LC_ALL, "C.UTF-8"));
    locale_t own = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    assert_true(own != (locale_t)0);
    locale_t before = uselocale(own);
    call_everything(&replica);
    assert_true(uselocale((locale_t)0) == own);
    assert_string_equal(setlocale(LC_ALL, NULL), "C.UTF-8");
    uselocale(before);
    freelocale(own);
    setlocale(LC_ALL, "C");
    replica_release(&replica);
}

static size_t environment_text(char *text, size_t size)
{
    size_t used = 0;
    for (char **variable = environ; *variable != NULL; variable++)
        used += (size_t)snprintf(text + used, size - used, "%s\n", *variable);
    assert_true(used < size);
    return used;
}

static void the_environment_stays(void **state)
{
    static char before[1 << 16];
    static char after[1 << 16];
    struct replica replica;
    replica_start(&replica, state);
    environment_text(before, sizeof(before));
    call_everything(&replica);
    environment_text(after, sizeof(after));
    assert_string_equal(before, after);
    replica_release(&replica);
}

static void signal_handlers_and_mask_stay(void **state)
{
    struct replica replica;
    struct sigaction before[65];
    sigset_t mask_before;
    sigset_t mask_after;
    replica_start(&replica, state);
    for (int number = 1; number < 65; number++)
        sigaction(number, NULL, &before[number]);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
    call_everything(&replica);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_after);
    for (int number = 1; number < 65; number++) {
        struct sigaction after;
        if (sigaction(number, NULL, &after) == 0)
            assert_true(after.sa_handler == before[number].sa_handler);
        assert_int_equal(sigismember(&mask_before, number), sigismember(&mask_after, number));
    }
    replica_release(&replica);
}

static int thread_count(void)
{
    char line[256];
    int count = -1;
    FILE *status = fopen("/proc/self/status", "re");
    assert_non_null(status);
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "Threads:", 8) == 0)
            count = atoi(line + 8);
    fclose(status);
    return count;
}

/* A joined thread may stand in the kernel's list for some microseconds more. */
static void assert_no_more_threads_than(int before)
{
    for (int look = 0; look < 100000 && thread_count() > before; look++)
        sched_yield();
    assert_true(thread_count() <= before);
}

static void no_thread_and_no_descriptor_is_left_behind(void **state)
{
    struct replica replica;
    replica_start(&replica, state);
    size_t descriptors = scratch_open_descriptors();
    int threads = thread_count();
    call_everything(&replica);
    assert_no_more_threads_than(threads);
    assert_int_equal(scratch_open_descriptors(), descriptors);
    replica_release(&replica);
}

static void nothing_is_printed(void **state)
{
    struct replica replica;
    struct stat stat;
    replica_start(&replica, state);
    scratch_text(*state, "output", "");
    fflush(NULL);
    int saved[2] = {dup(1), dup(2)};
    FILE *output = fopen(scratch_path(*state, "output"), "we");
    assert_non_null(output);
    dup2(fileno(output), 1);
    dup2(fileno(output), 2);
    call_everything(&replica);
    fflush(NULL);
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    close(saved[0]);
    close(saved[1]);
    assert_int_equal(fstat(fileno(output), &stat), 0);
    assert_int_equal(stat.st_size, 0);
    fclose(output);
    replica_release(&replica);
}

/* cmocka's asserts are for the main thread: workers report by their result. */
static void *save_and_load(void *argument)
{
    struct replica *replica = argument;
    for (int i = 0; i < 5; i++) {
        OperationStatus saved = replica_save(replica);
        OperationStatus loaded = replica_load(replica);
        if (saved != B10_SUCCESS || loaded != B10_SKIPPED)
            return replica;
    }
    return NULL;
}

static void calls_from_several_threads_at_once_are_safe(void **state)
{
    enum { COUNT = 4 };
    struct replica replicas[COUNT];
    pthread_t threads[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char tags[20];
        snprintf(tags, sizeof(tags), "thread=%d", i);
        replica_init(&replicas[i], *state);
        replica_set(&replicas[i], "b10_cache_tags", tags);
        replica_set(&replicas[i], "b10_save_mode", "replace");
    }
    replica_fill(&replicas[0], "local");
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, save_and_load, &replicas[i]), 0);
    for (int i = 0; i < COUNT; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        if (failed != NULL)
            fail_msg("thread %d: %s", i, replicas[i].error.message);
    }
    assert_int_equal(replica_volume_entries(&replicas[0]), COUNT);
    for (int i = 0; i < COUNT; i++)
        replica_release(&replicas[i]);
}

/* ---- a thread with a small stack ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

enum { SMALL_STACK = 64 << 10 };

/* Every call on a stack that ends at a page nobody may touch. The library's calls only: the test's
 * own helpers need more. */
struct small {
    struct replica *replica;
    b10_cache_info *info;
    b10_verify_report *verified;
    char archive[4400], source[4400], dest[4400];
    OperationStatus status[9];
    b10_options options; /* of the flow: the phases that do not wait by the clock */
};

static void *call_on_small_stack(void *argument)
{
    struct small *small = argument;
    struct replica *replica = small->replica;
    const b10_config *config = replica_config(replica);
    b10_cache_list *list = NULL;
    b10_diff_list *diff = NULL;
    int i = 0;
    small->status[i++] = b10_load(config, NULL, &replica->report, &replica->error);
    small->status[i++] = b10_save(config, NULL, &replica->report, &replica->error);
    small->status[i++] = b10_info(config, NULL, small->info, &replica->error);
    small->status[i++] = b10_list(config, NULL, &list, &replica->error);
    small->status[i++] = b10_verify(config, NULL, small->archive, small->verified, &replica->error);
    small->status[i++] =
        b10_transfer_file(config, NULL, small->source, small->dest, &replica->error);
    small->status[i++] = b10_diff(config, NULL, &diff, &replica->error);
    small->status[i++] = b10_serve_flow(config, &small->options, NULL, &replica->error);
    small->status[i++] = b10_clear(config, NULL, &replica->report, &replica->error);
    b10_diff_list_free(diff);
    b10_cache_list_free(list);
    return NULL;
}

static void a_stack_of_64_kib_is_enough(const struct scratch *scratch, const char *threads)
{
    struct replica replica;
    pthread_t thread;
    pthread_attr_t attributes;
    struct small *small = calloc(1, sizeof(*small));
    b10_cache_info *info = calloc(1, sizeof(*info));
    b10_verify_report *verified = calloc(1, sizeof(*verified));
    assert_true(small != NULL && info != NULL && verified != NULL);
    info->struct_size = sizeof(*info);
    verified->struct_size = sizeof(*verified);
    replica_init(&replica, scratch);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(scratch, "saved"));
    replica_set(&replica, "b10_save_mode", "replace");
    replica_set(&replica, "b10_threads", threads);
    replica_set(&replica, "b10_cache_kind", "inductor"); /* the flow's, too */
    replica_assert(&replica, replica_save(&replica), B10_SUCCESS, B10_REASON_OK);
    replica_set(&replica, "torchinductor_cache_dir", scratch_path(scratch, "local"));
    *small = (struct small){.replica = &replica,
                            .info = info,
                            .verified = verified,
                            .options = B10_INIT(b10_options)};
    small->options.serve_phases = B10_SERVE_LOAD | B10_SERVE_SAVE;
    snprintf(small->archive, sizeof(small->archive), "%s", replica_archive(&replica));
    snprintf(small->source, sizeof(small->source), "%s",
             scratch_path(scratch, "saved/zz/large.bin"));
    snprintf(small->dest, sizeof(small->dest), "%s", scratch_path(scratch, "copy"));

    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, SMALL_STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, call_on_small_stack, small), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    for (size_t i = 0; i < sizeof(small->status) / sizeof(*small->status); i++)
        assert_int_equal(small->status[i], B10_SUCCESS);
    replica_release(&replica);
    free(verified);
    free(info);
    free(small);
}

static void a_thread_with_a_stack_of_64_kib_may_call_everything(void **state)
{
    struct replica filler = {.scratch = *state};
    if (SANITIZED) {
        print_message("skipped: sanitizers need more stack\n");
        skip();
    }
    replica_fill(&filler, "saved");
    a_stack_of_64_kib_is_enough(*state, "0");
    a_stack_of_64_kib_is_enough(*state, "1"); /* the caller's thread does all the work */
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(the_umask_of_the_host_is_never_touched),
        ROW(files_get_their_modes_from_the_umask),
        ROW(the_working_directory_stays),
        ROW(the_locale_stays),
        ROW(the_environment_stays),
        ROW(signal_handlers_and_mask_stay),
        ROW(no_thread_and_no_descriptor_is_left_behind),
        ROW(nothing_is_printed),
        ROW(calls_from_several_threads_at_once_are_safe),
        ROW(a_thread_with_a_stack_of_64_kib_may_call_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
