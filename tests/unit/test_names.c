#include "cache/names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/guard.h"
#include "support/forge.h"
#include "support/sandbox.h"
#include "support/scratch.h"

static struct b10_error error = ERROR_NONE;

struct host {
    struct scratch *scratch;
    struct settings settings;
    char local[512];
    char shared[512];
};

static void host_init(struct host *host, struct scratch *scratch, const char *shared)
{
    *host = (struct host){.scratch = scratch};
    snprintf(host->local, sizeof(host->local), "%s", scratch_path(scratch, "local"));
    snprintf(host->shared, sizeof(host->shared), "%s", scratch_path(scratch, shared));
    host->settings.local_dir = host->local;
    host->settings.shared_dir = host->shared;
    host->settings.kind = "inductor";
}

static void open_volume(struct volume *volume, struct host *host, struct scratch *scratch)
{
    host_init(host, scratch, "volume");
    scratch_mkdir(scratch, "volume");
    assert_int_equal(volume_open(volume, &host->settings, false, NULL, &error), B10_REASON_OK);
}

/* ---- names ---- */

static void a_name_made_is_a_name_parsed(void **state)
{
    (void)state;
    static const char *const keys[] = {"k", "inductor-cpu-x86_64-avx512-linux-77ab01de1f3a9c20",
                                       "a.v1.tar.zst"};
    for (size_t i = 0; i < 3; i++) {
        char name[NAMES_SIZE];
        char key[B10_KEY_SIZE];
        names_archive(name, keys[i]);
        assert_true(names_parse(name, key));
        assert_string_equal(key, keys[i]);
    }
}

static void only_archives_have_an_archives_name(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        ".v1.tar.zst",
        "k.v2.tar.zst",
        "k.tar.zst",
        "k.v1.tar.zst.tmp",
        ".k.v1.tar.zst",
        ".k.0123456789abcdef0123456789abcdef.tmp",
        "K.v1.tar.zst",
        "a b.v1.tar.zst",
        ".k.0123456789abcdef0123456789abcdef.bad",
        "k",
        "k.v1.tar",
    };
    char key[B10_KEY_SIZE];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (names_parse(names[i], key))
            fail_msg("'%s' passes for an archive", names[i]);
    }
    char name[300];
    memset(name, 'k', sizeof(name));
    strcpy(name + 200, ".v1.tar.zst");
    assert_true(names_parse(name, key));
    memset(name, 'k', sizeof(name));
    strcpy(name + 201, ".v1.tar.zst");
    assert_false(names_parse(name, key));
    memset(name, 'k', sizeof(name));
    strcpy(name + 280, ".v1.tar.zst");
    assert_false(names_parse(name, key));
}

/* ---- the directory ---- */

#define HEX "0123456789abcdef0123456789abcdef"

