#include "cache/explain.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/guard.h"
#include "cache/identity.h"
#include "cache/names.h"
#include "support/forge.h"

static struct b10_error error = ERROR_NONE;

/* local/ and volume/ below the scratch directory. */
struct host {
    const struct scratch *scratch;
    struct settings settings;
    struct identity identity;
    char local[512];
    char shared[512];
};

static int explain_setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    struct host *host = calloc(1, sizeof(*host));
    host->scratch = *state;
    snprintf(host->local, sizeof(host->local), "%s", scratch_path(host->scratch, "local"));
    snprintf(host->shared, sizeof(host->shared), "%s", scratch_path(host->scratch, "volume"));
    host->settings = (struct settings){.enabled = true,
                                       .local_dir = host->local,
                                       .shared_dir = host->shared,
                                       .tags = strdup("model=flux"),
                                       .kind = "inductor"};
    if (identity_collect(&host->identity, &host->settings, NULL) != B10_REASON_OK)
        return -1;
    *state = host;
    return 0;
}

static int explain_teardown(void **state)
{
    struct host *host = *state;
    void *scratch = (void *)(uintptr_t)host->scratch;
    identity_release(&host->identity);
    recorded_release(&host->settings.recorded);
    free(host->settings.tags);
    free(host);
    return scratch_teardown(&scratch);
}

static const char *key_here(const struct host *host)
{
    return host->identity.key.text;
}

/* Under such a name a load looks for something to fall back to; static buffer. */
static const char *similar(const struct host *host, const char *name)
{
    static char keys[4][B10_KEY_SIZE + 32];
    static unsigned next;
    char *key = keys[next++ % 4];
    char prefix[B10_KEY_SIZE];
    key_fallback_prefix(prefix, &host->identity.key, &host->identity.facts);
    assert_string_not_equal(prefix, "");
    snprintf(key, sizeof(keys[0]), "%s%s", prefix, name);
    return key;
}

/* A variable of this host. */
static void record_here(struct host *host, const char *variable)
{
    assert_int_equal(recorded_take(&host->settings.recorded, variable, NULL), B10_REASON_OK);
}

/* ---- archives ---- */

static void copy_fact(struct fact *to, const char *name, const char *value)
{
    assert_int_equal(fact_copy(to, name, value, NULL), B10_REASON_OK);
}

/* With this host's facts and records. */
static void stored_init(struct forge *forge, const struct host *host)
{
    forge_init(forge);
    struct manifest *manifest = &forge->manifest;
    const struct facts *facts = &host->identity.facts;
    const struct recorded *recorded = &host->settings.recorded;
    forge_facts(forge, facts->items, facts->count);
    manifest->is_recorded = true;
    manifest->recorded = calloc(MANIFEST_RECORDED_LIMIT, sizeof(*manifest->recorded));
    manifest->recorded_count = recorded->count;
    for (size_t i = 0; i < recorded->count; i++)
        copy_fact(&manifest->recorded[i], recorded->items[i].name, recorded->items[i].value);
    forge_file(forge, "inductor/a", "some text");
}

