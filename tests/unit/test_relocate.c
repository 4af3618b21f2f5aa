#include "cache/relocate.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/guard.h"
#include "cache/relocate_text.h"
#include "support/forge.h"
#include "support/packing.h"
#include "support/sandbox.h"

#define OLD_GROUP "{\"child_paths\": {\"k\": \"/old/triton/A/k\"}}"
#define NEW_GROUP "{\"child_paths\": {\"k\": \"/new/triton/A/k\"}}"

enum { LARGE = 2 << 20, THREADS = 8 };

static const char *const root_names[] = {"inductor", "triton"};
static const char *const origins[] = {"/old/main", "/old/triton"};
static struct b10_error error = ERROR_NONE;

/* A load of the archive "a", with roots "inductor" (saved in /old/main) and "triton" (saved in
 * /old/triton), into staged/. */
struct load {
    const struct scratch *scratch;
    struct reader reader;
    struct relocate_place places[2];
    struct relocation *relocation;
    struct unpack_counts unpacked;
    struct relocate_counts counts;
    char warnings[2048];
    struct log log;
};

static void keep_warning(void *user, b10_log_level level, const char *message)
{
    struct load *load = user;
    size_t used = strlen(load->warnings);
    assert_int_equal(level, B10_LOG_WARN);
    snprintf(load->warnings + used, sizeof(load->warnings) - used, "%s\n", message);
}

