#include "cache/inspect.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/identity.h"
#include "cache/names.h"
#include "support/forge.h"
#include "support/sandbox.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

/* local/ and volume/ below the scratch directory. */
struct host {
    const struct scratch *scratch;
    struct settings settings;
    struct identity identity;
    char local[512];
    char shared[512];
    struct log log;
};

static int inspect_setup(void **state)
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
                                       .kind = "inductor"};
    host->log.level = B10_LOG_DEBUG;
    if (identity_collect(&host->identity, &host->settings, NULL) != B10_REASON_OK)
        return -1;
    *state = host;
    return 0;
}

static int inspect_teardown(void **state)
{
    struct host *host = *state;
    void *scratch = (void *)(uintptr_t)host->scratch;
    identity_release(&host->identity);
    free(host);
    return scratch_teardown(&scratch);
}

static const char *key_here(const struct host *host)
{
    return host->identity.key.text;
}

/* The archive's file name relative to the scratch directory; static buffer. */
static const char *archive_name(const char *key)
{
    static char path[400];
    char name[NAMES_SIZE];
    names_archive(name, key);
    snprintf(path, sizeof(path), "volume/%s", name);
    return path;
}

/* An archive with this host's facts, of two files and a symlink. */
static void save_archive(struct host *host, const char *key)
{
    struct forge forge;
    forge_init(&forge);
    struct manifest *manifest = &forge.manifest;
    const struct facts *facts = &host->identity.facts;
    forge_facts(&forge, facts->items, facts->count);
    free(manifest->key);
    manifest->key = strdup(key);
    forge_directory(&forge, "inductor/d");
    forge_file(&forge, "inductor/d/a", "some text");
    forge_file(&forge, "inductor/d/b", "more");
    forge_symlink(&forge, "inductor/d/c", "a");
    scratch_mkdir(host->scratch, "volume");
    forge_save(&forge, scratch_path(host->scratch, archive_name(key)));
    forge_release(&forge);
}

