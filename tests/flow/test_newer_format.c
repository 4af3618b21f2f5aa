/* A replica of an old release meets what a newer one has stored: it leaves it alone. */
#include <stdlib.h>
#include <string.h>

#include "support/forge.h"
#include "support/replica.h"

struct rig {
    struct scratch *scratch;
    struct replica replica;
    char *archive; /* of a newer format, under this environment's key */
    size_t size;
};

static void put_newer_archive(struct rig *rig)
{
    struct forge forge;
    replica_fill(&rig->replica, "local");
    replica_assert(&rig->replica, replica_save(&rig->replica), B10_SUCCESS, B10_REASON_OK);
    forge_init(&forge);
    forge.manifest.format = ARCHIVE_FORMAT + 1;
    forge_file(&forge, "inductor/a", "a");
    forge_save(&forge, replica_archive(&rig->replica));
    forge_release(&forge);
}

static const char *relative_archive(const struct rig *rig)
{
    return replica_archive(&rig->replica) + strlen(rig->scratch->path) + 1;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    assert_int_equal(scratch_setup((void **)&rig->scratch), 0);
    replica_init(&rig->replica, rig->scratch);
    put_newer_archive(rig);
    rig->archive = scratch_read(rig->scratch, relative_archive(rig), &rig->size);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    replica_release(&rig->replica);
    scratch_teardown((void **)&rig->scratch);
    free(rig->archive);
    free(rig);
    return 0;
}

static void assert_untouched(struct rig *rig)
{
    size_t size = 0;
    assert_int_equal(replica_volume_entries(&rig->replica), 1);
    char *now = scratch_read(rig->scratch, relative_archive(rig), &size);
    assert_int_equal(size, rig->size);
    assert_memory_equal(now, rig->archive, size);
    free(now);
}

static void a_load_leaves_a_newer_archive_where_it_is(void **state)
{
    struct rig *rig = *state;
    replica_set(&rig->replica, "torchinductor_cache_dir", scratch_path(rig->scratch, "other"));
    for (int i = 0; i < 2; i++) {
        replica_assert(&rig->replica, replica_load(&rig->replica), B10_ERROR, B10_REASON_FORMAT);
        assert_int_equal(rig->replica.report.archives_set_aside, 0);
        assert_untouched(rig);
    }
    assert_false(scratch_exists(rig->scratch, "other"));
}

static void a_save_does_not_replace_a_newer_archive(void **state)
{
    struct rig *rig = *state;
    replica_assert(&rig->replica, replica_save(&rig->replica), B10_SKIPPED,
                   B10_REASON_ALREADY_SAVED);
    assert_untouched(rig);
}

static void a_save_does_not_merge_into_a_newer_archive(void **state)
{
    struct rig *rig = *state;
    replica_set(&rig->replica, "b10_save_mode", "merge");
    replica_assert(&rig->replica, replica_save(&rig->replica), B10_SKIPPED,
                   B10_REASON_ALREADY_SAVED);
    assert_untouched(rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_load_leaves_a_newer_archive_where_it_is),
        TEST(a_save_does_not_replace_a_newer_archive),
        TEST(a_save_does_not_merge_into_a_newer_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