static void load_init(struct load *load, const struct scratch *scratch)
{
    *load = (struct load){.scratch = scratch, .reader = READER_CLOSED};
    load->log = (struct log){.fn = keep_warning, .user = load, .level = B10_LOG_INFO};
    for (size_t i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof(name), "saved/%s", root_names[i]);
        scratch_mkdir(scratch, name);
        snprintf(name, sizeof(name), "staged/%s", root_names[i]);
        scratch_mkdir(scratch, name);
        load->places[i].fd = open(scratch_path(scratch, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(load->places[i].fd >= 0);
    }
    load->places[0].path = "/new/main";
    load->places[1].path = "/new/triton";
}

static void load_release(struct load *load)
{
    relocation_free(load->relocation);
    reader_close(&load->reader);
    for (size_t i = 0; i < 2; i++)
        fd_guard(&load->places[i].fd);
}

static void set_root(struct manifest *manifest, size_t root)
{
    struct manifest_root *stored = &manifest->roots[root];
    free(stored->name);
    free(stored->origins[0]);
    stored->name = strdup(root_names[root]);
    stored->origins[0] = strdup(origins[root]);
}

/* saved/ becomes the archive. */
static void pack_saved(const struct scratch *scratch)
{
    struct packing_case packing;
    packing_init(&packing);
    packing_root(&packing, scratch_path(scratch, "saved/inductor"), "inductor");
    packing_root(&packing, scratch_path(scratch, "saved/triton"), "triton");
    for (size_t i = 0; i < 2; i++)
        set_root(&packing.manifest, i);
    packing_file(&packing, scratch_path(scratch, "a"));
    packing_release(&packing);
}

static void forge_begin(struct forge *forge)
{
    forge_init(forge);
    for (size_t i = 0; i < 2; i++)
        set_root(&forge->manifest, i);
}

static void forge_end(struct forge *forge, const struct scratch *scratch)
{
    forge_save(forge, scratch_path(scratch, "a"));
    forge_release(forge);
}

static enum b10_reason unpack_staged(struct load *load)
{
    const int fds[] = {load->places[0].fd, load->places[1].fd};
    struct cancel cancel = CANCEL_CLEAR;
    enum b10_reason reason =
        reader_open(&load->reader, load->scratch->fd, "a", "the.archive", &error);
    if (reason == B10_REASON_OK)
        reason = relocation_begin(&load->relocation, &load->reader.manifest, load->places, &error);
    if (reason == B10_REASON_OK)
        reason = unpack(&load->reader, fds, relocation_filter(load->relocation), THREADS, &cancel,
                        NULL, &load->unpacked, &error);
    return reason;
}

static enum b10_reason finish(struct load *load)
{
    return relocation_finish(load->relocation, &load->log, NULL, &load->counts, &error);
}

static void run_archive(struct load *load)
{
    if (unpack_staged(load) != B10_REASON_OK || finish(load) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static void run(struct load *load)
{
    pack_saved(load->scratch);
    run_archive(load);
}

static void assert_text(const struct load *load, const char *name, const char *expected)
{
    SCOPED(heap) char *text = scratch_read(load->scratch, name, NULL);
    assert_string_equal(text, expected);
}

static void files_of_every_root_point_into_every_root(void **state)
{
    struct load load;
    load_init(&load, *state);
    scratch_text(*state, "saved/inductor/a/__grp__k.json",
                 "{\"child_paths\": {\"k\": \"/old/triton/A/k\", \"l\": \"/old/main/a/l\"}}");
    scratch_text(*state, "saved/triton/A/__grp__k.json", OLD_GROUP);
    scratch_text(*state, "saved/inductor/c/vllm_compile_cache.py", "{1: ('h', '/old/main/c/x')}");
    scratch_text(*state, "saved/inductor/vllm_compile_cache.py", "{2: ('h', '/old/main/x')}");
    scratch_text(*state, "saved/inductor/c/other.py", "{1: ('h', '/old/main/c/x')}");
    scratch_text(*state, "saved/triton/A/k.json", OLD_GROUP);
    scratch_text(*state, "saved/triton/B/__grp__m.json",
                 "{\"child_paths\": {\"m\": \"/elsewhere/m\"}}");
    run(&load);
    assert_int_equal(load.counts.relocated, 4);
    assert_int_equal(load.counts.unrelocated, 0);
    assert_text(&load, "staged/inductor/a/__grp__k.json",
                "{\"child_paths\": {\"k\": \"/new/triton/A/k\", \"l\": \"/new/main/a/l\"}}");
    assert_text(&load, "staged/triton/A/__grp__k.json", NEW_GROUP);
    assert_text(&load, "staged/inductor/c/vllm_compile_cache.py", "{1: ('h', '/new/main/c/x')}");
    assert_text(&load, "staged/inductor/vllm_compile_cache.py", "{2: ('h', '/new/main/x')}");
    assert_text(&load, "staged/inductor/c/other.py", "{1: ('h', '/old/main/c/x')}");
    assert_text(&load, "staged/triton/A/k.json", OLD_GROUP);
    assert_text(&load, "staged/triton/B/__grp__m.json",
                "{\"child_paths\": {\"m\": \"/elsewhere/m\"}}");
    assert_string_equal(load.warnings, "");
    load_release(&load);
}

/* ---- large files and duplicates ---- */

static char *large_text(const char *path)
{
    char *text = malloc(LARGE + 1);
    assert_non_null(text);
    memset(text, ' ', LARGE);
    text[LARGE] = '\0';
    memcpy(text + LARGE - 1 - strlen(path), path, strlen(path));
    return text;
}

static void set_time(const struct scratch *scratch, const char *name, int64_t seconds, long ns)
{
    const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = (time_t)seconds, .tv_nsec = ns}};
    assert_int_equal(utimensat(AT_FDCWD, scratch_path(scratch, name), times, 0), 0);
}

static void assert_about(const struct scratch *scratch, const char *name, int64_t seconds, long ns,
                         bool executable)
{
    struct stat stat_now;
    assert_int_equal(stat(scratch_path(scratch, name), &stat_now), 0);
    assert_int_equal(stat_now.st_mtim.tv_sec, seconds);
    assert_int_equal(stat_now.st_mtim.tv_nsec, ns);
    assert_int_equal((stat_now.st_mode & S_IXUSR) != 0, executable);
    assert_int_equal(stat_now.st_nlink, 1);
}

static void times_modes_and_lengths_are_right(void **state)
{
    struct load load;
    static const char name[] = "saved/triton/A/__grp__k.json";
    load_init(&load, *state);
    load.places[1].path = "/n/t"; /* shorter: nothing of the old text may be left behind */
    scratch_text(*state, name, OLD_GROUP);
    assert_int_equal(chmod(scratch_path(*state, name), 0750), 0);
    set_time(*state, name, 1234567, 987654321);
    SCOPED(heap) char *text = large_text("'/old/triton/x'");
    SCOPED(heap) char *expected = large_text("'/old/triton/x'");
    strcpy(expected + LARGE - 1 - strlen("'/old/triton/x'"), "'/n/t/x' ");
    scratch_text(*state, "saved/triton/vllm_compile_cache.py", text);
    set_time(*state, "saved/triton/vllm_compile_cache.py", 7654321, 123456789);
    run(&load);
    assert_int_equal(load.counts.relocated, 2);
    assert_text(&load, "staged/triton/A/__grp__k.json", "{\"child_paths\": {\"k\": \"/n/t/A/k\"}}");
    assert_about(*state, "staged/triton/A/__grp__k.json", 1234567, 987654321, true);
    assert_text(&load, "staged/triton/vllm_compile_cache.py", expected);
    assert_about(*state, "staged/triton/vllm_compile_cache.py", 7654321, 123456789, false);
    load_release(&load);
}

/* Whichever of them is the original in the archive: each is rewritten by its own name, once. */
static void assert_duplicates(const struct scratch *scratch, const char *old, const char *new)
{
    static const char *const names[] = {"a/vllm_compile_cache.py", "b/other.py",
                                        "c/vllm_compile_cache.py", "d/x.py",
                                        "e/vllm_compile_cache.py"};
    struct load load;
    char name[100];
    load_init(&load, scratch);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "saved/inductor/%s", names[i]);
        scratch_text(scratch, name, old);
        set_time(scratch, name, 1000 + i, i);
    }
    run(&load);
    assert_int_equal(load.unpacked.duplicates, 4);
    assert_int_equal(load.unpacked.bytes, 5 * strlen(old)); /* the archive's own */
    assert_int_equal(load.counts.relocated, 3);
    assert_int_equal(load.counts.unrelocated, 0);
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "staged/inductor/%s", names[i]);
        assert_text(&load, name, i % 2 == 0 ? new : old);
        assert_about(scratch, name, 1000 + i, i, false);
    }
    load_release(&load);
}