static struct b10_cache_info info_of(struct host *host)
{
    struct b10_cache_info info = B10_INIT(b10_cache_info);
    memset((char *)&info + sizeof(info.struct_size), 0xee, sizeof(info) - sizeof(info.struct_size));
    if (inspect_info(&host->settings, &host->log, &info, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    return info;
}

/* ---- info ---- */

static void info_describes_both_caches(void **state)
{
    struct host *host = *state;
    save_archive(host, key_here(host));
    scratch_text(host->scratch, "local/x/k.py", "12345");
    scratch_text(host->scratch, "local/x/k.lock", "not counted");
    struct b10_cache_info info = info_of(host);
    assert_int_equal(info.b10fs_enabled, 1);
    assert_int_equal(info.b10fs_cache_exists, 1);
    assert_int_equal(info.local_cache_exists, 1);
    assert_string_equal(info.environment_key, key_here(host));
    assert_string_equal(info.local_directory, host->local);
    assert_string_equal(info.shared_directory, host->shared);
    assert_string_equal(info.archive, scratch_path(host->scratch, archive_name(key_here(host))));
    assert_int_equal(info.local_cache_bytes, 5);
    assert_int_equal(info.local_cache_files, 1);
    struct stat stat;
    assert_int_equal(lstat(info.archive, &stat), 0);
    assert_int_equal(info.b10fs_cache_bytes, stat.st_size);
    assert_int_equal(info.b10fs_cache_files, 3);
    assert_true(info.b10fs_created_time > 0);
    assert_string_equal(info.detection, "cpu");
    SCOPED(bytes) struct bytes facts = BYTES_EMPTY;
    assert_int_equal(facts_text(&host->identity.facts, &facts, &error), B10_REASON_OK);
    assert_string_equal(info.facts, (char *)facts.data);
}

static void info_works_without_any_cache(void **state)
{
    struct host *host = *state;
    struct b10_cache_info info = info_of(host);
    assert_int_equal(info.b10fs_enabled, 1);
    assert_int_equal(info.b10fs_cache_exists, 0);
    assert_int_equal(info.local_cache_exists, 0);
    assert_string_equal(info.environment_key, key_here(host));
    assert_int_equal(info.local_cache_bytes + info.local_cache_files, 0);
    assert_int_equal(info.b10fs_cache_bytes + info.b10fs_cache_files, 0);
    assert_int_equal(info.b10fs_created_time, 0);
    assert_false(scratch_exists(host->scratch, "volume"));
}

static void info_leaves_a_disabled_volume_alone(void **state)
{
    struct host *host = *state;
    save_archive(host, key_here(host));
    host->settings.enabled = false;
    struct b10_cache_info info = info_of(host);
    assert_int_equal(info.b10fs_enabled, 0);
    assert_int_equal(info.b10fs_cache_exists, 0);
    assert_int_equal(info.b10fs_cache_bytes, 0);
    assert_string_equal(info.archive, scratch_path(host->scratch, archive_name(key_here(host))));
}

static void info_tells_of_an_archive_that_cannot_be_read(void **state)
{
    struct host *host = *state;
    scratch_text(host->scratch, archive_name(key_here(host)), "no archive");
    struct b10_cache_info info = info_of(host);
    assert_int_equal(info.b10fs_cache_exists, 1);
    assert_int_equal(info.b10fs_cache_bytes, 10);
    assert_int_equal(info.b10fs_cache_files, 0);
    assert_int_equal(info.b10fs_created_time, 0);
}

static void info_does_not_count_an_archive_of_another_environment(void **state)
{
    struct host *host = *state;
    struct forge forge;
    scratch_mkdir(host->scratch, "volume");
    forge_init(&forge);
    forge_file(&forge, "inductor/a", "a");
    forge_save(&forge, scratch_path(host->scratch, archive_name(key_here(host))));
    forge_release(&forge);
    struct b10_cache_info info = info_of(host);
    assert_int_equal(info.b10fs_cache_exists, 0);
    assert_int_equal(info.b10fs_cache_bytes, 0);
    assert_int_equal(info.b10fs_cache_files, 0);
}

static void info_counts_what_lies_inside_the_main_root(void **state)
{
    struct host *host = *state;
    char path[600];
    snprintf(path, sizeof(path), "%s/precompiled_headers", host->local);
    struct settings_root headers = {.name = (char[]){"headers"}, .path = path, .automatic = true};
    host->settings.roots = &headers;
    host->settings.root_count = 1;
    scratch_text(host->scratch, "local/precompiled_headers/h.gch", "123");
    struct b10_cache_info info = info_of(host);
    assert_int_equal(info.local_cache_exists, 0);
    assert_int_equal(info.local_cache_files, 1);
    assert_int_equal(info.local_cache_bytes, 3);
}

static void info_says_when_the_key_was_given(void **state)
{
    struct host *host = *state;
    host->settings.environment_key = (char[]){"mine"};
    struct b10_cache_info info = info_of(host);
    assert_string_equal(info.environment_key, "mine");
    assert_string_equal(info.detection, "override");
    assert_non_null(strstr(info.facts, "environment_key=mine\n"));
}

static void info_keeps_whole_lines_of_facts_that_fit(void **state)
{
    struct host *host = *state;
    char tags[4000] = "";
    for (int i = 0; i < 32; i++)
        snprintf(tags + strlen(tags), sizeof(tags) - strlen(tags),
                 "%stag_with_a_long_name_number_%02d=%064d", i > 0 ? "," : "", i, i);
    host->settings.tags = tags;
    struct b10_cache_info info = info_of(host);
    size_t length = strlen(info.facts);
    assert_true(length < sizeof(info.facts));
    assert_int_equal(info.facts[length - 1], '\n');
}

static void broken_places(void *context)
{
    struct host *host = context;
    struct b10_cache_info info = B10_INIT(b10_cache_info);
    sandbox_drop_root();
    CHECK(inspect_info(&host->settings, &host->log, &info, NULL, &error) == B10_REASON_OK);
    CHECK(info.b10fs_cache_exists == 0);
    CHECK(info.local_cache_exists == 0);
    CHECK(strcmp(info.environment_key, key_here(host)) == 0);
}

static void info_survives_places_that_fail(void **state)
{
    struct host *host = *state;
    scratch_mkdir(host->scratch, "volume");
    scratch_mkdir(host->scratch, "local");
    chmod(host->shared, 0);
    chmod(host->local, 0);
    sandbox_run(broken_places, host);
    chmod(host->shared, 0755);
    chmod(host->local, 0755);
}

/* ---- list ---- */

static struct b10_cache_list *list_of(struct host *host)
{
    struct b10_cache_list *list = NULL;
    if (inspect_list(&host->settings, &list, NULL, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    return list;
}

static void touch(struct host *host, const char *name, time_t second, long ns)
{
    const struct timespec times[2] = {{second, ns}, {second, ns}};
    scratch_text(host->scratch, name, "12345");
    assert_int_equal(utimensat(AT_FDCWD, scratch_path(host->scratch, name), times, 0), 0);
}

static void the_list_is_newest_first(void **state)
{
    struct host *host = *state;
    touch(host, "volume/b.v1.tar.zst", 1000, 5);
    touch(host, "volume/a.v1.tar.zst", 1000, 5);
    touch(host, "volume/c.v1.tar.zst", 1000, 6);
    touch(host, "volume/d.v1.tar.zst", 999, 7);
    touch(host, archive_name(key_here(host)), 2000, 0);
    struct b10_cache_list *list = list_of(host);
    assert_int_equal(list->total_caches, 5);
    assert_int_equal(list->struct_size, sizeof(*list));
    assert_int_equal(list->entry_size, sizeof(b10_cache_entry));
    assert_int_equal(list->b10fs_enabled, 1);
    assert_int_equal(list->current_cache_exists, 1);
    assert_string_equal(list->current_environment, key_here(host));
    assert_string_equal(list->caches[0].environment_key, key_here(host));
    assert_int_equal(list->caches[0].is_current_environment, 1);
    assert_string_equal(list->caches[1].filename, "c.v1.tar.zst");
    assert_string_equal(list->caches[2].environment_key, "a");
    assert_string_equal(list->caches[3].environment_key, "b");
    assert_string_equal(list->caches[4].environment_key, "d");
    assert_int_equal(list->caches[4].is_current_environment, 0);
    assert_int_equal(list->caches[4].created_time, 999);
    assert_int_equal(list->caches[4].size_bytes, 5);
    free(list);
}

static void the_list_holds_archives_only(void **state)
{
    struct host *host = *state;
    touch(host, "volume/a.v1.tar.zst", 1000, 0);
    touch(host, "volume/.a.0123456789abcdef0123456789abcdef.tmp", 1000, 0);
    touch(host, "volume/.a.0123456789abcdef0123456789abcdef.bad", 1000, 0);
    touch(host, "volume/.a.lock", 1000, 0);
    touch(host, "volume/a.v2.tar.zst", 1000, 0);
    touch(host, "volume/README", 1000, 0);
    scratch_mkdir(host->scratch, "volume/dir.v1.tar.zst");
    assert_int_equal(symlink("a.v1.tar.zst", scratch_path(host->scratch, "volume/l.v1.tar.zst")),
                     0);
    struct b10_cache_list *list = list_of(host);
    assert_int_equal(list->total_caches, 1);
    assert_int_equal(list->current_cache_exists, 0);
    assert_string_equal(list->caches[0].filename, "a.v1.tar.zst");
    free(list);
}

static void the_list_has_the_same_shape_without_a_volume(void **state)
{
    struct host *host = *state;
    struct b10_cache_list *list = list_of(host);
    assert_int_equal(list->total_caches, 0);
    assert_int_equal(list->b10fs_enabled, 1);
    assert_string_equal(list->current_environment, key_here(host));
    free(list);
    touch(host, "volume/a.v1.tar.zst", 1000, 0);
    host->settings.enabled = false;
    list = list_of(host);
    assert_int_equal(list->total_caches, 0);
    assert_int_equal(list->b10fs_enabled, 0);
    assert_int_equal(list->current_cache_exists, 0);
    assert_string_equal(list->current_environment, key_here(host));
    free(list);
}

static void a_volume_that_is_no_directory_is_an_error(void **state)
{
    struct host *host = *state;
    struct b10_cache_list *list = NULL;
    scratch_text(host->scratch, "volume", "");
    assert_int_equal(inspect_list(&host->settings, &list, NULL, &error), B10_REASON_IO);
    assert_null(list);
}

/* ---- verify ---- */

static enum b10_reason verify(struct host *host, const char *archive,
                              struct b10_verify_report *result)
{
    *result = (struct b10_verify_report)B10_INIT(b10_verify_report);
    return inspect_verify(&host->settings, archive, &host->log, NULL, result, &error);
}

static void an_archive_is_verified_by_key_name_or_path(void **state)
{
    struct host *host = *state;
    char path[600];
    save_archive(host, "k");
    snprintf(path, sizeof(path), "%s", scratch_path(host->scratch, archive_name("k")));
    const char *const names[] = {"k", "k.v1.tar.zst", path};
    for (size_t i = 0; i < 3; i++) {
        struct b10_verify_report result;
        if (verify(host, names[i], &result) != B10_REASON_OK)
            fail_msg("%s: %s", names[i], error.message);
        struct stat stat;
        assert_int_equal(lstat(path, &stat), 0);
        assert_string_equal(result.archive, path);
        assert_string_equal(result.environment_key, "k");
        assert_int_equal(result.format, 1);
        assert_string_equal(result.creator, "forge 1");
        assert_true(result.created_time > 0);
        assert_int_equal(result.archive_bytes, stat.st_size);
        assert_int_equal(result.content_bytes, 13);
        assert_int_equal(result.files, 3);
        assert_int_equal(result.directories, 1);
        assert_int_equal(result.duplicates, 0);
        assert_int_equal(result.frames, 2);
        assert_int_equal(result.void_files, 0);
        assert_string_equal(result.roots, "inductor,headers");
        assert_non_null(strstr(result.facts, "kind=inductor\n"));
    }
}

static void a_name_in_the_working_directory_is_a_path(void **state)
{
    struct host *host = *state;
    struct b10_verify_report result;
    char before[4096];
    save_archive(host, "k");
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(host->shared), 0);
    host->settings.shared_dir = host->local;
    enum b10_reason reason = verify(host, "k.v1.tar.zst", &result);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(reason, B10_REASON_OK);
    assert_string_equal(result.archive, "k.v1.tar.zst");
}

static void what_is_not_there_is_absent(void **state)
{
    struct host *host = *state;
    struct b10_verify_report result;
    assert_int_equal(verify(host, "k", &result), B10_REASON_ABSENT);
    scratch_mkdir(host->scratch, "volume");
    assert_int_equal(verify(host, "k", &result), B10_REASON_ABSENT);
    assert_int_equal(verify(host, "No Key!", &result), B10_REASON_ABSENT);
    assert_int_equal(verify(host, "", &result), B10_REASON_ABSENT);
    assert_int_equal(verify(host, "/nowhere/k.v1.tar.zst", &result), B10_REASON_ABSENT);
}

static void damage_is_found_wherever_it_is(void **state)
{
    struct host *host = *state;
    struct b10_verify_report result;
    save_archive(host, "k");
    const char *path = scratch_path(host->scratch, archive_name("k"));
    size_t size;
    char *whole = scratch_read(host->scratch, archive_name("k"), &size);
    for (size_t at = 0; at < size; at += 7) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        char flipped = (char)(whole[at] ^ 0x10);
        assert_int_equal(pwrite(fd, &flipped, 1, (off_t)at), 1);
        enum b10_reason reason = verify(host, "k", &result);
        if (reason != B10_REASON_CORRUPT && reason != B10_REASON_UNSAFE &&
            reason != B10_REASON_FORMAT)
            fail_msg("byte %zu of %zu: %s", at, size, b10_reason_name(reason));
        assert_int_equal(pwrite(fd, &whole[at], 1, (off_t)at), 1);
        close(fd);
    }
    assert_int_equal(verify(host, "k", &result), B10_REASON_OK);
    free(whole);
}

static void a_newer_format_is_named(void **state)
{
    struct host *host = *state;
    struct b10_verify_report result;
    struct forge forge;
    scratch_mkdir(host->scratch, "volume");
    forge_init(&forge);
    forge.manifest.format = 2;
    forge_file(&forge, "inductor/a", "a");
    forge_save(&forge, scratch_path(host->scratch, archive_name("k")));
    forge_release(&forge);
    assert_int_equal(verify(host, "k", &result), B10_REASON_FORMAT);
    assert_int_equal(result.format, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, inspect_setup, inspect_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(info_describes_both_caches),
        TEST(info_works_without_any_cache),
        TEST(info_leaves_a_disabled_volume_alone),
        TEST(info_tells_of_an_archive_that_cannot_be_read),
        TEST(info_does_not_count_an_archive_of_another_environment),
        TEST(info_counts_what_lies_inside_the_main_root),
        TEST(info_says_when_the_key_was_given),
        TEST(info_keeps_whole_lines_of_facts_that_fit),
        TEST(info_survives_places_that_fail),
        TEST(the_list_is_newest_first),
        TEST(the_list_holds_archives_only),
        TEST(the_list_has_the_same_shape_without_a_volume),
        TEST(a_volume_that_is_no_directory_is_an_error),
        TEST(an_archive_is_verified_by_key_name_or_path),
        TEST(a_name_in_the_working_directory_is_a_path),
        TEST(what_is_not_there_is_absent),
        TEST(damage_is_found_wherever_it_is),
        TEST(a_newer_format_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