static void hidden_names_are_known_by_exact_form_only(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum names_kind kind;
        const char *key;
        const char *token;
    } cases[] = {
        {"k.v1.tar.zst", NAMES_ARCHIVE, "k", ""},
        {".k." HEX ".tmp", NAMES_TEMPORARY, "k", HEX},
        {".k." HEX ".bad", NAMES_SET_ASIDE, "k", HEX},
        {".k.lock", NAMES_LOCK, "k", ""},
        {".k." HEX ".lock-new", NAMES_LOCK_NEW, "k", HEX},
        {".k." HEX ".lock-old", NAMES_LOCK_OLD, "k", HEX},
        {".k.suspect-0123456789abcdef-89abcdef", NAMES_SUSPECT, "k", "0123456789abcdef"},
        {".a.suspect-0123456789abcdef-89abcdef.lock", NAMES_LOCK,
         "a.suspect-0123456789abcdef-89abcdef", ""},
        {".k.suspect-0123456789abcdef-89abcdeF", NAMES_FOREIGN, "", ""},
        {".k.suspect-0123456789abcdef+89abcdef", NAMES_FOREIGN, "", ""},
        {".k.suspect-0123456789abcde-89abcdef", NAMES_FOREIGN, "", ""},
        {".k.suspect-0123456789abcdef-89abcdef0", NAMES_FOREIGN, "", ""},
        {"k.suspect-0123456789abcdef-89abcdef", NAMES_FOREIGN, "", ""},
        {".suspect-0123456789abcdef-89abcdef", NAMES_FOREIGN, "", ""},
        {".a.lock.lock", NAMES_LOCK, "a.lock", ""},
        {".a." HEX ".tmp.lock", NAMES_LOCK, "a." HEX ".tmp", ""},
        {".a." HEX "." HEX ".tmp", NAMES_TEMPORARY, "a." HEX, HEX},
        {".v1.tar.zst", NAMES_FOREIGN, "", ""},
        {".lock", NAMES_FOREIGN, "", ""},
        {"..lock", NAMES_FOREIGN, "", ""},
        {"k.lock", NAMES_FOREIGN, "", ""},
        {".K.lock", NAMES_FOREIGN, "", ""},
        {".." HEX ".tmp", NAMES_FOREIGN, "", ""},
        {"." HEX ".tmp", NAMES_FOREIGN, "", ""},
        {".k." HEX "0.tmp", NAMES_FOREIGN, "", ""},
        {".k.0123456789ABCDEF0123456789ABCDEF.tmp", NAMES_FOREIGN, "", ""},
        {".k.lock-new", NAMES_FOREIGN, "", ""},
        {".k." HEX ".tmp ", NAMES_FOREIGN, "", ""},
        {".tmp", NAMES_FOREIGN, "", ""},
        {"", NAMES_FOREIGN, "", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char key[B10_KEY_SIZE];
        char token[TOKEN_TEXT_SIZE];
        assert_int_equal(names_classify(cases[i].name, key, token), cases[i].kind);
        assert_string_equal(key, cases[i].key);
        assert_string_equal(token, cases[i].token);
    }
}

static void an_absent_volume_is_absent(void **state)
{
    struct host host;
    struct volume volume = VOLUME_CLOSED;
    host_init(&host, *state, "mount/compile_cache");
    assert_int_equal(volume_open(&volume, &host.settings, false, NULL, &error), B10_REASON_ABSENT);
    assert_int_equal(volume.dirfd, -1);
    assert_int_equal(volume_open(&volume, &host.settings, true, NULL, &error), B10_REASON_ABSENT);
    assert_false(scratch_exists(*state, "mount"));
}

static void only_the_last_component_is_created(void **state)
{
    struct host host;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    host_init(&host, *state, "mount/compile_cache");
    scratch_mkdir(*state, "mount");
    assert_int_equal(volume_open(&volume, &host.settings, false, NULL, &error), B10_REASON_ABSENT);
    assert_false(scratch_exists(*state, "mount/compile_cache"));
    assert_int_equal(volume_open(&volume, &host.settings, true, NULL, &error), B10_REASON_OK);
    assert_true(scratch_exists(*state, "mount/compile_cache"));
    assert_string_equal(volume.path, host.shared);
    assert_int_equal(volume_confirm(&volume, &error), B10_REASON_OK);
}

static void a_volume_inside_or_around_the_local_directory_is_refused(void **state)
{
    static const char *const links[][2] = {{"local", "volume"},
                                           {"local/in", "volume"},
                                           {".", "volume"},
                                           {"further/in", "volume"}};
    struct host host;
    struct settings_root root = {.name = (char[]){"more"}};
    root.path = strdup(scratch_path(*state, "further"));
    scratch_mkdir(*state, "local/in");
    scratch_mkdir(*state, "further/in");
    for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
        struct volume volume = VOLUME_CLOSED;
        host_init(&host, *state, links[i][1]);
        host.settings.roots = &root;
        host.settings.root_count = 1;
        assert_int_equal(symlink(links[i][0], host.shared), 0);
        assert_int_equal(volume_open(&volume, &host.settings, false, NULL, &error),
                         B10_REASON_CONFIG);
        assert_non_null(strstr(error.message, "B10FS_CACHE_DIR='"));
        assert_int_equal(volume.dirfd, -1);
        assert_int_equal(unlink(host.shared), 0);
    }
    free(root.path);
}