static void duplicates_of_small_files_are_judged_by_their_own_names(void **state)
{
    assert_duplicates(*state, "('/old/main/1')", "('/new/main/1')");
}

static void duplicates_of_large_files_are_judged_by_their_own_names(void **state)
{
    SCOPED(heap) char *old = large_text("'/old/main/1'");
    SCOPED(heap) char *new = large_text("'/new/main/1'");
    assert_duplicates(*state, old, new);
}

static void a_copy_is_rewritten_though_its_large_original_is_not_and_the_reverse(void **state)
{
    enum { SLICE = 4096, SIZE = 3 * SLICE - 100 };
    struct load load;
    struct forge forge;
    char old[SIZE + 1];
    char new[SIZE + 1];
    snprintf(old, sizeof(old), "%-*s", SIZE, OLD_GROUP);
    load_init(&load, *state);
    forge_begin(&forge);
    forge_sliced(&forge, "triton/plain.json", old, SIZE, SLICE, false);
    forge_link(&forge, "triton/__grp__copy.json", "triton/plain.json", SIZE);
    forge_sliced(&forge, "triton/__grp__original.json", old, SIZE, SLICE, false);
    forge_link(&forge, "triton/copy.json", "triton/__grp__original.json", SIZE);
    forge_sliced(&forge, "triton/__grp__void.json", old, SIZE, SLICE, true);
    forge_end(&forge, *state);
    run_archive(&load);
    assert_int_equal(load.counts.relocated, 2);
    assert_int_equal(load.counts.unrelocated, 0);
    snprintf(new, sizeof(new), "%s", NEW_GROUP);
    assert_text(&load, "staged/triton/plain.json", old);
    assert_text(&load, "staged/triton/__grp__copy.json", new);
    assert_text(&load, "staged/triton/__grp__original.json", new);
    assert_text(&load, "staged/triton/copy.json", old);
    assert_false(scratch_exists(*state, "staged/triton/__grp__void.json"));
    load_release(&load);
}