/* Under the name of `key`, last changed at that second. Releases the forge. */
static void store(struct forge *forge, const struct host *host, const char *key, time_t second)
{
    const struct timespec times[2] = {{.tv_sec = second}, {.tv_sec = second}};
    char name[NAMES_SIZE];
    char path[NAMES_SIZE + 600];
    names_archive(name, key);
    snprintf(path, sizeof(path), "%s/%s", host->shared, name);
    scratch_mkdir(host->scratch, "volume");
    free(forge->manifest.key);
    forge->manifest.key = strdup(key);
    forge_save(forge, path);
    forge_release(forge);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void store_other(const struct host *host, const char *key, time_t second)
{
    struct forge forge;
    stored_init(&forge, host);
    forge_fact(&forge, "tag.model", "other");
    store(&forge, host, key, second);
}

static struct b10_comparison_list *list_of(const struct host *host)
{
    struct b10_comparison_list *list = NULL;
    if (explain_archives(&host->settings, &list, NULL, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    return list;
}

static void assert_comparison(const struct b10_comparison_list *list, size_t index, const char *key,
                              uint32_t match)
{
    const b10_comparison *comparison = b10_comparison_list_at(list, index);
    assert_non_null(comparison);
    assert_string_equal(comparison->environment_key, key);
    if (comparison->match != match)
        fail_msg("%s: match %u, expected %u: %s", key, comparison->match, match,
                 comparison->differences);
}

/* ---- promise ---- */

static void an_archive_of_this_environment_differs_in_nothing(void **state)
{
    struct host *host = *state;
    struct forge forge;
    struct stat stat;
    record_here(host, "VLLM_A=1");
    stored_init(&forge, host);
    store(&forge, host, key_here(host), 1000);
    struct b10_comparison_list *list = list_of(host);
    assert_int_equal(list->struct_size, sizeof(*list));
    assert_int_equal(list->entry_size, sizeof(b10_comparison));
    assert_string_equal(list->current_environment, key_here(host));
    assert_int_equal(list->total, 1);
    assert_comparison(list, 0, key_here(host), B10_MATCH_EXACT);
    const b10_comparison *comparison = list->comparisons;
    char path[800];
    snprintf(path, sizeof(path), "%s/%s", host->shared, comparison->filename);
    assert_int_equal(lstat(path, &stat), 0);
    assert_int_equal(comparison->size_bytes, stat.st_size);
    assert_int_equal(comparison->created_time, 1000);
    assert_string_equal(comparison->differences, "");
    assert_string_equal(comparison->recorded, "");
    assert_null(b10_comparison_list_at(list, 1));
    b10_comparison_list_free(list);
}

static void every_difference_is_named(void **state)
{
    struct host *host = *state;
    struct forge forge;
    record_here(host, "VLLM_A=1");
    stored_init(&forge, host);
    forge_fact(&forge, "tag.model", "other");
    forge_fact(&forge, "tag.torch", "2.13.0");
    free(forge.manifest.recorded[0].value);
    forge.manifest.recorded[0].value = strdup("2");
    store(&forge, host, "another", 1000);
    struct b10_comparison_list *list = list_of(host);
    assert_comparison(list, 0, "another", B10_MATCH_OTHER);
    assert_string_equal(list->comparisons[0].differences, "tag.model: 'other' there, 'flux' here\n"
                                                          "tag.torch: '2.13.0' there, none here\n");
    assert_string_equal(list->comparisons[0].recorded, "VLLM_A: '2' there, '1' here\n");
    b10_comparison_list_free(list);
}

static void a_fallback_is_told_from_what_is_not_taken(void **state)
{
    struct host *host = *state;
    struct forge forge;
    for (int i = 0; i < 2; i++) {
        stored_init(&forge, host);
        forge_fact(&forge, "cpu_features", "abc,def");
        forge.manifest.totals.host_code = (uint64_t)i;
        store(&forge, host, similar(host, i == 0 ? "no-host-code" : "host-code"), 1000);
    }
    struct b10_comparison_list *list = list_of(host);
    assert_int_equal(list->total, 2);
    assert_comparison(list, 0, similar(host, "no-host-code"), B10_MATCH_FALLBACK);
    assert_comparison(list, 1, similar(host, "host-code"), B10_MATCH_OTHER);
    assert_non_null(strstr(list->comparisons[1].differences, "cpu_features: only there: abc"));
    b10_comparison_list_free(list);
}

static void what_matches_comes_first_and_each_group_newest_first(void **state)
{
    struct host *host = *state;
    struct forge forge;
    store_other(host, "old", 1000);
    store_other(host, "new", 3000);
    scratch_text(host->scratch, "volume/broken.v1.tar.zst", "no archive");
    stored_init(&forge, host);
    forge_fact(&forge, "cpu_features", "abc");
    store(&forge, host, similar(host, "fallback"), 500);
    stored_init(&forge, host);
    store(&forge, host, key_here(host), 400);
    struct b10_comparison_list *list = list_of(host);
    assert_int_equal(list->total, 5);
    assert_comparison(list, 0, key_here(host), B10_MATCH_EXACT);
    assert_comparison(list, 1, similar(host, "fallback"), B10_MATCH_FALLBACK);
    assert_comparison(list, 2, "new", B10_MATCH_OTHER);
    assert_comparison(list, 3, "old", B10_MATCH_OTHER);
    assert_comparison(list, 4, "broken", B10_MATCH_UNREADABLE);
    b10_comparison_list_free(list);
}

/* ---- edges ---- */

static void what_fits_under_another_name_is_not_taken(void **state)
{
    struct host *host = *state;
    struct forge forge;
    char expected[600];
    stored_init(&forge, host);
    store(&forge, host, "renamed", 1000);
    stored_init(&forge, host);
    forge_fact(&forge, "cpu_features", "abc");
    store(&forge, host, "renamed-too", 900);
    stored_init(&forge, host);
    forge_fact(&forge, "cpu_features", "abc");
    store(&forge, host, key_here(host), 800);
    struct b10_comparison_list *list = list_of(host);
    assert_int_equal(list->total, 3);
    assert_comparison(list, 0, "renamed", B10_MATCH_OTHER);
    assert_comparison(list, 1, "renamed-too", B10_MATCH_OTHER);
    assert_comparison(list, 2, key_here(host), B10_MATCH_OTHER);
    snprintf(expected, sizeof(expected), "file name: 'renamed' there, '%s' here\n", key_here(host));
    assert_string_equal(list->comparisons[0].differences, expected);
    assert_non_null(strstr(list->comparisons[1].differences, "file name: 'renamed-too' there"));
    assert_non_null(strstr(list->comparisons[1].differences, "\ncpu_features: only there: abc"));
    assert_null(strstr(list->comparisons[2].differences, "file name"));
    b10_comparison_list_free(list);
}

static void a_given_key_is_compared_with_the_archives_own(void **state)
{
    struct host *host = *state;
    struct forge forge;
    store_other(host, "mine", 1000);
    store_other(host, "yours", 900);
    stored_init(&forge, host);
    store(&forge, host, key_here(host), 800);
    host->settings.environment_key = (char[]){"mine"};
    struct b10_comparison_list *list = list_of(host);
    assert_string_equal(list->current_environment, "mine");
    assert_int_equal(list->total, 3);
    assert_comparison(list, 0, "mine", B10_MATCH_EXACT);
    assert_comparison(list, 1, "yours", B10_MATCH_OTHER);
    assert_comparison(list, 2, key_here(host), B10_MATCH_OTHER);
    assert_memory_equal(list->comparisons[1].differences,
                        "environment_key: 'yours' there, 'mine' here\n", 44);
    b10_comparison_list_free(list);
}

static void what_cannot_be_read_says_why(void **state)
{
    struct host *host = *state;
    struct forge forge;
    scratch_text(host->scratch, "volume/broken.v1.tar.zst", "no archive");
    stored_init(&forge, host);
    forge.manifest.format = 2;
    store(&forge, host, "newer", 1000);
    struct b10_comparison_list *list = list_of(host);
    assert_int_equal(list->total, 2);
    assert_comparison(list, 0, "broken", B10_MATCH_UNREADABLE);
    assert_comparison(list, 1, "newer", B10_MATCH_UNREADABLE);
    assert_non_null(strstr(list->comparisons[0].differences, "broken.v1.tar.zst"));
    assert_non_null(strstr(list->comparisons[1].differences, "is of format 2"));
    assert_null(strchr(list->comparisons[1].differences, '\n'));
    assert_string_equal(list->comparisons[1].recorded, "");
    b10_comparison_list_free(list);
}

static void nothing_is_claimed_of_an_archive_that_recorded_nothing(void **state)
{
    struct host *host = *state;
    struct forge forge;
    record_here(host, "VLLM_A=1");
    stored_init(&forge, host);
    store(&forge, host, key_here(host), 1000);
    stored_init(&forge, host);
    forge.manifest.is_recorded = false;
    store(&forge, host, "older", 500);
    record_here(host, "VLLM_B=1");
    struct b10_comparison_list *list = list_of(host);
    assert_int_equal(list->total, 2);
    for (size_t i = 0; i < 2; i++) {
        const b10_comparison *comparison = &list->comparisons[i];
        const bool older = strcmp(comparison->environment_key, "older") == 0;
        assert_string_equal(comparison->recorded, older ? "" : "VLLM_B: none there, '1' here\n");
    }
    b10_comparison_list_free(list);
}

static void lines_that_do_not_fit_end_with_an_ellipsis(void **state)
{
    struct host *host = *state;
    struct forge forge;
    stored_init(&forge, host);
    struct manifest *manifest = &forge.manifest;
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "VLLM_%03d", i);
        copy_fact(&manifest->recorded[manifest->recorded_count++], name, "a value of some length");
    }
    store(&forge, host, key_here(host), 1000);
    struct b10_comparison_list *list = list_of(host);
    const char *recorded = list->comparisons[0].recorded;
    size_t length = strlen(recorded);
    assert_true(length < sizeof(list->comparisons[0].recorded));
    assert_true(length > sizeof(list->comparisons[0].recorded) - 100);
    assert_string_equal(recorded + length - 4, "\n…");
    assert_memory_equal(recorded, "VLLM_000: 'a value of", 20);
    b10_comparison_list_free(list);
}

static void only_archives_are_compared(void **state)
{
    struct host *host = *state;
    scratch_text(host->scratch, "volume/a.v2.tar.zst", "");
    scratch_text(host->scratch, "volume/.a.0123456789abcdef0123456789abcdef.tmp", "");
    scratch_text(host->scratch, "volume/README", "");
    scratch_mkdir(host->scratch, "volume/dir.v1.tar.zst");
    struct b10_comparison_list *list = list_of(host);
    assert_int_equal(list->total, 0);
    assert_null(b10_comparison_list_at(list, 0));
    b10_comparison_list_free(list);
}

static void without_a_volume_there_is_nothing_to_compare(void **state)
{
    struct host *host = *state;
    struct b10_comparison_list *list = list_of(host);
    assert_int_equal(list->total, 0);
    assert_string_equal(list->current_environment, key_here(host));
    b10_comparison_list_free(list);
    store_other(host, "other", 1000);
    host->settings.enabled = false;
    list = list_of(host);
    assert_int_equal(list->total, 0);
    b10_comparison_list_free(list);
}

/* ---- failure ---- */

static void a_volume_that_is_no_directory_is_an_error(void **state)
{
    struct host *host = *state;
    struct b10_comparison_list *list = NULL;
    scratch_text(host->scratch, "volume", "");
    assert_int_equal(explain_archives(&host->settings, &list, NULL, NULL, &error), B10_REASON_IO);
    assert_null(list);
    b10_comparison_list_free(NULL);
    assert_null(b10_comparison_list_at(NULL, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, explain_setup, explain_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_archive_of_this_environment_differs_in_nothing),
        TEST(every_difference_is_named),
        TEST(a_fallback_is_told_from_what_is_not_taken),
        TEST(what_matches_comes_first_and_each_group_newest_first),
        TEST(what_fits_under_another_name_is_not_taken),
        TEST(a_given_key_is_compared_with_the_archives_own),
        TEST(what_cannot_be_read_says_why),
        TEST(nothing_is_claimed_of_an_archive_that_recorded_nothing),
        TEST(lines_that_do_not_fit_end_with_an_ellipsis),
        TEST(only_archives_are_compared),
        TEST(without_a_volume_there_is_nothing_to_compare),
        TEST(a_volume_that_is_no_directory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
