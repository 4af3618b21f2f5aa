/* Seek tables and manifests that lie, with every digest right. */
#include <stdlib.h>
#include <string.h>

#include "archive/reader.h"
#include "support/hostile.h"

enum { LARGE = 10000 };

static void sealed(struct forge *forge)
{
    forge_init(forge);
    forge_sample(forge, LARGE);
    forge_seal(forge);
}

static void assembled(struct forge *forge)
{
    sealed(forge);
    forge_assemble(forge);
}

/* Makes the file anew with other rows. */
static void with_rows(void **state, struct forge *forge)
{
    bytes_clear(&forge->file);
    hostile_refused(*state, forge, REASON(CORRUPT), NULL);
}

static void the_honest_archive_is_accepted(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    assembled(&forge);
    forge_save(&forge, scratch_path(scratch, "volume/a.tar.zst"));
    struct b10_error error = ERROR_NONE;
    if (hostile_load(scratch, 4, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    if (hostile_check(scratch, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
    forge_tree(scratch, "expected", LARGE);
    scratch_assert_same_tree(scratch_path(scratch, "expected"), scratch_path(scratch, "stage"));
    forge_release(&forge);
}

static void rows_that_do_not_add_up_are_refused(void **state)
{
    struct forge forge;
    assembled(&forge);
    size_t rows = forge.row_count;
    forge_release(&forge);
    for (size_t i = 0; i < rows; i++) {
        for (int change = 0; change < 4; change++) {
            assembled(&forge);
            forge.rows[i].compressed_size += change == 0 ? 1 : change == 1 ? UINT32_MAX : 0;
            forge.rows[i].content_size += change == 2 ? 1 : change == 3 ? UINT32_MAX : 0;
            with_rows(state, &forge);
        }
    }
}

static void rows_that_add_up_but_for_the_frames_are_refused(void **state)
{
    struct forge forge;
    assembled(&forge);
    size_t rows = forge.row_count;
    forge_release(&forge);
    for (size_t i = 0; i + 1 < rows; i++) {
        assembled(&forge);
        forge.rows[i].compressed_size += 1;
        forge.rows[i + 1].compressed_size -= 1;
        with_rows(state, &forge);
    }
}

static void rows_whose_sum_wraps_are_refused(void **state)
{
    struct forge forge;
    assembled(&forge);
    forge.rows[0].compressed_size += UINT32_C(1) << 31;
    forge.rows[1].compressed_size += UINT32_C(1) << 31;
    with_rows(state, &forge);
}

static void a_missing_row_is_refused(void **state)
{
    struct forge forge;
    assembled(&forge);
    size_t rows = forge.row_count;
    forge_release(&forge);
    for (size_t i = 0; i < rows; i++) {
        assembled(&forge);
        forge.row_count--;
        memmove(&forge.rows[i], &forge.rows[i + 1], (forge.row_count - i) * sizeof(*forge.rows));
        with_rows(state, &forge);
    }
}

static void an_empty_row_more_is_refused(void **state)
{
    struct forge forge;
    assembled(&forge);
    forge.rows = realloc(forge.rows, (forge.row_count + 1) * sizeof(*forge.rows));
    assert_non_null(forge.rows);
    forge.rows[forge.row_count++] = (struct seek_row){0, 0};
    with_rows(state, &forge);
}

static void footers_that_lie_are_refused(void **state)
{
    for (size_t i = 1; i <= SEEK_TABLE_FOOTER_SIZE; i++) {
        for (int change = 1; change < 256; change += 51) {
            struct forge forge;
            assembled(&forge);
            forge.file.data[forge.file.size - i] ^= (unsigned char)change;
            hostile_refused(*state, &forge, REASON(CORRUPT), NULL);
        }
    }
}

static void a_signature_is_skipped(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    sealed(&forge);
    assert_int_equal(bytes_append_text(&forge.signature, "reserved", NULL), B10_REASON_OK);
    forge_save(&forge, scratch_path(scratch, "volume/a.tar.zst"));
    struct b10_error error = ERROR_NONE;
    assert_int_equal(hostile_load(scratch, 2, &error), B10_REASON_OK);
    assert_int_equal(hostile_check(scratch, &error), B10_REASON_OK);
    forge_release(&forge);
}

static void a_signature_without_end_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    assert_int_equal(bytes_append_zeros(&forge.signature, 1 << 20, NULL), B10_REASON_OK);
    hostile_refused(*state, &forge, REASON(CORRUPT), NULL);
}

static void a_manifest_from_the_future_is_format(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    sealed(&forge);
    forge.manifest.format = ARCHIVE_FORMAT + 1;
    forge_save(&forge, scratch_path(scratch, "volume/a.tar.zst"));
    struct reader reader = READER_CLOSED;
    struct b10_error error = ERROR_NONE;
    assert_int_equal(reader_open(&reader, scratch->fd, "volume/a.tar.zst", "the archive", &error),
                     B10_REASON_FORMAT);
    assert_int_equal(reader.manifest.format, ARCHIVE_FORMAT + 1);
    assert_int_equal(reader.fd, -1);
    hostile_refused(scratch, &forge, REASON(FORMAT), NULL);
}

static void a_manifest_with_a_wrong_digest_is_refused(void **state)
{
    struct forge forge;
    assembled(&forge);
    forge.payload.data[0] ^= 1;
    bytes_clear(&forge.file);
    hostile_refused(*state, &forge, REASON(CORRUPT), NULL);
}

static void refuse_json(void **state, const char *json)
{
    struct forge forge;
    sealed(&forge);
    assert_int_equal(bytes_append_text(&forge.json, json, NULL), B10_REASON_OK);
    hostile_refused(*state, &forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
}

static void manifests_that_are_none_are_refused(void **state)
{
    const char *texts[] = {"{}",
                           "[]",
                           "1",
                           "null",
                           "\"text\"",
                           "{\"format\":1}",
                           "{",
                           "[",
                           "{]}",
                           "x",
                           "{\"format\":}",
                           "{\"format\":\"1\"}",
                           " ",
                           "{\"format\":0}",
                           "{\"format\":-1}",
                           "{\"format\":1e400}",
                           "{\"format\":1} {}",
                           "{\"format\":1,\"frames\":{}}"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        refuse_json(state, texts[i]);
}

static void unknown_keys_of_the_manifest_are_ignored(void **state)
{
    struct scratch *scratch = *state;
    struct forge forge;
    sealed(&forge);
    forge_json(&forge, "{\"format\":1", "{\"format\":1,\"later\":{\"x\":[1,null]}");
    forge_save(&forge, scratch_path(scratch, "volume/a.tar.zst"));
    forge_release(&forge);
    struct b10_error error = ERROR_NONE;
    if (hostile_load(scratch, 1, &error) != B10_REASON_OK)
        fail_msg("%s", error.message);
}

static void values_of_the_wrong_kind_are_refused(void **state)
{
    const char *changes[][2] = {
        {"\"format\":1", "\"later\":2,\"format\":1"},
        {"\"format\":1", "\"format\":1,\"format\":1"},
        {"\"format\":1", "\"format\":1.0"},
        {"\"format\":1", "\"format\":true"},
        {"\"format\":1", "\"format\":18446744073709551617"},
        {"\"frames\":[", "\"frames\":[[],"},
        {"\"frames\":[", "\"frames\":[null,"},
        {"\"frames\":[", "\"frames\":{},\"f\":["},
        {"[\"members\",", "[\"unheard\","},
        {"[\"members\",", "[\"members\",-"},
        {"[\"members\",", "[\"members\",1e3,"},
        {"\"bytes\":", "\"bytes\":-"},
        {"\"files\":", "\"files\":1.5,\"f\":"},
        {"\"files\":", "\"files\":\"9\",\"f\":"},
        {"\"roots\":[", "\"roots\":[{},"},
        {"\"roots\":[", "\"roots\":[7,"},
        {"\"roots\":[", "\"roots\":[],\"r\":["},
        {"\"directories\":[", "\"directories\":[[9,\"x\"],"},
        {"\"directories\":[", "\"directories\":[[0,{\"bytes\":\"2e2\"}],"},
        {"\"directories\":[", "\"directories\":[[0,{\"bytes\":\"6100\"}],"},
        {"\"directories\":[", "\"directories\":[[0,{\"bytes\":\"2e2e\"}],"},
        {"\"directories\":[", "\"directories\":[[0,\"a\\u0000b\"],"},
        {"\"sliced\":[", "\"sliced\":[[0],"},
        {"\"created\":", "\"created\":\"now\",\"c\":"},
        {"\"token\":\"aa", "\"token\":\"../"},
        {"\"key\":\"inductor", "\"key\":\"../../inductor"},
    };
    for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
        struct forge forge;
        sealed(&forge);
        forge_json(&forge, changes[i][0], changes[i][1]);
        hostile_refused(*state, &forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
    }
}

static void a_manifest_nested_without_end_is_refused(void **state)
{
    struct bytes json = BYTES_EMPTY;
    assert_int_equal(bytes_reserve(&json, 1000001, NULL), B10_REASON_OK);
    memset(json.data, '[', 1000000);
    json.size = 1000000;
    assert_int_equal(bytes_terminate(&json, NULL), B10_REASON_OK);
    refuse_json(state, (const char *)json.data);
    bytes_release(&json);
}

/* A few kilobytes that would become more than a manifest may be. */
static void a_manifest_bomb_is_refused(void **state)
{
    struct forge forge;
    sealed(&forge);
    size_t size = (size_t)MANIFEST_LIMIT + 4096;
    assert_int_equal(bytes_append_zeros(&forge.json, size, NULL), B10_REASON_OK);
    memset(forge.json.data, ' ', size);
    hostile_refused(*state, &forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
}

static void totals_that_lie_are_refused(void **state)
{
    for (size_t field = 0; field < 6; field++) {
        for (int more = 0; more < 2; more++) {
            struct forge forge;
            sealed(&forge);
            struct manifest_totals *totals = &forge.manifest.totals;
            uint64_t *fields[] = {&totals->files,      &totals->symlinks, &totals->directories,
                                  &totals->duplicates, &totals->bytes,    &totals->disk_bytes};
            *fields[field] += more ? 1 : UINT64_MAX;
            hostile_refused(*state, &forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
        }
    }
}

static void huge_totals_are_refused(void **state)
{
    for (size_t field = 0; field < 6; field++) {
        struct forge forge;
        sealed(&forge);
        struct manifest_totals *totals = &forge.manifest.totals;
        uint64_t *fields[] = {&totals->files,      &totals->symlinks, &totals->directories,
                              &totals->duplicates, &totals->bytes,    &totals->disk_bytes};
        *fields[field] = INT64_MAX;
        hostile_refused(*state, &forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
    }
}

static void refuse_directories(void **state, const char *first, const char *second)
{
    struct forge forge;
    forge_init(&forge);
    forge_directory(&forge, first);
    if (second != NULL)
        forge_directory(&forge, second);
    hostile_refused(*state, &forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
}

static void directories_of_the_manifest_keep_the_rules_of_paths(void **state)
{
    refuse_directories(state, "inductor/..", NULL);
    refuse_directories(state, "inductor/../../outside/evil", NULL);
    refuse_directories(state, "inductor//outside/evil", NULL);
    refuse_directories(state, "inductor/./x", NULL);
    refuse_directories(state, "inductor/", NULL);
    refuse_directories(state, "inductor/a", "inductor/a/../../../outside/evil");
}

static void directories_without_their_parent_are_refused(void **state)
{
    refuse_directories(state, "inductor/a/b", NULL);
    refuse_directories(state, "inductor/a/b", "inductor/a");
}

static void a_directory_named_twice_is_refused(void **state)
{
    refuse_directories(state, "inductor/a", "inductor/a");
}

static void root_names_that_lead_elsewhere_are_refused(void **state)
{
    const char *names[] = {"..",    "",         ".",  "a/b", "/",
                           "Upper", "inductor", "_x", "1x",  "averyveryveryverylongnameofaroot1"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct forge forge;
        forge_init(&forge);
        forge_file(&forge, "inductor/a", "x");
        free(forge.manifest.roots[1].name);
        forge.manifest.roots[1].name = strdup(names[i]);
        hostile_refused(*state, &forge, REASON(CORRUPT) | REASON(UNSAFE), NULL);
    }
}

static void an_index_of_another_size_is_refused(void **state)
{
    struct forge forge;
    assembled(&forge);
    forge.manifest.index_size++;
    bytes_clear(&forge.payload);
    bytes_clear(&forge.file);
    hostile_refused(*state, &forge, REASON(CORRUPT), NULL);
}

int main(void)
{
#define HOSTILE(test) cmocka_unit_test_setup_teardown(test, hostile_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        HOSTILE(the_honest_archive_is_accepted),
        HOSTILE(rows_that_do_not_add_up_are_refused),
        HOSTILE(rows_that_add_up_but_for_the_frames_are_refused),
        HOSTILE(rows_whose_sum_wraps_are_refused),
        HOSTILE(a_missing_row_is_refused),
        HOSTILE(an_empty_row_more_is_refused),
        HOSTILE(footers_that_lie_are_refused),
        HOSTILE(a_signature_is_skipped),
        HOSTILE(a_signature_without_end_is_refused),
        HOSTILE(a_manifest_from_the_future_is_format),
        HOSTILE(a_manifest_with_a_wrong_digest_is_refused),
        HOSTILE(manifests_that_are_none_are_refused),
        HOSTILE(unknown_keys_of_the_manifest_are_ignored),
        HOSTILE(values_of_the_wrong_kind_are_refused),
        HOSTILE(a_manifest_nested_without_end_is_refused),
        HOSTILE(a_manifest_bomb_is_refused),
        HOSTILE(totals_that_lie_are_refused),
        HOSTILE(huge_totals_are_refused),
        HOSTILE(directories_of_the_manifest_keep_the_rules_of_paths),
        HOSTILE(directories_without_their_parent_are_refused),
        HOSTILE(a_directory_named_twice_is_refused),
        HOSTILE(root_names_that_lead_elsewhere_are_refused),
        HOSTILE(an_index_of_another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