/* Small files, their duplicates, large files, their copies, and some that stay. */
static void many_threads_lose_nothing(void **state)
{
    enum { GROUPS = 300, LINKS = 3, LARGE_FILES = 8, COPIES = 10, SLICE = 4096, SIZE = 3 * SLICE };
    struct load load;
    struct forge forge;
    char path[64];
    char original[64];
    char text[SIZE + 1];
    load_init(&load, *state);
    load.places[1].path = "/a/longer/one/triton";
    forge_begin(&forge);
    for (unsigned i = 0; i < GROUPS; i++) {
        snprintf(original, sizeof(original), "triton/__grp__%03u.json", i);
        forge_file(&forge, original, i % 10 == 7 ? "no json" : OLD_GROUP);
        for (unsigned k = 0; k < LINKS; k++) {
            snprintf(path, sizeof(path), "triton/__grp__%03u.%u.json", i, k);
            forge_link(&forge, path, original, i % 10 == 7 ? 7 : strlen(OLD_GROUP));
        }
        if (i % 5 == 0)
            forge_close_frame(&forge);
    }
    snprintf(text, sizeof(text), "%-*s", SIZE, OLD_GROUP);
    for (unsigned i = 0; i < LARGE_FILES; i++) {
        snprintf(original, sizeof(original), "triton/__grp__large%u.json", i);
        forge_sliced(&forge, original, text, SIZE, SLICE, false);
        for (unsigned k = 0; k < COPIES; k++) {
            snprintf(path, sizeof(path), "triton/__grp__large%u.%u.json", i, k);
            forge_link(&forge, path, original, SIZE);
        }
    }
    forge_end(&forge, *state);
    run_archive(&load);
    assert_int_equal(load.counts.relocated,
                     GROUPS / 10 * 9 * (1 + LINKS) + LARGE_FILES * (1 + COPIES));
    assert_int_equal(load.counts.unrelocated, GROUPS / 10 * (1 + LINKS));
    assert_non_null(strstr(load.warnings, "; the first: 'triton/__grp__"));
    for (unsigned i = 0; i < LARGE_FILES; i++)
        for (unsigned k = 0; k < COPIES; k++) {
            snprintf(path, sizeof(path), "staged/triton/__grp__large%u.%u.json", i, k);
            assert_text(&load, path, "{\"child_paths\": {\"k\": \"/a/longer/one/triton/A/k\"}}");
        }
    load_release(&load);
}

/* ---- what stays ---- */

static void where_nothing_moved_nothing_is_looked_at(void **state)
{
    struct load load;
    load_init(&load, *state);
    SCOPED(heap) char *text = large_text("'/old/main/x'");
    scratch_text(*state, "saved/triton/A/__grp__k.json", OLD_GROUP);
    scratch_text(*state, "saved/inductor/vllm_compile_cache.py", text);
    load.places[0].path = "/old/main";
    load.places[1].path = "/real/triton";
    load.places[1].named = "/old/triton";
    pack_saved(*state);
    assert_int_equal(unpack_staged(&load), B10_REASON_OK);
    assert_null(relocation_filter(load.relocation));
    assert_int_equal(unlink(scratch_path(*state, "staged/inductor/vllm_compile_cache.py")),
                     0); /* a look would fail */
    assert_int_equal(finish(&load), B10_REASON_OK);
    assert_int_equal(load.counts.relocated + load.counts.unrelocated, 0);
    assert_text(&load, "staged/triton/A/__grp__k.json", OLD_GROUP);
    load_release(&load);
}