static void bound_over_the_local_directory(void *context)
{
    struct host *host = context;
    struct volume volume = VOLUME_CLOSED;
    sandbox_private_mounts(host->scratch);
    sandbox_bind(host->local, host->shared);
    CHECK(volume_open(&volume, &host->settings, false, NULL, &error) == B10_REASON_CONFIG);
}

static void a_bind_mount_of_the_local_directory_is_refused(void **state)
{
    struct host host;
    host_init(&host, *state, "volume");
    scratch_mkdir(*state, "volume");
    scratch_mkdir(*state, "local");
    sandbox_run(bound_over_the_local_directory, &host);
}

static void a_file_in_its_place_is_an_error(void **state)
{
    struct host host;
    struct volume volume = VOLUME_CLOSED;
    host_init(&host, *state, "volume");
    scratch_text(*state, "volume", "");
    assert_int_equal(volume_open(&volume, &host.settings, true, NULL, &error), B10_REASON_IO);
}

static void another_directory_under_the_name_is_noticed(void **state)
{
    struct host host;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    open_volume(&volume, &host, *state);
    assert_int_equal(rename(host.shared, scratch_path(*state, "gone")), 0);
    assert_int_equal(volume_confirm(&volume, &error), B10_REASON_IO);
    scratch_mkdir(*state, "volume");
    assert_int_equal(volume_confirm(&volume, &error), B10_REASON_IO);
    assert_non_null(strstr(error.message, host.shared));
}

static void closing_twice_is_harmless(void **state)
{
    struct host host;
    struct volume volume = VOLUME_CLOSED;
    size_t before = scratch_open_descriptors();
    volume_close(&volume);
    open_volume(&volume, &host, *state);
    volume_close(&volume);
    volume_close(&volume);
    assert_int_equal(scratch_open_descriptors(), before);
}

/* ---- opening ---- */

static void an_archive_is_opened_by_its_key(void **state)
{
    struct host host;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    SCOPED(reader) struct reader reader = READER_CLOSED;
    open_volume(&volume, &host, *state);
    struct forge forge;
    forge_init(&forge);
    forge_file(&forge, "inductor/a", "a");
    forge_save(&forge, scratch_path(*state, "volume/k.v1.tar.zst"));
    forge_release(&forge);
    assert_int_equal(names_open_archive(&reader, &volume, "k", &error), B10_REASON_OK);
    assert_string_equal(reader.name, scratch_path(*state, "volume/k.v1.tar.zst"));
    struct reader none = READER_CLOSED;
    assert_int_equal(names_open_archive(&none, &volume, "j", &error), B10_REASON_ABSENT);
}

/* ---- setting aside ---- */

static size_t bad_files(const struct scratch *scratch, char name[256])
{
    size_t count = 0;
    FILE *list = NULL;
    char command[600];
    snprintf(command, sizeof(command), "ls -A '%s'", scratch_path(scratch, "volume"));
    list = popen(command, "re");
    assert_non_null(list);
    char line[256];
    while (fgets(line, sizeof(line), list) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strlen(line) > 4 && strcmp(line + strlen(line) - 4, ".bad") == 0) {
            count++;
            snprintf(name, 256, "%s", line);
        }
    }
    pclose(list);
    return count;
}

static struct stat stat_of(const struct scratch *scratch, const char *relative)
{
    struct stat found;
    assert_int_equal(fstatat(scratch->fd, relative, &found, AT_SYMLINK_NOFOLLOW), 0);
    return found;
}

