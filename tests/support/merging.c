#include "support/merging.h"

#include <fcntl.h>

void merging_begin(struct replica *replica, const struct scratch *scratch)
{
    replica_init(replica, scratch);
    replica_fill(replica, "local");
    replica_set(replica, "b10_save_mode", "merge");
    replica_set(replica, "b10_load_mode", "merge");
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica->report.merged_files, 0);
}

void merging_aim(struct replica *replica, const char *local)
{
    replica_set(replica, "torchinductor_cache_dir", scratch_path(replica->scratch, local));
}

void merging_intact(struct replica *replica)
{
    if (b10_verify(replica_config(replica), NULL, replica_archive(replica), NULL,
                   &replica->error) != B10_SUCCESS)
        fail_msg("%s", replica->error.message);
    assert_int_equal(replica_volume_entries(replica), 1);
}

void merging_holds(struct replica *replica, const char *expected)
{
    merging_intact(replica);
    merging_aim(replica, "other host");
    replica_assert(replica, replica_load(replica), B10_SUCCESS, B10_REASON_OK);
    scratch_assert_same_tree(scratch_path(replica->scratch, expected),
                             scratch_path(replica->scratch, "other host"));
    assert_int_equal(b10_clear(replica_config(replica), NULL, NULL, &replica->error), B10_SUCCESS);
    merging_aim(replica, "local");
}

void merging_adds(struct replica *replica, uint64_t files, uint64_t directories)
{
    replica_assert(replica, replica_save(replica), B10_SUCCESS, B10_REASON_OK);
    assert_int_equal(replica->report.files, files);
    assert_int_equal(replica->report.directories, directories);
    assert_true(replica->report.merged_files > 0);
}

void merging_open(const struct replica *replica, struct reader *archive)
{
    const char *path = replica_archive(replica);
    assert_int_equal(reader_open(archive, AT_FDCWD, path, path, NULL), B10_REASON_OK);
}