static void a_root_that_is_left_out_is_not_looked_at(void **state)
{
    struct load load;
    load_init(&load, *state);
    SCOPED(heap) char *text = large_text("'/old/main/x'");
    scratch_text(*state, "saved/triton/__grp__k.json", OLD_GROUP);
    scratch_text(*state, "saved/triton/vllm_compile_cache.py", text);
    scratch_text(*state, "saved/inductor/vllm_compile_cache.py", "'/old/main', '/old/triton'");
    fd_guard(&load.places[1].fd);
    load.places[1].fd = -1;
    run(&load);
    assert_int_equal(load.counts.relocated, 1);
    assert_int_equal(load.counts.unrelocated, 0);
    assert_text(&load, "staged/inductor/vllm_compile_cache.py", "'/new/main', '/old/triton'");
    assert_int_equal(scratch_count(*state, "staged/triton"), 0);
    load_release(&load);
}

/* No save packs what is no JSON: such files are torn. */
static void what_cannot_be_replaced_stays_with_one_warning(void **state)
{
    enum { SLICE = 4096, SIZE = 2 * SLICE };
    static const char *const directories[] = {"triton/A", "triton/B", "triton/C", "triton/D"};
    struct load load;
    struct forge forge;
    char text[SIZE + 1];
    snprintf(text, sizeof(text), "%-*s", SIZE, "('/old/triton/x')");
    load_init(&load, *state);
    load.places[1].path = "/new/it's";
    forge_begin(&forge);
    for (size_t i = 0; i < 4; i++)
        forge_directory(&forge, directories[i]);
    forge_file(&forge, "triton/B/__grp__k.json", "no json");
    forge_file(&forge, "triton/A/__grp__k.json", OLD_GROUP);
    forge_file(&forge, "triton/C/__grp__k.json", "{\"child_paths\": {\"k\": \"/old/main/k\"}}");
    forge_file(&forge, "triton/D/__grp__k.json", "");
    forge_sliced(&forge, "triton/D/vllm_compile_cache.py", text, SIZE, SLICE, false);
    forge_link(&forge, "triton/C/vllm_compile_cache.py", "triton/D/vllm_compile_cache.py", SIZE);
    forge_end(&forge, *state);
    run_archive(&load);
    assert_int_equal(load.counts.relocated, 1);
    assert_int_equal(load.counts.unrelocated, 5);
    assert_text(&load, "staged/triton/A/__grp__k.json", OLD_GROUP);
    assert_text(&load, "staged/triton/B/__grp__k.json", "no json");
    assert_text(&load, "staged/triton/C/__grp__k.json",
                "{\"child_paths\": {\"k\": \"/new/main/k\"}}");
    assert_text(&load, "staged/triton/D/__grp__k.json", "");
    assert_text(&load, "staged/triton/C/vllm_compile_cache.py", text);
    assert_text(&load, "staged/triton/D/vllm_compile_cache.py", text);
    assert_non_null(strstr(load.warnings, "5 files"));
    assert_non_null(strstr(load.warnings, "; the first: 'triton/"));
    assert_ptr_equal(strchr(load.warnings, '\n'), load.warnings + strlen(load.warnings) - 1);
    load_release(&load);
}