static void a_damaged_archive_is_set_aside_and_one_is_kept(void **state)
{
    struct host host;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    char name[256];
    char first[256];
    bool done = false;
    open_volume(&volume, &host, *state);
    scratch_text(*state, "volume/k2.v1.tar.zst", "other key");
    scratch_text(*state, "volume/.k2.0123456789abcdef0123456789abcdef.bad", "other key's");
    scratch_text(*state, "volume/.k.0123456789abcdef0123456789abcdef.tmp", "being written");
    scratch_text(*state, "volume/.k.x.bad", "somebody else's");
    scratch_text(*state, "volume/k.v1.tar.zst", "damaged");
    struct stat judged = stat_of(*state, "volume/k.v1.tar.zst");
    assert_int_equal(names_set_aside(&volume, "k", &judged, &done, &error), B10_REASON_OK);
    assert_true(done);
    assert_false(scratch_exists(*state, "volume/k.v1.tar.zst"));
    assert_int_equal(bad_files(*state, first), 3);

    scratch_text(*state, "volume/k.v1.tar.zst", "damaged again");
    judged = stat_of(*state, "volume/k.v1.tar.zst");
    assert_int_equal(names_set_aside(&volume, "k", &judged, &done, &error), B10_REASON_OK);
    assert_true(done);
    assert_int_equal(bad_files(*state, name), 3);
    assert_true(scratch_exists(*state, "volume/k2.v1.tar.zst"));
    assert_true(scratch_exists(*state, "volume/.k2.0123456789abcdef0123456789abcdef.bad"));
    assert_true(scratch_exists(*state, "volume/.k.0123456789abcdef0123456789abcdef.tmp"));
    assert_true(scratch_exists(*state, "volume/.k.x.bad"));
}

static void another_file_is_left_alone(void **state)
{
    struct host host;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    char name[256];
    bool done = true;
    open_volume(&volume, &host, *state);
    scratch_text(*state, "volume/judged", "damaged");
    scratch_text(*state, "volume/k.v1.tar.zst", "published since");
    struct stat judged = stat_of(*state, "volume/judged");
    assert_int_equal(names_set_aside(&volume, "k", &judged, &done, &error), B10_REASON_OK);
    assert_false(done);
    assert_true(scratch_exists(*state, "volume/k.v1.tar.zst"));
    assert_int_equal(bad_files(*state, name), 0);
    assert_int_equal(unlink(scratch_path(*state, "volume/k.v1.tar.zst")), 0);
    assert_int_equal(names_set_aside(&volume, "k", &judged, &done, &error), B10_REASON_OK);
    assert_false(done);
}