/* Small ones, large ones, and copies of large ones. */
static void links_are_not_followed_and_too_large_files_not_read(void **state)
{
    struct load load;
    load_init(&load, *state);
    scratch_text(*state, "saved/triton/A/target", OLD_GROUP);
    assert_int_equal(symlink("target", scratch_path(*state, "saved/triton/A/__grp__k.json")), 0);
    assert_int_equal(symlink("A", scratch_path(*state, "saved/triton/dir")), 0);
    scratch_mkdir(*state, "saved/triton/__grp__d.json");
    scratch_text(*state, "saved/triton/B/__grp__l.json", OLD_GROUP);
    assert_int_equal(truncate(scratch_path(*state, "saved/triton/B/__grp__l.json"),
                              (off_t)RELOCATE_GROUP_LIMIT + 1),
                     0);
    for (int i = 0; i < 2; i++) {
        const char *name =
            i == 0 ? "saved/triton/vllm_compile_cache.py" : "saved/triton/C/vllm_compile_cache.py";
        scratch_text(*state, name, "'/old/triton'");
        assert_int_equal(truncate(scratch_path(*state, name), (off_t)RELOCATE_SOURCE_LIMIT + 1), 0);
    }
    run(&load);
    assert_int_equal(load.unpacked.duplicates, 1);
    assert_int_equal(load.counts.relocated, 0);
    assert_int_equal(load.counts.unrelocated, 3);
    assert_non_null(strstr(load.warnings, "is too large"));
    assert_text(&load, "staged/triton/A/target", OLD_GROUP);
    assert_text(&load, "staged/triton/A/__grp__k.json", OLD_GROUP);
    assert_text(&load, "staged/triton/vllm_compile_cache.py", "'/old/triton'");
    load_release(&load);
}

static void a_small_file_beyond_the_limit_is_not_read(void **state)
{
    struct load load;
    struct forge forge;
    char *text = malloc(RELOCATE_GROUP_LIMIT + 2);
    assert_non_null(text);
    snprintf(text, RELOCATE_GROUP_LIMIT + 2, "%-*s", RELOCATE_GROUP_LIMIT + 1, OLD_GROUP);
    load_init(&load, *state);
    forge_begin(&forge);
    forge_file(&forge, "triton/__grp__l.json", text);
    text[RELOCATE_GROUP_LIMIT] = '\0';
    forge_file(&forge, "triton/__grp__m.json", text);
    forge_end(&forge, *state);
    run_archive(&load);
    assert_int_equal(load.counts.relocated, 1);
    assert_int_equal(load.counts.unrelocated, 1);
    assert_text(&load, "staged/triton/__grp__m.json", NEW_GROUP);
    assert_non_null(strstr(load.warnings, "'triton/__grp__l.json' is too large"));
    load_release(&load);
    free(text);
}

static void a_link_in_a_large_files_place_is_not_followed(void **state)
{
    struct load load;
    load_init(&load, *state);
    SCOPED(heap) char *text = large_text("'/old/main/x'");
    scratch_text(*state, "outside", "'/old/main/x'");
    scratch_text(*state, "saved/inductor/a/vllm_compile_cache.py", text);
    pack_saved(*state);
    assert_int_equal(unpack_staged(&load), B10_REASON_OK);
    const char *name = scratch_path(*state, "staged/inductor/a/vllm_compile_cache.py");
    assert_int_equal(unlink(name), 0);
    assert_int_equal(symlink("../../../outside", name), 0);
    assert_int_not_equal(finish(&load), B10_REASON_OK);
    assert_text(&load, "outside", "'/old/main/x'");
    load_release(&load);
}