static void on_a_volume_without_write_access(void *context)
{
    struct host *host = context;
    struct volume volume = VOLUME_CLOSED;
    bool done = true;
    sandbox_drop_root();
    CHECK(volume_open(&volume, &host->settings, false, NULL, &error) == B10_REASON_OK);
    struct stat judged;
    CHECK(fstatat(volume.dirfd, "k.v1.tar.zst", &judged, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK(names_set_aside(&volume, "k", &judged, &done, &error) == B10_REASON_OK);
    CHECK(!done);
    CHECK(fstatat(volume.dirfd, "k.v1.tar.zst", &judged, AT_SYMLINK_NOFOLLOW) == 0);
}

static void a_volume_that_cannot_be_written_keeps_its_archive(void **state)
{
    struct host host;
    host_init(&host, *state, "volume");
    scratch_text(*state, "volume/k.v1.tar.zst", "damaged");
    assert_int_equal(chmod(host.shared, 0555), 0);
    if (getuid() != 0)
        print_message("running as the owner of the directory\n");
    sandbox_run(on_a_volume_without_write_access, &host);
    assert_int_equal(chmod(host.shared, 0755), 0);
}

static void renames_fail(void *context)
{
    struct host *host = context;
    struct volume volume = VOLUME_CLOSED;
    bool done = true;
    CHECK(volume_open(&volume, &host->settings, false, NULL, &error) == B10_REASON_OK);
    struct stat judged;
    CHECK(fstatat(volume.dirfd, "k.v1.tar.zst", &judged, AT_SYMLINK_NOFOLLOW) == 0);
    sandbox_deny(EIO, SYS_renameat);
    sandbox_deny(EIO, SYS_renameat2);
    CHECK(names_set_aside(&volume, "k", &judged, &done, &error) == B10_REASON_IO);
    CHECK(!done);
    CHECK(strstr(error.message, "k.v1.tar.zst") != NULL);
}

static void a_rename_that_fails_is_reported(void **state)
{
    struct host host;
    host_init(&host, *state, "volume");
    scratch_text(*state, "volume/k.v1.tar.zst", "damaged");
    sandbox_run(renames_fail, &host);
}

/* ---- race ---- */

/* What a saver does right before and right after the next renameat of the library. */
static const char *published_before;
static const char *published_after;

static int plain_rename(int from_dir, const char *from, int to_dir, const char *to)
{
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

static void publish(const char **name, int dirfd)
{
    if (*name != NULL && plain_rename(dirfd, *name, dirfd, "k.v1.tar.zst") != 0)
        abort();
    *name = NULL;
}

/* Stands before the C library's. */
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    publish(&published_before, from_dir);
    int result = plain_rename(from_dir, from, to_dir, to);
    int failed = errno;
    publish(&published_after, from_dir);
    errno = failed;
    return result;
}

static void an_archive_published_meanwhile_is_put_back(void **state)
{
    struct host host;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    char name[256];
    bool done = true;
    open_volume(&volume, &host, *state);
    scratch_text(*state, "volume/k.v1.tar.zst", "damaged");
    scratch_text(*state, "volume/new", "whole");
    struct stat judged = stat_of(*state, "volume/k.v1.tar.zst");
    struct stat published = stat_of(*state, "volume/new");
    published_before = "new";
    assert_int_equal(names_set_aside(&volume, "k", &judged, &done, &error), B10_REASON_OK);
    assert_null(published_before);
    assert_false(done);
    assert_int_equal(stat_of(*state, "volume/k.v1.tar.zst").st_ino, published.st_ino);
    assert_int_equal(bad_files(*state, name), 0);
}

static void of_two_archives_published_meanwhile_the_later_one_stays(void **state)
{
    struct host host;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    char name[256];
    bool done = true;
    open_volume(&volume, &host, *state);
    scratch_text(*state, "volume/k.v1.tar.zst", "damaged");
    scratch_text(*state, "volume/new", "whole");
    scratch_text(*state, "volume/newer", "whole, too");
    struct stat judged = stat_of(*state, "volume/k.v1.tar.zst");
    struct stat published = stat_of(*state, "volume/newer");
    published_before = "new";
    published_after = "newer";
    assert_int_equal(names_set_aside(&volume, "k", &judged, &done, &error), B10_REASON_OK);
    assert_false(done);
    assert_int_equal(stat_of(*state, "volume/k.v1.tar.zst").st_ino, published.st_ino);
    assert_int_equal(bad_files(*state, name), 0);
}

static void an_archive_published_after_the_rename_stays(void **state)
{
    struct host host;
    SCOPED(volume) struct volume volume = VOLUME_CLOSED;
    char name[256];
    bool done = false;
    open_volume(&volume, &host, *state);
    scratch_text(*state, "volume/k.v1.tar.zst", "damaged");
    scratch_text(*state, "volume/new", "whole");
    struct stat judged = stat_of(*state, "volume/k.v1.tar.zst");
    struct stat published = stat_of(*state, "volume/new");
    published_after = "new";
    assert_int_equal(names_set_aside(&volume, "k", &judged, &done, &error), B10_REASON_OK);
    assert_true(done);
    assert_int_equal(stat_of(*state, "volume/k.v1.tar.zst").st_ino, published.st_ino);
    assert_int_equal(bad_files(*state, name), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_made_is_a_name_parsed),
        cmocka_unit_test(only_archives_have_an_archives_name),
        cmocka_unit_test(hidden_names_are_known_by_exact_form_only),
        TEST(an_absent_volume_is_absent),
        TEST(only_the_last_component_is_created),
        TEST(a_volume_inside_or_around_the_local_directory_is_refused),
        TEST(a_bind_mount_of_the_local_directory_is_refused),
        TEST(a_file_in_its_place_is_an_error),
        TEST(another_directory_under_the_name_is_noticed),
        TEST(closing_twice_is_harmless),
        TEST(an_archive_is_opened_by_its_key),
        TEST(a_damaged_archive_is_set_aside_and_one_is_kept),
        TEST(another_file_is_left_alone),
        TEST(a_volume_that_cannot_be_written_keeps_its_archive),
        TEST(a_rename_that_fails_is_reported),
        TEST(an_archive_published_meanwhile_is_put_back),
        TEST(of_two_archives_published_meanwhile_the_later_one_stays),
        TEST(an_archive_published_after_the_rename_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