/* 10 files, of which each would grow by more than a ninth of what all may grow by. */
static void all_of_them_may_not_grow_without_limit(void **state)
{
    enum { FILES = 10, FIT = 8, PATHS = 8000, LENGTH = 4000 };
    static const char old[] = "'/old/main',";
    struct load load;
    struct forge forge;
    char path[64];
    char place[LENGTH + 1];
    size_t as_saved = 0;
    SCOPED(bytes) struct bytes text = BYTES_EMPTY;
    snprintf(place, sizeof(place), "/%0*d", LENGTH - 1, 0);
    for (int i = 0; i < PATHS; i++)
        assert_int_equal(bytes_append_text(&text, old, NULL), 0);
    assert_int_equal(bytes_terminate(&text, NULL), 0);
    load_init(&load, *state);
    load.places[0].path = place;
    forge_begin(&forge);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof(path), "inductor/%d", i);
        forge_directory(&forge, path);
        snprintf(path, sizeof(path), "inductor/%d/vllm_compile_cache.py", i);
        forge_file(&forge, path, (const char *)text.data);
        forge_close_frame(&forge);
    }
    forge_end(&forge, *state);
    run_archive(&load);
    assert_int_equal(load.counts.relocated, FIT);
    assert_int_equal(load.counts.unrelocated, FILES - FIT);
    for (int i = 0; i < FILES; i++) {
        struct stat stat_now;
        snprintf(path, sizeof(path), "staged/inductor/%d/vllm_compile_cache.py", i);
        assert_int_equal(stat(scratch_path(*state, path), &stat_now), 0);
        as_saved += (size_t)stat_now.st_size == text.size;
        assert_true((size_t)stat_now.st_size == text.size ||
                    stat_now.st_size == PATHS * (LENGTH + 3));
    }
    assert_int_equal(as_saved, FILES - FIT);
    load_release(&load);
}

/* ---- as another user ---- */

static void with_files_closed_to_ourselves(void *context)
{
    struct load *load = context;
    sandbox_drop_root();
    umask(0400);
    CHECK(unpack_staged(load) == B10_REASON_OK);
    CHECK(finish(load) == B10_REASON_OK);
    CHECK(load->counts.relocated == 1 && load->counts.unrelocated == 1);
    CHECK(strstr(load->warnings, "vllm_compile_cache.py' cannot be opened") != NULL);
}

/* What is written only once needs no second opening. */
static void a_large_file_that_the_umask_closes_stays(void **state)
{
    struct load load;
    load_init(&load, *state);
    SCOPED(heap) char *text = large_text("'/old/triton/x'");
    scratch_text(*state, "saved/triton/A/__grp__k.json", OLD_GROUP);
    scratch_text(*state, "saved/triton/A/vllm_compile_cache.py", text);
    pack_saved(*state);
    assert_int_equal(chmod(scratch_path(*state, "a"), 0644), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(fchmod(load.places[i].fd, 0777), 0);
    sandbox_run(with_files_closed_to_ourselves, &load);
    assert_text(&load, "staged/triton/A/__grp__k.json", NEW_GROUP);
    assert_text(&load, "staged/triton/A/vllm_compile_cache.py", text);
    load_release(&load);
}

static void no_descriptor_is_left_open(void **state)
{
    struct load load;
    const size_t before = scratch_open_descriptors();
    load_init(&load, *state);
    SCOPED(heap) char *text = large_text("'/old/triton/x'");
    scratch_text(*state, "saved/triton/A/__grp__k.json", OLD_GROUP);
    scratch_text(*state, "saved/triton/B/__grp__k.json", "[]");
    scratch_text(*state, "saved/triton/A/vllm_compile_cache.py", text);
    scratch_text(*state, "saved/triton/B/vllm_compile_cache.py", text);
    run(&load);
    assert_int_equal(load.counts.relocated, 3);
    load_release(&load);
    assert_int_equal(scratch_open_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_of_every_root_point_into_every_root),
        TEST(times_modes_and_lengths_are_right),
        TEST(duplicates_of_small_files_are_judged_by_their_own_names),
        TEST(duplicates_of_large_files_are_judged_by_their_own_names),
        TEST(a_copy_is_rewritten_though_its_large_original_is_not_and_the_reverse),
        TEST(many_threads_lose_nothing),
        TEST(where_nothing_moved_nothing_is_looked_at),
        TEST(a_root_that_is_left_out_is_not_looked_at),
        TEST(what_cannot_be_replaced_stays_with_one_warning),
        TEST(links_are_not_followed_and_too_large_files_not_read),
        TEST(a_small_file_beyond_the_limit_is_not_read),
        TEST(a_link_in_a_large_files_place_is_not_followed),
        TEST(all_of_them_may_not_grow_without_limit),
        TEST(a_large_file_that_the_umask_closes_stays),
        TEST(no_descriptor_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
